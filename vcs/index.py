"""The index: where each live object of one project is, on this node, in one SQLite file.

It stands for exactly one version of HEAD. Every process of the node shares it: catching up
happens under its write lock, and HEAD is read under that lock, so the index never goes
back. It holds nothing that the log does not say, so it may be deleted at any time, and an
index whose records are not on HEAD's chain is emptied and filled again.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from vcs import disk
from vcs.errors import CorruptObject, MalformedObject, StoreFailed
from vcs.lists import decode_changes_list, decode_erased_list, decode_moved_list
from vcs.log import Checkpoint, Head, HeadState, Record, RecordKind, SegmentRef
from vcs.objects import Kind, format_time, parse_commit, parse_time
from vcs.segments import NO_SHA1, PACKED_FRAME, Frame, IndexEntry, pack_frames, read_footer, unpack_frames

__all__ = ["FIRST_TRUNK", "Erased", "Index", "IndexDamaged", "Located", "Position", "RecordRow", "Source"]

_FORMAT = 2
_SCHEMA = """
create table state (one integer primary key check (one = 1), version text not null, head blob not null,
    sequence integer not null, checkpoint text);
create table segments (no integer primary key autoincrement, key text not null unique,
    in_tail integer not null, frames blob not null);
create table objects (id blob primary key, sha1 blob, kind integer not null, segment integer not null,
    frame integer not null, offset integer not null, length integer not null) without rowid;
create unique index objects_by_sha1 on objects (sha1) where sha1 is not null;
create table records (sequence integer primary key, id blob not null, landing text, session text,
    revision integer, first integer, last integer, at text not null);
create index records_by_landing on records (landing) where landing is not null;
create index records_by_session on records (session, revision) where session is not null;
create table positions (position integer primary key, id blob not null, sequence integer not null);
create index positions_by_id on positions (id);
create table refs (name text primary key, id blob not null) without rowid;
create table trunk_names (sequence integer primary key, name text not null);
create table erased (id blob primary key, sequence integer not null) without rowid;
"""
_TABLES = ("state", "segments", "objects", "records", "positions", "refs", "trunk_names", "erased")
_WHAT = "the index"
_MOST_IDLE = 8
"""Connections that wait for the next question: each has three files open and up to 2 MB of pages."""
FIRST_TRUNK = "refs/heads/main"
"""What a trunk is called until a record gives it another name."""


class IndexDamaged(StoreFailed):
    """The file of an index could not be read and was emptied; the log fills it again."""

    code = "index.damaged"
    message = "This node's index of the project was damaged and is made anew from its log. Try again."


class Located(NamedTuple):
    """Where an object is: the file, its entry there, and the frames it lies in, from `entry.frame` on."""

    key: str
    entry: IndexEntry
    frames: tuple[Frame, ...]


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


class Source(Protocol):
    """What catching up reads from: HEAD, immutable files, and objects by where they are."""

    def read_head(self) -> tuple[bytes, str]:
        """HEAD's bytes and version as they are now; Missing."""

    def read_file(self, key: str, start: int, length: int | None) -> bytes:
        """A part of an immutable file; Missing."""

    def content(self, located: Located) -> bytes:
        """An object's bytes, checked against its id."""

    def forget(self) -> None:
        """What was known of this project does not hold any more: drop caches."""


