"""Landing a session: permit, append, catch up.

A short transaction gives the permit: it asks once more who this is and whether they may. Then
the log decides, with no transaction open; once its HEAD has moved the landing *has happened*.
Rows follow by catching up, the same rows whoever does it. A permit whose landing nobody
finished is settled by the sweeper, which fences HEAD before it looks.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Annotated, Any

from prometheus_client import Counter
from pydantic import Field
from sqlalchemy import bindparam
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlmodel import col, select, update

from backend.accounts.identity import still_good
from backend.accounts.models import Account
from backend.core.context import SYSTEM, Actor, Context, Forge
from backend.core.errors import Conflict, MicelioError, NotFound, Unavailable
from backend.core.events import fact
from backend.core.operations import Mode, operation
from backend.organizations.models import Organization
from backend.projects import code, projection
from backend.projects.models import Landing, Project
from backend.sessions import access, content, files, live, restoring
from backend.sessions.access import Deed
from backend.sessions.models import Permit, PermitState, SessionCommit, StagedFile, Status, WorkSession
from backend.sessions.redaction import redact
from backend.sessions.schemas import ConflictPath, EventIn, LandedSession, SessionRef
from backend.sessions.service import summary as summary_of
from vcs import faults, overlay
from vcs.deciding import Asked
from vcs.landing import (
    Batcher,
    LandingTaken,
    LandingUnknown,
    PathConflict,
    PermitGone,
    Proposal,
    Push,
    fence,
)
from vcs.log import Record, RecordKind
from vcs.objects import EMPTY_TREE, Entry, Kind, Object, format_time, new_id
from vcs.paths import quote
from vcs.pushes import RefsMoved, is_ancestor
from vcs.repository import Change, Repository
from vcs.segments import name_hash

PERMIT = timedelta(seconds=30)
CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of two nodes may be apart."""
ATTEMPTS = 5
OVERTAKE_SECONDS = 3.0
"""How long a landing that is sent again waits for the one that is under way."""

INTERRUPTED = "Landing was interrupted and nothing was changed. Land again."

LandingId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Summary = Annotated[str, Field(max_length=10_000)]

log = logging.getLogger(__name__)

_happened = Counter(
    "micelio_landings",
    "Landings appended here, and the swaps of HEAD won for them or lost to another process",
    ["what"],
)
for _what in ("landed", "won", "lost"):
    _happened.labels(_what)


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


class LandedUnseen(Unavailable):
    """It landed, and what this forge shows of it cannot be written yet."""

    code = "landing.unseen"
    message = (
        "Landing {landing} happened and is safe, but the forge cannot show it yet ({problem}). "
        "Ask again with the same id for the answer."
    )


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
    known, landing = landing is not None, landing or new_id()
    if require_approval:
        with ctx.transaction() as tx:
            return _already(tx, session, landing) or _ask_for_review(tx, session, redact(summary))
    if known and (done := _met(ctx, session, landing)):
        return done
    try:
        return _land(ctx, session, redact(summary), landing)
    except access.SessionOver:
        # The same landing was sent twice at once, and the other was faster.
        if known and (done := _met(ctx, session, landing)):
            return done
        raise


def _land(ctx: Context, session: str, text: str, landing: str) -> LandedSession:
    for _ in range(ATTEMPTS):
        with ctx.transaction(write=False) as tx:
            draft = _draft(tx, session, text)
        proposal = _proposal(ctx, draft, landing)
        faults.reach("landing.staged")
        with ctx.transaction() as tx:
            permitted = _permit(tx, draft, landing)
        if permitted:
            faults.reach("landing.permitted")
            try:
                _append(ctx, draft, proposal)
            except RefsMoved:
                # Pushed commits do not go on from the trunk any more: now their tree is merged.
                continue
            return _answer(ctx, draft)
    raise Conflict(problem="The session changes faster than it can be landed. Stop pushing, then land it.")


@dataclass(frozen=True)
class _Draft:
    """All that a landing needs from SQL, read at one revision of the session."""

    session: str
    project: str
    pool: str
    revision: int
    base: str | None
    tree: str
    tip: str | None
    trees: tuple[Object, ...]
    parsed: Mapping[str, tuple[Entry, ...]]
    adopted: tuple[str, ...]
    copied: tuple[str, ...]
    staged: tuple[str, ...]
    hints: Mapping[str, int]
    author: tuple[str, str]
    told: Mapping[str, Any]
    message: str
    text: str


