"""What somebody is invited to: an organization or one project; and who may invite there.

An invitation holds only as long as whoever sent it may still send it, so that nobody lets others
in after they were shown out themselves.
"""

from dataclasses import dataclass

from sqlmodel import select

from backend.accounts.models import Account
from backend.core.context import Context
from backend.invitations.models import TeamInvitation
from backend.invitations.schemas import InvitationState
from backend.organizations import access as organization_access
from backend.organizations.access import RANK
from backend.organizations.models import Organization, Role
from backend.organizations.service import join_organization
from backend.projects import access as project_access
from backend.projects.collaborators import join_project
from backend.projects.models import CollaboratorRole, Project, ProjectState


@dataclass(frozen=True)
class Target:
    """An organization, or one project of it."""

    organization: Organization
    project: Project | None = None

    @property
    def address(self) -> str:
        """How people write it."""
        return (
            f"{self.organization.handle}/{self.project.handle}" if self.project else self.organization.handle
        )

    def may_be_given(self, ctx: Context, account_id: str, role: str) -> bool:
        """Whether an account may invite to it in a role."""
        if self.project is not None:
            standing = project_access.standing_of_account(ctx, self.project, account_id)
            return standing >= project_access.Standing.ADMIN
        own = organization_access.role_of(ctx, self.organization, account_id)
        needed = Role.OWNER if role == Role.OWNER else Role.ADMIN
        return own is not None and RANK[own] >= RANK[needed]

    def admit(self, ctx: Context, account: Account, role: str) -> None:
        """Let somebody in."""
        if self.project is not None:
            join_project(ctx, self.project, account, CollaboratorRole(role))
        else:
            join_organization(ctx, self.organization, account, Role(role))


def target_of(ctx: Context, row: TeamInvitation, *, locked: bool = False) -> Target | None:
    """What an invitation is to; None once that is gone. `locked` keeps it as it is for this transaction."""
    project = None
    if row.project_id is not None:
        query = select(Project).where(Project.id == row.project_id)
        project = ctx.db.exec(query.with_for_update() if locked else query).first()
        if project is None or project.state is not ProjectState.READY:
            return None
    query = select(Organization).where(
        Organization.id == (project.organization_id if project else row.organization_id)
    )
    organization = ctx.db.exec(query.with_for_update() if locked and project is None else query).first()
    return Target(organization, project) if organization else None


def state_of(ctx: Context, row: TeamInvitation, target: Target) -> InvitationState:
    """Whether it can be accepted now."""
    if row.expires_at <= ctx.now():
        return InvitationState.EXPIRED
    stands = target.may_be_given(ctx, row.invited_by, row.role)
    return InvitationState.WAITING if stands else InvitationState.LAPSED
