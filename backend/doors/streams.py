"""Streams of content over gRPC: a header, then its bytes in chunks, blob after blob."""

from collections.abc import Callable, Iterator
from typing import Any

from backend.core.context import Actor, Context, Forge
from backend.core.errors import InvalidInput, NotFound
from backend.core.operations import operation_of, permit
from backend.projects import access, code
from backend.projects.tree import list_blobs
from backend.sessions import content
from backend.sessions.files import push_session
from vcs.objects import Kind, Object, is_object_id
from vcs.segments import BIG_BLOB
from vcs.wire import CHUNK
from vcs.wire.projects_pb2 import BlobChunk, BlobHeader, StreamBlobsRequest
from vcs.wire.sessions_pb2 import StageBlobsRequest, StageBlobsResponse, StageHeader

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
    for id in request.blob_hashes:
        if not is_object_id(id) or not repository.has(id):
            raise NotFound(what=f"blob {id[:64]}")
        yield BlobChunk(header=BlobHeader(id=id, size=repository.size(id)))
        for chunk in _pieces(repository.chunks(id)):
            yield BlobChunk(data=chunk)


def stage_blobs(forge: Forge, actor: Actor, parts: Iterator[StageBlobsRequest]) -> StageBlobsResponse:
    """Store each blob of the stream for its session; InvalidInput when one is not what its header says.

    Small ones are stored many at a time, large ones as they come.
    """
    permit(actor, operation_of(push_session))
    stored: list[str] = []
    source = _Parts(parts)
    group: list[Object] = []
    session = ""
    header = source.header()
    while header is not None:
        if group and (header.session_id != session or _full(group)):
            stored += _stored(forge, actor, session, group)
            group = []
        session = header.session_id
        if header.size < BIG_BLOB:
            group.append(_checked(header, source))
        else:
            chunks = source.data(header.size)
            blob = content.store_content(forge, actor, session, chunks, expected=header.id)
            stored.append(blob.id)
        header = source.header()
    if group:
        stored += _stored(forge, actor, session, group)
    return StageBlobsResponse(blobs=stored)


def _full(group: list[Object]) -> bool:
    return sum(len(blob.content) for blob in group) >= GROUP_BYTES


def _stored(forge: Forge, actor: Actor, session: str, group: list[Object]) -> list[str]:
    return [blob.id for blob in content.store_objects(forge, actor, session, group)]


def _checked(header: StageHeader, source: "_Parts") -> Object:
    blob = Object.of(Kind.BLOB, b"".join(source.data(header.size)))
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


class _Parts:
    """Splits one stream of headers and data into blobs."""

    def __init__(self, parts: Iterator[StageBlobsRequest]) -> None:
        self.parts = parts

    def header(self) -> StageHeader | None:
        """The next blob's header, or None at the end."""
        part = next(self.parts, None)
        if part is None:
            return None
        if part.WhichOneof("part") != "header":
            raise InvalidInput(problem="More bytes came than a header announced.")
        return part.header

    def data(self, size: int) -> Iterator[bytes]:
        """Exactly the bytes the header announced."""
        left = size
        while left:
            part = next(self.parts, None)
            if part is None or part.WhichOneof("part") != "data" or len(part.data) > left:
                raise InvalidInput(problem=f"{size} bytes were announced and not as many came.")
            left -= len(part.data)
            yield part.data


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), CHUNK):
            yield chunk[at : at + CHUNK]
