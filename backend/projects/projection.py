"""Projections: SQL rows that say what the log says, the same whoever writes them.

`catch_up` applies the records after the cursor in order, in short transactions. Nothing in a
projected row comes from a clock or from chance, so dropping the rows and applying the log
again gives the same bytes. Facts have a cursor of their own: a rebuild does not repeat them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import literal
from sqlalchemy import select as sql_select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, delete, select

from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import MicelioError
from backend.core.events import fact
from backend.projects import code, diffs
from backend.projects.models import Cursor, Landing, PathLatest, Project, Ref
from vcs.diff import diff_trees
from vcs.errors import Kind
from vcs.lists import decode_changes_list, decode_moved_list
from vcs.log import Record, RecordKind
from vcs.objects import EMPTY_TREE
from vcs.objects import Kind as ObjectKind
from vcs.repository import Repository

PER_TRANSACTION = 500
NAMES = ("refs", "landings", "paths")

Applier = Callable[[Context, Project, Record, dict[str, Any], list[Landing], bool], None]
_appliers: list[Applier] = []


@fact
@dataclass(frozen=True)
class ObjectsErased:
    """A purge took objects out of a project's log; the record of that sequence lists them."""

    project: str
    sequence: int


class LogDiverged(MicelioError):
    """The cursor names a record that the log does not have: somebody must look."""

    kind = Kind.CORRUPT
    code = "log.diverged"
    message = (
        "The projection of project {project} stands on record {sequence}, which is not in its log. "
        "Landing is stopped for it; run `micelio doctor`."
    )


def follows_log(applier: Applier) -> Applier:
    """Have a slice told of each of a project's own records as it is applied: (ctx, project, record, told,
    landings, first). What a fork inherited is told in the project it happened in.

    `told` is the record's summary, `landings` the rows of its positions, `first` is False in a rebuild.
    """
    _appliers.append(applier)
    return applier


def catch_up(forge: Forge, project: str) -> int:
    """Apply what the log has beyond the cursor; returns the sequence now projected."""
    if not _appliers:
        raise RuntimeError("nobody follows the log: import backend.doors.catalogue before catching up")
    ctx = Context(forge, SYSTEM)
    repository: Repository | None = None
    last = 0
    while True:
        with ctx.transaction(write=False) as tx:
            if repository is None:
                row = tx.db.get(Project, project)
                assert row is not None
                repository = code.repository(forge, project, row.pool)
                last = repository.catch_up().sequence
            reached = require_followed(tx, project, repository)
        if reached >= last:
            return reached
        # Read and compared before the transaction, which holds up everybody else on SQLite.
        batch = _read(repository, project, reached, last)
        with ctx.transaction() as tx:
            if _apply(tx, project, reached, batch) and batch[-1].sequence >= last:
                return batch[-1].sequence


def require_followed(ctx: Context, project: str, repository: Repository) -> int:
    """The sequence the rows stand on, -1 before the first; LogDiverged when the log has not that record."""
    cursor = ctx.db.get(Cursor, (project, "landings"))
    if cursor is None:
        return -1
    known = repository.index.record_at(cursor.sequence)
    if known is None:
        # Another process has projected what it landed after we read HEAD.
        repository.catch_up()
        known = repository.index.record_at(cursor.sequence)
    if known is None or known.id != cursor.record:
        raise LogDiverged(project=project, sequence=cursor.sequence)
    return cursor.sequence


def inherit(forge: Forge, parent: str, child: str) -> bool:
    """Give a new fork its parent's rows, when they stand just where the fork's own log begins.

    False when they do not, or when the fork has rows already: `catch_up` replays the inherited log then,
    to the same rows.
    """
    ctx = Context(forge, SYSTEM)
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, child)
        assert row is not None
    repository = code.repository(forge, child, row.pool)
    begun = repository.index.record_at(repository.catch_up().sequence)
    assert begun is not None
    first = Record.decode(repository.read(begun.id, ObjectKind.RECORD), begun.id)
    with ctx.transaction() as tx:
        both = col(Project.id).in_([parent, child])
        tx.db.exec(select(Project.id).where(both).order_by(col(Project.id)).with_for_update()).all()
        stands = tx.db.get(Cursor, (parent, "landings"))
        if stands is None or stands.record != first.previous or tx.db.get(Cursor, (child, "landings")):
            return False
        for model in (Landing, PathLatest, Ref):
            _copy(tx, model, parent, child)
        cursors = [
            {"project": child, "name": name, "sequence": stands.sequence, "record": stands.record}
            for name in (*NAMES, "facts")
        ]
        if purged := tx.db.get(Cursor, (parent, code.PURGED)):
            cursors.append({**purged.model_dump(), "project": child})
        _upsert(tx, Cursor, ("project", "name"), cursors)
    return True


