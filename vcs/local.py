"""The local store: one folder, shared by every process of one machine.

`store.db` (SQLite, WAL, synchronous=FULL) holds HEADs and files up to 1 MiB, so a swap and
its small files are one transaction. Larger files are plain files below `files/`, written
beside, fsynced with their folders, and only then linked to their name: a name that can be
seen is complete. What a killed process leaves in `incoming/` has no name and is swept.
"""

import hashlib
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vcs import disk, faults
from vcs.errors import CorruptObject, StoreFailed
from vcs.store import (
    ABSENT,
    Exists,
    Listed,
    Lost,
    Missing,
    Swapped,
    SwapResult,
    Unknown,
    check_file_key,
    check_key,
    check_range,
    head_key,
    utc_now,
)

__all__ = ["LARGEST_ROW", "LocalStore"]

LARGEST_ROW = 1 << 20
_FORMAT = 1
_MOST_IDLE = 16
_PAGES = 512
"""KiB a connection keeps: contents are kept decoded elsewhere."""
_UNFINISHED = timedelta(days=1)

_SCHEMA = """
create table if not exists heads (
    key text primary key, version text not null, body blob not null, sha256 blob not null, at integer not null
) without rowid;
create table if not exists files (
    key text not null unique, size integer not null, at integer not null, body blob not null
);
"""


