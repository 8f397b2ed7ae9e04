"""Tables of sessions: what is open, what was said, what is staged, what may land now."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, Column, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from backend.core.db import UtcTime, word
from backend.core.events import RECORD


class Status(StrEnum):
    """The states people see. `landing` is not one: it is an open permit."""

    ACTIVE = "active"
    PENDING_REVIEW = "pending_review"
    LANDED = "landed"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


class WorkSession(SQLModel, table=True):
    """One piece of work with a goal. `base_*` is where its workspace was cloned or synced at.

    `author_id` is null for what the instance did itself, and for what was brought back from the
    store: then `author_handle` and `author_name` say whose it was.
    """

    __tablename__: ClassVar[str] = "sessions"
    __table_args__ = (Index("sessions_of_project", "project_id", "status", "started_at"), RECORD)

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="projects.id")
    author_id: str | None = Field(default=None, foreign_key="accounts.id", index=True)
    author_handle: str = ""
    author_name: str = ""
    goal: str
    status: Status = Field(default=Status.ACTIVE, sa_type=word(Status))
    landing: bool = False
    agent: str = ""
    model: str = ""
    metadata_: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column("metadata", JSON, nullable=False)
    )
    base_position: int
    base_commit: str | None = None
    base_tree: str
    revision: int = 0
    summary: str = ""
    additions: int = 0
    deletions: int = 0
    files: int = 0
    events: int = 0
    last_event: str = ""
    landed_position: int | None = None
    landing_id: str | None = None
    started_at: datetime = Field(sa_type=UtcTime)
    updated_at: datetime = Field(sa_type=UtcTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcTime)


class SessionFile(SQLModel, table=True):
    """One path this session changes. No blob means deleted."""

    __tablename__: ClassVar[str] = "session_files"
    __table_args__ = RECORD

    session_id: str = Field(primary_key=True, foreign_key="sessions.id")
    path: bytes = Field(primary_key=True, sa_type=LargeBinary)
    status: str
    mode: str | None = None
    blob: str | None = None
    additions: int = 0
    deletions: int = 0
    binary: bool = False
    changed_at: datetime = Field(sa_type=UtcTime)


class StagedFile(SQLModel, table=True):
    """A segment in the store that an open session keeps from the collector."""

    __tablename__: ClassVar[str] = "staged_files"
    __table_args__ = RECORD

    key: str = Field(primary_key=True)
    session_id: str = Field(foreign_key="sessions.id", index=True)
    project_id: str
    size: int
    staged_at: datetime = Field(sa_type=UtcTime)


class SessionCommit(SQLModel, table=True):
    """A commit that was pushed for an open session, newest first: number 0 is what it wants to land.

    `commit` is our id where it is known, `sha1` git's; `change_id` is the tip's trailer.
    """

    __tablename__: ClassVar[str] = "session_commits"
    __table_args__ = RECORD

    session_id: str = Field(primary_key=True, foreign_key="sessions.id")
    number: int = Field(primary_key=True)
    commit: str = ""
    sha1: str = Field(index=True)
    change_id: str = Field(default="", index=True)


class SessionEvent(SQLModel, table=True):
    """One thing said or done, in the contract's envelope; sequence starts at 1 in each session."""

    __tablename__: ClassVar[str] = "session_events"
    __table_args__ = (
        Index(
            "session_events_client",
            "session_id",
            "client_id",
            unique=True,
            sqlite_where=text("client_id IS NOT NULL"),
            postgresql_where=text("client_id IS NOT NULL"),
        ),
        RECORD,
    )

    session_id: str = Field(primary_key=True, foreign_key="sessions.id")
    sequence: int = Field(primary_key=True)
    id: str = Field(unique=True)
    time: datetime = Field(sa_type=UtcTime)
    kind: str
    actor: str
    parent: str | None = None
    client_id: str | None = None
    body: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    previous: str


class PermitState(StrEnum):
    """`open` may land; `recovering` belongs to the sweeper."""

    OPEN = "open"
    RECOVERING = "recovering"


class Permit(SQLModel, table=True):
    """Leave to append one landing, given once by one short transaction."""

    __tablename__: ClassVar[str] = "permits"
    __table_args__ = (
        Index(
            "one_open_permit_per_session",
            "session_id",
            unique=True,
            sqlite_where=text("session_id IS NOT NULL"),
            postgresql_where=text("session_id IS NOT NULL"),
        ),
        RECORD,
    )

    landing: str = Field(primary_key=True)
    project_id: str = Field(index=True)
    session_id: str | None = None
    revision: int | None = None
    actor_id: str | None = None
    state: PermitState = Field(default=PermitState.OPEN, sa_type=word(PermitState))
    expires_at: datetime = Field(sa_type=UtcTime)
