"""Projects that are renamed or transferred, deleted, restored and erased."""

import pytest
from sqlmodel import select

from backend.accounts.handles import HandleTaken
from backend.core import jobs, moved
from backend.core.errors import Conflict, Forbidden, NotFound
from backend.instance import doctor
from backend.organizations.renaming import rename_organization
from backend.organizations.service import create_organization, get_organization
from backend.projects import deleting, restoring
from backend.projects.about import tell_log
from backend.projects.creating import AddressKept, ProjectTaken
from backend.projects.deleting import KEPT, delete_project, list_deleted_projects, restore_project
from backend.projects.forks import fork_project
from backend.projects.jobs import erase_deleted_projects
from backend.projects.models import Project, ProjectState
from backend.projects.moving import rename_project, transfer_project
from backend.projects.service import get_project, list_all_projects, list_projects, update_project
from backend.sessions.models import SessionEvent, WorkSession
from backend.sessions.service import get_session, list_sessions
from vcs import faults
from vcs.log import Head, HeadState


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


def rename(bench, actor, handle):
    return bench.run(actor, rename_project, **bench.where, handle=handle)


def row_of(bench, id):
    with bench.forge.db.transaction(write=False) as db:
        return db.get(Project, id)


def test_an_old_address_leads_to_the_project_for_good(bench, ada, grace, audited):
    bench.landed(ada, {"a": b"1\n"})
    rename(bench, ada, "papers")
    made = rename(bench.on("acme/papers"), ada, "field-notes")
    with moved.listening() as heard:
        found = bench.run(grace, get_project, organization="ACME", project="Notes")

    assert made.handle == found.handle == "field-notes" and found.position == 1
    assert heard == [moved.Moved("acme/notes", "acme/field-notes")]
    assert bench.on("acme/papers").landed(grace, {"b": b"2\n"}).position == 2
    assert audited("project.renamed")[0][2:] == ("acme/papers", {"old": "acme/notes"})


def test_an_address_that_was_a_projects_is_never_anothers(bench, ada):
    rename(bench, ada, "papers")

    with pytest.raises(AddressKept):
        bench.create(ada)
    with pytest.raises(AddressKept):
        rename(bench.on("acme/plans"), ada, "notes")
    with pytest.raises(ProjectTaken):
        rename(bench.on("acme/plans"), ada, "papers")
    assert bench.run(ada, get_project, organization="acme", project="plans").handle == "plans"


def test_a_project_may_go_back_to_where_it_was(bench, ada):
    rename(bench, ada, "papers")
    back = rename(bench.on("acme/papers"), ada, "notes")

    assert back.handle == "notes"
    assert bench.on("acme/papers").run(ada, get_project, organization="acme", project="papers").id == back.id
    with pytest.raises(Conflict):
        rename(bench, ada, "Notes")


def test_a_transferred_project_is_its_new_owners(bench, ada, grace, mallory, audited):
    bench.on("acme/plans").landed(ada, {"a": b"1\n"})
    where = {"organization": "acme", "project": "plans"}
    with pytest.raises(Forbidden):
        bench.run(grace, transfer_project, **where, into="grace")
    with pytest.raises(NotFound):
        bench.run(ada, transfer_project, **where, into="mallory")
    made = bench.run(ada, transfer_project, **where, into="ada")

    assert (made.organization, made.handle, made.position) == ("ada", "plans", 1)
    assert bench.run(ada, get_project, **where).organization == "ada"
    for outside in (grace, mallory):
        with pytest.raises(NotFound), moved.listening() as heard:
            bench.run(outside, get_project, **where)
        assert heard == []
    assert audited("project.transferred")[0][2:] == ("ada/plans", {"old": "acme/plans"})


def test_an_organization_is_renamed_and_nobody_gets_its_old_handle(bench, ada, grace, mallory, audited):
    with pytest.raises(Forbidden):
        bench.run(grace, rename_organization, organization="acme", handle="zenith")
    with pytest.raises(NotFound):
        bench.run(ada, rename_organization, organization="ada", handle="zenith")
    bench.landed(ada, {"a": b"1\n"})
    bench.on("acme/plans").run(ada, delete_project, organization="acme", project="plans")
    made = bench.run(ada, rename_organization, organization="acme", handle="Zenith")

    assert (made.handle, made.url.rpartition("/")[2]) == ("zenith", "zenith")
    with moved.listening() as heard:
        assert bench.run(mallory, get_project, **bench.where).organization == "zenith"
        assert bench.run(mallory, get_organization, organization="ACME").handle == "zenith"
    assert heard == [moved.Moved("acme/notes", "zenith/notes"), moved.Moved("acme", "zenith")]
    assert bench.landed(grace, {"b": b"2\n"}).position == 2
    for handle in ("acme", "zenith"):
        with pytest.raises(HandleTaken):
            bench.run(mallory, create_organization, handle=handle)
    assert bench.run(ada, restore_project, organization="acme", project="plans").organization == "zenith"
    rename(bench.on("zenith/notes"), ada, "papers")
    assert bench.run(mallory, get_project, **bench.where).handle == "papers"
    assert audited("organization.renamed")[0][2:] == ("zenith", {"old": "acme"})


def test_an_organization_comes_back_to_its_old_handle_unless_links_would_change_their_meaning(bench, ada):
    bench.run(ada, rename_organization, organization="acme", handle="zenith")
    id = bench.run(ada, get_project, **bench.where).id
    rename(bench.on("zenith/notes"), ada, "papers")
    other = bench.on("zenith/notes")
    with pytest.raises(AddressKept):
        other.create(ada)
    rename(bench.on("zenith/papers"), ada, "notes")
    bench.run(ada, rename_organization, organization="acme", handle="acme")

    assert bench.run(ada, get_project, **bench.where).id == id
    assert other.run(ada, get_project, **other.where).organization == "acme"
    with pytest.raises(Conflict):
        bench.run(ada, rename_organization, organization="zenith", handle="acme")