def batcher(forge: Forge, project: str, pool: str) -> Batcher:
    """The batcher of a project in this process."""

    def open_it() -> Batcher:
        return Batcher(
            code.repository(forge, project, pool),
            still_wanted=lambda landings: _still_wanted(forge, landings),
            lock=lambda: forge.db.lock(f"landing:{project}"),
            clock=forge.clock,
            host=forge.settings.host,
            tell=lambda what, times: _happened.labels(what).inc(times),
            last_changes=lambda paths: _last_changes(forge, project, paths),
        )

    return forge.project_part(project, Batcher, open_it)


def _last_changes(forge: Forge, project: str, paths: Sequence[bytes]) -> dict[bytes, Change]:
    """Which landing last touched each path, from the rows: a trunk of a million positions is not walked."""
    # What others landed is told by its goal too, so their rows have to be there.
    projection.catch_up(forge, project)
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        return projection.last_changes(tx, project, paths)


def sweep(forge: Forge) -> int:
    """Settle permits past their time: take over, fence, read the log, decide. Returns how many.

    One that cannot be settled now, because its log cannot be read, waits for the next time.
    """
    ctx = Context(forge, SYSTEM)
    with ctx.transaction() as tx:
        # One that would hold much longer than any is given was given before the clock was set back.
        never = tx.now() + PERMIT + CLOCKS_DIFFER
        over = (col(Permit.expires_at) < tx.now()) | (col(Permit.expires_at) > never)
        late = tx.db.exec(select(Permit).where(over)).all()
        taken: dict[str, list[str]] = {}
        for permit in late:
            permit.state = PermitState.RECOVERING
            tx.db.add(permit)
            taken.setdefault(permit.project_id, []).append(permit.landing)
    settled = 0
    for project, landings in taken.items():
        try:
            _settle(ctx, project, landings)
        except MicelioError:
            log.exception("permits of project %s could not be settled", project)
            continue
        settled += len(landings)
    return settled


def _settle(ctx: Context, project: str, landings: Sequence[str], told: str = INTERRUPTED) -> None:
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, project)
    if row is not None:
        fence(code.repository(ctx.forge, project, row.pool))
        projection.catch_up(ctx.forge, project)
    with ctx.transaction() as tx:
        for landing in landings:
            # Gone by now if the log had it; open again if it was settled already and is tried anew.
            permit = tx.db.get(Permit, landing)
            if permit is not None and permit.state is PermitState.RECOVERING:
                withdraw(tx, landing, told)


@projection.follows_log
def settle_session(
    ctx: Context, project: Project, record: Record, told: dict[str, Any], landings: list[Landing], first: bool
) -> None:
    """Write what a record means for its session: landed, permit gone, fact emitted once."""
    if record.landing is None:
        return
    ctx.db.connection().execute(_TAKE_BACK, {"landing_id": record.landing})
    found = _locked(ctx, record.session)
    if not landings:
        return
    position = landings[-1].position
    if found is not None:
        _note_landed(ctx, found, record, position)
    elif record.kind is RecordKind.PUSH and record.session is not None and first:
        found = restoring.begin_landed(ctx, project, record, told, landings[-1])
    else:
        return
    ctx.ring(f"session:{found.id}")
    ctx.ring(f"project:{project.id}")
    if first:
        ctx.emit(SessionLanded(project.id, found.id, record.landing, position))


def _note_landed(ctx: Context, found: WorkSession, record: Record, position: int) -> None:
    """Write into a session's row that it landed, and let go of what it kept staged."""
    if found.status is not Status.LANDED:
        event = EventIn(kind="status", body={"state": "landed", "position": position})
        live.append_all(ctx, found, [event], bounded=False)
    found.status, found.landing = Status.LANDED, False
    found.landed_position, found.landing_id = position, record.landing
    found.ended_at = found.updated_at = record.at
    ctx.db.add(found)
    ctx.db.connection().execute(_LET_GO, {"of_session": found.id})
    if record.kind is RecordKind.PUSH:
        ctx.db.connection().execute(_LET_COMMITS_GO, {"of_session": found.id})


_TAKE_BACK = sql_delete(Permit).where(col(Permit.landing) == bindparam("landing_id"))
_LET_COMMITS_GO = sql_delete(SessionCommit).where(col(SessionCommit.session_id) == bindparam("of_session"))
_LET_GO = sql_delete(StagedFile).where(col(StagedFile.session_id) == bindparam("of_session"))


