"""The bell wakes whoever waits for something to change, in this process or another.

It carries no data: a waiter that was woken reads its rows again, and may find nothing new.
Listen *before* reading, or a ring between the reading and the waiting is lost:

    with bell.listen("session:…") as ear:
        while True:
            send(rows_after(cursor))
            await ear.wait(15)

Inside a process a ring reaches its listeners at once. Between processes it travels over a
wire that the settings choose: Redis when there is one, else what the database offers. SQLite
tells only that *somebody* committed, so there any commit wakes every listener; PostgreSQL
passes the topic on with NOTIFY (a pooler that hands out connections per transaction breaks
LISTEN: use Redis there). Whenever a wire was cut, everybody is woken once.
"""

import asyncio
import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from backend.core.config import Settings

if TYPE_CHECKING:
    from redis.client import PubSub

POLL_SECONDS = 0.025
HEAR_SECONDS = 0.5
RETRY_SECONDS = 1.0
CHANNEL = "micelio_bell"

logger = logging.getLogger(__name__)


def reach_of(id: str) -> str:
    """The topic that is rung when an account may see less than before, or a project is shown to fewer."""
    return f"reach:{id}"


def _call_soon(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
    # The loop may be gone while its process is ending; then nobody is there to be woken.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(wake)


class Ear:
    """One listener. Remembers a ring that came while nobody waited."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rung = False
        self._wake: Callable[[], None] | None = None

    async def wait(self, timeout: float) -> bool:
        """Wait for a ring at most `timeout` seconds; False when none came."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        if not self._wait_with(lambda: _call_soon(loop, woken.set)):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await woken.wait()
        return self._taken()

    def wait_blocking(self, timeout: float) -> bool:
        """The same for a thread of its own; never call it on an event loop."""
        woken = threading.Event()
        if not self._wait_with(woken.set):
            woken.wait(timeout)
        return self._taken()

    def ring(self) -> None:
        """Wake the waiter, or remember for the next one."""
        with self._lock:
            self._rung = True
            if self._wake:
                self._wake()

    def _wait_with(self, wake: Callable[[], None]) -> bool:
        with self._lock:
            self._wake = wake
            return self._rung

    def _taken(self) -> bool:
        with self._lock:
            rung, self._rung, self._wake = self._rung, False, None
            return rung


class WireCut(Exception):
    """A wire cannot be heard for now."""


class Wire(Protocol):
    """How rings reach other processes."""

    polls: bool
    """True when hearing costs something and may stop while nobody listens."""

    def send(self, topic: str) -> None:
        """Tell the other processes, after the commit. Called from any thread."""

    def hear(self) -> list[str | None]:
        """Wait a moment and say what others rang; None when the topic is not known. Raises WireCut."""

    def close(self) -> None:
        """Let go of the connections; nobody is in `hear`."""


class Bell:
    """What one process rings and hears."""

    def __init__(self, wire: Wire | None = None) -> None:
        """Without a wire the bell stays inside this process."""
        self._wire = wire
        self._ears: dict[str, set[Ear]] = {}
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def open(cls, settings: Settings) -> "Bell":
        """A bell on the wire the settings call for; it connects when somebody listens."""
        if settings.redis_url:
            return cls(RedisWire(settings.redis_url))
        if settings.sqlite_path is not None:
            return cls(SqliteWire(str(settings.sqlite_path)))
        return cls(PostgresWire(settings.database_url.replace("+psycopg", "", 1)))

    def ring(self, topic: str) -> None:
        """Wake everybody who listens to `topic`, here and in other processes."""
        self._wake(topic)
        if self._wire:
            self._wire.send(topic)

    @contextmanager
    def listen(self, *topics: str) -> Iterator[Ear]:
        """An ear for these topics while the block runs."""
        ear = Ear()
        with self._lock:
            for topic in topics:
                self._ears.setdefault(topic, set()).add(ear)
            self._wanted.set()
            self._start()
        try:
            yield ear
        finally:
            with self._lock:
                for topic in topics:
                    self._ears[topic].discard(ear)
                    if not self._ears[topic]:
                        del self._ears[topic]
                if not self._ears and not self._closing.is_set():
                    self._wanted.clear()

    async def wait(self, topics: Iterable[str], timeout: float) -> bool:
        """Wait for the next ring only; whoever reads first and waits then needs `listen`."""
        with self.listen(*topics) as ear:
            return await ear.wait(timeout)

    def wait_blocking(self, topics: Iterable[str], timeout: float) -> bool:
        """`wait` for a thread of its own."""
        with self.listen(*topics) as ear:
            return ear.wait_blocking(timeout)

    def close(self) -> None:
        """Stop hearing other processes."""
        self._closing.set()
        self._wanted.set()
        if self._thread:
            self._thread.join()
        if self._wire:
            self._wire.close()

    def _start(self) -> None:
        if self._wire and not self._thread and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, args=(self._wire,), name="bell", daemon=True)
            self._thread.start()

    def _run(self, wire: Wire) -> None:
        while not self._closing.is_set():
            if wire.polls:
                self._wanted.wait()
            try:
                topics = wire.hear()
            except WireCut as error:
                logger.warning("the bell cannot hear other processes, trying again: %s", error)
                self._closing.wait(RETRY_SECONDS)
                topics = [None]
            for topic in topics:
                self._wake(topic)

    def _wake(self, topic: str | None) -> None:
        with self._lock:
            groups = self._ears.values() if topic is None else [self._ears.get(topic, set())]
            ears = {ear for group in groups for ear in group}
        for ear in ears:
            ear.ring()


