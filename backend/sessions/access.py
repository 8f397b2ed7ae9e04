"""Who may do what with a session.

An open session is seen by its author and by those who may land in its project; by anyone
who reads the project only where `session_visibility` says so. A landed one is part of the log
and seen with the project. What may not be seen is answered like what does not exist.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import bindparam
from sqlmodel import col, or_, select

from backend.core.context import Context, Via
from backend.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.organizations.models import Organization
from backend.projects import access as project_access
from backend.projects.access import Standing
from backend.projects.models import Project, ProjectState, Proposers
from backend.sessions.models import Status, WorkSession
from vcs.paths import quote, unquote


class Deed(StrEnum):
    """What one may do with a session."""

    VIEW = "view"
    NOTE = "note"
    CHANGE = "change"
    LAND = "land"
    ABANDON = "abandon"


OPEN = (Status.ACTIVE, Status.PENDING_REVIEW)
WHOLE = 36
"""Characters of a whole id."""


class SessionOver(Conflict):
    """The session has ended or is not in a state for this."""

    code = "session.over"
    message = "Session {short} is {status}, so it cannot be {deed}. Start a new one: mic session start."


class SessionLanding(Conflict):
    """The session is being landed at this moment."""

    code = "session.landing"
    message = "Session {short} is being landed right now. Ask again in a moment."


def session(
    ctx: Context, text: str, deed: Deed = Deed.VIEW, *, locked: bool = False
) -> tuple[WorkSession, Project, Organization]:
    """The session of that id, or of that unique prefix or suffix. NotFound, Forbidden or SessionOver.

    `locked` judges it as it is once every other change of it is over, and keeps it so until this
    transaction ends.
    """
    found, project, owner = _found(ctx, text, locked=locked)
    deeds = may(ctx, found, project)
    if deed in deeds:
        return found, project, owner
    if deed is not Deed.VIEW and project.archived:
        raise Conflict(problem=f"{owner.handle}/{project.handle} is archived and read-only.")
    if deed is Deed.LAND and project.mirrored:
        raise project_access.Mirrored(address=f"{owner.handle}/{project.handle}")
    closed = found.status not in OPEN or (deed is Deed.CHANGE and found.status is not Status.ACTIVE)
    if closed and deed is not Deed.VIEW:
        raise SessionOver(short=short(found.id), status=found.status.value, deed=_DONE[deed])
    if deed is Deed.LAND and ctx.actor.via is Via.AGENT and found.status is Status.PENDING_REVIEW:
        raise Forbidden(problem="This session waits for a person; an agent's token cannot land it.")
    raise Forbidden(problem=_REFUSAL[deed])


def may(ctx: Context, found: WorkSession, project: Project) -> list[Deed]:
    """All the asker may do with this session now."""
    standing = project_access.standing_of(ctx, project)
    abilities = project_access.abilities(ctx, project)
    own = ctx.actor.signed_in and found.author_id == ctx.actor.id
    deeds = [Deed.VIEW]
    if found.status not in OPEN or project.archived or project_access.elsewhere(ctx, project):
        return deeds
    trusted = own or standing >= Standing.ADMIN
    if own or standing >= Standing.MEMBER:
        deeds.append(Deed.NOTE)
    if trusted and found.status is Status.ACTIVE:
        deeds.append(Deed.CHANGE)
    if project_access.Ability.LAND in abilities and _may_finish(ctx, found, trusted=trusted):
        deeds.append(Deed.LAND)
    if trusted:
        deeds.append(Deed.ABANDON)
    return deeds


def visible(ctx: Context):  # type: ignore[no-untyped-def]
    """An SQL condition over sessions joined with their projects: those the asker may see."""
    shown = project_access.visible(ctx)
    if ctx.actor.via is Via.SYSTEM:
        return shown
    open_to_all = (col(WorkSession.status) == Status.LANDED) | (
        col(Project.session_visibility) == Proposers.ANYONE
    )
    if not ctx.actor.signed_in:
        return shown & open_to_all
    own = col(WorkSession.author_id) == ctx.actor.id
    if only := ctx.actor.limits.get("project"):
        own = own & (col(Project.id) == only)
    return shown & (open_to_all | own | project_access.belongs(ctx))


def sees_all(ctx: Context, project: Project) -> bool:
    """Whether the asker may see every session of a project that they may read, as `visible` says it."""
    everybody = project.session_visibility is Proposers.ANYONE
    return everybody or project_access.standing_of(ctx, project) >= Standing.MEMBER


def at_rest(found: WorkSession) -> None:
    """Raise SessionLanding while a landing of this session is under way."""
    if found.landing:
        raise SessionLanding(short=short(found.id))


def within_paths(ctx: Context, paths: Iterable[bytes]) -> None:
    """Raise Forbidden unless the asker's token may change all these paths; most tokens may."""
    allowed = [unquote(prefix).strip(b"/") for prefix in ctx.actor.limits.get("paths") or []]
    if not allowed:
        return
    for path in paths:
        if not any(path == prefix or path.startswith(prefix + b"/") for prefix in allowed):
            named = ", ".join(quote(prefix) for prefix in allowed)
            raise Forbidden(problem=f"This agent's token may change only {named}, not {quote(path)}.")


