"""A small forge in one thread: a store that misbehaves, a model of SQL, nodes, and everybody at once.

`simulate(seed)` builds one out of a seed, lets it run, calms it down, settles what is open
as the forge would, and returns what is wrong then. The same seed does the same again.
"""

import os
import random
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from typing import Any

from greenlet import getcurrent, greenlet

from tests.sim.nodes import START, FlakyStore, Node, SimIndex, SimRepository
from tests.sim.scheduler import Crash, Scheduler
from tests.vcs.logs import proposal, push
from vcs import deciding, index_rows, log, segments, store
from vcs.collection import Collected, collect
from vcs.compaction import compact
from vcs.deciding import Asked
from vcs.doctor import verify
from vcs.errors import CorruptObject, MicelioError, StoreFailed
from vcs.forks import ParentGone, delete_project, fork_project
from vcs.landing import (
    Batcher,
    LandingUnknown,
    MissingObjects,
    PathConflict,
    PermitGone,
    ProjectNotOpen,
    Proposal,
    fence,
)
from vcs.live import HeadNeverRests
from vcs.log import (
    Checkpoint,
    Head,
    HeadState,
    Record,
    RecordKind,
    RefChange,
    SegmentRef,
    head_key,
    segment_key,
)
from vcs.objects import Commit, Kind, Object, encode_commit, new_id
from vcs.purge import purge
from vcs.pushes import Push, RefsMoved
from vcs.reading import ErasedObject
from vcs.repository import ProjectExists, summary_object
from vcs.segments import NO_SHA1, read_footer, write_segment
from vcs.staging import with_sha1s
from vcs.store import MemoryStore
from vcs.swap import Unanswered

__all__ = ["Outcome", "simulate"]

SECRET = b"password = hunter2"
SECRET_ID = Object.of(Kind.BLOB, SECRET).id
# What a store in trouble makes of an operation; whoever asked tries again, or somebody else does.
TROUBLE = (StoreFailed, Unanswered, HeadNeverRests)


@dataclass(frozen=True)
class Outcome:
    """One schedule: what was found wrong, what happened, and how many landings came through."""

    seed: int
    problems: list[str]
    trace: list[str]
    landed: int
    kinds: frozenset[str]
    seen: frozenset[str]


@dataclass(frozen=True)
class Base:
    """The project that every schedule begins with."""

    pool: str
    project: str
    kept: dict[str, Any]


@cache
def base() -> Base:
    """Two landings, the first with a secret; made once in a process."""
    scheduler = Scheduler(random.Random(0))
    scheduler.calm = True
    with deterministic(random.Random(0)):
        store = FlakyStore(scheduler, random.Random(0), {}, 0.0)
        project = new_id()
        told = summary_object({"goal": "begin"})
        record = Record(
            kind=RecordKind.CREATE, project=project, sequence=0, previous=None, at=START, summary=told.id
        ).to_object()
        body = write_segment([(*each, 0) for each in with_sha1s([told, record], lambda id: NO_SHA1)])
        key = segment_key(project, project)
        head = Head(
            project=project, pool=project, sequence=0, record=record.id, tail=(SegmentRef.of(key, body),)
        )
        MemoryStore.swap_head(store, project, project, None, head.encode(), {key: body})
        repository = SimRepository(store, project, project, SimIndex(head_key(project, project), scheduler))
        batcher = Batcher(repository, still_wanted=set, clock=lambda: START, host="micelio.test")
        commit = None
        for files in ({b"shared": b"0", b"secret": SECRET}, {b"d/x": b"1"}):
            commit = batcher.land(proposal(repository, commit, files)).commit
    repository.index.become_base()
    return Base(project, project, dict(store._kept))


# What the same bytes say is worked out once: half of all time would go there.
_REMEMBERING: list[tuple[Any, str, object]] = [
    (place, name, lru_cache(4096)(getattr(place, name)))
    for place, name in (
        (Head, "decode"),
        (Record, "decode"),
        (Checkpoint, "decode"),
        (segments, "_decoded"),
        (segments, "_parse_footer"),
        (segments, "_check_footer"),
        (index_rows, "unpack_frames"),
        (store, "check_key"),
        (log, "check_key"),
    )
]


