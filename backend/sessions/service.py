"""Sessions: start one, find it, follow it, give it up."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ColumnElement, and_, or_, true
from sqlmodel import col, select

from backend.accounts.models import Account
from backend.core.context import SYSTEM, Context
from backend.core.errors import InvalidInput, Unauthenticated
from backend.core.operations import operation
from backend.organizations.models import Organization
from backend.projects import access as project_access
from backend.projects import code
from backend.projects.access import Ability
from backend.projects.models import Project
from backend.projects.schemas import ChangeStatus, Cursor, FileChange, HandleText, Limit, Said, Since
from backend.sessions import access, live
from backend.sessions.access import Deed
from backend.sessions.models import SessionFile, Status, WorkSession
from backend.sessions.redaction import redact
from backend.sessions.schemas import (
    EventIn,
    Goal,
    PlanStep,
    SessionDetail,
    SessionPage,
    SessionRef,
    SessionSummary,
)
from vcs.objects import new_id
from vcs.paths import quote
from vcs.session import Decision, Note

Agent = Annotated[str, Field(max_length=100)]

LARGEST_METADATA = 16 * 1024


@operation(
    scope="session:write",
    http="POST /api/v1/sessions",
    tool=True,
    rpc="SessionService.StartSession",
)
def start_session(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    goal: Goal,
    agent: Agent = "",
    model: Agent = "",
    metadata: dict[str, Any] | None = None,
    base_position: Annotated[int, Field(ge=0, lt=code.MOST)] | None = None,
) -> SessionDetail:
    """Start a session with a goal, standing on a position of the trunk (the newest unless told).

    `agent` and `model` say which tool does the work, when one does.
    """
    found, owner = project_access.project(ctx, organization, project, Ability.PROPOSE)
    target = code.resolve(ctx, found, "HEAD" if base_position is None else f"@{base_position}")
    now = ctx.now()
    row = WorkSession(
        id=new_id(),
        project_id=found.id,
        author_id=ctx.actor.id,
        goal=redact(goal.strip()),
        agent=agent,
        model=model,
        metadata_=live.clean(metadata or {}, "metadata", LARGEST_METADATA),
        base_position=target.position or 0,
        base_commit=target.commit,
        base_tree=target.tree,
        started_at=now,
        updated_at=now,
    )
    ctx.db.add(row)
    ctx.db.flush()
    live.append(ctx, row, EventIn(kind="prompt", body={"text": row.goal, "role": "human"}))
    ctx.ring(f"project:{found.id}")
    return detail(ctx, row, found, owner)


@operation(
    scope="session:read",
    http="GET /api/v1/sessions/{session}",
    tool=True,
    rpc="SessionService.GetSession",
)
def get_session(ctx: Context, *, session: SessionRef) -> SessionDetail:
    """One session by its id or any unique beginning or end of it."""
    return detail(ctx, *access.session(ctx, session))


@operation(
    scope="session:read",
    http="GET /api/v1/projects/{organization}/{project}/sessions",
    tool=True,
    rpc="SessionService.ListSessions",
)
def list_sessions(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    status: Status | None = None,
    cursor: Cursor = "",
    limit: Limit = 50,
    updated_since: Since | None = None,
) -> SessionPage:
    """Sessions of a project that you may see, newest first. With `updated_since` those in which something
    happened then or later.
    """
    found, _ = project_access.project(ctx, organization, project)
    condition = and_(col(WorkSession.project_id) == found.id, _since(updated_since))
    return page(ctx, condition, status=status, cursor=cursor, limit=limit)


@operation(
    scope="session:read",
    http="GET /api/v1/user/sessions",
    anonymous=False,
    rpc="SessionService.ListMySessions",
)
def list_my_sessions(
    ctx: Context,
    *,
    status: Status | None = None,
    cursor: Cursor = "",
    limit: Limit = 50,
    updated_since: Since | None = None,
) -> SessionPage:
    """Your own sessions in all projects, newest first. With `updated_since` those in which something
    happened then or later.
    """
    if not ctx.actor.signed_in:
        raise Unauthenticated
    condition = and_(col(WorkSession.author_id) == ctx.actor.id, _since(updated_since))
    return page(ctx, condition, status=status, cursor=cursor, limit=limit)


@operation(
    scope="session:read",
    http="GET /api/v1/user/sessions/waiting",
    anonymous=False,
    left_out={"rpc": "`mic` has no inbox; pages show what waits"},
)
def list_waiting_sessions(ctx: Context, *, cursor: Cursor = "", limit: Limit = 50) -> SessionPage:
    """Sessions of others that wait for a review and that you may land, newest first. A page may be short,
    and `next` still goes on.
    """
    if not ctx.actor.signed_in:
        raise Unauthenticated
    found = page(
        ctx,
        project_access.belongs(ctx),
        col(Project.archived).is_(False),
        or_(col(WorkSession.author_id) != ctx.actor.id, col(WorkSession.author_id).is_(None)),
        status=Status.PENDING_REVIEW,
        cursor=cursor,
        limit=limit,
    )
    return SessionPage(items=[each for each in found.items if _may_land(ctx, each.id)], next=found.next)


@operation(
    scope="session:write",
    http="POST /api/v1/sessions/{session}/abandon",
    tool=True,
    rpc="SessionService.AbandonSession",
)
def abandon_session(
    ctx: Context, *, session: SessionRef, reason: Annotated[str, Field(max_length=2000)] = ""
) -> SessionDetail:
    """Give a session up. What it changed stays readable; nothing of it lands."""
    found, project, owner = access.session(ctx, session, Deed.ABANDON, locked=True)
    access.at_rest(found)
    event = EventIn(kind="status", body={"state": "abandoned", "text": reason})
    live.append_all(ctx, found, [event], bounded=False)
    found.status = Status.ABANDONED
    found.ended_at = ctx.now()
    ctx.db.add(found)
    ctx.ring(f"project:{project.id}")
    return detail(ctx, found, project, owner)


def detail(ctx: Context, row: WorkSession, project: Project, owner: Organization) -> SessionDetail:
    """A session with what was said and changed."""
    state = live.state(ctx, row.id)
    plan = [PlanStep(text=step.text, state=step.state) for step in state.plan]
    return SessionDetail(
        **summary(ctx, row, project, owner).model_dump(),
        metadata=row.metadata_,
        conversation=[_said(note) for note in state.conversation[1:]],
        decisions=[_said(decision) for decision in state.decisions],
        plan=plan,
        progress=state.progress,
        changes=changes(ctx, row),
        may=[deed.value for deed in access.may(ctx, row, project)],
    )


def summary(ctx: Context, row: WorkSession, project: Project, owner: Organization) -> SessionSummary:
    """The shape doors show."""
    author = ctx.db.get(Account, row.author_id) if row.author_id else None
    return _summary(ctx, row, project, owner, author)


def _summary(
    ctx: Context, row: WorkSession, project: Project, owner: Organization, account: Account | None
) -> SessionSummary:
    author = account.handle if account else row.author_handle or SYSTEM.handle
    name = account.name if account else row.author_name or ("" if row.author_handle else SYSTEM.name)
    return SessionSummary(
        id=row.id,
        short_id=access.short(row.id),
        organization=owner.handle,
        project=project.handle,
        goal=row.goal,
        status=row.status,
        landing=row.landing,
        author=author,
        author_name=name or author,
        agent=row.agent,
        model=row.model,
        base_position=row.base_position,
        base_commit=row.base_commit,
        base_tree=row.base_tree,
        revision=row.revision,
        files=row.files,
        additions=row.additions,
        deletions=row.deletions,
        events=row.events,
        summary=row.summary,
        landed_position=row.landed_position,
        started_at=row.started_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
        url=f"{ctx.forge.settings.public_url}/{owner.handle}/{project.handle}/sessions/{row.id}",
    )


def _may_land(ctx: Context, id: str) -> bool:
    row, project, _ = access.session(ctx, id)
    return Deed.LAND in access.may(ctx, row, project)


def changes(ctx: Context, row: WorkSession) -> list[FileChange]:
    """The paths a session changes, in order, as counted when they were pushed."""
    query = select(SessionFile).where(SessionFile.session_id == row.id).order_by(col(SessionFile.path))
    return [
        FileChange(
            path=quote(file.path),
            status=ChangeStatus(file.status),
            new_mode=file.mode,
            new=file.blob,
            additions=file.additions,
            deletions=file.deletions,
            binary=file.binary,
        )
        for file in ctx.db.exec(query).all()
    ]


def _since(moment: datetime | None) -> ColumnElement[bool]:
    return true() if moment is None else col(WorkSession.updated_at) >= moment


def page(
    ctx: Context, *which: Any, status: Status | None = None, cursor: str = "", limit: int
) -> SessionPage:
    """Sessions that the asker may see and for which all of `which` holds, newest first."""
    query = (
        select(WorkSession, Project, Organization)
        .join(Project, col(Project.id) == col(WorkSession.project_id))
        .join(Organization, col(Organization.id) == col(Project.organization_id))
        .where(access.visible(ctx), *which)
    )
    if status is not None:
        query = query.where(WorkSession.status == status)
    if cursor:
        if not set(cursor) <= set("0123456789abcdef-"):
            raise InvalidInput(problem=f"{cursor!r} is not a cursor: it is the `next` of an earlier page.")
        query = query.where(WorkSession.id < cursor)
    rows = ctx.db.exec(query.order_by(col(WorkSession.id).desc()).limit(limit + 1)).all()
    query = select(Account).where(col(Account.id).in_({row.author_id for row, _, _ in rows}))
    authors = {account.id: account for account in ctx.db.exec(query)}
    items = [
        _summary(ctx, row, project, owner, authors[row.author_id] if row.author_id else None)
        for row, project, owner in rows[:limit]
    ]
    return SessionPage(items=items, next=items[-1].id if len(rows) > limit else None)


def _said(note: Note | Decision) -> Said:
    return Said(role=note.role.value, author=note.actor, text=note.text, at=note.time)
