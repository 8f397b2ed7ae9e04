import threading

import pytest

from backend.core import jobs
from backend.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated, ValidationFailed
from backend.organizations.models import Membership, Role
from backend.projects import access
from backend.projects.access import LEAST, Ability, Standing
from backend.projects.deleting import delete_project
from backend.projects.models import Visibility
from backend.projects.moving import rename_project
from backend.projects.service import (
    ProjectTaken,
    check_project_handle,
    create_project,
    get_project,
    list_all_projects,
    list_projects,
    update_project,
)
from backend.sessions.service import start_session
from vcs import faults
from vcs.log import Head
from vcs.objects import EMPTY_TREE


class Died(BaseException):
    """Stands for the end of the process."""


def test_a_new_project_is_private_empty_and_has_record_0(bench, ada):
    made = bench.run(ada, create_project, organization="acme", project="Fresh", name="Fresh things")

    assert (made.handle, made.name, made.visibility, made.position, made.commit) == (
        "fresh",
        "Fresh things",
        "private",
        0,
        None,
    )
    assert made.tree == EMPTY_TREE and set(made.may) == {ability.value for ability in Ability}
    head = Head.decode(bench.forge.store.read_head(made.id, made.id)[0])
    assert (head.sequence, head.position, head.main) == (0, 0, None)
    assert bench.tree(ada) == {}


def test_an_address_is_taken_once_whatever_its_case(bench, ada, grace):
    with pytest.raises(ProjectTaken, match="acme/notes"):
        bench.run(grace, create_project, organization="acme", project="NOTES")
    assert bench.run(ada, create_project, organization="ada", project="notes").organization == "ada"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("Fresh", ""),
        ("NOTES", "There is already a project acme/notes."),
        ("plans", "There is already a project acme/plans."),
        ("a b", "cannot be a project's handle"),
        ("new", "cannot be a project's handle"),
        ("old", "was another project's address"),
        ("gone", "was another project's address"),
    ],
)
def test_a_handle_is_checked_before_a_project_is_made(bench, ada, grace, wanted, says):
    moved, gone = bench.on("acme/old"), bench.on("acme/gone")
    moved.create(ada)
    moved.run(ada, rename_project, **moved.where, handle="newer")
    gone.create(ada)
    gone.run(ada, delete_project, **gone.where)

    found = bench.run(grace, check_project_handle, organization="Acme", handle=wanted)

    assert (found.organization, found.handle) == ("acme", wanted.lower())
    assert says in found.problem and bool(says) == bool(found.problem)


def test_of_two_that_take_an_address_at_once_one_gets_it(bench, ada, grace):
    outcomes, start = [], threading.Barrier(2)

    def create(actor):
        start.wait()
        try:
            outcomes.append(bench.run(actor, create_project, organization="acme", project="raced").handle)
        except ProjectTaken as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=create, args=(actor,)) for actor in (ada, grace)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["project.taken", "raced"]


def test_handles_that_no_address_can_carry_are_refused(bench, ada):
    for handle in (".hidden", "a/b", "x.git", "settings", "é", "a b", "-", "a-", "x" * 101):
        with pytest.raises((InvalidInput, ValidationFailed)):
            bench.run(ada, create_project, organization="acme", project=handle)


@pytest.mark.parametrize("point", ["store.before_commit", "store.after_commit"])
def test_a_project_whose_creation_was_interrupted_is_finished_by_the_job(bench, ada, clock, point):
    def die():
        faults.disarm()
        raise Died

    faults.arm(point, die)
    with pytest.raises(Died):
        bench.run(ada, create_project, organization="acme", project="half")

    def finish():
        jobs.run_timer(bench.forge, jobs.timers()["projects.jobs.finish_projects_left_creating"])

    finish()
    with pytest.raises(NotFound):
        bench.run(ada, get_project, organization="acme", project="half")
    assert "half" not in [item.handle for item in bench.run(ada, list_all_projects).items]
    clock.advance(minutes=2)
    finish()
    finish()
    assert bench.on("acme/half").landed(ada, {"a": b"1"}).position == 1


@pytest.fixture
def people(ada, grace, mallory, stranger, arrive, as_system, acme):
    """Somebody of each standing."""
    hedy = arrive("hedy")
    with as_system.transaction() as ctx:
        ctx.db.add(
            Membership(organization_id=acme.id, account_id=hedy.id, role=Role.ADMIN, joined_at=ctx.now())
        )
    return {
        Standing.STRANGER: stranger,
        Standing.OUTSIDER: mallory,
        Standing.MEMBER: grace,
        Standing.ADMIN: hedy,
        Standing.OWNER: ada,
    }


@pytest.fixture
def everybody(bench, people, collaborators):
    """Pairs of a standing and somebody who has it, as a member or as a collaborator on both projects."""
    shared = {role: [collaborators(role, address) for address in ADDRESSES.values()] for role in OF_ROLE}
    assert all(len({actor.id for actor in two}) == 1 for two in shared.values())
    return [*people.items(), *((OF_ROLE[role], two[0]) for role, two in shared.items())]


