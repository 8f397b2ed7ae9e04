"""Ledgers: what a repository holds and what of it is staged, in one file that may be thrown away.

Rows are only ever appended while a repository is read, and whatever can be is done inside of
SQLite, a statement for thousands of objects: of all that an import does, a row at a time is the slowest.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from vcs.git.source import Source
from vcs.git.twins import SHA1, SHA256, Shelf
from vcs.objects import Kind
from vcs.segments import name_hash

__all__ = ["Ledger", "Live"]

_ROWS = 500
_REQUESTS = 2_000
_PATHS = 20_000
# Folders are nested less deep than this, or all the deeper ones come first.
_DEEPEST = (1 << 30) - 1

_SCHEMA = """
create table if not exists listed (seq integer primary key, sha1 blob not null, kind integer not null,
    size integer not null, place integer not null, path blob not null);
create table if not exists stages (name text primary key) without rowid;
"""

Live = Callable[[Sequence[bytes]], Mapping[bytes, str]]
"""Which of these SHA-1s the project has already, and under which ids."""


class Ledger:
    """What a repository holds and what of it is staged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = self._connect()
        self.db.executescript(_SCHEMA)
        self._known = Shelf(self.db, "known", id=SHA1, twin=SHA256)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.execute("pragma journal_mode = wal")
        # Losing the last rows in a power cut means writing these objects once more.
        db.execute("pragma synchronous = off")
        db.execute("pragma cache_size = -8000")
        return db

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def fill(self, source: Source, tips: Iterable[bytes], without: Iterable[bytes], live: Live) -> int:
        """List what the tips reach, once; how many objects the project lacks."""
        if not self.db.execute("select 1 from stages where name = 'listed'").fetchone():
            self.db.execute("begin")
            self.db.execute("delete from listed")
            self.db.execute("delete from known")
            listed = source.objects(tips, without)
            places = _Places()
            while some := list(islice(listed, _ROWS)):
                have = live([each.sha1 for each in some])
                if have:
                    self._known.put(have, (bytes.fromhex(id) for id in have.values()))
                    some = [each for each in some if each.sha1 not in have]
                self.db.executemany(
                    "insert into listed (sha1, kind, size, place, path) values (?, ?, ?, ?, ?)",
                    [(sha1, kind, size, places.of(kind, path), path) for sha1, kind, size, path in some],
                )
            self.db.execute("insert into stages (name) values ('listed')")
            self.db.execute("commit")
        # What an earlier run staged is not asked for again; what this one stages is of another kind by then.
        self._known.spread()
        return self.sizes()[0]

    def sizes(self) -> tuple[int, int]:
        """Objects listed, and their bytes."""
        count, size = self.db.execute("select count(*), coalesce(sum(size), 0) from listed").fetchone()
        return count, size

    @property
    def is_new(self) -> bool:
        """Whether it knows the id of no object yet."""
        return self._known.is_empty

    def requests(self, kind: Kind) -> Iterator[bytes]:
        """Lines for `git cat-file`, many at a time: the objects of a kind that are not staged, in the order
        to write them. Each is a SHA-1 and a hint.
        """
        order = {
            # Versions of a file beside each other, the newest first, as their paths end: that packs well.
            Kind.BLOB: "place, path, seq",
            # Deepest first; what still comes too early waits.
            Kind.TREE: "place, path, seq",
            Kind.COMMIT: "seq desc",
            Kind.TAG: "seq desc",
        }[kind]
        lacking = "" if self.is_new else "and sha1 not in (select id from known)"
        with closing(self._connect()) as db:
            db.execute(
                "create temp table wanted as select sha1, place & 4294967295 as hint from listed "
                f"where kind = ? {lacking} order by {order}",
                (kind,),
            )
            (count,) = db.execute("select count(*) from temp.wanted").fetchone()
            for at in range(0, count, _REQUESTS):
                (lines,) = db.execute(
                    "select group_concat(lower(hex(sha1)) || ' ' || hint || char(10), '') from "
                    "(select * from temp.wanted where rowid > ? and rowid <= ? order by rowid)",
                    (at, at + _REQUESTS),
                ).fetchone()
                yield lines.encode()

    def ids_of(self, sha1s: Sequence[bytes]) -> dict[bytes, bytes]:
        """The ids of those that are known, and of some others."""
        return self._known.find(sha1s)

    def know(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Remember ids of objects that are in the store, SHA-1 and id of each."""
        self._known.put((sha1 for sha1, _ in pairs), (id for _, id in pairs))


class _Places:
    """Where objects go among others of their kind: by git's hash of their path, folders deepest first."""

    def __init__(self) -> None:
        self._hints: dict[bytes, int] = {}

    def of(self, kind: Kind, path: bytes) -> int:
        hint = self._hints.get(path)
        if hint is None:
            if len(self._hints) > _PATHS:
                self._hints.clear()
            hint = self._hints[path] = name_hash(path)
        if kind is not Kind.TREE:
            return hint
        depth = path.count(b"/") + 1 if path else 0
        return max(0, _DEEPEST - depth) << 32 | hint
