"""Projects: create, find, list, change."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam
from sqlmodel import col, func, or_, select

from backend.core.bell import reach_of
from backend.core.context import Context
from backend.core.errors import Conflict, InvalidInput
from backend.core.operations import Mode, operation
from backend.organizations import access as organization_access
from backend.organizations.models import Organization, Role
from backend.projects import access, code
from backend.projects.about import ProjectChanged
from backend.projects.access import Ability
from backend.projects.creating import ProjectTaken as ProjectTaken
from backend.projects.creating import finish_creating, free_address, new_project
from backend.projects.models import Landing, Project, Proposers, Visibility
from backend.projects.schemas import (
    Cursor,
    Description,
    HandleCheck,
    HandleText,
    Limit,
    Name,
    ProjectPage,
    ProjectSummary,
    RefTarget,
    RefText,
    Since,
    Website,
)
from backend.sessions import access as session_access
from backend.sessions.models import Status, WorkSession
from vcs.objects import EMPTY_TREE

HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9_])?")
RESERVED = frozenset({"settings", "members", "projects", "new", "-", "info", "badge.svg"})


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
        row = new_project(tx, owner, handle, name=name, description=description, visibility=visibility)
        tx.audit("project.create", f"{owner.handle}/{handle}", visibility=visibility.value)
    finish_creating(ctx, row.id)
    with ctx.transaction(write=False) as tx:
        found, owner = access.project(tx, organization, handle)
        return summary(tx, found, owner)


@operation(
    scope="project:read",
    http="GET /api/v1/orgs/{organization}/handles/{handle}",
    anonymous=False,
    left_out={"rpc": "forms ask while somebody types; `mic` is told by CreateProject and ForkProject"},
)
def check_project_handle(ctx: Context, *, organization: HandleText, handle: HandleText) -> HandleCheck:
    """Whether a new project of yours could have this handle in an organization, and if not, why.

    Raises NotFound for an organization you are not in.
    """
    owner, _ = organization_access.organization(ctx, organization, at_least=Role.MEMBER)
    try:
        wanted = project_handle(handle)
        free_address(ctx, owner, wanted)
    except (InvalidInput, Conflict) as refusal:
        return HandleCheck(organization=owner.handle, handle=handle.lower(), problem=refusal.sentence)
    return HandleCheck(organization=owner.handle, handle=wanted)


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
def list_all_projects(
    ctx: Context, *, cursor: Cursor = "", limit: Limit = 50, updated_since: Since | None = None
) -> ProjectPage:
    """Every project you may see, by address. With `updated_since` those whose settings were changed, or
    where something landed, then or later.
    """
    return page(ctx, cursor, limit, *_since(updated_since))


@operation(
    scope="project:read",
    http="GET /api/v1/orgs/{organization}/projects",
    rpc="ProjectService.ListProjects",
)
def list_projects(
    ctx: Context,
    *,
    organization: HandleText,
    cursor: Cursor = "",
    limit: Limit = 50,
    updated_since: Since | None = None,
) -> ProjectPage:
    """The projects of an organization that you may see, by handle. With `updated_since` those whose settings
    were changed, or where something landed, then or later.
    """
    owner, _ = organization_access.organization(ctx, organization, at_least=None)
    return page(ctx, cursor, limit, Project.organization_id == owner.id, *_since(updated_since))


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
        if visibility is Visibility.PUBLIC:
            _keep_private(ctx, found, address)
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
    ctx.emit(ProjectChanged(found.id, ctx.actor.id))
    ctx.ring(f"project:{found.id}")
    ctx.ring(reach_of(found.id))
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


def summary(ctx: Context, found: Project, owner: Organization) -> ProjectSummary:
    """The shape doors show."""
    return _summary(ctx, found, owner, code.last_landing(ctx, found.id), _around(ctx, [found]))


def summaries(ctx: Context, rows: Sequence[tuple[Project, Organization]]) -> list[ProjectSummary]:
    """The same for many, in their order, with as few questions as for one."""
    if not rows:
        return []
    shown = [project for project, _ in rows]
    newest, around = _newest(ctx, [project.id for project in shown]), _around(ctx, shown)
    return [_summary(ctx, project, owner, newest.get(project.id), around) for project, owner in rows]


@dataclass(frozen=True)
class _Around:
    """What is about projects and not in their rows, by their ids, as the asker may see it."""

    running: Mapping[str, int]
    forks: Mapping[str, int]
    origins: Mapping[str, str]
    trunks: Mapping[str, str]


def _around(ctx: Context, projects: Sequence[Project]) -> _Around:
    ids = [project.id for project in projects]
    forks = (
        select(Project.forked_from, func.count())
        .where(col(Project.forked_from).in_(ids), access.visible(ctx))
        .group_by(col(Project.forked_from))
    )
    parents = {project.forked_from for project in projects if project.forked_from}
    origins = (
        select(Project.id, Organization.handle, Project.handle)
        .join(Organization, col(Organization.id) == col(Project.organization_id))
        .where(col(Project.id).in_(parents), access.visible(ctx))
    )
    found = ctx.db.exec(origins) if parents else ()
    addresses = {id: f"{organization}/{handle}" for id, organization, handle in found}
    return _Around(
        running=_running(ctx, ids),
        forks={parent: count for parent, count in ctx.db.exec(forks) if parent},
        origins={p.id: addresses[p.forked_from] for p in projects if p.forked_from in addresses},
        trunks=code.trunks(ctx, ids),
    )


def _keep_private(ctx: Context, found: Project, address: str) -> None:
    """Refuse to show a fork to everybody while what it was made of is private."""
    parent = ctx.db.get(Project, found.forked_from) if found.forked_from else None
    if parent is not None and parent.visibility is Visibility.PRIVATE:
        raise Conflict(
            problem=f"{address} is a fork of a private project and stays private as long as that is."
        )


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
    found = ctx.db.exec(_NEWEST, params={"of_projects": list(projects)})
    return {landing.project: landing for landing in found}


_TOPS = (
    select(Landing.project, func.max(Landing.position).label("position"))
    .where(col(Landing.project).in_(bindparam("of_projects", expanding=True)))
    .group_by(Landing.project)
    .subquery()
)
_NEWEST = select(Landing).join(
    _TOPS, (col(Landing.project) == _TOPS.c.project) & (col(Landing.position) == _TOPS.c.position)
)


def _summary(
    ctx: Context, found: Project, owner: Organization, newest: Landing | None, around: _Around
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
        mirrored=found.mirrored,
        protect_main_branch=found.protect_main_branch,
        who_may_propose=found.who_may_propose,
        session_visibility=found.session_visibility,
        default_branch=around.trunks.get(found.id, code.MAIN),
        position=newest.position if newest else 0,
        commit=newest.commit if newest else None,
        tree=newest.tree if newest else EMPTY_TREE,
        open_sessions=around.running.get(found.id, 0),
        forked_from=around.origins.get(found.id),
        forks=around.forks.get(found.id, 0),
        created_at=found.created_at,
        updated_at=max(found.updated_at, newest.at) if newest else found.updated_at,
        url=f"{ctx.forge.settings.public_url}/{owner.handle}/{found.handle}",
        may=[ability.value for ability in access.abilities(ctx, found)],
    )


def page(ctx: Context, cursor: str, limit: int, *which: ColumnElement[bool] | bool) -> ProjectPage:
    """Projects that the asker may see and for which all of `which` holds, by address."""
    query = select(Project, Organization).join(
        Organization, col(Organization.id) == col(Project.organization_id)
    )
    address = col(Organization.handle) + "/" + col(Project.handle)
    query = query.where(access.visible(ctx), address > cursor, *which)
    rows = ctx.db.exec(query.order_by(address).limit(limit + 1)).all()
    items = summaries(ctx, rows[:limit])
    last = items[-1] if len(rows) > limit else None
    return ProjectPage(items=items, next=f"{last.organization}/{last.handle}" if last else None)


def _since(moment: datetime | None) -> list[ColumnElement[bool]]:
    """A condition: settings were changed, or something landed, then or later."""
    if moment is None:
        return []
    landed = select(Landing.project).where(Landing.at >= moment)
    return [or_(col(Project.updated_at) >= moment, col(Project.id).in_(landed))]
