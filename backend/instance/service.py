"""What happens on this instance now, as far as the asker may see it."""

from datetime import datetime

from pydantic import BaseModel
from sqlmodel import col, or_, select

from backend.core.config import Signup
from backend.core.context import Context
from backend.core.operations import operation
from backend.organizations.models import Organization
from backend.projects import access as project_access
from backend.projects import landings
from backend.projects import service as projects
from backend.projects.models import Landing, Project, Proposers
from backend.projects.schemas import LandingSummary, ProjectSummary
from backend.sessions import service as sessions
from backend.sessions.models import Status, WorkSession
from backend.sessions.schemas import SessionSummary

SHOWN = 8
PULSES = 40


class Pulse(BaseModel):
    """One landing anywhere: when, whether an agent wrote it, and how many lines it changed."""

    at: datetime
    by_agent: bool
    lines: int


class Overview(BaseModel):
    """The newest of everything: running sessions, landings, projects; at most eight each.

    `pulses` are the last forty landings, newest first.
    """

    live: list[SessionSummary]
    landed: list[LandingSummary]
    projects: list[ProjectSummary]
    pulses: list[Pulse]


class InstanceSummary(BaseModel):
    """What somebody must know before they have an account. `signup` is open, invite or closed."""

    name: str
    url: str
    signup: Signup
    sends_mail: bool


@operation(
    scope=None, http="GET /api/v1/instance", left_out={"rpc": "`mic` reads /.well-known/micelio instead"}
)
def get_instance(ctx: Context) -> InstanceSummary:
    """Say how one gets an account here."""
    settings = ctx.forge.settings
    return InstanceSummary(
        name=settings.host,
        url=settings.public_url,
        signup=settings.signup,
        sends_mail=bool(settings.smtp.host),
    )


@operation(
    scope="project:read",
    http="GET /api/v1/overview",
    left_out={"rpc": "a page's summary; programs read the lists it is made of"},
)
def get_overview(ctx: Context) -> Overview:
    """What grows and what landed on the projects you may see, newest first."""
    seen = project_access.visible(ctx)
    joined = (
        select(WorkSession, Project, Organization)
        .join(Project, col(Project.id) == col(WorkSession.project_id))
        .join(Organization, col(Organization.id) == col(Project.organization_id))
    )
    shared = col(Project.session_visibility) == Proposers.ANYONE
    mine = or_(shared, col(WorkSession.author_id) == ctx.actor.id) if ctx.actor.signed_in else shared
    live = ctx.db.exec(
        joined.where(seen, mine, WorkSession.status == Status.ACTIVE)
        .order_by(col(WorkSession.id).desc())
        .limit(SHOWN)
    ).all()
    landed = ctx.db.exec(
        select(Landing, Project, Organization)
        .join(Project, col(Project.id) == col(Landing.project))
        .join(Organization, col(Organization.id) == col(Project.organization_id))
        .where(seen)
        .order_by(col(Landing.at).desc(), col(Landing.position).desc())
        .limit(SHOWN)
    ).all()
    newest = ctx.db.exec(
        select(Project, Organization)
        .join(Organization, col(Organization.id) == col(Project.organization_id))
        .where(seen)
        .order_by(col(Project.updated_at).desc())
        .limit(SHOWN)
    ).all()
    pulses = ctx.db.exec(
        select(Landing.at, Landing.agent, Landing.additions, Landing.deletions)
        .join(Project, col(Project.id) == col(Landing.project))
        .where(seen)
        .order_by(col(Landing.at).desc(), col(Landing.position).desc())
        .limit(PULSES)
    ).all()
    return Overview(
        live=[sessions.summary(ctx, *row) for row in live],
        landed=[landings.summary(ctx, *row) for row in landed],
        projects=projects.summaries(ctx, newest),
        pulses=[
            Pulse(at=at, by_agent=bool(agent), lines=added + deleted) for at, agent, added, deleted in pulses
        ],
    )