def _met(ctx: Context, session: str, landing: str) -> LandedSession | None:
    """The answer this landing had before, if there is one; None when it may be tried (again).

    While its permit is open, whoever has it is given a moment. Then it is taken over: the caller asks
    again because that process is gone, or because its answer will not be heard any more.
    """
    with ctx.transaction(write=False) as tx:
        if done := _already(tx, session, landing):
            return done
        permit = tx.db.get(Permit, landing)
    if permit is None or permit.actor_id != ctx.actor.id:
        return None
    for _ in range(2):
        done, open_ = _awaited(ctx, session, permit)
        if not open_:
            return done
        _take_over(ctx, permit)
    return None


def _awaited(ctx: Context, session: str, permit: Permit) -> tuple[LandedSession | None, bool]:
    """What became of a landing within a moment, and whether its permit is still there."""
    until = monotonic() + OVERTAKE_SECONDS
    with ctx.forge.bell.listen(f"session:{permit.session_id}") as ear:
        while True:
            projection.catch_up(ctx.forge, permit.project_id)
            with ctx.transaction(write=False) as tx:
                done = _already(tx, session, permit.landing)
                gone = tx.db.get(Permit, permit.landing) is None
            if done or gone or monotonic() >= until:
                return done, not (done or gone)
            ear.wait_blocking(max(0.0, until - monotonic()))


def _take_over(ctx: Context, permit: Permit) -> None:
    """Settle an open permit now; whoever flips its state does it, and the sweeper should that one die."""
    with ctx.transaction() as tx:
        taken = tx.db.exec(
            update(Permit)
            .where(col(Permit.landing) == permit.landing, col(Permit.state) == PermitState.OPEN)
            .values(state=PermitState.RECOVERING)
        )
    if taken.rowcount:
        _settle(ctx, permit.project_id, [permit.landing], told="")


def _already(ctx: Context, session: str, landing: str) -> LandedSession | None:
    found, _, _ = access.session(ctx, session)
    row = ctx.db.exec(select(Landing).where(Landing.landing == landing)).first()
    if row is None:
        return None
    if (row.session, row.actor) != (found.id, ctx.actor.id):
        raise LandingTaken(landing=landing)
    return _landed(ctx, found.id)


def _ask_for_review(ctx: Context, session: str, text: str) -> LandedSession:
    found, project, owner = access.session(ctx, session, Deed.CHANGE, locked=True)
    _refuse_early(found)
    found.summary = text or found.summary
    found.status = Status.PENDING_REVIEW
    ctx.db.add(found)
    event = EventIn(kind="status", body={"state": "pending_review", "text": text})
    live.append_all(ctx, found, [event], bounded=False)
    ctx.ring(f"project:{project.id}")
    shape = summary_of(ctx, found, project, owner)
    return LandedSession(**shape.model_dump(), position=None, commit=None, landing_id=None)


def _draft(ctx: Context, session: str, text: str) -> _Draft:
    found, project, _ = access.session(ctx, session, Deed.LAND)
    _refuse_early(found)
    repository = code.reader(ctx, project)
    projection.require_followed(ctx, project.id, repository)
    changes = files.changes_of(ctx, found.id)
    keys = content.staged_keys(ctx, found.id)
    parsed: dict[str, tuple[Entry, ...]] = {}
    tree, made = overlay.apply(repository.with_staged(keys), found.base_tree, changes, parsed)
    adopted, copied = _sorted_out(repository, keys, {c.id for c in changes if c.id is not None})
    account = ctx.db.get(Account, found.author_id) if found.author_id else SYSTEM
    if account is None:
        raise NotFound(what="author of this session")
    text = text or found.summary
    return _Draft(
        session=found.id,
        project=project.id,
        pool=project.pool,
        revision=found.revision,
        base=found.base_commit,
        tree=tree,
        tip=_tip(ctx, found.id),
        trees=tuple(made),
        parsed=parsed,
        adopted=tuple(adopted),
        copied=tuple(copied),
        staged=tuple(keys),
        hints={c.id: name_hash(c.path) for c in changes if c.id is not None},
        author=(
            account.name or account.handle,
            f"{account.handle}@users.noreply.{ctx.forge.settings.host}",
        ),
        told=_told(ctx, found, account, text),
        message=_message(found, text),
        text=text,
    )


