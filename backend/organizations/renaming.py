"""Renaming: an organization gets another handle, and its old addresses lead to it.

A handle that was an organization's once is never given to anybody else; only the organization itself
can have it back.
"""

from backend.accounts.handles import check_handle, claim_handle
from backend.accounts.models import Owner
from backend.core.context import Context
from backend.core.errors import Conflict
from backend.core.operations import operation
from backend.organizations import access
from backend.organizations.facts import OrganizationRenamed, OwnerChanged
from backend.organizations.models import Role
from backend.organizations.schemas import HandleText, OrganizationSummary
from backend.organizations.service import summary
from backend.projects.collaborators import people_only
from backend.projects.creating import follow_owner


@operation(
    scope="org:admin",
    http="POST /api/v1/orgs/{organization}/rename",
    rpc="OrganizationService.RenameOrganization",
)
def rename_organization(ctx: Context, *, organization: HandleText, handle: HandleText) -> OrganizationSummary:
    """Give an organization another handle; the old addresses of it and its projects lead there. Owners only.

    Raises BadHandle, HandleTaken; AddressKept when it comes back to a handle that it had, and a project
    of it stands where another one was.
    """
    found, role = access.shared(ctx, organization, at_least=Role.OWNER, locked=True)
    people_only(ctx)
    old, new = found.handle, check_handle(handle)
    if old == new:
        raise Conflict(problem=f"{old} has that handle already.")
    claim_handle(ctx, new, owner=Owner.ORGANIZATION, owner_id=found.id)
    found.handle = new
    ctx.db.add(found)
    follow_owner(ctx, found, old)
    ctx.audit("organization.renamed", new, old=old)
    ctx.emit(OrganizationRenamed(found.id, ctx.actor.id))
    ctx.emit(OwnerChanged(found.id))
    return summary(ctx, found, role)
