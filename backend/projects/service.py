"""Projects: create, find, list, change.

Creating one writes log record 0. The row stays `creating` until the log has it, so a crash
between the two leaves nothing that anyone can see.
"""

import re
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, func, select

from backend.core.context import Context
from backend.core.errors import Conflict, InvalidInput
from backend.core.operations import Mode, operation
from backend.organizations import access as organization_access
from backend.organizations.models import Organization, Role
from backend.projects import access, code
from backend.projects.access import Ability
from backend.projects.models import Landing, Project, ProjectState, Proposers, Visibility
from backend.projects.schemas import (
    Cursor,
    Description,
    HandleText,
    Limit,
    Name,
    ProjectPage,
    ProjectSummary,
    RefTarget,
    RefText,
    Website,
)
from backend.sessions import access as session_access
from backend.sessions.models import Status, WorkSession
from vcs.objects import EMPTY_TREE, new_id
from vcs.repository import ProjectExists, Repository

HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9_])?")
RESERVED = frozenset({"settings", "members", "projects", "new", "-", "info", "badge.svg"})


class ProjectTaken(Conflict):
    """The address is in use."""

    code = "project.taken"
    message = "There is already a project {address}. Choose another handle."


@operation(
    scope="project:write",
    http="POST /api/v1/projects",
    mode=Mode.STEPS,
    tool=True,
    rpc="ProjectService.CreateProject",
)
def create_project(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    name: Name = "",
    description: Description = "",
    visibility: Visibility = Visibility.PRIVATE,
) -> ProjectSummary:
    """Create an empty project in an organization you belong to.

    Raises NotFound for an organization you are not in, ProjectTaken, InvalidInput for a bad handle.
    """
    handle = project_handle(project)
    with ctx.transaction() as tx:
        owner, _ = organization_access.organization(tx, organization, at_least=Role.MEMBER)
        row = _creating(tx, owner, handle, name=name, description=description, visibility=visibility)
    finish_creating(ctx, row.id)
    with ctx.transaction(write=False) as tx:
        found, owner = access.project(tx, organization, handle)
        return summary(tx, found, owner)


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}",
    tool=True,
    rpc="ProjectService.GetProject",
)
def get_project(ctx: Context, *, organization: HandleText, project: HandleText) -> ProjectSummary:
    """One project, with what you may do with it."""
    return summary(ctx, *access.project(ctx, organization, project))


@operation(scope="project:read", http="GET /api/v1/projects", rpc="ProjectService.ListAllProjects")
def list_all_projects(ctx: Context, *, cursor: Cursor = "", limit: Limit = 50) -> ProjectPage:
    """Every project you may see, by address."""
    return _page(ctx, None, cursor, limit)


@operation(
    scope="project:read",
    http="GET /api/v1/orgs/{organization}/projects",
    rpc="ProjectService.ListProjects",
)
def list_projects(
    ctx: Context, *, organization: HandleText, cursor: Cursor = "", limit: Limit = 50
) -> ProjectPage:
    """The projects of an organization that you may see, by handle."""
    owner, _ = organization_access.organization(ctx, organization, at_least=None)
    return _page(ctx, owner, cursor, limit)


@operation(
    scope="project:write",
    http="PATCH /api/v1/projects/{organization}/{project}",
    rpc="ProjectService.UpdateProject",
)
def update_project(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    name: Name | None = None,
    description: Description | None = None,
    website: Website | None = None,
    visibility: Visibility | None = None,
    archived: bool | None = None,
    protect_main_branch: bool | None = None,
    who_may_propose: Proposers | None = None,
    session_visibility: Proposers | None = None,
) -> ProjectSummary:
    """Change a project's settings; what is not given stays. Admins only."""
    found, owner = access.project(ctx, organization, project, Ability.SETTINGS)
    if visibility is not None and visibility is not found.visibility:
        address = f"{owner.handle}/{found.handle}"
        ctx.audit("project.visibility", address, old=found.visibility.value, new=visibility.value)
    given = {
        "name": name,
        "description": description,
        "website": website,
        "visibility": visibility,
        "archived": archived,
        "protect_main_branch": protect_main_branch,
        "who_may_propose": who_may_propose,
        "session_visibility": session_visibility,
    }
    for field, value in given.items():
        if value is not None:
            setattr(found, field, value)
    found.updated_at = ctx.now()
    ctx.db.add(found)
    ctx.ring(f"project:{found.id}")
    return summary(ctx, found, owner)


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/resolve",
    rpc="ProjectService.ResolveRef",
)
def resolve_ref(
    ctx: Context, *, organization: HandleText, project: HandleText, ref: RefText = "HEAD"
) -> RefTarget:
    """What a ref points at: @N, @-N, HEAD, a branch, tag, session id or commit prefix."""
    found, _ = access.project(ctx, organization, project)
    target = code.resolve(ctx, found, ref)
    return RefTarget(ref=ref, commit=target.commit, tree=target.tree, position=target.position)


