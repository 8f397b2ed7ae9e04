"""Projections: SQL rows that say what the log says, the same whoever writes them.

`catch_up` applies the records after the cursor in order, in short transactions. Nothing in a
projected row comes from a clock or from chance, so dropping the rows and applying the log
again gives the same bytes. Facts have a cursor of their own: a rebuild does not repeat them.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

from sqlalchemy import Dialect, bindparam, literal
from sqlalchemy import insert as sql_insert
from sqlalchemy import select as sql_select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import col, delete, select

from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import MicelioError
from backend.core.events import fact
from backend.projects import code
from backend.projects.counting import NOT_COUNTED, LinesUncounted, lines_of
from backend.projects.models import Cursor, Landing, PathLatest, Project, Ref
from backend.projects.signatures import signature_of
from vcs import faults
from vcs.diff import diff_trees
from vcs.errors import Kind
from vcs.lists import decode_changes_list, decode_moved_list
from vcs.log import Record, RecordKind
from vcs.many import changes, contents
from vcs.objects import EMPTY_TREE, Commit, parse_commit
from vcs.objects import Kind as ObjectKind
from vcs.repository import Change, Repository

PER_TRANSACTION = 500
MANY = 1_000
"""Positions from which on a record's rows are written before its cursor moves, and counted later."""
NAMES = ("refs", "landings", "paths")
MADE_ELSEWHERE = (RecordKind.PUSH, RecordKind.IMPORT)

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


