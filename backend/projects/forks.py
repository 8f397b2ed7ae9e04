"""Forks: a project that goes on where another stands, in the same pool, without copying anything."""

from backend.core.context import Context
from backend.core.operations import Mode, operation
from backend.organizations import access as organization_access
from backend.organizations.models import Role
from backend.projects import access, service
from backend.projects.creating import finish_creating, new_project
from backend.projects.schemas import HandleText, ProjectSummary


@operation(
    scope="project:write",
    http="POST /api/v1/projects/{organization}/{project}/forks",
    mode=Mode.STEPS,
    status=201,
    tool=True,
    rpc="ProjectService.ForkProject",
)
def fork_project(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    into: HandleText | None = None,
    handle: HandleText | None = None,
) -> ProjectSummary:
    """Fork a project you may read into an organization you belong to (your own unless told).

    The fork has the parent's history, refs and visibility, and the parent's handle unless another is
    given. Raises NotFound for what you may not see or are not in, ProjectTaken, InvalidInput.
    """
    with ctx.transaction() as tx:
        parent, origin = access.project(tx, organization, project)
        target = into or tx.actor.handle
        owner, _ = organization_access.organization(tx, target, at_least=Role.MEMBER)
        row = new_project(
            tx,
            owner,
            service.project_handle(handle or parent.handle),
            name=parent.name,
            description=parent.description,
            visibility=parent.visibility,
            parent=parent,
        )
        tx.audit("project.fork", f"{owner.handle}/{row.handle}", origin=f"{origin.handle}/{parent.handle}")
    finish_creating(ctx, row.id)
    with ctx.transaction(write=False) as tx:
        found, owner = access.project(tx, owner.handle, row.handle)
        return service.summary(tx, found, owner)
