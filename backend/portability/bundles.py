"""Bundles: one file with a whole history, in and out.

One that comes in is stored where everything is stored, so that any worker can read it, and named
in SQL like a segment; it is in no log, and gone with the import.
"""

import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

import anyio

from backend.core.context import Context
from backend.core.errors import Conflict, MicelioError
from backend.portability.models import Import, ImportFile, ImportState, Origin
from backend.portability.schemas import ImportStatus
from backend.portability.service import ImportRequested, begin, changed, status
from backend.portability.undoing import undo
from backend.projects.models import Project, Visibility
from vcs.errors import Kind
from vcs.git.process import environment, git_command
from vcs.log import Measured, segment_key
from vcs.segments import write_blob_segment

PIECE = 256 << 10
EXPORTED = ("--branches", "--tags", "--glob=refs/notes")


class BundleTooLarge(MicelioError):
    """The bundle is larger than this forge takes."""

    kind = Kind.INVALID
    code = "import.too_large"
    message = "The bundle is larger than {limit} MB, which is all this forge takes. An operator can raise it."


class NothingToExport(Conflict):
    """git knows no bundle without a commit in it."""

    code = "export.empty"
    message = "{address} has no commit yet, so there is nothing to export."


def take(
    ctx: Context,
    organization: str,
    project: str,
    visibility: Visibility,
    name: str,
    chunks: Iterable[bytes],
    length: int,
) -> ImportStatus:
    """Store a bundle as it arrives and begin its import. One that is cut off leaves nothing behind."""
    with ctx.transaction() as tx:
        row = begin(
            tx, organization, project, Origin.BUNDLE, f"bundle:{name}", visibility=visibility, announced=False
        )
        found = tx.db.get(Project, row.project_id)
        assert found is not None
    key = segment_key(found.pool, found.id)
    segment = write_blob_segment(chunks, length)
    measured = Measured(key, segment)
    try:
        ctx.forge.store.put(key, measured)
    except BaseException:
        undo(ctx, row)
        with ctx.transaction() as tx:
            gone = tx.db.get(Import, row.id)
            assert gone is not None
            changed(tx, gone, state=ImportState.FAILED, problem="The upload was cut off.", ended_at=tx.now())
        raise
    with ctx.transaction() as tx:
        tx.db.add(
            ImportFile(
                key=key,
                import_id=row.id,
                project_id=found.id,
                number=0,
                size=measured.ref.size,
                sha256=measured.ref.sha256,
                objects=0,
                bundle=True,
                staged_at=tx.now(),
            )
        )
        asked = tx.db.get(Import, row.id)
        assert asked is not None
        tx.emit(ImportRequested(row.id))
        return status(tx, asked)


async def written(repository: Path, *, with_head: bool) -> AsyncIterator[bytes]:
    """A bundle of branches, tags and notes as git writes it; the child ends when the reader goes."""
    command = git_command(
        repository, "bundle", "create", "--quiet", "-", *(("HEAD",) if with_head else ()), *EXPORTED
    )
    child = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    assert child.stdout is not None
    try:
        while True:
            try:
                yield await child.stdout.receive(PIECE)
            except anyio.EndOfStream:
                break
        # A bundle that is cut off must not look whole: the connection breaks instead.
        if await child.wait():
            raise RuntimeError("git could not write the bundle")
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        with anyio.CancelScope(shield=True):
            await child.aclose()