class Index:
    """The index of one project in one file; threads and processes share it."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
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
        db = _connect(self._path)
        self._inode = self._path.stat().st_ino
        try:
            db.execute("begin immediate")
            self._lay_out(db)
            db.execute("commit")
        finally:
            db.close()

    def _lay_out(self, db: sqlite3.Connection) -> None:
        (found,) = db.execute("pragma user_version").fetchone()
        if found == _FORMAT:
            return
        names = db.execute("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
        for (name,) in names.fetchall():
            db.execute(f"drop table {name}")
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"pragma user_version = {_FORMAT}")

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

    def catch_up(self, source: Source) -> tuple[Head, str]:
        """Bring the index to what HEAD says now, and return that HEAD with its version.

        Missing when HEAD or a file it names is not there; then nothing changed.
        """
        body, version = source.read_head()
        if self.version() != version:
            with self._writing() as db:
                body, version = source.read_head()
                self._bring_to(db, Head.decode(body, self.key), body, version, source)
        return Head.decode(body, self.key), version

    def adopt(self, head: Head, body: bytes, version: str, *, after: str, source: Source) -> None:
        """Go one step on to a HEAD that was just swapped in for version `after`.

        Does nothing when the index stands for another version by now; `catch_up` settles that.
        """
        with self._writing() as db:
            row = db.execute("select version from state").fetchone()
            if row is not None and row[0] == after:
                self._bring_to(db, head, body, version, source)

    def rebuild(self, source: Source) -> tuple[Head, str]:
        """Forget everything and fill the index again from the log, while others go on reading the old one.

        Killed at any time it is as it was; Missing as for `catch_up`.
        """
        with self._writing() as db:
            for table in _TABLES:
                db.execute(f"delete from {table}")
            source.forget()
            body, version = source.read_head()
            head = Head.decode(body, self.key)
            self._bring_to(db, head, body, version, source)
        return head, version

    def _bring_to(
        self, db: sqlite3.Connection, head: Head, body: bytes, version: str, source: Source
    ) -> None:
        row = db.execute("select version from state").fetchone()
        if row is not None and row[0] == version:
            return
        _Update(db, head, source).apply()
        db.execute(
            "insert or replace into state (one, version, head, sequence, checkpoint) values (1, ?, ?, ?, ?)",
            (version, body, head.sequence, head.checkpoint.key if head.checkpoint else None),
        )

    def locate(self, id: str) -> Located | None:
        """Where a live object is, None when the live set has none of this id."""
        with self._reading() as db:
            return _locate(db, id)

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
        return {_ref_name(stored): id.hex() for stored, id in rows}

    def refs_named(self, names: Sequence[str]) -> dict[str, str]:
        """Those of these refs that exist, the trunk's not among them."""
        found: dict[str, str] = {}
        with self._reading() as db:
            for some in _hundreds([_stored_ref(name) for name in names]):
                query = f"select name, id from refs where name in ({_marks(some)})"
                found.update((_ref_name(stored), id.hex()) for stored, id in db.execute(query, some))
        return found

    def refs_below(self, folder: str) -> list[str]:
        """Names of refs that begin with this folder's name, which ends in a slash; ten at the most."""
        first = _stored_ref(folder)
        query = "select name from refs where name >= ? and name < ? order by name limit 10"
        with self._reading() as db:
            return [_ref_name(name) for (name,) in db.execute(query, (first, first[:-1] + "0"))]

    def trunk_at(self, sequence: int) -> str:
        """What the trunk was called after the record of a sequence."""
        query = "select name from trunk_names where sequence <= ? order by sequence desc limit 1"
        with self._reading() as db:
            row = db.execute(query, (sequence,)).fetchone()
        return _ref_name(row[0]) if row else FIRST_TRUNK

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
        with self._reading() as db:
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("rollback")
                raise

    def _take_idle(self) -> sqlite3.Connection | None:
        with self._lock:
            if self._process != os.getpid():
                # A forked child must neither use nor close what its parent opened.
                self._inherited += self._idle
                self._idle = []
                self._process = os.getpid()
            return self._idle.pop() if self._idle else None


def _connect(path: Path) -> sqlite3.Connection:
    # Losing the last transactions in a power cut only means catching up once more.
    return disk.open_database(path, "pragma synchronous = normal")


