"""The bucket is the forge: with the database gone, the store brings everything of code back."""

import shutil
from contextlib import closing
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from sqlmodel import func, select

from backend.accounts.models import Account, Handle
from backend.core import jobs, migrate
from backend.core.context import SYSTEM, Context, Forge
from backend.instance import doctor, recovery
from backend.instance.recovery import recover
from backend.organizations.models import Membership
from backend.organizations.renaming import rename_organization
from backend.organizations.service import adopt_organizations
from backend.projects.forks import fork_project
from backend.projects.landings import get_landing, get_landing_diff, list_landings
from backend.projects.models import Project, ProjectState
from backend.projects.service import create_project, get_project, list_all_projects, update_project
from backend.projects.tree import get_file, get_tree, list_blobs
from backend.sessions.live import add_session_decision, add_session_note, list_session_events
from backend.sessions.service import get_session, list_sessions
from tests.backend.workbench import Workbench
from vcs.forks import delete_project

PROJECTS = ("acme/notes", "acme/plans", "ada/empty", "mallory/mine")


@pytest.fixture
def filled(bench, ada, grace, mallory):
    """Four projects with settings, sessions, landings and a fork, all told to the store."""
    first = bench.start(
        ada, goal="Begin it", agent="claude", model="opus", metadata={"ticket": 7, "p": 0.5}
    ).id
    bench.run(ada, add_session_note, session=first, content="Let us *begin*.")
    bench.run(ada, add_session_decision, session=first, content="Markdown it is.", role="agent")
    bench.push(ada, first, {"README.md": b"# Notes\n", "src/a.py": b"1\n", "old": b"x\n"})
    bench.land(ada, first, summary="It has begun.")
    second = bench.start(grace, goal="Go on").id
    bench.landed(ada, {"between": b"y\n"})
    bench.push(grace, second, {"src/a.py": b"2\n", "old": None})
    bench.land(grace, second)
    bench.run(ada, update_project, **bench.where, name="Our notes", description="What we learned")
    bench.run(ada, update_project, **bench.where, website="https://example.org", protect_main_branch=True)
    plans = bench.on("acme/plans")
    plans.landed(grace, {"plan": b"secret\n"}, goal="Plan")
    bench.run(ada, create_project, organization="ada", project="empty", name="Empty")
    bench.run(mallory, fork_project, **bench.where, handle="mine")
    bench.on("mallory/mine").landed(mallory, {"own": b"mine\n"}, goal="Mine now")
    jobs.drain(bench.forge)
    return bench


@pytest.fixture
def emptied(filled, tmp_path, request):
    """The same store with an empty database and no index."""
    settings = filled.forge.settings
    url = f"sqlite:///{tmp_path / 'new.db'}"
    if not filled.forge.db.is_sqlite:
        server, name = request.getfixturevalue("postgres_server"), f"emptied{uuid4().hex}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        url = f"{server}/{name}".replace("postgresql://", "postgresql+psycopg://")
    data = tmp_path / "new"
    settings = replace(settings, data=data, database_url=url, storage_path=settings.storage_path)
    with closing(Forge.open(settings, clock=filled.forge.clock)) as forge:
        migrate.upgrade(forge.db)
        yield Workbench(forge)
    shutil.rmtree(data, ignore_errors=True)


def answers(bench):
    """What everybody may ask about code, as JSON, by question."""
    told = {"projects": bench.run(SYSTEM, list_all_projects)}
    for address in PROJECTS:
        here = bench.on(address)
        landings = here.run(SYSTEM, list_landings, **here.where)
        sessions = here.run(SYSTEM, list_sessions, **here.where)
        told |= {
            f"{address}": here.run(SYSTEM, get_project, **here.where),
            f"{address} landings": landings,
            f"{address} sessions": sessions,
            f"{address} blobs": here.run(SYSTEM, list_blobs, **here.where),
            f"{address} tree": here.run(SYSTEM, get_tree, **here.where, ref="HEAD", path=""),
        }
        for landing in landings.items:
            at = {"position": landing.position}
            told[f"{address} {at}"] = here.run(SYSTEM, get_landing, **here.where, **at)
            told[f"{address} {at} diff"] = here.run(SYSTEM, get_landing_diff, **here.where, **at)
        for session in sessions.items:
            told[f"session {session.id}"] = here.run(SYSTEM, get_session, session=session.id)
            told[f"events {session.id}"] = here.run(SYSTEM, list_session_events, session=session.id)
    told["file"] = bench.run(SYSTEM, get_file, **bench.where, path="src/a.py")
    return {question: answer.model_dump(mode="json") for question, answer in told.items()}


def found(forge):
    return [f"{finding.project}: {finding.sentence}" for finding in doctor.examine(forge) if finding.fault]


