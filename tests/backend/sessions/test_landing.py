import threading
from datetime import timedelta

import pytest
from sqlmodel import select

from backend.core import jobs
from backend.core.context import SYSTEM, Actor, Context
from backend.core.errors import Conflict, Forbidden, NotFound, WrongCredentials
from backend.core.events import FactRow
from backend.instance import doctor
from backend.projects import code, projection
from backend.projects.landings import get_landing, list_landings
from backend.projects.models import Cursor, Landing, PathLatest
from backend.projects.service import get_project, update_project
from backend.sessions import content, landing
from backend.sessions.access import SessionLanding, SessionOver
from backend.sessions.files import get_session_diff, push_session
from backend.sessions.landing import LandingConflict, NothingToLand
from backend.sessions.live import list_session_events
from backend.sessions.models import Permit, StagedFile
from backend.sessions.service import abandon_session, get_session
from vcs import faults
from vcs.landing import LandingTaken, PermitGone
from vcs.objects import Kind, Object, new_id

BEFORE_THE_SWAP = (
    "landing.permitted",
    "landing.queued",
    "landing.decided",
    "landing.files_written",
    "landing.before_swap",
    "store.before_commit",
)
AFTER_THE_SWAP = ("store.after_commit", "landing.after_swap", "landing.before_catch_up")


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def dying_at():
    """Have the next landing of this process end at a fault point."""

    def arm(point):
        def die():
            faults.disarm(point)
            raise Died(point)

        faults.arm(point, die)

    yield arm
    faults.disarm()


def rows(forge, model):
    with forge.db.transaction(write=False) as db:
        return [row.model_dump() for row in db.exec(select(model)).all()]


def sound(forge):
    return [finding.sentence for finding in doctor.examine(forge) if finding.fault]


def test_a_landing_advances_the_trunk_and_says_where_it_stands(bench, ada):
    first = bench.landed(ada, {"a.txt": b"a\n", "src/b.txt": b"b\n"}, goal="Begin")
    second = bench.landed(ada, {"a.txt": b"better\n"}, goal="Go on", agent="codex", model="o9")

    assert (first.position, second.position, second.status) == (1, 2, "landed")
    assert bench.tree(ada) == {b"a.txt": b"better\n", b"src/b.txt": b"b\n"}
    assert bench.tree(ada, "@1") == {b"a.txt": b"a\n", b"src/b.txt": b"b\n"}
    page = bench.run(ada, list_landings, **bench.where)
    assert [(item.position, item.goal, item.author, item.agent) for item in page.items] == [
        (2, "Go on", "ada", "codex"),
        (1, "Begin", "ada", ""),
    ]
    assert (page.items[0].files, page.items[0].additions, page.items[0].deletions) == (1, 1, 1)
    assert sound(bench.forge) == []


def test_a_landing_keeps_why_it_came_about(bench, ada, grace):
    session = bench.start(ada, "Explain").id
    bench.push(
        ada,
        session,
        {"a": b"1"},
        conversation=[{"text": "Why so?", "role": "human"}],
        decisions=[{"text": "Because.", "role": "agent"}],
    )
    bench.land(ada, session, summary="It is explained.")

    told = bench.run(grace, get_landing, **bench.where, position=1)
    assert [(said.text, said.role, said.author) for said in told.conversation] == [
        ("Why so?", "human", "Ada")
    ]
    assert [(said.text, said.role) for said in told.decisions] == [("Because.", "agent")]
    assert (told.goal, told.summary, told.session) == ("Explain", "It is explained.", session)
    assert [change.path for change in told.changes] == ["a"]


def test_a_landing_over_a_moved_head_merges_by_path(bench, ada, grace):
    bench.landed(ada, {"a": b"1", "b": b"1", "gone": b"x"})
    slow = bench.start(grace).id
    bench.push(grace, slow, {"b": b"2", "new": b"n"})
    bench.landed(ada, {"a": b"2", "gone": None})

    assert bench.land(grace, slow).position == 3
    assert bench.tree(ada) == {b"a": b"2", b"b": b"2", b"new": b"n"}


