"""Objects: ids, and the bytes behind them.

An object is a kind and its content; its id is SHA-256 of `<kind> <length>\\0` and the
content. Blobs, trees, commits and tags are byte for byte git's SHA-256 object format, so
a repository made by `git init --object-format=sha256` agrees with every id in here.
Records, lists and raw objects are ours and never reach a git repository as they are.

Ids are computed over stored bytes. Nobody parses and encodes again to verify one: history
holds trees and commits that we would never write that way ourselves.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple, Self

from vcs.errors import CorruptObject, InvalidPath, MalformedObject

__all__ = [
    "EMPTY_BLOB",
    "EMPTY_TREE",
    "Commit",
    "Entry",
    "Hasher",
    "Kind",
    "Object",
    "Tag",
    "canonical_json",
    "check_id",
    "check_name",
    "check_path",
    "encode_commit",
    "encode_ordered",
    "encode_tree",
    "first_parent",
    "format_time",
    "in_order",
    "is_object_id",
    "new_id",
    "object_id",
    "parse_canonical",
    "parse_commit",
    "parse_tag",
    "parse_time",
    "parse_tree",
    "raw_id",
    "signature",
    "tree_rows",
]


class Kind(IntEnum):
    """What an object is; the number is its type byte in a segment's footer."""

    BLOB = 1
    TREE = 2
    COMMIT = 3
    TAG = 4
    RECORD = 5
    LIST = 6
    RAW = 7

    @property
    def word(self) -> str:
        """The type as it stands in an id's header: `blob`, `tree`, ..."""
        return _WORDS[self]

    @classmethod
    def of_word(cls, word: str | bytes) -> "Kind":
        """The kind a header's word stands for; MalformedObject for a word nobody knows."""
        text = word.decode("latin-1") if isinstance(word, bytes) else word
        kind = _KINDS_BY_WORD.get(text)
        if kind is None:
            raise MalformedObject(what="object type", name=text, problem="no such type")
        return kind


# Asked for with every id: as a table it costs a third of what reading the member's name does.
_WORDS = {kind: kind.name.lower() for kind in Kind}
_KINDS_BY_WORD = {word: kind for kind, word in _WORDS.items()}
_HEADERS = {kind: word.encode() + b" %d\0" for kind, word in _WORDS.items()}
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)
_HEX_ID = re.compile(r"[0-9a-f]{64}\Z")
_LOWER_HEX = re.compile(r"[0-9a-f]*\Z")


def object_id(kind: Kind, content: bytes) -> str:
    """The id of an object: 64 lower-case hex digits."""
    hasher = hashlib.sha256(b"%s %d\0" % (kind.word.encode(), len(content)))
    hasher.update(content)
    return hasher.hexdigest()


def raw_id(kind: Kind, content: bytes) -> bytes:
    """The 32 bytes of an object's id, for whoever makes many."""
    return hashlib.sha256(_HEADERS[kind] % len(content) + content).digest()


def is_object_id(text: object) -> bool:
    """Whether this is a string of 64 lower-case hex digits."""
    return isinstance(text, str) and _HEX_ID.match(text) is not None


def check_id(id: str, kind: Kind, content: bytes) -> None:
    """Raise CorruptObject, naming the id, unless these bytes are what the id promises."""
    found = object_id(kind, content)
    if found != id:
        raise CorruptObject(id=id, problem=f"its bytes are those of {kind.word} {found}")


class Hasher:
    """The id of a content that arrives in pieces and whose length is known beforehand."""

    def __init__(self, kind: Kind, length: int) -> None:
        self._hash = hashlib.sha256(b"%s %d\0" % (kind.word.encode(), length))
        self._kind = kind
        self._length = length
        self._seen = 0

    def update(self, chunk: bytes) -> None:
        """Take the next piece."""
        self._hash.update(chunk)
        self._seen += len(chunk)

    def hexdigest(self) -> str:
        """The id; MalformedObject when more or fewer bytes came than were announced."""
        digest = self._hash.hexdigest()
        if self._seen != self._length:
            problem = f"{self._length} bytes were announced and {self._seen} came"
            raise MalformedObject(what=self._kind.word, name=digest, problem=problem)
        return digest


class Object(NamedTuple):
    """One object with its bytes; whoever builds it promises that they belong together."""

    kind: Kind
    id: str
    content: bytes

    @classmethod
    def of(cls, kind: Kind, content: bytes) -> Self:
        """The object these bytes are."""
        return cls(kind, object_id(kind, content), content)


