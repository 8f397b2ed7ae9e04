"""Landing a session: permit, append, catch up.

A short transaction gives the permit: it asks once more who this is and whether they may. Then
the log decides, with no transaction open; once its HEAD has moved the landing *has happened*.
Rows follow by catching up, the same rows whoever does it. A permit whose landing nobody
finished is settled by the sweeper, which fences HEAD before it looks.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlmodel import col, select
from vcs.landing import Batcher, LandingUnknown, PathConflict, PermitGone, Proposal, fence

from backend.accounts.identity import still_good
from backend.accounts.models import Account
from backend.core.context import SYSTEM, Actor, Context, Forge
from backend.core.errors import Conflict, MicelioError, NotFound
from backend.core.events import fact
from backend.core.operations import Mode, operation
from backend.organizations.models import Organization
from backend.projects import code, projection
from backend.projects.models import Landing, Project
from backend.sessions import access, content, files, live
from backend.sessions.access import Deed
from backend.sessions.models import Permit, PermitState, StagedFile, Status, WorkSession
from backend.sessions.schemas import ConflictPath, EventIn, LandedSession, SessionRef
from backend.sessions.service import SessionLanding, summary
from vcs import faults, overlay
from vcs.log import Record
from vcs.objects import Kind, Object, format_time, new_id
from vcs.paths import quote

PERMIT = timedelta(seconds=30)
IN_REQUEST = 8 << 20
STAGED_AT_MOST = 48

LandingId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Summary = Annotated[str, Field(max_length=10_000)]


@fact
@dataclass(frozen=True)
class SessionLanded:
    """A session is in the log and its rows are written."""

    project: str
    session: str
    landing: str
    position: int


class LandingConflict(Conflict):
    """The trunk changed the same paths; `paths` lists them, `head` is the trunk's position."""

    code = "landing.conflict"
    message = "Main moved to {head} and {count} of these paths changed on both sides: {named}. {advice}"


class NothingToLand(Conflict):
    """The session changes no file."""

    code = "landing.empty"
    message = "Session {short} changes nothing yet, so there is nothing to land. Push something first."


@operation(
    scope="session:write",
    http="POST /api/v1/sessions/{session}/land",
    mode=Mode.STEPS,
    status=200,
    tool=True,
    rpc="SessionService.LandSession",
)
def land_session(
    ctx: Context,
    *,
    session: SessionRef,
    summary: Summary = "",
    require_approval: bool = False,
    landing: LandingId | None = None,
) -> LandedSession:
    """Land a session on the trunk, or put it in front of a reviewer with `require_approval`.

    The same `landing` id sent again is the same landing. `position` is null while it waits.
    Raises LandingConflict naming the paths, NothingToLand, SessionOver, SessionLanding.
    """
    with ctx.transaction() as tx:
        if done := _already(tx, session, landing):
            return done
        if require_approval:
            return _ask_for_review(tx, session, summary)
        permit = _permit(tx, session, landing or new_id(), summary)
    faults.reach("landing.permitted")
    _append(ctx, permit)
    with ctx.transaction(write=False) as tx:
        return _landed(tx, permit.session)


@dataclass(frozen=True)
class _Permitted:
    """What the permit's transaction read: all that the landing needs from SQL."""

    landing: str
    session: str
    project: str
    pool: str
    proposal: Proposal


def batcher(forge: Forge, project: str, pool: str) -> Batcher:
    """The batcher of a project in this process."""

    def open_it() -> Batcher:
        return Batcher(
            code.repository(forge, project, pool),
            still_wanted=lambda landings: _still_wanted(forge, landings),
            lock=lambda: forge.db.lock(f"landing:{project}"),
            clock=forge.clock,
            host=forge.settings.host,
        )

    return forge.part(("batcher", project), open_it)


def sweep(forge: Forge) -> int:
    """Settle permits past their time: fence, read the log, decide. Returns how many."""
    ctx = Context(forge, SYSTEM)
    with ctx.transaction() as tx:
        late = tx.db.exec(select(Permit).where(Permit.expires_at < tx.now())).all()
        for permit in late:
            permit.state = PermitState.RECOVERING
            tx.db.add(permit)
        taken = [(permit.landing, permit.project_id) for permit in late]
    for landing, project in taken:
        with ctx.transaction(write=False) as tx:
            row = tx.db.get(Project, project)
        if row is not None:
            fence(code.repository(forge, project, row.pool))
            projection.catch_up(forge, project)
        with ctx.transaction() as tx:
            _withdraw(tx, landing, "Landing was interrupted and nothing was changed. Land again.")
    return len(taken)


