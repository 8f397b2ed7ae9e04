"""Mirrors: a project that follows a repository elsewhere, and repositories elsewhere that follow it.

A project follows at most one source, and while it does nobody else moves its trunk: landings never go
back, so one that the source lacks would end the mirror. Pausing gives the trunk free. Everything here is
for the project's admins; credentials are sealed and never shown to anybody, them neither.
"""

from dataclasses import dataclass

from sqlmodel import col, delete, select

from backend.accounts.models import Account
from backend.core.context import Context, Via
from backend.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.core.events import fact
from backend.core.operations import operation
from backend.organizations.models import Organization
from backend.portability import service, sources
from backend.portability.models import Direction, Import, Mirror, MirrorRefs, MirrorState
from backend.portability.schemas import (
    Minutes,
    MirrorId,
    MirrorPage,
    MirrorStatus,
    RefusedRef,
    Secret,
    SourceUrl,
)
from backend.portability.secrets import seal
from backend.portability.sources import BadSource, Credentials
from backend.projects import access
from backend.projects.access import Ability
from backend.projects.models import Project
from backend.projects.schemas import HandleText
from vcs.objects import new_id

USUAL_MINUTES = 480
MOST = 50
"""So many mirrors a project has at the most."""


@fact
@dataclass(frozen=True)
class MirrorDue:
    """It is time for an attempt of a mirror."""

    mirror_id: str


class MirrorTaken(Conflict):
    """There is such a mirror already."""

    code = "mirror.taken"
    message = "{problem}"


@operation(
    scope="project:write",
    http="POST /api/v1/projects/{organization}/{project}/mirrors",
    rpc="MirrorService.CreateMirror",
)
def create_mirror(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    direction: Direction,
    url: SourceUrl,
    username: Secret = "",
    token: Secret = "",
    refs: MirrorRefs = MirrorRefs.ALL,
    prune: bool = False,
    overwrite: bool = False,
    interval_minutes: Minutes = USUAL_MINUTES,
) -> MirrorStatus:
    """Mirror a repository elsewhere into a project (`pull`), or the project to one (`push`). Admins only.

    A project follows one source, and while it does only the mirror moves its default branch; what is
    pushed goes out within seconds of a landing. `prune` deletes what is deleted on the other side,
    `overwrite` moves refs that were changed on both. `username` and `token` are kept sealed and never
    shown. Raises BadSource, MirrorTaken.
    """
    found, owner = access.project(ctx, organization, project, Ability.SETTINGS)
    _by_a_person(ctx)
    url = sources.check_url(url)
    if direction is Direction.PUSH and url.startswith("git:"):
        raise BadSource(problem="git:// addresses take no pushes. Give one that begins with https://.")
    if direction is Direction.PULL and refs is not MirrorRefs.ALL:
        raise BadSource(problem="A pull mirror brings all branches and tags; only push mirrors choose.")
    _check_minutes(ctx, interval_minutes)
    _is_free(ctx, found, owner, direction, url)
    row = Mirror(
        id=new_id(),
        project_id=found.id,
        direction=direction,
        url=url,
        secret=_sealed(ctx, username, token),
        refs=refs,
        prune=prune,
        overwrite=overwrite,
        minutes=interval_minutes,
        next_at=ctx.now(),
        created_by=ctx.actor.id,
        created_at=ctx.now(),
    )
    if direction is Direction.PULL:
        access.set_mirrored(ctx, found.id, mirrored=True)
    due(ctx, row)
    details = {"direction": direction.value, "url": url, "mirror": row.id}
    ctx.audit("project.mirror_created", f"{owner.handle}/{found.handle}", **details)
    return _status(ctx, row, found, owner)


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/mirrors",
    anonymous=False,
    rpc="MirrorService.ListMirrors",
)
def list_mirrors(ctx: Context, *, organization: HandleText, project: HandleText) -> MirrorPage:
    """The mirrors of a project and how their last attempts ended. Admins only."""
    found, owner = access.project(ctx, organization, project, Ability.SETTINGS)
    query = select(Mirror).where(Mirror.project_id == found.id).order_by(col(Mirror.id))
    rows = sorted(ctx.db.exec(query).all(), key=lambda row: row.direction is not Direction.PULL)
    return MirrorPage(items=[_status(ctx, row, found, owner) for row in rows])


