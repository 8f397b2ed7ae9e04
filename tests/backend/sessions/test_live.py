import threading

import pytest

from backend.core.errors import Forbidden, InvalidInput, NotFound
from backend.projects.service import update_project
from backend.sessions import live, redaction
from backend.sessions.access import SessionOver
from backend.sessions.live import (
    EventTaken,
    add_session_decision,
    add_session_note,
    append_session_events,
    list_session_events,
)
from backend.sessions.service import abandon_session, get_session, list_my_sessions, list_sessions
from vcs.session import Event, event_hash

TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture
def session(bench, ada):
    return bench.start(ada, "Say something").id


@pytest.fixture
def said(bench, ada, session):
    """Append events to ada's session and see them as stored."""

    def said(*events):
        return bench.run(ada, append_session_events, session=session, events=list(events)).items

    return said


def chain(events):
    previous = ""
    for event in events:
        assert event.previous == previous
        told = event.model_dump(exclude={"previous"})
        previous = event_hash(previous or None, Event(**told))
    return previous


def test_events_keep_their_order_and_form_one_chain(bench, ada, grace, session, said):
    said({"kind": "plan", "body": {"steps": [{"text": "one", "state": "pending"}]}}, {"kind": "odd_kind"})
    bench.run(grace, add_session_note, session=session, content="Looks good")
    bench.run(ada, add_session_decision, session=session, content="Go", role="agent")

    events = bench.run(ada, list_session_events, session=session).items
    assert [(event.sequence, event.kind, event.actor) for event in events] == [
        (1, "prompt", "ada"),
        (2, "plan", "ada"),
        (3, "odd_kind", "ada"),
        (4, "message", "grace"),
        (5, "message", "ada"),
    ]
    chain(events)
    detail = bench.run(ada, get_session, session=session)
    assert [note.text for note in detail.conversation] == ["Looks good"]
    assert [note.text for note in detail.decisions] == ["Go"]
    assert [(step.text, step.state) for step in detail.plan] == [("one", "pending")]


def test_events_are_read_page_by_page(bench, ada, session, said):
    said(*({"kind": "output", "body": {"text": str(n)}} for n in range(9)))
    first = bench.run(ada, list_session_events, session=session, limit=4)
    second = bench.run(ada, list_session_events, session=session, after=first.next, limit=100)

    assert [event.sequence for event in first.items + second.items] == list(range(1, 11))
    assert second.next is None
    assert bench.run(ada, list_session_events, session=session, after=(1 << 31) - 1).items == []


def test_a_client_id_met_again_is_the_same_event(bench, ada, session, said):
    event = {"kind": "output", "body": {"text": "once", "cost": 1.5}, "client_id": "c1"}
    (first,) = said(event)
    again = said(event, event)

    assert again == [first, first]
    with pytest.raises(EventTaken):
        said({**event, "body": {"text": "twice"}})
    assert bench.run(ada, get_session, session=session).events == 2


def test_writers_at_once_leave_no_gap(bench, ada, session):
    def write(number):
        for n in range(10):
            body = {"text": f"{number} {n}"}
            bench.run(ada, append_session_events, session=session, events=[{"kind": "output", "body": body}])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    events = bench.run(ada, list_session_events, session=session).items
    assert [event.sequence for event in events] == list(range(1, 42))
    chain(events)


def test_secrets_are_gone_before_anything_is_stored(bench, ada, session, said):
    nested = {"env": [{"TOKEN": TOKEN}], TOKEN: "key", "url": "https://ada:hunter2@example.org/"}
    (event,) = said({"kind": "tool_result", "body": nested})
    named = bench.start(ada, f"Use {TOKEN}", metadata={"key": TOKEN})

    assert event.body["env"] == [{"TOKEN": "[redacted:github-token]"}]
    assert "hunter2" not in str(event.body) and TOKEN not in str(event.body)
    assert TOKEN not in named.model_dump_json()


def test_an_event_no_rule_could_look_at_is_withheld(bench, ada, session, said, monkeypatch):
    class Broken:
        def sub(self, *_):
            raise ValueError("a rule with a bug")

    monkeypatch.setattr(redaction, "_RULES", (("broken", Broken()),))
    (event,) = said({"kind": "output", "body": {"text": "who knows what"}})

    assert (event.kind, event.body) == ("output", {"text": redaction.WITHHELD})


def test_redaction_takes_no_longer_for_text_made_to_stall_it():
    for piece in ("eyJ-", "eyJa.eyJ", "-----BEGIN ", "sk-a-", "://a:", "mic_"):
        assert redaction.redact(piece * 50_000) is not None


