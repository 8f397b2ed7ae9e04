"""Imports: ask for one, watch it, stop it, take it back.

Asking only writes a row and states a fact; the work is a job (`portability.running`). A project
that begins with an import is nobody's to see before its history has landed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import col, select

from backend.accounts.models import Account
from backend.core.context import Actor, Context, Via
from backend.core.errors import Conflict, Forbidden, NotFound
from backend.core.events import fact
from backend.core.operations import Mode, operation
from backend.organizations import access as organization_access
from backend.organizations.models import Role
from backend.portability import sources
from backend.portability.models import Import, ImportState, Origin, Stage
from backend.portability.schemas import (
    ImportId,
    ImportPage,
    ImportStatus,
    Secret,
    SourceUrl,
    StageProgress,
)
from backend.portability.secrets import seal
from backend.portability.sources import Credentials
from backend.projects import access
from backend.projects.access import Ability
from backend.projects.creating import new_project
from backend.projects.models import Project, ProjectState, Visibility
from backend.projects.schemas import Description, HandleText, Name
from backend.projects.service import project_handle
from backend.sessions import permits
from vcs.objects import new_id

ENDED = (ImportState.DONE, ImportState.FAILED, ImportState.CANCELLED, ImportState.ROLLED_BACK)
_LEFT_OUT = {"rpc": "imports are watched over HTTP, where their event stream is"}


@fact
@dataclass(frozen=True)
class ImportRequested:
    """Somebody asked for an import."""

    import_id: str


@fact
@dataclass(frozen=True)
class ImportRollbackRequested:
    """Somebody wants an import undone."""

    import_id: str


class ImportRunning(Conflict):
    """The project is being imported into already."""

    code = "import.running"
    message = "An import into {address} is running. Wait for it, or cancel it first: {url}"


class ImportOver(Conflict):
    """The import has ended."""

    code = "import.over"
    message = "This import is {state}. {advice}"


@operation(
    scope="project:write",
    http="POST /api/v1/projects/import",
    mode=Mode.WRITES,
    status=202,
    tool=True,
    left_out=_LEFT_OUT,
)
def import_project(
    ctx: Context,
    *,
    source_url: SourceUrl,
    organization: HandleText,
    project: HandleText,
    name: Name = "",
    description: Description = "",
    visibility: Visibility = Visibility.PRIVATE,
    username: Secret = "",
    token: Secret = "",
) -> ImportStatus:
    """Import a git repository with its whole history into a new project, or into one of yours.

    A project that has landings gets the branches as new ones. `username` and `token` are for a private
    source: they are used once and not kept. Operators may name a folder on the server. Answers at once;
    watch `GET /api/v1/imports/{id}`. Raises BadSource, ImportRunning, NotFound, Forbidden.
    """
    origin, source = _origin(ctx.actor, source_url)
    row = begin(
        ctx, organization, project, origin, source, name=name, description=description, visibility=visibility
    )
    if token or username:
        row.secret = seal(ctx.forge.settings, Credentials(username, token))
        ctx.db.add(row)
    return status(ctx, row)


def begin(
    ctx: Context,
    organization: str,
    handle: str,
    origin: Origin,
    source: str,
    *,
    name: str = "",
    description: str = "",
    visibility: Visibility = Visibility.PRIVATE,
    announced: bool = True,
) -> Import:
    """The row of an import that will run, and of its project if that is new."""
    owner, _ = organization_access.organization(ctx, organization, at_least=Role.MEMBER)
    handle = project_handle(handle)
    query = select(Project).where(Project.organization_id == owner.id, Project.handle == handle)
    found = ctx.db.exec(query.with_for_update()).first()
    begins = found is None
    if found is None:
        found = new_project(ctx, owner, handle, name=name, description=description, visibility=visibility)
        found.state = ProjectState.IMPORTING
    elif at_it := running(ctx, found.id):
        address = f"{owner.handle}/{handle}"
        raise ImportRunning(address=address, url=_url(ctx, at_it))
    else:
        access.require(ctx, found, owner, Ability.LAND)
    row = Import(
        id=new_id(),
        project_id=found.id,
        organization=owner.handle,
        project=handle,
        begins=begins,
        origin=origin,
        source=source,
        requested_by=ctx.actor.id,
        landing=new_id(),
        requested_at=ctx.now(),
        updated_at=ctx.now(),
    )
    ctx.db.add(row)
    ctx.db.flush()
    ctx.audit("project.import", f"{owner.handle}/{handle}", source=source, origin=origin.value, begins=begins)
    if announced:
        ctx.emit(ImportRequested(row.id))
    return row


@operation(
    scope="project:read",
    http="GET /api/v1/imports/{import_id}",
    anonymous=False,
    tool=True,
    left_out=_LEFT_OUT,
)
def get_import(ctx: Context, *, import_id: ImportId) -> ImportStatus:
    """How an import of yours is: its stage, how far it is, and how it ended."""
    return status(ctx, find(ctx, import_id))


@operation(scope="project:read", http="GET /api/v1/imports", anonymous=False, left_out=_LEFT_OUT)
def list_imports(
    ctx: Context, *, organization: HandleText | None = None, project: HandleText | None = None
) -> ImportPage:
    """Imports you asked for, or those into one project, newest first; a hundred of them."""
    query = select(Import).order_by(col(Import.id).desc()).limit(100)
    if organization and project:
        found, _ = access.project(ctx, organization, project)
        query = query.where(Import.project_id == found.id)
    else:
        query = query.where(Import.requested_by == ctx.actor.id)
    return ImportPage(items=[status(ctx, row) for row in ctx.db.exec(query).all() if _may_see(ctx, row)])


@operation(
    scope="project:write",
    http="POST /api/v1/imports/{import_id}/cancel",
    status=202,
    tool=True,
    left_out=_LEFT_OUT,
)
def cancel_import(ctx: Context, *, import_id: ImportId) -> ImportStatus:
    """Stop an import. What it was to change stays as it was; a project it was to begin is gone.

    Too late is told by how it ends: `done`. Raises ImportOver.
    """
    row = find(ctx, import_id, changing=True)
    if row.state in ENDED:
        raise ImportOver(state=_word(row.state), advice="There is nothing to stop.")
    if row.state is not ImportState.CANCELLING:
        stop(ctx, row)
        ctx.audit("project.import_cancel", f"{row.organization}/{row.project}", import_id=row.id)
    return status(ctx, row)


@operation(
    scope="project:write",
    http="POST /api/v1/imports/{import_id}/rollback",
    status=202,
    tool=True,
    left_out=_LEFT_OUT,
)
def rollback_import(ctx: Context, *, import_id: ImportId) -> ImportStatus:
    """Take a finished import back: refs stand where they did, a project it began is gone.

    Only while nothing was changed since. Raises ImportOver.
    """
    row = find(ctx, import_id, changing=True)
    if row.state is not ImportState.DONE:
        raise ImportOver(state=_word(row.state), advice="Only a finished import can be taken back.")
    found, owner = access.by_id(ctx, row.project_id, Ability.LAND)
    if row.begins:
        access.require(ctx, found, owner, Ability.DELETE)
    changed(ctx, row, doing="taking it back")
    ctx.emit(ImportRollbackRequested(row.id))
    ctx.audit("project.import_rollback", f"{row.organization}/{row.project}", import_id=row.id)
    return status(ctx, row)


def stop(ctx: Context, row: Import) -> None:
    """Have an import end before it lands, unless it has landed."""
    changed(ctx, row, state=ImportState.CANCELLING, secret=None)
    # What is not decided yet is not wanted any more.
    permits.withdraw(ctx, row.landing)


def find(ctx: Context, id: str, *, changing: bool = False) -> Import:
    """The import of that id, for whoever may see it (and change it); NotFound, Forbidden."""
    query = select(Import).where(Import.id == id)
    row = ctx.db.exec(query.with_for_update() if changing else query).first()
    if row is None or not _may_see(ctx, row):
        raise NotFound(what="import")
    if changing and not _is_theirs(ctx, row):
        raise Forbidden(problem="Only who asked for an import, or an admin of the project, changes it.")
    return row


def changed(ctx: Context, row: Import, **values: object) -> None:
    """Write a change of an import and wake whoever watches it."""
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
    row.updated_at = ctx.now()
    ctx.db.add(row)
    ctx.ring(f"import:{row.id}")


def status(ctx: Context, row: Import) -> ImportStatus:
    """The shape of an import."""
    account = ctx.db.get(Account, row.requested_by) if row.requested_by else None
    may = []
    if _is_theirs(ctx, row):
        may = ["rollback"] if row.state is ImportState.DONE else ["cancel"] if row.state not in ENDED else []
    return ImportStatus(
        id=row.id,
        organization=row.organization,
        project=row.project,
        origin=row.origin,
        source=row.source,
        new_project=row.begins,
        state=row.state,
        stages=_stages(row),
        problem=row.problem,
        default_branch=row.trunk.removeprefix("refs/heads/"),
        refs=len(row.heads),
        objects=row.objects,
        positions=row.positions,
        version=row.version,
        requested_by=account.handle if account else None,
        requested_at=row.requested_at,
        ended_at=row.ended_at,
        url=_url(ctx, row),
        project_url=f"{ctx.forge.settings.public_url}/{row.organization}/{row.project}",
        may=may,
    )


_AT_STAGE: Mapping[ImportState, str] = {
    ImportState.WAITING: "waiting",
    ImportState.FAILED: "failed",
    ImportState.CANCELLED: "cancelled",
}


def _stages(row: Import) -> list[StageProgress]:
    stages = list(Stage)
    at = stages.index(row.stage)
    over = row.state in (ImportState.DONE, ImportState.ROLLED_BACK)
    shown = []
    for number, stage in enumerate(stages):
        if over or number < at:
            shown.append(StageProgress(stage=stage, state="done"))
        elif number > at:
            shown.append(StageProgress(stage=stage, state="waiting"))
        else:
            state = _AT_STAGE.get(row.state, "running")
            shown.append(
                StageProgress(stage=stage, state=state, doing=row.doing, done=row.done, total=row.total)
            )
    return shown


def _origin(actor: Actor, text: str) -> tuple[Origin, str]:
    text = text.strip()
    folder = text.removeprefix("file://")
    if folder.startswith("/"):
        if not (actor.admin or actor.via is Via.SYSTEM):
            raise Forbidden(
                problem="Only operators import folders of the server. Use mic import git for your own."
            )
        return Origin.FOLDER, folder
    return Origin.URL, sources.check_url(text)


def running(ctx: Context, project: str) -> Import | None:
    """The import into a project that has not ended."""
    query = select(Import).where(Import.project_id == project, col(Import.state).not_in(ENDED))
    return ctx.db.exec(query).first()


def _may_see(ctx: Context, row: Import) -> bool:
    if ctx.actor.via is Via.SYSTEM or (row.requested_by and row.requested_by == ctx.actor.id):
        return True
    found = ctx.db.get(Project, row.project_id)
    return found is not None and access.standing_of(ctx, found) >= access.Standing.MEMBER


def _is_theirs(ctx: Context, row: Import) -> bool:
    if ctx.actor.via is Via.SYSTEM or (row.requested_by and row.requested_by == ctx.actor.id):
        return True
    found = ctx.db.get(Project, row.project_id)
    return found is not None and access.standing_of(ctx, found) >= access.Standing.ADMIN


def _word(state: ImportState) -> str:
    return state.value.replace("_", " ")


def _url(ctx: Context, row: Import) -> str:
    return f"{ctx.forge.settings.public_url}/imports/{row.id}"
