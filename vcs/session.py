"""The session reducer: events in their order make the state that everybody shows.

`fold` is pure. Server, CLI and live page fold the same events and see the same session.
The log of a session is kept whatever is in it: an event of an unknown kind or with a body
that is not what its kind promises counts as seen and changes nothing else.

Events form a chain: each carries the hash of the one before, so an archived log proves
that nothing was taken out or put in.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from vcs.objects import format_time

__all__ = [
    "Check",
    "Decision",
    "Event",
    "EventKind",
    "FileChange",
    "FileStatus",
    "Note",
    "Role",
    "SessionState",
    "Step",
    "Usage",
    "event_hash",
    "fold",
    "fold_all",
]


class EventKind(StrEnum):
    """The kinds that have a meaning here; others are kept and shown as they are."""

    STATUS = "status"
    PROGRESS = "progress"
    OUTPUT = "output"
    ERROR = "error"
    ARTIFACT = "artifact"
    PROMPT = "prompt"
    MESSAGE = "message"
    THINKING = "thinking"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    PLAN = "plan"
    DIFF = "diff"
    CHECKPOINT = "checkpoint"
    USAGE = "usage"
    PERMISSION = "permission"


class Role(StrEnum):
    """Who said it."""

    HUMAN = "human"
    AGENT = "agent"


class FileStatus(StrEnum):
    """What became of a file since the session's base."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is stored. `kind` is a text because unknown kinds are kept.

    `sequence` counts from 1 in each session; `time` is aware; `client_id` is the sender's
    own name for it, by which a repeated send is recognised.
    """

    id: str
    session: str
    sequence: int
    time: datetime
    actor: str
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something said in the conversation."""

    sequence: int
    time: datetime
    actor: str
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Something decided, to be read by whoever asks why."""

    sequence: int
    time: datetime
    actor: str
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the plan; `state` is the sender's word (pending, active, done, ...)."""

    text: str
    state: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """One changed file against the session's base, lines counted as the last event said."""

    path: str
    status: FileStatus
    additions: int
    deletions: int
    previous: str | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """The last result of a tool that was run by this name, and how often it ran."""

    name: str
    ok: bool
    text: str
    runs: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What the session cost so far: tokens in and out, and money in millionths of a dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session as its events left it. Mappings keep the order in which keys came up.

    `files` is by path, `checks` by tool name. `last` is the sequence of the last event,
    `status` the agent's own word for what it does, not the session's place in its life.
    """

    goal: str = ""
    conversation: tuple[Note, ...] = ()
    decisions: tuple[Decision, ...] = ()
    plan: tuple[Step, ...] = ()
    files: Mapping[str, FileChange] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    status: str = ""
    status_text: str = ""
    progress: str = ""
    errors: int = 0
    tools: int = 0
    usage: Usage = Usage()
    events: int = 0
    last: int = 0
    began: datetime | None = None
    seen: datetime | None = None

    @property
    def additions(self) -> int:
        """Lines added in all files together."""
        return sum(change.additions for change in self.files.values())

    @property
    def deletions(self) -> int:
        """Lines deleted in all files together."""
        return sum(change.deletions for change in self.files.values())


def fold(state: SessionState, event: Event) -> SessionState:
    """The state after one more event. An event already folded (its sequence is not later) changes nothing."""
    if event.sequence <= state.last:
        return state
    began = state.began or event.time
    counted = replace(state, events=state.events + 1, last=event.sequence, began=began, seen=event.time)
    step = _STEPS.get(event.kind)
    if step is None or not isinstance(event.body, Mapping):
        return counted
    try:
        return step(counted, event)
    except _Unreadable:
        return counted


def fold_all(events: Iterable[Event], state: SessionState | None = None) -> SessionState:
    """The state after many events, from the beginning or from a state."""
    folded = state or SessionState()
    for event in events:
        folded = fold(folded, event)
    return folded


class _Unreadable(ValueError):
    """A body is not what its kind promises."""


def _message(state: SessionState, event: Event) -> SessionState:
    text, role = _text(event.body, "text"), _role(event.body, Role.AGENT)
    if event.body.get("decision") is True:
        decision = Decision(event.sequence, event.time, event.actor, role, text)
        return replace(state, decisions=(*state.decisions, decision))
    note = Note(event.sequence, event.time, event.actor, role, text)
    return replace(state, conversation=(*state.conversation, note))


def _prompt(state: SessionState, event: Event) -> SessionState:
    text = _text(event.body, "text")
    note = Note(event.sequence, event.time, event.actor, _role(event.body, Role.HUMAN), text)
    return replace(state, goal=state.goal or text, conversation=(*state.conversation, note))


def _plan(state: SessionState, event: Event) -> SessionState:
    steps = event.body.get("steps")
    if not isinstance(steps, list | tuple) or not all(isinstance(step, Mapping) for step in steps):
        raise _Unreadable
    return replace(state, plan=tuple(Step(_text(step, "text"), _text(step, "state")) for step in steps))


def _status(state: SessionState, event: Event) -> SessionState:
    return replace(state, status=_text(event.body, "state"), status_text=_text(event.body, "text", ""))


def _progress(state: SessionState, event: Event) -> SessionState:
    return replace(state, progress=_text(event.body, "text"))


def _error(state: SessionState, event: Event) -> SessionState:
    return replace(state, errors=state.errors + 1)


def _tool_call(state: SessionState, event: Event) -> SessionState:
    return replace(state, tools=state.tools + 1)


def _tool_result(state: SessionState, event: Event) -> SessionState:
    name, ok = _text(event.body, "name"), event.body.get("ok")
    if not isinstance(ok, bool):
        raise _Unreadable
    before = state.checks.get(name)
    runs = before.runs + 1 if before else 1
    check = Check(name, ok, _text(event.body, "text", ""), runs, event.sequence)
    return replace(state, checks={**state.checks, name: check})


def _usage(state: SessionState, event: Event) -> SessionState:
    used = Usage(
        state.usage.input_tokens + _count(event.body, "input_tokens"),
        state.usage.output_tokens + _count(event.body, "output_tokens"),
        state.usage.cost_micros + _count(event.body, "cost_micros"),
    )
    return replace(state, usage=used)


def _diff(state: SessionState, event: Event) -> SessionState:
    body = event.body
    path, previous = _text(body, "path"), body.get("previous")
    if not path or not (previous is None or isinstance(previous, str)):
        raise _Unreadable
    try:
        status = FileStatus(_text(body, "status"))
    except ValueError as error:
        raise _Unreadable from error
    counts = _count(body, "additions"), _count(body, "deletions")
    change = FileChange(path, status, *counts, previous, event.sequence)
    files = dict(state.files)
    if status is FileStatus.RENAMED and previous is not None:
        change = _moved(files.pop(previous, None), change)
    settled = _since_base(files.get(path), change)
    if settled is None:
        del files[path]
    else:
        files[path] = settled
    return replace(state, files=files)


def _moved(source: FileChange | None, change: FileChange) -> FileChange:
    """A rename of what the session made or moved itself, told from the base."""
    if source is not None and source.status is FileStatus.ADDED:
        return replace(change, status=FileStatus.ADDED, previous=None)
    if source is not None and source.status is FileStatus.RENAMED:
        return replace(change, previous=source.previous)
    return change


def _since_base(before: FileChange | None, change: FileChange) -> FileChange | None:
    """The change told from the base rather than from the event before; None when nothing is left."""
    if before is None:
        return change
    match before.status, change.status:
        case FileStatus.ADDED, FileStatus.DELETED:
            return None
        case FileStatus.ADDED, FileStatus.MODIFIED:
            return replace(change, status=FileStatus.ADDED)
        case FileStatus.RENAMED, FileStatus.MODIFIED:
            return replace(change, status=FileStatus.RENAMED, previous=before.previous)
        case FileStatus.RENAMED, FileStatus.DELETED:
            return replace(change, previous=before.previous)
        case FileStatus.DELETED, FileStatus.ADDED:
            return replace(change, status=FileStatus.MODIFIED)
    return change


def _text(body: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = body.get(key, default)
    if not isinstance(value, str):
        raise _Unreadable
    return value


def _role(body: Mapping[str, Any], default: Role) -> Role:
    try:
        return Role(body.get("role", default))
    except ValueError:
        return default


def _count(body: Mapping[str, Any], key: str) -> int:
    value = body.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _Unreadable
    return value


_STEPS: dict[str, Callable[[SessionState, Event], SessionState]] = {
    EventKind.MESSAGE: _message,
    EventKind.PROMPT: _prompt,
    EventKind.PLAN: _plan,
    EventKind.STATUS: _status,
    EventKind.PROGRESS: _progress,
    EventKind.ERROR: _error,
    EventKind.TOOL_CALL: _tool_call,
    EventKind.TOOL_RESULT: _tool_result,
    EventKind.USAGE: _usage,
    EventKind.DIFF: _diff,
}


def event_hash(previous: str | None, event: Event) -> str:
    """The chain hash of an event: SHA-256 over the one before it and all the event says.

    A whole number hashes the same whether it was written `1` or `1.0`, because databases
    that keep JSON as numbers do not remember which it was.
    """
    said = {
        "previous": previous,
        "id": event.id,
        "session": event.session,
        "sequence": event.sequence,
        "time": format_time(event.time),
        "actor": event.actor,
        "kind": event.kind,
        "body": _settled(event.body),
        "parent": event.parent,
        "client_id": event.client_id,
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _settled(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _settled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_settled(item) for item in value]
    return value
