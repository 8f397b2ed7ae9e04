"""Collaborators: what they may is decided at every door by the same table, and ends when they are removed."""

import base64
from collections.abc import Callable

import pytest
from anyio.from_thread import BlockingPortal
from httpx import ASGITransport, AsyncClient

from backend.accounts import deletion
from backend.core.errors import Forbidden, MicelioError, NotFound
from backend.core.operations import invoke, operations
from backend.doors.routes import own_app
from backend.projects import collaborators as people
from backend.projects.collaborators import NoCollaborator
from backend.projects.deleting import KEPT, delete_project, due_for_erasing, erase
from backend.projects.models import Collaborator
from backend.projects.moving import transfer_project
from backend.projects.service import get_project, list_all_projects, list_projects, update_project
from backend.sessions.service import get_session, list_sessions
from backend.sessions.stream import Watcher
from tests.forges import PASSWORD

PRIVATE = {"organization": "acme", "project": "plans"}


@pytest.fixture
def plans(bench, ada):
    """acme/plans, private, with a file and an open session of ada's."""
    plans = bench.on("acme/plans")
    plans.landed(ada, {"README.md": b"# Plans\n"})
    return plans


@pytest.fixture
def secret(forge) -> Callable[..., str]:
    """A token of somebody's with every scope that reading and writing needs."""
    scopes = ["project:read", "project:write", "session:read", "session:write"]

    def secret(actor) -> str:
        asked = {"name": "test", "scopes": scopes}
        return invoke(forge, actor, operations()["create_access_token"], asked).token

    return secret


@pytest.fixture
def status(forge, portal: BlockingPortal) -> Callable[..., int]:
    """What an address answers to a token: 200, 401, 403, 404."""
    client = AsyncClient(transport=ASGITransport(own_app(forge)), base_url="http://forge.test")

    def status(address: str, token: str) -> int:
        header = f"Bearer {token}"
        if "/info/refs" in address:
            header = "Basic " + base64.b64encode(f"x-token:{token}".encode()).decode()

        async def ask() -> int:
            return (await client.get(address, headers={"authorization": header})).status_code

        return portal.call(ask)

    return status


def doors(session: str) -> dict[str, str]:
    """Addresses of a private project by the role that opens them."""
    return {
        "/api/v1/projects/acme/plans": "read",
        "/api/v1/projects/acme/plans/tree/HEAD": "read",
        "/api/v1/projects/acme/plans/landings/1": "read",
        "/acme/plans/raw/HEAD/README.md": "read",
        "/_fragments/acme/plans/readme/HEAD": "read",
        "/_fragments/acme/plans/landings/1/diff": "read",
        "/acme/plans/info/refs?service=git-upload-pack": "read",
        "/acme/plans.git/info/refs?service=git-receive-pack": "read",
        f"/api/v1/sessions/{session}": "write",
        f"/api/v1/sessions/{session}/events": "write",
        f"/api/v1/sessions/{session}/diff": "write",
        "/api/v1/projects/acme/plans/collaborators": "read",
        "/api/v1/projects/acme/plans/invitations": "admin",
    }


def test_every_door_asks_the_same_table_and_removal_closes_all_of_them(
    plans, ada, mallory, collaborators, secret, status, bench
):
    session = plans.start(ada).id
    order = list(people.CollaboratorRole)
    for role in order:
        somebody = collaborators(role)
        token = secret(somebody)
        for address, needed in doors(session).items():
            open_to = order.index(role) >= order.index(needed)
            closed = 403 if needed == "admin" else 404
            assert status(address, token) == (200 if open_to else closed), (role, address)

        bench.run(ada, people.remove_collaborator, **PRIVATE, handle=somebody.handle)

        for address in doors(session):
            assert status(address, token) == 404, (role, address)


def test_lists_count_a_collaborators_project_and_nothing_else_of_the_organization(
    bench, plans, ada, collaborators
):
    bench.on("acme/other").create(ada, visibility="private")
    reader = collaborators("read")

    for operation, where in ((list_projects, {"organization": "acme"}), (list_all_projects, {})):
        assert [p.handle for p in bench.run(reader, operation, **where).items] == ["notes", "plans"]


def test_a_reader_proposes_and_a_writer_lands_and_sees_open_sessions(bench, plans, ada, collaborators):
    reader, writer = collaborators("read"), collaborators("write")
    hers = plans.start(ada).id
    with pytest.raises(NotFound):
        bench.run(reader, get_session, session=hers)
    assert bench.run(writer, get_session, session=hers).id == hers

    proposed = plans.start(reader, goal="Try").id
    plans.push(reader, proposed, {"a.txt": b"1\n"})
    with pytest.raises(Forbidden):
        plans.land(reader, proposed)
    assert plans.landed(writer, {"b.txt": b"2\n"}).position == 2
    assert [s.id for s in bench.run(reader, list_sessions, **PRIVATE).items if s.status == "active"] == [
        proposed
    ]


