"""Explore, the desk and profiles: what goes on, as far as whoever asks may see it."""

import pytest

from backend.core.context import SYSTEM
from backend.core.errors import InvalidInput, NotFound
from backend.instance.exploring import explore_projects, get_desk, get_profile, list_landings_of_account
from backend.organizations.models import Membership, Role
from backend.organizations.service import create_organization
from backend.projects.forks import fork_project
from backend.projects.service import update_project
from backend.sessions.service import list_waiting_sessions


def addresses(active):
    return [f"{each.project.organization}/{each.project.handle}" for each in active]


def goals(sessions):
    return [each.goal for each in sessions]


def test_explore_orders_by_what_landed_in_thirty_days(bench, stranger, clock):
    # By the forge itself: browsers are signed out by then.
    busy, old = bench.on("acme/busy"), bench.on("acme/old")
    for project in (busy, old):
        clock.advance(minutes=1)
        project.create(SYSTEM, visibility="public")
    for number in range(3):
        old.landed(SYSTEM, {f"o{number}": b"o\n"})
    clock.advance(days=40)
    bench.landed(SYSTEM, {"a": b"a\n"})
    clock.advance(hours=1)
    for number in range(2):
        busy.landed(SYSTEM, {f"b{number}": b"b\n"})
    clock.advance(hours=1)
    old.landed(SYSTEM, {"last": b"o\n"})

    found = bench.run(stranger, explore_projects)

    assert [(each.project.handle, each.landed) for each in found.landed] == [
        ("busy", 2),
        ("old", 1),
        ("notes", 1),
    ]
    assert addresses(found.active) == ["acme/old", "acme/busy", "acme/notes"]
    assert [each.handle for each in found.new] == ["old", "busy", "notes"]


def test_explore_shows_what_is_private_to_its_members_only(bench, ada, grace, mallory, stranger):
    plans = bench.on("acme/plans")
    plans.landed(ada, {"a": b"a\n"})
    plans.start(ada, goal="Secretly")
    bench.start(ada, goal="Openly")

    assert addresses(bench.run(grace, explore_projects).landed) == ["acme/plans"]
    assert goals(bench.run(grace, explore_projects).live) == ["Openly", "Secretly"]
    for outside in (mallory, stranger):
        found = bench.run(outside, explore_projects)
        assert addresses(found.landed) == addresses(found.active) == []
        assert [each.handle for each in found.new] == ["notes"]
        assert found.live == []


def test_what_a_fork_inherited_did_not_land_there(bench, ada, mallory, stranger, clock):
    bench.landed(ada, {"a": b"a\n"})
    clock.advance(minutes=1)
    bench.run(mallory, fork_project, organization="acme", project="notes")

    assert addresses(bench.run(stranger, explore_projects).landed) == ["acme/notes"]


def test_a_desk_has_what_waits_what_runs_and_what_landed(bench, ada, grace, clock):
    clock.advance(minutes=1)
    waiting = bench.start(grace, goal="Look at this")
    bench.push(grace, waiting.id, {"w": b"w\n"})
    bench.land(grace, waiting.id, require_approval=True)
    bench.start(ada, goal="Mine")
    bench.start(grace, goal="Hers")
    bench.landed(ada, {"a": b"a\n"}, goal="By hand")
    bench.landed(grace, {"b": b"b\n"}, goal="By agent", agent="claude-code")

    desk = bench.run(ada, get_desk)

    assert goals(desk.waiting) == ["Look at this"]
    assert goals(desk.running) == ["Mine"]
    assert goals(desk.elsewhere) == ["Hers"]
    assert sorted(goals(desk.landed)) == ["By agent", "By hand"]
    assert addresses(desk.projects) == ["acme/notes", "acme/plans"]
    assert (desk.week_landed, desk.week_by_agents) == (2, 1)
    assert sum(desk.days.counts) == 1
    hers = bench.run(grace, get_desk)
    assert goals(hers.waiting) == []
    assert goals(hers.running) == ["Hers", "Look at this"]


def test_a_desk_of_somebody_who_belongs_to_nothing_is_empty(bench, ada, mallory):
    bench.landed(ada, {"a": b"a\n"})

    desk = bench.run(mallory, get_desk)

    assert (desk.waiting, desk.running, desk.landed, desk.projects) == ([], [], [], [])


