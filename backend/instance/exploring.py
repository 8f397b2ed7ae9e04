"""Exploring: which projects are worth a look, a desk of one's own, and who somebody is."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlmodel import col, func, select

from backend.accounts.service import get_account
from backend.core.context import Context
from backend.core.operations import operation
from backend.instance import activity
from backend.instance.schemas import (
    ActiveProject,
    Affiliation,
    Cursor,
    Days,
    Desk,
    Exploration,
    HandleText,
    Limit,
    Profile,
)
from backend.organizations.models import Membership, Organization
from backend.projects import access
from backend.projects import service as projects
from backend.projects.models import Landing, Project
from backend.projects.schemas import LandingPage, ProjectSummary
from backend.sessions import access as session_access
from backend.sessions import service as sessions
from backend.sessions.models import Status, WorkSession
from backend.sessions.schemas import SessionSummary
from backend.sessions.service import list_waiting_sessions

FEW, MORE = 6, 12
DAYS, WEEKS = 30, 16
SPARK = 14

A_PAGE = {"rpc": "a page's summary; programs read the lists it is made of"}


@operation(scope="project:read", http="GET /api/v1/explore", left_out=A_PAGE, cost=5)
def explore_projects(ctx: Context) -> Exploration:
    """What goes on here: most landed in 30 days, landed last, made last, and what runs now."""
    most = activity.most_landed(ctx, since=ctx.now() - timedelta(days=DAYS), limit=MORE)
    found = dict(most)
    rows = {project.id: (project, owner) for project, owner in _rows(ctx, col(Project.id).in_(found))}
    last = activity.last_landed()
    active = _rows(ctx, last.is_not(None), order=last.desc(), limit=FEW)
    new = _rows(ctx, order=col(Project.created_at).desc(), limit=FEW)
    # Most of them stand in several of the lists, and what is said of each is asked for once.
    every = rows | {project.id: (project, owner) for project, owner in (*active, *new)}
    told = {each.id: each for each in projects.summaries(ctx, list(every.values()))}
    return Exploration(
        landed=_active(ctx, [told[id] for id in found], count=DAYS),
        active=_active(ctx, [told[project.id] for project, _ in active], count=SPARK),
        new=[told[project.id] for project, _ in new],
        live=_live(ctx, limit=MORE),
    )


@operation(scope="project:read", http="GET /api/v1/user/desk", anonymous=False, left_out=A_PAGE)
def get_desk(ctx: Context, *, brief: bool = False) -> Desk:
    """What waits for you, what runs for you, your projects, and what landed on them.

    `brief` leaves out what is counted by days and weeks, which is half of the work.
    """
    mine = access.belongs(ctx)
    author = col(WorkSession.author_id) == ctx.actor.id
    running = _sessions(ctx, author, col(WorkSession.status).in_(session_access.OPEN), limit=20)
    last = func.coalesce(activity.last_landed(), Project.created_at)
    own = projects.summaries(ctx, _rows(ctx, mine, order=last.desc(), limit=8))
    uncounted = Days(since=ctx.now().date(), counts=[])
    desk = Desk(
        waiting=list_waiting_sessions(ctx, limit=MORE).items,
        running=running,
        elsewhere=_live(ctx, ~author, limit=FEW),
        landed=activity.newest(ctx, mine, limit=10),
        projects=[ActiveProject(project=each, landed=0, days=uncounted) for each in own],
        days=uncounted,
        week_landed=0,
        week_by_agents=0,
    )
    if brief:
        return desk
    week = col(Landing.at) >= ctx.now() - timedelta(days=7)
    desk.projects = _active(ctx, own, count=SPARK)
    desk.days = activity.days(ctx, col(Landing.author) == ctx.actor.handle, weeks=WEEKS)
    desk.week_landed = _count(ctx, mine, week)
    desk.week_by_agents = _count(ctx, mine, week, col(Landing.agent) != "")
    return desk


@operation(scope=None, http="GET /api/v1/users/{handle}/profile", left_out=A_PAGE, cost=2)
def get_profile(ctx: Context, *, handle: HandleText) -> Profile:
    """A person's page: what they say of themselves, organizations you share, and what they landed."""
    account = get_account(ctx, handle=handle)
    days = activity.days(ctx, col(Landing.author) == account.handle, weeks=WEEKS)
    shared = _affiliations(ctx, account.id)
    return Profile(account=account, organizations=shared, days=days, landed=sum(days.counts))


@operation(
    scope="project:read",
    http="GET /api/v1/users/{handle}/landings",
    left_out={"rpc": "pages and feeds show it; `mic` lists landings by project"},
    cost=3,
)
def list_landings_of_account(
    ctx: Context, *, handle: HandleText, cursor: Cursor = "", limit: Limit = 30
) -> LandingPage:
    """What a person landed on the projects you may see, newest first."""
    account = get_account(ctx, handle=handle)
    return activity.page(ctx, col(Landing.author) == account.handle, cursor=cursor, limit=limit)


def _affiliations(ctx: Context, account: str) -> list[Affiliation]:
    """The shared organizations of somebody in which the asker is too."""
    if not ctx.actor.signed_in or ctx.actor.limits.get("project"):
        return []
    theirs = select(Membership.organization_id).where(Membership.account_id == account)
    mine = select(Membership.organization_id).where(Membership.account_id == ctx.actor.id)
    query = select(Organization).where(
        col(Organization.id).in_(theirs),
        col(Organization.id).in_(mine),
        col(Organization.personal).is_(False),
        col(Organization.deleted_at).is_(None),
    )
    found = ctx.db.exec(query.order_by(col(Organization.handle)))
    return [Affiliation(handle=each.handle, name=each.name or each.handle) for each in found]


def _rows(
    ctx: Context, *which: Any, order: Any = None, limit: int | None = None
) -> Sequence[tuple[Project, Organization]]:
    query = select(Project, Organization).join(
        Organization, col(Organization.id) == col(Project.organization_id)
    )
    query = query.where(access.visible(ctx), *which)
    if order is not None:
        query = query.order_by(order, col(Project.id).desc())
    return ctx.db.exec(query.limit(limit)).all()


def _active(ctx: Context, shown: Sequence[ProjectSummary], *, count: int) -> list[ActiveProject]:
    days = activity.days_of_each(ctx, {each.id: each.position for each in shown}, count=count)
    return [
        ActiveProject(project=each, landed=sum(days[each.id].counts), days=days[each.id]) for each in shown
    ]


def _live(ctx: Context, *which: Any, limit: int) -> list[SessionSummary]:
    return _sessions(ctx, col(WorkSession.status) == Status.ACTIVE, *which, limit=limit)


def _sessions(ctx: Context, *which: Any, limit: int) -> list[SessionSummary]:
    return sessions.page(ctx, *which, limit=limit).items


def _count(ctx: Context, *which: Any) -> int:
    query = select(func.count(func.distinct(Landing.landing))).join(
        Project, col(Project.id) == col(Landing.project)
    )
    return ctx.db.exec(query.where(access.visible(ctx), activity.own(), *which)).one()