def test_overlapping_paths_refuse_and_tell_each_side(bench, ada, grace):
    bench.landed(ada, {"a": b"1", "b": b"1", "c": b"1"})
    slow = bench.start(grace).id
    pushed = bench.push(grace, slow, {"a": b"mine", "b": None, "c": b"fine"})
    bench.landed(ada, {"a": b"theirs"}, goal="Take a")
    bench.landed(ada, {"b": b"theirs"}, goal="Take b")

    with pytest.raises(LandingConflict) as refusal:
        bench.land(grace, slow)

    details = refusal.value.details
    assert (refusal.value.code, details["head"]) == ("landing.conflict", 3)
    a, b = details["paths"]
    assert (a["path"], a["position"], a["goal"]) == ("a", 2, "Take a")
    assert (b["path"], b["position"], b["goal"]) == ("b", 3, "Take b")
    assert a["ours"] == pushed.changes[0].new and b["ours"] is None
    assert a["base"] and a["theirs"] and len({a["base"], a["ours"], a["theirs"]}) == 3
    after = bench.run(grace, get_session, session=slow)
    assert (after.status, after.landing) == ("active", False)
    assert rows(bench.forge, Permit) == []


def test_the_same_change_on_both_sides_is_no_conflict(bench, ada, grace):
    bench.landed(ada, {"a": b"1"})
    slow = bench.start(grace).id
    bench.push(grace, slow, {"a": b"2"})
    bench.landed(ada, {"a": b"2"})

    assert bench.land(grace, slow).position == 3


def test_the_same_landing_id_is_the_same_landing(bench, ada, grace):
    session, other, id = bench.start(ada).id, bench.start(ada).id, new_id()
    bench.push(ada, session, {"a": b"1"})
    bench.push(ada, other, {"b": b"1"})
    first = bench.land(ada, session, landing=id)

    assert bench.land(ada, session, landing=id) == first
    with pytest.raises(LandingTaken):
        bench.land(ada, other, landing=id)
    with pytest.raises(LandingTaken):
        bench.land(grace, session, landing=id)
    with pytest.raises(SessionOver):
        bench.land(ada, session, landing=new_id())
    assert bench.run(ada, get_project, **bench.where).position == 1


def test_a_session_without_changes_has_nothing_to_land(bench, ada):
    session = bench.start(ada).id

    with pytest.raises(NothingToLand):
        bench.land(ada, session)
    bench.push(ada, session, {"a": b"1"})
    bench.push(ada, session, {"a": None})
    with pytest.raises(NothingToLand):
        bench.land(ada, session)


def test_a_review_is_finished_by_a_member_and_never_by_an_agent(bench, ada, grace, mallory, agent_of):
    agent = agent_of(ada)
    session = bench.start(agent).id
    bench.push(agent, session, {"a": b"1"})
    waiting = bench.land(agent, session, require_approval=True, summary="Please look")

    assert (waiting.status, waiting.position, waiting.landing_id) == ("pending_review", None, None)
    for somebody in (agent, agent_of(grace)):
        with pytest.raises(Forbidden):
            bench.land(somebody, session)
    with pytest.raises(NotFound):
        bench.land(mallory, session)
    with pytest.raises(SessionOver):
        bench.push(agent, session, {"a": b"2"})

    id = new_id()
    done = bench.land(grace, session, landing=id)
    assert (done.position, done.status, done.author, done.summary) == (1, "landed", "ada", "Please look")
    assert bench.land(grace, session, landing=id) == done
    told = bench.run(ada, get_landing, **bench.where, position=1)
    assert told.author == "ada", "whoever lands it, the work is its author's"


def test_an_outsider_proposes_and_a_member_lands(bench, mallory, grace):
    session = bench.start(mallory).id
    bench.push(mallory, session, {"a": b"1"})
    with pytest.raises(Forbidden, match="require_approval"):
        bench.land(mallory, session)
    with pytest.raises(Forbidden):
        bench.land(grace, session)

    bench.land(mallory, session, require_approval=True)
    assert bench.land(grace, session).position == 1


