"""First start: the forge hosts the checkout it runs from, so that there is something real to see.

It goes the way every project goes: create, start a session, stage, push, land. Once
`micelio/micelio` has a landing nothing is ever imported again, whatever becomes of it.
"""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sqlmodel import select

from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import Conflict
from backend.organizations.models import Organization
from backend.organizations.service import found_organization
from backend.projects.models import Landing, Project, Proposers, Visibility
from backend.projects.service import create_project, finish_creating, update_project
from backend.sessions import content, files, landing, service
from backend.sessions.schemas import FilePut
from vcs.objects import Kind, Object
from vcs.paths import quote

HANDLE = "micelio"
DESCRIPTION = (
    "An agent-first git forge: sessions you can watch, requests you can judge, one trunk to land on."
)
GOAL = "Host Micelio on itself, so that a new forge has something real to look at"
LARGEST_FILE = 16 << 20


def host_checkout(forge: Forge, folder: Path) -> bool:
    """Land the tracked files of a git checkout as `micelio/micelio`; False when there is nothing to do.

    Safe to repeat after a crash at any point; only one process does it at a time.
    """
    if not (folder / ".git").exists():
        return False
    ctx = Context(forge, SYSTEM)
    with forge.db.lock("first-start"):
        if not _wanted(ctx):
            return False
        _project(ctx)
        _land(ctx, list(_tracked(folder)))
    return True


def _wanted(ctx: Context) -> bool:
    with ctx.transaction() as tx:
        owner = tx.db.exec(select(Organization).where(Organization.handle == HANDLE)).first()
        if owner is None:
            found_organization(tx, handle=HANDLE, name="Micelio")
            return True
        project = tx.db.exec(select(Project).where(Project.organization_id == owner.id)).first()
        return project is None or tx.db.get(Landing, (project.id, 1)) is None


def _project(ctx: Context) -> None:
    with ctx.transaction(write=False) as tx:
        found = tx.db.exec(
            select(Project).join(Organization).where(Organization.handle == HANDLE, Project.handle == HANDLE)
        ).first()
    if found is not None:
        finish_creating(ctx, found.id)
        return
    create_project(
        ctx,
        organization=HANDLE,
        project=HANDLE,
        name="Micelio",
        description=DESCRIPTION,
        visibility=Visibility.PUBLIC,
    )
    with ctx.transaction() as tx:
        update_project(tx, organization=HANDLE, project=HANDLE, session_visibility=Proposers.ANYONE)


def _land(ctx: Context, found: list[tuple[bytes, str, bytes]]) -> None:
    if not found:
        raise Conflict(problem="The checkout has no tracked files to host.")
    with ctx.transaction() as tx:
        started = service.start_session(tx, organization=HANDLE, project=HANDLE, goal=GOAL)
    blobs = [Object.of(Kind.BLOB, data) for _, _, data in found]
    content.store_objects(ctx.forge, SYSTEM, started.id, blobs)
    puts = [
        FilePut(path=quote(path), mode=mode, blob=blob.id)
        for (path, mode, _), blob in zip(found, blobs, strict=True)
    ]
    with ctx.transaction() as tx:
        files.push_session(tx, session=started.id, files=puts)
    landing.land_session(ctx, session=started.id, summary="The tracked files of the checkout, as they were.")


def _tracked(folder: Path) -> Iterator[tuple[bytes, str, bytes]]:
    listed = subprocess.run(
        ["git", "-C", str(folder), "ls-files", "-z"], check=True, capture_output=True, timeout=60
    ).stdout
    for path in filter(None, listed.split(b"\0")):
        full = os.path.join(os.fsencode(folder), path)
        try:
            state = os.lstat(full)
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(state.st_mode):
            yield path, "120000", os.readlink(full)
        elif stat.S_ISREG(state.st_mode) and state.st_size <= LARGEST_FILE:
            mode = "100755" if state.st_mode & stat.S_IXUSR else "100644"
            yield path, mode, Path(os.fsdecode(full)).read_bytes()
