"""The routes of imports and exports that are no operations: uploads, streams, bundles on their way out."""

import json
from collections.abc import AsyncIterator, Iterator

from anyio import from_thread, to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from backend.core.context import Actor, Context, Forge
from backend.core.errors import Forbidden, InvalidInput, MicelioError, Unauthenticated
from backend.core.operations import check, operations
from backend.portability import bundles
from backend.portability.models import Import
from backend.portability.service import ENDED, find, import_project, status
from backend.projects import access, code, git
from backend.projects.models import Visibility

HEARTBEAT = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
PIECE = 256 << 10


def routes(forge: Forge) -> list[Route]:
    """`/api/projects/import` (moved), bundles in and out, and the event stream of an import."""

    async def moved(request: Request) -> Response:
        return RedirectResponse("/api/v1/projects/import", 308)

    async def events(request: Request) -> StreamingResponse:
        actor: Actor = request.state.actor
        id = request.path_params["import_id"]
        await to_thread.run_sync(_seen, forge, actor, id)
        return StreamingResponse(_follow(forge, actor, id), media_type="text/event-stream", headers=HEADERS)

    async def upload(request: Request) -> Response:
        actor: Actor = request.state.actor
        return await to_thread.run_sync(_take_bundle, forge, actor, request)

    async def export(request: Request) -> Response:
        actor: Actor = request.state.actor
        path = request.path_params
        folder, born = await to_thread.run_sync(
            _exportable, forge, actor, path["organization"], path["project"]
        )
        name = f"{path['project']}.bundle"
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(
            bundles.written(folder, with_head=born), media_type="application/octet-stream", headers=headers
        )

    return [
        Route("/api/projects/import", moved, methods=["POST"]),
        Route("/api/v1/projects/import/bundle", upload, methods=["POST"]),
        Route("/api/v1/imports/{import_id}/events/stream", events, methods=["GET"]),
        Route("/api/v1/projects/{organization}/{project}/export.bundle", export, methods=["GET"]),
    ]


def _scoped(actor: Actor, scope: str) -> None:
    if actor.scopes is not None and actor.signed_in and scope not in actor.scopes:
        raise Forbidden(problem=f"This token lacks the scope {scope}. Make one that has it.")


def _seen(forge: Forge, actor: Actor, id: str) -> Import:
    if not actor.signed_in:
        raise Unauthenticated
    _scoped(actor, "project:read")
    with Context(forge, actor).transaction(write=False) as tx:
        return find(tx, id)


async def _follow(forge: Forge, actor: Actor, id: str) -> AsyncIterator[bytes]:
    """The import each time it changed, until it has ended; `id:` is its version."""

    def read() -> tuple[int, bool, str]:
        with Context(forge, actor).transaction(write=False) as tx:
            row = find(tx, id)
            return row.version, row.state in ENDED, status(tx, row).model_dump_json()

    yield b"retry: 1000\n\n"
    shown = -1
    with forge.bell.listen(f"import:{id}") as ear:
        while True:
            try:
                version, over, told = await to_thread.run_sync(read)
            except MicelioError as gone:
                yield f"event: gone\ndata: {json.dumps({'code': gone.code})}\n\n".encode()
                return
            if version != shown:
                shown = version
                yield f"id: {version}\ndata: {told}\n\n".encode()
            if over:
                yield b"event: end\ndata: {}\n\n"
                return
            if not await ear.wait(HEARTBEAT):
                yield b": still here\n\n"


def _take_bundle(forge: Forge, actor: Actor, request: Request) -> Response:
    """Store an uploaded bundle and begin its import."""
    query = request.query_params
    organization = query.get("organization_handle") or query.get("organization") or ""
    project = query.get("project_handle") or query.get("project") or ""
    visibility = query.get("visibility") or Visibility.PRIVATE.value
    given = {"organization": organization, "project": project, "visibility": visibility}
    check(actor, operations()[import_project.__name__], {**given, "source_url": "bundle"})
    forge.limit(f"import:{actor.id}", 60)
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        raise InvalidInput(problem="Say how long the bundle is: Content-Length is missing.")
    if int(length) > forge.settings.import_limit:
        raise bundles.BundleTooLarge(limit=forge.settings.import_limit >> 20)

    def chunks() -> Iterator[bytes]:
        stream = request.stream()
        try:
            while True:
                yield from_thread.run(stream.__anext__)
        except StopAsyncIteration:
            return

    name = query.get("name") or "upload.bundle"
    told = bundles.take(
        Context(forge, actor),
        organization,
        project,
        Visibility(visibility),
        name[:200],
        chunks(),
        int(length),
    )
    return Response(told.model_dump_json(), 202, {"Cache-Control": "no-store"}, "application/json")


def _exportable(forge: Forge, actor: Actor, organization: str, project: str):  # type: ignore[no-untyped-def]
    """The project's git repository, brought up to date; Conflict when there is nothing in it."""
    _scoped(actor, "project:read")
    if actor.signed_in:
        forge.limit(f"account:{actor.id}", forge.settings.rates.account)
    else:
        forge.limit(f"address:{actor.address}", forge.settings.rates.anonymous)
    with Context(forge, actor).transaction(write=False) as tx:
        found, _ = access.project(tx, organization, project)
        shown = git.follow(tx, found)
        repository = code.repository(forge, found.id, found.pool)
    if not repository.refs():
        raise bundles.NothingToExport(address=f"{organization}/{project}")
    return shown.path, shown.catch_up().main is not None
