"""Live: what is said and done in a session, appended in order and read by whoever watches.

Events of a session form one chain: each carries the hash of the one before. They are stored
after redaction only, and the same `client_id` sent again is the same event.
"""

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import bindparam, insert
from sqlmodel import col, select

from backend.core.context import Context
from backend.core.errors import Conflict, InvalidInput
from backend.core.operations import operation
from backend.projects import code
from backend.sessions import access
from backend.sessions.access import Deed
from backend.sessions.models import SessionEvent, WorkSession
from backend.sessions.redaction import WITHHELD, redact
from backend.sessions.schemas import Appended, EventIn, EventOut, EventPage, SessionRef, Speaker, Text
from vcs.objects import new_id
from vcs.session import Event, SessionState, event_hash, fold_all

LARGEST_EVENT = 256 * 1024
LARGEST_SESSION = 100_000
DEEPEST = 64
STATES = 256
STATES_BYTES = 16 << 20
"""What folded states may take, by the length of what was folded into them: some of the longest sessions."""
TOLD = ("prompt", "message", "plan", "progress")
ClientId = Annotated[str, Field(min_length=1, max_length=100)]

log = logging.getLogger(__name__)


class EventTaken(Conflict):
    """A client_id was used before for something else."""

    code = "event.client_id_taken"
    message = "The client_id {client_id} already names another event of this session. Choose a new one."


@operation(
    scope="session:write",
    http="POST /api/v1/sessions/{session}/events",
    tool=True,
    rpc="SessionService.AppendSessionEvents",
)
def append_session_events(
    ctx: Context,
    *,
    session: SessionRef,
    events: Annotated[list[EventIn], Field(min_length=1, max_length=100)],
) -> Appended:
    """Append events to a session, in order. Kinds that are not known are kept as they are.

    Raises InvalidInput for a body over 256 KiB, EventTaken when a client_id names another event.
    """
    found, _, _ = access.session(ctx, session, Deed.NOTE, locked=True)
    return Appended(items=[shown(row) for row in append_all(ctx, found, events)])


@operation(
    scope="session:write",
    http="POST /api/v1/sessions/{session}/notes",
    tool=True,
    rpc="SessionService.AddSessionNote",
)
def add_session_note(
    ctx: Context,
    *,
    session: SessionRef,
    content: Text,
    role: Speaker = Speaker.HUMAN,
    client_id: ClientId | None = None,
) -> EventOut:
    """Say something in a session's conversation."""
    found, _, _ = access.session(ctx, session, Deed.NOTE, locked=True)
    return shown(append(ctx, found, said(content, role, client_id=client_id)))


@operation(
    scope="session:write",
    http="POST /api/v1/sessions/{session}/decisions",
    tool=True,
    rpc="SessionService.AddSessionDecision",
)
def add_session_decision(
    ctx: Context,
    *,
    session: SessionRef,
    content: Text,
    role: Speaker = Speaker.HUMAN,
    client_id: ClientId | None = None,
) -> EventOut:
    """Write down a decision and why it was made."""
    found, _, _ = access.session(ctx, session, Deed.NOTE, locked=True)
    return shown(append(ctx, found, said(content, role, decision=True, client_id=client_id)))