EMPTY_BLOB = object_id(Kind.BLOB, b"")
EMPTY_TREE = object_id(Kind.TREE, b"")


class Entry(NamedTuple):
    """One line of a tree. `mode` is git's octal text as it is stored, `name` one component.

    A gitlink's id is the SHA-1 of a commit elsewhere, filled up with 24 zero digits.
    """

    mode: bytes
    name: bytes
    id: str

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder; old histories also write its mode `040000`."""
        return self.mode == b"40000" or self.mode.lstrip(b"0") == b"40000"

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link: its blob holds the target."""
        return self.mode == b"120000"

    @property
    def is_gitlink(self) -> bool:
        """Whether it is a submodule's commit, which lives in another repository."""
        return self.mode.lstrip(b"0") == b"160000"


_OCTAL = re.compile(rb"[0-7]{1,7}\Z")


def encode_tree(entries: Iterable[Entry]) -> bytes:
    """A tree's bytes, its entries sorted git's way: folders compare as if they ended in `/`.

    Raises MalformedObject for two entries of one name and for what no tree can hold. Names
    such as `.git` are `check_name`'s affair, because old histories do hold them.
    """
    return encode_ordered(in_order(entries))


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries as a tree stores them."""
    return tuple(sorted(entries, key=_sort_key))


def encode_ordered(ordered: Sequence[Entry]) -> bytes:
    """As `encode_tree`, for entries that are in order."""
    if not ordered:
        return b""
    modes, names, ids = zip(*ordered, strict=True)
    # A look at all of them together costs a third of a look at each.
    joined, together = b"".join(names), "".join(ids)
    sound = (
        len(set(names)) == len(names)
        and b"" not in names
        and b"/" not in joined
        and b"\0" not in joined
        and all(map(_OCTAL.match, set(modes)))
        and set(map(len, ids)) == {64}
        and _LOWER_HEX.match(together)
    )
    if not sound:
        _refuse_unsound(ordered)
    raw = bytes.fromhex(together)
    return b"".join(
        [
            b"%s %s\0%s" % (mode, name, raw[at : at + 32])
            for mode, name, at in zip(modes, names, range(0, len(raw), 32), strict=True)
        ]
    )


def _refuse_unsound(ordered: Iterable[Entry]) -> None:
    """Raise for the first entry that no tree can hold."""
    seen: set[bytes] = set()
    for entry in ordered:
        shown = entry.name.decode("utf-8", "backslashreplace")
        if entry.name in seen:
            raise MalformedObject(what="tree entry", name=shown, problem="the name is there twice")
        if not entry.name or b"/" in entry.name or b"\0" in entry.name:
            raise MalformedObject(what="tree entry", name=shown, problem="the name is not one component")
        if not _OCTAL.match(entry.mode) or not is_object_id(entry.id):
            raise MalformedObject(what="tree entry", name=shown, problem="its mode or id is not one")
        seen.add(entry.name)


def _sort_key(entry: Entry) -> bytes:
    mode, name, _ = entry
    return name + b"/" if mode == b"40000" or mode.lstrip(b"0") == b"40000" else name


def parse_tree(content: bytes) -> tuple[Entry, ...]:
    """The entries in the order they are stored, names and modes as they are.

    Order and doubles are not judged: imported trees keep what history holds.
    """
    return tuple([Entry(mode, name, id.hex()) for mode, name, id in tree_rows(content)])


def tree_rows(content: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Mode, name and raw id of each entry in the order they are stored."""
    found: list[tuple[bytes, bytes, bytes]] = _TREE_ENTRY.findall(content)
    if sum([len(mode) + len(name) + 34 for mode, name, _ in found]) != len(content):
        raise _malformed(Kind.TREE, content, f"the entry at byte {_first_gap(content)} is none, or cut off")
    return found


_TREE_ENTRY = re.compile(rb"([0-7]{1,7}) ([^\0]+)\0(.{32})", re.DOTALL)


def _first_gap(content: bytes) -> int:
    at = 0
    while match := _TREE_ENTRY.match(content, at):
        at = match.end()
    return at