@contextmanager
def deterministic(rng: random.Random) -> Iterator[None]:
    """Everything that is random or reads a clock comes from the seed."""
    ticks = iter(range(1_767_000_000_000_000_000, 2**62, 300_000))
    instead: list[tuple[Any, str, object]] = [
        (os, "urandom", rng.randbytes),
        (time, "time_ns", ticks.__next__),
        # Staged files are small here; what is longer than a line is taken over whole.
        (deciding, "SMALL_FILE", 24),
        *_REMEMBERING,
    ]
    # By hand: `mock.patch` would take a tenth of the time that a schedule takes.
    before = [(place, name, vars(place)[name]) for place, name, _ in instead]
    for place, name, value in instead:
        setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)


@dataclass
class Permit:
    """A row of `permits`, with what the session behind it was told in the end."""

    project: str
    state: str
    expires: datetime
    answer: str | int | None = None


@dataclass
class Sql:
    """What the database would say: permits, staged names and answers, each read or write at once."""

    world: "World"
    permits: dict[str, Permit] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

    def still_wanted(self, landings: Sequence[str]) -> set[str]:
        self.world.scheduler.pause()
        return {
            landing
            for landing in landings
            if self.permits[landing].state == "open" and self.permits[landing].expires > self.world.time
        }

    def settle(self, landing: str, answer: str | int) -> None:
        """Transaction B: what became of a landing, unless the sweeper took its permit over."""
        self.world.scheduler.pause()
        permit = self.permits[landing]
        if permit.state == "open" or isinstance(answer, int):
            self.told(landing, answer)

    def told(self, landing: str, answer: str | int) -> None:
        permit = self.permits[landing]
        self.world.scheduler.note(f"{landing[-4:]} is told {answer}")
        if permit.answer is not None and permit.answer != answer:
            self.world.problems.append(f"{landing} was told {permit.answer}, then {answer}")
        permit.state, permit.answer = "gone", answer


# Who takes part besides those who land; what is empty is drawn freely.
_CASTS: tuple[tuple[str, ...], ...] = (
    (),
    ("sweep",),
    ("sweep", "compact"),
    ("compact", "collect"),
    ("collect", "collect"),
    ("compact", "collect", "fork"),
    ("compact", "collect", "fork", "read"),
    ("sweep", "read"),
    ("sweep", "fork"),
    ("compact", "fork"),
    ("fork", "purge"),
)