@operation(
    scope="project:write",
    http="PATCH /api/v1/projects/{organization}/{project}/mirrors/{mirror_id}",
    rpc="MirrorService.UpdateMirror",
)
def update_mirror(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    mirror_id: MirrorId,
    paused: bool | None = None,
    prune: bool | None = None,
    overwrite: bool | None = None,
    interval_minutes: Minutes | None = None,
    username: Secret | None = None,
    token: Secret | None = None,
) -> MirrorStatus:
    """Pause or resume a mirror, or change its settings; what is not given stays. Admins only.

    A paused pull mirror gives the default branch free. `token` replaces the credentials, and an empty
    one removes them.
    """
    row, found, owner = _mirror(ctx, organization, project, mirror_id)
    _by_a_person(ctx)
    if interval_minutes is not None:
        _check_minutes(ctx, interval_minutes)
        row.minutes = interval_minutes
    row.prune = row.prune if prune is None else prune
    row.overwrite = row.overwrite if overwrite is None else overwrite
    if token is not None:
        row.secret = _sealed(ctx, username or "", token)
    elif username:
        raise InvalidInput(problem="Give the token as well: what was kept is not shown and not mixed.")
    resumed = row.paused and paused is False
    if paused is not None and paused != row.paused:
        row.paused = paused
        if row.direction is Direction.PULL:
            access.set_mirrored(ctx, found.id, mirrored=not paused)
        if paused:
            _stop(ctx, row)
    # Other settings, other outcome: what was found equal or failed before is looked at again.
    row.seen, row.failures = "", 0
    if resumed or (not row.paused and row.state not in (MirrorState.WAITING, MirrorState.RUNNING)):
        due(ctx, row)
    ctx.db.add(row)
    address = f"{owner.handle}/{found.handle}"
    ctx.audit("project.mirror_changed", address, mirror=row.id, url=row.url, paused=row.paused)
    return _status(ctx, row, found, owner)


@operation(
    scope="project:write",
    http="POST /api/v1/projects/{organization}/{project}/mirrors/{mirror_id}/sync",
    status=202,
    rpc="MirrorService.SyncMirror",
)
def sync_mirror(
    ctx: Context, *, organization: HandleText, project: HandleText, mirror_id: MirrorId
) -> MirrorStatus:
    """Mirror now instead of at the next time. Answers at once; the list says how it ended. Admins only."""
    row, found, owner = _mirror(ctx, organization, project, mirror_id)
    if row.paused:
        raise Conflict(problem="This mirror is paused. Resume it first.")
    if found.archived:
        raise Conflict(problem=f"{owner.handle}/{found.handle} is archived; its mirrors rest.")
    if row.state not in (MirrorState.WAITING, MirrorState.RUNNING):
        due(ctx, row)
    return _status(ctx, row, found, owner)


@operation(
    scope="project:write",
    http="DELETE /api/v1/projects/{organization}/{project}/mirrors/{mirror_id}",
    rpc="MirrorService.RemoveMirror",
)
def remove_mirror(
    ctx: Context, *, organization: HandleText, project: HandleText, mirror_id: MirrorId
) -> MirrorStatus:
    """End a mirror and forget its credentials; what it brought stays on both sides. Admins only."""
    row, found, owner = _mirror(ctx, organization, project, mirror_id)
    _by_a_person(ctx)
    _stop(ctx, row)
    if row.direction is Direction.PULL:
        access.set_mirrored(ctx, found.id, mirrored=False)
    gone = _status(ctx, row, found, owner)
    ctx.db.exec(delete(Mirror).where(col(Mirror.id) == row.id))
    details = {"direction": row.direction.value, "url": row.url, "mirror": row.id}
    ctx.audit("project.mirror_removed", f"{owner.handle}/{found.handle}", **details)
    return gone


