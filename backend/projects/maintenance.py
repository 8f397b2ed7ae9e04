"""Maintenance: logs are kept compact, and files that nobody needs leave the store.

A timer sees in SQL alone what is due and states it as a fact; the work is a durable job. It may
be killed at any time, since nothing happens before HEAD moves, and landings go on meanwhile.
One process at a time looks after a project: whoever finds another at it leaves it to that one.
A long index that somebody began to fill and did not end is filled to the end on the node it is on.
Each sixteen records bring a compaction of what is small; what comes with a collection, every six
hours, makes the whole as small as a pack of git.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Counter, Histogram
from sqlmodel import col, or_, select

from backend.core import jobs
from backend.core.context import Context, Forge
from backend.core.events import fact
from backend.core.node import node_name
from backend.portability.models import ImportFile
from backend.projects import code, git
from backend.projects.models import Cursor, Project, ProjectState, Upkeep
from backend.sessions.models import StagedFile
from vcs.collection import GRACE, YOUNG, Collected, collect
from vcs.compaction import LEAST, Compacted, compact, settle
from vcs.errors import CorruptObject
from vcs.git.upkeep import Kept, maintain
from vcs.repository import Repository

log = logging.getLogger(__name__)

COLLECT_EVERY = timedelta(hours=6)
SOON = GRACE + timedelta(minutes=5)
AT_ONCE = 500

_merged = Counter("micelio_compacted_segments", "Segments merged into larger ones")
_bytes = Counter("micelio_compacted_bytes", "Bytes of what compaction read and wrote", ["side"])
_files = Counter("micelio_collected_files", "Files the collector met", ["outcome"])
_seconds = Histogram("micelio_maintenance_seconds", "Time one piece of maintenance took", ["work"])


@fact
@dataclass(frozen=True)
class CompactionDue:
    """Enough was appended to a project's log that segments may be merged."""

    project: str


@fact
@dataclass(frozen=True)
class CollectionDue:
    """It is time to look for files of a project that nobody uses."""

    project: str


@fact
@dataclass(frozen=True)
class IndexDue:
    """The index of a project on a node was begun to be filled, and nobody is at it."""

    project: str
    node: str


def state_what_indexes_are_due(ctx: Context) -> None:
    """Emit a fact for each index on this node that waits for somebody to fill it to the end."""
    if due := code.half_made_indexes(ctx.forge):
        node = node_name(ctx.forge)
        asked = {each.project for each in jobs.unfinished(ctx.forge, IndexDue, node)}
        with ctx.transaction() as tx:
            for project in due:
                if project not in asked:
                    tx.emit(IndexDue(project, node))


def fill_index(ctx: Context, project: str) -> None:
    """Go on where a filling was left, and take the index into use; landings and readers go on."""
    if project not in code.half_made_indexes(ctx.forge):
        return
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, project)
    if row is None or row.state is ProjectState.ERASED:
        code.drop_index(ctx.forge, project)
        return
    with _seconds.labels("index").time():
        code.repository(ctx.forge, row.id, row.pool).rebuild_index()


def state_what_is_due(ctx: Context) -> None:
    """Emit a fact for each project that has waited long enough; nothing is read but SQL."""
    query = (
        select(Project.id, Cursor.sequence, Upkeep)
        .join(Cursor, (col(Cursor.project) == col(Project.id)) & (col(Cursor.name) == "landings"))
        .outerjoin(Upkeep, col(Upkeep.project) == col(Project.id))
        .where(
            Project.state == ProjectState.READY,
            or_(
                col(Upkeep.project).is_(None),
                col(Cursor.sequence) >= col(Upkeep.compacted) + LEAST,
                col(Upkeep.collect_at) <= ctx.now(),
            ),
        )
    )
    for project, sequence, known in ctx.db.exec(query.order_by(col(Project.id)).limit(AT_ONCE)).all():
        upkeep = known or Upkeep(project=project, collect_at=ctx.now() + YOUNG)
        if sequence >= upkeep.compacted + LEAST:
            upkeep.compacted = sequence
            ctx.emit(CompactionDue(project))
        if upkeep.collect_at <= ctx.now():
            # Should the job be lost, this is when it is asked for again.
            upkeep.collect_at = ctx.now() + COLLECT_EVERY
            ctx.emit(CollectionDue(project))
        ctx.db.add(upkeep)


def compact_project(ctx: Context, project: str) -> int:
    """Merge segments until there are few; how many were merged."""
    with _alone(ctx.forge, project) as row:
        return _merge(ctx.forge, row, compact) if row is not None else 0


def _merge(forge: Forge, row: Project, merge: Callable[[Repository], Compacted | None]) -> int:
    total = 0
    repository = code.repository(forge, row.id, row.pool)
    with _seconds.labels("compaction").time():
        while done := merge(repository):
            total += done.inputs
            _merged.inc(done.inputs)
            _bytes.labels("read").inc(done.before)
            _bytes.labels("written").inc(done.after)
    return total


def collect_project(ctx: Context, project: str) -> Collected:
    """Condemn and delete what no log of the pool and no session uses, and settle what is left."""
    with _alone(ctx.forge, project) as row, _seconds.labels("collection").time():
        if row is None:
            return Collected()
        try:
            _merge(ctx.forge, row, settle)
        except CorruptObject:
            # Collecting does not read it, and whoever does is told.
            log.exception("project %s cannot be compacted", row.id)
        done = collect(ctx.forge.store, row.pool, row.id, named=lambda: _named(ctx, row.id))
    for outcome in ("condemned", "spared", "deleted"):
        _files.labels(outcome).inc(getattr(done, outcome))
    with ctx.transaction() as tx:
        upkeep = tx.db.get(Upkeep, project)
        if upkeep is not None and done.waiting:
            upkeep.collect_at = tx.now() + SOON
            tx.db.add(upkeep)
    return done


def keep_git(ctx: Context, project: str) -> Kept | None:
    """Repack a project's git repository on this node; None when there is nothing to do any more."""
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, project)
    if row is None or row.state is not ProjectState.READY:
        return None
    with _seconds.labels("git").time():
        return maintain(git.projection(ctx.forge, row))


@contextmanager
def _alone(forge: Forge, project: str) -> Iterator[Project | None]:
    """The project's row while nobody else maintains it; None otherwise, or when it is not there."""
    with forge.db.try_lock(f"maintenance:{project}") as mine:
        if not mine:
            yield None
            return
        with forge.db.transaction(write=False) as db:
            row = db.get(Project, project)
        yield row if row is not None and row.state is ProjectState.READY else None


def _named(ctx: Context, project: str) -> set[str]:
    """Keys of files that sessions and imports staged and did not land (yet)."""
    with ctx.transaction(write=False) as tx:
        staged = tx.db.exec(select(StagedFile.key).where(StagedFile.project_id == project)).all()
        importing = tx.db.exec(select(ImportFile.key).where(ImportFile.project_id == project)).all()
        return {*staged, *importing}
