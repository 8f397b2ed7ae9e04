"""The code of a project: its open repository, and what a ref means to somebody reading.

Readers follow the SQL cursor, so a page never mixes a list of landings with a newer tree:
`HEAD` is the last landing that is projected. A process whose index is behind the cursor
catches up first; a process that is ahead shows the older head, as every other door does.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import col, select

from backend.core.context import Context, Forge
from backend.core.errors import NotFound
from backend.projects.models import Cursor, Landing, Project, Ref
from vcs import filling
from vcs.filling import unfinished
from vcs.index import FIRST_TRUNK
from vcs.log import Record
from vcs.objects import EMPTY_TREE
from vcs.objects import Kind as ObjectKind
from vcs.reading import ErasedObject, FrameCache, TreeCache
from vcs.repository import Repository, UnknownRef
from vcs.store import Copies

MAIN = FIRST_TRUNK.removeprefix("refs/heads/")
PURGED = "purged"
"""Name of the cursor that stands on the last purge whose rows are written."""
READING_SECONDS = 20.0
"""How long a request works at a long index that has to be made from nothing; a job does the rest."""
MOST = 1 << 31
"""Positions and sequences are smaller than this: what a column holds on every database."""
_POSITION = re.compile(r"@(-?)([0-9]{1,15})")
OBJECT = re.compile(r"[0-9a-f]{64}")
_SESSION = re.compile(r"[0-9a-f-]{8,36}")


@dataclass(frozen=True)
class Target:
    """What a ref points at: no commit when nothing has landed, no position off the trunk."""

    ref: str
    commit: str | None
    tree: str
    position: int | None


def repository(forge: Forge, project: str, pool: str) -> Repository:
    """The open repository of a project, one per process; all share what they keep in memory."""
    path = index_path(forge, project)

    def open_it() -> Repository:
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = forge.part(FrameCache, lambda: FrameCache(forge.settings.memory_cache << 20))
        trees = forge.part(TreeCache, lambda: TreeCache(forge.settings.memory_cache << 18))
        return Repository(forge.store, pool, project, path, frames=frames, trees=trees)

    return forge.project_part(project, Repository, open_it)


def index_path(forge: Forge, project: str) -> Path:
    """Where this node keeps its index of a project."""
    return forge.settings.data / "index" / f"{project}.db"


def half_made_indexes(forge: Forge) -> list[str]:
    """Projects whose index somebody on this node began to fill and did not end."""
    return unfinished(forge.settings.data / "index")


def drop_index(forge: Forge, project: str) -> None:
    """Delete this node's index of a project and what was filled of one; nobody has it open any more."""
    forget(forge, project)
    path = index_path(forge, project)
    for each in (*path.parent.glob(f"{project}.db*"), *filling.beside(path).parent.glob(f"{project}.*")):
        each.unlink(missing_ok=True)


def forget(forge: Forge, project: str) -> None:
    """Close what this process holds open of a project; it opens again when asked for."""
    forge.forget_project(project)


def reader(ctx: Context, project: Project) -> Repository:
    """The repository, caught up to what SQL has announced, with nothing kept from before a purge."""
    found = repository(ctx.forge, project.id, project.pool)
    rows = ctx.db.connection().execute(_ANNOUNCED, {"of_project": project.id})
    announced = {name: sequence for name, sequence in rows}
    if PURGED in announced:
        forget_erased(ctx.forge, found, announced[PURGED])
    if found.remembered(most=READING_SECONDS)[0].sequence < announced.get("landings", 0):
        found.catch_up(most=READING_SECONDS)
    return found


_ANNOUNCED = select(Cursor.name, Cursor.sequence).where(
    col(Cursor.project) == bindparam("of_project"), col(Cursor.name).in_(["landings", PURGED])
)


def forget_erased(forge: Forge, found: Repository, purged: int) -> None:
    """Drop this process's copies once for each purge: another process may have moved the index past it."""
    if keeps_from_before(forge, found.project, purged):
        drop_copies(forge, found)
        forge.project_part(found.project, PURGED, lambda: [-1])[0] = purged