@projection.follows_log
def settle_session(
    ctx: Context, project: Project, record: Record, told: dict[str, Any], landings: list[Landing], first: bool
) -> None:
    """Write what a record means for its session: landed, permit gone, fact emitted once."""
    if record.landing is None:
        return
    permit = ctx.db.get(Permit, record.landing)
    if permit is not None:
        ctx.db.delete(permit)
    found = ctx.db.get(WorkSession, record.session) if record.session else None
    if found is None or not landings:
        return
    position = landings[-1].position
    if found.status is not Status.LANDED:
        event = EventIn(kind="status", body={"state": "landed", "position": position})
        live.append(ctx, found, project, event)
    found.status, found.landing = Status.LANDED, False
    found.landed_position, found.landing_id = position, record.landing
    found.ended_at = found.updated_at = record.at
    ctx.db.add(found)
    for staged in ctx.db.exec(select(StagedFile).where(StagedFile.session_id == found.id)).all():
        ctx.db.delete(staged)
    ctx.ring(f"session:{found.id}")
    ctx.ring(f"project:{project.id}")
    if first:
        ctx.emit(SessionLanded(project.id, found.id, record.landing, position))


def _already(ctx: Context, session: str, landing: str | None) -> LandedSession | None:
    found, _, _ = access.session(ctx, session)
    if landing is None:
        return None
    if found.status is Status.LANDED and found.landing_id == landing and found.author_id == ctx.actor.id:
        return _landed(ctx, found.id)
    other = ctx.db.exec(select(WorkSession).where(WorkSession.landing_id == landing)).first()
    if other is not None:
        raise Conflict(problem=f"The landing id {landing} was used before. Choose a new one.")
    return None


def _ask_for_review(ctx: Context, session: str, text: str) -> LandedSession:
    found, project, owner = access.session(ctx, session, Deed.CHANGE)
    ctx.db.refresh(found, with_for_update=True)
    _refuse_early(found)
    found.summary = text or found.summary
    found.status = Status.PENDING_REVIEW
    ctx.db.add(found)
    live.append(ctx, found, project, EventIn(kind="status", body={"state": "pending_review", "text": text}))
    ctx.ring(f"project:{project.id}")
    shape = summary(ctx, found, project, owner)
    return LandedSession(**shape.model_dump(), position=None, commit=None, landing_id=None)


def _permit(ctx: Context, session: str, landing: str, text: str) -> _Permitted:
    still_good(ctx, ctx.actor)
    found, project, owner = access.session(ctx, session, Deed.LAND)
    ctx.db.refresh(found, with_for_update=True)
    _refuse_early(found)
    found.summary = text or found.summary
    found.landing = True
    ctx.db.add(found)
    ctx.db.add(
        Permit(
            landing=landing,
            project_id=project.id,
            session_id=found.id,
            revision=found.revision,
            actor_id=ctx.actor.id,
            expires_at=ctx.now() + PERMIT,
        )
    )
    address = f"{owner.handle}/{project.handle}"
    ctx.audit("session.land", address, session=found.id, landing=landing)
    return _Permitted(landing, found.id, project.id, project.pool, _proposal(ctx, found, project, landing))


def _refuse_early(found: WorkSession) -> None:
    if found.landing:
        raise SessionLanding(short=access.short(found.id))
    if not found.files:
        raise NothingToLand(short=access.short(found.id))


def _append(ctx: Context, permit: _Permitted) -> None:
    try:
        batcher(ctx.forge, permit.project, permit.pool).land(permit.proposal)
    except (LandingUnknown, PermitGone):
        # Only the log knows, or the sweeper has it already: the permit stays and is settled there.
        raise
    except PathConflict as conflict:
        with ctx.transaction() as tx:
            _withdraw(tx, permit.landing, "")
            refusal = _explained(tx, permit.project, conflict)
        raise refusal from None
    except MicelioError:
        with ctx.transaction() as tx:
            _withdraw(tx, permit.landing, "")
        raise
    faults.reach("landing.before_catch_up")
    projection.catch_up(ctx.forge, permit.project)
    faults.reach("landing.after_catch_up")


def _proposal(ctx: Context, found: WorkSession, project: Project, landing: str) -> Proposal:
    reader = content.staged_reader(ctx, found, project)
    changes = files.changes_of(ctx, found.id)
    tree, made = overlay.apply(reader, found.base_tree, changes)
    blobs, staged = _new_blobs(ctx, found, project, changes)
    account = ctx.db.get(Account, found.author_id) if found.author_id else SYSTEM
    if account is None:
        raise NotFound(what="author of this session")
    name, host = account.name or account.handle, ctx.forge.settings.host
    return Proposal(
        landing=landing,
        session=found.id,
        revision=found.revision,
        actor=ctx.actor.id,
        base=found.base_commit,
        tree=tree,
        objects=tuple(made) + tuple(blobs),
        staged=tuple(staged),
        author=(name, f"{account.handle}@users.noreply.{host}"),
        summary=_told(ctx, found, account),
        message=_message(found).encode(),
    )


