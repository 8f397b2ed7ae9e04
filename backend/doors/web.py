"""The front door of the web port: who answers what, and what every answer carries.

Order: the socket of the pages (Reflex), then our own routes, then the pages. Three things are
decided here and nowhere else. A socket opens only for our own origin. The session cookie never
reaches Reflex, whose state is stored and partly sent to browsers: it is swapped for the browser
session's public id in `x-micelio-session`. And every HTTP answer carries the security headers.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match

from backend.core import timing
from backend.core.callers import caller_address, own_origin
from vcs.objects import new_id

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
IdentifyCookie = Callable[[str | None], Awaitable[str | None]]

SESSION_HEADER = b"x-micelio-session"
ADDRESS_HEADER = b"x-micelio-address"
OWN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The policy of answers of our own routes that do not bring a stricter one."""

log = logging.getLogger(__name__)


class DoorSettings(Protocol):
    """What the door reads of the settings."""

    @property
    def trusted_proxies(self) -> Sequence[str]:
        """Networks whose word on the caller's address is believed."""
        ...

    @property
    def url(self) -> str:
        """The public address without a trailing slash; empty when it follows the request's Host."""
        ...


class Pages(Protocol):
    """The built pages: an ASGI app that can also say that something broke."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request for a file or a page."""
        ...

    def broken(self, request_id: str) -> bytes:
        """A page for a failure of ours; it names the request."""
        ...


class FrontDoor:
    """One ASGI app over Reflex, our own routes and the pages.

    `identify_cookie` takes a Cookie header and returns the public id of a live browser session
    or None. Pages find it in `scope["micelio.session"]`, Reflex in `x-micelio-session`.
    """

    def __init__(
        self,
        reflex_asgi: Asgi,
        own: Starlette,
        frontend: Pages,
        identify_cookie: IdentifyCookie,
        settings: DoorSettings,
    ) -> None:
        self.reflex = reflex_asgi
        self.own = own
        self.frontend = frontend
        self.identify_cookie = identify_cookie
        self.url = settings.url
        self.proxies = settings.trusted_proxies
        self.headers = [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=()"),
        ]
        if self.url.startswith("https://"):
            self.headers.append(("strict-transport-security", "max-age=31536000; includeSubDomains"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one connection."""
        if scope["type"] == "lifespan":
            await self.reflex(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._request(_without_forged_headers(scope), receive, self._guarded(send))

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rstrip("/") != "/_event":
            return await send({"type": "websocket.close", "code": 4404})
        headers = Headers(scope=scope)
        if not own_origin(headers.get("origin", ""), headers.get("host", ""), self.url):
            return await send({"type": "websocket.close", "code": 4403})
        session = await self.identify_cookie(headers.get("cookie"))
        kept = [(k, v) for k, v in _without_forged_headers(scope)["headers"] if k != b"cookie"]
        kept.append((ADDRESS_HEADER, self._address_of(scope).encode()))
        if session:
            kept.append((SESSION_HEADER, session.encode()))
        await self.reflex({**scope, "headers": kept}, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(route.matches(scope)[0] is not Match.NONE for route in self.own.routes):
            return await self.own(scope, receive, send)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start" and message["status"] not in timing.UNTIMED:
                timed = (b"server-timing", spent.header.encode())
                message = {**message, "headers": [*message.get("headers", []), timed]}
            await send(message)

        try:
            headers = Headers(scope=scope)
            with timing.measured() as spent:
                scope["micelio.session"] = await self.identify_cookie(headers.get("cookie"))
                scope["micelio.address"] = self._address_of(scope)
                scope["micelio.origin"] = self.url or f"{scope['scheme']}://{headers.get('host', '')}"
                await self.frontend(scope, receive, watched)
        except Exception:
            if started:
                raise
            await self._say_broken(send)

    def _address_of(self, scope: Scope) -> str:
        peer = (scope.get("client") or ("",))[0]
        return caller_address(",".join(Headers(scope=scope).getlist("x-forwarded-for")), peer, self.proxies)

    async def _say_broken(self, send: Send) -> None:
        request_id = new_id()
        log.exception("request %s failed", request_id)
        body = self.frontend.broken(request_id)
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _guarded(self, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                for name, value in self.headers:
                    headers.setdefault(name, value)
                headers.setdefault("content-security-policy", OWN_POLICY)
                message = {**message, "headers": headers.raw}
            await send(message)

        return guarded


_OURS = (SESSION_HEADER, ADDRESS_HEADER)


def _without_forged_headers(scope: Scope) -> Scope:
    return {**scope, "headers": [(k, v) for k, v in scope["headers"] if k.lower() not in _OURS]}
