"""Translation: git's SHA-1 form of an object is ours with the ids replaced, nothing else.

Ids stand in the entries of a tree (20 or 32 raw bytes), in the `tree` and `parent` lines
before the first empty line of a commit, and in the first `object` line of a tag. A gitlink
names a commit of another repository: its 20 bytes are filled up with 12 zeros. Everything
else is kept byte for byte, so an imported object comes back with the SHA-1 it had. Where
it would not, git's own bytes are kept whole, as a raw object.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from vcs.errors import MalformedObject
from vcs.objects import Kind, Object, object_id, parse_commit, parse_tag, parse_tree

__all__ = ["from_git", "git_sha1", "ids_in", "raw_ids", "raw_parts", "to_git", "with_ids"]

_SHA1 = 20
_SHA256 = 32
_GITLINK_FILL = bytes(_SHA256 - _SHA1)
_GIT_KINDS = frozenset({Kind.BLOB, Kind.TREE, Kind.COMMIT, Kind.TAG})


def git_sha1(kind: Kind, content: bytes, sha1_of: Callable[[str], bytes]) -> bytes:
    """The 20 bytes of git's SHA-1; `sha1_of` is asked for each id in the object.

    ValueError for records and lists, which git never sees.
    """
    word = raw_parts(content)[0] if kind is Kind.RAW else kind
    plain = to_git(kind, content, sha1_of)
    header = b"%s %d\0" % (word.word.encode(), len(plain))
    return hashlib.sha1(header + plain, usedforsecurity=False).digest()


def to_git(kind: Kind, content: bytes, sha1_of: Callable[[str], bytes]) -> bytes:
    """git's bytes of one of our objects; those a raw object keeps are of the type it names."""
    if kind is Kind.RAW:
        return raw_parts(content)[1]
    if kind not in _GIT_KINDS:
        raise ValueError(f"a {kind.word} has no form in git")
    if kind is Kind.BLOB:
        return content
    if kind is Kind.TREE and (plain := _tree_to_git(content, sha1_of)) is not None:
        return plain
    return _replaced(kind, content, _SHA256, lambda place: _sha1_at(kind, content, place, sha1_of))


def _tree_to_git(content: bytes, sha1_of: Callable[[str], bytes]) -> bytes | None:
    """Most trees, faster; None for one with a submodule in it, and for what is none."""
    found = _ENTRIES[_SHA256].findall(content)
    if sum([len(mode) + len(name) + 34 for mode, name, _ in found]) != len(content):
        return None
    if any([_is_gitlink(mode) for mode in {mode for mode, _, _ in found}]):
        return None
    return b"".join([b"%s %s\0%s" % (mode, name, sha1_of(id.hex())) for mode, name, id in found])


def _sha1_at(kind: Kind, content: bytes, place: "_Place", sha1_of: Callable[[str], bytes]) -> bytes:
    if not place.gitlink:
        return sha1_of(place.id)
    sha1, fill = place.raw[:_SHA1], place.raw[_SHA1:]
    if fill != _GITLINK_FILL:
        raise _malformed(kind, content, "a submodule's commit in it is no SHA-1")
    return sha1


def from_git(word: bytes, content: bytes, id_of: Callable[[bytes], str]) -> Object:
    """Our form of one of git's objects; `id_of` is asked for each SHA-1 (20 bytes) in it.

    It is a raw object when git's bytes are such that ours could not be read, or would not
    come back identical. MalformedObject for a type that git does not have.
    """
    kind = Kind.of_word(word)
    if kind not in _GIT_KINDS:
        raise MalformedObject(what="object type", name=kind.word, problem="git has no such type")
    if kind is Kind.BLOB:
        return Object.of(kind, content)
    try:
        ours = _replaced(kind, content, _SHA1, lambda place: _id_at(place, id_of))
        _PARSERS[kind](ours)
    except MalformedObject:
        return Object.of(Kind.RAW, b"%s %d\0%s" % (word, len(content), content))
    return Object.of(kind, ours)


def _id_at(place: "_Place", id_of: Callable[[bytes], str]) -> bytes:
    return place.raw + _GITLINK_FILL if place.gitlink else bytes.fromhex(id_of(place.raw))


_PARSERS: dict[Kind, Callable[[bytes], object]] = {
    Kind.TREE: parse_tree,
    Kind.COMMIT: parse_commit,
    Kind.TAG: parse_tag,
}