def _copy(ctx: Context, model: Any, parent: str, child: str) -> None:
    table = model.__table__
    names = [column.name for column in table.columns]
    values = [literal(child) if name == "project" else table.c[name] for name in names]
    rows = sql_select(*values).where(table.c.project == parent)
    ctx.db.connection().execute(table.insert().from_select(names, rows))


def drop(ctx: Context, project: str) -> None:
    """Delete every projected row of a project, and the cursors except that of the facts."""
    for model in (Landing, PathLatest, Ref):
        ctx.db.exec(delete(model).where(col(model.project) == project))
    ctx.db.exec(delete(Cursor).where(col(Cursor.project) == project, col(Cursor.name).in_(NAMES)))


@dataclass(frozen=True)
class _Position:
    """One position of the trunk as its row, and the paths that changed there."""

    landing: Landing
    paths: Sequence[bytes]


@dataclass(frozen=True)
class _Rewritten:
    """What a purge made of the positions before it: rows that differ now, and which position last touched
    each path, or None when no tree changed.
    """

    landings: Sequence[Landing]
    latest: Mapping[bytes, int] | None


@dataclass(frozen=True)
class _Step:
    """One record and all that it says, read from the log alone."""

    sequence: int
    id: str
    record: Record
    told: dict[str, Any]
    refs: Sequence[tuple[str, str | None]]
    positions: Sequence[_Position]
    rewritten: _Rewritten | None


def _read(repository: Repository, project: str, after: int, last: int) -> list[_Step]:
    """The records after a sequence with what they say, up to `PER_TRANSACTION` positions of them."""
    steps: list[_Step] = []
    positions = 0
    for sequence, id, record in repository.records(after=after):
        told = code.told(repository, record)
        first, final = record.positions or (1, 0)
        rows = [_position(repository, project, record, told, n) for n in range(first, final + 1)]
        rewritten = _rewritten(repository, project, record) if record.kind is RecordKind.PURGE else None
        steps.append(
            _Step(sequence, id, record, told, _moved_refs(repository, sequence, record), rows, rewritten)
        )
        positions += max(1, len(rows))
        if positions >= PER_TRANSACTION or sequence >= last:
            break
    return steps


def _apply(ctx: Context, project: str, after: int, steps: Sequence[_Step]) -> bool:
    """Write what was read; False when somebody else was faster."""
    row = ctx.db.exec(select(Project).where(Project.id == project).with_for_update()).one()
    query = select(Cursor.name, Cursor.sequence).where(Cursor.project == project)
    reached = dict(ctx.db.exec(query).all())
    if reached.get("landings", -1) != after:
        return False
    told_until = reached.get("facts", -1)
    for step in steps:
        _write_refs(ctx, project, step.refs)
        for position in step.positions:
            _touch(ctx, project, position.paths, position.landing.position)
        rows = [position.landing for position in step.positions]
        ctx.db.add_all(rows)
        ctx.db.flush()
        if step.rewritten is not None:
            _rewrite(ctx, project, step, step.rewritten)
        if step.record.project != project:
            # Inherited: what it meant for sessions it meant where it happened.
            continue
        for applier in _appliers:
            applier(ctx, row, step.record, step.told, rows, step.sequence > told_until)
        if step.rewritten is not None and step.sequence > told_until:
            ctx.emit(ObjectsErased(project, step.sequence))
    last = steps[-1]
    names = (*NAMES, "facts") if last.sequence > told_until else NAMES
    _upsert(
        ctx,
        Cursor,
        ("project", "name"),
        [{"project": project, "name": name, "sequence": last.sequence, "record": last.id} for name in names],
    )
    return True


def _position(
    repository: Repository, project: str, record: Record, told: dict[str, Any], position: int
) -> _Position:
    commit = repository.commit_at(position)
    assert commit is not None
    old, tree = _trees(repository, position)
    changes = list(diff_trees(repository, old, tree))
    counts = [diffs.counts_of(repository, change) for change in changes]
    landing = Landing(
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
        goal=_goal(repository, record, told, position, commit),
        summary=told.get("summary", ""),
        files=len(changes),
        additions=sum(count.additions for count in counts),
        deletions=sum(count.deletions for count in counts),
    )
    return _Position(landing, [change.path for change in changes])


def _goal(repository: Repository, record: Record, told: dict[str, Any], position: int, commit: str) -> str:
    """What a position is for: the session's goal at the end of what it did, a commit's subject before."""
    goal: str = told.get("goal", "")
    ends = record.kind is RecordKind.PUSH and record.positions and record.positions[1] == position
    if ends or record.kind not in (RecordKind.PUSH, RecordKind.IMPORT):
        return goal
    subject = repository.commit(commit).message.strip().partition(b"\n")[0].decode("utf-8", "replace")
    return subject.replace("\0", "").strip() or goal


