from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from vcs.session import (
    Check,
    Event,
    EventKind,
    FileStatus,
    Role,
    SessionState,
    Step,
    Usage,
    event_hash,
    fold,
    fold_all,
)

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def event(sequence, kind, **body):
    return Event(
        id=f"event-{sequence}",
        session="session",
        sequence=sequence,
        time=BEGAN + timedelta(seconds=sequence),
        actor="ada",
        kind=kind,
        body=body,
    )


def told(*said):
    return fold_all(event(number, kind, **body) for number, (kind, body) in enumerate(said, 1))


SCALARS = st.sampled_from([None, True, False, 0, -1, 7, 1.5, "", "text", "agent"])
JSON = (
    SCALARS | st.lists(SCALARS, max_size=2) | st.lists(st.just({"text": "do", "state": "done"}), max_size=2)
)
KEYS = st.sampled_from(
    [
        "text",
        "role",
        "decision",
        "path",
        "status",
        "additions",
        "deletions",
        "previous",
        "steps",
        "state",
        "ok",
        "name",
    ]
)
KINDS = st.sampled_from([*EventKind, "unheard_of", ""])
BODIES = st.dictionaries(KEYS, JSON | st.sampled_from(["added", "renamed", "human"]), max_size=6)


@given(st.lists(st.tuples(KINDS, BODIES), max_size=20))
def test_no_body_and_no_kind_breaks_the_fold(said):
    state = told(*said)

    assert state.events == len(said)
    assert state.last == len(said)


@given(st.lists(st.tuples(KINDS, BODIES), max_size=20), st.integers(0, 20))
def test_folding_may_stop_and_go_on_anywhere_and_meet_events_twice(said, cut):
    events = [event(number, kind, **body) for number, (kind, body) in enumerate(said, 1)]

    half = fold_all(events[:cut])

    assert fold_all(events, half) == fold_all(events)


def test_a_body_that_is_no_object_is_counted_and_kept_out():
    state = fold(SessionState(), replace(event(1, "message"), body=["text"]))

    assert (state.events, state.conversation) == (1, ())


def test_notes_and_decisions_are_told_apart_and_keep_who_said_them():
    state = told(
        ("message", {"text": "look at this", "role": "human"}),
        ("message", {"text": "use a queue", "role": "agent", "decision": True}),
    )

    assert [(note.text, note.role, note.actor) for note in state.conversation] == [
        ("look at this", Role.HUMAN, "ada")
    ]
    assert [(made.text, made.role, made.sequence) for made in state.decisions] == [
        ("use a queue", Role.AGENT, 2)
    ]


def test_the_first_prompt_is_the_goal_when_none_was_given():
    state = told(("prompt", {"text": "make it fast"}), ("prompt", {"text": "and small"}))

    assert state.goal == "make it fast"
    assert [note.text for note in state.conversation] == ["make it fast", "and small"]
    assert fold(SessionState(goal="given"), event(1, "prompt", text="other")).goal == "given"


def test_the_last_plan_counts():
    steps = [{"text": "read", "state": "done"}, {"text": "write", "state": "active"}]

    state = told(("plan", {"steps": []}), ("plan", {"steps": steps}), ("plan", {"steps": "none"}))

    assert state.plan == (Step("read", "done"), Step("write", "active"))


def test_a_check_that_fails_and_then_passes_has_passed_in_two_runs():
    state = told(
        ("tool_result", {"name": "pytest", "ok": False, "text": "1 failed"}),
        ("tool_result", {"name": "pytest", "ok": True, "text": "all passed"}),
    )

    assert state.checks == {"pytest": Check("pytest", True, "all passed", runs=2, sequence=2)}


def changed(path, status, additions=1, deletions=0, previous=None):
    body = {
        "path": path,
        "status": status,
        "additions": additions,
        "deletions": deletions,
        "previous": previous,
    }
    return "diff", body


def test_a_file_is_told_from_the_base_whatever_happened_in_between():
    state = told(
        changed("new", "added"),
        changed("new", "modified", 7),
        changed("passing", "added"),
        changed("passing", "deleted"),
        changed("back", "deleted"),
        changed("back", "added", 2, 2),
        changed("to", "renamed", previous="from"),
        changed("to", "modified", 3),
    )

    assert {path: (file.status, file.previous) for path, file in state.files.items()} == {
        "new": (FileStatus.ADDED, None),
        "back": (FileStatus.MODIFIED, None),
        "to": (FileStatus.RENAMED, "from"),
    }
    assert (state.additions, state.deletions) == (7 + 2 + 3, 2)


def test_a_rename_of_a_file_the_session_made_or_moved_is_told_from_the_base():
    state = told(
        changed("a", "added"),
        changed("b", "renamed", previous="a"),
        changed("d", "renamed", previous="c"),
        changed("e", "renamed", previous="d"),
    )

    assert {path: (file.status, file.previous) for path, file in state.files.items()} == {
        "b": (FileStatus.ADDED, None),
        "e": (FileStatus.RENAMED, "c"),
    }


def test_usage_adds_up_and_status_is_the_last_word():
    state = told(
        ("usage", {"input_tokens": 10, "output_tokens": 2}),
        ("usage", {"input_tokens": 5, "cost_micros": 70}),
        ("usage", {"input_tokens": "many"}),
        ("status", {"state": "working", "text": "reading"}),
        ("status", {"state": "waiting"}),
    )

    assert state.usage == Usage(15, 2, 70)
    assert (state.status, state.status_text) == ("waiting", "")


def test_a_state_that_was_folded_on_is_not_changed():
    before = told(changed("a", "added"))

    fold(before, event(2, *[changed("b", "added")[0]], **changed("b", "added")[1]))

    assert list(before.files) == ["a"]


def test_the_chain_hash_covers_everything_an_event_says():
    said = event(1, "message", text="hello", numbers=[1, 2.5])
    others = [
        replace(said, **change)
        for change in (
            {"id": "other"},
            {"session": "other"},
            {"sequence": 2},
            {"time": BEGAN},
            {"actor": "grace"},
            {"kind": "prompt"},
            {"body": {"text": "hello"}},
            {"parent": "other"},
            {"client_id": "other"},
        )
    ]

    hashes = [
        event_hash(None, said),
        event_hash("0" * 64, said),
        *(event_hash(None, other) for other in others),
    ]

    assert len(set(hashes)) == len(hashes)


def test_the_chain_hash_forgets_how_a_whole_number_was_written():
    assert event_hash(None, event(1, "usage", cost=2.0)) == event_hash(None, event(1, "usage", cost=2))
