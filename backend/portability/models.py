"""Tables of imports: what is asked for, how far it is, and which files in the store it has."""

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

    `begins` says that the project exists for this import only and goes with it. `heads` are the
    refs that were taken in, as [ref here, ref there, old, new]; `version` grows with every change.
    """

    __tablename__: ClassVar[str] = "imports"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    project_id: str = Field(index=True)
    organization: str
    project: str
    begins: bool
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
