"""The clock is set back by hours: nothing runs out early or holds for ever, and time in the log goes on."""

import pytest
import sqlmodel

from backend.accounts.identity import of_token
from backend.accounts.service import create_access_token
from backend.core.context import Actor
from backend.instance import doctor
from backend.projects import code
from backend.projects.models import Project
from backend.sessions import landing
from backend.sessions.live import append_session_events, list_session_events
from backend.sessions.models import Permit
from backend.sessions.service import get_session
from vcs import faults


class Died(BaseException):
    """This process is gone."""


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


def ready(bench, ada, path):
    session = bench.start(ada).id
    bench.push(ada, session, {path: b"text\n"})
    return session


def test_a_permit_outlasts_the_jump_and_the_log_stays_in_order(bench, ada, clock):
    bench.landed(ada, {"before": b"text\n"})
    session = ready(bench, ada, "after")
    faults.arm("landing.permitted", lambda: clock.advance(hours=-5))

    assert bench.land(ada, session).position == 2
    faults.disarm()
    assert bench.landed(ada, {"later": b"text\n"}).position == 3
    with bench.forge.db.transaction(write=False) as db:
        project = db.exec(sqlmodel.select(Project).where(Project.handle == "notes")).one()
    records = code.repository(bench.forge, project.id, project.pool).records()
    times = [record.at for _, _, record in records]
    assert times == sorted(times) and len(times) >= 4
    assert [one.sentence for one in doctor.examine(bench.forge) if one.fault] == []


def test_a_permit_from_before_the_jump_does_not_hold_its_session_for_ever(bench, ada, clock):
    session = ready(bench, ada, "a")

    def die():
        raise Died

    faults.arm("landing.permitted", die)
    with pytest.raises(Died):
        bench.land(ada, session)
    faults.disarm()
    assert landing.sweep(bench.forge) == 0

    clock.advance(hours=-5)
    assert landing.sweep(bench.forge) == 1
    state = bench.run(ada, get_session, session=session)
    assert (state.status, state.landing) == ("active", False)
    with bench.forge.db.transaction(write=False) as db:
        assert db.exec(sqlmodel.select(Permit)).all() == []
    assert bench.land(ada, session).position == 1


def test_who_was_signed_in_stays_so_and_words_keep_their_order(bench, ada, invoke, clock):
    token = invoke(ada, create_access_token, name="mic", scopes=["session:read", "session:write"]).token
    session = ready(bench, ada, "a")
    clock.advance(hours=-5)

    agent = of_token(bench.forge, token, Actor(address="192.0.2.7"))
    said = {"kind": "progress", "body": {"text": "later"}}
    bench.run(agent, append_session_events, session=session, events=[said])
    bench.run(ada, append_session_events, session=session, events=[said])
    events = bench.run(ada, list_session_events, session=session).items
    assert [one.sequence for one in events] == list(range(1, len(events) + 1))
    assert bench.land(agent, session).position == 1