class _Reached:
    """How far this process has seen the rows of a project follow, and whose turn it is to move them on."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.sequence = -1


def catch_up(forge: Forge, project: str) -> int:
    """Apply what the log has beyond the cursor; returns the sequence now projected."""
    ctx = Context(forge, SYSTEM)
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, project)
        assert row is not None
    repository = code.repository(forge, project, row.pool)
    last = repository.catch_up().sequence
    reached = forge.project_part(project, _Reached, _Reached)
    with reached.turn:
        reached.sequence = _follow(ctx, repository, None, last)
        return reached.sequence


def follow(forge: Forge, repository: Repository, sequence: int) -> int:
    """As `catch_up`, as far as this node's index knows, for a record that was appended here.

    Of the threads whose landings went into one batch the first writes all the rows. What another
    process dropped since is not noticed here: who misses a row catches up.
    """
    if repository.remembered()[0].sequence < sequence:
        repository.catch_up()
    reached = forge.project_part(repository.project, _Reached, _Reached)
    with reached.turn:
        if reached.sequence < sequence:
            last = repository.remembered()[0].sequence
            reached.sequence = _follow(Context(forge, SYSTEM), repository, reached.sequence, last)
        return reached.sequence


def _follow(ctx: Context, repository: Repository, known: int | None, last: int) -> int:
    """Apply the records up to `last`. `known` is where the rows stood when somebody looked."""
    if not _appliers:
        raise RuntimeError("nobody follows the log: import backend.doors.catalogue before catching up")
    # Usually nobody else landed meanwhile, and then the cursor need not be asked beforehand.
    after = known if known == last - 1 else None
    while True:
        if after is None:
            with ctx.transaction(write=False) as tx:
                after = require_followed(tx, repository.project, repository)
        if after >= last:
            return after
        # Read and compared before the transaction, which holds up everybody else on SQLite.
        batch = _read(ctx, repository, repository.project, after, last)
        if not batch:
            after = None
            continue
        with ctx.transaction() as tx:
            after = batch[-1].sequence if _apply(tx, repository.project, after, batch) else None


def require_followed(ctx: Context, project: str, repository: Repository) -> int:
    """The sequence the rows stand on, -1 before the first; LogDiverged when the log has not that record."""
    found = ctx.db.connection().execute(_CURSORS, {"project": project}).all()
    stands = [(sequence, record) for name, sequence, record in found if name == "landings"]
    if not stands:
        return -1
    sequence, record = stands[0]
    known = repository.index.record_at(sequence)
    if known is None:
        # Another process has projected what it landed after we read HEAD.
        repository.catch_up()
        known = repository.index.record_at(sequence)
    if (known is None or known.id != record) and repository.make_index_anew():
        # The index may be what is wrong.
        known = repository.index.record_at(sequence)
    if known is None or known.id != record:
        raise LogDiverged(project=project, sequence=sequence)
    return int(sequence)


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
        uncounted = select(Landing.position).where(Landing.project == child, Landing.additions == NOT_COUNTED)
        if tx.db.exec(uncounted.limit(1)).first() is not None:
            # The parent's job counts the parent's rows.
            tx.emit(LinesUncounted(child))
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
    """One position of the trunk as the columns of its row, and the paths that changed there."""

    row: dict[str, Any]
    paths: Iterable[bytes]


@dataclass(frozen=True)
class _Rewritten:
    """What a purge made of the positions before it: rows that differ now, and which position last touched
    each path, or None when no tree changed.
    """

    rows: Sequence[dict[str, Any]]
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
    # Of a record of very many positions: paths of those whose rows are written already.
    latest: Mapping[bytes, int] = field(default_factory=dict)


def _read(ctx: Context, repository: Repository, project: str, after: int, last: int) -> list[_Step]:
    """The records after a sequence with what they say, up to `PER_TRANSACTION` positions of them."""
    steps: list[_Step] = []
    positions = 0
    for sequence, id, record in repository.records(after=after):
        told = code.told(repository, record)
        first, final = record.positions or (1, 0)
        latest: dict[bytes, int] = {}
        if final - first >= MANY:
            if steps:
                # By itself, once the cursor stands right before it.
                break
            begun = _write_ahead(ctx, repository, project, record, told, latest)
            if begun is None:
                break
            first = begun
        rows = list(_positions(repository, project, record, told, first, final))
        rewritten = _rewritten(repository, project, record) if record.kind is RecordKind.PURGE else None
        moved = _moved_refs(repository, sequence, record)
        steps.append(_Step(sequence, id, record, told, moved, rows, rewritten, latest))
        positions += max(1, len(rows))
        if positions >= PER_TRANSACTION or sequence >= last:
            break
    return steps


def _write_ahead(
    ctx: Context,
    repository: Repository,
    project: str,
    record: Record,
    told: dict[str, Any],
    latest: dict[bytes, int],
) -> int | None:
    """Write the rows of a record of very many positions but the last ones, in transactions of their own;
    the first position that is left, None when somebody else was faster. What a crash leaves is written over.

    Nobody holds the rows of a whole history in memory, nor everybody else up for as long as writing takes.
    """
    assert record.positions is not None
    first, final = record.positions
    while final - first >= PER_TRANSACTION:
        some = list(_positions(repository, project, record, told, first, first + PER_TRANSACTION - 1))
        with ctx.transaction() as tx:
            row = tx.db.exec(_LOCKED, params={"project": project}).one_or_none()
            found = tx.db.connection().execute(_CURSORS, {"project": project}).all()
            stands = [sequence for name, sequence, _ in found if name == "landings"]
            if row is None or (stands and stands[0] >= record.sequence):
                return None
            _upsert(tx, Landing, ("project", "position"), [each.row for each in some])
        for each in some:
            latest.update(dict.fromkeys(_with_folders(each.paths), each.row["position"]))
        first += PER_TRANSACTION
        faults.reach("rows.ahead")
    return first


def _apply(ctx: Context, project: str, after: int, steps: Sequence[_Step]) -> bool:
    """Write what was read; False when somebody else was faster."""
    row = ctx.db.exec(_LOCKED, params={"project": project}).one()
    found = ctx.db.connection().execute(_CURSORS, {"project": project}).all()
    reached = {name: (sequence, record) for name, sequence, record in found}
    stands, on = reached.get("landings", (-1, None))
    if stands != after:
        return False
    if on != steps[0].record.previous:
        raise LogDiverged(project=project, sequence=stands)
    told_until = reached.get("facts", (-1, None))[0]
    _write_rows(ctx, project, steps)
    written = [each.row for step in steps for each in step.positions]
    rewritten = [row for step in steps if step.rewritten is not None for row in step.rewritten.rows]
    if any(row["additions"] == NOT_COUNTED for row in [*written, *rewritten]):
        ctx.emit(LinesUncounted(project))
    for step in steps:
        if step.record.project != project:
            # Inherited: what it meant for sessions it meant where it happened.
            continue
        first = step.sequence > told_until
        for applier in _appliers:
            landings = [Landing(**each.row) for each in step.positions]
            applier(ctx, row, step.record, step.told, landings, first)
        if step.rewritten is not None and first:
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


_LOCKED = select(Project).where(col(Project.id) == bindparam("project")).with_for_update()
_CURSORS = sql_select(col(Cursor.name), col(Cursor.sequence), col(Cursor.record)).where(
    col(Cursor.project) == bindparam("project")
)


def _write_rows(ctx: Context, project: str, steps: Sequence[_Step]) -> None:
    """The rows of many records in a few statements; a purge rewrites what the records before it wrote."""
    latest: dict[bytes, int] = {}
    refs: dict[str, str | None] = {}
    landings: list[dict[str, Any]] = []
    for step in steps:
        refs.update(step.refs)
        latest.update(step.latest)
        for position in step.positions:
            landings.append(position.row)
            latest.update(dict.fromkeys(_with_folders(position.paths), position.row["position"]))
        if step.rewritten is not None:
            _write_landings(ctx, landings)
            _rewrite(ctx, project, step, step.rewritten)
            landings.clear()
            # A purge that moved the trunk has told of every position before it.
            if step.rewritten.latest is not None:
                latest.clear()
    _write_refs(ctx, project, list(refs.items()))
    _write_landings(ctx, landings)
    _write_latest(ctx, project, latest)


def _write_landings(ctx: Context, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        ctx.db.connection().execute(_INSERT, rows)


_INSERT = sql_insert(Landing)


def _positions(
    repository: Repository, project: str, record: Record, told: dict[str, Any], first: int, final: int
) -> Iterator[_Position]:
    """What some positions of a record say, one after the other."""
    for begin in range(first, final + 1, PER_TRANSACTION):
        yield from _some(repository, project, record, told, begin, min(final, begin + PER_TRANSACTION - 1))


def _some(
    repository: Repository, project: str, record: Record, told: dict[str, Any], first: int, final: int
) -> Iterator[_Position]:
    """The same of so few that what they need is read at once."""
    listed = repository.index.commits_between(first - 1, final)
    read = contents(repository, [id for id, _ in listed], ObjectKind.COMMIT)
    commits = [parse_commit(read[id]) for id, _ in listed]
    trees = [commit.tree for commit in commits] if first > 1 else [EMPTY_TREE, *(c.tree for c in commits)]
    pairs = list(pairwise(trees))
    assert len(pairs) == final - first + 1, "an index knows every position of the records it knows"
    begin, end = record.positions or (1, 0)
    later = end - begin >= MANY
    # What just landed is in memory as `diff_trees` reads it; a long history is nowhere but in the store.
    told_of = changes(repository, pairs) if later else (list(diff_trees(repository, *each)) for each in pairs)
    for number, differing in enumerate(told_of):
        at = number - len(pairs)
        lines = (NOT_COUNTED, NOT_COUNTED) if later else lines_of(repository, differing)
        counted = {"files": len(differing), "additions": lines[0], "deletions": lines[1]}
        says = _says(record, told, first + number, commits[at])
        id, sha1 = listed[at]
        row = {"project": project, "commit": id, "sha1": sha1.hex(), "tree": trees[number + 1]}
        yield _Position({**row, **says, **counted}, [change.path for change in differing])


def _says(record: Record, told: dict[str, Any], position: int, commit: Commit) -> dict[str, Any]:
    """The columns of a position's row that record and commit say."""
    written_by, written_at = _written(record, commit)
    return {
        "position": position,
        "landing": record.landing or "",
        "sequence": record.sequence,
        "at": record.at,
        "session": record.session,
        "actor": record.actor,
        "author": told.get("author", ""),
        "agent": told.get("agent", ""),
        "goal": _goal(record, told, position, commit),
        "summary": told.get("summary", ""),
        "written_by": written_by,
        "written_at": written_at,
    }


