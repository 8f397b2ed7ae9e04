"""Branches, tags and commits, as people look for them."""

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

from pydantic import BaseModel
from sqlmodel import col, select

from backend.core.context import Context
from backend.core.errors import NotFound
from backend.core.operations import operation
from backend.projects import access, code
from backend.projects.models import Ref
from backend.projects.schemas import HandleText, ProjectSummary, RefText
from backend.projects.service import summary
from vcs.objects import Commit
from vcs.repository import Repository

MOST = 2_000
_LEFT_OUT = {"rpc": "mic resolves one ref at a time with ResolveRef"}
_SIGNATURE = re.compile(rb"(.*?) ?<[^>]*>(?: +(-?\d+)(?: +([+-]\d{4}))?)?", re.DOTALL)


class RefKind(StrEnum):
    """What a ref is to people."""

    BRANCH = "branch"
    TAG = "tag"
    OTHER = "other"


class RefItem(BaseModel):
    """A ref: its short name, which the other operations take, its whole name, and the object it holds."""

    name: str
    full_name: str
    kind: RefKind
    target: str
    default: bool


class RefList(BaseModel):
    """Branches first, the default one before all, then tags by name; `more` says that some are left out."""

    items: list[RefItem]
    more: bool


class Signature(BaseModel):
    """Who and when, as the commit says; no time when it says none that can be read."""

    name: str
    at: datetime | None


class ParentCommit(BaseModel):
    """A commit before this one."""

    id: str
    sha1: str


class CommitDetail(BaseModel):
    """One commit. `position` is its place on the default branch, null beside it."""

    project: ProjectSummary
    id: str
    sha1: str
    tree: str
    author: Signature
    committer: Signature
    subject: str
    message: str
    parents: list[ParentCommit]
    position: int | None
    signed: bool


@operation(
    scope="project:read", http="GET /api/v1/projects/{organization}/{project}/refs", left_out=_LEFT_OUT
)
def list_refs(ctx: Context, *, organization: HandleText, project: HandleText) -> RefList:
    """The branches, tags and other refs of a project."""
    found, _ = access.project(ctx, organization, project)
    trunk = f"refs/heads/{code.trunk(ctx, found.id)}"
    # `HEAD` says which branch is the default one.
    query = (
        select(Ref).where(Ref.project == found.id, Ref.name != "HEAD").order_by(col(Ref.name)).limit(MOST + 1)
    )
    rows = list(ctx.db.exec(query).all())
    items = [_item(row, trunk) for row in rows[:MOST]]
    order = list(RefKind)
    items.sort(key=lambda item: (not item.default, order.index(item.kind), item.name))
    return RefList(items=items, more=len(rows) > MOST)


def _item(row: Ref, trunk: str) -> RefItem:
    kind, short = RefKind.OTHER, row.name.removeprefix("refs/")
    for prefix, named in (("refs/heads/", RefKind.BRANCH), ("refs/tags/", RefKind.TAG)):
        if row.name.startswith(prefix):
            kind, short = named, row.name.removeprefix(prefix)
    return RefItem(name=short, full_name=row.name, kind=kind, target=row.target, default=row.name == trunk)


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/commits/{ref}",
    tool=True,
    left_out=_LEFT_OUT,
)
def get_commit(ctx: Context, *, organization: HandleText, project: HandleText, ref: RefText) -> CommitDetail:
    """One commit by its id, its SHA-1, the first digits of either, or any ref that leads to it."""
    found, owner = access.project(ctx, organization, project)
    target = code.resolve(ctx, found, ref)
    if target.commit is None:
        raise NotFound(what="commit in this project")
    repository = code.reader(ctx, found)
    commit = repository.commit(target.commit)
    message = _text(commit, commit.message)
    return CommitDetail(
        project=summary(ctx, found, owner),
        id=target.commit,
        sha1=repository.sha1_of(target.commit).hex(),
        tree=commit.tree,
        author=_signature(commit, commit.author),
        committer=_signature(commit, commit.committer),
        subject=message.strip().partition("\n")[0],
        message=message,
        parents=[_parent(repository, id) for id in commit.parents],
        position=target.position,
        signed=any(name in (b"gpgsig", b"gpgsig-sha256") for name, _ in commit.headers),
    )


def _parent(repository: Repository, id: str) -> ParentCommit:
    return ParentCommit(id=id, sha1=repository.sha1_of(id).hex())


def _text(commit: Commit, raw: bytes) -> str:
    """Text in the encoding that the commit names, UTF-8 if none."""
    named = dict(commit.headers).get(b"encoding", b"utf-8").decode("ascii", "replace")
    try:
        return raw.decode(named, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _signature(commit: Commit, raw: bytes) -> Signature:
    """A signature line as far as it can be read; e-mail addresses are not shown."""
    match = _SIGNATURE.match(raw)
    if match is None:
        return Signature(name=_text(commit, raw).strip(), at=None)
    name = _text(commit, match[1]).strip()
    return Signature(name=name, at=_time(match[2], match[3]))


def _time(seconds: bytes | None, zone: bytes | None) -> datetime | None:
    if seconds is None or len(seconds) > 12:
        return None
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))
        minutes = int(zone[1:3]) * 60 + int(zone[3:5]) if zone else 0
        sign = -1 if zone and zone.startswith(b"-") else 1
        return at.astimezone(timezone(sign * timedelta(minutes=minutes)))
    except (ValueError, OverflowError):
        return None
