"""Shapes of imports, as every door shows them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from backend.portability.models import ImportState, Origin, Stage

SourceUrl = Annotated[str, Field(min_length=1, max_length=2000)]
Secret = Annotated[str, Field(max_length=4000)]
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
