"""The database: one engine, two kinds of transaction, one advisory lock.

SQLite runs in WAL mode with foreign keys on; a writing transaction begins IMMEDIATE, so it
waits for its turn at the start and never fails half-way with "database is locked".
PostgreSQL is used as it comes. Nothing here commits on its own: the unit of work does.
"""

import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    TypeDecorator,
    create_engine,
    event,
    text,
)
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlmodel import Session

from backend.core import timing
from backend.core.errors import DiskFull, MicelioError, ReadOnly, Unavailable
from vcs import disk

BUSY_SECONDS = 30
CROWDED_SECONDS = 0.05
PAGES = 1024
"""KiB of an SQLite file that a connection keeps."""


class UtcTime(TypeDecorator[datetime]):
    """Time with zone UTC, the same on both databases; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone must not reach the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite forgets the zone; it was UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def word(choices: type[StrEnum]) -> SqlEnum:
    """Column type that keeps an enum's value as plain text, on both databases."""
    return SqlEnum(
        choices,
        native_enum=False,
        create_constraint=False,
        length=30,
        values_callable=lambda members: [m.value for m in members],
    )


class Database:
    """One engine per process."""

    def __init__(self, url: str, *, locks: Path) -> None:
        """`locks` is the folder for advisory lock files when the database is SQLite."""
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._locks = locks
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)
        _count_time(self.engine)
        self._writing = self.engine.execution_options(micelio_write=True)
        self._turn = threading.RLock()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Session]:
        """A session that commits when the block ends well and rolls back otherwise."""
        engine = self._writing if write else self.engine
        try:
            with self._in_turn(write), Session(engine, expire_on_commit=False) as session:
                yield session
                if write:
                    session.commit()
        except (OperationalError, InternalError) as error:
            raise _refusal(error) from error

    @contextmanager
    def _in_turn(self, write: bool) -> Iterator[None]:
        """SQLite lets one write at a time and has the others ask again and again, up to a tenth of a second
        apart; so of a process's own threads only one asks. What is waited counts as the database's time.
        """
        if not (write and self.is_sqlite):
            yield
            return
        started = time.perf_counter()
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise Unavailable(problem=f"Other changes kept the database for {BUSY_SECONDS} seconds.")
        try:
            timing.add("db", time.perf_counter() - started)
            yield
        finally:
            self._turn.release()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the advisory lock `name` across every process that shares this database."""
        digest = hashlib.sha256(name.encode()).digest()
        if not self.is_sqlite:
            number = int.from_bytes(digest[:8], "big", signed=True)
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SELECT pg_advisory_lock(:n)"), {"n": number})
                try:
                    yield
                finally:
                    connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})
            return
        self._locks.mkdir(parents=True, exist_ok=True)
        file = os.open(self._locks / digest.hex()[:32], os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def lock_until_commit(self, session: Session, name: str) -> None:
        """Hold `name` until this writing transaction ends. SQLite lets one write at a time as it is."""
        if not self.is_sqlite:
            number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
            session.connection().execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """As `lock`, without waiting: False when somebody holds it, and then nothing is held."""
        digest = hashlib.sha256(name.encode()).digest()
        if not self.is_sqlite:
            number = int.from_bytes(digest[:8], "big", signed=True)
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                asked = text("SELECT pg_try_advisory_lock(:n)")
                taken = bool(connection.execute(asked, {"n": number}).scalar_one())
                try:
                    yield taken
                finally:
                    if taken:
                        connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})
            return
        self._locks.mkdir(parents=True, exist_ok=True)
        file = os.open(self._locks / digest.hex()[:32], os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(file)

    def ping(self) -> None:
        """Raise Unavailable unless the database answers."""
        with self.transaction(write=False) as session:
            session.connection().execute(text("SELECT 1"))

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def _count_time(engine: Engine) -> None:
    """What statements take counts for the request they are made for; waiting for a turn to write does too."""

    @event.listens_for(engine, "before_cursor_execute")
    def before(connection: Connection, *_: Any) -> None:
        connection.info["micelio_started"] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def after(connection: Connection, *_: Any) -> None:
        timing.add("db", time.perf_counter() - connection.info["micelio_started"])


def _sqlite_engine(url: str) -> Engine:
    # Whoever comes next gets the connection that was used last, whose pages are warm.
    Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=20,
        max_overflow=40,
        pool_use_lifo=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _: Any) -> None:
        # The driver's own BEGIN is deferred; ours, below, decides.
        raw.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_SECONDS}000",
            f"cache_size=-{PAGES}",
            f"soft_heap_limit={disk.PAGES_OF_A_PROCESS}",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("micelio_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgres_engine(url: str) -> Engine:
    import psycopg

    alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    engine = create_engine(
        url, pool_size=20, max_overflow=40, pool_pre_ping=True, pool_use_lifo=True, connect_args=alive
    )

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _: Any, where: Any, how: Any) -> Any:
        # Every process may want more than its share of a server's connections for a moment.
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return dialect.connect(*where, **how)
            except psycopg.OperationalError as error:
                if not _TOO_MANY.search(str(error)) or time.monotonic() > until:
                    raise
                time.sleep(CROWDED_SECONDS)

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _: Any) -> None:
        # A machine that lost its power says nothing: its locks go in a minute and not in two hours.
        raw.autocommit = True
        raw.execute("SET tcp_keepalives_idle = 30")
        raw.execute("SET tcp_keepalives_interval = 10")
        raw.execute("SET tcp_keepalives_count = 3")
        raw.execute("SET tcp_user_timeout = 60000")
        raw.autocommit = False

    return engine


_TOO_MANY = re.compile("too many (?:clients|connections)|connection slots are reserved")
"""How PostgreSQL refuses one more: before there is a connection it sends no code with it."""
_FULL, _READ_ONLY = "53100", "25006"
"""PostgreSQL's own names for it."""


def _refusal(error: DBAPIError) -> MicelioError:
    """What a database that cannot be used means for whoever asked."""
    cause = error.orig
    state = getattr(cause, "sqlstate", "")
    if state == _FULL or (cause is not None and disk.is_full(cause)):
        return DiskFull(what="the database")
    if state == _READ_ONLY or (cause is not None and disk.is_read_only(cause)):
        return ReadOnly(what="the database")
    return Unavailable(problem=f"The database did not answer: {_first_line(error)}.")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig or error).strip().splitlines()[0].rstrip(".")
