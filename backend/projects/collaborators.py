"""Collaborators: people who were let in to one project, and to nothing else of its organization.

They come by invitation (`backend.invitations`). What each role may do is in the permission table of
`access`; admins of the project, collaborating ones too, look after the list, and anybody may leave.
"""

from datetime import datetime

from pydantic import BaseModel
from sqlmodel import col, delete, select

from backend.accounts.models import Account
from backend.core.bell import reach_of
from backend.core.context import Context, Via
from backend.core.errors import Forbidden, Kind, MicelioError
from backend.core.operations import operation
from backend.organizations.models import Organization
from backend.projects import access
from backend.projects.access import Ability, Standing
from backend.projects.models import Collaborator, CollaboratorRole, Project
from backend.projects.schemas import Cursor, HandleText, Limit


class NoCollaborator(MicelioError):
    """Nobody of that handle collaborates here; whether there is such an account stays unsaid."""

    kind = Kind.NOT_FOUND
    code = "collaborator.missing"
    message = "{handle} is no collaborator of {address}. Invite them: mic project invite {address} {handle}."


class CollaboratorSummary(BaseModel):
    """One account on one project."""

    organization: str
    project: str
    handle: str
    name: str
    role: CollaboratorRole
    added_at: datetime


class CollaboratorPage(BaseModel):
    """Collaborators by handle; `next` is the cursor of the following page."""

    items: list[CollaboratorSummary]
    next: str | None = None


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/collaborators",
    anonymous=False,
    rpc="ProjectService.ListCollaborators",
)
def list_collaborators(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    cursor: Cursor = "",
    limit: Limit = 50,
) -> CollaboratorPage:
    """List who collaborates on a project, for its members and collaborators."""
    found, owner = access.project(ctx, organization, project)
    if access.standing_of(ctx, found) < Standing.READER:
        raise Forbidden(problem=f"Only members and collaborators see who works on {_address(found, owner)}.")
    rows = ctx.db.exec(
        select(Collaborator, Account)
        .join(Account, col(Account.id) == col(Collaborator.account_id))
        .where(Collaborator.project_id == found.id, col(Account.handle) > cursor)
        .order_by(col(Account.handle))
        .limit(limit + 1)
    ).all()
    items = [_shown(found, owner, row, account) for row, account in rows[:limit]]
    return CollaboratorPage(items=items, next=items[-1].handle if len(rows) > limit else None)


@operation(
    scope="project:write",
    http="PUT /api/v1/projects/{organization}/{project}/collaborators/{handle}",
    rpc="ProjectService.UpdateCollaborator",
)
def update_collaborator(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    handle: HandleText,
    role: CollaboratorRole,
) -> CollaboratorSummary:
    """Give a collaborator another role: read, write or admin. Admins only."""
    found, owner = access.project(ctx, organization, project, Ability.SETTINGS)
    people_only(ctx)
    row, account = _collaborator(ctx, found, owner, handle)
    if row.role is not role:
        row.role = role
        ctx.db.add(row)
        ctx.audit(
            "collaborator.changed", _address(found, owner), collaborator=account.handle, role=role.value
        )
        ctx.ring(reach_of(account.id))
    return _shown(found, owner, row, account)


@operation(
    scope="project:write",
    http="DELETE /api/v1/projects/{organization}/{project}/collaborators/{handle}",
    rpc="ProjectService.RemoveCollaborator",
)
def remove_collaborator(
    ctx: Context, *, organization: HandleText, project: HandleText, handle: HandleText
) -> CollaboratorSummary:
    """Remove a collaborator, or leave; answers who that was. Admins remove others."""
    leaving = handle.lower() == ctx.actor.handle
    found, owner = access.project(ctx, organization, project, Ability.READ if leaving else Ability.SETTINGS)
    people_only(ctx)
    row, account = _collaborator(ctx, found, owner, handle)
    ctx.db.delete(row)
    ctx.db.flush()
    ctx.ring(reach_of(account.id))
    ctx.audit("collaborator.removed", _address(found, owner), collaborator=account.handle)
    return _shown(found, owner, row, account)


def join_project(ctx: Context, found: Project, account: Account, role: CollaboratorRole) -> None:
    """Let somebody in; who is in already keeps the stronger role."""
    row = ctx.db.get(Collaborator, (found.id, account.id))
    if row is None:
        row = Collaborator(project_id=found.id, account_id=account.id, role=role, added_at=ctx.now())
    elif list(CollaboratorRole).index(role) > list(CollaboratorRole).index(row.role):
        row.role = role
    ctx.db.add(row)


def role_on(ctx: Context, found: Project, account_id: str) -> CollaboratorRole | None:
    """As what an account collaborates on a project, if it does."""
    row = ctx.db.get(Collaborator, (found.id, account_id))
    return row.role if row else None


def end_collaborations(ctx: Context, *, account: str | None = None, project: str | None = None) -> None:
    """End all of an account's, or all on a project."""
    chosen = col(Collaborator.account_id) == account if account else col(Collaborator.project_id) == project
    ctx.db.exec(delete(Collaborator).where(chosen))


def people_only(ctx: Context) -> None:
    """Forbidden for an agent's token: who works where is decided by people."""
    if ctx.actor.via is Via.AGENT:
        raise Forbidden(problem="An agent's token does not decide who works here. Ask a person to.")


def _collaborator(
    ctx: Context, found: Project, owner: Organization, handle: str
) -> tuple[Collaborator, Account]:
    row = ctx.db.exec(
        select(Collaborator, Account)
        .join(Account, col(Account.id) == col(Collaborator.account_id))
        .where(Collaborator.project_id == found.id, Account.handle == handle.lower())
    ).first()
    if row is None:
        raise NoCollaborator(handle=handle.lower(), address=_address(found, owner))
    return row


def _address(found: Project, owner: Organization) -> str:
    return f"{owner.handle}/{found.handle}"


def _shown(found: Project, owner: Organization, row: Collaborator, account: Account) -> CollaboratorSummary:
    return CollaboratorSummary(
        organization=owner.handle,
        project=found.handle,
        handle=account.handle,
        name=account.name,
        role=row.role,
        added_at=row.added_at,
    )
