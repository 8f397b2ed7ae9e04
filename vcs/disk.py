"""Disks: what an operating system or SQLite says when it cannot write, told as our own errors.

A full disk and one that cannot be written are conditions an operator mends, so they have
sentences of their own that name what lies on that disk, never where it is. The exception may
come out of a transaction or a half-written file: whoever raises it has changed nothing.
"""

import errno
import sqlite3

from vcs.errors import DiskFull, ReadOnly, StoreFailed

__all__ = ["is_busy", "is_full", "is_read_only", "refusal"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_CANNOT_GROW = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""SQLite has a code of its own for shared memory that found no room."""


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


def is_read_only(error: BaseException) -> bool:
    """Whether nobody, or not we, may write there."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return isinstance(error, OSError) and error.errno in _READ_ONLY


def refusal(error: sqlite3.Error | OSError, what: str) -> StoreFailed:
    """The error for an operator and for whoever asked; `what` is what could not be written, "the store"."""
    if is_full(error):
        return DiskFull(what=what)
    if is_read_only(error):
        return ReadOnly(what=what)
    return StoreFailed(problem=str(error) if what == "the store" else f"{what} failed ({error})")