def _written(record: Record, commit: Commit) -> tuple[str, datetime | None]:
    """Who made the commit of a position and when, if it was not the forge."""
    if record.kind not in MADE_ELSEWHERE:
        return "", None
    author = signature_of(commit, commit.author)
    # Texts of databases hold no NUL, columns of times no year before 1.
    return author.name.replace("\0", "")[:200], author.at.astimezone(UTC) if author.at else None


def _goal(record: Record, told: dict[str, Any], position: int, commit: Commit) -> str:
    """What a position is for: the session's goal at the end of what it did, a commit's subject before."""
    goal: str = told.get("goal", "")
    ends = record.kind is RecordKind.PUSH and record.positions and record.positions[1] == position
    if ends or record.kind not in MADE_ELSEWHERE:
        return goal
    subject = commit.message.strip().partition(b"\n")[0].decode("utf-8", "replace")
    return subject.replace("\0", "").strip() or goal


def _rewritten(repository: Repository, project: str, purge: Record) -> _Rewritten:
    """Rows of the positions before a purge that have another commit now, or whose words are gone.

    Read through an index that knows every purge there is, so a row is right whichever came last.
    """
    moved = (
        decode_moved_list(repository.read(purge.moved, ObjectKind.LIST), purge.moved) if purge.moved else {}
    )
    rows: list[dict[str, Any]] = []
    latest: dict[bytes, int] = {}
    for sequence, _, record in repository.records():
        if sequence >= purge.sequence:
            break
        first, final = record.positions or (1, 0)
        silenced = record.summary is not None and repository.index.erased(record.summary) is not None
        told = code.told(repository, record) if first <= final else {}
        for number in range(first, final + 1):
            if silenced or number in moved:
                (position,) = _positions(repository, project, record, told, number, number)
                rows.append(position.row)
                paths = position.paths
            elif moved:
                paths = [change.path for change in diff_trees(repository, *_trees(repository, number))]
            if moved:
                latest.update((path, number) for path in _with_folders(paths))
    return _Rewritten(rows, latest if moved else None)