def project_handle(text: str) -> str:
    """A handle for a project: lower case letters, digits, dot, dash, underscore. InvalidInput otherwise."""
    handle = text.lower()
    if not HANDLE.fullmatch(handle) or handle.endswith(".git") or handle in RESERVED:
        raise InvalidInput(
            problem=f"{text!r} cannot be a project's handle. Use up to 100 letters, digits, dots, dashes and "
            "underscores, beginning with a letter or digit, not ending in .git."
        )
    return handle


def finish_creating(ctx: Context, id: str) -> None:
    """Write log record 0 and show the project. Safe to repeat: the sweeper calls it after a crash."""
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, id)
        if row is None or row.state is ProjectState.READY:
            return
        owner = tx.db.get(Organization, row.organization_id)
        assert owner is not None
    about = {
        "organization": owner.handle,
        "project": row.handle,
        "name": row.name,
        "description": row.description,
        "visibility": row.visibility.value,
        "redirects": [],
    }
    path = ctx.forge.settings.data / "index" / f"{row.id}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Somebody may have finished it a moment ago, and something landed since: that is no fault.
    with suppress(ProjectExists):
        Repository.create(
            ctx.forge.store,
            row.id,
            path,
            actor=row.created_by,
            summary=about,
            at=row.created_at,
            trunk=code.TRUNK,
        ).close()
    with ctx.transaction() as tx:
        ready = tx.db.get(Project, id)
        if ready is not None:
            ready.state = ProjectState.READY
            tx.db.add(ready)


def summary(ctx: Context, found: Project, owner: Organization) -> ProjectSummary:
    """The shape doors show."""
    running = _running(ctx, [found.id]).get(found.id, 0)
    return _summary(ctx, found, owner, code.last_landing(ctx, found.id), running)


def _running(ctx: Context, projects: Sequence[str]) -> dict[str, int]:
    """How many open sessions of each project the asker may see."""
    query = (
        select(WorkSession.project_id, func.count())
        .join(Project, col(Project.id) == col(WorkSession.project_id))
        .where(
            col(WorkSession.project_id).in_(projects),
            col(WorkSession.status).in_([Status.ACTIVE, Status.PENDING_REVIEW]),
            session_access.visible(ctx),
        )
    )
    return dict(ctx.db.exec(query.group_by(col(WorkSession.project_id))).all())


def _newest(ctx: Context, projects: Sequence[str]) -> dict[str, Landing]:
    tops = (
        select(Landing.project, func.max(Landing.position).label("position"))
        .where(col(Landing.project).in_(projects))
        .group_by(Landing.project)
        .subquery()
    )
    query = select(Landing).join(
        tops, (col(Landing.project) == tops.c.project) & (col(Landing.position) == tops.c.position)
    )
    return {landing.project: landing for landing in ctx.db.exec(query)}


def _summary(
    ctx: Context, found: Project, owner: Organization, newest: Landing | None, running: int
) -> ProjectSummary:
    return ProjectSummary(
        id=found.id,
        organization=owner.handle,
        handle=found.handle,
        name=found.name or found.handle,
        description=found.description,
        website=found.website,
        visibility=found.visibility,
        archived=found.archived,
        protect_main_branch=found.protect_main_branch,
        who_may_propose=found.who_may_propose,
        session_visibility=found.session_visibility,
        default_branch=code.TRUNK.removeprefix("refs/heads/"),
        position=newest.position if newest else 0,
        commit=newest.commit if newest else None,
        tree=newest.tree if newest else EMPTY_TREE,
        open_sessions=running,
        created_at=found.created_at,
        updated_at=max(found.updated_at, newest.at) if newest else found.updated_at,
        url=f"{ctx.forge.settings.public_url}/{owner.handle}/{found.handle}",
        may=[ability.value for ability in access.abilities(ctx, found)],
    )


def _creating(
    ctx: Context, owner: Organization, handle: str, *, name: str, description: str, visibility: Visibility
) -> Project:
    id = new_id()
    row = Project(
        id=id,
        pool=id,
        organization_id=owner.id,
        handle=handle,
        name=name,
        description=description,
        visibility=visibility,
        created_by=ctx.actor.id,
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    ctx.db.add(row)
    # Said before the flush: after a failed one the session answers nothing.
    address = f"{owner.handle}/{handle}"
    try:
        ctx.db.flush()
    except IntegrityError:
        raise ProjectTaken(address=address) from None
    ctx.audit("project.create", address, visibility=visibility.value)
    return row


def _page(ctx: Context, owner: Organization | None, cursor: str, limit: int) -> ProjectPage:
    query = select(Project, Organization).join(
        Organization, col(Organization.id) == col(Project.organization_id)
    )
    address = col(Organization.handle) + "/" + col(Project.handle)
    query = query.where(access.visible(ctx), address > cursor)
    if owner is not None:
        query = query.where(Project.organization_id == owner.id)
    rows = ctx.db.exec(query.order_by(address).limit(limit + 1)).all()
    ids = [project.id for project, _ in rows[:limit]]
    newest, running = _newest(ctx, ids), _running(ctx, ids)
    items = [
        _summary(ctx, project, organization, newest.get(project.id), running.get(project.id, 0))
        for project, organization in rows[:limit]
    ]
    last = items[-1] if len(rows) > limit else None
    return ProjectPage(items=items, next=f"{last.organization}/{last.handle}" if last else None)
