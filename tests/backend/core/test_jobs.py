from dataclasses import dataclass

import pytest

from backend.core import jobs
from backend.core.context import SYSTEM, Context
from backend.core.operations import Mode


@dataclass(frozen=True)
class BellTested:
    """A fact of these tests."""

    name: str


@pytest.fixture
def registry(monkeypatch):
    """Empty registries for one test."""
    monkeypatch.setattr(jobs, "_subscribers", {})
    monkeypatch.setattr(jobs, "_timers", {})
    monkeypatch.setattr("backend.core.events._facts", {"BellTested": BellTested})


@pytest.fixture
def heard(registry):
    heard: list[str] = []

    @jobs.on(BellTested)
    def hear(ctx: Context, fact: BellTested) -> None:
        heard.append(fact.name)

    return heard


def emit(forge, *names: str) -> None:
    with Context(forge, SYSTEM).transaction() as ctx:
        for name in names:
            ctx.emit(BellTested(name))


def test_facts_reach_their_subscribers_oldest_first_and_once(core_forge, heard):
    emit(core_forge, "one", "two")

    assert jobs.drain(core_forge) == 2
    assert jobs.drain(core_forge) == 0
    assert heard == ["one", "two"]


def test_each_subscriber_of_a_fact_gets_it(core_forge, heard):
    also: list[str] = []

    @jobs.on(BellTested)
    def hear_too(ctx: Context, fact: BellTested) -> None:
        also.append(fact.name)

    emit(core_forge, "one")
    jobs.drain(core_forge)

    assert (heard, also) == (["one"], ["one"])


def test_a_fact_stays_waiting_until_every_subscriber_has_it(core_forge, heard):
    emit(core_forge, "one")

    def broken(subscriber, row):
        raise RuntimeError("the queue is away")

    with pytest.raises(RuntimeError):
        jobs.relay(core_forge, broken)
    assert jobs.count_waiting(core_forge) == 1
    jobs.drain(core_forge)

    assert heard == ["one"]


def test_handing_a_fact_over_again_uses_the_same_id(core_forge, heard):
    emit(core_forge, "one")
    ids = []

    def half_way(subscriber, row):
        ids.append(jobs.job_id(subscriber, row.id))
        if len(ids) == 1:
            raise RuntimeError("killed before the fact was marked")

    with pytest.raises(RuntimeError):
        jobs.relay(core_forge, half_way)
    jobs.relay(core_forge, half_way)

    assert len(ids) == 2 and len(set(ids)) == 1


def test_a_fact_that_only_a_newer_version_knows_waits_for_it(core_forge, heard, monkeypatch):
    emit(core_forge, "one")
    monkeypatch.setattr("backend.core.events._facts", {})

    assert jobs.drain(core_forge) == 0
    assert jobs.count_waiting(core_forge) == 1


def test_facts_emitted_by_a_job_are_worked_on_too(core_forge, registry):
    heard = []

    @jobs.on(BellTested)
    def echo(ctx: Context, fact: BellTested) -> None:
        heard.append(fact.name)
        if len(fact.name) < 3:
            ctx.emit(BellTested(fact.name + "!"))

    emit(core_forge, "a")
    jobs.drain(core_forge)

    assert heard == ["a", "a!", "a!!"]


def test_a_job_in_steps_has_no_transaction_of_its_own(core_forge, registry):
    @jobs.on(BellTested, mode=Mode.STEPS)
    def step(ctx: Context, fact: BellTested) -> None:
        with pytest.raises(RuntimeError):
            _ = ctx.db
        with ctx.transaction() as inside:
            inside.db.connection()

    emit(core_forge, "a")

    assert jobs.drain(core_forge) == 1


def test_relayed_facts_are_forgotten_and_waiting_ones_are_not(core_forge, heard):
    emit(core_forge, "one")
    jobs.drain(core_forge)
    emit(core_forge, "two")
    jobs.forget_relayed(core_forge, before=core_forge.clock())
    jobs.drain(core_forge)

    assert heard == ["one", "two"]


def test_two_jobs_cannot_share_a_name(registry):
    @jobs.every(seconds=1)
    def tick(ctx: Context) -> None: ...

    with pytest.raises(ValueError, match="two timers"):
        jobs.every(seconds=2)(tick)