@operation(
    scope="session:read",
    http="GET /api/v1/sessions/{session}/events",
    rpc="SessionService.ListSessionEvents",
)
def list_session_events(
    ctx: Context,
    *,
    session: SessionRef,
    after: Annotated[int, Field(ge=0, lt=code.MOST)] = 0,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> EventPage:
    """Events of a session after a sequence number, oldest first."""
    found, _, _ = access.session(ctx, session)
    rows = events_after(ctx, found.id, after, limit + 1)
    items = [shown(row) for row in rows[:limit]]
    return EventPage(items=items, next=items[-1].sequence if len(rows) > limit else None)


def append(ctx: Context, session: WorkSession, event: EventIn) -> SessionEvent:
    """Store one event at the end of the chain of a locked session; one met again is answered as it was."""
    return append_all(ctx, session, [event])[0]


def append_all(
    ctx: Context, session: WorkSession, events: Sequence[EventIn], *, bounded: bool = True
) -> list[SessionEvent]:
    """Store events in order, in this transaction, which has `session` locked: the row is the queue, in
    which two writers of one session take their sequences one after the other.

    `bounded=False` is for what the forge itself has to say, which a session that is full must not
    keep from happening.
    """
    new: list[SessionEvent] = []
    rows = [_appended(ctx, session, event, new, bounded=bounded) for event in events]
    if new:
        values = [{name: getattr(row, name) for name in SessionEvent.model_fields} for row in new]
        ctx.db.connection().execute(_APPEND, values)
    ctx.ring(f"session:{session.id}")
    return rows


_APPEND = insert(SessionEvent)


def _appended(
    ctx: Context, session: WorkSession, event: EventIn, new: list[SessionEvent], *, bounded: bool
) -> SessionEvent:
    body = _clean(event)
    if event.client_id and (before := _met(ctx, session, event.client_id, new)):
        if before.kind != event.kind or before.body != body:
            raise EventTaken(client_id=event.client_id)
        return before
    if bounded and session.events >= LARGEST_SESSION:
        raise InvalidInput(problem=f"A session holds at most {LARGEST_SESSION} events. Land it and go on.")
    row = SessionEvent(
        session_id=session.id,
        sequence=session.events + 1,
        id=new_id(),
        time=ctx.now(),
        kind=event.kind,
        actor=ctx.actor.handle,
        parent=event.parent,
        client_id=event.client_id,
        body=body,
        previous=session.last_event,
    )
    session.events = row.sequence
    session.last_event = event_hash(row.previous or None, as_event(row))
    session.updated_at = row.time
    new.append(row)
    ctx.db.add(session)
    return row


def said(text: str, role: Speaker, *, decision: bool = False, client_id: str | None = None) -> EventIn:
    """The event of a note or decision."""
    body: dict[str, Any] = {"text": text, "role": role.value, "decision": decision}
    return EventIn(kind="message", body=body, client_id=client_id)


def events_after(ctx: Context, session: str, after: int, limit: int) -> Sequence[SessionEvent]:
    """Stored events in order."""
    query = select(SessionEvent).where(SessionEvent.session_id == session, SessionEvent.sequence > after)
    return ctx.db.exec(query.order_by(col(SessionEvent.sequence)).limit(limit)).all()


def state(ctx: Context, session: str) -> SessionState:
    """What was said, decided and planned in a session: events of the `TOLD` kinds, folded.

    What was folded before is kept, so a long session is not read again for every answer.
    """
    known = ctx.forge.part(_States, _States)
    held = known.get(session)
    since = held.sequence if held else 0
    rows = list(ctx.db.exec(_SAID, params={"of_session": session, "since": since}).all())
    if held is not None:
        if rows and rows[0].id == held.event:
            rows.pop(0)
        else:
            # It was folded in a transaction that never committed.
            held = None
            rows = list(ctx.db.exec(_SAID, params={"of_session": session, "since": 0}).all())
    if not rows:
        return held.state if held else SessionState()
    folded = fold_all(map(as_event, rows), held.state if held else None)
    size = sum(len(str(row.body)) for row in rows) + (held.size if held else 0)
    known.keep(session, _Folded(rows[-1].sequence, rows[-1].id, folded, size))
    return folded


_SAID = (
    select(SessionEvent)
    .where(
        col(SessionEvent.session_id) == bindparam("of_session"),
        col(SessionEvent.sequence) >= bindparam("since"),
        col(SessionEvent.kind).in_(TOLD),
    )
    .order_by(col(SessionEvent.sequence))
)


@dataclass(frozen=True)
class _Folded:
    """A state and the last event in it."""

    sequence: int
    event: str
    state: SessionState
    size: int


class _States:
    """The folded states of the sessions that were asked for last, in this process."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, _Folded] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, session: str) -> _Folded | None:
        with self._lock:
            return self._held.get(session)

    def keep(self, session: str, folded: _Folded) -> None:
        with self._lock:
            before = self._held.pop(session, None)
            self._held[session] = folded
            self._size += folded.size - (before.size if before else 0)
            while len(self._held) > 1 and (len(self._held) > STATES or self._size > STATES_BYTES):
                self._size -= self._held.popitem(last=False)[1].size


def as_event(row: SessionEvent) -> Event:
    """The event as the reducer takes it."""
    return Event(
        id=row.id,
        session=row.session_id,
        sequence=row.sequence,
        time=row.time,
        actor=row.actor,
        kind=row.kind,
        body=row.body,
        parent=row.parent,
        client_id=row.client_id,
    )


def shown(row: SessionEvent) -> EventOut:
    """The shape doors show."""
    return EventOut(
        id=row.id,
        session=row.session_id,
        sequence=row.sequence,
        time=row.time,
        actor=row.actor,
        kind=row.kind,
        body=row.body,
        parent=row.parent,
        client_id=row.client_id,
        previous=row.previous,
    )


def _met(
    ctx: Context, session: WorkSession, client_id: str, new: Sequence[SessionEvent]
) -> SessionEvent | None:
    for row in new:
        if row.client_id == client_id:
            return row
    query = select(SessionEvent).where(
        SessionEvent.session_id == session.id, SessionEvent.client_id == client_id
    )
    return ctx.db.exec(query).first()


def clean(value: dict[str, Any], what: str, largest: int) -> dict[str, Any]:
    """JSON as it may be stored: without secrets, not too long, not too deep. InvalidInput otherwise."""
    if _deeper_than(value, DEEPEST):
        raise InvalidInput(problem=f"{what} may be nested {DEEPEST} levels deep; this is deeper.")
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except ValueError:
        raise InvalidInput(problem=f"{what} must be JSON without NaN or Infinity.") from None
    if size > largest:
        raise InvalidInput(
            problem=f"{what} may hold {largest // 1024} KiB and this has {-(-size // 1024)}. "
            "Send an artifact's address, or several events."
        )
    try:
        cleaned: dict[str, Any] = redact(value)
    except Exception:
        # Whatever a rule stumbled over: words that were not looked at are not stored.
        log.exception("redaction failed, so the words are withheld")
        return {"text": WITHHELD}
    return cleaned


def _clean(event: EventIn) -> dict[str, Any]:
    return clean(event.body, "An event's body", LARGEST_EVENT)


def _deeper_than(value: Any, levels: int) -> bool:
    pending = [(value, 1)]
    while pending:
        here, depth = pending.pop()
        if isinstance(here, dict | list | tuple):
            if depth > levels:
                return True
            pending += [(item, depth + 1) for item in (here.values() if isinstance(here, dict) else here)]
    return False
