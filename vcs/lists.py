"""Lists: objects of text lines for what may be too long for a record.

Lines end in a newline and are sorted bytewise, so equal content has one id whoever writes
it. Ref names are spelled as in `vcs.fields`, hence hold no spaces. Where a line has an old
and a new id, `-` stands for none.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from vcs.errors import MalformedObject
from vcs.fields import decode_ref, encode_ref, object_hex
from vcs.objects import Kind, check_id, object_id

__all__ = [
    "RefChange",
    "decode_changes_list",
    "decode_erased_list",
    "decode_moved_list",
    "decode_refs_list",
    "encode_changes_list",
    "encode_erased_list",
    "encode_moved_list",
    "encode_refs_list",
    "is_derived_ref",
]

_DERIVED = ("refs/landings/", "refs/sessions/")


@dataclass(frozen=True, slots=True)
class RefChange:
    """One ref that moved; `old` None created it, `new` None deleted it."""

    name: str
    old: str | None
    new: str | None


def is_derived_ref(name: str) -> bool:
    """Whether a ref follows from landings and sessions, so that the log never stores it."""
    return name.startswith(_DERIVED)


def encode_refs_list(refs: Mapping[str, str]) -> bytes:
    """A checkpoint's refs: `<id> <name>`. Names as people write them, to the ids they hold."""
    for name in refs:
        _check_stored(name)
    return _joined(f"{id} {encode_ref(name)}" for name, id in refs.items())


def decode_refs_list(content: bytes, id: str | None = None) -> dict[str, str]:
    """The refs, name to id; with an id also checked to be the bytes of that id."""
    refs: dict[str, str] = {}
    for line in _lines(content, id, 2):
        target, name = _read(content, object_hex, line[0]), _read(content, decode_ref, line[1])
        if name in refs:
            raise _malformed(content, f"the ref {name} is there twice")
        refs[name] = target
    return refs


def encode_changes_list(changes: Iterable[RefChange]) -> bytes:
    """Ref changes of one record: `<name> <old> <new>`."""
    lines = []
    for change in changes:
        _check_stored(change.name)
        lines.append(f"{encode_ref(change.name)} {change.old or '-'} {change.new or '-'}")
    return _joined(lines)


def decode_changes_list(content: bytes, id: str | None = None) -> tuple[RefChange, ...]:
    """The changes in the list's order; with an id also checked to be the bytes of that id."""
    changes = []
    for name, old, new in _lines(content, id, 3):
        change = RefChange(
            _read(content, decode_ref, name),
            None if old == "-" else _read(content, object_hex, old),
            None if new == "-" else _read(content, object_hex, new),
        )
        changes.append(change)
    if len({change.name for change in changes}) != len(changes):
        raise _malformed(content, "a ref is there twice")
    return tuple(changes)


def encode_erased_list(ids: Iterable[str]) -> bytes:
    """What a purge erased: one id a line."""
    return _joined(set(ids))


def decode_erased_list(content: bytes, id: str | None = None) -> frozenset[str]:
    """The erased ids; with an id also checked to be the bytes of that id."""
    return frozenset(_read(content, object_hex, line[0]) for line in _lines(content, id, 1))


def encode_moved_list(moved: Mapping[int, tuple[str, str]]) -> bytes:
    """The positions whose commit a purge rewrote: `<position, 12 digits> <old> <new>`."""
    return _joined(f"{position:012d} {old} {new}" for position, (old, new) in moved.items())


def decode_moved_list(content: bytes, id: str | None = None) -> dict[int, tuple[str, str]]:
    """Position to old and new commit; with an id also checked to be the bytes of that id."""
    moved: dict[int, tuple[str, str]] = {}
    for position, old, new in _lines(content, id, 3):
        if len(position) != 12 or not (position.isascii() and position.isdigit()):
            raise _malformed(content, f"{position!r} is no position of 12 digits")
        moved[int(position)] = (_read(content, object_hex, old), _read(content, object_hex, new))
    return moved


def _check_stored(name: str) -> None:
    if is_derived_ref(name):
        raise MalformedObject(
            what="ref", name=name, problem="the log never stores refs of landings and sessions"
        )


def _joined(lines: Iterable[str]) -> bytes:
    return b"".join(sorted(line.encode("ascii") + b"\n" for line in lines))


def _lines(content: bytes, id: str | None, width: int) -> list[list[str]]:
    if id is not None:
        check_id(id, Kind.LIST, content)
    if content and not content.endswith(b"\n"):
        raise _malformed(content, "its last line is cut off")
    lines = content.split(b"\n")[:-1]
    if any(first >= second for first, second in pairwise(lines)):
        raise _malformed(content, "its lines are not sorted")
    split = [line.decode("latin-1").split(" ") for line in lines]
    if any(len(words) != width for words in split):
        raise _malformed(content, f"a line has not {width} words")
    return split


def _read(content: bytes, shape: Callable[[str], str], text: str) -> str:
    try:
        return shape(text)
    except ValueError as error:
        raise _malformed(content, str(error)) from error


def _malformed(content: bytes, problem: str) -> MalformedObject:
    return MalformedObject(what="list", name=object_id(Kind.LIST, content), problem=problem)
