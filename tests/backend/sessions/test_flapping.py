"""A store whose answers get lost, as a forge sees it: every landing happens once, and is told as it is."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from backend.instance import doctor
from backend.projects import code
from backend.projects.service import get_project
from backend.sessions import landing
from backend.sessions.access import SessionLanding
from vcs.errors import StoreFailed
from vcs.landing import LandingUnknown
from vcs.objects import new_id
from vcs.store import Unknown

SESSIONS, TOGETHER = 12, 3
PATIENCE = 40


class Flapping:
    """A store that moves HEAD, or does not, and as often as not says nothing about it."""

    def __init__(self, store, seed):
        self._store = store
        self._chance = Random(seed)
        self.silent = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def swap_head(self, *request):
        fate = self._chance.random()
        if fate < 0.4:
            return self._store.swap_head(*request)
        if fate < 0.5:
            raise StoreFailed(problem="no route")
        self.silent += 1
        if fate < 0.8:
            self._store.swap_head(*request)
        return Unknown("the answer was lost")


@pytest.mark.parametrize("seed", range(2))
def test_a_flapping_store_never_lands_a_session_twice(bench, ada, clock, seed):
    sessions = {bench.start(ada, f"Landing {number}").id: number for number in range(SESSIONS)}
    for session, number in sessions.items():
        bench.push(ada, session, {f"own/{number}": b"%d" % number})
    whole = bench.forge.store
    bench.forge.store = flapping = Flapping(whole, seed)
    project = bench.run(ada, get_project, **bench.where).id
    code.forget(bench.forge, project)

    def land(session):
        id = new_id()
        for _ in range(PATIENCE):
            try:
                return bench.land(ada, session, landing=id).position
            except (LandingUnknown, StoreFailed):
                continue
            except SessionLanding:
                # Nobody knew, so its permit stays until the sweeper has asked the log.
                clock.advance(seconds=31)
                landing.sweep(bench.forge)
        raise AssertionError("it never landed")

    with ThreadPoolExecutor(TOGETHER) as pool:
        positions = dict(zip(sessions, pool.map(land, sessions), strict=True))
    bench.forge.store = whole
    code.forget(bench.forge, project)

    assert sorted(positions.values()) == list(range(1, SESSIONS + 1))
    repository = code.repository(bench.forge, project, project)
    repository.catch_up()
    records = [record for _, _, record in repository.records() if record.landing]
    assert {record.session: record.positions for record in records} == {
        session: (position, position) for session, position in positions.items()
    }
    assert len(records) == SESSIONS
    assert bench.tree(ada) == {b"own/%d" % number: b"%d" % number for number in range(SESSIONS)}
    assert flapping.silent > SESSIONS / 4
    assert [finding.sentence for finding in doctor.examine(bench.forge) if finding.fault] == []
