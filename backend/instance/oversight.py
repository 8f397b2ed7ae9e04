"""What administrators look after: who is here, what is hosted, what waits, what was done, what is wrong.

Only an administrator's browser, or a token with the scope `admin`, gets any of it. Private projects are
listed by their address and size; what is in them stays with their members.
"""

from datetime import datetime
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlmodel import col, func, select

from backend.accounts.models import Account, BrowserSession
from backend.core import jobs
from backend.core.audit import AuditRow
from backend.core.context import Context
from backend.core.errors import Forbidden
from backend.core.events import FactRow
from backend.core.operations import operation
from backend.instance import web
from backend.organizations.models import Membership, Organization
from backend.projects.models import Landing, Project, ProjectState, Visibility
from backend.sessions.models import Status, WorkSession

LEFT_OUT = {"rpc": "administrators look at it in a browser or over REST"}

Cursor = Annotated[str, Field(max_length=210)]
Limit = Annotated[int, Field(ge=1, le=100)]
Words = Annotated[str, Field(max_length=100)]


class HostedAccount(BaseModel):
    """An account as administrators see it. `seen_at` is when a browser of theirs last asked for something."""

    handle: str
    name: str
    email: str
    admin: bool
    created_at: datetime
    seen_at: datetime | None
    deleted: bool


class HostedAccounts(BaseModel):
    """Accounts by handle."""

    items: list[HostedAccount]
    next: str | None = None


class HostedOrganization(BaseModel):
    """A shared organization, and how many belong to it and are in it."""

    handle: str
    name: str
    members: int
    projects: int
    created_at: datetime


class HostedOrganizations(BaseModel):
    """Shared organizations by handle."""

    items: list[HostedOrganization]
    next: str | None = None


class HostedProject(BaseModel):
    """A project: where it is, who sees it, and how much landed."""

    address: str
    visibility: Visibility
    state: ProjectState
    archived: bool
    landings: int
    created_at: datetime


class HostedProjects(BaseModel):
    """Projects by address, those being made, imported and deleted too."""

    items: list[HostedProject]
    next: str | None = None


class JobSummary(BaseModel):
    """Something that happened, and who reacts to it; it waits while `relayed_at` is null. `problem` has a
    line for each reaction that failed for good: who it was, and why.
    """

    id: str
    kind: str
    reacts: list[str]
    at: datetime
    relayed_at: datetime | None
    problem: str = ""


class JobPage(BaseModel):
    """What waits and what was handed to workers, newest first; kept for a week after that."""

    waiting: int
    items: list[JobSummary]
    next: str | None = None


class AuditEntry(BaseModel):
    """One thing somebody did: by which means, from where, to what, and how."""

    id: str
    at: datetime
    actor: str
    via: str
    address: str
    action: str
    subject: str
    details: dict[str, Any]


class AuditPage(BaseModel):
    """What was done, newest first; `actions` are those there are to filter by."""

    items: list[AuditEntry]
    actions: list[str]
    next: str | None = None


class CheckState(StrEnum):
    """How one check ended."""

    OK = "ok"
    FAILED = "failed"


class HealthCheck(BaseModel):
    """One thing this instance needs; `problem` says what is wrong with it."""

    name: str
    state: CheckState
    problem: str = ""


class InstanceHealth(BaseModel):
    """Whether all works, and how much is here. `waiting_jobs` grows while no worker runs."""

    version: str
    revision: str
    checks: list[HealthCheck]
    waiting_jobs: int
    oldest_waiting: datetime | None
    accounts: int
    organizations: int
    projects: int
    open_sessions: int
    landings: int


@operation(scope="admin", http="GET /api/v1/admin/accounts", anonymous=False, left_out=LEFT_OUT)
def list_accounts(ctx: Context, *, q: Words = "", cursor: Cursor = "", limit: Limit = 50) -> HostedAccounts:
    """List accounts; with `q` those whose handle or e-mail address begins so. Administrators only."""
    _administrators_only(ctx)
    seen = select(func.max(BrowserSession.seen_at)).where(BrowserSession.account_id == Account.id)
    query = select(Account, seen.correlate(Account).scalar_subquery()).where(col(Account.handle) > cursor)
    if q:
        start = q.strip().lower()
        query = query.where(
            (func.substr(Account.handle, 1, len(start)) == start)
            | (func.substr(Account.email, 1, len(start)) == start)
        )
    rows = ctx.db.exec(query.order_by(col(Account.handle)).limit(limit + 1)).all()
    items = [
        HostedAccount(
            handle=row.handle,
            name=row.name,
            email="" if row.deleted_at else row.email,
            admin=row.admin,
            created_at=row.created_at,
            seen_at=seen_at,
            deleted=row.deleted_at is not None,
        )
        for row, seen_at in rows[:limit]
    ]
    return HostedAccounts(items=items, next=items[-1].handle if len(rows) > limit else None)


@operation(scope="admin", http="GET /api/v1/admin/organizations", anonymous=False, left_out=LEFT_OUT)
def list_hosted_organizations(ctx: Context, *, cursor: Cursor = "", limit: Limit = 50) -> HostedOrganizations:
    """List shared organizations with how many belong to them. Administrators only."""
    _administrators_only(ctx)
    members = select(func.count()).where(Membership.organization_id == Organization.id)
    hosted = select(func.count()).where(
        Project.organization_id == Organization.id, Project.state == ProjectState.READY
    )
    counts = (each.correlate(Organization).scalar_subquery() for each in (members, hosted))
    query = select(Organization, *counts).where(
        col(Organization.personal).is_(False),
        col(Organization.deleted_at).is_(None),
        col(Organization.handle) > cursor,
    )
    rows = ctx.db.exec(query.order_by(col(Organization.handle)).limit(limit + 1)).all()
    items = [
        HostedOrganization(
            handle=row.handle, name=row.name, members=count, projects=projects, created_at=row.created_at
        )
        for row, count, projects in rows[:limit]
    ]
    return HostedOrganizations(items=items, next=items[-1].handle if len(rows) > limit else None)


