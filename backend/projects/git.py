"""Git repositories of projects on this node: what git clients are shown.

Each is a projection of the log in a folder under the data folder. It follows the index, and the
index follows the SQL cursor: what one door has announced, git shows.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from backend.core.context import SYSTEM, Actor, Context, Forge
from backend.projects import code
from backend.projects.models import Cursor, Project
from vcs.git.answers import Answer
from vcs.git.projection import MAIN, GitProjection
from vcs.git.serve import GitServer, Stamp
from vcs.git.upkeep import is_due

ASK_AGAIN = timedelta(minutes=10)
UNCHANGED = timedelta(hours=1)


@dataclass(frozen=True)
class Shown:
    """A repository that is up to date, and what answers out of it depend on."""

    path: Path
    stamp: Stamp


@dataclass(frozen=True)
class _Looked:
    """When a repository was last written as upkeep looked at it, and when that looks again: `soon` when it
    was written since, else `again`.
    """

    written: int
    soon: datetime
    again: datetime


def projection(forge: Forge, project: Project) -> GitProjection:
    """The git repository of a project on this node, one per process; it may be behind."""
    found = code.repository(forge, project.id, project.pool)
    return forge.project_part(
        project.id, GitProjection, lambda: GitProjection(git_path(forge, project.id), found)
    )


def git_path(forge: Forge, project: str) -> Path:
    """The folder of a project's git repository. Deleting it is harmless."""
    return forge.settings.data / "git" / project


def server(forge: Forge) -> GitServer:
    """The git children of this process and what they answered."""
    folder = forge.settings.data / "git/answers"
    return forge.part(GitServer, lambda: GitServer(folder, cache=forge.settings.git_cache_mb << 20))


def follow(ctx: Context, project: Project) -> GitProjection:
    """Bring this node's index to what SQL has announced; whoever serves then catches the repository up,
    with no transaction open.
    """
    code.reader(ctx, project)
    return projection(ctx.forge, project)


def show(forge: Forge, actor: Actor, project: Project) -> Shown:
    """A project's repository with all that any door has announced in it."""
    with Context(forge, actor).transaction(write=False) as tx:
        found = follow(tx, project)
    found.catch_up()
    stamp = found.stamp()
    seen = _purged(forge, project)
    if seen[0] < stamp.purged:
        server(forge).answers.drop(project.id)
        seen[0] = stamp.purged
    return Shown(found.path, stamp)


def known(forge: Forge, actor: Actor, project: Project, body: bytes | None, protocol: int) -> Answer | None:
    """The answer to a fetch (None: to `info/refs`) that was given before and is still the same, whatever
    landed since; to be left by the caller. It comes from what everybody sees who may read the project.
    """
    with Context(forge, actor).transaction(write=False) as tx:
        purge = tx.db.get(Cursor, (project.id, code.PURGED))
    seen = _purged(forge, project)[0]
    if purge is not None and purge.sequence > seen:
        return None
    return server(forge).known(Stamp(project.id, 0, "", seen), MAIN, body, protocol=protocol)


def _purged(forge: Forge, project: Project) -> list[int]:
    """The last purge that this process knows to have happened before what it shows."""
    return forge.project_part(project.id, "answers purged", lambda: [-1])


def due_for_upkeep(forge: Forge) -> list[str]:
    """Projects whose repository on this node upkeep would improve, each named once in ten minutes. One that
    has not changed since it was looked at is opened again after an hour only.
    """
    looked = forge.part("git upkeep looked", dict[str, _Looked])
    due = []
    for path in sorted((forge.settings.data / "git").glob("*/sequence")):
        project = path.parent.name
        with suppress(FileNotFoundError):
            written = path.stat().st_mtime_ns
            last = looked.get(project)
            if last is not None and forge.clock() < (last.again if last.written == written else last.soon):
                continue
            with Context(forge, SYSTEM).transaction(write=False) as tx:
                row = tx.db.get(Project, project)
            wanted = row is not None and is_due(projection(forge, row))
            soon = forge.clock() + (ASK_AGAIN if wanted else timedelta())
            looked[project] = _Looked(written, soon, forge.clock() + (ASK_AGAIN if wanted else UNCHANGED))
            if wanted:
                due.append(project)
    return due


def forget_erased(forge: Forge, project: str, pool: str, purged: int) -> None:
    """Take a repository and answers that may hold what was erased off this node's disk."""
    held = GitProjection(git_path(forge, project), code.repository(forge, project, pool))
    known = held.noted("purged")
    if known is not None and known < purged:
        held.drop()
        server(forge).answers.drop(project)