def _rewritten(repository: Repository, project: str, purge: Record) -> _Rewritten:
    """Rows of the positions before a purge that have another commit now, or whose words are gone.

    Read through an index that knows every purge there is, so a row is right whichever came last.
    """
    moved = (
        decode_moved_list(repository.read(purge.moved, ObjectKind.LIST), purge.moved) if purge.moved else {}
    )
    landings: list[Landing] = []
    latest: dict[bytes, int] = {}
    for sequence, _, record in repository.records():
        if sequence >= purge.sequence:
            break
        first, final = record.positions or (1, 0)
        silenced = record.summary is not None and repository.index.erased(record.summary) is not None
        told = code.told(repository, record) if first <= final else {}
        for number in range(first, final + 1):
            if silenced or number in moved:
                position = _position(repository, project, record, told, number)
                landings.append(position.landing)
                paths = position.paths
            elif moved:
                paths = [change.path for change in diff_trees(repository, *_trees(repository, number))]
            if moved:
                latest.update((path, number) for path in _with_folders(paths))
    return _Rewritten(landings, latest if moved else None)


def _trees(repository: Repository, position: int) -> tuple[str, str]:
    """The tree before a position and the one after it."""
    commits = repository.commit_at(position - 1), repository.commit_at(position)
    before, after = (repository.commit(each).tree if each else EMPTY_TREE for each in commits)
    return before, after


def _rewrite(ctx: Context, project: str, step: _Step, rewritten: _Rewritten) -> None:
    """Put the rows a purge changed in the place of what they were, in one transaction with its cursor."""
    rows = [row.model_dump() for row in rewritten.landings]
    for start in range(0, len(rows), 1_000):
        _upsert(ctx, Landing, ("project", "position"), rows[start : start + 1_000])
    if rewritten.latest is not None:
        ctx.db.exec(delete(PathLatest).where(col(PathLatest.project) == project))
        _write_latest(ctx, project, rewritten.latest)
    cursor = {"project": project, "name": code.PURGED, "sequence": step.sequence, "record": step.id}
    _upsert(ctx, Cursor, ("project", "name"), [cursor])


def _touch(ctx: Context, project: str, paths: Iterable[bytes], position: int) -> None:
    _write_latest(ctx, project, dict.fromkeys(_with_folders(paths), position))


def _with_folders(paths: Iterable[bytes]) -> set[bytes]:
    touched: set[bytes] = set()
    for path in paths:
        while path:
            touched.add(path)
            path = path.rpartition(b"/")[0]
    return touched


def _write_latest(ctx: Context, project: str, latest: Mapping[bytes, int]) -> None:
    rows = [{"project": project, "path": path, "position": latest[path]} for path in sorted(latest)]
    for start in range(0, len(rows), 5_000):
        _upsert(ctx, PathLatest, ("project", "path"), rows[start : start + 5_000])


def _upsert(ctx: Context, model: Any, key: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, over those of the same key; nothing of them is held in the session."""
    insert: Any = sqlite.insert if ctx.forge.db.is_sqlite else postgresql.insert
    statement = insert(model)
    values = {name: statement.excluded[name] for name in rows[0] if name not in key}
    statement = statement.on_conflict_do_update(index_elements=list(key), set_=values)
    ctx.db.connection().execute(statement, list(rows))


def _moved_refs(repository: Repository, sequence: int, record: Record) -> list[tuple[str, str | None]]:
    changes = record.refs
    if isinstance(changes, str):
        changes = decode_changes_list(repository.read(changes, ObjectKind.LIST), changes)
    moved: list[tuple[str, str | None]] = []
    if record.trunk_name is not None:
        moved += [(record.trunk_name[0], None), ("HEAD", f"ref: {record.trunk_name[1]}")]
    moved += [(change.name, change.new) for change in changes]
    trunk = repository.index.trunk_at(sequence)
    if record.trunk is not None:
        moved.append((trunk, record.trunk[1]))
    elif record.trunk_name is not None:
        moved.append((trunk, repository.commit_at(repository.index.position_at(sequence))))
    return moved


def _write_refs(ctx: Context, project: str, moved: Sequence[tuple[str, str | None]]) -> None:
    # A name that is no UTF-8 is a name all the same; a column holds text only.
    moved = [(_as_text(name), target) for name, target in moved]
    gone = [name for name, target in moved if target is None]
    if gone:
        ctx.db.exec(delete(Ref).where(col(Ref.project) == project, col(Ref.name).in_(gone)))
    rows = [{"project": project, "name": name, "target": target} for name, target in moved if target]
    if rows:
        _upsert(ctx, Ref, ("project", "name"), rows)


def _as_text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
