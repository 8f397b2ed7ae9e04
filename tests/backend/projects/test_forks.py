"""Forks of projects: who may, what they show, and what they cost."""

import pytest
from sqlmodel import select

from backend.core import jobs
from backend.core.errors import Conflict, NotFound
from backend.core.events import FactRow
from backend.instance import doctor
from backend.organizations.models import Organization
from backend.projects import counting, projection
from backend.projects.counting import NOT_COUNTED
from backend.projects.creating import ProjectTaken
from backend.projects.forks import fork_project, list_forks
from backend.projects.jobs import PATIENCE, finish_projects_left_creating
from backend.projects.landings import get_landing, list_landings
from backend.projects.models import Landing, Project, ProjectState, Visibility
from backend.projects.service import get_project, update_project
from backend.sessions import content, files
from backend.sessions.landing import SessionLanded
from vcs import faults
from vcs.forks import ParentGone, delete_project
from vcs.objects import Kind, Object


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


@pytest.fixture
def notes(bench, ada):
    """acme/notes with three landings."""
    for number in range(3):
        bench.landed(
            ada, {f"d/f{number}": b"%d\n" % number, "shared": b"%d\n" % number}, goal=f"No. {number}"
        )
    jobs.drain(bench.forge)
    return bench


def fork(bench, actor, **more):
    return bench.run(actor, fork_project, **bench.where, **more)


def rows(bench, project):
    return doctor._dump(bench.forge, project)


def counts(bench, organization):
    """Lines added and removed by each landing, as the rows have them."""
    with bench.forge.db.transaction(write=False) as db:
        of = select(Organization.id).where(Organization.handle == organization)
        query = select(Landing.additions, Landing.deletions).join(Project, Project.id == Landing.project)
        return db.exec(query.where(Project.organization_id.in_(of)).order_by(Landing.position)).all()


def found(forge):
    return [f"{finding.project}: {finding.sentence}" for finding in doctor.examine(forge) if finding.fault]


def differing(forge):
    return [finding.sentence for finding in doctor.rebuild(forge) if finding.fault]


@pytest.mark.parametrize("parent_counts_first", [False, True])
def test_a_fork_made_before_lines_are_counted_is_counted_too(notes, mallory, parent_counts_first):
    expected = counts(notes, "acme")
    with notes.forge.db.transaction(write=True) as db:
        for row in db.exec(select(Landing)).all():
            row.additions = row.deletions = NOT_COUNTED

    fork(notes, mallory)
    if parent_counts_first:
        counting.count_all(notes.forge, notes.run(mallory, get_project, **notes.where).id)
    jobs.drain(notes.forge)

    assert counts(notes, "mallory") == expected and (2, 1) in expected


def test_whoever_reads_a_project_forks_it_into_their_own_organization(notes, mallory):
    made = fork(notes, mallory)

    assert (made.organization, made.handle, made.visibility) == ("mallory", "notes", Visibility.PUBLIC)
    assert (made.position, made.forked_from, made.forks) == (3, "acme/notes", 0)
    assert notes.run(mallory, get_project, **notes.where).forks == 1
    assert notes.on("mallory/notes").tree(mallory) == notes.tree(mallory)


def test_a_fork_shows_the_history_it_inherited(notes, ada, mallory):
    fork(notes, mallory, handle="mine")
    mine = notes.on("mallory/mine")

    here, there = (b.run(mallory, list_landings, **b.where).items for b in (mine, notes))
    assert [(one.position, one.goal, one.commit, one.session) for one in here] == [
        (one.position, one.goal, one.commit, one.session) for one in there
    ]
    assert mine.run(mallory, get_landing, **mine.where, position=2).goal == "No. 1"
    assert found(notes.forge) == [] and differing(notes.forge) == []


def test_a_fork_and_its_parent_go_their_own_ways(notes, ada, mallory):
    fork(notes, mallory)
    mine = notes.on("mallory/notes")

    assert mine.landed(mallory, {"shared": b"mine\n"}).position == 4
    assert notes.landed(ada, {"shared": b"theirs\n"}).position == 4

    assert mine.tree(mallory)[b"shared"] == b"mine\n"
    assert notes.tree(mallory)[b"shared"] == b"theirs\n"
    assert mine.run(mallory, get_landing, **mine.where, position=4).author == "mallory"
    assert found(notes.forge) == [] and differing(notes.forge) == []


def test_what_a_fork_inherits_is_not_told_again(notes, mallory):
    fork(notes, mallory)
    jobs.drain(notes.forge)

    with notes.forge.db.transaction(write=False) as db:
        told = db.exec(select(FactRow).where(FactRow.kind == SessionLanded.__name__)).all()
    assert len(told) == 3


def test_two_forks_and_a_fork_of_a_fork_share_a_pool(notes, ada, mallory):
    ids = {fork(notes, mallory).id, fork(notes, ada, into="acme", handle="again").id}
    ids.add(fork(notes.on("mallory/notes"), ada).id)

    parent = notes.run(ada, get_project, **notes.where)
    with notes.forge.db.transaction(write=False) as db:
        pools = {row.pool for row in db.exec(select(Project).where(Project.id.in_(ids)))}
    assert pools == {parent.id} and parent.forks == 2
    assert notes.on("ada/notes").tree(ada) == notes.tree(ada)
    assert found(notes.forge) == []