def test_an_empty_database_and_an_old_store_are_the_same_forge(filled, emptied):
    before = answers(filled)

    done = recover(emptied.forge)

    assert (done.projects, done.sessions, done.left) == (4, 5, ())
    after = answers(emptied)
    assert after.keys() == before.keys()
    for question, answer in before.items():
        assert after[question] == answer, question
    assert found(emptied.forge) == []
    assert [f.sentence for f in doctor.rebuild(emptied.forge) if f.fault] == []


def test_it_happens_once_and_nothing_is_told_again(emptied):
    recover(emptied.forge)
    assert recover(emptied.forge) == recovery.Recovered()

    jobs.drain(emptied.forge)
    assert found(emptied.forge) == []


def test_work_goes_on_where_it_stood(filled, emptied, ada):
    recover(emptied.forge)
    emptied.landed(SYSTEM, {"new": b"n\n"})

    assert emptied.run(SYSTEM, get_project, **emptied.where).position == 4
    assert emptied.tree(SYSTEM)[b"new"] == b"n\n"
    assert found(emptied.forge) == []


def test_organizations_wait_for_the_first_administrator(emptied, margaret):
    recover(emptied.forge)
    with Context(emptied.forge, SYSTEM).transaction() as tx:
        assert tx.db.exec(select(func.count()).select_from(Membership)).one() == 0
        account = Account(
            id=margaret.id,
            handle="margaret",
            name="Margaret",
            email="m@example.org",
            password_hash="",
            admin=True,
            created_at=tx.now(),
        )
        tx.db.add(account)
        tx.db.flush()
        adopt_organizations(tx, margaret.id)
    mine = {item.organization for item in emptied.run(margaret, list_all_projects).items}
    assert mine == {"acme", "ada", "mallory"}


def test_a_recovery_that_died_goes_on(emptied, monkeypatch):
    calls = []
    real = recovery.restore_sessions

    def dies(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(recovery, "restore_sessions", dies)
    with pytest.raises(KeyboardInterrupt):
        recover(emptied.forge)
    with emptied.forge.db.transaction(write=False) as db:
        assert len(db.exec(select(Project).where(Project.state == ProjectState.CREATING)).all()) == 1

    recover(emptied.forge)
    assert len(emptied.run(SYSTEM, list_all_projects).items) == 4
    assert found(emptied.forge) == []


def test_a_session_that_was_never_archived_comes_back_from_its_summary(filled, emptied, ada):
    project = filled.run(ada, get_project, **filled.where).id
    for listed in list(filled.forge.store.list(f"archives/{project}/")):
        filled.forge.store.delete(listed.key)
    before = filled.run(SYSTEM, list_sessions, **filled.where).items[-1]

    recover(emptied.forge)

    after = emptied.run(SYSTEM, get_session, session=before.id)
    assert (after.goal, after.author_name, after.summary) == ("Begin it", "Ada", "It has begun.")
    assert [said.text for said in after.conversation] == ["Let us *begin*."]
    assert [said.text for said in after.decisions] == ["Markdown it is."]


def test_what_was_deleted_stays_so_and_what_is_broken_is_left(filled, emptied, ada):
    gone = filled.on("ada/empty")
    id = gone.run(ada, get_project, **gone.where).id
    delete_project(filled.forge.store, id, id)
    plans = filled.on("acme/plans").run(ada, get_project, organization="acme", project="plans").id
    for listed in list(filled.forge.store.list(f"pools/{plans}/files/")):
        filled.forge.store.delete(listed.key)

    done = recover(emptied.forge)

    assert (done.projects, done.left) == (2, (plans,))


def test_a_forge_somebody_uses_is_left_alone(bench):
    assert recover(bench.forge) == recovery.Recovered()


def test_a_renamed_organization_comes_back_under_its_new_handle_and_keeps_the_old_one(filled, emptied, ada):
    filled.run(ada, rename_organization, organization="acme", handle="zenith")
    # The store is lost before the last log was told.
    with filled.forge.db.transaction(write=False) as db:
        late = db.exec(select(Project).where(Project.handle == "plans")).one().id
    jobs.relay(filled.forge, lambda subscriber, row: _unless_about(late, filled.forge, subscriber, row))
    jobs.relay(filled.forge, lambda subscriber, row: _unless_about(late, filled.forge, subscriber, row))
    recover(emptied.forge)

    for project in ("notes", "plans"):
        for organization in ("acme", "zenith"):
            found = emptied.run(SYSTEM, get_project, organization=organization, project=project)
            assert found.organization == "zenith"
    with emptied.forge.db.transaction(write=False) as db:
        assert set(db.exec(select(Handle.handle)).all()) >= {"acme", "zenith"}


def _unless_about(project, forge, subscriber, row):
    if row.body.get("project") != project:
        jobs.run_subscriber(forge, subscriber, row.id, row.body)
