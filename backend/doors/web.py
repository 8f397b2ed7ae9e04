"""The front door of the web port: who answers what, and what every answer carries.

Order: the socket of the pages (Reflex), then our own routes, then the pages; who is not signed in takes
turns first (`crowd`). Three things are decided here and nowhere else. A socket opens only for our own
origin. The session cookie never reaches Reflex, whose state is stored and partly sent to browsers: it
is swapped for the browser session's public id in `x-micelio-session`. And every HTTP answer carries the
security headers.
"""

import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from html import escape
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match

from backend.core import plain_page, timing
from backend.core.callers import caller_address, own_origin
from backend.doors.crowd import Crowd, Crowded, cost_of, takes_turns
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

KNOWN_FOR, MOST_KNOWN = 10.0, 4096
"""Seconds that a browser once found to be somebody's takes no turns, and how many such are remembered."""

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
        self.crowd = Crowd()
        self._known: dict[str, float] = {}
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
            await self._in_turn(_without_forged_headers(scope), receive, self._guarded(send))

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
            receive = self._heard(receive)
        await self.reflex({**scope, "headers": kept}, receive, send)

    def _heard(self, receive: Receive) -> Receive:
        async def heard() -> Message:
            message = await receive()
            self.crowd.member()
            return message

        return heard

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: at once for members and for what costs nothing, in turn for strangers."""
        if not takes_turns(scope["method"], scope["path"]):
            return await self._request(scope, receive, send)
        if await self._is_a_member(Headers(scope=scope)):
            self.crowd.member()
            return await self._request(scope, receive, send)
        try:
            turn = await self.crowd.turn(self._address_of(scope))
        except Crowded as refusal:
            return await self._say_crowded(scope, send, refusal)

        async def begun(message: Message) -> None:
            # What is left is to be sent, as slowly as whoever asks takes it.
            if message["type"] == "http.response.start":
                turn.end(cost_of(scope["path"]) if message["status"] == 200 else 0.0)
            await send(message)

        try:
            await self._request(scope, receive, begun)
        finally:
            turn.end()

    async def _is_a_member(self, headers: Headers) -> bool:
        """Whether this is somebody's browser, or brings a token: whoever lies there is told 401, cheaply."""
        if "authorization" in headers:
            return True
        if not (cookies := headers.get("cookie")):
            return False
        now = time.monotonic()
        if self._known.get(cookies, 0.0) > now:
            return True
        if await self.identify_cookie(cookies) is None:
            return False
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[cookies] = now + KNOWN_FOR
        return True

    async def _say_crowded(self, scope: Scope, send: Send, refusal: Crowded) -> None:
        asks_for_a_page = "text/html" in Headers(scope=scope).get("accept", "")
        title, kind = "Many are reading here at once", b"text/plain; charset=utf-8"
        body = refusal.sentence + "\n"
        if asks_for_a_page:
            kind = b"text/html; charset=utf-8"
            body = plain_page.page(title, f'<h1 class="title">{title}</h1><p>{escape(refusal.sentence)}</p>')
        elif scope["path"].startswith("/api/"):
            kind = b"application/problem+json"
            body = json.dumps(
                {
                    "type": f"{self.url}/problems/{refusal.code}",
                    "title": "Too Many Requests",
                    "status": 429,
                    "detail": refusal.sentence,
                    "code": refusal.code,
                    "request_id": new_id(),
                    "details": refusal.details,
                }
            )
        headers = [
            (b"content-type", kind),
            (b"cache-control", b"no-store"),
            (b"retry-after", str(refusal.details["retry_after"]).encode()),
            (b"content-length", str(len(body.encode())).encode()),
        ]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else body.encode()
        await send({"type": "http.response.body", "body": sent})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(route.matches(scope)[0] is not Match.NONE for route in self.own.routes):
            return await self.own(scope, receive, send)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                timed = (b"server-timing", spent.told(message["status"]).encode())
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
        spent = timing.Spent()

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                for name, value in self.headers:
                    headers.setdefault(name, value)
                headers.setdefault("content-security-policy", OWN_POLICY)
                # What the door itself answers: too many at once, or something broke.
                headers.setdefault("server-timing", spent.told(message["status"]))
                message = {**message, "headers": headers.raw}
            await send(message)

        return guarded


_OURS = (SESSION_HEADER, ADDRESS_HEADER)


def _without_forged_headers(scope: Scope) -> Scope:
    return {**scope, "headers": [(k, v) for k, v in scope["headers"] if k.lower() not in _OURS]}
