"""Forks: a project that goes on where another stands, in the same pool, without copying anything.

Who may read a project may fork it. What is made of a private one is private, and stays so as long as
that is; whoever belongs to the organization it is put into reads it there.
"""

from backend.core.context import Context
from backend.core.operations import Mode, operation
from backend.organizations import access as organization_access
from backend.organizations.models import Role
from backend.projects import access, service
from backend.projects.creating import finish_creating, new_project
from backend.projects.models import Project
from backend.projects.schemas import Cursor, HandleText, Limit, ProjectPage, ProjectSummary


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


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/forks",
    rpc="ProjectService.ListForks",
)
def list_forks(
    ctx: Context, *, organization: HandleText, project: HandleText, cursor: Cursor = "", limit: Limit = 50
) -> ProjectPage:
    """The forks of a project that you may see, by address."""
    parent, _ = access.project(ctx, organization, project)
    return service.page(ctx, cursor, limit, Project.forked_from == parent.id)
