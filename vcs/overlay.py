"""The overlay: a list of changed paths laid over a tree makes a new tree.

Deletions come first, whatever the order they were given in; then every written path
takes its place, as `git add` would have it: a file written below another file replaces
that file, a file written over a folder replaces the folder. A folder lives by what is in
it, so one that becomes empty is gone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from vcs.errors import InvalidPath
from vcs.objects import EMPTY_TREE, Entry, Kind, Object, check_path, encode_ordered, in_order

__all__ = ["Change", "TreeReader", "apply", "entry_at", "walk"]


class TreeReader(Protocol):
    """Whoever can give the entries of a tree by its id."""

    def tree(self, id: str) -> tuple[Entry, ...]:
        """The entries as they are stored; CorruptObject when there is no such tree."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one path: a new mode and object, or (both None) its deletion.

    Deleting a folder's path deletes all below it; deleting what is not there is no error.
    """

    path: bytes
    mode: bytes | None
    id: str | None


@dataclass(slots=True)
class _Node:
    """What happens at one name: an entry written, all there deleted, names below it changed."""

    written: tuple[bytes, str] | None = None
    deleted: bool = False
    below: dict[bytes, "_Node"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Made:
    """New trees, and their entries by id."""

    objects: list[Object]
    parsed: dict[str, tuple[Entry, ...]]

    def add(self, entries: Iterable[Entry]) -> str:
        ordered = in_order(entries)
        made = Object.of(Kind.TREE, encode_ordered(ordered))
        self.objects.append(made)
        self.parsed[made.id] = ordered
        return made.id


def apply(
    reader: TreeReader,
    root: str,
    changes: Iterable[Change],
    parsed: dict[str, tuple[Entry, ...]] | None = None,
) -> tuple[str, list[Object]]:
    """The tree `root` becomes, and the tree objects it needs that no old folder had. Their entries are put
    into `parsed`, so that nobody reads them out of the objects.

    Two changes of one path: the later one counts. Raises InvalidPath for paths no tree may
    hold and for a path written both as a file and as a folder.
    """
    top = _Node()
    for change in _latest(changes):
        _plant(top, change)
    _refuse_collisions(top, b"")
    objects: list[Object] = []
    made = _Made(objects, {} if parsed is None else parsed)
    return _rebuilt(reader, root, top, made), objects


def _latest(changes: Iterable[Change]) -> Iterator[Change]:
    by_path: dict[bytes, Change] = {}
    for change in changes:
        by_path[change.path] = change
    return iter(by_path.values())


def _plant(top: _Node, change: Change) -> None:
    node = top
    for name in check_path(change.path):
        node = node.below.setdefault(name, _Node())
    emptied = change.mode == b"40000" and change.id == EMPTY_TREE
    if change.mode is None or change.id is None or emptied:
        node.deleted = True
    elif change.mode in _MODES:
        node.written = (change.mode, change.id)
    else:
        raise InvalidPath(path=_shown(change.path), problem=f"{change.mode!r} is no mode of a file")


_MODES = frozenset({b"100644", b"100755", b"120000", b"40000", b"160000"})


def _refuse_collisions(node: _Node, path: bytes) -> None:
    for name, child in node.below.items():
        here = path + name
        if child.written is not None and any(map(_writes, child.below.values())):
            raise InvalidPath(path=_shown(here), problem="it would be a file and a folder at once")
        _refuse_collisions(child, here + b"/")


def _writes(node: _Node) -> bool:
    return node.written is not None or any(map(_writes, node.below.values()))


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _rebuilt(reader: TreeReader, id: str, node: _Node, made: _Made) -> str:
    """The id of this folder with the node's changes; EMPTY_TREE when nothing is left in it."""
    old = () if id == EMPTY_TREE else reader.tree(id)
    entries = {entry.name: entry for entry in old}
    changed = False
    for name, child in node.below.items():
        before = entries.get(name)
        after = _entry_after(reader, name, before, child, made)
        if after == before:
            continue
        changed = True
        if after is None:
            del entries[name]
        else:
            entries[name] = after
    if not changed:
        return id
    if not entries:
        return EMPTY_TREE
    return made.add(entries.values())


def _entry_after(
    reader: TreeReader, name: bytes, before: Entry | None, node: _Node, made: _Made
) -> Entry | None:
    if node.written is not None:
        return Entry(node.written[0], name, node.written[1])
    if node.deleted:
        before = None
    folder = before if before is not None and before.is_tree else None
    id = _rebuilt(reader, folder.id if folder else EMPTY_TREE, node, made)
    if folder is not None and id == folder.id:
        return before
    if id == EMPTY_TREE:
        return None if folder is not None else before  # a deletion below a file deletes nothing
    return Entry(b"40000", name, id)


def entry_at(reader: TreeReader, root: str, path: bytes) -> Entry | None:
    """The entry at a path of a tree, None when nothing is there; the path is not judged."""
    entry: Entry | None = None
    id = root
    for name in path.split(b"/"):
        if entry is not None and not entry.is_tree:
            return None
        entries = () if id == EMPTY_TREE else reader.tree(id)
        entry = next((each for each in entries if each.name == name), None)
        if entry is None:
            return None
        id = entry.id
    return entry


def walk(reader: TreeReader, root: str, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
    """Every file, link and gitlink below a tree with its whole path, in the order of git's index."""
    pending = [(prefix, iter(() if root == EMPTY_TREE else reader.tree(root)))]
    while pending:
        folder, entries = pending[-1]
        entry = next(entries, None)
        if entry is None:
            pending.pop()
        elif entry.is_tree:
            below = () if entry.id == EMPTY_TREE else reader.tree(entry.id)
            pending.append((folder + entry.name + b"/", iter(below)))
        else:
            yield folder + entry.name, entry
