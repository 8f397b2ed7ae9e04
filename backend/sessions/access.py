"""Who may do what with a session.

An open session is seen by its author and by those who may land in its project; by anyone
who reads the project only where `session_visibility` says so. A landed one is part of the log
and seen with the project. What may not be seen is answered like what does not exist.
"""

from enum import StrEnum

from sqlmodel import col, or_, select

from backend.core.context import Context, Via
from backend.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.organizations.models import Organization
from backend.projects import access as project_access
from backend.projects.access import Standing
from backend.projects.models import Project, Proposers
from backend.sessions.models import Status, WorkSession


class Deed(StrEnum):
    """What one may do with a session."""

    VIEW = "view"
    NOTE = "note"
    CHANGE = "change"
    LAND = "land"
    ABANDON = "abandon"


_OPEN = (Status.ACTIVE, Status.PENDING_REVIEW)


class SessionOver(Conflict):
    """The session has ended or is not in a state for this."""

    code = "session.over"
    message = "Session {short} is {status}, so it cannot be {deed}. Start a new one: mic session start."


def session(ctx: Context, text: str, deed: Deed = Deed.VIEW) -> tuple[WorkSession, Project, Organization]:
    """The session of that id, or of that unique prefix or suffix. NotFound, Forbidden or SessionOver."""
    found, project, owner = _found(ctx, text)
    deeds = may(ctx, found, project)
    if deed in deeds:
        return found, project, owner
    if deed is not Deed.VIEW and project.archived:
        raise Conflict(problem=f"{owner.handle}/{project.handle} is archived and read-only.")
    closed = found.status not in _OPEN or (deed is Deed.CHANGE and found.status is not Status.ACTIVE)
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
    if found.status not in _OPEN or project.archived:
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


def visible(ctx: Context, project: Project):  # type: ignore[no-untyped-def]
    """An SQL condition: sessions of a project the asker may see (given that they see the project)."""
    if _sees_all(ctx, project):
        return col(WorkSession.project_id) == project.id
    mine = (
        col(WorkSession.author_id) == ctx.actor.id if ctx.actor.signed_in else col(WorkSession.id).is_(None)
    )
    return (col(WorkSession.project_id) == project.id) & ((col(WorkSession.status) == Status.LANDED) | mine)


def short(id: str) -> str:
    """The last 8 hex digits: what people read and type."""
    return id[-8:]


def _may_finish(ctx: Context, found: WorkSession, *, trusted: bool) -> bool:
    if found.status is Status.PENDING_REVIEW:
        return ctx.actor.via is not Via.AGENT
    return trusted


def _sees_all(ctx: Context, project: Project) -> bool:
    if project.session_visibility is Proposers.ANYONE:
        return True
    return project_access.standing_of(ctx, project) >= Standing.MEMBER


def _found(ctx: Context, text: str) -> tuple[WorkSession, Project, Organization]:
    missing = NotFound(what="session")
    wanted = text.lower()
    ids = or_(col(WorkSession.id) == wanted)
    if len(wanted) < 36:
        ids = or_(col(WorkSession.id).startswith(wanted), col(WorkSession.id).endswith(wanted))
    seen = []
    for found in ctx.db.exec(select(WorkSession).where(ids).limit(50)).all():
        try:
            project, owner = project_access.by_id(ctx, found.project_id)
        except NotFound:
            continue
        if ctx.db.exec(
            select(WorkSession.id).where(WorkSession.id == found.id, visible(ctx, project))
        ).first():
            seen.append((found, project, owner))
    if len(seen) > 1:
        names = ", ".join(found.id for found, _, _ in seen[:3])
        raise InvalidInput(problem=f"{text} fits several sessions: {names}. Give more of the id.")
    if not seen:
        raise missing
    return seen[0]


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
