"""Live: what is said and done in a session, appended in order and read by whoever watches.

Events of a session form one chain: each carries the hash of the one before. They are stored
after redaction only, and the same `client_id` sent again is the same event.
"""

import json
import logging
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from sqlmodel import col, select

from backend.core.context import Context
from backend.core.errors import Conflict, InvalidInput
from backend.core.operations import operation
from backend.projects.models import Project, Visibility
from backend.sessions import access
from backend.sessions.access import Deed
from backend.sessions.models import SessionEvent, WorkSession
from backend.sessions.redaction import WITHHELD, redact
from backend.sessions.schemas import Appended, EventIn, EventOut, EventPage, SessionRef, Speaker, Text
from vcs.objects import new_id
from vcs.session import Event, SessionState, event_hash, fold_all

LARGEST_EVENT = 256 * 1024
LARGEST_SESSION = 100_000
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
    found, project, _ = access.session(ctx, session, Deed.NOTE)
    rows = [append(ctx, found, project, event) for event in events]
    return Appended(items=[shown(row) for row in rows])


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
    found, project, _ = access.session(ctx, session, Deed.NOTE)
    return shown(append(ctx, found, project, said(content, role, client_id=client_id)))


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
    found, project, _ = access.session(ctx, session, Deed.NOTE)
    return shown(append(ctx, found, project, said(content, role, decision=True, client_id=client_id)))


@operation(
    scope="session:read",
    http="GET /api/v1/sessions/{session}/events",
    rpc="SessionService.ListSessionEvents",
)
def list_session_events(
    ctx: Context,
    *,
    session: SessionRef,
    after: Annotated[int, Field(ge=0, lt=1 << 53)] = 0,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> EventPage:
    """Events of a session after a sequence number, oldest first."""
    found, _, _ = access.session(ctx, session)
    rows = events_after(ctx, found.id, after, limit + 1)
    items = [shown(row) for row in rows[:limit]]
    return EventPage(items=items, next=items[-1].sequence if len(rows) > limit else None)


def append(ctx: Context, session: WorkSession, project: Project, event: EventIn) -> SessionEvent:
    """Store one event at the end of the chain, in this transaction; an event met again is answered."""
    # The row is the queue: two writers of one session take their sequence one after the other.
    ctx.db.refresh(session, with_for_update=True)
    body = _clean(project, event)
    if event.client_id and (before := _met(ctx, session, event.client_id)):
        if before.kind != event.kind or before.body != body:
            raise EventTaken(client_id=event.client_id)
        return before
    if session.events >= LARGEST_SESSION:
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
    ctx.db.add(row)
    ctx.db.add(session)
    ctx.db.flush()
    ctx.ring(f"session:{session.id}")
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
    """All events of a session, folded."""
    query = select(SessionEvent).where(SessionEvent.session_id == session)
    return fold_all(as_event(row) for row in ctx.db.exec(query.order_by(col(SessionEvent.sequence))))


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


def _met(ctx: Context, session: WorkSession, client_id: str) -> SessionEvent | None:
    query = select(SessionEvent).where(
        SessionEvent.session_id == session.id, SessionEvent.client_id == client_id
    )
    return ctx.db.exec(query).first()


def _clean(project: Project, event: EventIn) -> dict[str, Any]:
    try:
        size = len(json.dumps(event.body, allow_nan=False))
    except ValueError:
        raise InvalidInput(problem="An event's body must be JSON without NaN or Infinity.") from None
    except RecursionError:
        raise InvalidInput(problem="An event's body is nested too deeply.") from None
    if size > LARGEST_EVENT:
        raise InvalidInput(
            problem=f"An event's body may hold {LARGEST_EVENT // 1024} KiB and this has {size // 1024}. "
            "Send an artifact's address, or several events."
        )
    try:
        cleaned: dict[str, Any] = redact(event.body)
    except RecursionError as error:
        log.error("redaction failed for an event of kind %s: %s", event.kind, error)
        if project.visibility is Visibility.PUBLIC:
            return {"text": WITHHELD}
        return event.body
    return cleaned
