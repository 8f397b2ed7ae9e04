"""Routes: all of our own HTTP in one Starlette app, which the front door asks before the pages.

A slice's `web.py` has the routes that are no operations: streams, forms, files.
"""

from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from backend.accounts import web as accounts
from backend.core.context import Forge
from backend.core.errors import MicelioError
from backend.doors import (
    git_push,  # noqa: F401  one more service of the git door
    handbook,
    oauth,
    openapi,
    problems,
    reference,
    skill,
)
from backend.doors.archive import archive_routes
from backend.doors.git import git_routes
from backend.doors.problems import MethodNotAllowed, NoSuchAddress, RequestRefused
from backend.doors.requests import EveryRequest, Identified
from backend.doors.rest import UnknownAddress, rest_routes
from backend.embedding import web as embedding
from backend.instance import web as instance
from backend.portability import web as portability
from backend.projects import web as projects
from backend.sessions import web as sessions

SLICES = (instance, embedding, portability, projects, sessions)


def own_app(forge: Forge) -> Starlette:
    """Everything this forge answers over HTTP itself; unknown addresses under /api end here too."""

    def refuse(request: Request, error: Exception) -> Response:
        refusal = error if isinstance(error, MicelioError) else _as_refusal(error)
        return problems.answer(refusal, forge.settings, request.scope["micelio.asked"].id)

    routes: list[BaseRoute] = [*accounts.routes(forge, refuse), *oauth.routes(forge)]
    routes += [*_of_slices(forge), *_about_the_api(forge)]
    routes += [*git_routes(forge), *archive_routes(forge)]
    app = Starlette(
        routes=[*routes, *rest_routes(forge), UnknownAddress()],
        middleware=[Middleware(EveryRequest, forge=forge)],
        exception_handlers={MicelioError: refuse, HTTPException: refuse},
    )
    app.router.redirect_slashes = False
    return app


def _of_slices(forge: Forge) -> list[BaseRoute]:
    routes: list[BaseRoute] = []
    for slice in SLICES:
        for route in slice.routes(forge):
            route.app = Identified(route.app, forge)
            routes.append(route)
    return routes


def _as_refusal(error: Exception) -> MicelioError:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return MethodNotAllowed(allowed=", ".join(sorted((error.headers or {})["Allow"].split(", "))))
    if error.status_code == 404:
        return NoSuchAddress()
    refusal = RequestRefused(error.detail)
    refusal.status = error.status_code
    return refusal


def _about_the_api(forge: Forge) -> list[Route]:
    """Descriptions made from the registry, each on first request: no operation comes later."""

    async def describe(request: Request) -> Response:
        return JSONResponse(await _once(forge, openapi.document), headers={"Cache-Control": "no-cache"})

    async def refer(request: Request) -> Response:
        return HTMLResponse(await _once(forge, reference.document), headers={"Cache-Control": "no-cache"})

    async def teach(request: Request) -> Response:
        text = await _once(forge, skill.document)
        return PlainTextResponse(text, media_type="text/markdown", headers={"Cache-Control": "no-cache"})

    async def guide(request: Request) -> Response:
        name = request.path_params.get("name", "")
        page = await to_thread.run_sync(handbook.document, forge.settings, name)
        if page is None:
            raise NoSuchAddress
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    async def explain(request: Request) -> Response:
        page = problems.page(request.path_params["code"])
        if page is None:
            raise NoSuchAddress
        return HTMLResponse(page)

    return [
        Route("/api/v1/openapi.json", describe),
        Route("/api/v1/docs", refer),
        Route("/skill.md", teach),
        Route("/problems/{code}", explain),
        Route("/docs", guide),
        Route("/docs/{name:path}", guide),
        *(Route(word, _moved_to(f"/docs/{handbook.LEGAL}")) for word in ("/terms", "/privacy")),
    ]


def _moved_to(address: str) -> Any:
    async def moved(request: Request) -> Response:
        return RedirectResponse(address, 308)

    return moved


async def _once(forge: Forge, make: Any) -> Any:
    return await to_thread.run_sync(lambda: forge.part(make, lambda: make(forge.settings)))