def ids_in(kind: Kind, content: bytes) -> list[str]:
    """The ids that one of our objects names, in order, gitlinks left out; none for a raw one."""
    if kind not in _GIT_KINDS or kind is Kind.BLOB:
        return []
    return [place.id for place in _places(kind, content, _SHA256) if not place.gitlink]


def with_ids(kind: Kind, content: bytes, id_of: Callable[[str], str]) -> bytes:
    """One of our trees, commits or tags with other ids in it, gitlinks and all other bytes as they are."""
    return _replaced(
        kind,
        content,
        _SHA256,
        lambda place: place.raw if place.gitlink else bytes.fromhex(id_of(place.id)),
    )


def raw_parts(content: bytes) -> tuple[Kind, bytes]:
    """The type a raw object names, and git's own bytes of it."""
    header, zero, plain = content.partition(b"\0")
    word, _, length = header.partition(b" ")
    kind = _KINDS_BY_WORD.get(word)
    if not zero or kind is None or length != b"%d" % len(plain):
        raise _malformed(Kind.RAW, content, "it does not begin with git's type and length")
    return kind, plain


_KINDS_BY_WORD = {kind.word.encode(): kind for kind in _GIT_KINDS}


def raw_ids(content: bytes) -> list[bytes]:
    """The SHA-1s a raw object names as far as its bytes can be read; they count for reachability."""
    kind, plain = raw_parts(content)
    if kind is Kind.TREE:
        found = []
        for match in _entries(plain, _SHA1):
            if not _is_gitlink(match[1]):
                found.append(match[3])
        return found
    if kind is Kind.BLOB:
        return []
    head = _header(plain)
    return [bytes.fromhex(match[1].decode()) for match in _LOOSE_LINE.finditer(plain, 0, len(head))]


class _Place(NamedTuple):
    """Where an id stands in an object, its raw bytes, and whether it is a foreign commit's."""

    start: int
    end: int
    raw: bytes
    gitlink: bool = False

    @property
    def id(self) -> str:
        return self.raw.hex()


def _replaced(kind: Kind, content: bytes, width: int, replace: Callable[[_Place], bytes]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for place in _places(kind, content, width):
        other = replace(place)
        parts += [content[at : place.start], other if kind is Kind.TREE else other.hex().encode()]
        at = place.end
    parts.append(content[at:])
    return b"".join(parts)


def _places(kind: Kind, content: bytes, width: int) -> Iterator[_Place]:
    """Where the ids are; MalformedObject when something that should be one is not."""
    if kind is Kind.TREE:
        end = 0
        for match in _entries(content, width):
            end = match.end()
            yield _Place(match.start(3), end, match[3], _is_gitlink(match[1]))
        if end != len(content):
            raise _malformed(kind, content, f"the entry at byte {end} is cut off")
        return
    lines = _COMMIT_LINE if kind is Kind.COMMIT else _TAG_LINE
    for match in lines.finditer(content, 0, len(_header(content))):
        if len(match[1]) != 2 * width or not _LOWER_HEX.match(match[1]):
            raise _malformed(kind, content, "a line that should hold an id does not")
        yield _Place(match.start(1), match.end(1), bytes.fromhex(match[1].decode()))
        if kind is Kind.TAG:
            return


_ENTRIES = {
    width: re.compile(rb"([0-7]{1,7}) ([^\0]+)\0(.{%d})" % width, re.DOTALL) for width in (_SHA1, _SHA256)
}
_COMMIT_LINE = re.compile(rb"^(?:tree|parent) (.*)$", re.MULTILINE)
_TAG_LINE = re.compile(rb"^object (.*)$", re.MULTILINE)
_LOOSE_LINE = re.compile(rb"^(?:tree|parent|object) ([0-9a-fA-F]{40})$", re.MULTILINE)
_LOWER_HEX = re.compile(rb"[0-9a-f]*\Z")


def _entries(content: bytes, width: int) -> Iterator[re.Match[bytes]]:
    """Entries one after the other, as far as they follow each other without a gap."""
    at, pattern = 0, _ENTRIES[width]
    while match := pattern.match(content, at):
        yield match
        at = match.end()


def _is_gitlink(mode: bytes) -> bool:
    return mode[-6:] == b"160000" and mode.lstrip(b"0") == b"160000"


def _header(content: bytes) -> bytes:
    """What stands before the first empty line."""
    if content.startswith(b"\n"):
        return b""
    end = content.find(b"\n\n")
    return content if end < 0 else content[: end + 1]


def _malformed(kind: Kind, content: bytes, problem: str) -> MalformedObject:
    return MalformedObject(what=kind.word, name=object_id(kind, content), problem=problem)