def _malformed(kind: Kind, content: bytes, problem: str) -> MalformedObject:
    return MalformedObject(what=kind.word, name=object_id(kind, content), problem=problem)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit. `author` and `committer` are whole signature lines without their keyword.

    `headers` are what else stands before the message (gpgsig, encoding, mergetag, ...), in
    order, with the lines of a value joined by newlines.
    """

    tree: str
    parents: tuple[str, ...]
    author: bytes
    committer: bytes
    message: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def encode_commit(commit: Commit) -> bytes:
    """A commit's bytes; the message is taken as it is, with or without a last newline."""
    lines = [b"tree " + commit.tree.encode()]
    lines += [b"parent " + parent.encode() for parent in commit.parents]
    lines += [b"author " + commit.author, b"committer " + commit.committer]
    lines += [key + b" " + value.replace(b"\n", b"\n ") for key, value in commit.headers]
    return b"\n".join(lines) + b"\n\n" + commit.message


def parse_commit(content: bytes) -> Commit:
    """What a commit says. Old histories hold commits without author, committer or message;
    those read as empty. MalformedObject when tree or parents are not ids.
    """
    head, blank, message = content.partition(b"\n\n")
    lines = (head if blank else head.removesuffix(b"\n")).split(b"\n")
    tree = _line_id(Kind.COMMIT, content, lines, 0, b"tree ")
    if tree is None:
        raise _malformed(Kind.COMMIT, content, "it does not begin with its tree")
    parents: list[str] = []
    at = 1
    while (parent := _line_id(Kind.COMMIT, content, lines, at, b"parent ")) is not None:
        parents.append(parent)
        at += 1
    author = committer = b""
    if at < len(lines) and lines[at].startswith(b"author "):
        author = lines[at].removeprefix(b"author ")
        at += 1
    if at < len(lines) and lines[at].startswith(b"committer "):
        committer = lines[at].removeprefix(b"committer ")
        at += 1
    return Commit(tree, tuple(parents), author, committer, message, _unfolded(lines[at:]))


def first_parent(content: bytes) -> str | None:
    """The first parent of a commit, for whoever follows thousands; MalformedObject as `parse_commit`."""
    match = _FIRST_PARENT.match(content)
    return match[1].decode() if match else next(iter(parse_commit(content).parents), None)


_FIRST_PARENT = re.compile(rb"tree [0-9a-f]{64}\nparent ([0-9a-f]{64})\n")


def _line_id(kind: Kind, content: bytes, lines: list[bytes], at: int, keyword: bytes) -> str | None:
    """The id of line `at` when it has this keyword, None when it has another one."""
    if at >= len(lines) or not lines[at].startswith(keyword):
        return None
    id = lines[at][len(keyword) :].decode("latin-1")
    if not is_object_id(id):
        raise _malformed(kind, content, f"line {at + 1} holds no object id")
    return id