def test_a_private_projects_fork_is_private_and_stays_so(bench, ada, grace, mallory):
    plans = bench.on("acme/plans")
    plans.landed(ada, {"secret": b"x\n"})

    with pytest.raises(NotFound):
        fork(plans, mallory)
    made = fork(plans, grace)

    assert (made.visibility, made.forked_from) == (Visibility.PRIVATE, "acme/plans")
    mine = plans.on("grace/plans")
    with pytest.raises(NotFound):
        mine.run(mallory, get_project, **mine.where)
    with pytest.raises(Conflict, match="stays private"):
        mine.run(grace, update_project, **mine.where, visibility="public")


def test_counts_and_origins_show_only_what_the_asker_may_see(notes, as_system, ada, grace, mallory):
    fork(notes, ada, into="acme", handle="copy")
    copy = notes.on("acme/copy")
    copy.run(ada, update_project, **copy.where, visibility="private")
    fork(notes, mallory)
    notes.run(ada, update_project, **notes.where, visibility="private")

    assert notes.run(grace, get_project, **notes.where).forks == 2
    theirs = notes.on("mallory/notes")
    assert theirs.run(mallory, get_project, **theirs.where).forked_from is None
    assert theirs.run(ada, get_project, **theirs.where).forked_from == "acme/notes"


def test_forks_are_listed_by_address_as_far_as_the_asker_may_see_them(notes, ada, grace, mallory):
    fork(notes, mallory)
    fork(notes, ada, into="acme", handle="copy")
    copy = notes.on("acme/copy")
    copy.run(ada, update_project, **copy.where, visibility="private")

    def addresses(actor, **more):
        page = notes.run(actor, list_forks, **notes.where, **more)
        return [f"{each.organization}/{each.handle}" for each in page.items], page.next

    assert addresses(grace) == (["acme/copy", "mallory/notes"], None)
    assert addresses(grace, limit=1) == (["acme/copy"], "acme/copy")
    assert addresses(grace, cursor="acme/copy") == (["mallory/notes"], None)
    assert addresses(mallory) == (["mallory/notes"], None)


def test_an_address_in_use_and_an_organization_of_others_are_refused(notes, ada, mallory):
    with pytest.raises(ProjectTaken):
        fork(notes, ada, into="acme")
    with pytest.raises(NotFound):
        fork(notes, mallory, into="acme", handle="mine")


def test_a_fork_whose_process_died_is_finished_by_the_sweeper(notes, clock, mallory, as_system):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    faults.arm("fork.made", kill)
    with pytest.raises(Killed):
        fork(notes, mallory)
    faults.disarm()
    mine = notes.on("mallory/notes")
    with pytest.raises(NotFound):
        mine.run(mallory, get_project, **mine.where)

    clock.advance(seconds=PATIENCE.total_seconds() + 1)
    finish_projects_left_creating(as_system)
    with notes.restarted() as fresh:
        assert fresh.on("mallory/notes").run(mallory, get_project, **mine.where).position == 3
    assert found(notes.forge) == [] and differing(notes.forge) == []


def test_a_fork_of_a_project_that_vanished_leaves_nothing(notes, mallory, ada):
    parent = notes.run(ada, get_project, **notes.where)
    delete_project(notes.forge.store, parent.id, parent.id)

    with pytest.raises(ParentGone):
        fork(notes, mallory)

    with notes.forge.db.transaction(write=False) as db:
        assert db.exec(select(Project).where(Project.state == ProjectState.CREATING)).all() == []


def test_a_fork_is_replayed_when_its_parents_rows_do_not_stand_where_it_begins(
    notes, ada, mallory, monkeypatch
):
    monkeypatch.setattr(projection, "inherit", lambda *_: False)
    made = fork(notes, mallory)
    parent = notes.run(ada, get_project, **notes.where)

    assert made.position == 3
    replayed = rows(notes, made.id)
    assert [replayed[name][0] for name in ("landings", "path_latest")] == [
        rows(notes, parent.id)[name][0] for name in ("landings", "path_latest")
    ]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_fork_of_ten_thousand_files_adds_less_than_64_kilobytes(notes, ada, mallory):
    session = notes.start(ada).id
    blobs = [Object.of(Kind.BLOB, b"file %d\n" % number) for number in range(10_000)]
    content.store_objects(notes.forge, ada, session, blobs)
    puts = [
        {"path": f"many/{number % 100}/{number}", "blob": blob.id, "mode": "100644"}
        for number, blob in enumerate(blobs)
    ]
    notes.run(ada, files.push_session, session=session, files=puts)
    notes.land(ada, session)
    before = stored(notes)

    fork(notes, mallory)

    assert stored(notes) - before < 64 << 10
    assert len(notes.on("mallory/notes").tree(mallory)) == 10_004


def stored(bench):
    return sum(listed.size for listed in bench.forge.store.list("pools/"))