def keeps_from_before(forge: Forge, project: str, purged: int) -> bool:
    """Whether this process may still hold something from before this purge."""
    return forge.project_part(project, PURGED, lambda: [-1])[0] < purged


def drop_copies(forge: Forge, found: Repository) -> None:
    """Drop decoded frames, parsed trees, and what this machine keeps of the pool's files."""
    found.forget()
    if isinstance(forge.store, Copies):
        forge.store.forget(f"pools/{found.pool}/files/")


def told(repository: Repository, record: Record) -> dict[str, Any]:
    """What people said in a record's summary. Of an erased one only that it was."""
    if record.summary is None:
        return {}
    try:
        said: dict[str, Any] = json.loads(repository.read(record.summary, ObjectKind.BLOB))
    except ErasedObject as erased:
        return {"goal": f"(erased on {erased.details['at'][:10]})"}
    return said


def record_at(repository: Repository, sequence: int) -> tuple[Record, str] | None:
    """The record of a sequence and its id, as this process's index has it."""
    row = repository.index.record_at(sequence)
    if row is None:
        return None
    return Record.decode(repository.read(row.id, ObjectKind.RECORD), row.id), row.id


def last_landing(ctx: Context, project: str) -> Landing | None:
    """The newest projected landing."""
    return ctx.db.exec(_NEWEST, params={"of_project": project}).first()


_NEWEST = (
    select(Landing)
    .where(Landing.project == bindparam("of_project"))
    .order_by(col(Landing.position).desc())
    .limit(1)
)


def resolve(ctx: Context, project: Project, ref: str) -> Target:
    """What a ref means: @N, @-N, HEAD, a session, branch, tag or commit. NotFound, AmbiguousRef."""
    if ref in ("", "HEAD"):
        return _target("HEAD", last_landing(ctx, project.id))
    if match := _POSITION.fullmatch(ref):
        return _at_position(ctx, project, ref, int(match[2]), back=bool(match[1]))
    if ref.removeprefix("refs/heads/") == trunk(ctx, project.id):
        return _target(ref, last_landing(ctx, project.id))
    if _SESSION.fullmatch(ref) and (landing := _of_session(ctx, project.id, ref)):
        return _target(ref, landing)
    try:
        found = reader(ctx, project).resolve(ref)
    except UnknownRef:
        if OBJECT.fullmatch(ref) and reader(ctx, project).index.erased(ref):
            raise reader(ctx, project).missing(ref) from None
        raise NotFound(what=f"ref {ref!r} in this project") from None
    return Target(ref, found.commit, found.tree, found.position)


def trunk(ctx: Context, project: str) -> str:
    """The short name of the default branch, as far as the rows have followed the log."""
    return trunks(ctx, [project]).get(project, MAIN)


def trunks(ctx: Context, projects: Iterable[str]) -> dict[str, str]:
    """The short names of the default branches that are not called `main`, by project."""
    rows = ctx.db.exec(_TRUNKS, params={"of_projects": list(projects)})
    return {row.project: row.target.removeprefix("ref: refs/heads/") for row in rows}


_TRUNKS = select(Ref).where(
    col(Ref.project).in_(bindparam("of_projects", expanding=True)), Ref.name == "HEAD"
)


def _at_position(ctx: Context, project: Project, ref: str, number: int, *, back: bool) -> Target:
    if back:
        newest = last_landing(ctx, project.id)
        number = (newest.position if newest else 0) - number
    if number == 0:
        return Target(ref, None, EMPTY_TREE, 0)
    landing = ctx.db.get(Landing, (project.id, number)) if 0 < number < MOST else None
    if landing is None:
        raise NotFound(what=f"landing {ref} in this project")
    return _target(ref, landing)


def _of_session(ctx: Context, project: str, text: str) -> Landing | None:
    like = select(Landing).where(
        Landing.project == project,
        col(Landing.session).startswith(text) | col(Landing.session).endswith(text),
    )
    found = ctx.db.exec(like.limit(2)).all()
    return found[0] if len(found) == 1 else None


def _target(ref: str, landing: Landing | None) -> Target:
    if landing is None:
        return Target(ref, None, EMPTY_TREE, 0)
    return Target(ref, landing.commit, landing.tree, landing.position)
