"""Doctor: reads everything, names every fault, and can make the projections anew.

The log is judged by `vcs.doctor`; here it is held against SQL: cursors stand on the chain, no
permit is forgotten, what open sessions staged is there, archives say what the log promised.
Nothing is ever written to the store.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import zstandard
from sqlmodel import SQLModel, col, select

from backend.core.context import SYSTEM, Context, Forge
from backend.organizations.models import Organization
from backend.projects import code, counting, git, projection
from backend.projects.models import Cursor, Landing, PathLatest, Project, ProjectState, Ref
from backend.search import index as search_index
from backend.search.models import SearchEntry
from backend.sessions import landing as _follows_the_log  # noqa: F401  its sessions land as rows are made
from backend.sessions.models import Permit, StagedFile, WorkSession
from vcs import doctor as log_doctor
from vcs.errors import MicelioError
from vcs.git.judging import git_faults, objects_of, refs_of
from vcs.git.process import GitFailed
from vcs.git.projection import GitProjection
from vcs.git.upkeep import left_alone
from vcs.index_check import wrong_tables

FORGOTTEN = timedelta(minutes=5)
PROJECTED: tuple[type[SQLModel], ...] = (Landing, PathLatest, Ref, Cursor)


@dataclass(frozen=True)
class Finding:
    """One thing seen. `fault` is False for what is only worth knowing."""

    project: str
    sentence: str
    fault: bool = True


def examine(forge: Forge) -> Iterator[Finding]:
    """Every finding about every project, as it is found."""
    for project, address in _projects(forge):
        for fault in log_doctor.verify(forge.store, project.pool, project.id):
            sentence = f"{fault.subject}: {fault.problem}".rstrip(".")
            yield Finding(address, sentence, fault=not fault.information)
        yield from _held_against_sql(forge, project, address)


def rebuild(forge: Forge) -> Iterator[Finding]:
    """Make index and projected rows of every project anew from its log, and compare dumps."""
    for project, address in _projects(forge):
        # First, so that rows are judged by the log and not by an index that may be wrong.
        code.repository(forge, project.id, project.pool).rebuild_index()
        with forge.db.lock(f"landing:{project.id}"):
            projection.catch_up(forge, project.id)
            counting.count_all(forge, project.id)
            before = _dump(forge, project.id)
            with Context(forge, SYSTEM).transaction() as tx:
                projection.drop(tx, project.id)
            projection.catch_up(forge, project.id)
            counting.count_all(forge, project.id)
            after = _dump(forge, project.id)
        for table, digest in before.items():
            if after[table] != digest:
                yield Finding(address, f"the rows of {table} came out different from what they were")
        total = sum(count for count, _ in after.values())
        yield Finding(address, f"{total} projected rows made anew from the log", fault=False)
        yield from _rebuilt_git(forge, project, address)
    yield from _rebuilt_search(forge)


def _projects(forge: Forge) -> list[tuple[Project, str]]:
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        query = select(Project, Organization).where(
            Project.state == ProjectState.READY, col(Project.organization_id) == col(Organization.id)
        )
        rows = tx.db.exec(query.order_by(col(Project.id))).all()
        return [(project, f"{owner.handle}/{project.handle}") for project, owner in rows]


def _held_against_sql(forge: Forge, project: Project, address: str) -> Iterator[Finding]:
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        for look in (_index, _cursors, _permits, _staged, _archives, _git_repository):
            try:
                for sentence in look(tx, project):
                    yield Finding(address, sentence)
            except MicelioError as error:
                # What cannot be read is a finding like any other, and the rest is still looked at.
                sentence, name = error.sentence.rstrip("."), look.__name__.strip("_").replace("_", " ")
                yield Finding(address, f"its {name} cannot be checked: {sentence}")
    if packs := left_alone(git.projection(forge, project)):
        sentence = (
            f"its git repository on this node has {packs} packs and should have been repacked; what hinders "
            "it is in the log of this node's worker, or of its web process where no worker runs"
        )
        yield Finding(address, sentence, fault=False)


def _index(ctx: Context, project: Project) -> Iterator[str]:
    repository = code.repository(ctx.forge, project.id, project.pool)
    with ctx.forge.db.lock(f"landing:{project.id}"):
        repository.catch_up()
        wrong = list(wrong_tables(repository, code.index_path(ctx.forge, project.id)))
    if wrong:
        yield (
            f"this node's index differs from the log in {', '.join(wrong)}; "
            "`micelio doctor --rebuild` makes it anew"
        )


def _cursors(ctx: Context, project: Project) -> Iterator[str]:
    repository = code.repository(ctx.forge, project.id, project.pool)
    repository.catch_up()
    for cursor in ctx.db.exec(select(Cursor).where(Cursor.project == project.id)).all():
        known = repository.index.record_at(cursor.sequence)
        if known is None or known.id != cursor.record:
            yield f"the cursor {cursor.name} stands on record {cursor.sequence}, which is not in the log"


def _permits(ctx: Context, project: Project) -> Iterator[str]:
    late = ctx.now() - FORGOTTEN
    query = select(Permit).where(Permit.project_id == project.id, Permit.expires_at < late)
    for permit in ctx.db.exec(query).all():
        yield f"the permit of landing {permit.landing} was never settled; is the worker running?"
    stuck = (
        select(WorkSession.id)
        .outerjoin(Permit, col(Permit.session_id) == col(WorkSession.id))
        .where(
            WorkSession.project_id == project.id,
            col(WorkSession.landing).is_(True),
            col(Permit.landing).is_(None),
        )
    )
    for session in ctx.db.exec(stuck).all():
        yield f"session {session} is said to be landing, and has no permit to"


def _staged(ctx: Context, project: Project) -> Iterator[str]:
    prefix = f"pools/{project.pool}/files/{project.id}/"
    there = {listed.key for listed in ctx.forge.store.list(prefix)}
    for staged in ctx.db.exec(select(StagedFile).where(StagedFile.project_id == project.id)).all():
        if staged.key not in there:
            yield f"session {staged.session_id} staged {staged.key}, which is not in the store"


def _archives(ctx: Context, project: Project) -> Iterator[str]:
    repository = code.repository(ctx.forge, project.id, project.pool)
    for listed in ctx.forge.store.list(f"archives/{project.id}/"):
        session = listed.key.split("/")[2]
        query = select(Landing).where(Landing.project == project.id, Landing.session == session)
        landing = ctx.db.exec(query).first()
        known = code.record_at(repository, landing.sequence) if landing else None
        if known is None or known[0].summary is None:
            yield f"the archive {listed.key} belongs to no landing"
            continue
        told = code.told(repository, known[0])
        count, chain = told.get("events", [0, ""])
        if not _chain_fits(ctx.forge.store.get(listed.key), count, chain):
            yield f"the archive {listed.key} does not hold the {count} events its landing promised"


def _git_repository(ctx: Context, project: Project) -> Iterator[str]:
    for sentence in git_faults(git.projection(ctx.forge, project)):
        yield f"{sentence}; `micelio doctor --rebuild` makes it anew"


def _rebuilt_git(forge: Forge, project: Project, address: str) -> Iterator[Finding]:
    """Make the repository for git anew, where this node has one, and compare what it says."""
    shown = git.projection(forge, project)
    if shown.noted("sequence") is None:
        return
    before = _git_says(shown)
    shown.rebuild()
    after = _git_says(shown)
    for what in after:
        if before.get(what) != after[what]:
            yield Finding(address, f"the {what} of its git repository came out different from what they were")
    count = len(after["refs"])
    yield Finding(address, f"its git repository made anew from the log, {count} refs", fault=False)


def _rebuilt_search(forge: Forge) -> Iterator[Finding]:
    """Make the search index anew from what it is about, and compare."""
    with Context(forge, SYSTEM).transaction() as tx:
        before = _entries(tx)
        search_index.drop(tx)
        while search_index.catch_up(tx):
            pass
        after = _entries(tx)
    for kind, id in sorted(set(before) ^ set(after)):
        yield Finding("search", f"its index was wrong about the {kind} {id}")
    for kind, id in sorted(each for each in before if before[each] != after.get(each, before[each])):
        yield Finding("search", f"its words for the {kind} {id} came out different from what they were")
    yield Finding("search", f"{len(after)} entries made anew from what they are about", fault=False)


def _entries(ctx: Context) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = ctx.db.exec(select(SearchEntry)).all()
    ctx.db.expunge_all()
    return {(row.kind.value, row.id): (row.key, row.address, row.title, row.rules) for row in rows}


def _git_says(shown: GitProjection) -> dict[str, Collection[Any]]:
    try:
        return {"refs": refs_of(shown), "SHA-1s": objects_of(shown)}
    except GitFailed:
        # Too damaged to say anything: whatever comes out is different.
        return {}


def _chain_fits(body: bytes, count: int, chain: str) -> bool:
    try:
        lines = zstandard.decompress(body, max_output_size=1 << 31).splitlines()
        events = [json.loads(line) for line in lines]
    except (zstandard.ZstdError, ValueError):
        return False
    # The event after the last one that landed carries that one's hash.
    return len(events) > count and events[count]["previous"] == chain


def _dump(forge: Forge, project: str) -> dict[str, tuple[int, str]]:
    """Rows by table: how many, and the SHA-256 over them in the order of their keys."""
    dumps = {}
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        for model in PROJECTED:
            table: Any = model.__table__  # type: ignore[attr-defined]
            query = select(table).where(table.c.project == project).order_by(*table.primary_key.columns)
            # Whole rows: the session would give the first column of each.
            rows = [tuple(row) for row in tx.db.connection().execute(query)]
            if model is Cursor:
                rows = [row for row in rows if row[1] != "facts"]
            dumps[table.name] = (len(rows), _digest(rows))
    return dumps


def _digest(rows: Iterable[tuple[Any, ...]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(row).encode() + b"\n")
    return digest.hexdigest()
