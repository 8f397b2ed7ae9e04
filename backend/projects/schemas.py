"""Shapes of projects, trees, files and landings, as every door shows them.

Paths are text in the form of `vcs.paths.quote`. Times are UTC. Ids of objects are SHA-256 in hex.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from backend.projects.models import Proposers, Visibility

Name = Annotated[str, Field(max_length=100)]
Description = Annotated[str, Field(max_length=1000)]
Website = Annotated[str, Field(max_length=300, pattern=r"^(https?://[^\s<>\"]+)?$")]
HandleText = Annotated[str, Field(min_length=1, max_length=100)]
RefText = Annotated[str, Field(min_length=1, max_length=300)]
PathText = Annotated[str, Field(max_length=4096)]
Cursor = Annotated[str, Field(max_length=200)]


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


Since = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A moment with its zone; what changed then or later is asked for."""

Limit = Annotated[int, Field(ge=1, le=100)]


class ProjectSummary(BaseModel):
    """One project. `may` lists what the asker may do with it: read, propose, land, settings, delete.

    `mirrored`: its default branch follows a repository elsewhere, and only the mirror moves it.
    `forked_from` is an address, and `forks` counts, as far as the asker may see them.
    """

    id: str
    organization: str
    handle: str
    name: str
    description: str
    website: str
    visibility: Visibility
    archived: bool
    mirrored: bool = False
    protect_main_branch: bool
    who_may_propose: Proposers
    session_visibility: Proposers
    default_branch: str
    position: int
    commit: str | None
    tree: str
    open_sessions: int
    forked_from: str | None = None
    forks: int = 0
    created_at: datetime
    updated_at: datetime
    url: str
    may: list[str]


class ProjectPage(BaseModel):
    """Projects by address; `next` is the cursor of the following page."""

    items: list[ProjectSummary]
    next: str | None = None


class HandleCheck(BaseModel):
    """Whether a project could be put at an address: `problem` says why not and is empty when it could."""

    organization: str
    handle: str
    problem: str = ""


class EntryType(StrEnum):
    """What a tree entry is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    MODULE = "module"


class LastChange(BaseModel):
    """The landing that last touched a path; who made its commit, and when."""

    position: int
    goal: str
    by: str
    at: datetime


class TreeEntry(BaseModel):
    """One line of a folder. `size` is in bytes and null for folders."""

    name: str
    path: str
    type: EntryType
    mode: str
    id: str
    size: int | None = None
    last: LastChange | None = None


class Readme(BaseModel):
    """The README of a folder, found by name; `path` is where its text is."""

    path: str
    id: str
    size: int


class TreePage(BaseModel):
    """A folder at a ref, folders first. `tree` is the root of the ref, `id` this folder."""

    project: ProjectSummary
    ref: str
    commit: str | None
    position: int | None
    tree: str
    path: str
    id: str
    entries: list[TreeEntry]
    readme: Readme | None = None


class PathsPage(BaseModel):
    """The path of every file at a ref, in git's order; `tree` is the root of the ref."""

    ref: str
    commit: str | None
    position: int | None
    tree: str
    items: list[str]


class FilePage(BaseModel):
    """A file at a ref. `text` is null when it is binary, not UTF-8 or larger than the view shows.

    `lines` counts them whole; `cut` says that `text` ends before the file does.
    """

    project: ProjectSummary
    ref: str
    commit: str | None
    position: int | None
    path: str
    type: EntryType
    mode: str
    id: str
    size: int
    binary: bool
    text: str | None
    lines: int
    cut: bool
    last: LastChange | None = None


class ChangeStatus(StrEnum):
    """What happened to a path."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"
    TYPE_CHANGED = "type_changed"


class FileChange(BaseModel):
    """One changed path; ids and modes are null where the path did not exist."""

    path: str
    status: ChangeStatus
    previous: str | None = None
    old_mode: str | None = None
    new_mode: str | None = None
    old: str | None = None
    new: str | None = None
    additions: int = 0
    deletions: int = 0
    binary: bool = False


class DiffLine(BaseModel):
    """One line of a hunk: kind is " ", "+" or "-"; numbers count from 1."""

    kind: str
    old: int | None
    new: int | None
    text: str
    no_newline: bool = False


class DiffHunk(BaseModel):
    """One hunk, as in a unified diff."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: str
    lines: list[DiffLine]


class FileDiff(FileChange):
    """A changed path with its hunks; `cut` says that it was too large to show whole."""

    hunks: list[DiffHunk] = []
    cut: bool = False


class DiffPage(BaseModel):
    """What differs between two trees. `old` and `new` are tree ids."""

    old: str
    new: str
    additions: int
    deletions: int
    files: list[FileDiff]


class LandingSummary(BaseModel):
    """One position of the trunk. A commit that was made elsewhere, then pushed or imported, has its own
    author and date in `written_by` and `written_at`.
    """

    organization: str
    project: str
    position: int
    commit: str
    tree: str
    sha1: str
    landing: str
    session: str | None
    goal: str
    summary: str
    author: str
    author_name: str
    agent: str
    files: int
    additions: int
    deletions: int
    landed_at: datetime
    url: str
    written_by: str = ""
    written_at: datetime | None = None


class LandingPage(BaseModel):
    """Landings, newest first."""

    items: list[LandingSummary]
    next: str | None = None


class Said(BaseModel):
    """One thing said in a session: a note of the conversation, or a decision."""

    role: str
    author: str
    text: str
    at: datetime


class LandingDetail(LandingSummary):
    """A landing with why it came about. `record` is the id of its log record."""

    previous: str | None
    record: str
    sequence: int
    model: str
    started_at: datetime | None
    conversation: list[Said]
    decisions: list[Said]
    changes: list[FileChange]
    may: list[str]


class BlobSize(BaseModel):
    """One blob of a tree, for a clone."""

    path: str
    mode: str
    id: str
    size: int


class BlobsPage(BaseModel):
    """Every file of a tree, in git's order: what a clone fetches. Links count as files."""

    project: ProjectSummary
    ref: str
    commit: str | None
    position: int | None
    tree: str
    items: list[BlobSize]


class RefTarget(BaseModel):
    """What a ref points at: no commit when nothing has landed, no position off the trunk."""

    ref: str
    commit: str | None
    tree: str
    position: int | None
