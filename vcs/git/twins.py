"""Twins: from an object's SHA-1 to its id and back, for histories of millions of objects.

`Twins` remembers the pairs met last and asks a slower place for the others. `Renamer` is the short
way of `translate`: of a tree or commit written as nearly all are, it makes the other form with one
search and one join, and of a tree that differs little from the one before, only of what differs.
What it does not recognise at once goes the long way.
"""

import re
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from vcs.objects import Kind

__all__ = ["SHA1", "SHA256", "NoTwin", "Renamer", "Shelf", "Twins"]

SHA1 = 20
SHA256 = 32
_BEFORE = 8
_AFTER = 64
_LONG = 200

_ENTRY = {width: re.compile(rb"([0-7]{1,7} [^\0]+\0)(.{%d})" % width, re.DOTALL) for width in (SHA1, SHA256)}
_LINK = b"160000 "
_FILL = bytes(SHA256 - SHA1)
# Tree and parents in their place, and after them only lines that hold no ids of ours.
_COMMIT = {
    width: re.compile(
        rb"tree ([0-9a-f]{%d})\n((?:parent [0-9a-f]{%d}\n)*)" % (2 * width, 2 * width)
        + rb"(?=author [^\n]*\ncommitter [^\n]*\n"
        + rb"(?:(?:encoding|gpgsig|gpgsig-sha256|mergetag) [^\n]*\n(?: [^\n]*\n)*)*\n)"
    )
    for width in (SHA1, SHA256)
}


class Renamer:
    """Makes the other form of objects whose ids have `width` raw bytes: what `from_git` (20) or `to_git` (32)
    gives.
    """

    def __init__(self, twins: "Twins", width: int) -> None:
        self._twins = twins
        self._width = width
        self._more = SHA1 + SHA256 - 2 * width
        # The last long tree, where its entries begin, and what it became.
        self._content = self._made = b""
        self._starts: list[int] = []

    def rename(self, kind: Kind, content: bytes) -> bytes | None:
        """A tree or commit with each id replaced by its twin; None when it is not written in the usual way.
        NoTwin.
        """
        if kind is Kind.TREE:
            return self._tree(content)
        if kind is not Kind.COMMIT or (match := _COMMIT[self._width].match(content)) is None:
            return None
        parents = [_raw(line[7:]) for line in match[2].splitlines()]
        tree, *others = map(self._twins.one, [_raw(match[1]), *parents])
        lines = [b"tree %s" % tree.hex().encode(), *[b"parent %s" % each.hex().encode() for each in others]]
        return b"\n".join([*lines, content[match.end() :]])

    def _tree(self, content: bytes) -> bytes | None:
        if len(content) == len(self._content) and (made := self._like_last(content)) is not None:
            return made
        whole = self._entries(content)
        if whole is None:
            return None
        made, lengths = whole
        if len(content) >= _LONG:
            self._content, self._made = content, made
            self._starts = list(accumulate(lengths, initial=0))
        return made

    def _like_last(self, content: bytes) -> bytes | None:
        """The other form of a tree as long as the last one, from what differs in between; None when that
        is most of it.
        """
        differing = int.from_bytes(content, "little") ^ int.from_bytes(self._content, "little")
        if not differing:
            return self._made
        starts = self._starts
        # From the first entry that is another one to the last; before and after, both trees are the same.
        first = bisect_right(starts, (differing & -differing).bit_length() - 1 >> 3) - 1
        end = bisect_right(starts, differing.bit_length() - 1 >> 3)
        part = (
            self._entries(content[starts[first] : starts[end]]) if 2 * (end - first) < len(starts) else None
        )
        if part is None or len(part[1]) != end - first:
            return None
        made, lengths = part
        begin, rest = starts[first] + first * self._more, starts[end] + end * self._more
        self._made = b"".join([self._made[:begin], made, self._made[rest:]])
        self._content = content
        starts[first : end + 1] = accumulate(lengths, initial=starts[first])
        return self._made

    def _entries(self, content: bytes) -> tuple[bytes, list[int]] | None:
        """The other form of some entries, and how long each was; None with a gap in them."""
        width = self._width
        found: list[tuple[bytes, bytes]] = _ENTRY[width].findall(content)
        lengths = [len(head) + width for head, _ in found]
        if sum(lengths) != len(content):
            return None
        if _LINK in content:
            return self._with_links(found, lengths)
        known = self._twins.recent
        try:
            return b"".join([head + known[id] for head, id in found]), lengths
        except KeyError:
            self._twins.fetch([id for _, id in found])
            known = self._twins.recent
            return b"".join([head + known[id] for head, id in found]), lengths

    def _with_links(
        self, found: Sequence[tuple[bytes, bytes]], lengths: list[int]
    ) -> tuple[bytes, list[int]] | None:
        """The same, where there may be submodules: their commits have no twins, and are filled up."""
        parts: list[bytes] = []
        for head, id in found:
            if head[:7] == _LINK:
                if (id[SHA1:] or _FILL) != _FILL:
                    return None
                twin = id + _FILL if self._width == SHA1 else id[:SHA1]
            elif head[:8] == b"0" + _LINK:
                return None
            else:
                twin = self._twins.one(id)
            parts.append(head + twin)
        return b"".join(parts), lengths


