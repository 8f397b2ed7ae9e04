"""The real parts of a node, taught to wait at the scheduler instead of blocking their thread."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from greenlet import getcurrent

from tests.sim.scheduler import Scheduler
from vcs.errors import StoreFailed
from vcs.index import Index
from vcs.index_rows import lay_out
from vcs.landing import Batcher
from vcs.log import head_key
from vcs.reading import FrameCache, Reader
from vcs.repository import Repository
from vcs.staging import StagedFiles
from vcs.store import Lost, MemoryStore, Swapped, SwapResult, Unknown

__all__ = ["START", "FlakyStore", "Node", "SimIndex", "SimRepository"]

START = datetime.fromisoformat("2026-01-02T03:04:05+00:00")


class FlakyStore(MemoryStore):
    """A store that anybody may touch between two touches of ours, and whose answers get lost."""

    def __init__(self, scheduler: Scheduler, rng: Any, kept: Mapping[str, Any], trouble: float) -> None:
        self.now = START
        super().__init__(lambda: self.now)
        self._kept.update(kept)
        self._scheduler = scheduler
        self._rng = rng
        self._trouble = trouble
        self.late: list[tuple[Any, ...]] = []

    def _reached(self) -> None:
        self._scheduler.pause()
        if not self._scheduler.calm and self._rng.random() < self._trouble / 20:
            raise StoreFailed(problem="no route")

    def put(self, key: str, chunks: Any) -> None:
        body = b"".join(chunks)
        self._reached()
        super().put(key, [body])

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        if self._rng.random() < 0.2:
            self._scheduler.pause()
        return super().get(key, start, length)

    def delete(self, key: str) -> None:
        self._reached()
        self._scheduler.note(f"deletes {key[-12:]}")
        self._scheduler.meet("deletes")
        super().delete(key)

    def list(self, prefix: str) -> Iterator[Any]:
        self._reached()
        return super().list(prefix)

    def read_head(self, pool: str, project: str) -> tuple[bytes, str]:
        self._reached()
        return super().read_head(pool, project)

    def swap_head(
        self, pool: str, project: str, expected: str | None, body: bytes, files: Mapping[str, bytes] = {}
    ) -> SwapResult:
        request = (pool, project, expected, body, dict(files))
        if self._rng.random() < (0.3 if expected is None else 0.03):
            self._scheduler.dawdle()
        self._reached()
        fate = 1.0 if self._scheduler.calm else self._rng.random() / (self._trouble or 1e-9)
        if fate < 0.15:
            self._scheduler.note("swap is lost on its way")
            self._scheduler.meet("loses a swap")
            return Unknown("no answer")
        if fate < 0.4:
            self._scheduler.note("swap is held up")
            self.late.append(request)
            return Unknown("no answer")
        result = super().swap_head(*request)
        self._scheduler.note(f"swap {type(result).__name__}")
        if isinstance(result, Swapped):
            self._scheduler.meet("swaps")
            getcurrent().swapped = True
        if fate < 0.5:
            # A proxy sends it a second time.
            self.late.append(request)
            self._scheduler.seen.add("a swap comes twice")
        self._scheduler.pause()
        if fate < 0.8:
            self._scheduler.note("answer is lost")
            self._scheduler.meet("hears no answer")
            return Unknown("no answer")
        return result

    def deliver(self) -> None:
        """One of the requests on their way arrives; nobody hears what became of it."""
        request = self.late.pop(self._rng.randrange(len(self.late)))
        result = super().swap_head(*request)
        self._scheduler.trace.append(f"world: a swap arrives late: {type(result).__name__}")
        self._scheduler.seen.add(f"a swap comes late: {type(result).__name__}")
        assert isinstance(result, Swapped | Lost)


class SimIndex(Index):
    """The index in memory. Whoever writes it keeps the others of its node waiting.

    Connections are used again by later schedules: what SQLite compiled stays compiled. All that a
    schedule writes is one transaction, which is rolled back when it gives its connections back.
    """

    idle: ClassVar[dict[bool, list[sqlite3.Connection]]] = {False: [], True: []}
    lent: ClassVar[list[tuple[bool, sqlite3.Connection]]] = []
    base: ClassVar[bytes] = b""

    def __init__(
        self, key: str, scheduler: Scheduler, *, filled: bool = False, db: sqlite3.Connection | None = None
    ) -> None:
        self._path = Path("memory")
        self.key = key
        self._decoded = None
        self._scheduler = scheduler
        self._writer: object = None
        self._db = db or self._fresh(filled)

    def _fresh(self, filled: bool) -> sqlite3.Connection:
        db = self.idle[filled].pop() if self.idle[filled] else self._made(filled)
        self.lent.append((filled, db))
        db.execute("begin")
        return db

    def _made(self, filled: bool) -> sqlite3.Connection:
        made = sqlite3.connect(":memory:", isolation_level=None)
        if filled:
            made.deserialize(self.base)
        else:
            lay_out(made)
        return made

    def become_base(self) -> None:
        """What is in here is what later ones are filled with."""
        self._db.execute("commit")
        SimIndex.base = self._db.serialize()
        self.lent.clear()

    def heir(self) -> "SimIndex":
        """The index as another process finds it, after this one is gone."""
        return SimIndex(self.key, self._scheduler, db=self._db)

    @classmethod
    def take_back(cls) -> None:
        """Make every connection of this schedule what it was before it, and leave it to the next one."""
        while cls.lent:
            filled, db = cls.lent.pop()
            db.execute("rollback")
            cls.idle[filled].append(db)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        while self._writer not in (None, getcurrent()):
            self._scheduler.wait()
        yield self._db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        while self._writer is not None:
            self._scheduler.wait()
        self._writer = getcurrent()
        self._db.execute("savepoint writing")
        try:
            yield self._db
            self._writer.swapped = False
        except BaseException:
            self._db.execute("rollback to writing")
            raise
        finally:
            self._db.execute("release writing")
            self._writer = None


class SimRepository(Repository):
    """A repository over an index in memory."""

    def __init__(self, store: FlakyStore, pool: str, project: str, index: SimIndex) -> None:
        Reader.__init__(self, store, FrameCache())
        self.pool = pool
        self.project = project
        self.index = index
        self.staged = StagedFiles(store, pool, project)

    def heal(self, id: str) -> bool:
        """Nothing damages an index here: it has to be right without being made anew."""
        return False


class Turn:
    """What the batcher's threads wait at."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.wait = scheduler.wait

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None

    def notify_all(self) -> None:
        return None


class Node:
    """One process: its repositories and the lines in front of them, gone when it crashes."""

    def __init__(self, world: Any, number: int) -> None:
        self.world = world
        self.number = number
        self.skew = timedelta(seconds=world.rng.choice((0, 0, 0, -7200, 5, 86400)))
        self.repositories: dict[str, SimRepository] = {}
        self.batchers: dict[str, Batcher] = {}

    def clock(self) -> datetime:
        return self.world.time + self.skew

    def repository(self, project: str) -> SimRepository:
        """This node's repository of a project; the base's comes with an index that is filled."""
        if project not in self.repositories:
            base = self.world.base
            filled = project == base.project and self.world.rng.random() < 0.8
            index = SimIndex(head_key(base.pool, project), self.world.scheduler, filled=filled)
            self.repositories[project] = SimRepository(self.world.store, base.pool, project, index)
        return self.repositories[project]

    def batcher(self, project: str) -> Batcher:
        if project not in self.batchers:
            made = Batcher(
                self.repository(project),
                still_wanted=self.world.sql.still_wanted,
                clock=self.clock,
                host="micelio.test",
                pause=self.world.scheduler.pause,
            )
            made._turn = Turn(self.world.scheduler)
            self.batchers[project] = made
        return self.batchers[project]
