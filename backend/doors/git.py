"""The git door: any git client reads a project at its address, with or without `.git` at the end.

One entry of `SERVICES` for each thing that git asks for. Who asks is told by Basic credentials, a
handle or `x-token` with an access token as the password; a cookie counts for nothing here. Without
credentials everything private or missing is the same 401, so that git asks for some and nobody learns
which it was; with credentials that are good, and not enough, it is a 404 as at every door.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from backend.core import moved
from backend.core.addresses import Pattern, raw_path
from backend.core.context import Actor, Context, Forge
from backend.core.errors import Forbidden, MicelioError, NotFound, Unauthenticated
from backend.core.operations import operation_of, permit, rate_of
from backend.doors import identify, problems
from backend.doors.problems import RequestRefused
from backend.doors.requests import address_of
from backend.organizations.models import Organization
from backend.projects import access, git
from backend.projects.models import Project
from backend.projects.service import get_project
from backend.sessions import git as sessions_git
from vcs.errors import Kind
from vcs.git.answers import Answer
from vcs.git.process import GitFailed
from vcs.git.serve import WAIT_SECONDS, TooBusy, protocol_of

BODY_LIMIT = 64 << 20
PLAIN = 1 << 20
RATIO = 100
NEVER_CACHED = {
    "Expires": "Fri, 01 Jan 1980 00:00:00 GMT",
    "Pragma": "no-cache",
    "Cache-Control": "no-cache, max-age=0, must-revalidate",
}
"""What `git http-backend` says of everything that changes."""


class NotThatWay(Forbidden):
    """A client that only knows how to fetch files one by one."""

    code = "git.dumb"
    message = "This server speaks git's smart HTTP protocol only. Use git 1.6.6 or newer: git clone {url}"


class UnknownService(Forbidden):
    """A service that git has and this door has not."""

    code = "git.service"
    message = "There is no service {service!r} here; git-upload-pack is."


class MalformedRequest(RequestRefused):
    """The body is not what git sends."""

    code = "git.malformed"
    message = "The body of this request cannot be used: {problem}."


class RequestTooLarge(RequestRefused):
    """The body is longer than any fetch needs."""

    status = 413
    code = "git.too_large"
    message = "The request has more than {limit} bytes."


class WrongContentType(RequestRefused):
    """The body does not say that it is for this service."""

    status = 415
    code = "git.media_type"
    message = "Send application/x-{service}-request, not {given}."


@dataclass(frozen=True)
class Opened:
    """A project that somebody opened at this door, and how they speak."""

    forge: Forge
    actor: Actor
    project: Project
    owner: Organization
    protocol: int
    moved: str | None = None


@dataclass(frozen=True)
class Service:
    """What git calls a service. `open` says whether somebody may use it on a project; `advertise`
    answers `info/refs`, `serve` the request itself.
    """

    open: Callable[[Context, str, str], tuple[Project, Organization]]
    advertise: Callable[[Opened, Request], Awaitable["Response | Streamed"]]
    serve: Callable[[Opened, Request], Awaitable["Response | Streamed"]]
    strangers: bool = False


@dataclass(frozen=True)
class Streamed:
    """An answer of a git child on its way out; the child ends when the caller goes."""

    answer: Answer
    content_type: str
    headers: Mapping[str, str] = field(default_factory=lambda: NEVER_CACHED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, or nothing and raise."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await to_thread.run_sync(self.answer.leave)

    async def _send(self, send: Send) -> None:
        if not await self.answer.first(WAIT_SECONDS):
            raise TooBusy(retry_after=round(WAIT_SECONDS))
        headers = [(b"content-type", self.content_type.encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for part in self.answer.chunks():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def git_routes(forge: Forge) -> list[BaseRoute]:
    """What git asks for under a project's address."""
    limiter = CapacityLimiter(16)
    place = "/{organization}/{project}"
    routes: list[BaseRoute] = [GitRoute(forge, f"{place}/info/refs", "GET", limiter)]
    routes += [GitRoute(forge, f"{place}/{name}", "POST", limiter, name) for name in SERVICES]
    routes += [
        GitRoute(forge, f"{place}.git/{path}", "GET", limiter, "") for path in ("HEAD", "objects/{path}")
    ]
    return routes


