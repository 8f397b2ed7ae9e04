"""Landing when everything happens at once, and when the store cannot be relied on."""

import fcntl
import random
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from tests.vcs.children import ANEW
from tests.vcs.logs import World, proposal
from vcs.errors import StoreFailed
from vcs.landing import Batcher, LandingUnknown, PathConflict, PermitGone, fence
from vcs.local import LocalStore
from vcs.repository import Repository
from vcs.store import MemoryStore, Unknown
from vcs.swap import Unanswered

PROCESSES, LANDINGS = 8, 50


@contextmanager
def file_lock(path):
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def land_often(folder, project, number):
    """One process: fifty landings of a file each, a fifth of them on paths that all share."""
    rng = random.Random(number)
    store = LocalStore(folder / "store")
    repository = Repository(store, project, project, folder / f"process-{number}.db")
    batcher = Batcher(repository, still_wanted=set, lock=partial(file_lock, folder / "lock"))
    sent, base = [], None
    for count in range(LANDINGS):
        if count % 3 == 0:
            base = repository.catch_up().main
        shared = rng.random() < 0.2
        path = b"shared/%d" % rng.randrange(5) if shared else b"own/%d/%d" % (number, count % 7)
        content = b"%d %d" % (number, count)
        try:
            position = batcher.land(proposal(repository, base, {path: content})).position
        except PathConflict:
            position = None
        sent.append((path, content, position))
    store.close()
    return sent


def test_eight_processes_land_fifty_times_each_and_nothing_is_lost(tmp_path):
    world = World(LocalStore(tmp_path / "store"), tmp_path)
    jobs = [(tmp_path, world.project, number) for number in range(PROCESSES)]

    with ANEW.Pool(PROCESSES) as pool:
        sent = [landing for landings in pool.starmap(land_often, jobs) for landing in landings]

    acknowledged = {position: (path, content) for path, content, position in sent if position is not None}
    refused = [path for path, _, position in sent if position is None]
    assert len(acknowledged) + len(refused) == len(sent) == PROCESSES * LANDINGS
    assert sorted(acknowledged) == list(range(1, len(acknowledged) + 1))
    assert len(refused) > 0 and all(path.startswith(b"shared/") for path in refused)
    head = world.main.catch_up()
    assert head.position == len(acknowledged)
    assert world.files(head.main) == dict(acknowledged[position] for position in sorted(acknowledged))
    assert world.faults() == []


class UnreliableStore(MemoryStore):
    """Loses answers, loses requests, applies requests late, and sometimes fails outright."""

    def __init__(self, rng):
        super().__init__()
        self.rng = rng
        self.late = []
        self.calm = True
        self.swaps_doubted = 0

    def deliver(self, chance):
        """Requests that were on their way arrive."""
        for request in list(self.late):
            if self.rng.random() < chance:
                self.late.remove(request)
                super().swap_head(*request)

    def read_head(self, pool, project):
        if not self.calm:
            self.deliver(0.2)
            if self.rng.random() < 0.02:
                raise StoreFailed(problem="no route")
        return super().read_head(pool, project)

    def swap_head(self, pool, project, expected, body, files=None):
        request = (pool, project, expected, body, files or {})
        if self.calm:
            return super().swap_head(*request)
        self.deliver(0.3)
        fate = self.rng.random()
        if fate < 0.5:
            return super().swap_head(*request)
        if fate < 0.55:
            raise StoreFailed(problem="refused")
        self.swaps_doubted += 1
        if fate < 0.7:
            super().swap_head(*request)
        elif fate < 0.9:
            self.late.append(request)
        return Unknown("no answer")


class Storm:
    """Two nodes, their batchers, permits and a sweeper, in one thread and one order per seed."""

    def __init__(self, world, rng):
        self.world = world
        self.rng = rng
        self.permits = {}
        self.answers = {}
        self.inside = False
        self.count = 0
        self.nodes = [(node, self.batcher(node)) for node in (world.main, world.node())]
        for node, _ in self.nodes:
            node.catch_up()

    def batcher(self, node):
        return self.world.batcher(node, still_wanted=self.still_wanted, pause=lambda seconds: None)

    def still_wanted(self, landings):
        wanted = {landing for landing in landings if self.permits[landing] == "open"}
        if not self.inside and self.rng.random() < 0.4:
            # Somebody else lands between our reading of HEAD and our swap.
            self.inside = True
            self.land_one()
            self.inside = False
        return wanted

    def land_one(self):
        self.count += 1
        node, batcher = self.nodes[self.inside]
        path = b"shared" if self.rng.random() < 0.2 else b"own/%d" % self.count
        head = node.remembered()[0]
        asked = proposal(node, head.main, {path: b"%d" % self.count})
        self.permits[asked.landing] = "open"
        self.settle(asked, node, batcher)

    def settle(self, asked, node, batcher):
        for _ in range(self.rng.randrange(1, 4)):
            try:
                landed = batcher.land(asked)
            except LandingUnknown:
                if self.rng.random() < 0.5:
                    # The client asks another process, which knows of nothing.
                    asked, batcher = replace(asked, again=True), self.batcher(node)
                continue
            except (StoreFailed, PathConflict, PermitGone):
                self.answers[asked.landing] = None
                return
            self.answers[asked.landing] = landed.position
            return
        self.sweep(asked.landing, node)

    def sweep(self, landing, node):
        """What the backend's sweeper does with a permit past its time."""
        self.permits[landing] = "recovering"
        while True:
            try:
                fence(node)
                row = node.index.record_of(landing, None, None)
                break
            except (StoreFailed, Unanswered):
                continue
        self.answers[landing] = row.last if row else None


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_store_does_nothing_lands_twice_and_no_answer_is_wrong(seed, tmp_path):
    rng = random.Random(seed)
    store = UnreliableStore(rng)
    world = World(store, tmp_path)
    storm = Storm(world, rng)

    store.calm = False
    for _ in range(25):
        storm.land_one()
    store.deliver(1)
    store.calm = True

    world.main.catch_up()
    records = [record for _, _, record in world.main.records() if record.landing]
    landed = {record.landing: record.positions[1] for record in records}
    assert len(landed) == len(records)
    assert [record.positions for record in records] == [(n, n) for n in range(1, len(records) + 1)]
    assert storm.answers == {landing: landed.get(landing) for landing in storm.permits}
    assert store.swaps_doubted > 5
    assert world.faults() == []
