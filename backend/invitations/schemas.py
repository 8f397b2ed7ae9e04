"""Shapes of invitations: as those see them who asked, and as those who are asked."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from backend.accounts.schemas import HandleText, RowId

__all__ = [
    "HandleText",
    "InvitationState",
    "Invitee",
    "MyInvitation",
    "MyInvitationList",
    "RowId",
    "Secret",
    "TeamInvitationList",
    "TeamInvitationSummary",
]

Invitee = Annotated[str, Field(min_length=1, max_length=254)]
Secret = Annotated[str, Field(max_length=200)]


class InvitationState(StrEnum):
    """Whether an invitation can be accepted.

    A lapsed one cannot because who sent it may invite nobody there any more; sent again, it can.
    """

    WAITING = "waiting"
    EXPIRED = "expired"
    LAPSED = "lapsed"


class TeamInvitationSummary(BaseModel):
    """An invitation that was not answered, for those who look after members.

    `project` is null for an invitation into the organization. `invitee` is what was typed: a handle or
    an e-mail address. `role` is one of member, admin, owner, and for a project of read, write, admin.
    """

    id: str
    organization: str
    project: str | None
    invitee: str
    role: str
    invited_by: str
    state: InvitationState
    created_at: datetime
    sent_at: datetime
    expires_at: datetime


class TeamInvitationList(BaseModel):
    """Invitations that wait for an answer, newest first."""

    items: list[TeamInvitationSummary]


class MyInvitation(BaseModel):
    """An invitation as whoever is asked sees it.

    `yours` says whether the signed-in account may answer it. `signup` says, to a holder of the link
    who is not signed in, whether the link also makes an account.
    """

    id: str
    organization: str
    organization_name: str
    project: str | None
    project_name: str | None
    description: str
    role: str
    invited_by: str
    invited_by_name: str
    expires_at: datetime
    yours: bool
    signup: bool
    url: str


class MyInvitationList(BaseModel):
    """Invitations that wait for your answer, newest first."""

    items: list[MyInvitation]