def test_a_protected_branch_lets_only_admins_land(bench, ada, grace):
    bench.run(ada, update_project, **bench.where, protect_main_branch=True)
    session = bench.start(grace).id
    bench.push(grace, session, {"a": b"1"})

    with pytest.raises(Forbidden):
        bench.land(grace, session)
    bench.land(grace, session, require_approval=True)
    assert bench.land(ada, session).position == 1


def test_an_archived_project_lands_nothing(bench, ada):
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"1"})
    bench.run(ada, update_project, **bench.where, archived=True)

    for attempt in (lambda: bench.land(ada, session), lambda: bench.push(ada, session, {"b": b""})):
        with pytest.raises(Conflict, match="archived"):
            attempt()
    bench.run(ada, update_project, **bench.where, archived=False)
    assert bench.land(ada, session).position == 1


def test_an_agent_lands_only_what_lies_within_its_paths(bench, ada, agent_of):
    agent = agent_of(ada, project=bench.project, paths=("docs",))
    session = bench.start(agent).id
    bench.push(agent, session, {"docs/a.md": b"1"})
    with pytest.raises(Forbidden, match="docs"):
        bench.push(agent, session, {"documents/a.md": b"1"})
    bench.push(ada, session, {"src/a.py": b"1"})
    with pytest.raises(Forbidden, match="docs"):
        bench.land(agent, session)

    assert bench.land(ada, session).position == 1


def test_an_agent_bound_to_a_project_is_nobody_elsewhere(bench, ada, agent_of):
    agent = agent_of(ada, project="acme/plans")
    elsewhere = bench.start(ada).id

    with pytest.raises(Forbidden):
        bench.start(agent)
    with pytest.raises(NotFound):
        bench.push(agent, elsewhere, {"a": b"1"})
    assert bench.on("acme/plans").landed(agent, {"a": b"1"}).position == 1


def test_who_signed_out_a_moment_ago_does_not_land(bench, ada):
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"1"})
    ghost = Actor(**{**vars(ada), "browser_id": new_id()})

    with pytest.raises(WrongCredentials):
        bench.land(ghost, session)
    assert bench.land(ada, session).position == 1


def test_an_abandoned_session_stays_readable_and_never_lands(bench, ada, grace):
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"words\n"})
    bench.run(ada, abandon_session, session=session, reason="No need")

    shown = bench.run(grace, get_session_diff, session=session)
    assert [line.text for line in shown.files[0].hunks[0].lines] == ["words"]
    for attempt in (lambda: bench.land(ada, session), lambda: bench.push(ada, session, {"a": b""})):
        with pytest.raises(SessionOver):
            attempt()


def test_two_that_land_one_session_at_once_land_it_once(bench, ada):
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"1"})
    outcomes, start = [], threading.Barrier(2)

    def land():
        start.wait()
        try:
            outcomes.append(bench.land(ada, session).position)
        except (SessionLanding, SessionOver) as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=land) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 in outcomes
    assert set(outcomes) - {1} <= {"session.landing", "session.over"} and len(outcomes) == 2
    assert bench.run(ada, get_project, **bench.where).position == 1


def test_a_landed_session_frees_what_it_staged_and_states_one_fact(bench, ada):
    session = bench.landed(ada, {"a": b"1"}).id

    assert rows(bench.forge, StagedFile) == []
    facts = [row["body"] for row in rows(bench.forge, FactRow) if row["kind"] == "SessionLanded"]
    assert [(body["session"], body["position"]) for body in facts] == [(session, 1)]
    jobs.drain(bench.forge)
    jobs.drain(bench.forge)
    assert len(list(bench.forge.store.list("archives/"))) == 1
    assert sound(bench.forge) == []


