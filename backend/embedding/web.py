"""The routes of embedding: pictures, badges, feeds, oEmbed, sitemaps, and pages as text.

All but text answers as to a stranger, whoever asks, so that anybody on the way may keep it: no answer
depends on a cookie, and a conditional request is answered before anything is drawn.
"""

import hashlib
from collections.abc import Callable

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from backend.accounts.handles import RESERVED, is_handle
from backend.core.addresses import raw_path
from backend.core.context import Actor, Forge
from backend.core.errors import MicelioError, NotFound
from backend.core.operations import charge
from backend.embedding import badges, crawlers, feeds, oembed, told
from backend.embedding.pictures import pictures
from backend.embedding.subjects import find_subject
from backend.instance.web import origin_of
from backend.projects.web import AddressRoute, has_tag

KEPT = "public, max-age=300"
A_DAY = "public, max-age=86400"
SITEMAP_COST = 50
FEED_COST = 3
VARY = "Accept, User-Agent, Authorization, Cookie"
ELSEWHERE = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}

Made = Callable[[Actor, Request], tuple[bytes | str, str]]


def routes(forge: Forge) -> list[BaseRoute]:
    """Pictures under `/og/`, badges, feeds, oEmbed, what crawlers ask for, and pages as text."""

    def badge(stranger: Actor, request: Request) -> tuple[bytes | str, str]:
        at = request.path_params
        show = request.query_params.get("show", badges.Fact.LANDINGS)
        return badges.badge_of(forge, stranger, at["organization"], at["project"], show), "image/svg+xml"

    def project_feed(stranger: Actor, request: Request) -> tuple[bytes | str, str]:
        charge(forge, stranger, FEED_COST)
        at = request.path_params
        body = feeds.project_feed(
            forge, stranger, origin_of(forge, request), at["organization"], at["project"]
        )
        return body, "application/atom+xml"

    def owner_feed(stranger: Actor, request: Request) -> tuple[bytes | str, str]:
        charge(forge, stranger, FEED_COST)
        handle = request.path_params["organization"]
        return feeds.owner_feed(forge, stranger, origin_of(forge, request), handle), "application/atom+xml"

    def sitemaps(stranger: Actor, request: Request) -> tuple[bytes | str, str]:
        charge(forge, stranger, SITEMAP_COST)
        origin = origin_of(forge, request)
        number = request.path_params.get("number")
        if number is None:
            return crawlers.sitemap_index(forge, stranger, origin), "application/xml"
        return crawlers.sitemap(forge, stranger, origin, number), "application/xml"

    async def robots(request: Request) -> Response:
        return PlainTextResponse(crawlers.robots(origin_of(forge, request)), headers={"Cache-Control": KEPT})

    place = "/{organization}/{project}"
    return [
        Route("/og/{path:path}", _picture(forge), methods=["GET"]),
        _OembedRoute(forge, "json"),
        _OembedRoute(forge, "xml"),
        Route("/robots.txt", robots),
        Route("/sitemap.xml", _kept(sitemaps)),
        Route("/sitemap-{number:int}.xml", _kept(sitemaps)),
        AddressRoute(f"{place}/badge.svg", _kept(badge)),
        AddressRoute(f"{place}/landings.atom", _kept(project_feed)),
        AddressRoute("/{organization}.atom", _kept(owner_feed)),
        *(_TextRoute(forge, address, tell, optional) for address, tell, optional in told.PAGES),
    ]


def stranger_of(request: Request) -> Actor:
    """Nobody, at the address this request came from."""
    actor: Actor = request.state.actor
    return Actor(address=actor.address, user_agent=actor.user_agent)


def _kept(make: Made):  # type: ignore[no-untyped-def]
    """An endpoint whose answer may be kept for some minutes and is asked for again by its ETag."""

    async def endpoint(request: Request) -> Response:
        body, kind = await to_thread.run_sync(make, stranger_of(request), request)
        content = body.encode() if isinstance(body, str) else body
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": KEPT, **ELSEWHERE}
        if has_tag(request, tag):
            return Response(None, 304, headers)
        return Response(content, 200, headers, media_type=f"{kind}; charset=utf-8")

    return endpoint