def test_a_removed_writers_open_session_keeps_what_it_did(bench, plans, ada, collaborators):
    writer = collaborators("write")
    session = plans.start(writer).id
    plans.push(writer, session, {"a.txt": b"1\n"})

    bench.run(ada, people.remove_collaborator, **PRIVATE, handle="writer")

    with pytest.raises(NotFound):
        plans.push(writer, session, {"a.txt": b"2\n"})
    assert [change.path for change in bench.run(ada, get_session, session=session).changes] == ["a.txt"]
    assert plans.land(ada, session).position == 2


def test_whoever_watches_is_shown_out(forge, bench, plans, ada, collaborators):
    writer = collaborators("write")
    session = plans.start(ada).id
    watcher = Watcher(forge, writer, {session: 0})
    with watcher.tails().watched([session]):
        assert watcher.read()
    bench.run(ada, people.remove_collaborator, **PRIVATE, handle="writer")
    with watcher.tails().watched([session]), pytest.raises(MicelioError) as gone:
        watcher.read()

    assert gone.value.code == "not_found"


def test_admins_on_the_project_change_roles_and_others_do_not(
    bench, plans, ada, grace, collaborators, audited
):
    reader, writer, manager = (collaborators(role) for role in people.CollaboratorRole)
    for who in (reader, writer, grace):
        with pytest.raises(Forbidden):
            bench.run(who, people.update_collaborator, **PRIVATE, handle="reader", role="write")
        with pytest.raises(Forbidden):
            bench.run(who, people.remove_collaborator, **PRIVATE, handle="manager")
    bench.run(manager, people.update_collaborator, **PRIVATE, handle="Reader", role="write")
    bench.run(manager, people.update_collaborator, **PRIVATE, handle="reader", role="write")
    bench.run(writer, people.remove_collaborator, **PRIVATE, handle="writer")

    listed = bench.run(grace, people.list_collaborators, **PRIVATE).items
    assert [(c.handle, c.role.value) for c in listed] == [("manager", "admin"), ("reader", "write")]
    changed = {"collaborator": "reader", "role": "write"}
    assert audited("collaborator.changed") == [("manager", "browser", "acme/plans", changed)]
    assert audited("collaborator.removed") == [
        ("writer", "browser", "acme/plans", {"collaborator": "writer"})
    ]
    with pytest.raises(Forbidden):
        bench.run(manager, delete_project, **PRIVATE)


def test_handles_are_not_guessed_here(bench, plans, ada, mallory):
    told = []
    for handle in ("mallory", "nobody"):
        with pytest.raises(NoCollaborator) as refusal:
            bench.run(ada, people.remove_collaborator, **PRIVATE, handle=handle)
        told.append(refusal.value.sentence.replace(handle, "X"))
    assert told[0] == told[1]


def test_who_works_on_a_public_project_is_not_for_everybody(bench, ada, mallory, stranger, collaborators):
    collaborators("read", "acme/notes")
    with pytest.raises(Forbidden):
        bench.run(mallory, people.list_collaborators, **bench.where)


def test_an_agents_token_decides_nothing_about_people(bench, plans, ada, collaborators, agent_of):
    collaborators("read")
    agent = agent_of(ada)
    for operation, more in (
        (people.update_collaborator, {"role": "admin"}),
        (people.remove_collaborator, {}),
    ):
        with pytest.raises(Forbidden):
            bench.run(agent, operation, **PRIVATE, handle="reader", **more)


def test_a_token_bound_to_a_project_is_no_collaborator_elsewhere(bench, plans, ada, collaborators, agent_of):
    writer = collaborators("write")
    bound = agent_of(writer, project="acme/notes")

    with pytest.raises(NotFound):
        bench.run(bound, get_project, **PRIVATE)
    assert [p.handle for p in bench.run(bound, list_all_projects).items] == ["notes"]


def test_a_member_who_collaborates_has_the_stronger_of_both(bench, plans, grace, forge, ada, as_system):
    with as_system.transaction() as ctx:
        found, _ = people.access.project(ctx, "acme", "plans")
        account = ctx.db.get(people.Account, grace.id)
        people.join_project(ctx, found, account, people.CollaboratorRole.READ)
    assert "land" in bench.run(grace, get_project, **PRIVATE).may
    bench.run(ada, people.update_collaborator, **PRIVATE, handle="grace", role="admin")
    assert bench.run(grace, update_project, **PRIVATE, description="Hers too").description == "Hers too"


def test_collaborators_go_along_when_a_project_moves(bench, plans, ada, collaborators):
    writer = collaborators("write")
    bench.run(ada, transfer_project, **PRIVATE, into="ada")

    assert "land" in bench.run(writer, get_project, organization="ada", project="plans").may


def test_with_the_account_or_the_project_go_its_collaborations(
    forge, bench, plans, ada, clock, collaborators, as_system
):
    reader = collaborators("read")
    collaborators("write")
    bench.run(reader, deletion.delete_current_user, handle="reader", password=PASSWORD)
    bench.run(ada, delete_project, **PRIVATE)
    clock.advance(days=KEPT.days)
    with as_system.transaction(write=False) as ctx:
        (id,) = due_for_erasing(ctx)
        assert [row.role for row in ctx.db.exec(people.select(Collaborator)).all()] == ["write"]
    erase(as_system, id)

    with as_system.transaction(write=False) as ctx:
        assert ctx.db.exec(people.select(Collaborator)).all() == []