class GitRoute(BaseRoute):
    """One address of git's. `service` "" is for what only old clients ask for."""

    def __init__(
        self, forge: Forge, address: str, method: str, limiter: CapacityLimiter, service: str | None = None
    ) -> None:
        self.forge = forge
        self.path = address
        self.methods = {"GET", "HEAD"} if method == "GET" else {method}
        self.service = service
        self.limiter = limiter
        self.pattern = Pattern(address)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FULL for the address and method, PARTIAL for the address alone."""
        found = self.pattern.arguments(raw_path(scope)) if scope["type"] == "http" else None
        if found is None:
            return Match.NONE, {}
        address = {"organization": found["organization"], "project": found["project"].removesuffix(".git")}
        return (Match.FULL if scope["method"] in self.methods else Match.PARTIAL), {"path_params": address}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, in words that git shows when it is a refusal."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
            await response(scope, receive, send)
        except MicelioError as error:
            await refusal(error)(scope, receive, send)

    async def _answer(self, request: Request) -> "Response | Streamed":
        if request.method not in self.methods:
            raise problems.MethodNotAllowed(allowed=", ".join(sorted(self.methods)))
        name = request.query_params.get("service", "") if self.service is None else self.service
        service = SERVICES.get(name)
        if not name:
            raise NotThatWay(url=str(request.url).partition("/info/refs")[0])
        if service is None:
            raise UnknownService(service=name)
        opened = await to_thread.run_sync(partial(_open, self.forge, service, request), limiter=self.limiter)
        if self.service is None and opened.moved is not None:
            # Clients go on at the new address with everything that follows.
            location = f"{opened.moved}?{request.url.query}"
            return Response(None, 301, {**NEVER_CACHED, "Location": location})
        if self.service is None:
            return await service.advertise(opened, request)
        given = request.headers.get("content-type", "")
        if given != f"application/x-{name}-request":
            raise WrongContentType(service=name, given=given or "a body without a type")
        return await service.serve(opened, request)


def refusal(error: MicelioError) -> Response:
    """A refusal as git shows it to people: one sentence of plain text."""
    status = problems.status_of(error)
    headers = dict(NEVER_CACHED)
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Basic realm="Micelio", charset="UTF-8"'
    if retry_after := error.details.get("retry_after"):
        headers["Retry-After"] = str(retry_after)
    if allowed := error.details.get("allowed"):
        headers["Allow"] = allowed
    sentence = error.sentence or HTTPStatus(status).phrase
    return PlainTextResponse(f"{sentence}\n", status, headers)


def _open(forge: Forge, service: Service, request: Request) -> Opened:
    """Who asks, and whether they may; reads the database."""
    actor = _caller(forge, request)
    address: Mapping[str, str] = request.path_params
    if not (service.strangers or actor.signed_in):
        raise Unauthenticated(_CREDENTIALS)
    with moved.listening() as heard, Context(forge, actor).transaction(write=False) as tx:
        try:
            project, owner = service.open(tx, address["organization"], address["project"])
        except NotFound:
            if actor.signed_in:
                raise
            raise Unauthenticated(_CREDENTIALS) from None
    protocol = protocol_of(request.headers.get("git-protocol", ""))
    elsewhere = moved.at_new_address(raw_path(request.scope), 1, heard)
    return Opened(forge, actor, project, owner, protocol, elsewhere)


_CREDENTIALS = "Give your handle, or x-token, and an access token as the password: mic auth setup-git does."


def _caller(forge: Forge, request: Request) -> Actor:
    address = address_of(request.scope, forge.settings)
    header, agent = request.headers.get("authorization"), request.headers.get("user-agent", "")
    try:
        actor = identify.from_git_authorization(forge, header, address, agent)
    except MicelioError:
        # Guessing is counted where it comes from.
        forge.limit(*rate_of(forge, Actor(address=address)))
        raise
    forge.limit(*rate_of(forge, actor))
    if actor.token_id:
        forge.limit(f"git-token:{actor.token_id}", forge.settings.rates.account)
    if asked := request.scope.get("micelio.asked"):
        asked.actor = actor.handle
    return actor


def _may_read(ctx: Context, organization: str, project: str) -> tuple[Project, Organization]:
    found = access.project(ctx, organization, project)
    permit(ctx.actor, operation_of(get_project))
    return found


async def advertise_fetch(opened: Opened, request: Request) -> Streamed:
    """What can be fetched."""
    answer = await to_thread.run_sync(partial(_fetched, opened, None), limiter=_showing(opened))
    return Streamed(answer, "application/x-git-upload-pack-advertisement")


async def serve_fetch(opened: Opened, request: Request) -> Streamed:
    """What a fetch asks for."""
    body = await read_body(request)
    answer = await to_thread.run_sync(partial(_fetched, opened, body), limiter=_showing(opened))
    return Streamed(answer, "application/x-git-upload-pack-result")


def _fetched(opened: Opened, body: bytes | None) -> Answer:
    """The answer to a fetch, or (None) to what can be fetched: one that is kept, or a new one."""
    forge, actor, project = opened.forge, opened.actor, opened.project
    known = git.known(forge, actor, project, body, opened.protocol)
    if known is not None:
        return known
    shown = sessions_git.show(forge, actor, project)
    server = git.server(forge)
    if body is None:
        return server.advertise(shown.path, shown.stamp, protocol=opened.protocol)
    return server.upload_pack(shown.path, shown.stamp, body, protocol=opened.protocol)


def _showing(opened: Opened) -> CapacityLimiter:
    return opened.forge.part("git limiter", lambda: CapacityLimiter(16))


async def read_body(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """A request's whole body, unpacked when it is gzip; MalformedRequest and RequestTooLarge."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise MalformedRequest(problem=f"it is encoded as {encoding}")
    unzip = None if encoding == "identity" else zlib.decompressobj(31)
    body, sent = bytearray(), 0
    async for part in request.stream():
        sent += len(part)
        if unzip is None:
            body += part
        else:
            try:
                body += unzip.decompress(part, limit - len(body) + 1)
            except zlib.error as error:
                raise MalformedRequest(problem="it is no gzip") from error
        # What unpacks to a hundred times itself was made to do so.
        if len(body) > limit or (unzip and len(body) > PLAIN and len(body) > RATIO * sent):
            raise RequestTooLarge(limit=limit)
    if unzip is not None and not unzip.eof:
        raise MalformedRequest(problem="its gzip is cut off")
    return bytes(body)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


SERVICES: dict[str, Service] = {
    "git-upload-pack": Service(_may_read, advertise_fetch, serve_fetch, strangers=True),
}

__all__ = ["GitFailed", "Opened", "Service", "git_routes", "read_body", "refusal"]