class SqliteWire:
    """Asks SQLite whether anybody committed; the commit before a ring is what others hear."""

    polls = True

    def __init__(self, path: str) -> None:
        """`path` is the database file."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None

    def send(self, topic: str) -> None:
        """Nothing: the commit has been made."""

    def hear(self) -> list[str | None]:
        """Look at `data_version`, which changes when any other connection commits."""
        time.sleep(POLL_SECONDS)
        try:
            if self._connection is None:
                # One of its own that never writes: data_version hides a connection's own commits.
                self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            raise WireCut(str(error)) from error
        if version == self._seen:
            return []
        self._seen = version
        return [None]

    def close(self) -> None:
        """Close the polling connection."""
        if self._connection is not None:
            self._connection.close()


class PostgresWire:
    """LISTEN and NOTIFY, on one connection each."""

    polls = False

    def __init__(self, url: str) -> None:
        """`url` is a libpq connection URL."""
        # Drivers are loaded by who uses them: together they are a tenth of an idle process.
        import psycopg

        self._driver = psycopg
        self._url = url
        self._sending = threading.Lock()
        self._sender: psycopg.Connection | None = None
        self._receiver: psycopg.Connection | None = None

    def send(self, topic: str) -> None:
        """NOTIFY at once; a ring that cannot be sent is lost, and logged."""
        with self._sending:
            try:
                if self._sender is None or self._sender.closed:
                    self._sender = self._driver.connect(self._url, autocommit=True)
                self._sender.execute("SELECT pg_notify(%s, %s)", (CHANNEL, topic))
            except self._driver.Error as error:
                logger.warning("a ring was lost: %s", error)
                if self._sender is not None:
                    self._sender.close()

    def hear(self) -> list[str | None]:
        """Notifications of other processes; after connecting, everything may have changed."""
        try:
            if self._receiver is None or self._receiver.closed:
                self._receiver = self._driver.connect(self._url, autocommit=True)
                self._receiver.execute(f"LISTEN {CHANNEL}")
                return [None]
            found = list(self._receiver.notifies(timeout=HEAR_SECONDS, stop_after=1))
        except self._driver.Error as error:
            if self._receiver is not None:
                self._receiver.close()
            raise WireCut(str(error)) from error
        own = self._sender.info.backend_pid if self._sender and not self._sender.closed else None
        return [notify.payload for notify in found if notify.pid != own]

    def close(self) -> None:
        """Close both connections."""
        for connection in (self._sender, self._receiver):
            if connection is not None:
                connection.close()


class RedisWire:
    """Publish and subscribe, for several nodes."""

    polls = False

    def __init__(self, url: str) -> None:
        """`url` is a redis:// URL."""
        import redis

        self._driver = redis
        self._client: redis.Redis = redis.Redis.from_url(url)
        self._name = secrets.token_hex(8)
        self._subscription: PubSub | None = None

    def send(self, topic: str) -> None:
        """Publish at once; a ring that cannot be sent is lost, and logged."""
        try:
            self._client.publish(CHANNEL, f"{self._name} {topic}")
        except self._driver.RedisError as error:
            logger.warning("a ring was lost: %s", error)

    def hear(self) -> list[str | None]:
        """Messages of other processes; after subscribing, everything may have changed."""
        try:
            if self._subscription is None:
                subscription = self._client.pubsub()  # type: ignore[no-untyped-call]
                subscription.subscribe(CHANNEL)
                self._subscription = subscription
                return [None]
            message = self._subscription.get_message(timeout=HEAR_SECONDS)
        except self._driver.RedisError as error:
            if self._subscription is not None:
                self._subscription.close()
                self._subscription = None
            raise WireCut(str(error)) from error
        if message is None or message["type"] != "message":
            return []
        name, _, topic = message["data"].decode().partition(" ")
        return [] if name == self._name else [topic]

    def close(self) -> None:
        """Close the subscription and the pool."""
        if self._subscription is not None:
            self._subscription.close()
        self._client.close()