class _Update:
    """Brings the tables to one HEAD, within the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, head: Head, source: Source) -> None:
        self.db = db
        self.head = head
        self.source = source

    def apply(self) -> None:
        """Add and remove files, then follow the records; from nothing when they do not join."""
        if self.head.state is HeadState.DELETED:
            self._begin_anew()
            return
        if not self._joins():
            self._begin_anew()
            self._settle_files()
            if not self._follow_records():
                raise CorruptObject(id=self.head.record, problem="its chain does not end at a first record")
        self._check_head()

    def _joins(self) -> bool:
        try:
            self._settle_files()
            return self._follow_records()
        except (CorruptObject, MalformedObject):
            # The log may be damaged, or what is indexed of it: then the log alone is right.
            return False

    def _check_head(self) -> None:
        """Nothing vouches for HEAD but the chain: what it says of the trunk must be what records say."""
        row = self.db.execute("select position, id from positions order by position desc limit 1").fetchone()
        position, main = (row[0], row[1].hex()) if row else (0, None)
        if (self.head.position, self.head.main) != (position, main):
            said = f"it has {self.head.main} at position {self.head.position}, the log {main} at {position}"
            raise CorruptObject(id=self.head.key, problem=said)

    def _begin_anew(self) -> None:
        for table in _TABLES:
            self.db.execute(f"delete from {table}")
        self.source.forget()

    def _settle_files(self) -> None:
        """Index the live files that are new, then drop those that are no longer live."""
        row = self.db.execute("select checkpoint from state").fetchone()
        key = self.head.checkpoint.key if self.head.checkpoint else None
        live = {ref.key: ref for ref in self.head.tail}
        if row is not None and row[0] == key:
            known = {key for (key,) in self.db.execute("select key from segments where in_tail")}
        else:
            known = {key for (key,) in self.db.execute("select key from segments")}
            live = {ref.key: ref for ref in self._folded()} | live
        for ref in live.values():
            if ref.key not in known:
                self._add(ref)
        gone = [(key,) for key in known - live.keys()]
        if gone:
            # Marked first, so that one pass over the objects is enough however many files went.
            self.db.executemany("update segments set in_tail = -1 where key = ?", gone)
            self.db.execute(
                "delete from objects where segment in (select no from segments where in_tail = -1)"
            )
            self.db.execute("delete from segments where in_tail = -1")
        if row is None or row[0] != key:
            self.db.execute("update segments set in_tail = 0")
            tail = [(ref.key,) for ref in self.head.tail]
            self.db.executemany("update segments set in_tail = 1 where key = ?", tail)

    def _folded(self) -> Sequence[SegmentRef]:
        ref = self.head.checkpoint
        if ref is None:
            return ()
        return Checkpoint.decode(self.source.read_file(ref.key, 0, None), ref).segments

    def _add(self, ref: SegmentRef) -> None:
        footer = read_footer(partial(self.source.read_file, ref.key), ref.size, ref.key)
        number = self.db.execute(
            "insert into segments (key, in_tail, frames) values (?, 1, ?)",
            (ref.key, pack_frames(footer.frames)),
        ).lastrowid
        rows = (
            (id, None if sha1 == NO_SHA1 else sha1, kind, number, frame, offset, length)
            for id, sha1, kind, _, frame, offset, length in footer.entries.rows()
        )
        try:
            self.db.executemany(_INSERT_OBJECT, rows)
        except sqlite3.IntegrityError as error:
            raise CorruptObject(
                id=ref.key, problem="an object in it has the SHA-1 of another object"
            ) from error

    def _follow_records(self) -> bool:
        """Walk from HEAD's record back to the last known one, newest first; False when they do not
        meet, or when a purge on the way makes what is known worthless.
        """
        row = self.db.execute("select sequence, id from records order by sequence desc limit 1").fetchone()
        known, known_id = (row[0], row[1].hex()) if row else (-1, None)
        if self.head.sequence < known:
            return False
        refs: dict[str, str | None] = {}
        moved: dict[int, tuple[str, str]] = {}
        id: str | None = self.head.record
        for sequence in range(self.head.sequence, known, -1):
            if id is None:
                raise CorruptObject(id=self.head.record, problem="its chain ends too early")
            record = Record.decode(self._content(id), id)
            if record.sequence != sequence:
                raise CorruptObject(id=id, problem=f"it has the sequence {record.sequence}, not {sequence}")
            if record.kind is RecordKind.PURGE:
                if known >= 0:
                    return False
                self._note_purge(record, moved)
            self._note(id, record, refs, moved)
            id = record.previous
        if id != known_id:
            return False
        self._settle_refs(refs)
        return True

    def _note(
        self, id: str, record: Record, refs: dict[str, str | None], moved: Mapping[int, tuple[str, str]]
    ) -> None:
        first, last = record.positions or (None, None)
        self.db.execute(
            "insert into records (sequence, id, landing, session, revision, first, last, at) "
            "values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.sequence,
                bytes.fromhex(id),
                record.landing,
                record.session,
                record.revision,
                first,
                last,
                format_time(record.at),
            ),
        )
        if record.trunk_name is not None:
            row = (record.sequence, _stored_ref(record.trunk_name[1]))
            self.db.execute("insert into trunk_names (sequence, name) values (?, ?)", row)
        changes = record.refs
        if isinstance(changes, str):
            changes = decode_changes_list(self._content(changes), changes)
        for change in changes:
            refs.setdefault(change.name, change.new)
        if first is not None and last is not None:
            rows = (
                (position, bytes.fromhex(commit), record.sequence)
                for position, commit in self._commits(record, first, last, moved)
            )
            self.db.executemany("insert into positions (position, id, sequence) values (?, ?, ?)", rows)

    def _commits(
        self, record: Record, first: int, last: int, moved: Mapping[int, tuple[str, str]]
    ) -> Iterator[tuple[int, str]]:
        # What a purge rewrote is gone; the parents of what it became are what theirs became.
        commit = moved[last][1] if last in moved else record.trunk and record.trunk[1]
        for position in range(last, first - 1, -1):
            if commit is None:
                raise CorruptObject(id=record.session or "?", problem="a position of it has no commit")
            yield position, commit
            if position > first:
                commit = next(iter(parse_commit(self._content(commit)).parents), None)

    def _note_purge(self, record: Record, moved: dict[int, tuple[str, str]]) -> None:
        """What a purge took out or moved; a later purge, met earlier, has the last word."""
        if record.moved is not None:
            for position, change in decode_moved_list(self._content(record.moved), record.moved).items():
                moved.setdefault(position, change)
        if record.erased is not None:
            erased = decode_erased_list(self._content(record.erased), record.erased)
            rows = ((bytes.fromhex(id), record.sequence) for id in erased)
            self.db.executemany("insert or replace into erased (id, sequence) values (?, ?)", rows)

    def _settle_refs(self, refs: Mapping[str, str | None]) -> None:
        for name, id in refs.items():
            stored = _stored_ref(name)
            if id is None:
                self.db.execute("delete from refs where name = ?", (stored,))
            else:
                row = (stored, bytes.fromhex(id))
                self.db.execute("insert or replace into refs (name, id) values (?, ?)", row)

    def _content(self, id: str) -> bytes:
        located = _locate(self.db, id)
        if located is None:
            raise CorruptObject(id=id, problem="it is in no live file")
        return self.source.content(located)


_INSERT_OBJECT = (
    "insert into objects (id, sha1, kind, segment, frame, offset, length) values (?, ?, ?, ?, ?, ?, ?) "
    "on conflict (id) do update set sha1 = excluded.sha1, kind = excluded.kind, segment = excluded.segment, "
    "frame = excluded.frame, offset = excluded.offset, length = excluded.length"
)


def _stored_ref(name: str) -> str:
    # SQLite takes no lone surrogates, which stand for what is not UTF-8 in a name.
    return name.encode("utf-8", "surrogateescape").decode("latin-1")


def _ref_name(stored: str) -> str:
    return stored.encode("latin-1").decode("utf-8", "surrogateescape")


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


def _locate(db: sqlite3.Connection, id: str) -> Located | None:
    row = db.execute(
        "select o.sha1, o.kind, o.frame, o.offset, o.length, s.key, "
        "substr(s.frames, 1 + ? * o.frame) from objects o join segments s on s.no = o.segment where o.id = ?",
        (PACKED_FRAME, bytes.fromhex(id)),
    ).fetchone()
    if row is None:
        return None
    sha1, kind, frame, offset, length, key, packed = row
    entry = IndexEntry(id, sha1 or NO_SHA1, Kind(kind), 0, frame, offset, length)
    return Located(key, entry, unpack_frames(packed or b""))
