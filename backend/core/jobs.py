"""Jobs: who reacts to a fact, and what runs by the clock.

    @on(SessionLanded, queue="mail", attempts=5)
    def mail_watchers(ctx: Context, fact: SessionLanded) -> None: ...

    @every(seconds=10, mode=Mode.STEPS)
    def settle_old_permits(ctx: Context) -> None: ...

A fact is handed to each subscriber under an id made of both (`job_id`), so handing it over
again after a crash changes nothing; it counts as relayed once every subscriber has it. A job
killed half-way runs again: one in a single transaction (`Mode.WRITES`) leaves nothing behind,
one that works in `steps` must be safe to repeat. Timers are not durable: every worker runs
them, a missed beat is simply the next one.

Any worker takes any job, except those that are `of_node`: they are about a folder of one node, whose name
the fact has as `node`, and wait in a queue that only workers of that node look into.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import delete, func, select, update
from sqlmodel import col

from backend.core.context import SYSTEM, Context, Forge
from backend.core.events import FactRow, fact_of, facts
from backend.core.operations import Mode

Function = TypeVar("Function", bound=Callable[..., None])

BATCH = 100
LONGEST_PROBLEM = 500
AT = "@"
"""Stands in the name of a node's queue, before the name of the node."""


@dataclass
class Hands:
    """What a worker was handed and has not ended, as bodies of facts by queue. Set by the worker of this
    process; where there is none, nothing was.
    """

    holding: Callable[[str], Iterable[dict[str, Any]]] = lambda queue: ()


@dataclass(frozen=True)
class Subscriber:
    """A function that reacts to one kind of fact; `attempts` counts the first one."""

    name: str
    kind: str
    function: Callable[[Context, Any], None]
    queue: str
    attempts: int
    mode: Mode
    of_node: bool = False

    def queue_on(self, node: str) -> str:
        """The queue in which jobs about a node wait."""
        return f"{self.queue}{AT}{node}" if self.of_node else self.queue


@dataclass(frozen=True)
class Timer:
    """A function that runs every so many seconds."""

    name: str
    function: Callable[[Context], None]
    seconds: float
    mode: Mode


_subscribers: dict[str, Subscriber] = {}
_timers: dict[str, Timer] = {}


def on(
    fact_class: type,
    *,
    queue: str = "default",
    attempts: int = 5,
    mode: Mode = Mode.WRITES,
    of_node: bool = False,
) -> Callable[[Function], Function]:
    """Subscribe a function of (ctx, fact) to a kind of fact; `of_node`: on the node that the fact names, one
    job at a time.
    """

    def record(function: Function) -> Function:
        name = f"{function.__module__.removeprefix('backend.')}.{function.__name__}"
        if name in _subscribers:
            raise ValueError(f"two subscribers are named {name}")
        _subscribers[name] = Subscriber(name, fact_class.__name__, function, queue, attempts, mode, of_node)
        return function

    return record


def every(*, seconds: float, mode: Mode = Mode.WRITES) -> Callable[[Function], Function]:
    """Run a function of (ctx) every so many seconds while a worker lives."""

    def record(function: Function) -> Function:
        name = f"{function.__module__.removeprefix('backend.')}.{function.__name__}"
        if name in _timers:
            raise ValueError(f"two timers are named {name}")
        _timers[name] = Timer(name, function, seconds, mode)
        return function

    return record


def subscribers() -> dict[str, Subscriber]:
    """Every subscriber by name."""
    return dict(sorted(_subscribers.items()))


def timers() -> dict[str, Timer]:
    """Every timer by name."""
    return dict(sorted(_timers.items()))


def job_id(subscriber: Subscriber, fact_id: str) -> str:
    """The id under which a fact is handed to a subscriber, the same however often."""
    return f"{fact_id}:{subscriber.name}"


def queue_of(subscriber: Subscriber, row: FactRow) -> str:
    """The queue in which a fact waits for a subscriber."""
    # A fact of an earlier version may name no node: then nobody takes it, and it is dropped with what is old.
    return subscriber.queue_on(row.body.get("node", ""))