def test_what_a_session_took_back_does_not_become_part_of_the_log(bench, ada):
    session = bench.start(ada).id
    secret, kept = (Object.of(Kind.BLOB, bytes([n]) * 900_000) for n in (1, 2))
    noise = Object.of(Kind.BLOB, bytes(range(256)) * 9_000)
    content.store_objects(bench.forge, ada, session, [secret, kept, noise])
    puts = [{"path": name, "blob": each.id} for name, each in (("a", secret), ("b", kept), ("c", noise))]
    bench.run(ada, push_session, session=session, files=puts)
    bench.push(ada, session, {"a": None})
    bench.land(ada, session)

    with bench.restarted() as fresh, Context(fresh.forge, SYSTEM).transaction(write=False) as tx:
        project = bench.run(ada, get_project, **bench.where).id
        reader = code.reader(tx, tx.db.get(code.Project, project))
        assert (reader.has(kept.id), reader.has(noise.id), reader.has(secret.id)) == (True, True, False)
    assert sound(bench.forge) == []


SWEPT = [("sqlite", point) for point in (*BEFORE_THE_SWAP, *AFTER_THE_SWAP)] + [
    ("postgresql", point) for point in ("landing.permitted", "landing.after_swap")
]


@pytest.mark.parametrize(("database", "point"), SWEPT, indirect=["database"])
def test_the_sweeper_settles_a_permit_wherever_its_landing_ended(bench, ada, clock, dying_at, point):
    session, id = bench.start(ada).id, new_id()
    bench.push(ada, session, {"a": b"1"})
    dying_at(point)
    with pytest.raises(Died):
        bench.land(ada, session, landing=id)

    with bench.restarted() as again:
        assert landing.sweep(again.forge) == 0, "its time is not over"
        assert again.run(ada, get_session, session=session).landing is True
        clock.advance(seconds=landing.PERMIT.total_seconds() + 1)
        assert landing.sweep(again.forge) == 1
        assert landing.sweep(again.forge) == 0

        after = again.run(ada, get_session, session=session)
        assert after.landing is False and rows(again.forge, Permit) == []
        if point in AFTER_THE_SWAP:
            assert (after.status, after.landed_position) == ("landed", 1)
        else:
            assert after.status == "active"
            said = again.run(ada, list_session_events, session=session).items[-1]
            assert (said.kind, said.body) == (
                "error",
                {"text": "Landing was interrupted and nothing was changed. Land again."},
            )
        assert again.land(ada, session, landing=id).position == 1
        assert again.tree(ada) == {b"a": b"1"}
        assert sound(again.forge) == []


def test_a_landing_that_happened_is_answered_before_the_sweeper_comes(bench, ada, dying_at):
    session, id = bench.start(ada).id, new_id()
    bench.push(ada, session, {"a": b"1"})
    dying_at("landing.after_swap")
    with pytest.raises(Died):
        bench.land(ada, session, landing=id)

    with bench.restarted() as again:
        assert again.land(ada, session, landing=id).position == 1


UNDECIDED = [("sqlite", "landing.permitted"), ("sqlite", "landing.queued"), ("postgresql", "landing.queued")]