def _unfolded(lines: list[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    headers: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line.startswith(b" ") and headers:
            key, value = headers[-1]
            headers[-1] = (key, value + b"\n" + line[1:])
        else:
            key, _, value = line.partition(b" ")
            headers.append((key, value))
    return tuple(headers)


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag: what it points at, and the rest as it was written."""

    target: str
    kind: Kind
    name: bytes
    tagger: bytes
    message: bytes


def parse_tag(content: bytes) -> Tag:
    """What an annotated tag says; `tagger` is empty in tags from before git wrote one."""
    head, _, message = content.partition(b"\n\n")
    lines = head.removesuffix(b"\n").split(b"\n")
    target = _line_id(Kind.TAG, content, lines, 0, b"object ")
    if target is None or len(lines) < 3 or not (lines[1][:5] == b"type " and lines[2][:4] == b"tag "):
        raise _malformed(Kind.TAG, content, "it does not begin with object, type and name")
    tagger = lines[3].removeprefix(b"tagger ") if len(lines) > 3 and lines[3][:7] == b"tagger " else b""
    return Tag(target, Kind.of_word(lines[1][5:]), lines[2][4:], tagger, message)


# What git drops from the ends of names (ident.c, `crud`).
_CRUD = " .,:;<>\"\\'" + "".join(map(chr, range(33)))


def signature(name: str, email: str, at: datetime) -> bytes:
    """`Name <email> 1700000000 +0000`, cleaned the way git cleans idents; always in UTC."""
    clean = [re.sub(r"[<>\n\0]", "", part.strip(_CRUD)).encode("utf-8", "replace") for part in (name, email)]
    return b"%s <%s> %d +0000" % (clean[0], clean[1], int(at.astimezone(UTC).timestamp()))


_LARGEST_INTEGER = 2**53


def canonical_json(value: Any) -> bytes:
    """The one spelling of a value: sorted ASCII keys, no spaces, no floats, integers below 2^53."""
    _check_json(value)
    return _CANONICAL.encode(value).encode("ascii")


def _check_json(value: Any) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) >= _LARGEST_INTEGER:
            raise ValueError("integers stay below 2^53")
    elif isinstance(value, list | tuple):
        for item in value:
            _check_json(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise ValueError("keys are ASCII texts")
            _check_json(item)
    else:
        raise ValueError(f"{type(value).__name__} has no canonical form")


def parse_canonical(content: bytes, what: str, name: str | None = None) -> Any:
    """The value these bytes spell; MalformedObject names `what` and `name` (or their SHA-256).

    Refuses doubled keys, floats and big integers; the spelling is not compared, because ids
    are over the stored bytes.
    """
    try:
        value = _STRICT.decode(content.decode("ascii"))
    except (ValueError, RecursionError) as error:
        shown = name if name is not None else hashlib.sha256(content).hexdigest()
        raise MalformedObject(what=what, name=shown, problem=f"it is no canonical JSON ({error})") from error
    return value


def _checked_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is there twice")
    if not "".join(value).isascii():
        raise ValueError("keys are ASCII texts")
    return value


def _checked_integer(text: str) -> int:
    number = int(text)
    if abs(number) >= _LARGEST_INTEGER:
        raise ValueError("integers stay below 2^53")
    return number


def _refuse_number(text: str) -> None:
    raise ValueError(f"{text} is no integer")


_STRICT = json.JSONDecoder(
    object_pairs_hook=_checked_object,
    parse_int=_checked_integer,
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
)


def check_path(path: bytes) -> tuple[bytes, ...]:
    """The components of a path that a new entry may have; InvalidPath for any other."""
    if not path:
        raise InvalidPath(path="''", problem="it is empty")
    names = tuple(path.split(b"/"))
    for name in names:
        _check_component(name, path)
    return names


def check_name(name: bytes) -> None:
    """Raise InvalidPath unless a new entry may have this name."""
    if b"/" in name:
        raise InvalidPath(path=_shown(name), problem="a name has no slash in it")
    _check_component(name, name)


def _check_component(name: bytes, path: bytes) -> None:
    if not name:
        raise InvalidPath(path=_shown(path), problem="a name in it is empty")
    if name in (b".", b".."):
        raise InvalidPath(path=_shown(path), problem=f"`{name.decode()}` is no name")
    if b"\0" in name:
        raise InvalidPath(path=_shown(path), problem="there is a zero byte in it")
    if _spells_dot_git(name):
        raise InvalidPath(path=_shown(path), problem="git would take a part of it for its own `.git`")


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace") or "''"


# Code points that HFS+ drops from names before it compares them (git's utf8.c, next_hfs_char).
_HFS_IGNORED = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF], None
)
# What NTFS opens as `.git`: its short name, trailing dots and spaces, and stream names (git's path.c).
_NTFS_DOT_GIT = re.compile(rb"(?:\.git|git~1)[ .]*(?::.*)?\Z", re.IGNORECASE | re.DOTALL)


def _spells_dot_git(name: bytes) -> bool:
    lowered = name.lower()
    if b"git" not in lowered and name.isascii():
        return False
    plain = name.decode("utf-8", "surrogateescape").translate(_HFS_IGNORED)
    if plain.lower() == ".git":
        return True
    return any(_NTFS_DOT_GIT.match(part) for part in name.split(b"\\"))


def new_id() -> str:
    """A new UUIDv7 (RFC 9562, with 12 bits of sub-millisecond time), lower case with dashes."""
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") & (2**62 - 1)
    number = (milliseconds & (2**48 - 1)) << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z", re.ASCII)


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC, always six decimals and `Z`; times without a zone are refused."""
    if at.tzinfo is None:
        raise ValueError("a time needs its zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse_time(text: str) -> datetime:
    """The time `format_time` wrote; MalformedObject for any other spelling."""
    try:
        if not _TIME.match(text):
            raise ValueError("it is not RFC 3339 in UTC with six decimals")
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedObject(what="time", name=text, problem=str(error)) from error
