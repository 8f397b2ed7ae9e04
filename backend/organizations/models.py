"""Tables of organizations and who belongs to them."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from sqlmodel import Field, SQLModel

from backend.core.db import UtcTime, word
from backend.core.events import RECORD


class Role(StrEnum):
    """What a member may do, weakest first."""

    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"


class Organization(SQLModel, table=True):
    """Owns projects. `personal` ones belong to one account and have no members page.

    A deleted one keeps its row, since handle and addresses stay taken, and nothing else.
    """

    __tablename__: ClassVar[str] = "organizations"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    handle: str = Field(unique=True)
    name: str = ""
    description: str = ""
    personal: bool = False
    created_at: datetime = Field(sa_type=UtcTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Membership(SQLModel, table=True):
    """One account in one organization."""

    __tablename__: ClassVar[str] = "memberships"
    __table_args__ = RECORD

    organization_id: str = Field(primary_key=True, foreign_key="organizations.id")
    account_id: str = Field(primary_key=True, foreign_key="accounts.id", index=True)
    role: Role = Field(sa_type=word(Role))
    joined_at: datetime = Field(sa_type=UtcTime)
