"""An import whose landing takes longer than a permit lands; it is cancelled only when somebody cancels."""

import time
from datetime import timedelta

import pytest
from sqlmodel import select

from backend.portability import running
from backend.portability.models import ImportState
from backend.sessions import landing, permits
from backend.sessions.models import Permit, PermitState
from tests.backend.portability.imports import dot_git, objects_of
from tests.vcs.git.sources import generated
from vcs import faults

DEADLINE = 60


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


def permit_of(imports):
    with imports.forge.db.transaction(write=False) as db:
        return db.exec(select(Permit)).one()


def settled_by_the_sweeper(imports, clock):
    clock.advance(seconds=landing.PERMIT.total_seconds() + 1)
    assert landing.sweep(imports.forge) == 1


def test_the_sweeper_leaves_an_import_alone_that_may_land(imports, operator, tmp_path):
    swept = []
    faults.arm("import.permitted", lambda: swept.append(landing.sweep(imports.forge)))

    imports.done(operator, generated(tmp_path / "made", 3).folder)

    assert swept == [0]


def test_a_landing_that_takes_minutes_to_decide_renews_its_permit(
    imports, operator, tmp_path, clock, monkeypatch
):
    monkeypatch.setattr(permits, "RENEW_SECONDS", 0.01)
    git, swept = generated(tmp_path / "made", 3), []

    def slowly():
        for _ in range(9):
            clock.advance(seconds=20)
            deadline = time.monotonic() + DEADLINE
            while permit_of(imports).expires_at < clock() + timedelta(seconds=30):
                assert time.monotonic() < deadline, "the permit is not renewed"
                time.sleep(0.005)
            swept.append(landing.sweep(imports.forge))

    faults.arm("landing.decided", slowly)
    imports.done(operator, git.folder)

    assert swept == [0] * 9
    assert objects_of(imports.repository()) == objects_of(dot_git(git))
    assert imports.leftovers() == []


def test_a_landing_whose_permit_was_settled_meanwhile_is_tried_again(imports, operator, tmp_path, clock):
    git, tries = generated(tmp_path / "made", 3), []

    def once():
        faults.disarm("landing.decided")
        settled_by_the_sweeper(imports, clock)

    faults.arm("landing.decided", once)
    faults.arm("import.permitted", lambda: tries.append(permit_of(imports).state))
    imports.done(operator, git.folder)

    assert tries == [PermitState.OPEN] * 2
    assert objects_of(imports.repository()) == objects_of(dot_git(git))


def test_one_that_never_gets_to_land_has_failed_and_says_why(imports, operator, tmp_path, clock):
    asked = imports.ask(operator, generated(tmp_path / "made", 3).folder)
    faults.arm("import.permitted", lambda: settled_by_the_sweeper(imports, clock))

    imports.work()

    ended = imports.look(operator, asked)
    assert ended.state is ImportState.FAILED
    assert ended.problem.startswith(f"The landing was interrupted {running.TRIES} times")
    assert imports.leftovers() == [] and imports.files() == []
