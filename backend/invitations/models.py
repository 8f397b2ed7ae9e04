"""The table of invitations that nobody has answered yet."""

from datetime import datetime
from typing import ClassVar

from sqlmodel import Field, SQLModel

from backend.core.db import UtcTime
from backend.core.events import RECORD


class TeamInvitation(SQLModel, table=True):
    """One person asked into one organization or one project; deleted once it is answered or revoked.

    Either `organization_id` or `project_id` is set, and `role` is a word of that one's roles. Who is
    asked is an account, or whoever has the address `email` (lower case). The secret of the mailed
    link is kept as SHA-256.
    """

    __tablename__: ClassVar[str] = "team_invitations"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    secret_hash: str = Field(unique=True)
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", index=True)
    project_id: str | None = Field(default=None, foreign_key="projects.id", index=True)
    role: str
    account_id: str | None = Field(default=None, foreign_key="accounts.id", index=True)
    email: str = Field(default="", index=True)
    invited_by: str = Field(foreign_key="accounts.id", index=True)
    created_at: datetime = Field(sa_type=UtcTime)
    sent_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
