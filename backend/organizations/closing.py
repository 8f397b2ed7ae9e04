"""Closing: an organization ends once nothing is in it.

Its handle is never given to anybody else, so its row stays, with nothing in it.
"""

from pydantic import BaseModel
from sqlmodel import col, delete, select

from backend.core.context import Context
from backend.core.errors import Conflict, InvalidInput
from backend.core.operations import operation
from backend.invitations.service import forget_invitations
from backend.organizations import access
from backend.organizations.facts import OwnerChanged
from backend.organizations.models import Membership, Role
from backend.organizations.schemas import HandleText
from backend.projects.collaborators import people_only
from backend.projects.models import Project, ProjectState


class NotEmpty(Conflict):
    """Projects would be left without anybody."""

    code = "organization.not_empty"
    message = "{organization} has projects: {projects}. Transfer or delete them first."


class ClosedOrganization(BaseModel):
    """An organization that is no more; its handle stays taken."""

    handle: str


@operation(
    scope="org:admin",
    http="DELETE /api/v1/orgs/{organization}",
    rpc="OrganizationService.DeleteOrganization",
)
def delete_organization(ctx: Context, *, organization: HandleText, confirm: HandleText) -> ClosedOrganization:
    """Delete an organization that has no projects, for good. Owners only; `confirm` is its handle again.

    Raises NotEmpty. Projects deleted before can no longer be restored.
    """
    found, _ = access.shared(ctx, organization, at_least=Role.OWNER, locked=True)
    people_only(ctx)
    if confirm.strip().lower() != found.handle:
        raise InvalidInput(problem=f"Type {found.handle} to confirm.")
    left = ctx.db.exec(select(Project).where(Project.organization_id == found.id)).all()
    here = [each.handle for each in left if each.state not in (ProjectState.DELETED, ProjectState.ERASED)]
    if here:
        shown = ", ".join(sorted(here)[:5]) + (f" and {len(here) - 5} more" if len(here) > 5 else "")
        raise NotEmpty(organization=found.handle, projects=shown)
    forget_invitations(ctx, target=found.id)
    ctx.db.exec(delete(Membership).where(col(Membership.organization_id) == found.id))
    ctx.audit("organization.deleted", found.handle)
    found.name = found.description = ""
    found.deleted_at = ctx.now()
    ctx.db.add(found)
    ctx.emit(OwnerChanged(found.id))
    return ClosedOrganization(handle=found.handle)
