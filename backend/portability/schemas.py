"""Shapes of imports and mirrors, as every door shows them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from backend.portability.models import Direction, ImportState, MirrorRefs, MirrorState, Origin, Stage

SourceUrl = Annotated[str, Field(min_length=1, max_length=2000)]
Secret = Annotated[str, Field(max_length=4000)]
Minutes = Annotated[int, Field(ge=1, le=60 * 24 * 30)]
MirrorId = Annotated[str, Field(min_length=8, max_length=36)]
ImportId = Annotated[str, Field(min_length=8, max_length=36)]


class StageProgress(BaseModel):
    """One stage: `waiting`, `running`, `done`, `failed` or `cancelled`, and how far it is.

    `total` is 0 while nobody knows it; both count what `doing` names.
    """

    stage: Stage
    state: str
    doing: str = ""
    done: int = 0
    total: int = 0


class ImportStatus(BaseModel):
    """One import. `source` is the address without credentials; `problem` is a sentence when it failed.

    `version` grows with each change. `url` is where to watch it, `project_url` where it leads to.
    """

    id: str
    organization: str
    project: str
    origin: Origin
    source: str
    new_project: bool
    state: ImportState
    stages: list[StageProgress]
    problem: str = ""
    default_branch: str = ""
    refs: int = 0
    objects: int = 0
    positions: int = 0
    version: int
    requested_by: str | None = None
    requested_at: datetime
    ended_at: datetime | None = None
    url: str
    project_url: str
    may: list[str] = []


class ImportPage(BaseModel):
    """Imports, newest first."""

    items: list[ImportStatus]


class RefusedRef(BaseModel):
    """A ref that stayed as it is, and why."""

    ref: str
    reason: str


class MirrorStatus(BaseModel):
    """One mirror of a project, without its credentials: `credentials` says whether it has any.

    `state` is waiting or running, or how the last attempt ended: done or failed; `result` is a sentence
    about it, `problem` one when it failed, `refused` the refs that stayed as they are. `next_attempt_at`
    is absent while it is paused.
    """

    id: str
    organization: str
    project: str
    direction: Direction
    url: str
    credentials: bool
    refs: MirrorRefs
    prune: bool
    overwrite: bool
    interval_minutes: int
    paused: bool
    state: MirrorState
    result: str = ""
    problem: str = ""
    refused: list[RefusedRef] = []
    failures: int = 0
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    next_attempt_at: datetime | None = None
    created_by: str | None = None
    created_at: datetime


class MirrorPage(BaseModel):
    """The mirrors of a project: the one it follows, then those that follow it, oldest first."""

    items: list[MirrorStatus]