def _tip(ctx: Context, session: str) -> str | None:
    """The commit that was pushed for this session."""
    return ctx.db.connection().execute(_PUSHED_TIP, {"of_session": session}).scalar()


_PUSHED_TIP = select(SessionCommit.commit).where(
    col(SessionCommit.session_id) == bindparam("of_session"), col(SessionCommit.number) == 0
)


def _sorted_out(repository: Repository, keys: Sequence[str], named: set[str]) -> tuple[list[str], list[str]]:
    """Staged segments to be taken as they are, and blobs to be copied out of the others.

    A segment may become part of the log whole; so what a session took back again, which may be a
    secret, must not be in it.
    """
    adopted, copied = [], []
    missing = named - repository.index.kinds_of(list(named)).keys() - {EMPTY_TREE}
    for key in keys:
        _, footer = repository.staged.get(key)
        held = {entry.id for entry in footer.entries}
        wanted = held & missing
        if wanted and held <= named:
            adopted.append(key)
        else:
            copied += sorted(wanted)
        missing -= wanted
    return adopted, copied


def _proposal(ctx: Context, draft: _Draft, landing: str) -> Asked:
    """What is to land, with its content at hand; no transaction is open while it is read.

    Commits that were pushed and go on from the trunk land as they are; else their tree is merged.
    """
    blobs: list[Object] = []
    if draft.copied or draft.tip:
        repository = code.repository(ctx.forge, draft.project, draft.pool)
        with ctx.transaction(write=False) as tx:
            keys = content.staged_keys(tx, draft.session)
        reader = repository.with_staged(keys)
        main = repository.remembered()[0].main
        if draft.tip and (main is None or is_ancestor(main, draft.tip, reader.commit)):
            return Push(
                landing=landing,
                session=draft.session,
                revision=draft.revision,
                actor=ctx.actor.id,
                trunk=(main, draft.tip),
                staged=keys,
                summary={**draft.told, "source": "push"},
                # They were judged when they were pushed.
                accept_names=True,
            )
        blobs = [Object(Kind.BLOB, id, reader.read(id, Kind.BLOB)) for id in draft.copied]
    return Proposal(
        landing=landing,
        session=draft.session,
        revision=draft.revision,
        actor=ctx.actor.id,
        base=draft.base,
        tree=draft.tree,
        objects=(*blobs, *draft.trees),
        parsed=draft.parsed,
        staged=draft.adopted,
        hints=draft.hints,
        author=draft.author,
        summary=draft.told,
        message=draft.message.encode(),
    )


def _permit(ctx: Context, draft: _Draft, landing: str) -> bool:
    """Give the permit, to who may have it now; False when the session is not any more what was read."""
    ctx = ctx.acting_as(still_good(ctx, ctx.actor))
    found, project, owner = access.session(ctx, draft.session, Deed.LAND, locked=True)
    _refuse_early(found)
    if found.revision != draft.revision:
        return False
    if ctx.actor.limits.get("paths"):
        access.within_paths(ctx, (change.path for change in files.changes_of(ctx, found.id)))
    found.summary, found.landing = draft.text, True
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
    try:
        ctx.db.flush()
    except IntegrityError:
        raise LandingTaken(landing=landing) from None
    return True


def _refuse_early(found: WorkSession) -> None:
    access.at_rest(found)
    if not found.files:
        raise NothingToLand(short=access.short(found.id))


def _append(ctx: Context, draft: _Draft, proposal: Asked) -> None:
    faults.reach("landing.queued")
    try:
        landed = batcher(ctx.forge, draft.project, draft.pool).land(proposal)
    except (LandingUnknown, PermitGone):
        # Only the log knows, or the sweeper has it already: the permit stays and is settled there.
        raise
    except PathConflict as conflict:
        with ctx.transaction() as tx:
            withdraw(tx, proposal.landing, "")
            refusal = _explained(tx, draft.project, conflict)
        raise refusal from None
    except MicelioError:
        with ctx.transaction() as tx:
            withdraw(tx, proposal.landing, "")
        raise
    faults.reach("landing.before_catch_up")
    repository = code.repository(ctx.forge, draft.project, draft.pool)
    repository.staged.forget(draft.staged)
    try:
        projection.follow(ctx.forge, repository, landed.sequence)
    except MicelioError as error:
        # It has happened. "Nothing was changed" is true of the rows alone, so it must not be said.
        raise LandedUnseen(landing=proposal.landing, problem=error.sentence) from error
    faults.reach("landing.after_catch_up")