@pytest.mark.parametrize(("database", "point"), UNDECIDED, indirect=["database"])
def test_a_landing_that_died_undecided_is_landed_by_whoever_sends_it_again(
    bench, ada, grace, dying_at, monkeypatch, point
):
    monkeypatch.setattr(landing, "OVERTAKE_SECONDS", 0.3)
    session, id = bench.start(grace).id, new_id()
    bench.push(grace, session, {"a": b"1"})
    dying_at(point)
    with pytest.raises(Died):
        bench.land(ada, session, landing=id)

    with bench.restarted() as one, bench.restarted() as two:
        for person, other in ((grace, id), (ada, new_id())):
            with pytest.raises(SessionLanding):
                one.land(person, session, landing=other)
        outcomes = []

        def again(place):
            try:
                outcomes.append(place.land(ada, session, landing=id).position)
            except SessionLanding:
                outcomes.append(None)

        threads = [threading.Thread(target=again, args=(place,)) for place in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 in outcomes and {*outcomes} <= {1, None}
        assert one.land(ada, session, landing=id).position == 1
        assert len(rows(one.forge, Landing)) == 1 and rows(one.forge, Permit) == []
        said = one.run(ada, list_session_events, session=session).items
        assert [event.kind for event in said if event.kind == "error"] == []
        assert one.tree(ada) == {b"a": b"1"} and sound(one.forge) == []


def test_a_landing_that_is_slow_is_waited_for_and_not_taken_over(bench, ada, monkeypatch):
    session, id = bench.start(ada).id, new_id()
    bench.push(ada, session, {"a": b"1"})
    held, goes_on = threading.Event(), threading.Event()

    def slow():
        faults.disarm("landing.queued")
        held.set()
        assert goes_on.wait(30)

    faults.arm("landing.queued", slow)
    answers = []
    first = threading.Thread(target=lambda: answers.append(bench.land(ada, session, landing=id)))
    first.start()
    assert held.wait(30)
    with bench.restarted() as other:
        second = threading.Thread(target=lambda: answers.append(other.land(ada, session, landing=id)))
        second.start()
        goes_on.set()
        first.join()
        second.join()

    assert [answer.position for answer in answers] == [1, 1]


def test_a_landing_whose_time_ran_out_in_the_line_is_not_landed(bench, ada, clock):
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"1"})
    late = timedelta(minutes=1).total_seconds()
    faults.arm("landing.queued", lambda: clock.advance(seconds=late))
    try:
        with pytest.raises(PermitGone):
            bench.land(ada, session)
    finally:
        faults.disarm()
    with pytest.raises(SessionLanding):
        bench.land(ada, session)

    landing.sweep(bench.forge)
    assert bench.land(ada, session).position == 1


def test_one_damaged_project_does_not_keep_the_sweeper_from_others(bench, ada, clock, dying_at):
    plans = bench.on("acme/plans")
    sessions = [(place, place.start(ada).id) for place in (bench, plans)]
    for place, session in sessions:
        place.push(ada, session, {"a": b"1"})
        dying_at("landing.queued")
        with pytest.raises(Died):
            place.land(ada, session)
    clock.advance(minutes=1)
    project = bench.run(ada, get_project, **bench.where).id
    bench.forge.store.delete(f"pools/{project}/heads/{project}")

    with bench.restarted() as again:
        assert landing.sweep(again.forge) == 1
        assert again.on("acme/plans").land(ada, sessions[1][1]).position == 1


def test_rows_are_the_same_whoever_makes_them_and_however_often(bench, ada, dying_at):
    bench.landed(ada, {"a": b"1", "d/b": b"1"})
    session = bench.start(ada).id
    bench.push(ada, session, {"d/b": b"2", "a": None})
    dying_at("landing.before_catch_up")
    with pytest.raises(Died):
        bench.land(ada, session)
    project = bench.run(ada, get_project, **bench.where).id

    with bench.restarted() as one, bench.restarted() as two:
        outcomes = []
        threads = [
            threading.Thread(
                target=lambda place=place: outcomes.append(projection.catch_up(place.forge, project))
            )
            for place in (one, two)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == [2, 2]
        before = rows(one.forge, Landing), rows(one.forge, PathLatest)
        projection.catch_up(two.forge, project)
        assert (rows(two.forge, Landing), rows(two.forge, PathLatest)) == before
        facts = [row for row in rows(one.forge, FactRow) if row["kind"] == "SessionLanded"]
        assert len(facts) == 2


def test_a_projection_that_left_the_log_stops_landing_and_names_the_doctor(bench, ada):
    bench.landed(ada, {"a": b"1"})
    with Context(bench.forge, SYSTEM).transaction() as tx:
        for cursor in tx.db.exec(select(Cursor)).all():
            cursor.record = "0" * 64
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"2"})

    with pytest.raises(projection.LogDiverged, match="micelio doctor"):
        bench.land(ada, session)
    assert bench.run(ada, get_session, session=session).landing is False
