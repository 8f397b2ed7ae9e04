"""The routes of sessions that are no operations: server-sent events, and fragments for pages."""

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from backend.core.context import Actor, Context, Forge
from backend.core.errors import Forbidden, InvalidInput
from backend.projects import code
from backend.sessions import access, editing, fragments, stream

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
AT_MOST = 50


def routes(forge: Forge) -> list[Route]:
    """`GET /api/v1/sessions/{session}/events/stream`, `GET /api/v1/events/stream?session=…`, fragments."""

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

    return [
        Route("/api/v1/sessions/{session}/events/stream", one, methods=["GET"]),
        Route("/api/v1/events/stream", several, methods=["GET"]),
        *fragments.routes(forge),
        *editing.routes(forge),
    ]


def _resolved(forge: Forge, actor: Actor, names: list[str]) -> list[str]:
    if actor.scopes is not None and actor.signed_in and "session:read" not in actor.scopes:
        raise Forbidden(problem="This token lacks the scope session:read. Make one that has it.")
    if not actor.signed_in:
        forge.limit(f"address:{actor.address}", forge.settings.rates.anonymous)
    with Context(forge, actor).transaction(write=False) as tx:
        return [access.session(tx, name)[0].id for name in names]


def _streamed(frames) -> StreamingResponse:  # type: ignore[no-untyped-def]
    return StreamingResponse(frames, media_type="text/event-stream", headers=HEADERS)
