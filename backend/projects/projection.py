"""Projections: SQL rows that say what the log says, the same whoever writes them.

`catch_up` applies the records after the cursor in order, in short transactions. Nothing in a
projected row comes from a clock or from chance, so dropping the rows and applying the log
again gives the same bytes. Facts have a cursor of their own: a rebuild does not repeat them.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, delete, select

from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import MicelioError
from backend.projects import code, diffs
from backend.projects.models import Cursor, Landing, PathLatest, Project, Ref
from vcs.diff import diff_trees
from vcs.errors import Kind
from vcs.lists import decode_changes_list
from vcs.log import Record
from vcs.objects import EMPTY_TREE
from vcs.objects import Kind as ObjectKind
from vcs.repository import Repository

PER_TRANSACTION = 500
NAMES = ("refs", "landings", "paths")

Applier = Callable[[Context, Project, Record, dict[str, Any], list[Landing], bool], None]
_appliers: list[Applier] = []


class LogDiverged(MicelioError):
    """The cursor names a record that the log does not have: somebody must look."""

    kind = Kind.CORRUPT
    code = "log.diverged"
    message = (
        "The projection of project {project} stands on record {sequence}, which is not in its log. "
        "Landing is stopped for it; run `micelio doctor`."
    )


def follows_log(applier: Applier) -> Applier:
    """Have a slice told of each record as it is applied: (ctx, project, record, told, landings, first).

    `told` is the record's summary, `landings` the rows of its positions, `first` is False in a rebuild.
    """
    _appliers.append(applier)
    return applier


def catch_up(forge: Forge, project: str) -> int:
    """Apply what the log has beyond the cursor; returns the sequence now projected."""
    ctx = Context(forge, SYSTEM)
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, project)
        assert row is not None
        pool = row.pool
    repository = code.repository(forge, project, pool)
    head = repository.catch_up()
    while True:
        with ctx.transaction() as tx:
            reached = _apply_some(tx, repository, project, head.sequence)
        if reached >= head.sequence:
            return reached


def drop(ctx: Context, project: str) -> None:
    """Delete every projected row of a project, and the cursors except that of the facts."""
    for model in (Landing, PathLatest, Ref):
        ctx.db.exec(delete(model).where(col(model.project) == project))
    ctx.db.exec(delete(Cursor).where(col(Cursor.project) == project, col(Cursor.name).in_(NAMES)))


def _apply_some(ctx: Context, repository: Repository, project: str, last: int) -> int:
    row = ctx.db.exec(select(Project).where(Project.id == project).with_for_update()).one()
    cursor = ctx.db.get(Cursor, (project, "landings"))
    facts = ctx.db.get(Cursor, (project, "facts"))
    reached, record_id = (cursor.sequence, cursor.record) if cursor else (-1, "")
    known = code.record_at(repository, cursor.sequence) if cursor else None
    if cursor is not None and (known is None or known[1] != cursor.record):
        raise LogDiverged(project=project, sequence=cursor.sequence)
    told_until = facts.sequence if facts else -1
    positions = 0
    for sequence, id, record in repository.records(after=reached):
        positions += _apply(ctx, repository, row, record, first=sequence > told_until)
        reached, record_id = sequence, id
        if positions >= PER_TRANSACTION or sequence >= last:
            break
    _move(ctx, project, NAMES, reached, record_id)
    if reached > told_until:
        _move(ctx, project, ("facts",), reached, record_id)
    return reached


def _apply(ctx: Context, repository: Repository, project: Project, record: Record, *, first: bool) -> int:
    told = json.loads(repository.read(record.summary, ObjectKind.BLOB)) if record.summary else {}
    _apply_refs(ctx, repository, project.id, record)
    rows = []
    if record.positions is not None:
        for position in range(record.positions[0], record.positions[1] + 1):
            rows.append(_landing(ctx, repository, project.id, record, told, position))
            ctx.db.add(rows[-1])
            ctx.db.flush()
    for applier in _appliers:
        applier(ctx, project, record, told, rows, first)
    return max(1, len(rows))


def _landing(
    ctx: Context, repository: Repository, project: str, record: Record, told: dict[str, Any], position: int
) -> Landing:
    commit = repository.commit_at(position)
    assert commit is not None
    tree = repository.commit(commit).tree
    before = ctx.db.get(Landing, (project, position - 1))
    old = before.tree if before else EMPTY_TREE
    changes = list(diff_trees(repository, old, tree))
    counts = [diffs.counted(repository, change)[0] for change in changes]
    _touch(ctx, project, (change.path for change in changes), position)
    return Landing(
        project=project,
        position=position,
        commit=commit,
        tree=tree,
        sha1=repository.sha1_of(commit).hex(),
        landing=record.landing or "",
        sequence=record.sequence,
        at=record.at,
        session=record.session,
        actor=record.actor,
        author=told.get("author", ""),
        agent=told.get("agent", ""),
        goal=told.get("goal", ""),
        summary=told.get("summary", ""),
        files=len(changes),
        additions=sum(count.additions for count in counts),
        deletions=sum(count.deletions for count in counts),
    )


def _touch(ctx: Context, project: str, paths: Iterable[bytes], position: int) -> None:
    touched: set[bytes] = set()
    for path in paths:
        while path:
            touched.add(path)
            path = path.rpartition(b"/")[0]
    rows = [{"project": project, "path": path, "position": position} for path in sorted(touched)]
    insert: Any = sqlite.insert if ctx.forge.db.is_sqlite else postgresql.insert
    for start in range(0, len(rows), 5_000):
        statement = insert(PathLatest)
        statement = statement.on_conflict_do_update(
            index_elements=["project", "path"], set_={"position": statement.excluded.position}
        )
        ctx.db.connection().execute(statement, rows[start : start + 5_000])


def _apply_refs(ctx: Context, repository: Repository, project: str, record: Record) -> None:
    changes = record.refs
    if isinstance(changes, str):
        changes = decode_changes_list(repository.read(changes, ObjectKind.LIST), changes)
    moved = [(change.name, change.new) for change in changes]
    if record.trunk is not None:
        moved.append((code.TRUNK, record.trunk[1]))
    for name, target in moved:
        row = ctx.db.get(Ref, (project, name))
        if target is None:
            if row is not None:
                ctx.db.delete(row)
            continue
        row = row or Ref(project=project, name=name, target=target)
        row.target = target
        ctx.db.add(row)


def _move(ctx: Context, project: str, names: Iterable[str], sequence: int, record: str) -> None:
    for name in names:
        row = ctx.db.get(Cursor, (project, name)) or Cursor(
            project=project, name=name, sequence=sequence, record=record
        )
        row.sequence, row.record = sequence, record
        ctx.db.add(row)
