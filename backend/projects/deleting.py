"""Deleting: a project is out of sight at once, can come back for thirty days, and then is erased.

Until then nothing of it is touched. Erasing begins with the tombstone in the store, after which no
landing can win; killed anywhere, it is done again from the start. The row stays with its address,
and nothing else of what it said.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel
from sqlmodel import col, delete, select

from backend.core.bell import reach_of
from backend.core.context import Context, Via
from backend.core.errors import Forbidden, NotFound
from backend.core.events import fact
from backend.core.operations import operation
from backend.invitations.service import forget_invitations
from backend.organizations import access as organization_access
from backend.organizations.models import Organization, Role
from backend.projects import access, code, git, projection
from backend.projects.about import ProjectChanged
from backend.projects.access import Ability
from backend.projects.collaborators import end_collaborations
from backend.projects.models import Cursor, Project, ProjectState, Upkeep
from backend.projects.schemas import HandleText, ProjectSummary
from backend.projects.service import summary
from vcs.collection import collect
from vcs.forks import delete_project as leave_tombstone
from vcs.store import Missing

KEPT = timedelta(days=30)


@fact
@dataclass(frozen=True)
class ProjectErased:
    """A deleted project's time to come back is over; its code is gone."""

    project: str


class DeletedProject(BaseModel):
    """A project that can be restored until `erased_at`."""

    id: str
    organization: str
    handle: str
    name: str
    deleted_at: datetime
    erased_at: datetime


class DeletedProjects(BaseModel):
    """Deleted projects of an organization, by handle."""

    items: list[DeletedProject]


@operation(
    scope="project:write",
    http="DELETE /api/v1/projects/{organization}/{project}",
    rpc="ProjectService.DeleteProject",
)
def delete_project(ctx: Context, *, organization: HandleText, project: HandleText) -> DeletedProject:
    """Delete a project: nobody sees it any more, and an owner can restore it for 30 days. Owners only."""
    found, owner = access.project(ctx, organization, project, Ability.DELETE)
    if ctx.actor.via is Via.AGENT:
        raise Forbidden(problem="An agent's token never deletes a project. Ask a person to.")
    found.state, found.deleted_at = ProjectState.DELETED, ctx.now()
    ctx.db.add(found)
    ctx.audit("project.deleted", f"{owner.handle}/{found.handle}")
    ctx.emit(ProjectChanged(found.id, ctx.actor.id))
    ctx.ring(f"project:{found.id}")
    ctx.ring(reach_of(found.id))
    return _deleted(found, owner)


@operation(
    scope="project:read",
    http="GET /api/v1/orgs/{organization}/deleted-projects",
    anonymous=False,
    rpc="ProjectService.ListDeletedProjects",
)
def list_deleted_projects(ctx: Context, *, organization: HandleText) -> DeletedProjects:
    """Deleted projects of an organization that can be restored; only its owners see them."""
    owner, _ = organization_access.organization(ctx, organization, at_least=Role.OWNER)
    query = (
        select(Project)
        .where(Project.organization_id == owner.id, Project.state == ProjectState.DELETED)
        .order_by(col(Project.handle))
    )
    return DeletedProjects(items=[_deleted(found, owner) for found in ctx.db.exec(query)])


@operation(
    scope="project:write",
    http="POST /api/v1/projects/{organization}/{project}/restore",
    rpc="ProjectService.RestoreProject",
)
def restore_project(ctx: Context, *, organization: HandleText, project: HandleText) -> ProjectSummary:
    """Bring a deleted project back as it was, at its address. Owners only, for 30 days."""
    owner = organization_access.named(ctx, organization)
    query = select(Project).where(
        Project.organization_id == (owner.id if owner else ""),
        Project.handle == project.lower(),
        Project.state == ProjectState.DELETED,
    )
    found = ctx.db.exec(query.with_for_update()).first()
    if owner is None or found is None or access.standing_of(ctx, found) < access.Standing.OWNER:
        raise NotFound(what="deleted project")
    found.state, found.deleted_at = ProjectState.READY, None
    ctx.db.add(found)
    ctx.audit("project.undeleted", f"{owner.handle}/{found.handle}")
    ctx.emit(ProjectChanged(found.id, ctx.actor.id))
    ctx.ring(f"project:{found.id}")
    return summary(ctx, found, owner)


def due_for_erasing(ctx: Context) -> list[str]:
    """Ids of the projects whose time to come back is over."""
    query = select(Project.id).where(
        Project.state == ProjectState.DELETED, col(Project.deleted_at) <= ctx.now() - KEPT
    )
    return list(ctx.db.exec(query).all())


def erase(ctx: Context, id: str) -> None:
    """Take a deleted project out of store, disk and database for good. Safe to repeat."""
    with ctx.forge.db.lock(f"landing:{id}"):
        with ctx.transaction(write=False) as tx:
            row = tx.db.get(Project, id)
            if row is None or not _is_due(tx, row):
                return
        erase_code(ctx, row)
        for archive in list(ctx.forge.store.list(f"archives/{id}/")):
            ctx.forge.store.delete(archive.key)
        with ctx.transaction() as tx:
            projection.drop(tx, id)
            tx.db.exec(delete(Cursor).where(col(Cursor.project) == id))
            end_collaborations(tx, project=id)
            forget_invitations(tx, target=id)
            tx.db.exec(delete(Upkeep).where(col(Upkeep.project) == id))
            row = tx.db.exec(select(Project).where(Project.id == id).with_for_update()).one()
            owner = tx.db.get(Organization, row.organization_id)
            row.state, row.name, row.description, row.website = ProjectState.ERASED, "", "", ""
            tx.db.add(row)
            tx.audit("project.erased", f"{owner.handle}/{row.handle}" if owner else row.handle)
            tx.emit(ProjectErased(id))


def erase_code(ctx: Context, project: Project) -> None:
    """Leave a tombstone in the store, and nothing on this node's disk. Safe to repeat."""
    store = ctx.forge.store
    with suppress(Missing):
        leave_tombstone(store, project.pool, project.id)
        collect(store, project.pool, project.id, named=tuple)
    git.projection(ctx.forge, project).drop()
    code.drop_index(ctx.forge, project.id)


def _is_due(ctx: Context, row: Project) -> bool:
    over = row.deleted_at is not None and row.deleted_at <= ctx.now() - KEPT
    return over and row.state is ProjectState.DELETED


def _deleted(found: Project, owner: Organization) -> DeletedProject:
    assert found.deleted_at is not None
    return DeletedProject(
        id=found.id,
        organization=owner.handle,
        handle=found.handle,
        name=found.name or found.handle,
        deleted_at=found.deleted_at,
        erased_at=found.deleted_at + KEPT,
    )
