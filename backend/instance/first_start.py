"""First start: the forge hosts the checkout it runs from, so that there is something real to see.

It is imported with its history, as any repository. One without a whole history (a shallow clone,
or nothing committed) has its tracked files landed by a session instead, as they are. Once
`micelio/micelio` has a landing nothing is ever imported again, whatever becomes of it, and wherever it went.
"""

import logging
import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlmodel import col, select

from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import MicelioError
from backend.organizations.models import Organization
from backend.organizations.service import found_organization
from backend.portability import running
from backend.portability import service as imports
from backend.portability.models import Import, ImportState, Origin
from backend.projects import projection
from backend.projects.creating import finish_creating
from backend.projects.models import FormerAddress, Landing, Project, Proposers, Visibility
from backend.projects.service import create_project, update_project
from backend.sessions import content, files, landing, service
from backend.sessions.models import Status, WorkSession
from backend.sessions.schemas import FilePut
from vcs.git.source import Source
from vcs.objects import Kind, Object
from vcs.paths import quote

HANDLE = "micelio"
DESCRIPTION = (
    "An agent-first git forge: sessions you can watch, requests you can judge, one trunk to land on."
)
GOAL = "Host Micelio on itself, so that a new forge has something real to look at"
LARGEST_FILE = 16 << 20

log = logging.getLogger(__name__)


def host_checkout(forge: Forge, folder: Path) -> bool:
    """Make a git checkout `micelio/micelio`, with its history if it has one; False when there is nothing
    to do.

    Safe to repeat after a crash at any point; only one process does it at a time.
    """
    if not (folder / ".git").exists():
        return False
    ctx = Context(forge, SYSTEM)
    with forge.db.lock("first-start"):
        if _hosted(ctx) or not (found := _tracked(folder)):
            return False
        project = _project(ctx)
        # An earlier start may have died after its landing happened.
        projection.catch_up(forge, project)
        if _hosted(ctx):
            return False
        if not _import(ctx, project, folder):
            _land(ctx, project, found)
    return True


def _import(ctx: Context, project: str, folder: Path) -> bool:
    """Import the history, or go on with what an earlier start began; False when there is none to import."""
    try:
        source = Source(running.git_folder(folder))
        if source.is_shallow or source.trunk() is None:
            return False
    except MicelioError:
        return False
    with ctx.transaction() as tx:
        begun = imports.running(tx, project)
        row = begun or imports.begin(tx, HANDLE, HANDLE, Origin.FOLDER, str(folder), announced=False)
    running.run_import(ctx, row.id)
    with ctx.transaction(write=False) as tx:
        ended = tx.db.get(Import, row.id)
    if ended is None or ended.state is not ImportState.DONE:
        log.warning("the checkout's history is not imported: %s", ended.problem if ended else "?")
        return False
    return ended.positions > 0


def _find(ctx: Context) -> Project | None:
    query = select(Project).join(Organization, col(Organization.id) == col(Project.organization_id))
    return ctx.db.exec(query.where(Organization.handle == HANDLE, Project.handle == HANDLE)).first()


def _hosted(ctx: Context) -> bool:
    with ctx.transaction(write=False) as tx:
        if tx.db.get(FormerAddress, (HANDLE, HANDLE)) is not None:
            return True
        project = _find(tx)
        return project is not None and tx.db.get(Landing, (project.id, 1)) is not None


def _project(ctx: Context) -> str:
    with ctx.transaction() as tx:
        found = _find(tx)
        if not tx.db.exec(select(Organization).where(Organization.handle == HANDLE)).first():
            found_organization(tx, handle=HANDLE, name="Micelio")
    if found is not None:
        finish_creating(ctx, found.id)
        return found.id
    made = create_project(
        ctx,
        organization=HANDLE,
        project=HANDLE,
        name="Micelio",
        description=DESCRIPTION,
        visibility=Visibility.PUBLIC,
    )
    with ctx.transaction() as tx:
        update_project(tx, organization=HANDLE, project=HANDLE, session_visibility=Proposers.ANYONE)
    return made.id


def _land(ctx: Context, project: str, found: Sequence[tuple[bytes, str, bytes]]) -> None:
    session = _session(ctx, project)
    blobs = [Object.of(Kind.BLOB, data) for _, _, data in found]
    content.store_objects(ctx.forge, SYSTEM, session, blobs)
    puts = [
        FilePut(path=quote(path), mode=mode, blob=blob.id)
        for (path, mode, _), blob in zip(found, blobs, strict=True)
    ]
    with ctx.transaction() as tx:
        files.push_session(tx, session=session, files=puts, complete=True)
    landing.land_session(ctx, session=session, summary="The tracked files of the checkout, as they were.")


def _session(ctx: Context, project: str) -> str:
    """The session that an earlier start left behind, unless it was landing when it died, or a new one."""
    with ctx.transaction() as tx:
        query = select(WorkSession.id).where(
            WorkSession.project_id == project,
            col(WorkSession.author_id).is_(None),
            WorkSession.goal == GOAL,
            WorkSession.status == Status.ACTIVE,
            col(WorkSession.landing).is_(False),
        )
        if left := tx.db.exec(query).first():
            return left
        return service.start_session(tx, organization=HANDLE, project=HANDLE, goal=GOAL).id


def _tracked(folder: Path) -> list[tuple[bytes, str, bytes]]:
    """Path, mode and content of every tracked file that is there and not enormous."""
    asked = subprocess.run(["git", "-C", str(folder), "ls-files", "-z"], capture_output=True, timeout=60)
    if asked.returncode:
        said = asked.stderr.decode("utf-8", "replace").strip()
        log.warning("the checkout is not hosted, because git cannot list its files: %s", said)
        return []
    names = dict.fromkeys(filter(None, asked.stdout.split(b"\0")))
    return [file for name in names if (file := _file(folder, name))]


def _file(folder: Path, path: bytes) -> tuple[bytes, str, bytes] | None:
    full = os.path.join(os.fsencode(folder), path)
    try:
        state = os.lstat(full)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(state.st_mode):
        return path, "120000", os.readlink(full)
    if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST_FILE:
        return None
    mode = "100755" if state.st_mode & stat.S_IXUSR else "100644"
    return path, mode, Path(os.fsdecode(full)).read_bytes()
