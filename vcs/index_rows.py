"""The rows of an index: its tables, and how they are brought to what one HEAD says.

From nothing they are filled newest record first, since a record names the one before it. Whatever was
filled so far tells where to go on, so the work may be committed in steps (`vcs.filling`): there is no
row in `state` until it is whole.
"""

import heapq
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple, Protocol

from vcs.errors import CorruptObject, MalformedObject
from vcs.lists import decode_changes_list, decode_erased_list, decode_moved_list
from vcs.log import Checkpoint, Head, HeadState, Record, RecordKind, SegmentRef
from vcs.objects import Kind, first_parent, format_time
from vcs.segments import (
    NO_SHA1,
    PACKED_FRAME,
    Footer,
    Frame,
    IndexEntry,
    each_frame,
    pack_frames,
    read_footer,
    spanned,
    unpack_frames,
)

__all__ = [
    "TABLES",
    "FromNothing",
    "Located",
    "Source",
    "Update",
    "find",
    "find_many",
    "is_long",
    "lay_out",
    "ref_name",
    "stored_ref",
    "wipe",
]

_FORMAT = 2
_INDEX_BY_SHA1 = "create unique index objects_by_sha1 on objects (sha1) where sha1 is not null"
_SCHEMA = f"""
create table state (one integer primary key check (one = 1), version text not null, head blob not null,
    sequence integer not null, checkpoint text);
create table segments (no integer primary key autoincrement, key text not null unique,
    in_tail integer not null, frames blob not null);
create table objects (id blob primary key, sha1 blob, kind integer not null, segment integer not null,
    frame integer not null, offset integer not null, length integer not null) without rowid;
{_INDEX_BY_SHA1};
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
_MANY = 20_000
"""Objects from which on the index of their SHA-1s is quicker made at last than row by row."""
_TOGETHER = 75_000
"""Objects of files that join together: what is in memory of them are 5 MB of footers."""
LONG_RECORDS = 2000
LONG_BYTES = 64 << 20
TABLES = ("state", "segments", "objects", "records", "positions", "refs", "trunk_names", "erased")


class Located(NamedTuple):
    """Where an object is: the file, its entry there, and the frames from `entry.frame` on that it lies in,
    perhaps with some after them.
    """

    key: str
    entry: IndexEntry
    frames: tuple[Frame, ...]


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


class FromNothing(Exception):
    """The tables have to be filled from nothing, and that is too much for one transaction."""


def lay_out(db: sqlite3.Connection) -> None:
    """Make the tables, empty, unless they are there in this form."""
    (found,) = db.execute("pragma user_version").fetchone()
    if found == _FORMAT:
        return
    names = db.execute("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
    for (name,) in names.fetchall():
        db.execute(f"drop table {name}")
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute(f"pragma user_version = {_FORMAT}")


def wipe(db: sqlite3.Connection) -> None:
    """Empty every table."""
    for table in TABLES:
        db.execute(f"delete from {table}")
    # Gone where it could not be made, because two objects had one SHA-1.
    db.execute(_INDEX_BY_SHA1.replace("index", "index if not exists", 1))


def is_long(head: Head, source: Source) -> bool:
    """Whether filling an index from nothing takes so long that it is done in steps."""
    live = [*_folded(head, source), *head.tail]
    return head.sequence >= LONG_RECORDS or sum(ref.size for ref in live) >= LONG_BYTES


def _folded(head: Head, source: Source) -> Sequence[SegmentRef]:
    ref = head.checkpoint
    return () if ref is None else Checkpoint.decode(source.read_file(ref.key, 0, None), ref).segments


class Update:
    """Brings the tables to one HEAD, within the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, body: bytes, version: str, key: str, source: Source) -> None:
        """`key` is HEAD's; MalformedObject when its bytes are not of that key."""
        self.db = db
        self.head = Head.decode(body, key)
        self.source = source
        self._state = (version, body)

    def apply(self) -> None:
        """Add and remove files, then follow the records; from nothing when they do not join.

        FromNothing when that is too much for one transaction.
        """
        if self.head.state is HeadState.DELETED:
            self._begin_anew()
        elif not (self._known() and self._joins()):
            if is_long(self.head, self.source):
                raise FromNothing
            self._begin_anew()
            self.fill(lambda rows: None)
            return
        self._arrive()

    def fill(self, done: Callable[[int], None]) -> None:
        """Fill the tables from nothing, or go on where that was left; HEAD may have moved since then.

        Calls `done` with a number of rows wherever the transaction may be committed and another begun.
        FromNothing when what was filled does not join this HEAD.
        """
        self.db.execute("delete from state")
        if self.head.state is HeadState.DELETED:
            self._begin_anew()
            self._arrive()
            return
        self._settle_files(done)
        if self._known() and not self._follow_records(self._keep_refs):
            raise FromNothing
        self._walk_down(done)
        self.db.execute("delete from refs where id = x''")
        self.db.execute("delete from positions where sequence = -1")
        self._arrive()

    def _known(self) -> bool:
        return self.db.execute("select 1 from records limit 1").fetchone() is not None

    def _joins(self) -> bool:
        try:
            self._settle_files(lambda rows: None, _TOGETHER)
            return self._follow_records(self._settle_refs)
        except (CorruptObject, MalformedObject):
            # The log may be damaged, or what is indexed of it: then the log alone is right.
            return False

    def _arrive(self) -> None:
        """Nothing vouches for HEAD but the chain: what it says of the trunk must be what records say."""
        if self.head.state is not HeadState.DELETED:
            query = "select position, id from positions order by position desc limit 1"
            row = self.db.execute(query).fetchone()
            position, main = (row[0], row[1].hex()) if row else (0, None)
            if (self.head.position, self.head.main) != (position, main):
                said = (
                    f"it has {self.head.main} at position {self.head.position}, the log {main} at {position}"
                )
                raise CorruptObject(id=self.head.key, problem=said)
        key = self.head.checkpoint.key if self.head.checkpoint else None
        self.db.execute(
            "insert or replace into state (one, version, head, sequence, checkpoint) values (1, ?, ?, ?, ?)",
            (*self._state, self.head.sequence, key),
        )

    def _begin_anew(self) -> None:
        wipe(self.db)
        self.source.forget()

    def _settle_files(self, done: Callable[[int], None], together: int = 1) -> None:
        """Index the live files that are new, as many together as have so many objects, then drop those that
        are no longer live.
        """
        row = self.db.execute("select checkpoint from state").fetchone()
        key = self.head.checkpoint.key if self.head.checkpoint else None
        live = {ref.key: ref for ref in self.head.tail}
        if row is not None and row[0] == key:
            known = {key for (key,) in self.db.execute("select key from segments where in_tail")}
        else:
            known = {key for (key,) in self.db.execute("select key from segments")}
            live = {ref.key: ref for ref in _folded(self.head, self.source)} | live
        for group in self._grouped([ref for ref in live.values() if ref.key not in known], together):
            done(self._add(group))
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

    def _grouped(
        self, refs: Sequence[SegmentRef], together: int
    ) -> Iterator[list[tuple[SegmentRef, Footer]]]:
        """Files with their footers, so many together as have so many objects."""
        group: list[tuple[SegmentRef, Footer]] = []
        for ref in refs:
            footer = read_footer(partial(self.source.read_file, ref.key), ref.size, ref.key)
            group.append((ref, footer))
            if sum(len(each.entries) for _, each in group) >= together:
                yield group
                group = []
        if group:
            yield group

    def _add(self, files: Sequence[tuple[SegmentRef, Footer]]) -> int:
        """Index some files, later ones before earlier. Their objects go in sorted: in any other order SQLite
        turns over all of its pages for each file.
        """
        sorted_rows = []
        for ref, footer in files:
            number = self.db.execute(
                "insert into segments (key, in_tail, frames) values (?, 1, ?)",
                (ref.key, pack_frames(footer.frames)),
            ).lastrowid
            assert number is not None
            sorted_rows.append(_object_rows(footer, number))
        rows = heapq.merge(*sorted_rows) if len(sorted_rows) > 1 else sorted_rows[0]
        count = sum(len(footer.entries) for _, footer in files)
        many = count >= _MANY and self._has_at_most(count)
        try:
            if many:
                self.db.execute("drop index objects_by_sha1")
            self.db.executemany(_INSERT_OBJECT, rows)
            if many:
                self.db.execute(_INDEX_BY_SHA1)
        except sqlite3.IntegrityError as error:
            said = " ".join(ref.key for ref, _ in files)
            raise CorruptObject(id=said, problem="an object in it has the SHA-1 of another object") from error
        return count

    def _has_at_most(self, count: int) -> bool:
        query = "select count(*) from (select 1 from objects limit ?)"
        return bool(self.db.execute(query, (count + 1,)).fetchone()[0] <= count)

    def _follow_records(self, settle: Callable[[Mapping[str, str | None]], None]) -> bool:
        """Walk from HEAD's record back to the last known one, newest first; False when they do not
        meet, or when a purge on the way makes what is known worthless.
        """
        query = "select sequence, id from records order by sequence desc limit 1"
        known, known_id = self.db.execute(query).fetchone()
        if self.head.sequence < known:
            return False
        refs: dict[str, str | None] = {}
        id: str | None = self.head.record
        for sequence in range(self.head.sequence, known, -1):
            record, this = self._record(id, sequence)
            if record.kind is RecordKind.PURGE:
                return False
            self._note(this, record, refs, {})
            id = record.previous
        if id != known_id.hex():
            return False
        settle(refs)
        return True

    def _walk_down(self, done: Callable[[int], None]) -> None:
        """Walk from the oldest record that is known, or from HEAD's, down to the first one."""
        row = self.db.execute("select sequence, id from records order by sequence limit 1").fetchone()
        sequence, id = self.head.sequence, self.head.record if row is None else None
        if row is not None:
            sequence, id = row[0] - 1, self._record(row[1].hex(), row[0])[0].previous
        query = "select position, id from positions where sequence = -1"
        moved = {position: id.hex() for position, id in self.db.execute(query)}
        for here in range(sequence, -1, -1):
            record, this = self._record(id, here)
            if record.kind is RecordKind.PURGE:
                self._note_purge(record, moved)
            refs: dict[str, str | None] = {}
            rows = self._note(this, record, refs, moved)
            self._keep_refs(refs, older=True)
            id = record.previous
            done(rows)
        if id is not None:
            raise CorruptObject(id=self.head.record, problem="its chain does not end at a first record")

    def _record(self, id: str | None, sequence: int) -> tuple[Record, str]:
        if id is None:
            raise CorruptObject(id=self.head.record, problem="its chain ends too early")
        record = Record.decode(self._content(id), id)
        if record.sequence != sequence:
            raise CorruptObject(id=id, problem=f"it has the sequence {record.sequence}, not {sequence}")
        return record, id

    def _note(self, id: str, record: Record, refs: dict[str, str | None], moved: Mapping[int, str]) -> int:
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
            row = (record.sequence, stored_ref(record.trunk_name[1]))
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
            # A purge may have left its word here already.
            insert = "insert or replace into positions (position, id, sequence) values (?, ?, ?)"
            self.db.executemany(insert, rows)
            return 2 + last - first
        return 1

    def _commits(
        self, record: Record, first: int, last: int, moved: Mapping[int, str]
    ) -> Iterator[tuple[int, str]]:
        # What a purge rewrote is gone; the parents of what it became are what theirs became.
        commit = moved[last] if last in moved else record.trunk and record.trunk[1]
        for position in range(last, first - 1, -1):
            if commit is None:
                raise CorruptObject(id=record.session or "?", problem="a position of it has no commit")
            yield position, commit
            if position > first:
                commit = first_parent(self._content(commit))

    def _note_purge(self, record: Record, moved: dict[int, str]) -> None:
        """What a purge took out or moved; a later purge, met earlier, has the last word."""
        if record.moved is not None:
            for position, change in decode_moved_list(self._content(record.moved), record.moved).items():
                moved.setdefault(position, change[1])
            rows = ((position, bytes.fromhex(commit)) for position, commit in moved.items())
            query = "insert or ignore into positions (position, id, sequence) values (?, ?, -1)"
            self.db.executemany(query, rows)
        if record.erased is not None:
            erased = decode_erased_list(self._content(record.erased), record.erased)
            gone = ((bytes.fromhex(id), record.sequence) for id in erased)
            self.db.executemany("insert or replace into erased (id, sequence) values (?, ?)", gone)

    def _settle_refs(self, refs: Mapping[str, str | None]) -> None:
        self._keep_refs(refs)
        gone = [(stored_ref(name),) for name, id in refs.items() if id is None]
        self.db.executemany("delete from refs where name = ?", gone)

    def _keep_refs(self, refs: Mapping[str, str | None], *, older: bool = False) -> None:
        """Write down what refs became, an empty id for one that went; `older` changes do not count where
        a newer one is known.
        """
        rows = [(stored_ref(name), bytes.fromhex(id or "")) for name, id in refs.items()]
        otherwise = "ignore" if older else "replace"
        self.db.executemany(f"insert or {otherwise} into refs (name, id) values (?, ?)", rows)

    def _content(self, id: str) -> bytes:
        located = find(self.db, id)
        if located is None:
            raise CorruptObject(id=id, problem="it is in no live file")
        return self.source.content(located)


