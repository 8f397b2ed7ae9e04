"""Filling: a long index is made from nothing beside the one that is read, in steps that are committed.

Whoever is killed at it leaves what it filled, and the next goes on from there; HEAD may move
meanwhile, since every step back begins with what is new. When all is there, `Index` takes it over
in one transaction. One process of a node fills at a time, by a lock on a file, so a filling that
nobody holds is one that somebody has to finish (`unfinished`).
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vcs import disk, faults
from vcs.errors import CorruptObject, Kind, MalformedObject, MicelioError
from vcs.index_rows import FromNothing, Source, Update, wipe
from vcs.store import Missing

__all__ = ["IndexFilling", "alone", "beside", "drop", "fill", "unfinished"]

STEP_ROWS = 2000
"""Rows that are committed together: some milliseconds of work, which costs a sixth more than all at once."""
_FOLDER = "filling"
_BEAT = 0.05


class IndexFilling(MicelioError):
    """The index has to be made from the log, and that takes longer than whoever asks can wait."""

    kind = Kind.UNAVAILABLE
    code = "index.filling"
    message = (
        "This node is making its index of the project from the log, which takes a while. "
        "Nothing was changed; try again in a minute."
    )


def beside(path: Path) -> Path:
    """Where the index at `path` is filled."""
    return path.parent / _FOLDER / path.name


def unfinished(folder: Path) -> list[str]:
    """The names of indexes in this folder, without their suffix, that were begun and that nobody fills."""
    found = []
    for path in sorted((folder / _FOLDER).glob("*.db")):
        with disk.only_one(path.with_suffix(".lock")) as mine:
            if mine and path.exists():
                found.append(path.stem)
    return found


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only one who fills the file at `path`; IndexFilling when another is at it for too long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + disk.PATIENCE
    while True:
        with disk.only_one(path.with_suffix(".lock")) as mine:
            if mine:
                yield
                return
        if time.monotonic() > until:
            raise IndexFilling
        time.sleep(_BEAT)


def drop(path: Path) -> None:
    """Delete a filling, by whoever is `alone` with it."""
    for each in (Path(f"{path}-wal"), Path(f"{path}-shm"), path):
        each.unlink(missing_ok=True)


def fill(db: sqlite3.Connection, key: str, source: Source, *, most: float | None = None) -> None:
    """Fill the tables of `db`, or go on with it, until they are what HEAD says.

    After `most` seconds IndexFilling is raised, and what was filled stays. Missing when HEAD or a file it
    names is not there, CorruptObject and MalformedObject when the log is damaged.
    """
    steps = _Steps(db, most)
    missed = None
    while True:
        body, version = source.read_head()
        try:
            resumed = db.execute("select 1 from segments limit 1").fetchone() is not None
            with steps.writing():
                Update(db, body, version, key, source).fill(steps.count)
            return
        except Missing:
            # A file that compaction replaced after HEAD was read, unless HEAD is the same again.
            if version == missed:
                raise
            missed = version
        except (FromNothing, CorruptObject, MalformedObject) as error:
            # A purge came, or what was filled is damaged.
            if not resumed and not isinstance(error, FromNothing):
                raise
            with steps.writing():
                wipe(db)
            source.forget()


class _Steps:
    """Commits what was written whenever it is enough."""

    def __init__(self, db: sqlite3.Connection, most: float | None) -> None:
        self._db = db
        self._rows = 0
        self._until = None if most is None else time.monotonic() + most

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def count(self, rows: int) -> None:
        self._rows += rows
        if self._rows < STEP_ROWS:
            return
        self._rows = 0
        self._db.execute("commit")
        faults.reach("index.step")
        if self._until is not None and time.monotonic() > self._until:
            raise IndexFilling
        self._db.execute("begin immediate")
