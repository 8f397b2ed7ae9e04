"""Keeping: upkeep of git repositories is a durable job of their node, or a beat where no worker lives."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlmodel import select

from backend.core import jobs
from backend.core.context import SYSTEM, Context, Forge
from backend.core.events import FactRow
from backend.core.node import node_name
from backend.projects import git, keeping
from backend.projects.keeping import GitUpkeepDue
from backend.projects.models import Project
from tests.backend.projects.test_maintenance_killed import until, worker
from vcs import disk

only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def project(bench, ada):
    """acme/notes with a landing."""
    bench.landed(ada, {"a": b"a\n"})
    with bench.forge.db.transaction(write=False) as db:
        return db.exec(select(Project).where(Project.handle == "notes")).one()


@pytest.fixture
def other(bench, tmp_path):
    """Another node of the same forge."""
    settings = replace(bench.forge.settings, data=tmp_path / "other")
    with closing(Forge.open(settings, clock=bench.forge.clock)) as other:
        yield other


def system(forge):
    return Context(forge, SYSTEM)


def shown(forge, project):
    """The packs of the repository, which is made and due."""
    return git.show(forge, SYSTEM, project).path / "objects/pack"


def repacked(packs):
    return bool(list(packs.glob("*.bitmap")))


def stated(forge):
    with forge.db.transaction(write=False) as db:
        rows = db.exec(select(FactRow).where(FactRow.kind == "GitUpkeepDue")).all()
    return [(row.body["project"], row.body["node"]) for row in rows]


def handed(forge):
    """Nodes and states of the jobs of upkeep, read beside the worker; nothing before its first start."""
    settings = forge.settings
    own = f"sqlite:///{settings.data / 'jobs.db'}" if settings.sqlite_path else settings.database_url
    table = "workflow_status" if settings.sqlite_path else "dbos.workflow_status"
    query = f"SELECT queue_name, status FROM {table} WHERE queue_name LIKE 'git@%'"
    engine = create_engine(own, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            rows = connection.execute(text(query)).all()
    except (OperationalError, ProgrammingError):
        return []
    return sorted((queue.removeprefix("git@"), status) for queue, status in rows)


def test_a_killed_workers_upkeep_is_done_by_the_next_and_asked_for_once(bench, project):
    packs = shown(bench.forge, project)
    for point in ("upkeep.begun", "upkeep.repacked"):
        with worker(bench, point) as process:
            assert process.wait(60) == -9
        assert git.projection(bench.forge, project).noted("mending")

    node = node_name(bench.forge)
    with worker(bench):
        until(lambda: handed(bench.forge) == [(node, "SUCCESS")])
        keeping.keep_git_here(system(bench.forge))
        with disk.only_one(bench.forge.settings.data / "keeping.lock") as free:
            assert not free, "the worker keeps this node"
    assert repacked(packs) and not git.projection(bench.forge, project).noted("mending")
    assert stated(bench.forge) == [(project.id, node)]


@only_postgresql
def test_each_node_does_its_own_upkeep_and_what_waits_for_one_that_is_gone_is_dropped(bench, other, project):
    mine, theirs = (shown(forge, project) for forge in (bench.forge, other))
    here, there = (node_name(forge) for forge in (bench.forge, other))
    with system(other).transaction() as tx:
        tx.emit(GitUpkeepDue(project.id, there))
        tx.emit(GitUpkeepDue(project.id, "gone"))

    with worker(bench):
        until(lambda: (here, "SUCCESS") in handed(other))
        assert repacked(mine) and not repacked(theirs)
        assert {(there, "ENQUEUED"), ("gone", "ENQUEUED")} <= set(handed(other))
        with worker(bench, data=other.settings.data):
            until(lambda: (there, "SUCCESS") in handed(other))
    assert repacked(theirs)
    assert ("gone", "ENQUEUED") in handed(other)

    week = datetime.now(UTC) - bench.forge.clock() + timedelta(days=8)
    with worker(bench, late=week):
        until(lambda: "gone" not in dict(handed(other)))


@only_sqlite
def test_what_waits_runs_or_has_just_failed_is_not_stated_again(bench, project, clock):
    node, hands = node_name(bench.forge), bench.forge.part(jobs.Hands, jobs.Hands)

    def minutes(count):
        clock.advance(minutes=count)
        keeping.state_what_git_is_due(system(bench.forge))
        return len(stated(bench.forge))

    shown(bench.forge, project)
    assert [minutes(count) for count in (0, 20, 20)] == [1, 1, 1]

    jobs.relay(bench.forge, lambda *_: None)
    hands.holding = {f"git@{node}": [{"project": project.id, "node": node}]}.__getitem__
    assert minutes(20) == 1

    hands.holding = {f"git@{node}": []}.__getitem__
    with bench.forge.db.transaction(write=False) as db:
        [row] = db.exec(select(FactRow).where(FactRow.kind == "GitUpkeepDue")).all()
    jobs.note_failure(bench.forge, "projects.jobs.repack_git_repository", row.id, "There is no room.")
    assert [minutes(20), minutes(50)] == [1, 2]


@only_sqlite
def test_a_node_has_one_keeper_at_a_time(bench, project):
    packs = shown(bench.forge, project)
    with bench.restarted() as fresh:
        keeping.state_what_git_is_due(system(fresh.forge))
        keeping.keep_git_here(system(bench.forge))
        assert not repacked(packs), "a worker lives here"
    keeping.keep_git_here(system(bench.forge))
    assert repacked(packs)


@only_sqlite
def test_a_worker_states_nothing_while_a_web_process_is_at_it(bench, project):
    shown(bench.forge, project)
    with disk.only_one(bench.forge.settings.data / "keeping.lock"):
        keeping.state_what_git_is_due(system(bench.forge))
        assert stated(bench.forge) == []
    keeping.state_what_git_is_due(system(bench.forge))
    assert len(stated(bench.forge)) == 1


@only_sqlite
def test_a_node_keeps_its_name(bench, other):
    with bench.restarted() as fresh:
        assert node_name(fresh.forge) == node_name(bench.forge) != node_name(other)