_ObjectRow = tuple[bytes, int, bytes | None, int, int, int, int]
_INSERT_OBJECT = (
    "insert into objects (id, segment, sha1, kind, frame, offset, length) values (?, ?, ?, ?, ?, ?, ?) "
    "on conflict (id) do update set sha1 = excluded.sha1, kind = excluded.kind, segment = excluded.segment, "
    "frame = excluded.frame, offset = excluded.offset, length = excluded.length"
)


def _object_rows(footer: Footer, number: int) -> Iterator[_ObjectRow]:
    for id, sha1, kind, _, frame, offset, length in footer.entries.rows():
        yield id, number, None if sha1 == NO_SHA1 else sha1, kind, frame, offset, length


def stored_ref(name: str) -> str:
    """The name of a ref as it is kept in a row."""
    # SQLite takes no lone surrogates, which stand for what is not UTF-8 in a name.
    return name.encode("utf-8", "surrogateescape").decode("latin-1")


def ref_name(stored: str) -> str:
    """The name of a ref from a row."""
    return stored.encode("latin-1").decode("utf-8", "surrogateescape")


def find(db: sqlite3.Connection, id: str) -> Located | None:
    """Where a live object is, None when no row has it."""
    row = db.execute(
        "select o.sha1, o.kind, o.frame, o.offset, o.length, s.key, "
        "substr(s.frames, 1 + ? * o.frame) from objects o join segments s on s.no = o.segment where o.id = ?",
        (PACKED_FRAME, bytes.fromhex(id)),
    ).fetchone()
    if row is None:
        return None
    sha1, kind, frame, offset, length, key, packed = row
    entry = IndexEntry(id, sha1 or NO_SHA1, Kind(kind), 0, frame, offset, length)
    return Located(key, entry, spanned(each_frame(packed or b""), entry))


def find_many(db: sqlite3.Connection, ids: Sequence[str]) -> list[Located]:
    """Where those of these objects are that have a row, a few hundred at the most."""
    marks = ",".join("?" * len(ids))
    query = f"select id, sha1, kind, segment, frame, offset, length from objects where id in ({marks})"
    rows = db.execute(query, [bytes.fromhex(id) for id in ids]).fetchall()
    files: dict[int, tuple[str, tuple[Frame, ...]]] = {}
    found: list[Located] = []
    for id, sha1, kind, segment, frame, offset, length in rows:
        if segment not in files:
            key, packed = db.execute("select key, frames from segments where no = ?", (segment,)).fetchone()
            files[segment] = (key, unpack_frames(packed))
        key, frames = files[segment]
        entry = IndexEntry(id.hex(), sha1 or NO_SHA1, Kind(kind), 0, frame, offset, length)
        found.append(Located(key, entry, spanned(islice(frames, frame, None), entry)))
    return found
