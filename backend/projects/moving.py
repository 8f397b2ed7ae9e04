"""Moving: a project gets another handle or another owner, and its old addresses lead to it.

An address that was a project's once is never another's: links and clones keep their meaning.
"""

from backend.core.context import Context
from backend.core.errors import Conflict
from backend.core.operations import operation
from backend.organizations import access as organization_access
from backend.organizations.models import Organization, Role
from backend.projects import access
from backend.projects.about import ProjectChanged
from backend.projects.access import Ability
from backend.projects.creating import lead_here, settle_at
from backend.projects.models import Project
from backend.projects.schemas import HandleText, ProjectSummary
from backend.projects.service import project_handle, summary


@operation(
    scope="project:write",
    http="POST /api/v1/projects/{organization}/{project}/rename",
    rpc="ProjectService.RenameProject",
)
def rename_project(
    ctx: Context, *, organization: HandleText, project: HandleText, handle: HandleText
) -> ProjectSummary:
    """Give a project another handle; the old address leads to it. Admins only.

    Raises ProjectTaken, AddressKept, InvalidInput for a bad handle.
    """
    found, owner = access.project(ctx, organization, project, Ability.SETTINGS)
    return _move(ctx, found, owner, owner, project_handle(handle), "project.renamed")


@operation(
    scope="project:write",
    http="POST /api/v1/projects/{organization}/{project}/transfer",
    rpc="ProjectService.TransferProject",
)
def transfer_project(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    into: HandleText,
    handle: HandleText | None = None,
) -> ProjectSummary:
    """Give a project to an organization you belong to; the old address leads to it. Owners only.

    It keeps its handle unless another is given. Who may see and change it is decided by its new owner's
    members from then on.
    """
    found, owner = access.project(ctx, organization, project, Ability.DELETE)
    target, _ = organization_access.organization(ctx, into, at_least=Role.MEMBER)
    return _move(ctx, found, owner, target, project_handle(handle or found.handle), "project.transferred")


def _move(
    ctx: Context, found: Project, owner: Organization, target: Organization, handle: str, action: str
) -> ProjectSummary:
    old, new = f"{owner.handle}/{found.handle}", f"{target.handle}/{handle}"
    if old == new:
        raise Conflict(problem=f"{old} has that address already.")
    lead_here(ctx, found, [old])
    ctx.db.flush()
    found.organization_id, found.handle, found.updated_at = target.id, handle, ctx.now()
    ctx.db.add(found)
    settle_at(ctx, found, target)
    ctx.audit(action, new, old=old)
    ctx.emit(ProjectChanged(found.id, ctx.actor.id))
    ctx.ring(f"project:{found.id}")
    return summary(ctx, found, target)