def _new_blobs(
    ctx: Context, found: WorkSession, project: Project, changes: Sequence[overlay.Change]
) -> tuple[list[Object], list[str]]:
    """Small content travels with the request; more than that is adopted as it was staged."""
    repository = code.repository(ctx.forge, project.id, project.pool)
    wanted = sorted({c.id for c in changes if c.id is not None and not repository.has(c.id)})
    keys = [row.key for row in content.staged_keys(ctx, found.id)]
    reader = repository.with_staged(keys) if keys else repository
    if sum(reader.size(id) for id in wanted) <= IN_REQUEST:
        return [Object(Kind.BLOB, id, reader.read(id, Kind.BLOB)) for id in wanted], []
    if len(keys) > STAGED_AT_MOST:
        # Too many small segments for one batch: what is needed goes into few.
        keys = repository.stage(Object(Kind.BLOB, id, reader.read(id, Kind.BLOB)) for id in wanted)
        for key in keys:
            content.keep(ctx, found.id, project.id, key, 0)
    return [], keys


def _told(ctx: Context, found: WorkSession, author: Account | Actor) -> dict[str, Any]:
    """What people said, as the log keeps it in an erasable object."""
    state = live.state(ctx, found.id)
    speakers = {note.actor for note in (*state.conversation, *state.decisions)}
    query = select(Account).where(col(Account.handle).in_(sorted(speakers | {author.handle})))
    return {
        "salt": secrets.token_hex(16),
        "goal": found.goal,
        "summary": found.summary,
        "author": author.handle,
        "authors": {row.handle: row.name or row.handle for row in ctx.db.exec(query).all()},
        "agent": found.agent,
        "model": found.model,
        "source": "session",
        "started_at": format_time(found.started_at),
        "conversation": [_kept(note) for note in state.conversation[1:]],
        "decisions": [_kept(note) for note in state.decisions],
        "events": [found.events, found.last_event],
    }


def _kept(note: Any) -> dict[str, str]:
    return {"role": note.role.value, "actor": note.actor, "text": note.text, "at": format_time(note.time)}


def _message(found: WorkSession) -> str:
    parts = [found.goal.strip()]
    if found.summary.strip():
        parts.append(found.summary.strip())
    trailers = [f"Micelio-Session: {found.id}"]
    if found.agent:
        who = f"{found.agent} {found.model}".strip()
        trailers.append("Micelio-Agent: " + " ".join(who.split()))
    return "\n\n".join([*parts, "\n".join(trailers)]) + "\n"


def _still_wanted(forge: Forge, landings: Sequence[str]) -> set[str]:
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        query = select(Permit.landing).where(
            col(Permit.landing).in_(list(landings)),
            Permit.state == PermitState.OPEN,
            Permit.expires_at > tx.now(),
        )
        return set(tx.db.exec(query).all())


def _withdraw(ctx: Context, landing: str, sentence: str) -> None:
    permit = ctx.db.get(Permit, landing)
    if permit is None:
        return
    found = ctx.db.get(WorkSession, permit.session_id) if permit.session_id else None
    ctx.db.delete(permit)
    if found is None:
        return
    found.landing = False
    ctx.db.add(found)
    project = ctx.db.get(Project, permit.project_id)
    if sentence and project is not None:
        live.append(ctx, found, project, EventIn(kind="error", body={"text": sentence}))


def _explained(ctx: Context, project: str, conflict: PathConflict) -> LandingConflict:
    newest = code.last_landing(ctx, project)
    paths = []
    for one in conflict.overlaps:
        by = ctx.db.get(Landing, (project, one.position)) if one.position else None
        paths.append(
            ConflictPath(
                path=quote(one.path),
                base=one.base.id if one.base else None,
                ours=one.ours.id if one.ours else None,
                theirs=one.theirs.id if one.theirs else None,
                position=one.position,
                goal=by.goal if by else "",
            )
        )
    named = ", ".join(f"{p.path} (landing #{p.position})" if p.position else p.path for p in paths[:3])
    return LandingConflict(
        head=newest.position if newest else 0,
        count=len(paths),
        named=named + (" and more" if len(paths) > 3 else ""),
        advice="Nothing was landed. Start a session on the newest position and bring your changes over.",
        paths=[p.model_dump() for p in paths],
    )


def _landed(ctx: Context, session: str) -> LandedSession:
    found = ctx.db.get(WorkSession, session)
    assert found is not None
    project = ctx.db.get(Project, found.project_id)
    assert project is not None
    owner = ctx.db.get(Organization, project.organization_id)
    assert owner is not None
    row = ctx.db.get(Landing, (project.id, found.landed_position)) if found.landed_position else None
    shape = summary(ctx, found, project, owner)
    return LandedSession(
        **shape.model_dump(exclude={"landing_id"}),
        position=found.landed_position,
        commit=row.commit if row else None,
        landing_id=found.landing_id,
    )