def test_only_who_may_land_is_waited_for(bench, ada, grace, mallory):
    session = bench.start(mallory, goal="From outside")
    bench.push(mallory, session.id, {"a": b"a\n"})
    bench.land(mallory, session.id, require_approval=True)

    def waits(actor):
        return goals(bench.run(actor, list_waiting_sessions).items)

    assert (waits(ada), waits(grace), waits(mallory)) == (["From outside"], ["From outside"], [])
    bench.run(ada, update_project, organization="acme", project="notes", protect_main_branch=True)
    assert (waits(ada), waits(grace)) == (["From outside"], [])
    bench.run(ada, update_project, organization="acme", project="notes", archived=True)
    assert waits(ada) == []


def test_a_profile_counts_what_landed_by_day_as_far_as_the_asker_sees(bench, ada, grace, stranger, clock):
    bench.landed(ada, {"a": b"a\n"})
    clock.advance(days=1)
    bench.landed(ada, {"b": b"b\n"})
    bench.on("acme/plans").landed(ada, {"c": b"c\n"})

    def days(actor):
        return bench.run(actor, get_profile, handle="ada").days.counts[-2:]

    # It begins on a Sunday: the last two days are that one and the Monday after.
    assert days(grace) == [1, 2]
    assert days(stranger) == [1, 1]
    assert bench.run(stranger, get_profile, handle="ada").landed == 2
    assert len(bench.run(stranger, get_profile, handle="ada").days.counts) == 15 * 7 + 1


def test_who_belongs_to_an_organization_is_shown_to_its_members(bench, ada, grace, mallory, stranger):
    bench.run(ada, create_organization, handle="guild")

    def organizations(actor):
        return [each.handle for each in bench.run(actor, get_profile, handle="ada").organizations]

    assert organizations(ada) == ["acme", "guild"]
    assert organizations(grace) == ["acme"]
    assert organizations(mallory) == organizations(stranger) == []


def test_landings_of_a_person_are_paged_newest_first_over_all_projects(bench, ada, grace, stranger, clock):
    other = bench.on("acme/other")
    other.create(ada, visibility="public")
    for number in range(3):
        bench.landed(ada, {f"a{number}": b"a\n"}, goal=f"Notes {number}")
        other.landed(ada, {f"a{number}": b"a\n"}, goal=f"Other {number}")
        clock.advance(minutes=1)
    bench.landed(grace, {"g": b"g\n"}, goal="Hers")
    bench.on("acme/plans").landed(ada, {"p": b"p\n"}, goal="Plans")

    seen, cursor = [], ""
    while cursor is not None:
        page = bench.run(stranger, list_landings_of_account, handle="ada", limit=2, cursor=cursor)
        seen += [each.goal for each in page.items]
        cursor = page.next

    assert sorted(seen) == sorted(f"{name} {n}" for name in ("Notes", "Other") for n in range(3))
    assert [goal[-1] for goal in seen] == ["2", "2", "1", "1", "0", "0"]


def test_nobody_has_no_profile_and_no_word_is_a_cursor(bench, ada):
    for operation in (get_profile, list_landings_of_account):
        with pytest.raises(NotFound):
            bench.run(ada, operation, handle="nobody")
    for cursor in ("x", "2026-13-01T00:00:00/" + "0" * 36 + "/1", "2026-01-01T00:00:00"):
        with pytest.raises(InvalidInput, match="is not a cursor"):
            bench.run(ada, list_landings_of_account, handle="ada", cursor=cursor)


def test_members_that_come_later_see_what_landed_before(bench, acme, ada, mallory, clock, as_system):
    bench.on("acme/plans").landed(ada, {"a": b"a\n"})
    clock.advance(minutes=1)
    with as_system.transaction() as tx:
        joined = {"account_id": mallory.id, "role": Role.MEMBER, "joined_at": tx.now()}
        tx.db.add(Membership(organization_id=acme.id, **joined))

    assert addresses(bench.run(mallory, get_desk).projects) == ["acme/plans", "acme/notes"]
