"""Conflicts: three trees become one, or name exactly the paths where they cannot.

Each path is compared by its entry (mode and id) in base, head and ours: equal on two
sides takes the third, anything else is a conflict. Folders are compared whole first and
entered only where all three sides differ, so the cost follows what changed, not what is
there. A folder that is absent counts as an empty one: git knows no empty folders, and two
sessions that both begin `docs/` with different files touched no common path.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter, ne

from vcs.objects import EMPTY_TREE, Entry, Kind, Object, encode_ordered, in_order
from vcs.overlay import TreeReader

__all__ = ["Conflict", "Merged", "merge"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path both sides changed differently: `ours` is the session's, `theirs` the head's.

    A file on one side where the other has a folder is reported at the file's path.
    """

    path: bytes
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged tree with the new tree objects it needs. With conflicts, folders in which there
    are some stay as they are in head, and `tree` must not land.
    """

    tree: str
    objects: list[Object] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    parsed: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    """The entries of these objects by id."""


def merge(reader: TreeReader, base: str, head: str, ours: str) -> Merged:
    """What head becomes when the way from base to ours is laid over it; conflicts in path order."""
    merging = _Merging(reader)
    tree = merging.folder(b"", base, head, ours)
    conflicts = sorted(merging.conflicts, key=lambda found: found.path)
    return Merged(tree, merging.objects, conflicts, merging.parsed)


class _Merging:
    def __init__(self, reader: TreeReader) -> None:
        self.reader = reader
        self.objects: list[Object] = []
        self.conflicts: list[Conflict] = []
        self.parsed: dict[str, tuple[Entry, ...]] = {}

    def folder(self, prefix: bytes, base: str, head: str, ours: str) -> str:
        """The id of the merged folder; EMPTY_TREE when nothing is in it."""
        if head == ours or base == ours:
            return head
        if base == head:
            return ours
        there, known = self._entries(head), len(self.conflicts)
        changed: dict[bytes, Entry | None] = {}
        # Most names are the same on both of our sides: head keeps what it has there.
        for name, old, theirs, mine in _differing(self._entries(base), there, self._entries(ours)):
            entry = self._name(prefix + name, old, theirs, mine)
            if entry is not theirs:
                changed[name] = entry
        # What is refused is not worth encoding.
        if len(self.conflicts) > known:
            return head
        merged = _by_name(there) | changed
        return self._stored([entry for entry in merged.values() if entry is not None], head, ours)

    def _entries(self, id: str) -> tuple[Entry, ...]:
        return () if id == EMPTY_TREE else self.reader.tree(id)

    def _stored(self, entries: Iterable[Entry], *known: str) -> str:
        ordered = in_order(entries)
        made = Object.of(Kind.TREE, encode_ordered(ordered))
        if ordered and made.id not in known:
            self.objects.append(made)
            self.parsed[made.id] = ordered
        return made.id

    def _name(
        self, path: bytes, base: Entry | None, theirs: Entry | None, ours: Entry | None
    ) -> Entry | None:
        if theirs == ours or base == ours:
            return theirs
        if base == theirs:
            return ours
        if _is_no_folder(base) and _is_no_folder(theirs) and _is_no_folder(ours):
            self.conflicts.append(Conflict(path, base, ours, theirs))
            return theirs
        if base and theirs and ours and base[0] == theirs[0] == ours[0] == b"40000":
            merged = self.folder(path + b"/", base[2], theirs[2], ours[2])
            return None if merged == EMPTY_TREE else _folder_entry(path, merged, theirs, ours)
        # The name as a file and as a folder are two different things, each merged on its own.
        folder = self.folder(path + b"/", _folder(base), _folder(theirs), _folder(ours))
        old, head, mine = _file(base), _file(theirs), _file(ours)
        if head == mine or old == mine:
            file = head
        elif old == head:
            file = mine
        else:
            self.conflicts.append(Conflict(path, base, ours, theirs))
            return theirs
        if folder == EMPTY_TREE:
            return file
        if file is not None:
            self.conflicts.append(Conflict(path, base, ours, theirs))
            return theirs
        return _folder_entry(path, folder, theirs, ours)


_Sides = tuple[bytes, Entry | None, Entry | None, Entry | None]


def _differing(
    base: tuple[Entry, ...], theirs: tuple[Entry, ...], ours: tuple[Entry, ...]
) -> Iterable[_Sides]:
    """What is not the same in base and ours, by name, with what the head has of that name."""
    if len(base) == len(ours) == len(theirs):
        # Files were changed, none came or went: the usual case needs no look at each name.
        sides = compress(zip(base, theirs, ours, strict=True), map(ne, base, ours))
        found = [(old[1], old, head, mine) for old, head, mine in sides]
        if all([name == head[1] == mine[1] for name, _, head, mine in found]):
            return found
    olds, heads, mines = _by_name(base), _by_name(theirs), _by_name(ours)
    names = dict.fromkeys(name for name, _ in olds.items() ^ mines.items())
    return [(name, olds.get(name), heads.get(name), mines.get(name)) for name in names]


def _is_no_folder(entry: Entry | None) -> bool:
    return entry is None or entry[0] in _FILES


_FILES = frozenset({b"100644", b"100755", b"120000"})


def _by_name(entries: tuple[Entry, ...]) -> dict[bytes, Entry]:
    return dict(zip(map(_NAME, entries), entries, strict=True))


_NAME = itemgetter(1)


def _folder(entry: Entry | None) -> str:
    return entry.id if entry is not None and entry.is_tree else EMPTY_TREE


def _file(entry: Entry | None) -> Entry | None:
    return None if entry is not None and entry.is_tree else entry


def _folder_entry(path: bytes, id: str, *known: Entry | None) -> Entry:
    """An entry for a folder; the very entry of a side that has this folder, old mode and all."""
    for entry in known:
        if entry is not None and entry.is_tree and entry.id == id:
            return entry
    return Entry(b"40000", path.rpartition(b"/")[2], id)