OF_ROLE = {"read": Standing.READER, "write": Standing.MEMBER, "admin": Standing.ADMIN}
ADDRESSES = {Visibility.PUBLIC: "acme/notes", Visibility.PRIVATE: "acme/plans"}


def test_everybody_may_what_the_table_says(bench, everybody):
    assert {standing for standing, _ in everybody} == set(Standing)
    for visibility, address in ADDRESSES.items():
        for standing, actor in everybody:
            allowed = {a.value for a, least in LEAST[visibility].items() if standing >= least}
            place = bench.on(address)
            if allowed:
                assert set(place.run(actor, get_project, **place.where).may) == allowed
            else:
                with pytest.raises(NotFound):
                    place.run(actor, get_project, **place.where)


def test_what_the_table_says_is_what_happens(bench, everybody):
    for visibility, address in ADDRESSES.items():
        for standing, actor in everybody:
            place = bench.on(address)
            for ability, operation, payload in (
                (Ability.PROPOSE, start_session, {"goal": "Try"}),
                (Ability.SETTINGS, update_project, {"description": "Tried"}),
            ):
                if standing >= LEAST[visibility][ability]:
                    assert place.run(actor, operation, **place.where, **payload)
                else:
                    with pytest.raises((Unauthenticated, Forbidden, NotFound)) as refusal:
                        place.run(actor, operation, **place.where, **payload)
                    hidden = standing < LEAST[visibility][Ability.READ]
                    signed_in = standing is not Standing.STRANGER
                    assert isinstance(refusal.value, NotFound) is (hidden and signed_in)


def test_private_and_missing_projects_are_answered_alike(bench, mallory, stranger, ada):
    for actor, operation, more in (
        (stranger, get_project, {}),
        (mallory, get_project, {}),
        (mallory, update_project, {"description": "x"}),
        (mallory, start_session, {"goal": "x"}),
    ):
        told = []
        for handle in ("plans", "nothing-here"):
            with pytest.raises(NotFound) as refusal:
                bench.run(actor, operation, organization="acme", project=handle, **more)
            told.append((refusal.value.sentence, refusal.value.details))
        assert told[0] == told[1]


def test_settings_narrow_who_may_propose_and_land(bench, people, ada):
    bench.run(ada, update_project, **bench.where, who_may_propose="members", protect_main_branch=True)

    with pytest.raises(Forbidden):
        bench.start(people[Standing.OUTSIDER])
    may = {who: set(bench.run(actor, get_project, **bench.where).may) for who, actor in people.items()}
    assert may[Standing.OUTSIDER] == {"read"}
    assert may[Standing.MEMBER] == {"read", "propose", "push"}
    assert may[Standing.ADMIN] == {"read", "propose", "land", "push", "settings"}


def test_an_archived_project_can_only_be_read_and_unarchived(bench, ada):
    bench.run(ada, update_project, **bench.where, archived=True)

    assert set(bench.run(ada, get_project, **bench.where).may) == {"read", "settings", "delete"}
    with pytest.raises(Conflict, match="read-only"):
        bench.start(ada)
    bench.run(ada, update_project, **bench.where, archived=False)
    assert bench.start(ada)


def test_settings_change_one_by_one_and_visibility_is_audited(bench, ada, audited):
    bench.run(ada, update_project, **bench.where, description="Words", website="https://example.org")
    changed = bench.run(ada, update_project, **bench.where, visibility="private")

    assert (changed.description, changed.website, changed.visibility) == (
        "Words",
        "https://example.org",
        "private",
    )
    assert audited("project.visibility") == [
        ("ada", "browser", "acme/notes", {"old": "public", "new": "private"})
    ]
    with pytest.raises(ValidationFailed):
        bench.run(ada, update_project, **bench.where, website="javascript:alert(1)")


def test_lists_show_what_one_may_see_page_by_page(bench, ada, mallory, stranger):
    for n in range(3):
        bench.on(f"acme/extra{n}").create(ada, visibility="public")
    bench.landed(ada, {"a": b"1"})
    bench.start(ada)

    def pages(actor, operation, **where):
        found, cursor = [], ""
        while cursor is not None:
            page = bench.run(actor, operation, **where, cursor=cursor, limit=2)
            found += page.items
            cursor = page.next
        return found

    assert [p.handle for p in pages(stranger, list_projects, organization="acme")] == [
        "extra0",
        "extra1",
        "extra2",
        "notes",
    ]
    mine = pages(ada, list_all_projects)
    assert [p.handle for p in mine] == ["extra0", "extra1", "extra2", "notes", "plans"]
    assert [(p.position, p.open_sessions) for p in mine if p.handle == "notes"] == [(1, 1)]
    assert [p for p in mine if p.handle == "notes"] == [bench.run(ada, get_project, **bench.where)]
    (seen,) = [p for p in pages(mallory, list_all_projects) if p.handle == "notes"]
    assert (seen.position, seen.open_sessions) == (1, 0), "sessions of others are not even counted"


def test_the_table_is_monotonic():
    for visibility, least in LEAST.items():
        assert list(least) == list(Ability), visibility
        assert sorted(least.values()) == list(least.values())
    assert access.Standing.OWNER is max(Standing)
