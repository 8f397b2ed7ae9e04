"""Maintenance: what is due is found in SQL, and done as jobs that may die at any time."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from sqlmodel import select

from backend.core import jobs
from backend.core.context import SYSTEM, Context
from backend.core.db import Database
from backend.core.events import FactRow
from backend.instance import doctor
from backend.projects import code, maintenance, projection
from backend.projects.jobs import look_for_maintenance
from backend.projects.models import Upkeep
from backend.projects.service import get_project
from backend.sessions import content
from backend.sessions.models import StagedFile
from vcs import faults
from vcs.about import append_about
from vcs.collection import YOUNG
from vcs.local import LocalStore
from vcs.log import Head

MAINTENANCE = ("CompactionDue", "CollectionDue")


class Killed(BaseException):
    pass


def kill():
    raise Killed


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


@pytest.fixture
def hours(forge):
    """How late the store's clock is; a test moves it with `hours[0] += n`."""
    late = [0]
    folder = forge.settings.storage_path
    forge.store.close()
    forge.store = LocalStore(folder, clock=lambda: datetime.now(UTC) + timedelta(hours=late[0]))
    return late


@pytest.fixture
def busy(hours, bench, ada):
    """acme/notes with eighteen segments: two landings, and what its log was told since."""
    for number in range(2):
        bench.landed(ada, {f"f{number}": b"%d\n" % number})
    id = bench.run(ada, get_project, **bench.where).id
    repository = code.repository(bench.forge, id, id)
    for number in range(15):
        append_about(repository, summary={"name": f"No. {number}"}, actor=None, at=bench.forge.clock())
    projection.catch_up(bench.forge, id)
    return bench


@pytest.fixture
def project(busy, ada):
    return busy.run(ada, get_project, **busy.where).id


def system(bench):
    return Context(bench.forge, SYSTEM)


def beat(bench):
    """One minute of the worker."""
    look_for_maintenance(system(bench))
    jobs.drain(bench.forge)


def due(bench):
    look_for_maintenance(system(bench))
    with system(bench).transaction() as tx:
        waiting = select(FactRow).where(FactRow.kind.in_(MAINTENANCE))
        facts = tx.db.exec(waiting.order_by(FactRow.id)).all()
        return [(row.kind, row.body["project"]) for row in facts if row.relayed_at is None]


def segments(bench, project):
    listed = bench.forge.store.list(f"pools/{project}/files/{project}/")
    return sorted(each.key for each in listed)


def tail(bench, project):
    return len(Head.decode(bench.forge.store.read_head(project, project)[0]).tail)


def found(bench):
    return [finding.sentence for finding in doctor.examine(bench.forge) if finding.fault]


def test_a_project_with_enough_segments_is_compacted_once(busy, ada, project):
    before = busy.tree(ada)
    assert ("CompactionDue", project) in due(busy)
    jobs.drain(busy.forge)

    assert tail(busy, project) < 4
    assert due(busy) == []
    assert busy.tree(ada) == before and found(busy) == []


def test_a_project_with_few_landings_is_left_alone(hours, bench, ada):
    bench.landed(ada, {"a": b"a\n"})
    jobs.drain(bench.forge)
    assert due(bench) == []


@pytest.mark.parametrize("point", ["compaction.written", "compaction.before_swap"])
def test_a_compaction_that_dies_is_done_by_the_next(busy, ada, project, point):
    faults.arm(point, kill)
    with pytest.raises(Killed):
        maintenance.compact_project(system(busy), project)
    faults.disarm()
    busy.landed(ada, {"meanwhile": b"x\n"})

    assert maintenance.compact_project(system(busy), project) >= 16
    assert maintenance.compact_project(system(busy), project) == 0
    assert found(busy) == []


def test_landings_go_on_while_segments_are_merged(busy, ada, project):
    sessions = [busy.start(ada).id for _ in range(3)]
    for number, session in enumerate(sessions):
        busy.push(ada, session, {f"late{number}": b"%d\n" % number})
    landings = [Thread(target=busy.land, args=(ada, session)) for session in sessions]
    for landing in landings:
        landing.start()
    maintenance.compact_project(system(busy), project)
    for landing in landings:
        landing.join()

    with busy.restarted() as fresh:
        assert len(fresh.tree(ada)) == 5
    assert found(busy) == []


def test_only_one_process_maintains_a_project(busy, project):
    with busy.restarted() as other, other.forge.db.lock(f"maintenance:{project}"):
        assert maintenance.compact_project(system(busy), project) == 0
        assert maintenance.collect_project(system(busy), project).condemned == 0


def test_what_compaction_replaced_is_gone_after_an_hour(busy, hours, clock, project):
    beat(busy)
    replaced = segments(busy, project)
    hours[0] += 2
    clock.advance(hours=YOUNG.total_seconds() / 3600 + 1)
    beat(busy)

    assert len(segments(busy, project)) < len(replaced) - 15
    assert found(busy) == []


def test_files_of_sessions_stay_and_files_of_nobody_go(busy, hours, ada, project):
    session = busy.start(ada).id
    content.store_content(busy.forge, ada, session, [b"kept\n"])
    with busy.forge.db.transaction(write=False) as db:
        (named,) = db.exec(select(StagedFile.key)).all()
    orphan = f"pools/{project}/files/{project}/019a0000-0000-7000-8000-000000000000.seg"
    busy.forge.store.put(orphan, [b"left by a crash"])

    hours[0] += 25
    assert maintenance.collect_project(system(busy), project).waiting >= 1
    hours[0] += 2
    assert maintenance.collect_project(system(busy), project).deleted >= 1

    kept = segments(busy, project)
    assert named in kept and orphan not in kept
    assert found(busy) == []


@pytest.mark.parametrize("point", ["collection.condemned", "collection.deleted"])
def test_a_collection_that_dies_goes_on_where_it_was(busy, hours, project, point):
    maintenance.compact_project(system(busy), project)
    hours[0] += 26
    faults.arm(point, kill)
    with pytest.raises(Killed):
        maintenance.collect_project(system(busy), project)
    faults.disarm()

    maintenance.collect_project(system(busy), project)
    hours[0] += 2
    maintenance.collect_project(system(busy), project)
    assert len(segments(busy, project)) <= 4
    assert found(busy) == []


def test_the_doctor_says_how_long_unused_files_still_have(busy, project):
    orphan = f"pools/{project}/files/{project}/019a0000-0000-7000-8000-000000000000.seg"
    busy.forge.store.put(orphan, [b"left by a crash"])

    notes = [finding.sentence for finding in doctor.examine(busy.forge) if not finding.fault]
    (told,) = [note for note in notes if orphan in note]
    assert "15 bytes in no live set" in told
    assert "in 23 h" in told or "in 24 h 0 min" in told


def test_collection_comes_again_by_itself(busy, clock, project):
    beat(busy)
    assert due(busy) == []
    clock.advance(hours=25)
    assert ("CollectionDue", project) in due(busy)
    jobs.drain(busy.forge)
    with busy.forge.db.transaction(write=False) as db:
        assert db.get(Upkeep, project).collect_at > clock()


def test_a_lock_that_is_held_is_not_waited_for(forge):
    locks = forge.settings.data / "locks"
    with closing(Database(forge.settings.database_url, locks=locks)) as other:
        with forge.db.try_lock("x") as first, other.try_lock("x") as second:
            assert (first, second) == (True, False)
        with other.try_lock("x") as again:
            assert again
