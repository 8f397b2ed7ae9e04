"""Many objects at once, read in the order they are stored: each frame is decoded once, however its objects
are asked for, and the index is asked for hundreds of places by one statement.

What changed between a tree and the next is told here by their bytes, folder level by folder level, for
histories of many thousands of trees. It is what `vcs.diff` says, which is asked wherever a tree is odd.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from vcs.diff import TreeChange, diff_trees, status_of
from vcs.errors import CorruptObject, MalformedObject
from vcs.index import Located
from vcs.objects import EMPTY_TREE, Entry, Kind, tree_rows
from vcs.reading import content_at
from vcs.repository import Repository
from vcs.store import Missing

__all__ = ["changes", "contents", "short_contents"]

_NOTHING = bytes.fromhex(EMPTY_TREE)

_Rows = list[tuple[bytes, bytes, bytes]]
_Found = dict[bytes, tuple[Entry | None, Entry | None]]
_Pair = tuple[int, bytes, bytes, bytes]
"""Which pair of trees this belongs to, the folder, and its tree before and after."""


def contents(repository: Repository, ids: Iterable[str], kind: Kind) -> dict[str, bytes]:
    """The bytes of live objects of one kind by id; CorruptObject and ErasedObject as reading one gives."""
    wanted = list(dict.fromkeys(ids))
    found = dict(_read(repository, wanted, kind))
    for id in wanted:
        if id not in found:
            # Compaction may have moved it meanwhile; if not, the careful way says what is wrong.
            found[id] = repository.read(id, kind)
    return found


def short_contents(
    repository: Repository, ids: Iterable[str], kind: Kind, *, longest: int, most: int
) -> dict[str, bytes]:
    """The same for those of up to `longest` bytes, as far as `most` bytes go; what could not be read is left
    out as well.
    """
    found: dict[str, bytes] = {}
    size = 0
    for id, content in _read(repository, list(dict.fromkeys(ids)), kind, longest):
        found[id] = content
        size += len(content)
        if size >= most:
            break
    return found


def _read(
    repository: Repository, ids: Sequence[str], kind: Kind, longest: int | None = None
) -> Iterator[tuple[str, bytes]]:
    for located in sorted(repository.index.located(ids), key=_place):
        entry = located.entry
        if entry.kind is kind and (longest is None or entry.length <= longest):
            with suppress(Missing, CorruptObject, MalformedObject):
                yield entry.id, content_at(repository.store, repository.frames, located)


def _place(located: Located) -> tuple[str, int, int]:
    return located.key, located.entry.frame, located.entry.offset


def changes(repository: Repository, pairs: Sequence[tuple[str, str]]) -> list[Collection[TreeChange]]:
    """The files, links and gitlinks that differ between the trees of each pair, in any order.

    Pairs of one history in order are quickest: the tree after one is the tree before the next.
    """
    found: list[_Found] = [{} for _ in pairs]
    odd: set[int] = set()
    pending: list[_Pair] = [
        (number, b"", bytes.fromhex(old), bytes.fromhex(new))
        for number, (old, new) in enumerate(pairs)
        if old != new
    ]
    while pending:
        trees = _Trees(repository, pending)
        deeper: list[_Pair] = []
        for number, folder, old, new in pending:
            before, after = trees.rows(old), trees.rows(new)
            if before is None or after is None:
                odd.add(number)
            else:
                _compare(before, after, number, folder, found[number], deeper)
        pending = [each for each in deeper if each[0] not in odd]
    return [
        list(diff_trees(repository, *pairs[number])) if number in odd else _told(each)
        for number, each in enumerate(found)
    ]


def _told(found: "_Found") -> list[TreeChange]:
    return [TreeChange(path, status_of(*both), *both) for path, both in found.items()]


class _Trees:
    """The trees of one level of folders."""

    def __init__(self, repository: Repository, pairs: Sequence[_Pair]) -> None:
        ids = [id.hex() for _, _, old, new in pairs for id in (old, new) if id != _NOTHING]
        self._contents = contents(repository, ids, Kind.TREE)
        # The last two, and not all of them: parsed, a tree takes several times its bytes.
        self._parsed: dict[bytes, _Rows | None] = {}

    def rows(self, id: bytes) -> _Rows | None:
        """The entries of a tree; None when a name is in it twice."""
        if id not in self._parsed:
            while len(self._parsed) > 1:
                del self._parsed[next(iter(self._parsed))]
            rows = [] if id == _NOTHING else tree_rows(self._contents[id.hex()])
            twice = len({name for _, name, _ in rows}) < len(rows)
            self._parsed[id] = None if twice else rows
        return self._parsed[id]


def _compare(
    before: _Rows, after: _Rows, number: int, folder: bytes, found: _Found, deeper: list[_Pair]
) -> None:
    """Note what differs in one folder, and which folders in it have to be compared."""
    gone, came = set(before), set(after)
    sides: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    for folders, rows, is_new in zip(sides, (gone - came, came - gone), (False, True), strict=True):
        for mode, name, id in rows:
            if mode.lstrip(b"0") == b"40000":
                folders[name] = id
            else:
                entry = Entry(mode, name, id.hex())
                old, _ = found.get(folder + name, (None, None))
                found[folder + name] = (old, entry) if is_new else (entry, None)
    olds, news = sides
    for name in {**olds, **news}:
        old_id, new_id = olds.get(name, _NOTHING), news.get(name, _NOTHING)
        if old_id != new_id:
            deeper.append((number, b"%s%s/" % (folder, name), old_id, new_id))