@pytest.mark.parametrize("who", ["grace", "mallory"])
def test_only_admins_rename_and_only_owners_delete(bench, who, request):
    actor = request.getfixturevalue(who)
    for operation, more in ((rename_project, {"handle": "mine"}), (delete_project, {})):
        with pytest.raises(Forbidden):
            bench.run(actor, operation, **bench.where, **more)
        with pytest.raises(Forbidden if who == "grace" else NotFound):
            bench.run(actor, operation, organization="acme", project="plans", **more)


def test_a_deleted_project_is_nowhere_and_comes_back_as_it_was(bench, ada, grace, audited):
    session = bench.start(grace).id
    bench.landed(ada, {"a": b"1\n"})
    before = bench.run(ada, get_project, **bench.where)
    gone = bench.run(ada, delete_project, **bench.where)

    for operation, where in ((get_project, bench.where), (get_session, {"session": session})):
        with pytest.raises(NotFound):
            bench.run(grace, operation, **where)
    with pytest.raises(NotFound):
        bench.run(grace, list_sessions, **bench.where)
    listed = (
        bench.run(ada, list_all_projects).items + bench.run(ada, list_projects, organization="acme").items
    )
    assert {each.handle for each in listed} == {"plans"}
    with pytest.raises(AddressKept):
        bench.create(ada)
    assert gone.erased_at - gone.deleted_at == KEPT
    assert bench.run(ada, list_deleted_projects, organization="acme").items == [gone]
    with pytest.raises(Forbidden):
        bench.run(grace, list_deleted_projects, organization="acme")
    with pytest.raises(NotFound):
        bench.run(grace, restore_project, **bench.where)
    assert bench.run(ada, restore_project, **bench.where) == before
    assert bench.run(grace, get_session, session=session).id == session
    assert [each[0] for each in audited("project.deleted") + audited("project.undeleted")] == ["ada", "ada"]


def test_an_agent_deletes_nothing(bench, ada, agent_of):
    with pytest.raises(Forbidden, match="never deletes"):
        bench.run(agent_of(ada, project="acme/notes"), delete_project, **bench.where)


@pytest.mark.parametrize("crash", [False, True], ids=["at once", "again"])
def test_after_thirty_days_nothing_is_left_but_the_address(
    bench, ada, grace, mallory, clock, as_system, crash, monkeypatch
):
    bench.landed(ada, {"a": b"very secret\n"})
    bench.start(grace)
    bench.run(mallory, fork_project, **bench.where)
    id = bench.run(ada, get_project, **bench.where).id
    pool = row_of(bench, id).pool
    bench.run(ada, delete_project, **bench.where)
    jobs.drain(bench.forge)
    clock.advance(days=29)
    erase_deleted_projects(as_system)
    assert row_of(bench, id).state is ProjectState.DELETED
    clock.advance(days=2)
    if crash:
        # The process dies between the tombstone and the rows; the next round begins again.
        with monkeypatch.context() as broken:
            broken.setattr(deleting.projection, "drop", _dies)
            with pytest.raises(KeyboardInterrupt):
                erase_deleted_projects(as_system)
        assert row_of(bench, id).state is ProjectState.DELETED
    erase_deleted_projects(as_system)
    jobs.drain(bench.forge)

    row = row_of(bench, id)
    assert (row.state, row.name, row.handle) == (ProjectState.ERASED, "", "notes")
    head = Head.decode(bench.forge.store.read_head(pool, id)[0])
    assert (head.state, head.tail, head.checkpoint) == (HeadState.DELETED, (), None)
    with bench.forge.db.transaction(write=False) as db:
        assert db.exec(select(WorkSession).where(WorkSession.project_id == id)).all() == []
        assert {event.session_id for event in db.exec(select(SessionEvent))} == set()
    with pytest.raises(NotFound):
        bench.run(ada, restore_project, **bench.where)
    with pytest.raises(AddressKept):
        bench.create(ada)
    # The fork reads on what it took over.
    assert bench.on("mallory/notes").tree(mallory) == {b"a": b"very secret\n"}
    assert [finding.sentence for finding in doctor.examine(bench.forge) if finding.fault] == []


def _dies(*_):
    raise KeyboardInterrupt


def test_the_log_knows_where_a_project_was_and_that_it_was_deleted(bench, ada, as_system):
    bench.landed(ada, {"a": b"1\n"})
    id = rename(bench, ada, "papers").id
    bench.on("acme/papers").run(ada, delete_project, organization="acme", project="papers")
    jobs.drain(bench.forge)
    assert not tell_log(as_system, id, actor=None)
    row = row_of(bench, id)
    repository = restoring.code.repository(bench.forge, id, row.pool)
    repository.catch_up()
    told = restoring.code.told(repository, restoring.last_about(repository)[1])

    assert (told["project"], told["redirects"]) == ("papers", ["acme/notes"])
    assert told["deleted_at"] is not None


def test_an_archived_project_is_read_only(bench, ada, grace):
    session = bench.start(grace).id
    bench.run(ada, update_project, **bench.where, archived=True)

    for attempt in (lambda: bench.start(ada), lambda: bench.push(grace, session, {"a": b"1\n"})):
        with pytest.raises((Conflict, Forbidden)):
            attempt()
    assert bench.run(grace, get_project, **bench.where).archived
    bench.run(ada, update_project, **bench.where, archived=False)
    assert bench.push(grace, session, {"a": b"1\n"}).id == session