def due(ctx: Context, row: Mirror) -> None:
    """Have a worker make an attempt now."""
    row.state, row.asked_at, row.next_at = MirrorState.WAITING, ctx.now(), ctx.now()
    ctx.db.add(row)
    ctx.emit(MirrorDue(row.id))


def forget_project(ctx: Context, project: str) -> None:
    """Take away the mirrors of a project that is gone for good."""
    ctx.db.exec(delete(Mirror).where(col(Mirror.project_id) == project))


def _mirror(ctx: Context, organization: str, project: str, id: str) -> tuple[Mirror, Project, Organization]:
    found, owner = access.project(ctx, organization, project, Ability.SETTINGS)
    query = select(Mirror).where(Mirror.project_id == found.id)
    fitting = (col(Mirror.id) == id) | col(Mirror.id).startswith(id) | col(Mirror.id).endswith(id)
    rows = ctx.db.exec(query.where(fitting).limit(2).with_for_update()).all()
    if len(rows) != 1:
        raise NotFound(what="mirror")
    return rows[0], found, owner


def _by_a_person(ctx: Context) -> None:
    if ctx.actor.via is Via.AGENT:
        raise Forbidden(problem="An agent's token changes no mirrors. Ask a person to.")


def _is_free(ctx: Context, found: Project, owner: Organization, direction: Direction, url: str) -> None:
    # Two who add one at the same time take turns by the project's row.
    ctx.db.exec(select(Project.id).where(Project.id == found.id).with_for_update()).one()
    rows = ctx.db.exec(select(Mirror).where(Mirror.project_id == found.id)).all()
    address = f"{owner.handle}/{found.handle}"
    if len(rows) >= MOST:
        raise MirrorTaken(problem=f"{address} has {MOST} mirrors, which is all there may be.")
    for row in rows:
        if direction is Direction.PULL and row.direction is Direction.PULL:
            raise MirrorTaken(problem=f"{address} follows {row.url} already. Remove that mirror first.")
        if row.url == url:
            way = "follows" if row.direction is Direction.PULL else "is mirrored to"
            raise MirrorTaken(problem=f"{address} {way} {url} already.")


def _check_minutes(ctx: Context, minutes: int) -> None:
    least = ctx.forge.settings.mirror_min_minutes
    if minutes < least:
        raise InvalidInput(problem=f"The interval is at least {least} minutes on this forge.")


def _sealed(ctx: Context, username: str, token: str) -> str | None:
    if username and not token:
        raise InvalidInput(problem="A user needs a token as well.")
    return seal(ctx.forge.settings, Credentials(username, token)) if token else None


def _stop(ctx: Context, row: Mirror) -> None:
    """End the import that a pull mirror may be at."""
    running = ctx.db.get(Import, row.import_id) if row.import_id else None
    if running is not None and running.state not in service.ENDED:
        service.stop(ctx, running)


def _status(ctx: Context, row: Mirror, found: Project, owner: Organization) -> MirrorStatus:
    account = ctx.db.get(Account, row.created_by) if row.created_by else None
    return MirrorStatus(
        id=row.id,
        organization=owner.handle,
        project=found.handle,
        direction=row.direction,
        url=row.url,
        credentials=row.secret is not None,
        refs=row.refs,
        prune=row.prune,
        overwrite=row.overwrite,
        interval_minutes=row.minutes,
        paused=row.paused,
        state=row.state,
        result=row.result,
        problem=row.problem,
        refused=[RefusedRef(ref=ref, reason=reason) for ref, reason in row.refused],
        failures=row.failures,
        last_attempt_at=row.last_attempt_at,
        last_success_at=row.last_success_at,
        next_attempt_at=None if row.paused else row.next_at,
        created_by=account.handle if account else None,
        created_at=row.created_at,
    )
