"""The index: where each live object of one project is, on this node, in one SQLite file.

It stands for exactly one version of HEAD. Every process of the node shares it: catching up
happens under its write lock, and HEAD is read under that lock, so the index never goes
back. It holds nothing that the log does not say, so it may be deleted at any time, and an
index whose records are not on HEAD's chain is filled again, a long one beside the old (`vcs.filling`).
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from vcs import disk, faults, filling
from vcs.errors import MalformedObject, StoreFailed
from vcs.index_rows import (
    TABLES,
    FromNothing,
    Located,
    Source,
    Update,
    find,
    find_many,
    is_long,
    lay_out,
    ref_name,
    stored_ref,
    wipe,
)
from vcs.log import Head
from vcs.objects import Kind, parse_time

__all__ = ["FIRST_TRUNK", "Erased", "Index", "IndexDamaged", "Located", "Position", "RecordRow", "Source"]

_WHAT = "the index"
_MOST_IDLE = 8
"""Connections that wait for the next question: each has three files open, and pages in memory."""
_PAGES = 512
"""KiB of them: the upper levels of its trees. The kernel has the rest."""
FIRST_TRUNK = "refs/heads/main"
"""What a trunk is called until a record gives it another name."""


class IndexDamaged(StoreFailed):
    """The file of an index could not be read and was emptied; the log fills it again."""

    code = "index.damaged"
    message = "This node's index of the project was damaged and is made anew from its log. Try again."


class RecordRow(NamedTuple):
    """What the index knows of a record without reading it."""

    sequence: int
    id: str
    landing: str | None
    session: str | None
    revision: int | None
    first: int | None
    last: int | None
    at: datetime


class Position(NamedTuple):
    """One position of the trunk, its commit and the record that made it."""

    position: int
    commit: str
    sequence: int


class Erased(NamedTuple):
    """An id that a purge took out, and the sequence of that purge."""

    id: str
    sequence: int


class Index:
    """The index of one project in one file; threads and processes share it."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._beside = filling.beside(path)
        self.key = key
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._inherited: list[sqlite3.Connection] = []
        self._process = os.getpid()
        self._inode: int | None = None
        self._decoded: tuple[Head, str] | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise disk.refusal(error, _WHAT) from error
            self._discard()

    def _discard(self) -> None:
        """Begin with an empty file: this one is no database any more, and what it held stands in the log."""
        self.close()
        if self._inode is None or not self._path.exists() or self._path.stat().st_ino == self._inode:
            for each in (self._path, Path(f"{self._path}-wal"), Path(f"{self._path}-shm")):
                each.unlink(missing_ok=True)
        # Else another process was faster.
        self._prepare()

    def _prepare(self) -> None:
        db = _opened(self._path)
        self._inode = self._path.stat().st_ino
        db.close()

    def close(self) -> None:
        """Close idle connections; using the index again opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def head(self) -> tuple[Head, str] | None:
        """The HEAD this index stands for and its version; None while it is empty."""
        known = self._decoded
        if known is not None and known[1] == self.version():
            return known
        with self._reading() as db:
            row = db.execute("select head, version from state").fetchone()
        try:
            self._decoded = (Head.decode(row[0], self.key), row[1]) if row else None
        except MalformedObject:
            # Damaged, or of another project: as good as empty, since catching up finds that nothing joins.
            self._decoded = None
        return self._decoded

    def version(self) -> str | None:
        """The version of HEAD this index stands for."""
        with self._reading() as db:
            row = db.execute("select version from state").fetchone()
        return row[0] if row else None

    def catch_up(self, source: Source, *, most: float | None = None) -> tuple[Head, str]:
        """Bring the index to what HEAD says now, and return that HEAD with its version.

        A long one that has to be made from nothing is filled in steps, by this caller for `most` seconds;
        then, or when another process takes too long at it, IndexFilling. Missing when HEAD or a file it
        names is not there; then nothing changed.
        """
        try:
            return self._step_on(source)
        except FromNothing:
            with filling.alone(self._beside):
                with suppress(FromNothing):
                    # Another process may have filled it meanwhile.
                    return self._step_on(source)
                return self._made_beside(source, most)

    def _step_on(self, source: Source) -> tuple[Head, str]:
        body, version = source.read_head()
        if self.version() != version:
            with self._writing() as db:
                body, version = source.read_head()
                self._bring_to(db, body, version, source)
        return Head.decode(body, self.key), version

    def adopt(self, body: bytes, version: str, *, after: str, source: Source) -> None:
        """Go one step on to a HEAD that was just swapped in for version `after`.

        Does nothing when the index stands for another version by now; `catch_up` settles that.
        """
        with suppress(FromNothing), self._writing() as db:
            row = db.execute("select version from state").fetchone()
            if row is not None and row[0] == after:
                self._bring_to(db, body, version, source)

    def rebuild(self, source: Source, *, most: float | None = None) -> tuple[Head, str]:
        """Fill the index again from the log, while others go on reading the old one; a long one in steps.

        Killed at any time it is as it was, and a long one goes on from the last step. IndexFilling and
        Missing as for `catch_up`.
        """
        body, _ = source.read_head()
        if self._beside.exists() or is_long(Head.decode(body, self.key), source):
            with filling.alone(self._beside):
                return self._made_beside(source, most)
        with self._writing() as db:
            wipe(db)
            source.forget()
            body, version = source.read_head()
            self._bring_to(db, body, version, source)
        return Head.decode(body, self.key), version

    def _bring_to(self, db: sqlite3.Connection, body: bytes, version: str, source: Source) -> None:
        row = db.execute("select version from state").fetchone()
        if row is None or row[0] != version:
            update = Update(db, body, version, self.key, source)
            update.apply()
            # Believed only while the index has this version, which no other HEAD ever gets.
            self._decoded = update.head, version

    def _made_beside(self, source: Source, most: float | None) -> tuple[Head, str]:
        while True:
            self._fill_beside(source, most)
            faults.reach("index.filled")
            with suppress(FromNothing):
                # Else a purge came in between.
                return self._taken_over(source)

    def _fill_beside(self, source: Source, most: float | None) -> None:
        for again in (True, False):
            try:
                with closing(_opened(self._beside)) as db:
                    filling.fill(db, self.key, source, most=most)
                return
            except sqlite3.Error as error:
                if not (again and disk.is_damaged(error)):
                    raise disk.refusal(error, _WHAT) from error
                filling.drop(self._beside)

    def _taken_over(self, source: Source) -> tuple[Head, str]:
        """Put what was filled in the place of everything, and go on to HEAD as it is now."""
        # Renaming the file would leave others with connections to the old one, which they write.
        self.close()
        with self._reading() as db:
            db.execute("attach database ? as filled", (str(self._beside),))
            with _transaction(db):
                wipe(db)
                for table in TABLES:
                    db.execute(f"insert into main.{table} select * from filled.{table}")
                body, version = source.read_head()
                self._bring_to(db, body, version, source)
            db.execute("detach database filled")
        faults.reach("index.taken_over")
        source.forget()
        filling.drop(self._beside)
        return Head.decode(body, self.key), version

    def locate(self, id: str) -> Located | None:
        """Where a live object is, None when the live set has none of this id."""
        with self._reading() as db:
            return find(db, id)

    def located(self, ids: Sequence[str]) -> list[Located]:
        """Where those of these objects are that are live, in any order."""
        found: list[Located] = []
        with self._reading() as db:
            for some in _hundreds(ids):
                found += find_many(db, some)
        return found

    def kind_of(self, id: str) -> Kind | None:
        """The kind of a live object, None when there is none of this id."""
        with self._reading() as db:
            row = db.execute("select kind from objects where id = ?", (bytes.fromhex(id),)).fetchone()
        return Kind(row[0]) if row else None

    def kinds_of(self, ids: Sequence[str]) -> dict[str, Kind]:
        """The kinds of those objects that are live."""
        found: dict[str, Kind] = {}
        with self._reading() as db:
            for some in _hundreds([bytes.fromhex(id) for id in ids]):
                query = f"select id, kind from objects where id in ({_marks(some)})"
                found.update((id.hex(), Kind(kind)) for id, kind in db.execute(query, some))
        return found

    def sha1_of(self, id: str) -> bytes | None:
        """git's SHA-1 of a live object; None when it has none or is not there."""
        with self._reading() as db:
            row = db.execute("select sha1 from objects where id = ?", (bytes.fromhex(id),)).fetchone()
        return row[0] if row else None

    def sha1s_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """git's SHA-1s of those live objects that have one."""
        found: dict[str, bytes] = {}
        with self._reading() as db:
            for some in _hundreds([bytes.fromhex(id) for id in ids]):
                query = f"select id, sha1 from objects where sha1 is not null and id in ({_marks(some)})"
                found.update((id.hex(), sha1) for id, sha1 in db.execute(query, some))
        return found

    def id_of(self, sha1: bytes) -> str | None:
        """The id of the live object with this SHA-1."""
        with self._reading() as db:
            row = db.execute("select id from objects where sha1 = ?", (sha1,)).fetchone()
        return row[0].hex() if row else None

    def ids_of(self, sha1s: Sequence[bytes]) -> dict[bytes, str]:
        """The ids of the live objects that have one of these SHA-1s."""
        found: dict[bytes, str] = {}
        with self._reading() as db:
            for some in _hundreds(sha1s):
                query = f"select sha1, id from objects where sha1 in ({_marks(some)})"
                found.update((sha1, id.hex()) for sha1, id in db.execute(query, some))
        return found

    def ids_of_kind(self, kind: Kind) -> list[str]:
        """Every live object of a kind."""
        with self._reading() as db:
            rows = db.execute("select id from objects where kind = ?", (kind,))
            return [id.hex() for (id,) in rows]

    def files_among(self, keys: Sequence[str]) -> set[str]:
        """Those of these files that are live."""
        found: set[str] = set()
        with self._reading() as db:
            for some in _hundreds(keys):
                query = f"select key from segments where key in ({_marks(some)})"
                found.update(key for (key,) in db.execute(query, some))
        return found

    def commits_beginning(self, prefix: str) -> list[str]:
        """Ids of up to three live commits whose id or SHA-1 begins with these hex digits."""
        first, last = bytes.fromhex(prefix.ljust(64, "0")), bytes.fromhex(prefix.ljust(64, "f"))
        query = "select id from objects where {0} >= ? and {0} <= ? and kind = ? limit 3"
        found: set[str] = set()
        with self._reading() as db:
            for column, width in (("id", 32), ("sha1", 20)):
                if len(prefix) <= 2 * width:
                    rows = db.execute(query.format(column), (first[:width], last[:width], Kind.COMMIT))
                    found.update(row[0].hex() for row in rows)
        return sorted(found)[:3]

    def record_of(self, landing: str | None, session: str | None, revision: int | None) -> RecordRow | None:
        """The record that holds this landing id or this revision of a session."""
        query = f"select {_RECORD} from records where landing = ? or (session = ? and revision = ?)"
        with self._reading() as db:
            row = db.execute(query + " order by sequence limit 1", (landing, session, revision)).fetchone()
        return _record_row(row) if row else None

    def record_at(self, sequence: int) -> RecordRow | None:
        """The record of a sequence."""
        with self._reading() as db:
            row = db.execute(f"select {_RECORD} from records where sequence = ?", (sequence,)).fetchone()
        return _record_row(row) if row else None

    def records(self, after: int, limit: int) -> list[RecordRow]:
        """Records that follow a sequence, in order."""
        query = f"select {_RECORD} from records where sequence > ? order by sequence limit ?"
        with self._reading() as db:
            return [_record_row(row) for row in db.execute(query, (after, limit))]

    def position(self, position: int) -> Position | None:
        """A position of the trunk; None for 0 and for what is not there yet."""
        with self._reading() as db:
            query = "select position, id, sequence from positions where position = ?"
            row = db.execute(query, (position,)).fetchone()
        return Position(row[0], row[1].hex(), row[2]) if row else None

    def commits_between(self, first: int, last: int) -> list[tuple[str, bytes]]:
        """The commits of these positions in order, each with git's SHA-1 of it."""
        query = (
            "select p.id, o.sha1 from positions p join objects o on o.id = p.id "
            "where p.position between ? and ? order by p.position"
        )
        with self._reading() as db:
            return [(id.hex(), sha1) for id, sha1 in db.execute(query, (first, last))]

    def positions(self, after: int) -> list[tuple[int, bytes]]:
        """The positions that follow one, in order, with git's SHA-1s of their commits."""
        query = (
            "select p.position, o.sha1 from positions p join objects o on o.id = p.id "
            "where p.position > ? order by p.position"
        )
        with self._reading() as db:
            return [(position, sha1) for position, sha1 in db.execute(query, (after,))]

    def position_at(self, sequence: int) -> int:
        """The trunk's last position after the record of a sequence."""
        with self._reading() as db:
            row = db.execute("select max(last) from records where sequence <= ?", (sequence,)).fetchone()
        return row[0] or 0

    def position_of(self, commit: str) -> int | None:
        """The last position that has this commit."""
        with self._reading() as db:
            query = "select max(position) from positions where id = ?"
            row = db.execute(query, (bytes.fromhex(commit),)).fetchone()
        return None if row is None else row[0]

    def refs(self) -> dict[str, str]:
        """The current refs by name, the trunk's not among them."""
        with self._reading() as db:
            rows = db.execute("select name, id from refs order by name").fetchall()
        return {ref_name(stored): id.hex() for stored, id in rows}

    def refs_named(self, names: Sequence[str]) -> dict[str, str]:
        """Those of these refs that exist, the trunk's not among them."""
        found: dict[str, str] = {}
        with self._reading() as db:
            for some in _hundreds([stored_ref(name) for name in names]):
                query = f"select name, id from refs where name in ({_marks(some)})"
                found.update((ref_name(stored), id.hex()) for stored, id in db.execute(query, some))
        return found

    def refs_below(self, folder: str) -> list[str]:
        """Names of refs that begin with this folder's name, which ends in a slash; ten at the most."""
        first = stored_ref(folder)
        query = "select name from refs where name >= ? and name < ? order by name limit 10"
        with self._reading() as db:
            return [ref_name(name) for (name,) in db.execute(query, (first, first[:-1] + "0"))]

    def trunk_at(self, sequence: int) -> str:
        """What the trunk was called after the record of a sequence."""
        query = "select name from trunk_names where sequence <= ? order by sequence desc limit 1"
        with self._reading() as db:
            row = db.execute(query, (sequence,)).fetchone()
        return ref_name(row[0]) if row else FIRST_TRUNK

    def erased(self, id: str) -> Erased | None:
        """Whether and by which record an id was erased."""
        with self._reading() as db:
            row = db.execute("select sequence from erased where id = ?", (bytes.fromhex(id),)).fetchone()
        return Erased(id, row[0]) if row else None

    def last_purge(self) -> int:
        """The sequence of the last purge, -1 when nothing was ever erased."""
        with self._reading() as db:
            (found,) = db.execute("select max(sequence) from erased").fetchone()
        return -1 if found is None else int(found)

    def erased_ids(self) -> set[str]:
        """Every id that any purge took out."""
        with self._reading() as db:
            return {id.hex() for (id,) in db.execute("select id from erased")}

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        db = self._take_idle() or _connect(self._path)
        try:
            yield db
        except BaseException as error:
            if disk.is_full(error) and not db.in_transaction:
                # With no room for the files beside the index no other could be opened, not even to read.
                self._keep_idle(db)
            else:
                db.close()
            if disk.is_damaged(error):
                self._discard()
                raise IndexDamaged from error
            if isinstance(error, sqlite3.Error):
                raise disk.refusal(error, _WHAT) from error
            raise
        self._keep_idle(db)

    def _keep_idle(self, db: sqlite3.Connection) -> None:
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(db)
                return
        db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db, _transaction(db):
            yield db

    def _take_idle(self) -> sqlite3.Connection | None:
        with self._lock:
            if self._process != os.getpid():
                # A forked child must neither use nor close what its parent opened.
                self._inherited += self._idle
                self._idle = []
                self._process = os.getpid()
            return self._idle.pop() if self._idle else None


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("rollback")
        raise


def _opened(path: Path) -> sqlite3.Connection:
    """A connection to an index that has its tables."""
    db = _connect(path)
    try:
        with _transaction(db):
            lay_out(db)
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: Path) -> sqlite3.Connection:
    # Losing the last transactions in a power cut only means catching up once more.
    return disk.open_database(path, "pragma synchronous = normal", pages=_PAGES)


def _hundreds(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[at : at + 500] for at in range(0, len(values), 500))


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


_RECORD = "sequence, id, landing, session, revision, first, last, at"


def _record_row(
    row: tuple[int, bytes, str | None, str | None, int | None, int | None, int | None, str],
) -> RecordRow:
    sequence, id, landing, session, revision, first, last, at = row
    return RecordRow(sequence, id.hex(), landing, session, revision, first, last, parse_time(at))