class World:
    """One schedule: who takes part is drawn from the seed."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.base = base()
        self.scheduler = Scheduler(rng)
        trouble = rng.choice((0.0, 0.05, 0.3, 0.6))
        self.store = FlakyStore(self.scheduler, rng, self.base.kept, trouble)
        self.sql = Sql(self)
        self.time = START + timedelta(seconds=1)
        self.problems: list[str] = []
        self.nodes = [Node(self, number) for number in range(rng.choice((1, 2, 2)))]
        self.crashes = rng.choice((0, 0, 1, 2, 3))
        self.wanted: dict[str, tuple[str, bytes, str]] = {}
        self.children: dict[str, bool] = {}
        self.deleted = False
        self.collecting: greenlet | None = None
        self.purged = False
        self.unfinished: dict[str, Callable[[Node], None]] = {}
        self.kinds: set[str] = set()
        self.count = 0

    def node(self) -> Node:
        return self.rng.choice(self.nodes)

    def begin(self, kind: str, run: Callable[[Node], None]) -> None:
        """Somebody of this kind begins on one of the nodes."""
        node = self.node()
        self.kinds.add(kind)
        self.count += 1
        self.scheduler.spawn(f"{kind}{self.count}@{node.number}", partial(run, node), node)

    def between(self) -> None:
        """What the world does to everybody: late requests, clocks, crashes."""
        draw = self.rng.random()
        if draw < 0.05 and self.store.late:
            self.store.deliver()
        elif draw < 0.06:
            self.store.now += self.rng.choice(
                (timedelta(seconds=-30), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=25))
            )
        elif draw < 0.065:
            self.time += timedelta(seconds=self.rng.choice((-5, 10, 40)))
        elif draw < 0.08 and self.crashes and not self.scheduler.calm:
            self.crashes -= 1
            self.crash(self.node())

    def crash(self, node: Node) -> None:
        self.scheduler.trace.append(f"world: node {node.number} crashes")
        self.scheduler.crash(node)
        self.nodes[node.number] = Node(self, node.number)
        outlives = self.rng.random() < 0.5
        for project, repository in node.repositories.items():
            # Whoever was writing there is rolled back first; such an index is not found again.
            if outlives and repository.index._writer is None:
                index = repository.index.heir()
                made = SimRepository(self.store, repository.pool, project, index)
                self.nodes[node.number].repositories[project] = made

    def land(self, project: str, node: Node) -> None:
        """A client and the slice that serves it, up to the answer."""
        rng, repository = self.rng, node.repository(project)
        try:
            head, _ = repository.current() if rng.random() < 0.5 else repository.remembered()
            asked = self._asked(repository, head)
        except (*TROUBLE, CorruptObject, ErasedObject) as error:
            self._must_be_explained(error, project)
            return
        except MicelioError:
            return
        if rng.random() < 0.25:
            # Some take their time between sending files and landing them.
            self.scheduler.dawdle()
        self.scheduler.pause()
        self.sql.permits[asked.landing] = Permit(project, "open", self.time + timedelta(seconds=30))
        for _ in range(rng.randrange(1, 4)):
            answer = self._try(asked, node, project)
            if answer is not None:
                self.sql.settle(asked.landing, answer)
                return
            if rng.random() < 0.5:
                # The client asks another process, which knows of nothing.
                asked, node = replace(asked, again=True), self.node()
        # The permit stays; the sweeper will see.

    def _asked(self, repository: SimRepository, head: Head) -> Asked:
        rng = self.rng
        self.count += 1
        path = b"shared" if rng.random() < 0.3 else b"own/%d" % self.count
        content = b"%d of a file that is longer than a line" % self.count
        asked = proposal(repository, head.main, {path: content})
        made = Object.of(Kind.BLOB, content)
        if self.count % 4 == 0 and head.main is not None:
            asked = self._pushed(asked, head.main, f"refs/heads/{self.count % 8}")
        if rng.random() < (0.7 if "collect" in self.kinds else 0.2):
            keys = repository.stage([made])
            rest = [each for each in asked.objects if each.id != made.id]
            asked = replace(asked, objects=rest, staged=keys)
            if rng.random() < 0.3:
                self.sql.named.update(keys)
        self.wanted[asked.landing] = (repository.project, path, made.id)
        self._sent = getattr(self, "_sent", {}) | {asked.landing: made}
        return asked

    def _pushed(self, asked: Proposal, main: str, name: str) -> Push:
        """The same change as a commit that was made elsewhere, and a branch with it."""
        who = b"Grace <grace@example.org> 1700000000 +0000"
        commit = Commit(asked.tree, (main,), who, who, b"pushed\n")
        made = Object.of(Kind.COMMIT, encode_commit(commit))
        return push(
            [*asked.objects, made],
            landing=asked.landing,
            session=asked.session,
            revision=1,
            trunk=(main, made.id),
            refs=[RefChange(name, None, made.id)],
        )

    def _try(self, asked: Asked, node: Node, project: str) -> str | int | None:
        try:
            try:
                return node.batcher(project).land(asked).position
            except MissingObjects as error:
                # The client sends what is missing and lands again.
                sent = self._sent[asked.landing]
                if sent.id not in error.details["ids"]:
                    return "refused: missing"
                again = replace(asked, staged=(), objects=[*asked.objects, sent])
                return node.batcher(project).land(again).position
        except LandingUnknown:
            return None
        except PermitGone:
            # The sweeper's affair.
            return None
        except (PathConflict, RefsMoved, ProjectNotOpen, MissingObjects) as error:
            return f"refused: {error.code}"
        except ErasedObject:
            return "refused: erased"
        except TROUBLE as error:
            return None if asked.again else f"refused: {error.code}"

    def sweep(self, node: Node) -> None:
        """Permits past their time: take over, fence, look, decide. Some find every permit old."""
        for _ in range(self.rng.randrange(4)):
            self.scheduler.pause()
        if self.rng.random() < 0.7:
            self.time += timedelta(seconds=31)
        for landing in list(self.sql.permits):
            permit = self.sql.permits[landing]
            if permit.state == "open" and permit.expires <= self.time:
                permit.state = "recovering"
            if permit.state == "recovering":
                self.scheduler.pause()
                self._recover(landing, permit, node)

    def _recover(self, landing: str, permit: Permit, node: Node) -> None:
        repository = node.repository(permit.project)
        try:
            self.fence(repository)
            row = repository.index.record_of(landing, None, None)
        except TROUBLE:
            return
        self.scheduler.pause()
        if permit.state == "recovering":
            self.sql.told(landing, row.last if row and row.last else "refused: nothing was changed")

    def fence(self, repository: SimRepository) -> None:
        fence(repository)

    def compact(self, project: str, node: Node) -> None:
        try:
            done = compact(node.repository(project), least=2, level=1, pause=self.scheduler.pause)
            self.scheduler.note(f"compacted {done.inputs if done else 0}")
        except TROUBLE:
            return

    def collect(self, project: str, node: Node) -> None:
        """One collector at a time for a project, as its job's lock has it."""
        while self.collecting is not None and not self.collecting.dead:
            self.scheduler.wait()
        self.collecting = getcurrent()
        for _ in range(self.rng.randrange(2, 4)):
            self.store.now += timedelta(hours=self.rng.choice((0, 1, 25)))
            try:
                self.scheduler.note(f"collected {self.collect_once(project, node)}")
            except TROUBLE:
                continue
        self.collecting = None

    def fork(self, child: str, parent: str, node: Node) -> None:
        """A fork is ready when SQL says so; what crashed on the way there is taken up again."""
        self.unfinished[child] = partial(self.fork, child, parent)
        for _ in range(3):
            try:
                self.make_fork(node.repository(parent), child)
            except (ParentGone, ProjectNotOpen, ProjectExists) as error:
                self.scheduler.note(f"no fork: {error.code}")
                self.children.pop(child, None)
                self.unfinished.pop(child, None)
                return
            except (CorruptObject, ErasedObject) as error:
                self._must_be_explained(error, parent)
                return
            except TROUBLE:
                continue
            self.scheduler.pause()
            self.unfinished.pop(child, None)
            if self.children.get(child) is False:
                self.children[child] = True
                self.scheduler.note("fork is ready")
                self.begin("land", partial(self.land, child))
            return

    def make_fork(self, parent: SimRepository, child: str) -> None:
        fork_project(
            parent, child, actor=None, summary={"name": "fork"}, at=self.time, pause=self.scheduler.pause
        )

    def purge(self, node: Node) -> None:
        self.unfinished["purge"] = self.purge
        for _ in range(3):
            try:
                purge(
                    self.store,
                    self.base.pool,
                    node.repository,
                    ids=[SECRET_ID],
                    actor=None,
                    at=self.time,
                    pause=self.scheduler.pause,
                )
            except (CorruptObject, ErasedObject) as error:
                self._must_be_explained(error, self.base.project)
                return
            except TROUBLE:
                continue
            self.purged = True
            self.unfinished.pop("purge", None)
            self.scheduler.note("purged")
            return

    def delete(self, node: Node) -> None:
        self.unfinished["delete"] = self.delete
        try:
            self.deleted = True
            delete_project(self.store, self.base.pool, self.base.project, pause=self.scheduler.pause)
        except TROUBLE:
            return
        self.unfinished.pop("delete", None)

    def read(self, project: str, node: Node) -> None:
        """Somebody with an old index reads history: nothing may be missing that was not erased."""
        repository = node.repository(project)
        try:
            head, _ = repository.remembered()
            for position in range(head.position, 0, -1):
                self.scheduler.pause()
                commit = repository.commit_at(position)
                tree = repository.commit(commit).tree
                for _, entry in repository.walk(tree):
                    repository.read(entry.id)
        except MicelioError as error:
            self._must_be_explained(error, project)

    def _must_be_explained(self, error: MicelioError, project: str) -> None:
        """Damage is never an answer, unless the project itself was deleted under the reader."""
        if isinstance(error, CorruptObject) and not (self.deleted and project == self.base.project):
            self.problems.append(f"met {error.sentence}")

    def populate(self) -> None:
        """Who takes part in this schedule."""
        rng, project = self.rng, self.base.project
        for _ in range(rng.choice((1, 1, 2, 2, 3))):
            self.begin("land", partial(self.land, project))
        others: dict[str, Callable[[], None]] = {
            "sweep": lambda: self.begin("sweep", self.sweep),
            "compact": lambda: self.begin("compact", partial(self.compact, project)),
            "collect": lambda: self.begin("collect", partial(self.collect, project)),
            "fork": self._begin_fork,
            "purge": lambda: self.begin("purge", self.purge),
            "delete": lambda: self.begin("delete", self.delete),
            "read": lambda: self.begin("read", partial(self.read, project)),
        }
        for kind in rng.choice(_CASTS) or rng.sample(list(others), k=rng.randrange(1, 4)):
            others[kind]()

    def _begin_fork(self) -> None:
        child = new_id()
        self.children[child] = False
        self.begin("fork", partial(self.fork, child, self.base.project))

    def calm_down(self) -> None:
        """Everything arrives, and the forge settles what is open."""
        self.scheduler.calm = True
        while self.store.late:
            self.store.deliver()
        for run in list(self.unfinished.values()):
            self.begin("again", run)
        self.scheduler.run(lambda: None)
        self.time += timedelta(hours=1)
        for permit in self.sql.permits.values():
            permit.expires = self.time
        self.begin("sweep", self.sweep)
        self.scheduler.run(lambda: None)
        # What the collector would have deleted by and by, it deletes now.
        for _ in range(2 if "collect" in self.kinds else 0):
            self.store.now += timedelta(hours=25)
            self.begin("collect", partial(self.collect_once, self.base.project))
            self.scheduler.run(lambda: None)

    def collect_once(self, project: str, node: Node) -> Collected:
        named, pause = lambda: set(self.sql.named), self.scheduler.pause
        return collect(self.store, self.base.pool, project, named=named, pause=pause)

    def judge(self) -> list[str]:
        """What is wrong in the end."""
        problems = self.problems
        projects = [] if self.deleted else [self.base.project]
        projects += [child for child, ready in self.children.items() if ready]
        for project in projects:
            problems += [f"{f.code} {f.subject}: {f.problem}" for f in self._faults(project)]
            if not problems:
                problems += self._compared(project)
        problems += [
            f"{landing} was never answered"
            for landing, permit in self.sql.permits.items()
            if permit.answer is None
        ]
        if self.purged and self._secret_is_stored():
            problems.append("the secret is still in the store")
        return problems

    def _faults(self, project: str) -> list[Any]:
        found = verify(self.store, self.base.pool, project, clock=lambda: self.store.now)
        return [fault for fault in found if not fault.information]

    def _compared(self, project: str) -> list[str]:
        """Every answer against the log, every landing against what it wrote."""
        problems = []
        # A node that was there all the time; now and then one that begins with nothing.
        if self.rng.random() < 0.2:
            self.nodes.append(Node(self, len(self.nodes)))
        repository = self.nodes[-1].repository(project)
        index, head = repository.index, repository.catch_up()
        if head.state is not HeadState.OPEN:
            problems.append(f"{project} is {head.state.value}")
        landed = {row.landing: row for row in index.records(-1, 1000) if row.landing}
        for landing, permit in self.sql.permits.items():
            if permit.project != project:
                continue
            row = landed.get(landing)
            told = permit.answer
            if isinstance(told, int) != (row is not None) or (row is not None and told != row.last):
                problems.append(f"{landing} was told {told}, the log says {row.last if row else None}")
            elif row is not None:
                _, path, id = self.wanted[landing]
                entry = repository.entry(repository.commit(repository.commit_at(row.last)).tree, path)
                if entry is None or entry.id != id:
                    problems.append(f"{landing} landed without what it wrote")
        return problems

    def _secret_is_stored(self) -> bool:
        for listed in self.store.list(f"pools/{self.base.pool}/files/"):
            if listed.key.endswith(".seg"):
                footer = read_footer(partial(self.store.get, listed.key), listed.size, listed.key)
                if footer.find(SECRET_ID) is not None:
                    return True
        return False


def simulate(seed: int, world_of: Callable[[int], World] = World) -> Outcome:
    """One schedule from beginning to end."""
    base()
    rng = random.Random(~seed)
    with deterministic(rng):
        world = world_of(seed)
        try:
            world.populate()
            world.scheduler.run(world.between)
            world.calm_down()
            problems = world.judge()
        except (Exception, Crash):
            # Nobody in there may fail otherwise than by an error that its caller expects.
            problems = [*world.problems, traceback.format_exc()]
        world.scheduler.stop()
        SimIndex.take_back()
    landed = sum(isinstance(permit.answer, int) for permit in world.sql.permits.values())
    seen = frozenset(world.scheduler.seen)
    return Outcome(seed, problems, world.scheduler.trace, landed, frozenset(world.kinds), seen)