class LocalStore:
    """A store in one folder. Opening creates it; any number of processes may have it open."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self._folder = folder
        self._files = folder / "files"
        self._incoming = folder / "incoming"
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._inherited: list[sqlite3.Connection] = []
        self._process = os.getpid()
        with _failures():
            for needed in (self._files, self._incoming):
                _make_folder(needed)
            self._sweep_incoming()
            with self._connection() as db:
                _prepare(db)
            _fsync_folder(folder)

    def _sweep_incoming(self) -> None:
        oldest = (utc_now() - _UNFINISHED).timestamp()
        for path in self._incoming.iterdir():
            # Where nothing can be written there is nothing to sweep either.
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Create a file, durable on return; memory stays flat however long it is."""
        check_file_key(key)
        pieces = iter(chunks)
        start = bytearray()
        for piece in pieces:
            start += piece
            if len(start) > LARGEST_ROW:
                break
        with _failures():
            if len(start) > LARGEST_ROW:
                self._write_file(key, _chained(bytes(start), pieces))
            else:
                self._write_row(key, bytes(start))

    def _write_row(self, key: str, body: bytes) -> None:
        with self._connection() as db:
            _begin(db)
            if self._is_taken(db, key):
                raise Exists(key)
            self._insert_file(db, key, body)
            db.execute("commit")

    def _write_file(self, key: str, chunks: Iterable[bytes]) -> None:
        path = self._path(key)
        with self._connection() as db:
            if self._is_taken(db, key):
                raise Exists(key)
        _make_folder(path.parent)
        draft = self._incoming / uuid.uuid4().hex
        try:
            with draft.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                at = self._now() * 1000
                os.utime(file.fileno(), ns=(at, at))
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError as error:
                raise Exists(key) from error
            _fsync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)
        faults.reach("store.file_written")

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start`, as many as there are up to `length`; Missing."""
        check_range(start, length)
        check_key(key)
        with _failures(), self._connection() as db:
            row = db.execute(
                "select substr(body, ?, ?) from files where key = ?",
                (start + 1, LARGEST_ROW if length is None else length, key),
            ).fetchone()
            if row is None:
                row = db.execute(
                    "select substr(body, ?, ?) from heads where key = ?",
                    (start + 1, LARGEST_ROW if length is None else length, key),
                ).fetchone()
        if row is not None:
            return bytes(row[0] or b"")  # SQLite has NULL for an empty part
        with _failures():
            try:
                with self._path(key).open("rb") as file:
                    file.seek(start)
                    return file.read() if length is None else file.read(length)
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise Missing(key) from None

    def delete(self, key: str) -> None:
        """Remove a file, or a HEAD; fine when it is not there."""
        check_key(key)
        with _failures():
            with self._connection() as db:
                _begin(db)
                db.execute("delete from files where key = ?", (key,))
                db.execute("delete from heads where key = ?", (key,))
                db.execute("commit")
                _empty_log(db)
            with suppress(IsADirectoryError, NotADirectoryError):
                self._path(key).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every name that begins with this text, HEADs too, sorted."""
        with _failures():
            with self._connection() as db:
                rows = db.execute(
                    "select key, size, at from files where key >= :first and key < :last union all "
                    "select key, length(body), at from heads where key >= :first and key < :last",
                    {"first": prefix, "last": prefix + "\U0010ffff"},
                ).fetchall()
            found = [Listed(key, size, _time(at)) for key, size, at in rows]
            found += self._list_files(prefix)
        return iter(sorted(found, key=lambda listed: listed.key))

    def _list_files(self, prefix: str) -> Iterator[Listed]:
        # Walk from the last whole folder of the prefix, not from the top.
        folder = prefix.rpartition("/")[0]
        top = self._files / check_key(folder) if folder else self._files
        for inside, _, names in os.walk(top):
            for name in names:
                path = Path(inside) / name
                key = path.relative_to(self._files).as_posix()
                if key.startswith(prefix):
                    with suppress(FileNotFoundError):
                        facts = path.stat()
                        yield Listed(key, facts.st_size, _time(facts.st_mtime_ns // 1000))

    def read_head(self, pool: str, project: str) -> tuple[bytes, str]:
        """HEAD's bytes and version; Missing. CorruptObject when they are not what was written."""
        key = head_key(pool, project)
        with _failures(), self._connection() as db:
            row = db.execute("select body, version, sha256 from heads where key = ?", (key,)).fetchone()
        if row is None:
            raise Missing(key)
        body, version, digest = row
        if hashlib.sha256(body).digest() != digest:
            raise CorruptObject(id=key, problem="its bytes are not those that were written")
        return bytes(body), str(version)

    def swap_head(
        self, pool: str, project: str, expected: str | None, body: bytes, files: Mapping[str, bytes] = {}
    ) -> SwapResult:
        """Move HEAD and its small files in one transaction, after its large files are durable."""
        key = head_key(pool, project)
        for name in files:
            check_file_key(name)
        with _failures():
            small = {name: content for name, content in files.items() if len(content) <= LARGEST_ROW}
            if len(small) < len(files):
                with self._connection() as db:
                    if _version(db, key) != expected:
                        return Lost()
                for name in files.keys() - small.keys():
                    self._write_large(name, files[name])
            return self._swap(key, expected, body, small)

    def _write_large(self, key: str, content: bytes) -> None:
        try:
            self._write_file(key, [content])
        except Exists:
            if self.get(key) != content:
                raise

    def _swap(self, key: str, expected: str | None, body: bytes, files: Mapping[str, bytes]) -> SwapResult:
        with self._connection() as db:
            _begin(db)
            if _version(db, key) != expected:
                db.execute("rollback")
                return Lost()
            for name, content in files.items():
                self._insert_or_match(db, name, content)
            version = uuid.uuid4().hex
            db.execute(
                "insert or replace into heads (key, version, body, sha256, at) values (?, ?, ?, ?, ?)",
                (key, version, body, hashlib.sha256(body).digest(), self._now()),
            )
            faults.reach("store.before_commit")
            try:
                db.execute("commit")
            except sqlite3.Error as error:
                if _certainly_undone(error):
                    raise
                return Unknown(str(error))
        faults.reach("store.after_commit")
        return Swapped(version)

    def _insert_or_match(self, db: sqlite3.Connection, key: str, content: bytes) -> None:
        row = db.execute("select body from files where key = ?", (key,)).fetchone()
        if row is None and not self._path(key).exists():
            self._insert_file(db, key, content)
        elif row is None or row[0] != content:
            raise Exists(key)

    def _is_taken(self, db: sqlite3.Connection, key: str) -> bool:
        row = db.execute("select 1 from files where key = ?", (key,)).fetchone()
        return row is not None or self._path(key).exists()

    def _insert_file(self, db: sqlite3.Connection, key: str, body: bytes) -> None:
        db.execute(
            "insert into files (key, size, at, body) values (?, ?, ?, ?)",
            (key, len(body), self._now(), body),
        )

    def close(self) -> None:
        """Close idle connections; using the store again opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection nobody else uses meanwhile; a transaction left open is rolled back."""
        db = self._take_idle() or _connect(self._folder / "store.db")
        try:
            yield db
        except BaseException as error:
            if db.in_transaction:
                with suppress(sqlite3.Error):
                    db.execute("rollback")
            if disk.is_full(error) and not db.in_transaction:
                # With no room for the files beside the database no other could be opened, not even to read.
                self._keep_idle(db)
            else:
                # After any other failure nobody knows what state a connection is in.
                db.close()
            raise
        if db.in_transaction:
            # Only after an unanswered commit: closing rolls back what was not written.
            db.close()
            return
        self._keep_idle(db)

    def _keep_idle(self, db: sqlite3.Connection) -> None:
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(db)
                return
        db.close()

    def _take_idle(self) -> sqlite3.Connection | None:
        with self._lock:
            if self._process != os.getpid():
                # A forked child must not use its parent's connections, nor close them:
                # closing would drop the locks of both.
                self._inherited += self._idle
                self._idle = []
                self._process = os.getpid()
            return self._idle.pop() if self._idle else None

    def _path(self, key: str) -> Path:
        return self._files / key

    def _now(self) -> int:
        return round(self._clock().timestamp() * 1_000_000)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        # What is deleted is overwritten: a purge promises that the bytes are gone.
        return disk.open_database(
            path,
            "pragma synchronous = full",
            f"pragma journal_size_limit = {64 << 20}",
            "pragma secure_delete = on",
            pages=_PAGES,
        )
    except sqlite3.OperationalError:
        if _may_write_beside(path) or not _is_at_rest(path):
            raise
    # Beside the database SQLite makes files even to read it, and here nobody can. So nobody writes either.
    return disk.read_at_rest(path)


def _may_write_beside(path: Path) -> bool:
    return os.access(path.parent, os.W_OK) and not os.statvfs(path.parent).f_flag & os.ST_RDONLY


def _is_at_rest(path: Path) -> bool:
    """Whether the database file is all there is: no commit waits in a log beside it."""
    log = path.with_name(f"{path.name}-wal")
    return path.is_file() and not (log.exists() and log.stat().st_size)


def _prepare(db: sqlite3.Connection) -> None:
    (found,) = db.execute("pragma user_version").fetchone()
    if found > _FORMAT:
        raise StoreFailed(problem=f"it has format {found}, which a newer Micelio wrote; please upgrade")
    if found < _FORMAT:
        _begin(db)
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"pragma user_version = {_FORMAT}")
        db.execute("commit")


def _begin(db: sqlite3.Connection) -> None:
    disk.patiently(lambda: db.execute("begin immediate"))


def _certainly_undone(error: sqlite3.Error) -> bool:
    # A full disk or a busy file stops a commit before its last frame is whole. Any other
    # error may come after that frame reached the disk, where recovery would find it.
    return disk.is_busy(error) or disk.is_full(error)


def _empty_log(db: sqlite3.Connection) -> None:
    """Take deleted bytes out of the write-ahead log too, unless somebody is using it just now."""
    db.execute("pragma busy_timeout = 0")
    try:
        db.execute("pragma wal_checkpoint(truncate)").fetchone()
    finally:
        db.execute(f"pragma busy_timeout = {disk.PATIENCE * 1000:.0f}")


def _version(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute("select version from heads where key = ?", (key,)).fetchone()
    return ABSENT if row is None else str(row[0])


@contextmanager
def _failures() -> Iterator[None]:
    """What disk and database refuse becomes StoreFailed; nothing was changed then."""
    try:
        yield
    except sqlite3.ProgrammingError:
        # A mistake of ours, not of the disk.
        raise
    except (sqlite3.Error, OSError) as error:
        raise disk.refusal(error, "the store") from error


def _make_folder(path: Path) -> None:
    """Create a folder and its parents, for our eyes only, so that they survive a power cut."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    _fsync_folder(path.parent)


def _fsync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _chained(start: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from rest


def _time(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
