"""The outbox: what mail this instance wrote, for its administrators alone.

A mail that nobody could be sent stays readable here for a week, links included, so that an
administrator of a forge without SMTP can hand them over. What was sent says only that it was.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from backend.core.context import Context
from backend.core.errors import Forbidden
from backend.core.mail import Mail, body_of, outbox
from backend.core.operations import operation

LEFT_OUT = {"rpc": "administrators look at it in a browser or over REST"}

Cursor = Annotated[str, Field(max_length=36)]
Limit = Annotated[int, Field(ge=1, le=100)]


class MailState(StrEnum):
    """What became of a mail."""

    WAITING = "waiting"
    SENT = "sent"
    PRINTED = "printed"
    FAILED = "failed"


class MailSummary(BaseModel):
    """One mail. `body` is empty once it was sent; `problem` is what the mail server last said."""

    id: str
    to: str
    subject: str
    body: str
    state: MailState
    problem: str
    attempts: int
    created_at: datetime
    next_try_at: datetime | None


class MailPage(BaseModel):
    """Mails, newest first; `next` is the cursor of the following page."""

    items: list[MailSummary]
    next: str | None = None


@operation(scope="admin", http="GET /api/v1/outbox", anonymous=False, left_out=LEFT_OUT)
def list_mails(ctx: Context, *, cursor: Cursor = "", limit: Limit = 50) -> MailPage:
    """List the mails this instance wrote. Administrators only."""
    if not ctx.actor.admin:
        raise Forbidden(problem="Only administrators of this instance see the outbox.")
    rows = outbox(ctx, before=cursor, limit=limit + 1)
    items = [_mail(ctx, row) for row in rows[:limit]]
    return MailPage(items=items, next=items[-1].id if len(rows) > limit else None)


def _mail(ctx: Context, row: Mail) -> MailSummary:
    return MailSummary(
        id=row.id,
        to=row.recipient,
        subject=row.subject,
        body=body_of(ctx.forge.settings, row),
        state=_state(row),
        problem=row.problem,
        attempts=row.attempts,
        created_at=row.created_at,
        next_try_at=row.due_at,
    )


def _state(row: Mail) -> MailState:
    if row.sent_at is not None:
        return MailState.SENT
    if row.printed_at is not None:
        return MailState.PRINTED
    return MailState.WAITING if row.due_at is not None else MailState.FAILED