def _raw(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode())


class NoTwin(Exception):
    """Nobody knows the other id of this object."""

    def __init__(self, id: bytes) -> None:
        self.id = id


class Twins:
    """From one id of an object to the other. `recent` holds those met last, twice `keep` at the most;
    `older` is asked for what is not among them; `dropped` says whether any has left.
    """

    def __init__(self, keep: int, older: Callable[[Sequence[bytes]], Mapping[bytes, bytes]]) -> None:
        self._keep = keep
        self._older = older
        self.dropped = False
        self.recent: dict[bytes, bytes] = {}
        self._before: dict[bytes, bytes] = {}

    def add(self, id: bytes, twin: bytes) -> None:
        """Remember a pair."""
        self.recent[id] = twin
        if len(self.recent) > self._keep:
            self._turn()

    def add_all(self, ids: Sequence[bytes], twins: Sequence[bytes]) -> None:
        """Remember many pairs."""
        self.recent.update(zip(ids, twins, strict=True))
        if len(self.recent) > self._keep:
            self._turn()

    def settle(self) -> None:
        """After pairs were put into `recent` itself."""
        if len(self.recent) > self._keep:
            self._turn()

    def one(self, id: bytes) -> bytes:
        """The twin of one; NoTwin."""
        if id not in self.recent:
            self.fetch([id])
        return self.recent[id]

    def fetch(self, ids: Sequence[bytes]) -> None:
        """Have all of these in `recent`; NoTwin."""
        if len(self.recent) > self._keep:
            self._turn()
        recent, before = self.recent, self._before
        wanted = [id for id in ids if id not in recent]
        recent.update([(id, before[id]) for id in wanted if id in before])
        if absent := [id for id in wanted if id not in before]:
            recent.update(self._older(absent))
            for id in absent:
                if id not in recent:
                    raise NoTwin(id)

    def forget(self) -> None:
        """Let go of all, for good."""
        self.recent, self._before = {}, {}

    def _turn(self) -> None:
        """What was not met since the last turn leaves."""
        self.dropped = self.dropped or bool(self._before)
        self._before, self.recent = self.recent, {}


class Shelf:
    """Pairs in a table of their own, found with those that were put beside them: what was written
    together is asked for together, and a row next to one that was found costs next to nothing.
    """

    def __init__(self, db: sqlite3.Connection, table: str, *, id: int, twin: int) -> None:
        """`id` and `twin` are how many bytes each of a pair has."""
        self._db = db
        self._table = table
        self._sizes = id, twin
        self._indexed = False
        db.execute(f"create table if not exists {table} (id blob not null, twin blob not null)")
        db.execute(f"create table if not exists {table}_put (ids blob not null, twins blob not null)")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was put there yet."""
        return not any(
            self._db.execute(f"select 1 from {table} limit 1").fetchone()
            for table in (self._table, f"{self._table}_put")
        )

    def put(self, ids: Iterable[bytes], twins: Iterable[bytes]) -> None:
        """Append pairs, each once: all of them as one row, because few imports ever ask for a pair."""
        self._db.execute(f"insert into {self._table}_put values (?, ?)", (b"".join(ids), b"".join(twins)))

    def twins(self) -> Iterator[bytes]:
        """All that was put second."""
        for (twins,) in self._db.execute(f"select twins from {self._table}_put"):
            yield from _cut(twins, self._sizes[1])
        for (twin,) in self._db.execute(f"select twin from {self._table}"):
            yield twin

    def spread(self) -> None:
        """Give each pair that was put a row of its own, in the table and in the index that finds it."""
        put = f"select rowid, ids, twins from {self._table}_put order by rowid limit 1"
        while row := self._db.execute(put).fetchone():
            ids, twins = (_cut(packed, size) for packed, size in zip(row[1:], self._sizes, strict=True))
            self._db.execute("savepoint spread")
            self._db.executemany(f"insert into {self._table} values (?, ?)", zip(ids, twins, strict=True))
            self._db.execute(f"delete from {self._table}_put where rowid = ?", (row[0],))
            self._db.execute("release spread")

    def find(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """The pairs of those that are there, and some beside them."""
        self.spread()
        if not self._indexed:
            # Only now: rows are quicker to append without an index.
            self._db.execute(f"create index if not exists {self._table}_by_id on {self._table} (id)")
            self._indexed = True
        found: dict[bytes, bytes] = {}
        for id in ids:
            if id not in found:
                row = self._db.execute(f"select rowid from {self._table} where id = ?", (id,)).fetchone()
                if row is not None:
                    beside = (row[0] - _BEFORE, row[0] + _AFTER)
                    near = f"select id, twin from {self._table} where rowid between ? and ?"
                    found.update(self._db.execute(near, beside))
        return found


def _cut(packed: bytes, size: int) -> list[bytes]:
    return [packed[at : at + size] for at in range(0, len(packed), size)]