def test_bodies_that_cannot_be_kept_are_refused_in_a_sentence(session, said):
    deep: dict = {}
    for _ in range(100):
        deep = {"deep": deep}
    long = ({"text": letter * (live.LARGEST_EVENT // len(letter.encode()))} for letter in "xé")
    for body in (*long, {"number": float("nan")}, deep):
        with pytest.raises(InvalidInput):
            said({"kind": "output", "body": body})


def test_as_much_as_is_promised_fits(said):
    (event,) = said({"kind": "output", "body": {"text": "é" * (live.LARGEST_EVENT // 2 - 20)}})

    assert len(event.body["text"]) == live.LARGEST_EVENT // 2 - 20


def test_a_full_session_takes_no_more_words_and_still_lands(bench, ada, session, said, monkeypatch):
    bench.push(ada, session, {"a": b"1"})
    monkeypatch.setattr(live, "LARGEST_SESSION", 3)
    said({"kind": "output"})
    with pytest.raises(InvalidInput, match="Land it"):
        said({"kind": "output"})

    assert bench.land(ada, session).position == 1


def test_a_session_that_is_over_takes_no_words(bench, ada, session, said):
    bench.run(ada, abandon_session, session=session, reason="Enough")

    with pytest.raises(SessionOver):
        said({"kind": "output"})
    last = bench.run(ada, list_session_events, session=session).items[-1]
    assert (last.kind, last.body) == ("status", {"state": "abandoned", "text": "Enough"})


def test_open_sessions_of_a_public_project_are_for_its_members(bench, ada, grace, mallory, stranger):
    session = bench.start(mallory, "A proposal").id
    other = bench.start(ada, "Inside").id

    def seen_by(actor):
        return {each.id for each in bench.run(actor, list_sessions, **bench.where).items}

    assert seen_by(ada) == seen_by(grace) == {session, other}
    assert seen_by(mallory) == {session} and seen_by(stranger) == set()
    for somebody, hidden in ((mallory, other), (stranger, session)):
        for operation in (get_session, list_session_events):
            with pytest.raises(NotFound):
                bench.run(somebody, operation, session=hidden)
    bench.run(ada, update_project, **bench.where, session_visibility="anyone")
    assert seen_by(stranger) == {session, other}
    with pytest.raises(Forbidden):
        bench.run(mallory, add_session_note, session=other, content="Hello")


def test_whoever_sees_a_session_by_its_whole_id_sees_it_by_a_part_and_nobody_else_does(
    bench, ada, grace, mallory, stranger, agent_of
):
    """The first is judged in Python and the second in SQL."""
    plans = bench.on("acme/plans")
    open_to_all = bench.on("acme/shown")
    open_to_all.create(ada, visibility="public")
    bench.run(ada, update_project, **open_to_all.where, session_visibility="anyone")
    sessions = [each.start(ada).id for each in (bench, plans, open_to_all)]
    sessions += [each.start(mallory).id for each in (bench, open_to_all)]
    sessions += [each.landed(ada, {"a": b"1"}).id for each in (bench, plans)]
    bound = [
        agent_of(who, project=project) for who in (ada, mallory) for project in ("acme/notes", "acme/shown")
    ]

    def sees(actor, text):
        try:
            return bench.run(actor, get_session, session=text).id
        except NotFound:
            return None

    everybody = list(enumerate([ada, grace, mallory, stranger, *bound]))
    by_whole = {(n, id): sees(who, id) for n, who in everybody for id in sessions}
    by_part = {(n, id): sees(who, id[1:]) for n, who in everybody for id in sessions}

    assert by_whole == by_part
    assert None in by_whole.values() and set(sessions) < set(by_whole.values())


def test_landed_sessions_are_seen_with_their_project(bench, ada, stranger):
    public = bench.landed(ada, {"a": b"1"}).id
    private = bench.on("acme/plans").landed(ada, {"a": b"1"}).id

    assert bench.run(stranger, get_session, session=public).status == "landed"
    with pytest.raises(NotFound):
        bench.run(stranger, get_session, session=private)


def test_a_session_answers_to_any_unique_part_of_its_id_that_the_asker_sees(bench, ada, mallory):
    session, other = bench.start(ada).id, bench.start(ada).id
    mine = bench.start(mallory).id

    for text in (session, session[-8:], session.upper()[-8:].lower(), session[:-2]):
        assert bench.run(ada, get_session, session=text).id == session
    with pytest.raises(InvalidInput, match="Give more of the id"):
        bench.run(ada, get_session, session=session[:6])
    assert bench.run(mallory, get_session, session=mine[:6]).id == mine, "others' do not count"
    assert [each.id for each in bench.run(ada, list_my_sessions).items] == [other, session]


def test_sessions_are_listed_page_by_page_and_by_status(bench, ada):
    ids = [bench.start(ada, f"Number {n}").id for n in range(5)]
    bench.run(ada, abandon_session, session=ids[2])
    first = bench.run(ada, list_sessions, **bench.where, limit=3)
    second = bench.run(ada, list_sessions, **bench.where, limit=3, cursor=first.next)

    assert [each.id for each in first.items + second.items] == ids[::-1] and second.next is None
    gone = bench.run(ada, list_sessions, **bench.where, status="abandoned")
    assert [each.id for each in gone.items] == [ids[2]]
    with pytest.raises(InvalidInput):
        bench.run(ada, list_sessions, **bench.where, cursor="' or 1")
