"""Keys of repeated requests: one doing, one answer, and nothing left behind by what died."""

import json
from threading import Thread

import pytest
from sqlmodel import select

from backend.core import idempotency
from backend.core.context import SYSTEM, Context
from backend.core.errors import Conflict, InvalidInput
from backend.core.idempotency import Answer, IdempotencyRow, KeyReused, StillRunning, forget_answers
from backend.core.operations import operations
from backend.sessions.models import WorkSession
from vcs import faults

GOAL = {"organization": "acme", "project": "notes", "goal": "Write it"}


def ask(forge, actor, key, *, op="start_session", door="rest", encode=None, **payload) -> Answer:
    return idempotency.answered(
        forge,
        actor,
        operations()[op],
        payload or GOAL,
        key=key,
        door=door,
        encode=encode or (lambda result: result.model_dump_json().encode()),
    )


def sessions(forge) -> int:
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        return len(tx.db.execute(select(WorkSession)).all())


class Died(BaseException):
    """The process is gone."""


@pytest.fixture
def died():
    """Whoever fails ends there, as a process does that is gone: its key is not let go."""

    def die():
        raise Died

    faults.arm("idempotency.releasing", die)
    yield
    faults.disarm()


def test_the_same_request_gets_the_same_answer_and_is_done_once(forge, bench, grace):
    first, again = ask(forge, grace, "k1"), ask(forge, grace, '"k1"')

    assert (again.body, again.repeated, first.repeated) == (first.body, True, False)
    assert sessions(forge) == 1
    assert ask(forge, grace, "k2").body != first.body


def test_another_request_with_the_key_is_refused(forge, bench, grace):
    ask(forge, grace, "k1")

    with pytest.raises(KeyReused):
        ask(forge, grace, "k1", **{**GOAL, "goal": "Write another"})
    with pytest.raises(KeyReused):
        ask(forge, grace, "k1", door="rpc")


def test_a_key_is_its_senders_and_no_narrower_token_sees_the_answer(forge, bench, grace, ada, agent_of):
    first = ask(forge, grace, "k1")

    assert not ask(forge, ada, "k1").repeated
    assert not ask(forge, agent_of(grace, project="acme/notes"), "k1").repeated
    assert ask(forge, grace, "k1").body == first.body


@pytest.mark.parametrize("key", ["\x7f", "a b", "é", "k" * 256, '""'])
def test_a_key_that_is_none_is_refused(forge, bench, grace, key):
    with pytest.raises(InvalidInput):
        ask(forge, grace, key)


def test_a_refusal_is_repeated_too(forge, bench, grace):
    asked = {"organization": "acme", "project": "notes"}
    with pytest.raises(Conflict) as first:
        ask(forge, grace, "k1", op="create_project", **asked)
    bench.on("acme/other").create(grace)
    with pytest.raises(Conflict) as again:
        ask(forge, grace, "k1", op="create_project", **asked)

    assert (again.value.code, again.value.sentence) == (first.value.code, first.value.sentence)
    assert again.value.details == json.loads(json.dumps(first.value.details))


def test_a_key_is_busy_until_its_deadline_when_the_process_died(forge, bench, grace, clock, died):
    def die(result):
        raise Died

    with pytest.raises(Died):
        ask(forge, grace, "k1", encode=die)
    with pytest.raises(StillRunning) as busy:
        ask(forge, grace, "k1")
    clock.advance(seconds=61)
    done = ask(forge, grace, "k1")

    assert busy.value.details["retry_after"] == 1
    assert not done.repeated
    assert sessions(forge) == 1


def test_who_lost_the_claim_to_another_leaves_nothing_behind(forge, bench, grace, clock):
    once = idempotency._Once(Context(forge, grace), "k1", "request", 60)
    assert once.claim() is None
    clock.advance(seconds=61)
    taker = idempotency._Once(Context(forge, grace), "k1", "request", 60)
    assert taker.claim() is None

    with pytest.raises(StillRunning), Context(forge, grace).transaction() as tx:
        once.keep(tx, b"+late")
    with Context(forge, grace).transaction() as tx:
        taker.keep(tx, b"+first")
    assert idempotency._Once(Context(forge, grace), "k1", "request", 60).claim() == b"+first"


def test_steps_are_answered_once_too(forge, bench, grace):
    asked = {"organization": "acme", "project": "third"}
    first = ask(forge, grace, "k1", op="create_project", **asked)

    assert ask(forge, grace, "k1", op="create_project", **asked).body == first.body


def test_many_at_once_make_one_session_and_hear_of_no_other(forge, bench, grace):
    heard: list[Answer | StillRunning] = []

    def send():
        try:
            heard.append(ask(forge, grace, "k1"))
        except StillRunning as busy:
            heard.append(busy)

    threads = [Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(heard) == 8
    assert len({answer.body for answer in heard if isinstance(answer, Answer)}) == 1
    assert sessions(forge) == 1


def test_answers_are_kept_for_a_day_and_never_readable(forge, bench, grace, clock):
    asked = {"name": "robot", "scopes": ["project:read"]}
    token = json.loads(ask(forge, grace, "k1", op="create_access_token", **asked).body)["token"]
    with Context(forge, grace).transaction(write=False) as tx:
        kept = tx.db.execute(select(IdempotencyRow)).scalar_one()
        assert token.encode() not in kept.answer
        assert "k1" not in kept.model_dump_json(exclude={"answer"})

    clock.advance(hours=23.9)
    assert token in ask(forge, grace, "k1", op="create_access_token", **asked).body.decode()
    clock.advance(hours=0.2)
    with Context(forge, grace).transaction() as tx:
        forget_answers(tx)
    with Context(forge, grace).transaction(write=False) as tx:
        assert tx.db.execute(select(IdempotencyRow)).all() == []