@operation(scope="admin", http="GET /api/v1/admin/projects", anonymous=False, left_out=LEFT_OUT)
def list_hosted_projects(ctx: Context, *, cursor: Cursor = "", limit: Limit = 50) -> HostedProjects:
    """List every project there is, private and deleted ones too. Administrators only."""
    _administrators_only(ctx)
    address = col(Organization.handle) + "/" + col(Project.handle)
    top = select(func.max(Landing.position)).where(Landing.project == Project.id)
    query = (
        select(Project, address, top.correlate(Project).scalar_subquery())
        .join(Organization, col(Organization.id) == col(Project.organization_id))
        .where(Project.state != ProjectState.ERASED, address > cursor)
    )
    rows = ctx.db.exec(query.order_by(address).limit(limit + 1)).all()
    items = [
        HostedProject(
            address=named,
            visibility=row.visibility,
            state=row.state,
            archived=row.archived,
            landings=position or 0,
            created_at=row.created_at,
        )
        for row, named, position in rows[:limit]
    ]
    return HostedProjects(items=items, next=items[-1].address if len(rows) > limit else None)


@operation(scope="admin", http="GET /api/v1/admin/jobs", anonymous=False, left_out=LEFT_OUT)
def list_jobs(
    ctx: Context, *, waiting: bool = False, failed: bool = False, cursor: Cursor = "", limit: Limit = 50
) -> JobPage:
    """List what workers were told of, or only what waits for one or what failed. Administrators only."""
    _administrators_only(ctx)
    query = select(FactRow)
    if waiting:
        query = query.where(col(FactRow.relayed_at).is_(None))
    if failed:
        query = query.where(FactRow.problem != "")
    if cursor:
        query = query.where(FactRow.id < cursor)
    rows = ctx.db.exec(query.order_by(col(FactRow.id).desc()).limit(limit + 1)).all()
    reacts: dict[str, list[str]] = {}
    for each in jobs.subscribers().values():
        reacts.setdefault(each.kind, []).append(each.name)
    items = [
        JobSummary(
            id=row.id,
            kind=row.kind,
            reacts=reacts.get(row.kind, []),
            at=row.at,
            relayed_at=row.relayed_at,
            problem=row.problem,
        )
        for row in rows[:limit]
    ]
    count, _ = _waiting(ctx)
    return JobPage(waiting=count, items=items, next=items[-1].id if len(rows) > limit else None)


@operation(scope="admin", http="GET /api/v1/admin/audit", anonymous=False, left_out=LEFT_OUT)
def list_audit(
    ctx: Context, *, action: Words = "", actor: Words = "", cursor: Cursor = "", limit: Limit = 50
) -> AuditPage:
    """List what was done, newest first; of one action or by one person if asked. Administrators only."""
    _administrators_only(ctx)
    query = select(AuditRow)
    if action:
        query = query.where(AuditRow.action == action)
    if actor:
        query = query.where(AuditRow.actor == actor.strip().lower())
    if cursor:
        query = query.where(AuditRow.id < cursor)
    rows = ctx.db.exec(query.order_by(col(AuditRow.id).desc()).limit(limit + 1)).all()
    items = [AuditEntry(**row.model_dump(exclude={"actor_id"})) for row in rows[:limit]]
    actions = ctx.db.exec(select(AuditRow.action).distinct().order_by(col(AuditRow.action))).all()
    return AuditPage(items=items, actions=list(actions), next=items[-1].id if len(rows) > limit else None)


@operation(scope="admin", http="GET /api/v1/admin/health", anonymous=False, left_out=LEFT_OUT)
def get_instance_health(ctx: Context) -> InstanceHealth:
    """Say whether what this instance needs works, and how much is here. Administrators only."""
    # Takes a sixth of what every process imports, and only whoever upgrades or asks this needs it.
    from backend.core import migrate

    _administrators_only(ctx)
    waiting, oldest = _waiting(ctx)
    return InstanceHealth(
        version=version("micelio"),
        revision=migrate.current(ctx.forge.db) or "",
        checks=[
            HealthCheck(name=name, state=CheckState.OK)
            if state == "ok"
            else HealthCheck(name=name, state=CheckState.FAILED, problem=state)
            for name, state in web.readiness(ctx.forge).items()
        ],
        waiting_jobs=waiting,
        oldest_waiting=oldest,
        accounts=_count(ctx, Account, col(Account.deleted_at).is_(None)),
        organizations=_count(
            ctx, Organization, col(Organization.personal).is_(False), col(Organization.deleted_at).is_(None)
        ),
        projects=_count(ctx, Project, Project.state == ProjectState.READY),
        open_sessions=_count(
            ctx, WorkSession, col(WorkSession.status).in_([Status.ACTIVE, Status.PENDING_REVIEW])
        ),
        landings=_count(ctx, Landing),
    )


def _administrators_only(ctx: Context) -> None:
    if not ctx.actor.admin:
        raise Forbidden(problem="Only administrators of this instance see that.")


def _waiting(ctx: Context) -> tuple[int, datetime | None]:
    row = ctx.db.exec(
        select(func.count(), func.min(FactRow.at)).where(col(FactRow.relayed_at).is_(None))
    ).one()
    return row[0], row[1]


def _count(ctx: Context, model: Any, *which: Any) -> int:
    return ctx.db.exec(select(func.count()).select_from(model).where(*which)).one()