def unfinished(forge: Forge, fact_class: type, node: str) -> list[Any]:
    """Facts of a kind about this node that wait, or whose jobs do or run; to be asked by its worker.

    What a job that failed left behind is not among them, nor what was lost with the queue.
    """
    kind = fact_class.__name__
    query = select(FactRow).where(col(FactRow.relayed_at).is_(None), col(FactRow.kind) == kind)
    with forge.db.transaction(write=False) as db:
        bodies = [row.body for row in db.execute(query).scalars()]
    # Asked second: what is handed over in between is in one of the two.
    hands = forge.part(Hands, Hands)
    for each in _subscribed_to(kind):
        bodies += hands.holding(each.queue_on(node))
    return [fact_class(**body) for body in bodies if body.get("node") == node]


def failed(forge: Forge, fact_class: type, node: str, *, since: datetime) -> list[Any]:
    """Facts of a kind about a node that were relayed since then and have a job that failed for good."""
    query = select(FactRow).where(
        col(FactRow.relayed_at) >= since, col(FactRow.kind) == fact_class.__name__, col(FactRow.problem) != ""
    )
    with forge.db.transaction(write=False) as db:
        bodies = [row.body for row in db.execute(query).scalars()]
    return [fact_class(**body) for body in bodies if body.get("node") == node]


def relay(forge: Forge, hand_over: Callable[[Subscriber, FactRow], None]) -> int:
    """Hand the oldest waiting facts to their subscribers and return how many were waiting.

    Facts of a kind that nobody here knows stay waiting for a worker of a newer version.
    """
    with forge.db.transaction(write=False) as db:
        waiting = (
            db.execute(
                select(FactRow)
                .where(col(FactRow.relayed_at).is_(None), col(FactRow.kind).in_(facts()))
                .order_by(col(FactRow.id))
                .limit(BATCH)
            )
            .scalars()
            .all()
        )
    for row in waiting:
        for subscriber in _subscribed_to(row.kind):
            hand_over(subscriber, row)
    if waiting:
        _mark_relayed(forge, [row.id for row in waiting])
    return len(waiting)


def run_subscriber(forge: Forge, subscriber: Subscriber, fact_id: str, body: dict[str, Any]) -> None:
    """React to one fact, once, here."""
    fact = fact_of(FactRow(id=fact_id, kind=subscriber.kind, body=body, at=forge.clock()))
    _run(forge, subscriber.mode, lambda ctx: subscriber.function(ctx, fact))


def run_timer(forge: Forge, timer: Timer) -> None:
    """One beat of a timer."""
    _run(forge, timer.mode, timer.function)


def drain(forge: Forge) -> int:
    """Run what waits, and what that makes wait, here and now without a worker; what fails raises."""
    done = 0
    while count := relay(forge, lambda subscriber, row: run_subscriber(forge, subscriber, row.id, row.body)):
        done += count
    return done


def count_waiting(forge: Forge) -> int:
    """How many facts no worker has taken yet."""
    with forge.db.transaction(write=False) as db:
        count: int = db.execute(select(func.count()).where(col(FactRow.relayed_at).is_(None))).scalar_one()
        return count


def forget_relayed(forge: Forge, *, before: datetime) -> None:
    """Delete facts that were relayed before a moment."""
    with forge.db.transaction(write=True) as db:
        db.execute(delete(FactRow).where(col(FactRow.relayed_at) < before))


def note_failure(forge: Forge, subscriber: str, fact_id: str, sentence: str) -> None:
    """Write down that a subscriber's job failed for good, for administrators to read; once however often."""
    line = f"{subscriber}: {' '.join(sentence.split())[:LONGEST_PROBLEM]}"
    with forge.db.transaction(write=True) as db:
        query = select(FactRow).where(col(FactRow.id) == fact_id).with_for_update()
        row = db.execute(query).scalar_one_or_none()
        if row is not None and line not in (lines := row.problem.splitlines()):
            row.problem = "\n".join([*lines, line])


def _subscribed_to(kind: str) -> Iterable[Subscriber]:
    return [subscriber for subscriber in subscribers().values() if subscriber.kind == kind]


def _mark_relayed(forge: Forge, ids: list[str]) -> None:
    with forge.db.transaction(write=True) as db:
        db.execute(update(FactRow).where(col(FactRow.id).in_(ids)).values(relayed_at=forge.clock()))


def _run(forge: Forge, mode: Mode, function: Callable[[Context], None]) -> None:
    ctx = Context(forge, SYSTEM)
    if mode is Mode.STEPS:
        function(ctx)
        return
    with ctx.transaction(write=mode is Mode.WRITES) as inside:
        function(inside)
