"""Landings of a project: the list, one with its why, and what it changed."""

from sqlmodel import col, select

from backend.accounts.models import Account
from backend.core.context import SYSTEM, Context
from backend.core.errors import InvalidInput, NotFound
from backend.core.operations import operation
from backend.organizations.models import Organization
from backend.projects import access, code, counting, diffs, history
from backend.projects.access import Ability
from backend.projects.models import Landing, Project
from backend.projects.schemas import (
    Cursor,
    DiffPage,
    FileChange,
    HandleText,
    LandingDetail,
    LandingPage,
    LandingSummary,
    Limit,
    PathText,
    RefText,
    Said,
    Since,
)
from vcs.objects import EMPTY_TREE, parse_time
from vcs.paths import unquote


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/landings",
    tool=True,
    rpc="ProjectService.ListLandings",
    cost=3,
)
def list_landings(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    cursor: Cursor = "",
    limit: Limit = 50,
    path: PathText = "",
    updated_since: Since | None = None,
) -> LandingPage:
    """What landed on the trunk, newest first; `cursor` is a position to go on below. With a `path` only
    what changed that file or folder: such a page may be short, and `next` still goes on. With
    `updated_since` only what landed then or later.
    """
    found, owner = access.project(ctx, organization, project)
    query = select(Landing).where(Landing.project == found.id)
    below = code.MOST - 1
    if cursor:
        if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 15:
            raise InvalidInput(problem=f"{cursor!r} is not a cursor: it is the `next` of an earlier page.")
        below = min(int(cursor), below)
        query = query.where(Landing.position < below)
    further = None
    if raw := unquote(path).strip(b"/"):
        positions, further = history.changes_of(ctx, found, raw, below=below, limit=limit)
        query = query.where(col(Landing.position).in_(positions))
    if updated_since is not None:
        query = query.where(Landing.at >= updated_since)
    rows = ctx.db.exec(query.order_by(col(Landing.position).desc()).limit(limit + 1)).all()
    authors = ctx.db.exec(select(Account).where(col(Account.handle).in_({row.author for row in rows})))
    names = {account.handle: account.name for account in authors}
    items = [
        _summary(
            ctx, row, found, owner, names[row.author] if row.author in names else _name_told(ctx, found, row)
        )
        for row in rows[:limit]
    ]
    if len(rows) > limit:
        further = items[-1].position
    return LandingPage(items=items, next=str(further) if further else None)


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/landings/{position}",
    tool=True,
    rpc="ProjectService.GetLanding",
)
def get_landing(
    ctx: Context, *, organization: HandleText, project: HandleText, position: int
) -> LandingDetail:
    """One landing with the conversation and decisions it came of, and the paths it changed."""
    found, owner = access.project(ctx, organization, project)
    row = _row(ctx, found, position)
    repository = code.reader(ctx, found)
    recorded = code.record_at(repository, row.sequence)
    if recorded is None:
        raise NotFound(what=f"record of landing {position}")
    record, record_id = recorded
    told = code.told(repository, record)
    before, previous = _before(ctx, row)
    names = _names(ctx, told)
    started = told.get("started_at")
    return LandingDetail(
        **summary(ctx, row, found, owner).model_dump(),
        previous=previous,
        record=record_id,
        sequence=row.sequence,
        model=told.get("model", ""),
        started_at=parse_time(started) if started else None,
        conversation=[_said(note, names) for note in told.get("conversation", [])],
        decisions=[_said(note, names) for note in told.get("decisions", [])],
        changes=diffs.file_changes(repository, before, row.tree),
        may=[ability.value for ability in access.abilities(ctx, found) if ability is not Ability.DELETE],
    )


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/landings/{position}/diff",
    left_out={"rpc": "CompareRefs says it too, with two positions"},
    cost=10,
)
def get_landing_diff(
    ctx: Context, *, organization: HandleText, project: HandleText, position: int
) -> DiffPage:
    """What a landing changed, hunk by hunk, against the position before it."""
    found, _ = access.project(ctx, organization, project)
    row = _row(ctx, found, position)
    before, _previous = _before(ctx, row)
    return diffs.page(code.reader(ctx, found), before, row.tree)


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/compare",
    rpc="ProjectService.CompareRefs",
    cost=10,
)
def compare_refs(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    old: RefText,
    new: RefText = "HEAD",
    path: PathText = "",
) -> DiffPage:
    """What differs between two refs, hunk by hunk; `path` limits it to a file or folder."""
    found, _ = access.project(ctx, organization, project)
    left, right = code.resolve(ctx, found, old), code.resolve(ctx, found, new)
    paths = [unquote(path).strip(b"/")] if path.strip("/") else []
    return diffs.page(code.reader(ctx, found), left.tree, right.tree, paths=paths)


def summary(ctx: Context, row: Landing, project: Project, owner: Organization) -> LandingSummary:
    """The shape doors show. The author is whose session it was, whoever landed it."""
    account = ctx.db.exec(select(Account).where(Account.handle == row.author)).first()
    return _summary(ctx, row, project, owner, account.name if account else _name_told(ctx, project, row))


def _name_told(ctx: Context, project: Project, row: Landing) -> str:
    """The name of an author who has no account here, as the log tells it."""
    if row.author in ("", SYSTEM.handle):
        return ""
    reader = code.reader(ctx, project)
    recorded = code.record_at(reader, row.sequence)
    name = _names(ctx, code.told(reader, recorded[0])).get(row.author) if recorded else ""
    return str(name or "")


def _summary(
    ctx: Context, row: Landing, project: Project, owner: Organization, author_name: str
) -> LandingSummary:
    added, removed = counting.lines(ctx, project, row)
    return LandingSummary(
        organization=owner.handle,
        project=project.handle,
        position=row.position,
        commit=row.commit,
        tree=row.tree,
        sha1=row.sha1,
        landing=row.landing,
        session=row.session,
        goal=row.goal,
        summary=row.summary,
        author=row.author,
        author_name=author_name or row.author,
        agent=row.agent,
        files=row.files,
        additions=added,
        deletions=removed,
        landed_at=row.at,
        written_by=row.written_by,
        written_at=row.written_at,
        url=f"{ctx.forge.settings.public_url}/{owner.handle}/{project.handle}/landings/{row.position}",
    )


def changed_paths(ctx: Context, project: Project, row: Landing) -> list[FileChange]:
    """The paths a landing changed."""
    before, _ = _before(ctx, row)
    return diffs.file_changes(code.reader(ctx, project), before, row.tree)


def _row(ctx: Context, project: Project, position: int) -> Landing:
    row = ctx.db.get(Landing, (project.id, position)) if 0 < position < code.MOST else None
    if row is None:
        raise NotFound(what=f"landing {position} in this project")
    return row


def _before(ctx: Context, row: Landing) -> tuple[str, str | None]:
    before = ctx.db.get(Landing, (row.project, row.position - 1))
    return (before.tree, before.commit) if before else (EMPTY_TREE, None)


def _names(ctx: Context, told: dict[str, object]) -> dict[str, str]:
    authors = told.get("authors")
    return authors if isinstance(authors, dict) else {}


def _said(note: dict[str, str], names: dict[str, str]) -> Said:
    return Said(
        role=note.get("role", "human"),
        author=names.get(note.get("actor", ""), note.get("actor", "")),
        text=note.get("text", ""),
        at=parse_time(note["at"]),
    )
