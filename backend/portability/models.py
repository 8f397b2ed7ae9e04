"""Tables of imports and mirrors: what is asked for, how far it is, and which files in the store it has."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Column
from sqlmodel import Field, SQLModel

from backend.core.db import UtcTime, word
from backend.core.events import RECORD


class Origin(StrEnum):
    """Where a history comes from: an address, a folder on the server, or an uploaded bundle."""

    URL = "url"
    FOLDER = "folder"
    BUNDLE = "bundle"


class ImportState(StrEnum):
    """How an import is: the last four are its ends."""

    WAITING = "waiting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"


class Stage(StrEnum):
    """The stages of an import, in order."""

    METADATA = "metadata"
    GIT_DATA_CLONE = "git_data_clone"
    VALIDATION = "validation"
    LANDING = "landing"
    FINALIZATION = "finalization"


class Import(SQLModel, table=True):
    """One import. `source` never holds credentials; `secret` does, sealed, until they are used.

    `begins` says that the project exists for this import only and goes with it; `mirror_id` that a
    mirror asked for it. `heads` are the refs that were taken in, as [ref here, ref there, old, new];
    `version` grows with every change.
    """

    __tablename__: ClassVar[str] = "imports"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    project_id: str = Field(index=True)
    organization: str
    project: str
    begins: bool
    mirror_id: str | None = None
    origin: Origin = Field(sa_type=word(Origin))
    source: str
    secret: str | None = None
    requested_by: str | None = Field(default=None, index=True)
    state: ImportState = Field(default=ImportState.WAITING, sa_type=word(ImportState))
    stage: Stage = Field(default=Stage.METADATA, sa_type=word(Stage))
    doing: str = ""
    done: int = Field(default=0, sa_type=BigInteger)
    total: int = Field(default=0, sa_type=BigInteger)
    problem: str = ""
    landing: str
    trunk: str = ""
    heads: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    objects: int = 0
    positions: int = 0
    sequence: int | None = None
    version: int = 0
    requested_at: datetime = Field(sa_type=UtcTime)
    updated_at: datetime = Field(sa_type=UtcTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcTime)


class ImportFile(SQLModel, table=True):
    """A file in the store that a running import keeps from the collector: a segment, or the bundle it
    reads (`bundle`). `number` is their order.
    """

    __tablename__: ClassVar[str] = "import_files"
    __table_args__ = RECORD

    key: str = Field(primary_key=True)
    import_id: str = Field(index=True)
    project_id: str = Field(index=True)
    number: int
    size: int = Field(sa_type=BigInteger)
    sha256: str
    objects: int
    bundle: bool = False
    staged_at: datetime = Field(sa_type=UtcTime)


class Direction(StrEnum):
    """Which way a mirror goes: from there to here, or from here to there."""

    PULL = "pull"
    PUSH = "push"


class MirrorRefs(StrEnum):
    """What a push mirror sends: branches, tags and notes, or the default branch alone."""

    ALL = "all"
    TRUNK = "trunk"


class MirrorState(StrEnum):
    """How a mirror is: its next attempt waits or runs, or how the last one ended."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Mirror(SQLModel, table=True):
    """A repository elsewhere that a project follows, or that follows it. `url` never holds credentials;
    `secret` does, sealed.

    `refused` lists refs that stayed as they are, as [name, why]; `failures` counts attempts in a row that
    did not get through. `sequence` is the record of the log up to which a push mirror was brought, `seen`
    a digest of both sides after the last pull. `asked_at` is when the worker was told last.
    """

    __tablename__: ClassVar[str] = "mirrors"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    project_id: str = Field(index=True)
    direction: Direction = Field(sa_type=word(Direction))
    url: str
    secret: str | None = None
    refs: MirrorRefs = Field(default=MirrorRefs.ALL, sa_type=word(MirrorRefs))
    prune: bool = False
    overwrite: bool = False
    minutes: int
    paused: bool = False
    state: MirrorState = Field(default=MirrorState.WAITING, sa_type=word(MirrorState))
    result: str = ""
    problem: str = ""
    refused: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    failures: int = 0
    sequence: int = -1
    seen: str = ""
    import_id: str | None = None
    asked_at: datetime | None = Field(default=None, sa_type=UtcTime)
    last_attempt_at: datetime | None = Field(default=None, sa_type=UtcTime)
    last_success_at: datetime | None = Field(default=None, sa_type=UtcTime)
    next_at: datetime = Field(sa_type=UtcTime, index=True)
    created_by: str | None = None
    created_at: datetime = Field(sa_type=UtcTime)
