"""Branches, tags and commits, as people look for them."""

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
from backend.projects.signatures import Signature, signature_of, text_of
from vcs.repository import Repository

MOST = 2_000
_LEFT_OUT = {"rpc": "mic resolves one ref at a time with ResolveRef"}


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
    cost=5,
)
def get_commit(ctx: Context, *, organization: HandleText, project: HandleText, ref: RefText) -> CommitDetail:
    """One commit by its id, its SHA-1, the first digits of either, or any ref that leads to it."""
    found, owner = access.project(ctx, organization, project)
    target = code.resolve(ctx, found, ref)
    if target.commit is None:
        raise NotFound(what="commit in this project")
    repository = code.reader(ctx, found)
    commit = repository.commit(target.commit)
    message = text_of(commit, commit.message)
    return CommitDetail(
        project=summary(ctx, found, owner),
        id=target.commit,
        sha1=repository.sha1_of(target.commit).hex(),
        tree=commit.tree,
        author=signature_of(commit, commit.author),
        committer=signature_of(commit, commit.committer),
        subject=message.strip().partition("\n")[0],
        message=message,
        parents=[_parent(repository, id) for id in commit.parents],
        position=target.position,
        signed=any(name in (b"gpgsig", b"gpgsig-sha256") for name, _ in commit.headers),
    )


def _parent(repository: Repository, id: str) -> ParentCommit:
    return ParentCommit(id=id, sha1=repository.sha1_of(id).hex())
