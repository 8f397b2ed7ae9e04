"""Conflicts: three trees become one, or name exactly the paths where they cannot.

Each path is compared by its entry (mode and id) in base, head and ours: equal on two
sides takes the third, anything else is a conflict. Folders are compared whole first and
entered only where all three sides differ, so the cost follows what changed, not what is
there. A folder that is absent counts as an empty one: git knows no empty folders, and two
sessions that both begin `docs/` with different files touched no common path.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter

from vcs.objects import EMPTY_TREE, Entry, Kind, Object, encode_tree
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


def merge(reader: TreeReader, base: str, head: str, ours: str) -> Merged:
    """What head becomes when the way from base to ours is laid over it; conflicts in path order."""
    merging = _Merging(reader)
    tree = merging.folder(b"", base, head, ours)
    return Merged(tree, merging.objects, sorted(merging.conflicts, key=lambda found: found.path))


class _Merging:
    def __init__(self, reader: TreeReader) -> None:
        self.reader = reader
        self.objects: list[Object] = []
        self.conflicts: list[Conflict] = []

    def folder(self, prefix: bytes, base: str, head: str, ours: str) -> str:
        """The id of the merged folder; EMPTY_TREE when nothing is in it."""
        if head == ours or base == ours:
            return head
        if base == head:
            return ours
        theirs = _by_name(self._entries(head))
        merged, known = dict(theirs), len(self.conflicts)
        # Most names are the same on both of our sides: head keeps what it has there.
        for name, (old, mine) in _differing(self._entries(base), self._entries(ours)).items():
            entry = self._name(prefix + name, old, theirs.get(name), mine)
            if entry is None:
                merged.pop(name, None)
            else:
                merged[name] = entry
        # What is refused is not worth encoding.
        return self._stored(merged.values(), head, ours) if len(self.conflicts) == known else head

    def _entries(self, id: str) -> tuple[Entry, ...]:
        return () if id == EMPTY_TREE else self.reader.tree(id)

    def _stored(self, entries: Iterable[Entry], *known: str) -> str:
        content = encode_tree(entries)
        made = Object.of(Kind.TREE, content)
        if content and made.id not in known:
            self.objects.append(made)
        return made.id

    def _name(
        self, path: bytes, base: Entry | None, theirs: Entry | None, ours: Entry | None
    ) -> Entry | None:
        if theirs == ours or base == ours:
            return theirs
        if base == theirs:
            return ours
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


_Sides = tuple[Entry | None, Entry | None]


def _differing(before: tuple[Entry, ...], after: tuple[Entry, ...]) -> dict[bytes, _Sides]:
    """What is not the same in two folders, by name."""
    if len(before) == len(after):
        # Files were changed, none came or went: the usual case needs no look at each name.
        pairs = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        if all(old.name == new.name for old, new in pairs):
            return {old.name: (old, new) for old, new in pairs}
    olds, news = _by_name(before), _by_name(after)
    return {name: (olds.get(name), news.get(name)) for name, _ in olds.items() ^ news.items()}


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