def short(id: str) -> str:
    """The last 8 hex digits: what people read and type."""
    return id[-8:]


def _may_finish(ctx: Context, found: WorkSession, *, trusted: bool) -> bool:
    if found.status is Status.PENDING_REVIEW:
        return ctx.actor.via is not Via.AGENT
    return trusted


def _found(ctx: Context, text: str, *, locked: bool) -> tuple[WorkSession, Project, Organization]:
    wanted = text.lower()
    if len(wanted) == WHOLE:
        query = _LOCKED_BY_ID if locked else _BY_ID
        seen = [row for row in ctx.db.exec(query, params={"id": wanted}).all() if _sees(ctx, row[0], row[1])]
    else:
        ids = or_(col(WorkSession.id).startswith(wanted), col(WorkSession.id).endswith(wanted))
        query = _WITH_PROJECT.where(ids, visible(ctx))
        seen = ctx.db.exec(_locking(query) if locked else query).all()
    if len(seen) > 1:
        names = ", ".join(found.id for found, _, _ in seen[:3])
        raise InvalidInput(problem=f"{text} fits several sessions: {names}. Give more of the id.")
    if not seen:
        raise NotFound(what="session")
    return seen[0]


def _sees(ctx: Context, found: WorkSession, project: Project) -> bool:
    """What `visible` says in SQL, of one session at hand."""
    if project.state is not ProjectState.READY:
        return False
    if ctx.actor.via is Via.SYSTEM:
        return True
    if project_access.Ability.READ not in project_access.abilities(ctx, project):
        return False
    mine = ctx.actor.signed_in and found.author_id == ctx.actor.id
    own = mine and not project_access.elsewhere(ctx, project)
    return found.status is Status.LANDED or own or sees_all(ctx, project)


def _locking(query):  # type: ignore[no-untyped-def]
    # What this transaction read of it before may be old by now.
    return query.with_for_update(of=WorkSession).execution_options(populate_existing=True)


# Made once: a landing asks twice, and making it costs as much as asking.
_WITH_PROJECT = (
    select(WorkSession, Project, Organization)
    .join(Project, col(Project.id) == col(WorkSession.project_id))
    .join(Organization, col(Organization.id) == col(Project.organization_id))
    .order_by(col(WorkSession.id))
    .limit(4)
)
_BY_ID = _WITH_PROJECT.where(col(WorkSession.id) == bindparam("id"))
_LOCKED_BY_ID = _locking(_BY_ID)

_DONE = {
    Deed.VIEW: "viewed",
    Deed.NOTE: "noted",
    Deed.CHANGE: "changed",
    Deed.LAND: "landed",
    Deed.ABANDON: "abandoned",
}
_REFUSAL = {
    Deed.VIEW: "You may not see this session.",
    Deed.NOTE: "Only its author and members of the project add to this session.",
    Deed.CHANGE: "Only its author and admins of the project change this session.",
    Deed.LAND: "You may not land this session. Its author can ask for a review: land with require_approval.",
    Deed.ABANDON: "Only its author and admins of the project abandon this session.",
}
