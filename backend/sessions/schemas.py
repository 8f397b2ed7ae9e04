"""Shapes of sessions and their events, as every door shows them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from backend.projects.schemas import FileChange, PathText, Said
from backend.sessions.models import Status

Goal = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
Text = Annotated[str, Field(min_length=1, max_length=100_000, pattern=r"\S")]
ObjectId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SessionRef = Annotated[str, Field(min_length=4, max_length=36, pattern=r"^[0-9a-f-]+$")]
FileMode = Annotated[str, Field(pattern=r"^(100644|100755|120000)$")]


class Speaker(StrEnum):
    """Who says a note."""

    HUMAN = "human"
    AGENT = "agent"


class SessionSummary(BaseModel):
    """One session. `short_id` is its last 8 hex digits; `landing` is true while it is being landed."""

    id: str
    short_id: str
    organization: str
    project: str
    goal: str
    status: Status
    landing: bool
    author: str
    author_name: str
    agent: str
    model: str
    base_position: int
    base_commit: str | None
    base_tree: str
    revision: int
    files: int
    additions: int
    deletions: int
    events: int
    summary: str
    landed_position: int | None
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    url: str


class SessionPage(BaseModel):
    """Sessions, newest first."""

    items: list[SessionSummary]
    next: str | None = None


class SessionFileText(BaseModel):
    """A file as a session has it. `text` is null when it is binary, not UTF-8 or larger than a view shows;
    `cut` says that it ends before the file does.
    """

    session: str
    path: str
    mode: str
    id: str
    size: int
    binary: bool
    text: str | None
    lines: int
    cut: bool


class PlanStep(BaseModel):
    """One step of an agent's plan: state is pending, running, done or failed."""

    text: str
    state: str


class SessionDetail(SessionSummary):
    """A session with what was said and changed. `may`: note, change, land, abandon, as the asker may."""

    metadata: dict[str, Any]
    conversation: list[Said]
    decisions: list[Said]
    plan: list[PlanStep]
    progress: str
    changes: list[FileChange]
    may: list[str]


class NoteIn(BaseModel):
    """A note or decision made while offline, sent with a push."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    role: Speaker = Speaker.HUMAN
    client_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class FilePut(BaseModel):
    """One path as a workspace has it: `blob` null deletes it. Content was stored before."""

    model_config = ConfigDict(extra="forbid")

    path: PathText
    blob: ObjectId | None = None
    mode: FileMode = "100644"


class EventIn(BaseModel):
    """An event as a client sends it. The same `client_id` again is the same event."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_]*$")]
    body: dict[str, Any] = {}
    parent: Annotated[str, Field(max_length=100)] | None = None
    client_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class EventOut(BaseModel):
    """An event as everybody reads it; `previous` is the hash of the one before."""

    id: str
    session: str
    sequence: int
    time: datetime
    actor: str
    kind: str
    body: dict[str, Any]
    parent: str | None
    client_id: str | None
    previous: str


class EventPage(BaseModel):
    """Events in order; `next` is the sequence to read after, or null at the end."""

    items: list[EventOut]
    next: int | None = None


class Appended(BaseModel):
    """The events as stored, in the order they were sent."""

    items: list[EventOut]


class BlobList(BaseModel):
    """Ids of blobs."""

    blobs: list[str]


class LandedSession(SessionSummary):
    """A landed session and where it stands; all three are null while it waits for a reviewer."""

    position: int | None
    commit: str | None
    landing_id: str | None


class ConflictPath(BaseModel):
    """One path that two sides changed: blob ids (null: absent) and the landing that changed it."""

    path: str
    base: str | None
    ours: str | None
    theirs: str | None
    position: int | None = None
    goal: str = ""
