"""Streams of content over gRPC: a header, then its bytes in chunks, blob after blob.

Small blobs share a message, and what zstd makes smaller travels so, where the caller reads that.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any

from backend.core.context import Actor, Context, Forge
from backend.core.errors import InvalidInput, NotFound
from backend.core.operations import operation_of, permit
from backend.projects import access, code
from backend.projects.tree import list_blobs
from backend.sessions import content
from backend.sessions.files import push_session
from vcs.objects import Kind, Object, is_object_id
from vcs.reading import Reader
from vcs.segments import BIG_BLOB
from vcs.wire import CHUNK, packing
from vcs.wire.projects_pb2 import BlobChunk, BlobHeader, BlobPack, StreamBlobsRequest
from vcs.wire.sessions_pb2 import StageBlobsRequest, StageBlobsResponse, StageHeader, StagePack

GROUP_BYTES = 8 << 20
"""Contents of small blobs that are held in memory before they are stored together."""


def stream_blobs(forge: Forge, actor: Actor, request: StreamBlobsRequest) -> Iterator[BlobChunk]:
    """The blobs asked for, in that order. NotFound names the first that the project does not have."""
    permit(actor, operation_of(list_blobs))
    with Context(forge, actor).transaction(write=False) as tx:
        if request.project_id:
            project, _ = access.by_id(tx, request.project_id)
        else:
            project, _ = access.project(tx, request.organization_handle, request.project_handle)
        repository = code.reader(tx, project)
    sending = _Packed() if request.packed else _Plain()
    for id, offset in zip(request.blob_hashes, chain(request.offsets, repeat(0)), strict=False):
        located = repository.locate(id) if is_object_id(id) else None
        if located is None:
            raise NotFound(what=f"blob {id[:64]}")
        size = located.entry.length
        if offset > size:
            raise InvalidInput(problem=f"Blob {id} has {size} bytes, so nothing begins at byte {offset}.")
        yield from sending.blob(BlobHeader(id=id, size=size, offset=offset), repository)
    yield from sending.rest()


class _Plain:
    """Blob after blob as any caller reads them."""

    def blob(self, header: BlobHeader, repository: Reader) -> Iterator[BlobChunk]:
        """The messages of one blob."""
        yield BlobChunk(header=header)
        for piece in packing.pieces(repository.chunks(header.id, header.offset)):
            yield self.piece(piece)

    def piece(self, piece: bytes) -> BlobChunk:
        """One message of content."""
        return BlobChunk(data=piece)

    def rest(self) -> Iterator[BlobChunk]:
        """What was not sent yet."""
        return iter(())


class _Packed(_Plain):
    """Small blobs together, what gets smaller compressed."""

    def __init__(self) -> None:
        self.squeeze = packing.Squeezer()
        self.headers: list[BlobHeader] = []
        self.contents: list[bytes] = []
        self.size = 0

    def blob(self, header: BlobHeader, repository: Reader) -> Iterator[BlobChunk]:
        """The messages that one more blob makes ready."""
        small = header.size <= packing.SMALL and not header.offset
        if not small or self.size + header.size > CHUNK or len(self.headers) == packing.PACK_BLOBS:
            yield from self.rest()
        if not small:
            yield from super().blob(header, repository)
            return
        self.headers.append(header)
        self.contents.append(repository.read(header.id))
        self.size += header.size

    def piece(self, piece: bytes) -> BlobChunk:
        """One message of content."""
        squeezed = self.squeeze(piece)
        return BlobChunk(data=piece) if squeezed is None else BlobChunk(zstd=squeezed)

    def rest(self) -> Iterator[BlobChunk]:
        """The pack that is not full yet."""
        if self.headers:
            data = b"".join(self.contents)
            squeezed = self.squeeze(data)
            packed = BlobPack(headers=self.headers, data=squeezed or data, zstd=squeezed is not None)
            self.headers, self.contents, self.size = [], [], 0
            yield BlobChunk(pack=packed)


def stage_blobs(forge: Forge, actor: Actor, parts: Iterator[StageBlobsRequest]) -> StageBlobsResponse:
    """Store each blob of the stream for its session; InvalidInput when one is not what its header says.

    Small ones are stored many at a time, large ones as they come. What came before the stream broke
    off is stored too, so that it need not come again.
    """
    permit(actor, operation_of(push_session))
    stored: list[str] = []
    group: list[Object] = []
    session = ""
    try:
        for header, pieces in _incoming(parts):
            if group and (header.session_id != session or _full(group)):
                full, group = group, []
                stored += _stored(forge, actor, session, full)
            session = header.session_id
            if header.size < BIG_BLOB:
                group.append(_checked(header, pieces))
            else:
                blob = content.store_content(
                    forge, actor, session, pieces, expected=header.id, announced=header.size
                )
                stored.append(blob.id)
    finally:
        if group:
            stored += _stored(forge, actor, session, group)
    return StageBlobsResponse(blobs=stored)


def _full(group: list[Object]) -> bool:
    return sum(len(blob.content) for blob in group) >= GROUP_BYTES


def _stored(forge: Forge, actor: Actor, session: str, group: list[Object]) -> list[str]:
    return [blob.id for blob in content.store_objects(forge, actor, session, group)]


def _checked(header: StageHeader, pieces: Iterable[bytes]) -> Object:
    blob = Object.of(Kind.BLOB, b"".join(pieces))
    if blob.id != header.id:
        raise InvalidInput(
            problem=f"The content sent as {header.id} is {blob.id}: it was damaged on the way."
        )
    return blob


SERVED: dict[str, Callable[..., Any]] = {
    "ProjectService.StreamBlobs": stream_blobs,
    "SessionService.StageBlobs": stage_blobs,
}
"""What is streamed, by its rpc."""


def _incoming(parts: Iterator[StageBlobsRequest]) -> Iterator[tuple[StageHeader, Iterable[bytes]]]:
    """Each blob of a stream; its pieces are used up before the next one is asked for."""
    for part in parts:
        match part.WhichOneof("part"):
            case "header":
                yield part.header, _announced(parts, part.header.size)
            case "pack":
                yield from _unpacked(part.pack)
            case _:
                raise InvalidInput(problem="More bytes came than a header announced.")


def _announced(parts: Iterator[StageBlobsRequest], size: int) -> Iterator[bytes]:
    """Exactly the bytes a header announced."""
    left = size
    while left:
        part = next(parts, None)
        piece = b"" if part is None else _unsqueezed(part.zstd) if part.zstd else part.data
        if not piece or len(piece) > left:
            raise InvalidInput(problem=f"{size} bytes were announced and not as many came.")
        left -= len(piece)
        yield piece


def _unpacked(pack: StagePack) -> Iterator[tuple[StageHeader, Iterable[bytes]]]:
    data = _unsqueezed(pack.data) if pack.zstd else pack.data
    try:
        contents = packing.split(data, (header.size for header in pack.headers))
    except ValueError as error:
        raise InvalidInput(problem=f"A pack was refused: {error}.") from None
    for header, blob in zip(pack.headers, contents, strict=True):
        yield header, [blob]


def _unsqueezed(frame: bytes) -> bytes:
    try:
        return packing.unsqueezed(frame)
    except ValueError as error:
        raise InvalidInput(problem=f"A piece was refused: {error}.") from None
