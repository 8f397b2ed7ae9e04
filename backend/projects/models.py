"""Tables of projects, and of what the log says about their code."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from backend.core.db import UtcTime, word
from backend.core.events import PROJECTION, RECORD


class Visibility(StrEnum):
    """Who may see a project."""

    PUBLIC = "public"
    PRIVATE = "private"


class Proposers(StrEnum):
    """Who may start a session on a public project."""

    ANYONE = "anyone"
    MEMBERS = "members"


class CollaboratorRole(StrEnum):
    """What somebody from outside may do with one project, weakest first."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class ProjectState(StrEnum):
    """`creating` until record 0 is in the log, `importing` until the history it begins with has landed.

    A `deleted` one can come back for a while; of an `erased` one only the row is left, so that nobody
    else gets its address. Doors show ready ones only.
    """

    CREATING = "creating"
    IMPORTING = "importing"
    READY = "ready"
    DELETED = "deleted"
    ERASED = "erased"


class Project(SQLModel, table=True):
    """Names and settings. `pool` is the id of the first project of its fork network.

    `forked_from` is the project it began as a copy of. `mirrored`: a pull mirror moves the trunk, and
    nobody else does. `created_by` is null for what the instance made itself.
    """

    __tablename__: ClassVar[str] = "projects"
    __table_args__ = (UniqueConstraint("organization_id", "handle"), RECORD)

    id: str = Field(primary_key=True)
    pool: str = Field(index=True)
    forked_from: str | None = Field(default=None, foreign_key="projects.id", index=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    handle: str
    name: str = ""
    description: str = ""
    website: str = ""
    visibility: Visibility = Field(default=Visibility.PRIVATE, sa_type=word(Visibility))
    state: ProjectState = Field(default=ProjectState.CREATING, sa_type=word(ProjectState))
    archived: bool = False
    mirrored: bool = False
    protect_main_branch: bool = False
    who_may_propose: Proposers = Field(default=Proposers.ANYONE, sa_type=word(Proposers))
    session_visibility: Proposers = Field(default=Proposers.MEMBERS, sa_type=word(Proposers))
    created_by: str | None = Field(default=None, foreign_key="accounts.id")
    created_at: datetime = Field(sa_type=UtcTime)
    updated_at: datetime = Field(sa_type=UtcTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Collaborator(SQLModel, table=True):
    """One account on one project, whether it belongs to the organization or not."""

    __tablename__: ClassVar[str] = "collaborators"
    __table_args__ = RECORD

    project_id: str = Field(primary_key=True, foreign_key="projects.id")
    account_id: str = Field(primary_key=True, foreign_key="accounts.id", index=True)
    role: CollaboratorRole = Field(sa_type=word(CollaboratorRole))
    added_at: datetime = Field(sa_type=UtcTime)


class FormerAddress(SQLModel, table=True):
    """Where a project was before it was renamed or transferred. It leads there for good: no other
    project gets the address.
    """

    __tablename__: ClassVar[str] = "former_addresses"
    __table_args__ = RECORD

    organization: str = Field(primary_key=True)
    handle: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="projects.id", index=True)


class Upkeep(SQLModel, table=True):
    """What was done for a project's log, and what is due: up to which sequence its segments were
    looked at, when its unused files are collected next, and the digest of what the log was last
    told about its settings.
    """

    __tablename__: ClassVar[str] = "upkeep"
    __table_args__ = RECORD

    project: str = Field(primary_key=True)
    compacted: int = -1
    collect_at: datetime = Field(sa_type=UtcTime)
    told: str = ""


class Cursor(SQLModel, table=True):
    """How far one projection of one project has followed the log."""

    __tablename__: ClassVar[str] = "projections"
    __table_args__ = PROJECTION

    project: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    sequence: int
    record: str


class Landing(SQLModel, table=True):
    """One position of the trunk, as its record tells it: no clock, no chance, no foreign key.

    `written_by` and `written_at` are what a commit says that was made elsewhere; the forge's own
    commits say what `author` and `at` say.
    """

    __tablename__: ClassVar[str] = "landings"
    __table_args__ = (
        Index("landings_by_time", "at"),
        Index("landings_of_author", "author", "at"),
        PROJECTION,
    )

    project: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    commit: str
    tree: str
    sha1: str
    landing: str = Field(index=True)
    sequence: int
    at: datetime = Field(sa_type=UtcTime)
    session: str | None = Field(default=None, index=True)
    actor: str | None = None
    author: str = ""
    agent: str = ""
    goal: str = ""
    summary: str = ""
    written_by: str = ""
    written_at: datetime | None = Field(default=None, sa_type=UtcTime)
    files: int = 0
    additions: int = 0
    deletions: int = 0


class PathLatest(SQLModel, table=True):
    """Which landing last touched a path; folders carry the newest of what they hold."""

    __tablename__: ClassVar[str] = "path_latest"
    __table_args__ = PROJECTION

    project: str = Field(primary_key=True)
    path: bytes = Field(primary_key=True, sa_type=LargeBinary)
    position: int


class Ref(SQLModel, table=True):
    """A branch or tag and the object it points at. A row `HEAD` with the target `ref: NAME` says what
    the trunk is called where that is not `refs/heads/main`.
    """

    __tablename__: ClassVar[str] = "refs"
    __table_args__ = PROJECTION

    project: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    target: str
