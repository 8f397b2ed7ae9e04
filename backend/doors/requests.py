"""Requests: what every HTTP answer of ours has in common, whoever makes it.

An id, a line in the log, a problem instead of a traceback, no body for HEAD; and, before a
route runs, who asks: `request.state.actor`. A cookie proves a browser and not its owner's
intention, so what changes something with a cookie must come from our own pages.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.core import observe, timing
from backend.core.addresses import raw_path
from backend.core.callers import ForeignOrigin, caller_address, own_origin
from backend.core.config import Settings
from backend.core.context import Actor, Forge
from backend.doors import identify, problems

SAFE = ("GET", "HEAD", "OPTIONS")
CLOSED_BY_CALLER = 499


@dataclass
class Asked:
    """What is known of the request being answered; in `scope["micelio.asked"]`."""

    id: str
    actor: str = ""
    status: int = CLOSED_BY_CALLER
    headers: dict[str, str] = field(default_factory=dict)
    """What the answer carries whether or not it is a refusal."""
    spent: timing.Spent = field(default_factory=timing.Spent)


class Answered(OSError):
    """A HEAD request has its answer: whoever still sends a body may stop."""


class EveryRequest:
    """ASGI middleware around all of our own routes."""

    def __init__(self, app: ASGIApp, forge: Forge) -> None:
        self.app = app
        self.settings = forge.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        asked = Asked(observe.request_id_from(Headers(scope=scope).get("x-request-id", "")))
        scope["micelio.asked"] = asked
        before = observe.request_id.set(asked.id)
        try:
            with timing.measured() as asked.spent:
                await self._answer(scope, receive, send, asked)
        finally:
            observe.log_request(
                method=scope["method"],
                path=raw_path(scope),
                status=asked.status,
                seconds=time.perf_counter() - started,
                actor=asked.actor,
                address=address_of(scope, self.settings),
            )
            observe.request_id.reset(before)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, asked: Asked) -> None:
        started = False

        async def marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                asked.status = message["status"]
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                headers["X-Request-Id"] = asked.id
                headers["Server-Timing"] = asked.spent.told(asked.status)
                headers.update(asked.headers)
                message = {**message, "headers": headers.raw}
            elif scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                raise Answered
            await send(message)

        try:
            await self.app(scope, receive, marked)
        except (Answered, ClientDisconnect):
            pass
        except Exception:
            # The edge of the process: the traceback goes to the log, the caller gets its id.
            response = problems.answer_to_bug(self.settings, asked.id)
            if started:
                return
            with suppress(Answered):
                await response(scope, receive, marked)


class Identified:
    """ASGI app that finds out who asks before the route it wraps runs."""

    def __init__(self, app: ASGIApp, forge: Forge) -> None:
        self.app = app
        self.forge = forge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set `request.state.actor`; WrongCredentials or ForeignOrigin end it here."""
        actor = await to_thread.run_sync(identified, self.forge, scope)
        scope.setdefault("state", {})["actor"] = actor
        await self.app(scope, receive, send)


def identified(forge: Forge, scope: Scope) -> Actor:
    """Who asks: a token, else a browser's cookie, else nobody. Reads the database: not for the loop."""
    headers = Headers(scope=scope)
    address, agent = address_of(scope, forge.settings), headers.get("user-agent", "")
    if authorization := headers.get("authorization"):
        actor = identify.from_authorization(forge, authorization, address, agent)
    elif cookie := identify.cookie_of(headers.get("cookie", "")):
        origin, host = headers.get("origin", ""), headers.get("host", "")
        if scope["method"] not in SAFE and not own_origin(origin, host, forge.settings.url):
            raise ForeignOrigin
        actor = identify.from_cookie(forge, cookie, address, agent)
    else:
        actor = Actor(address=address, user_agent=agent)
    if asked := scope.get("micelio.asked"):
        asked.actor = actor.handle
    return actor


def address_of(scope: Scope, settings: Settings) -> str:
    """The caller's address; a proxy is believed only when `TRUSTED_PROXIES` lists it."""
    peer = (scope.get("client") or ("",))[0]
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    return caller_address(forwarded, peer, settings.trusted_proxies)
