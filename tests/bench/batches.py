"""What a batch is worth: landings a second when 64 go into one swap, against one by one.

`log` is the log alone, `forge` whole sessions with their permits and rows; both on the local store, and
on one that takes 30 ms for everything it writes.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench.figures import Figure, spent
from tests.bench.stage import Stage
from tests.bench.writing import Project
from tests.vcs.logs import World, proposal
from vcs.landing import Limits
from vcs.local import LocalStore
from vcs.store import Store, SwapResult

TOGETHER = 64
ROUNDS = 4
SLOW = 0.03


class SlowStore:
    """A store that takes its time for each write."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        time.sleep(SLOW)
        self._store.put(key, chunks)

    def swap_head(
        self, pool: str, project: str, expected: str | None, body: bytes, files: Mapping[str, bytes] = {}
    ) -> SwapResult:
        time.sleep(SLOW)
        return self._store.swap_head(pool, project, expected, body, files)


def measure(stage: Stage) -> Iterator[Figure]:
    """The rates, and their ratio: ten in the log on a slow store, 1.3 on the local one.

    A whole session costs more than its part of a swap, so ten is not what a forge of one process can do.
    """
    for level, rate in (("log", _in_the_log), ("forge", _in_the_forge)):
        for store, least in (("slow", 10.0 if level == "log" else None), ("local", 1.3)):
            alone = rate(stage, slow=store == "slow", together=1)
            yield Figure(f"batches.{level}.{store}.one", alone, "/s")
            batched = rate(stage, slow=store == "slow", together=TOGETHER)
            yield Figure(f"batches.{level}.{store}.{TOGETHER}", batched, "/s")
            yield Figure(f"batches.{level}.{store}.ratio", batched / alone, "x", at_least=least)


def _in_the_log(stage: Stage, *, slow: bool, together: int) -> float:
    folder = stage.folder()
    local = LocalStore(folder / "store")
    world = World(SlowStore(local) if slow else local, folder)
    batcher = world.batcher(limits=Limits(landings=together))
    ready = [
        proposal(world.main, None, {b"part%d/%d" % (number % 16, number): b"%d" % number})
        for number in range(_count(slow, together))
    ]
    rate = _rate(batcher.land, ready)
    local.close()
    return rate


def _in_the_forge(stage: Stage, *, slow: bool, together: int) -> float:
    forge = stage.forge()
    project = Project(forge)
    ready = [
        project.ready({b"part%d/%d" % (number % 16, number): b"%d" % number})
        for number in range(_count(slow, together))
    ]
    if slow:
        project.repository.store = SlowStore(forge.store)
    project.batcher.limits = Limits(landings=together)
    return _rate(project.land_session, ready)


def _count(slow: bool, together: int) -> int:
    return TOGETHER if slow and together == 1 else TOGETHER * ROUNDS


def _rate(land: Callable[[Any], object], ready: Sequence[Any]) -> float:
    """All of them by so many threads as a batch holds landings, who begin together."""
    begin = threading.Barrier(TOGETHER)

    def work(mine: Sequence[Any]) -> None:
        begin.wait()
        for one in mine:
            land(one)

    shares = [ready[at::TOGETHER] for at in range(TOGETHER)]
    with ThreadPoolExecutor(TOGETHER) as pool:
        return len(ready) / spent(lambda: list(pool.map(work, shares)))