def _told(ctx: Context, found: WorkSession, author: Account | Actor, text: str) -> dict[str, Any]:
    """What people said, as the log keeps it in an erasable object."""
    state = live.state(ctx, found.id)
    names = {author.handle: author.name or author.handle} if isinstance(author, Account) else {}
    others = {note.actor for note in (*state.conversation, *state.decisions)} - set(names)
    if others:
        rows = ctx.db.connection().execute(_NAMES, {"handles": sorted(others)})
        names |= {handle: name or handle for handle, name in rows}
    return {
        "goal": found.goal,
        "summary": text,
        "author": author.handle,
        "authors": names,
        "agent": found.agent,
        "model": found.model,
        "source": "session",
        "started_at": format_time(found.started_at),
        "conversation": [_kept(note) for note in state.conversation[1:]],
        "decisions": [_kept(note) for note in state.decisions],
        "events": [found.events, found.last_event],
        "base": found.base_position,
        "changed": [found.files, found.additions, found.deletions],
        # As text: the log holds no numbers with a point.
        "metadata": json.dumps(found.metadata_),
    }


_NAMES = select(Account.handle, Account.name).where(
    col(Account.handle).in_(bindparam("handles", expanding=True))
)


def _kept(note: Any) -> dict[str, str]:
    return {"role": note.role.value, "actor": note.actor, "text": note.text, "at": format_time(note.time)}


def _message(found: WorkSession, text: str) -> str:
    parts = [found.goal.strip()]
    if text.strip():
        parts.append(text.strip())
    trailers = [f"Micelio-Session: {found.id}"]
    if found.agent:
        who = f"{found.agent} {found.model}".strip()
        trailers.append("Micelio-Agent: " + " ".join(who.split()))
    return "\n\n".join([*parts, "\n".join(trailers)]) + "\n"


def _still_wanted(forge: Forge, landings: Sequence[str]) -> set[str]:
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        asked = {"landings": list(landings), "now": tx.now()}
        return set(tx.db.connection().execute(_STILL_OPEN, asked).scalars())


_STILL_OPEN = select(Permit.landing).where(
    col(Permit.landing).in_(bindparam("landings", expanding=True)),
    col(Permit.state) == PermitState.OPEN,
    col(Permit.expires_at) > bindparam("now"),
)


def withdraw(ctx: Context, landing: str, sentence: str) -> None:
    """Take a permit back, and tell its session why when there is a sentence."""
    permit = ctx.db.get(Permit, landing)
    if permit is None:
        return
    found = _locked(ctx, permit.session_id)
    ctx.db.delete(permit)
    if found is None:
        return
    found.landing = False
    ctx.db.add(found)
    ctx.ring(f"session:{found.id}")
    if sentence:
        live.append_all(ctx, found, [EventIn(kind="error", body={"text": sentence})], bounded=False)


def _locked(ctx: Context, session: str | None) -> WorkSession | None:
    return ctx.db.exec(_LOCKED, params={"id": session}).first() if session else None


_LOCKED = select(WorkSession).where(col(WorkSession.id) == bindparam("id")).with_for_update()


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


def _answer(ctx: Context, draft: _Draft) -> LandedSession:
    try:
        with ctx.transaction(write=False) as tx:
            return _landed(tx, draft.session)
    except NoResultFound:
        # The rows were being made anew in another process, which `follow` does not notice.
        projection.catch_up(ctx.forge, draft.project)
    with ctx.transaction(write=False) as tx:
        return _landed(tx, draft.session)


def _landed(ctx: Context, session: str) -> LandedSession:
    found, project, owner, row = ctx.db.exec(_ANSWER, params={"id": session}).one()
    shape = summary_of(ctx, found, project, owner)
    return LandedSession(
        **shape.model_dump(), position=row.position, commit=row.commit, landing_id=found.landing_id
    )


_ANSWER = (
    select(WorkSession, Project, Organization, Landing)
    .join(Project, col(Project.id) == col(WorkSession.project_id))
    .join(Organization, col(Organization.id) == col(Project.organization_id))
    .join(
        Landing,
        (col(Landing.project) == col(Project.id))
        & (col(Landing.position) == col(WorkSession.landed_position)),
    )
    .where(col(WorkSession.id) == bindparam("id"))
)
