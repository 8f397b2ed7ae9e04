"""Shapes of what a search finds, as every door shows them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from backend.projects.models import Visibility
from backend.search.models import Found
from backend.sessions.models import Status

Question = Annotated[str, Field(max_length=200)]
Cursor = Annotated[str, Field(max_length=50)]
Limit = Annotated[int, Field(ge=1, le=100)]
FewLimit = Annotated[int, Field(ge=1, le=30)]


class Mark(BaseModel):
    """A word that was asked for: in which field of the hit, and from where to where in characters."""

    field: str
    start: int
    end: int


class SearchHit(BaseModel):
    """One thing found. `title` is its name or goal, `address` where it is ("acme/notes", "ada"), `text`
    what it says of itself around the first word asked for.

    A project has its `visibility`; a session its `status`, its author's handle, and `address` is its
    project's. `at` is when it began.
    """

    kind: Found
    id: str
    title: str
    address: str
    text: str
    marks: list[Mark]
    visibility: Visibility | None = None
    status: Status | None = None
    author: str = ""
    at: datetime
    url: str


class SearchCounts(BaseModel):
    """How many of each kind were found, counted up to 1,000."""

    project: int = 0
    session: int = 0
    person: int = 0
    organization: int = 0


class SearchPage(BaseModel):
    """What was found of one kind, best first; `next` is the cursor of the following page."""

    kind: Found
    counts: SearchCounts
    items: list[SearchHit]
    next: str | None = None


class JumpPage(BaseModel):
    """The few things most likely meant, best first."""

    items: list[SearchHit]
