"""Disks: opening SQLite files, and what they or the operating system refuse, told as our own errors.

A full disk and one that cannot be written are conditions an operator mends, so they have
sentences of their own that name what lies on that disk, never where it is. The exception may
come out of a transaction or a half-written file: whoever raises it has changed nothing.
"""

import errno
import fcntl
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from vcs.errors import DiskFull, ReadOnly, StoreFailed

__all__ = [
    "PAGES_OF_A_PROCESS",
    "PATIENCE",
    "is_busy",
    "is_damaged",
    "is_full",
    "is_read_only",
    "only_one",
    "open_database",
    "patiently",
    "read_at_rest",
    "refusal",
]

PATIENCE = 30.0
"""How long another process may have a database, in seconds."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_CANNOT_GROW = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""SQLite has a code of its own for shared memory that found no room."""


PAGES_OF_A_PROCESS = 16 << 20
"""What all connections of a process may hold in memory before each of them drops pages to read others."""


def open_database(path: Path, *pragmas: str, pages: int) -> sqlite3.Connection:
    """A connection in WAL mode that begins no transaction by itself and any thread may use; it keeps so many
    KiB of the file, unless all connections together have too much.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=PATIENCE)
    try:
        # Turning WAL on does not wait for other processes that open the file just now.
        patiently(lambda: db.execute("pragma journal_mode = wal"))
        for pragma in (
            *pragmas,
            f"pragma cache_size = -{pages}",
            f"pragma soft_heap_limit = {PAGES_OF_A_PROCESS}",
        ):
            db.execute(pragma)
    except BaseException:
        db.close()
        raise
    return db


def read_at_rest(path: Path) -> sqlite3.Connection:
    """A connection to a file that nobody writes: SQLite makes no files beside it and takes no locks."""
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=PATIENCE)


def patiently(attempt: Callable[[], object]) -> None:
    """Try again while another process has the database: SQLite's own waiting skips some cases."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            attempt()
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > until:
                raise
        time.sleep(0.002)


def is_full(error: BaseException) -> bool:
    """Whether there was no room for what should be written."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        return code in _CANNOT_GROW or code & 0xFF == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else has the database just now, so that waiting helps."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_damaged(error: BaseException) -> bool:
    """Whether a database file is not what SQLite wrote."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, sqlite3.Error) and code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_read_only(error: BaseException) -> bool:
    """Whether nobody, or not we, may write there."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return isinstance(error, OSError) and error.errno in _READ_ONLY


@contextmanager
def only_one(lock: Path) -> Iterator[bool]:
    """Hold a file's lock, across every process of this machine; False when somebody else has it."""
    with open(lock, "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def refusal(error: sqlite3.Error | OSError, what: str) -> StoreFailed:
    """The error for an operator and for whoever asked; `what` is what could not be written, "the store"."""
    if is_full(error):
        return DiskFull(what=what)
    if is_read_only(error):
        return ReadOnly(what=what)
    return StoreFailed(problem=str(error) if what == "the store" else f"{what} failed ({error})")
