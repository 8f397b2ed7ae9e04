"""Erasure: after a purge, sessions quote nothing that was erased and stand on commits that exist.

A position has another commit then, so the base of every session is looked up again. What a
session changed is taken out where its content is gone, and its event says so. Of a landing whose
words were erased nothing that was said is kept: not its events, not their archive.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlmodel import col, delete, select

from backend.core.context import Context
from backend.core.jobs import on
from backend.core.operations import Mode
from backend.projects import code
from backend.projects.deleting import ProjectErased
from backend.projects.models import Project
from backend.projects.projection import ObjectsErased
from backend.sessions import content, live
from backend.sessions.models import (
    Permit,
    SessionCommit,
    SessionEvent,
    SessionFile,
    StagedFile,
    Status,
    WorkSession,
)
from backend.sessions.schemas import EventIn
from vcs.lists import decode_erased_list
from vcs.live import own_prefix
from vcs.log import Record
from vcs.objects import Kind, new_id
from vcs.paths import quote
from vcs.repository import Repository


@dataclass(frozen=True)
class _Gone:
    """What a purge took: ids, and the staged files that are in the store no more."""

    ids: Collection[str]
    record: Record
    present: Collection[str]


@on(ObjectsErased, queue="maintenance", attempts=8, mode=Mode.STEPS)
def take_erased_out_of_sessions(ctx: Context, fact: ObjectsErased) -> None:
    """Bring every session of a purged project to what its log holds now."""
    with ctx.transaction(write=False) as tx:
        project = tx.db.get(Project, fact.project)
        if project is None:
            return
        sessions = tx.db.exec(select(WorkSession.id).where(WorkSession.project_id == project.id)).all()
    repository = code.repository(ctx.forge, project.id, project.pool)
    repository.catch_up()
    recorded = code.record_at(repository, fact.sequence)
    if recorded is None or recorded[0].erased is None:
        return
    listed = repository.read(recorded[0].erased, Kind.LIST)
    prefix = own_prefix(project.pool, project.id)
    present = {each.key for each in ctx.forge.store.list(prefix)}
    gone = _Gone(decode_erased_list(listed, recorded[0].erased), recorded[0], present)
    silenced = _silenced(repository, gone)
    for id in sessions:
        with ctx.transaction() as tx:
            found = tx.db.exec(select(WorkSession).where(WorkSession.id == id).with_for_update()).one()
            _mend(tx, found, repository, gone)
            if id in silenced:
                _silence(tx, found, gone)
    for session in silenced:
        for archive in list(ctx.forge.store.list(f"archives/{project.id}/{session}/")):
            ctx.forge.store.delete(archive.key)


@on(ProjectErased, queue="maintenance", attempts=8)
def take_away_sessions(ctx: Context, fact: ProjectErased) -> None:
    """Delete the sessions of an erased project with all that was said in them."""
    theirs = select(WorkSession.id).where(WorkSession.project_id == fact.project)
    for kind in (SessionEvent, SessionFile, SessionCommit):
        ctx.db.exec(delete(kind).where(col(kind.session_id).in_(theirs)))
    ctx.db.exec(delete(StagedFile).where(col(StagedFile.project_id) == fact.project))
    ctx.db.exec(delete(Permit).where(col(Permit.project_id) == fact.project))
    ctx.db.exec(delete(WorkSession).where(col(WorkSession.project_id) == fact.project))


def _silenced(repository: Repository, gone: _Gone) -> set[str]:
    """The sessions whose words were erased."""
    return {
        record.session
        for _, _, record in repository.records()
        if record.session and record.project == repository.project and record.summary in gone.ids
    }


def _mend(ctx: Context, found: WorkSession, repository: Repository, gone: _Gone) -> None:
    commit = repository.commit_at(found.base_position)
    if commit is not None and commit != found.base_commit:
        found.base_commit, found.base_tree = commit, repository.commit(commit).tree
        ctx.db.add(found)
    staged = content.staged_keys(ctx, found.id)
    lost = [key for key in staged if key not in gone.present]
    if lost:
        ctx.db.exec(delete(StagedFile).where(col(StagedFile.key).in_(lost)))
    reader = repository.with_staged([key for key in staged if key not in lost])
    rows = ctx.db.exec(select(SessionFile).where(SessionFile.session_id == found.id)).all()
    out = [row for row in rows if row.blob is not None and (row.blob in gone.ids or not reader.has(row.blob))]
    if not out:
        return
    landed = repository.commit_at(found.landed_position) if found.landed_position else None
    for row in out:
        entry = repository.entry(repository.commit(landed).tree, row.path) if landed else None
        if entry is None or entry.is_tree:
            ctx.db.delete(row)
        else:
            # The notice that stands there now.
            row.blob, row.mode = entry.id, entry.mode.decode()
            ctx.db.add(row)
    if found.status in (Status.ACTIVE, Status.PENDING_REVIEW):
        _tell(ctx, found, rows, out)


def _tell(ctx: Context, found: WorkSession, rows: Sequence[SessionFile], out: Sequence[SessionFile]) -> None:
    left = [row for row in rows if row not in out]
    found.files = len(left)
    found.additions = sum(row.additions for row in left)
    found.deletions = sum(row.deletions for row in left)
    found.revision += 1
    named = ", ".join(quote(row.path) for row in out[:5])
    more = f" and {len(out) - 5} more" if len(out) > 5 else ""
    text = f"An operator erased content, and {named}{more} went with it. Push again what should stay."
    live.append_all(ctx, found, [EventIn(kind="error", body={"text": text})], bounded=False)


def _silence(ctx: Context, found: WorkSession, gone: _Gone) -> None:
    """Leave one event that says the others are gone, in the place of the last: no reader goes back."""
    words = f"(erased on {gone.record.at:%Y-%m-%d})"
    if found.goal == words:
        return
    found.goal, found.summary, found.metadata_ = words, "", {}
    found.author_handle = found.author_name = ""
    ctx.db.add(found)
    ctx.db.exec(delete(SessionEvent).where(col(SessionEvent.session_id) == found.id))
    ctx.db.add(
        SessionEvent(
            session_id=found.id,
            sequence=max(1, found.events),
            id=new_id(),
            time=gone.record.at,
            kind="status",
            actor=ctx.actor.handle,
            body={"state": found.status.value, "text": f"What was said here was erased: {words}."},
            previous="",
        )
    )
    found.events = max(1, found.events)
    ctx.ring(f"session:{found.id}")
