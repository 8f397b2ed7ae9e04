"""Context: who asks, on which running forge, inside which transaction.

Every service function takes a `Context` first. It never commits: the unit of work around it
does, then rings the bell for what was emitted. A `steps` operation has no transaction of its
own and opens short ones through `ctx.transaction()`, holding none across I/O.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
from sqlalchemy import insert
from sqlmodel import Session

from backend.core import allocator, faults
from backend.core.audit import AuditRow
from backend.core.bell import Bell
from backend.core.config import Settings
from backend.core.counters import Counters
from backend.core.db import Database
from backend.core.errors import RateLimited
from backend.core.events import FactRow, fact_values
from backend.core.timing import timed
from backend.core.vault import open_store
from vcs.objects import new_id
from vcs.store import Store

Part = TypeVar("Part")

OPEN_PROJECTS = 64
"""Projects a process holds open: each has files open, and opening one again takes a millisecond."""


class Via(StrEnum):
    """How somebody proved who they are."""

    NOBODY = "nobody"
    BROWSER = "browser"
    TOKEN = "token"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who asks. `scopes` None means all of them (a person in a browser, the system itself).

    `limits` narrows an agent's token further: `project` is the only project's id, `paths` the
    only path prefixes it may change.
    """

    via: Via = Via.NOBODY
    id: str | None = None
    handle: str = ""
    name: str = ""
    admin: bool = False
    scopes: frozenset[str] | None = frozenset()
    token_id: str | None = None
    browser_id: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict, hash=False)
    address: str = ""
    user_agent: str = ""

    @property
    def signed_in(self) -> bool:
        """True when this is somebody."""
        return self.id is not None


SYSTEM = Actor(via=Via.SYSTEM, handle="micelio", name="Micelio", admin=True, scopes=None)


def utc_now() -> datetime:
    """The clock of a forge that is not under test."""
    return datetime.now(UTC)


@dataclass
class Forge:
    """One running instance: its settings, database, store, bell and clock.

    Slices keep what they hold per process in `part`, and what they hold of one project (its open
    repository, its batcher) in `project_part`, which lets go of projects that were not asked for lately.
    """

    settings: Settings
    db: Database
    store: Store
    bell: Bell
    clock: Callable[[], datetime] = utc_now
    _parts: dict[Any, Any] = field(default_factory=dict)
    _projects: OrderedDict[str, dict[Any, Any]] = field(default_factory=OrderedDict)
    _guard: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def open(cls, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> "Forge":
        """Open database, store and bell as the settings say; nothing is migrated here."""
        faults.arm(settings.faults)
        allocator.keep_small()
        db = Database(settings.database_url, locks=settings.data / "locks")
        return cls(settings, db, timed(open_store(settings)), Bell.open(settings), clock)

    def part(self, key: Any, make: Callable[[], Part]) -> Part:
        """What this process keeps under `key`, made on first use."""
        with self._guard:
            if key not in self._parts:
                self._parts[key] = make()
            part: Part = self._parts[key]
            return part

    def forget(self, key: Any) -> None:
        """Let go of what `part` keeps under `key`; it is made again when asked for."""
        with self._guard:
            part = self._parts.pop(key, None)
        _close({key: part})

    def project_part(self, project: str, key: Any, make: Callable[[], Part]) -> Part:
        """As `part` for one project, as long as it is among the last `OPEN_PROJECTS` asked for.

        Whoever still works with a part that was let go may go on: what a part knows is only a short cut.
        """
        with self._guard:
            held = self._projects.setdefault(project, {})
            self._projects.move_to_end(project)
            if key not in held:
                held[key] = make()
            part: Part = held[key]
            left = [self._projects.popitem(last=False)[1] for _ in range(len(self._projects) - OPEN_PROJECTS)]
        for parts in left:
            _close(parts)
        return part

    def forget_project(self, project: str) -> None:
        """Let go of everything that is kept of a project; it is made again when asked for."""
        with self._guard:
            parts = self._projects.pop(project, {})
        _close(parts)

    def limit(self, key: str, per_minute: int) -> None:
        """Count one call under `key`; RateLimited beyond `per_minute`, with whole seconds to wait."""
        item = RateLimitItemPerMinute(per_minute)
        if not self._limiter.hit(item, key):
            raise RateLimited(
                retry_after=max(1, round(self.left(key, per_minute)[1] - utc_now().timestamp()))
            )

    def charge(self, key: str, per_minute: int, cost: int) -> None:
        """Take `cost` from what `key` may spend, which comes back little by little; RateLimited beyond it."""
        item = RateLimitItemPerMinute(per_minute)
        budget = self.part("budget", lambda: SlidingWindowCounterRateLimiter(_limit_storage(self.settings)))
        if not budget.hit(item, key, cost=cost):
            ends = budget.get_window_stats(item, key).reset_time
            raise RateLimited(retry_after=min(60, max(1, round(ends - utc_now().timestamp()))))

    def left(self, key: str, per_minute: int) -> tuple[int, float]:
        """How many calls under `key` are left in this window, and the Unix time it ends."""
        stats = self._limiter.get_window_stats(RateLimitItemPerMinute(per_minute), key)
        return stats.remaining, stats.reset_time

    @property
    def _limiter(self) -> FixedWindowRateLimiter:
        return self.part("limiter", lambda: FixedWindowRateLimiter(_limit_storage(self.settings)))

    def close(self) -> None:
        """Let go of everything held open."""
        for parts in (self._parts, *self._projects.values()):
            _close(parts)
            parts.clear()
        self._projects.clear()
        self.bell.close()
        self.store.close()
        self.db.close()


def _close(parts: Mapping[Any, Any]) -> None:
    for part in parts.values():
        if callable(close := getattr(part, "close", None)):
            close()


def _limit_storage(settings: Settings) -> Storage:
    return RedisStorage(settings.redis_url) if settings.redis_url else Counters()


_STATE = insert(FactRow)
_WRITE_DOWN = insert(AuditRow)


@dataclass
class Context:
    """What a service function works with."""

    forge: Forge
    actor: Actor
    _db: Session | None = None
    _rings: set[str] = field(default_factory=set)

    @property
    def db(self) -> Session:
        """The open transaction."""
        if self._db is None:
            raise RuntimeError("this operation declares steps: open a transaction with ctx.transaction()")
        return self._db

    def now(self) -> datetime:
        """The forge's time, UTC."""
        return self.forge.clock()

    def emit(self, fact: Any) -> None:
        """State a fact in this transaction; durable jobs react after the commit."""
        self.db.connection().execute(_STATE, fact_values(fact, id=new_id(), at=self.now()))
        self.ring("facts")

    def ring(self, topic: str) -> None:
        """Wake whoever waits on `topic` once this transaction has committed."""
        self._rings.add(topic)

    def audit(self, action: str, subject: str, **details: Any) -> None:
        """Write down who did something that matters, in this transaction."""
        row = {
            "id": new_id(),
            "at": self.now(),
            "actor_id": self.actor.id,
            "actor": self.actor.handle,
            "via": self.actor.via.value,
            "address": self.actor.address,
            "action": action,
            "subject": subject,
            "details": details,
        }
        self.db.connection().execute(_WRITE_DOWN, row)

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator["Context"]:
        """A context with its own short transaction; rings after it has committed."""
        rings: set[str] = set()
        with self.forge.db.transaction(write=write) as session:
            yield Context(self.forge, self.actor, session, rings)
        for topic in sorted(rings):
            self.forge.bell.ring(topic)

    def acting_as(self, actor: Actor) -> "Context":
        """The same transaction in somebody else's name."""
        return replace(self, actor=actor)
