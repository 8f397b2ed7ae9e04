"""The routes of sessions that are no operations: server-sent events, contents of many files at once, and
fragments for pages."""

from collections.abc import AsyncIterator, Mapping

from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from backend.accounts.web import form_fields, gone_on, plain_form
from backend.core import operations
from backend.core.context import Actor, Context, Forge
from backend.core.errors import FileTooLarge, Forbidden, InvalidInput, NotFound
from backend.projects import code
from backend.sessions import access, content, editing, files, fragments, plain_forms, stream
from backend.sessions.access import Deed
from backend.sessions.schemas import BlobList
from vcs.objects import Kind, Object

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
AT_MOST = 50
LARGEST_FORM = 512 * 1024
MOST_BLOBS = 500
LARGEST_BATCH = 32 << 20
"""As many files, and as many bytes, come in one request; longer ones are sent alone."""


class BatchTooLarge(FileTooLarge):
    """More came in one request than is taken at once."""

    message = "At most {limit} MiB of files come in one request. Send fewer, and a large file alone with PUT."


def routes(forge: Forge) -> list[Route]:
    """`GET /api/v1/sessions/{session}/events/stream`, `GET /api/v1/events/stream?session=…`,
    `POST /api/v1/sessions/{session}/blobs`, fragments, and `POST /_forms/sessions/{session}/{deed}` for
    browsers without scripts.
    """

    async def one(request: Request) -> StreamingResponse:
        actor: Actor = request.state.actor
        after = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
        if not (after.isascii() and after.isdigit()) or len(after) > 15 or int(after) >= code.MOST:
            raise InvalidInput(problem=f"{after!r} is no sequence number to read after.")
        cursors = await to_thread.run_sync(_resolved, forge, actor, [request.path_params["session"]])
        watcher = stream.Watcher(forge, actor, dict.fromkeys(cursors, int(after)))
        return _streamed(stream.follow(watcher, several=False))

    async def several(request: Request) -> StreamingResponse:
        actor: Actor = request.state.actor
        names = request.query_params.getlist("session")
        if not 0 < len(names) <= AT_MOST:
            raise InvalidInput(problem=f"Name 1 to {AT_MOST} sessions: ?session=…&session=…")
        cursors = dict.fromkeys(await to_thread.run_sync(_resolved, forge, actor, names), 0)
        given = request.headers.get("last-event-id") or request.query_params.get("after")
        if given:
            cursors |= {k: v for k, v in stream.read_cursor(given).items() if k in cursors}
        return _streamed(stream.follow(stream.Watcher(forge, actor, cursors), several=True))

    async def blobs(request: Request) -> JSONResponse:
        actor: Actor = request.state.actor
        session: str = request.path_params["session"]
        await to_thread.run_sync(_may_store, forge, actor, session)
        contents = await _contents(request)
        found = [Object.of(Kind.BLOB, each) for each in contents]
        await to_thread.run_sync(content.store_objects, forge, actor, session, found)
        return JSONResponse(BlobList(blobs=[blob.id for blob in found]).model_dump(), 201)

    async def form(request: Request) -> Response:
        fields = await form_fields(request, largest=LARGEST_FORM)
        return await to_thread.run_sync(_posted, forge, request, fields)

    return [
        Route("/_forms/sessions/{session}/{deed}", form, methods=["POST"]),
        Route("/api/v1/sessions/{session}/events/stream", one, methods=["GET"]),
        Route("/api/v1/sessions/{session}/blobs", blobs, methods=["POST"]),
        Route("/api/v1/events/stream", several, methods=["GET"]),
        *fragments.routes(forge),
        *editing.routes(forge),
    ]


def _posted(forge: Forge, request: Request, fields: Mapping[str, str]) -> Response:
    """A form of a session's page."""
    session, deed = request.path_params["session"], request.path_params["deed"]
    form = plain_forms.FORMS.get(deed)
    if form is None:
        raise NotFound(what="form")

    def act(actor: Actor) -> Response:
        found = plain_forms.done(forge, actor, session, form, fields)
        return gone_on(f"/{found.organization}/{found.project}/sessions/{found.id}?done={deed}")

    return plain_form(
        forge, request, fields, act, lambda sentence: plain_forms.again(session, form, fields, sentence)
    )


def _resolved(forge: Forge, actor: Actor, names: list[str]) -> list[str]:
    if actor.scopes is not None and actor.signed_in and "session:read" not in actor.scopes:
        raise Forbidden(problem="This token lacks the scope session:read. Make one that has it.")
    if not actor.signed_in:
        forge.limit(f"address:{actor.address}", forge.settings.rates.anonymous)
    with Context(forge, actor).transaction(write=False) as tx:
        return [access.session(tx, name)[0].id for name in names]


def _streamed(frames) -> StreamingResponse:  # type: ignore[no-untyped-def]
    return StreamingResponse(frames, media_type="text/event-stream", headers=HEADERS)


def _may_store(forge: Forge, actor: Actor, session: str) -> None:
    """Refuse before a byte is read: this is the first half of a push."""
    push = operations.operation_of(files.push_session)
    operations.permit(actor, push)
    operations.count(forge, actor)
    with Context(forge, actor).transaction(write=False) as tx:
        access.session(tx, session, Deed.CHANGE)


async def _contents(request: Request) -> list[bytes]:
    """The files of a multipart body, in its order."""

    async def counted() -> AsyncIterator[bytes]:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST_BATCH:
                raise BatchTooLarge(limit=LARGEST_BATCH >> 20)
            yield chunk

    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidInput(problem="Send the files as multipart/form-data, one part each.")
    try:
        form = await MultiPartParser(request.headers, counted(), max_files=MOST_BLOBS).parse()
    except MultiPartException as refusal:
        raise InvalidInput(problem=f"The files cannot be read: {refusal.message}") from None
    try:
        given = [part for _, part in form.multi_items()]
        return [await part.read() for part in given if isinstance(part, UploadFile)]
    finally:
        await form.close()
