"""Content of open sessions: bytes go into the store before any operation names them.

A blob is staged as a segment of the project that only this session sees. What is staged is
named in SQL, which keeps the collector off until the session has landed; one that was given up
stays readable.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy import bindparam
from sqlmodel import col, select

from backend.core.context import Actor, Context, Forge
from backend.core.errors import FileTooLarge, InvalidInput
from backend.projects import code
from backend.projects.models import Project
from backend.sessions import access
from backend.sessions.access import Deed
from backend.sessions.models import StagedFile, WorkSession
from vcs import disk
from vcs.objects import Hasher, Kind, Object
from vcs.reading import Reader
from vcs.segments import LARGEST_BLOB

IN_MEMORY = 4 << 20
CHUNK = 1 << 18


@dataclass(frozen=True)
class StoredBlob:
    """A blob that the store now has; `size` in bytes."""

    id: str
    size: int


def store_content(
    forge: Forge,
    actor: Actor,
    session: str,
    chunks: Iterable[bytes],
    *,
    expected: str | None = None,
    announced: int = 0,
) -> StoredBlob:
    """Stage one blob for a session, with flat memory; the same content again costs nothing.

    Raises what `access.session` raises, FileTooLarge beyond 5 GiB (before a byte is read when so many
    are `announced`), and InvalidInput when its id is not the `expected` one.
    """
    ctx = Context(forge, actor)
    with ctx.transaction(write=False) as tx:
        found, project, _ = access.session(tx, session, Deed.CHANGE)
        reader = staged_reader(tx, found, project)
    if announced > LARGEST_BLOB:
        raise FileTooLarge(file="This file", limit=LARGEST_BLOB)
    with _spool(forge) as spool:
        size = _spooled(spool, chunks)
        spool.seek(0)
        id = _blob_id(spool, size)
        if expected is not None and id != expected:
            raise InvalidInput(problem=f"The content sent as {expected} is {id}: it was damaged on the way.")
        if not reader.has(id):
            spool.seek(0)
            key, _ = code.repository(forge, project.id, project.pool).stage_blob(_pieces(spool), size)
            _keep(ctx, found.id, [key], size)
    return StoredBlob(id, size)


def store_objects(forge: Forge, actor: Actor, session: str, blobs: Iterable[Object]) -> list[StoredBlob]:
    """Stage many small blobs at once, in as few segments as they fit; what is there costs nothing."""
    ctx = Context(forge, actor)
    with ctx.transaction(write=False) as tx:
        found, project, _ = access.session(tx, session, Deed.CHANGE)
        reader = staged_reader(tx, found, project)
    given = list({blob.id: blob for blob in blobs}.values())
    new = [blob for blob in given if not reader.has(blob.id)]
    if new:
        keys = code.repository(forge, project.id, project.pool).stage(new)
        _keep(ctx, found.id, keys, sum(len(blob.content) for blob in new))
    return [StoredBlob(blob.id, len(blob.content)) for blob in given]


def _keep(ctx: Context, session: str, keys: Iterable[str], size: int) -> None:
    """Name staged segments in SQL, unless the session ended meanwhile."""
    with ctx.transaction() as tx:
        found, project, _ = access.session(tx, session, Deed.CHANGE, locked=True)
        for key in keys:
            keep(tx, found.id, project.id, key, size)


def keep(ctx: Context, session: str, project: str, key: str, size: int) -> None:
    """Name a staged segment in SQL, so that it stays until the session has landed."""
    ctx.db.add(StagedFile(key=key, session_id=session, project_id=project, size=size, staged_at=ctx.now()))


def staged_keys(ctx: Context, session: str) -> list[str]:
    """The keys of the session's staged segments, oldest first."""
    return list(ctx.db.connection().execute(_STAGED, {"of_session": session}).scalars())


_STAGED = (
    select(StagedFile.key)
    .where(col(StagedFile.session_id) == bindparam("of_session"))
    .order_by(col(StagedFile.staged_at), col(StagedFile.key))
)


def staged_reader(ctx: Context, session: WorkSession, project: Project) -> Reader:
    """A reader of the project that also sees what this session staged."""
    repository = code.reader(ctx, project)
    keys = staged_keys(ctx, session.id)
    return repository.with_staged(keys) if keys else repository


def _spool(forge: Forge) -> BinaryIO:  # type: ignore[type-arg,unused-ignore]
    # Beside the data: where temporary files are kept in memory, five gigabytes would not fit.
    folder = forge.settings.data / "uploads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk.refusal(error, "uploads") from error
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=folder)  # type: ignore[return-value]


def _spooled(spool: BinaryIO, chunks: Iterable[bytes]) -> int:  # type: ignore[type-arg,unused-ignore]
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_BLOB:
            raise FileTooLarge(file="This file", limit=LARGEST_BLOB)
        try:
            spool.write(chunk)
        except OSError as error:
            raise disk.refusal(error, "uploads") from error
    return size


def _blob_id(spool: BinaryIO, size: int) -> str:
    hasher = Hasher(Kind.BLOB, size)
    for piece in _pieces(spool):
        hasher.update(piece)
    return hasher.hexdigest()


def _pieces(spool: BinaryIO) -> Iterator[bytes]:
    while piece := spool.read(CHUNK):
        yield piece