def _picture(forge: Forge):  # type: ignore[no-untyped-def]
    def work(request: Request) -> Response:
        stranger = stranger_of(request)
        path = raw_path(request.scope).removeprefix("/og")
        if not path.endswith(".png"):
            raise NotFound(what="picture")
        subject = find_subject(forge, path.removesuffix(".png"), stranger)
        tag = f'"{subject.tag}"'
        headers = {"ETag": tag, "Cache-Control": A_DAY, **ELSEWHERE}
        if has_tag(request, tag):
            return Response(None, 304, headers)
        return Response(pictures(forge).of(subject, stranger), 200, headers, media_type="image/png")

    async def endpoint(request: Request) -> Response:
        return await to_thread.run_sync(work, request)

    return endpoint


class _OembedRoute(Route):
    """`/oembed.json` and `/oembed.xml`; a `format` in the query must agree, as another is not given here."""

    def __init__(self, forge: Forge, form: str) -> None:
        def work(request: Request) -> Response:
            query = request.query_params
            if query.get("format", form) != form:
                refusal = "This address gives another format. Ask /oembed.json or /oembed.xml.\n"
                return PlainTextResponse(refusal, 501)
            given = {name: query.get(name, "") for name in ("url", "maxwidth", "maxheight")}
            answer = oembed.embedded(forge, stranger_of(request), origin_of(forge, request), **given)
            headers = {"Cache-Control": KEPT, **ELSEWHERE}
            if form == "json":
                return JSONResponse(answer, headers=headers)
            return Response(oembed.as_xml(answer), 200, headers, media_type="text/xml")

        async def endpoint(request: Request) -> Response:
            return await to_thread.run_sync(work, request)

        super().__init__(f"/oembed.{form}", endpoint)


class _TextRoute(AddressRoute):
    """A page's address when whoever asks wants text and no HTML; otherwise the page itself answers."""

    def __init__(self, forge: Forge, address: str, tell: told.Told, optional_path: bool) -> None:
        def work(request: Request) -> Response:
            accept = request.headers.get("accept", "")
            headers = {"Vary": VARY, "Cache-Control": "private, no-cache", "X-Robots-Tag": "noindex"}
            at = {name: value for name, value in request.path_params.items() if value}
            try:
                text = tell(forge, request.state.actor, origin_of(forge, request), at)
            except MicelioError as error:
                refusal = request.app.exception_handlers[MicelioError](request, error)
                own = ("vary", "cache-control")
                kept = {
                    name: value
                    for name, value in refusal.headers.items()
                    if not name.startswith("content-") and name not in own
                }
                return PlainTextResponse(f"{error.sentence}\n", refusal.status_code, {**kept, **headers})
            tag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
            headers["ETag"] = tag
            if has_tag(request, tag):
                return Response(None, 304, headers)
            return Response(text, 200, headers, media_type=f"{told.kind_of(accept)}; charset=utf-8")

        async def endpoint(request: Request) -> Response:
            return await to_thread.run_sync(work, request)

        super().__init__(address, endpoint, optional_path=optional_path)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FULL when text is wanted, NONE otherwise: nothing but GET is ours here."""
        match, child = super().matches(scope)
        if match is not Match.FULL or not self._is_place(child["path_params"].get("organization")):
            return Match.NONE, {}
        headers = Headers(scope=scope)
        wanted = told.wants_text(headers.get("accept", ""), headers.get("user-agent", ""))
        return (match, child) if wanted else (Match.NONE, {})

    def _is_place(self, handle: str | None) -> bool:
        # What begins with no handle is some other page, or a file.
        return handle is None or (is_handle(handle.lower()) and handle.lower() not in RESERVED)