def _trees(repository: Repository, position: int) -> tuple[str, str]:
    """The tree before a position and the one after it."""
    commits = repository.commit_at(position - 1), repository.commit_at(position)
    before, after = (repository.commit(each).tree if each else EMPTY_TREE for each in commits)
    return before, after


def _rewrite(ctx: Context, project: str, step: _Step, rewritten: _Rewritten) -> None:
    """Put the rows a purge changed in the place of what they were, in one transaction with its cursor."""
    for start in range(0, len(rewritten.rows), 1_000):
        _upsert(ctx, Landing, ("project", "position"), rewritten.rows[start : start + 1_000])
    if rewritten.latest is not None:
        ctx.db.exec(delete(PathLatest).where(col(PathLatest.project) == project))
        _write_latest(ctx, project, rewritten.latest)
    cursor = {"project": project, "name": code.PURGED, "sequence": step.sequence, "record": step.id}
    _upsert(ctx, Cursor, ("project", "name"), [cursor])


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


def last_changes(ctx: Context, project: str, paths: Sequence[bytes]) -> dict[bytes, Change]:
    """Where each of these paths last changed, as the rows say it; folders count for what is in them."""
    found: dict[bytes, Change] = {}
    connection = ctx.db.connection()
    for start in range(0, len(paths), 500):
        some = list(paths[start : start + 500])
        # Made for a few lengths only.
        some += [some[-1]] * (-len(some) % 10)
        made = _asking(connection.dialect, len(some))
        values = {"project": project} | {f"path{number}": path for number, path in enumerate(some)}
        asked = tuple([values[name] for name in made.positiontup]) if made.positiontup else values
        for path, *change in connection.exec_driver_sql(str(made), asked).all():
            found[bytes(path)] = Change(*change)
    return found


@lru_cache(maxsize=50)
def _asking(dialect: Dialect, count: int) -> SQLCompiler:
    """The question for so many paths, as the driver takes it: to make it costs more than to ask it."""
    marks = [bindparam(f"path{number}") for number in range(count)]
    query = (
        sql_select(
            col(PathLatest.path),
            col(Landing.position),
            col(Landing.commit),
            col(Landing.landing),
            col(Landing.session),
        )
        .join(
            Landing,
            (col(Landing.project) == col(PathLatest.project))
            & (col(Landing.position) == col(PathLatest.position)),
        )
        .where(col(PathLatest.project) == bindparam("project"), col(PathLatest.path).in_(marks))
    )
    made = query.compile(dialect=dialect)
    assert isinstance(made, SQLCompiler)
    return made


def _upsert(ctx: Context, model: Any, key: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> None:
    """Write whole rows, over those of the same key; nothing of them is held in the session."""
    ctx.db.connection().execute(_upserting(model, key, sqlite=ctx.forge.db.is_sqlite), list(rows))


@cache
def _upserting(model: Any, key: tuple[str, ...], *, sqlite: bool) -> Any:
    insert: Any = sqlite_dialect.insert if sqlite else postgresql.insert
    statement = insert(model)
    names = [name for name in model.model_fields if name not in key]
    values = {name: statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(index_elements=list(key), set_=values)


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
