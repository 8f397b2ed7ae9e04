"""REST: every operation at its address, made from the registry.

A route reads the address, the query string or the JSON body, runs `invoke` in a worker thread
and writes the schema as JSON. Addresses are matched as they came, still percent-encoded, so a
`%2F` inside a ref stays in the ref while `{path}` at the end takes every slash.
"""

import gzip
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from anyio import from_thread, to_thread
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from backend.core import moved, timing
from backend.core.addresses import raw_path, text_of
from backend.core.context import Actor, Context, Forge, utc_now
from backend.core.idempotency import KEY_HEADER, Answer, answered
from backend.core.operations import Operation, check, invoke, rate_of, result_inside
from backend.doors import catalogue, payload
from backend.doors.problems import BodyTooLarge, MethodNotAllowed, NoSuchAddress, PreconditionFailed
from backend.doors.requests import identified
from backend.doors.sparse import FIELDS, chosen
from backend.sessions import content
from vcs.objects import EMPTY_BLOB

UPLOAD = "put_session_file"
MODE_HEADER = "x-micelio-mode"
VARY = "Authorization, Cookie"
LONG = 64 << 10
"""Bytes from which an answer is sent compressed to those who take it."""


def rest_routes(forge: Forge) -> list[BaseRoute]:
    """A route per address, literal addresses before those with an argument in the same place."""
    by_path: dict[str, dict[str, Operation]] = {}
    for op in catalogue.offered("rest"):
        by_path.setdefault(op.path, {})[op.method] = op
    ordered = sorted(by_path, key=lambda path: [part.startswith("{") for part in path.split("/")])
    return [RestRoute(forge, path, by_path[path]) for path in ordered]


class RestRoute(BaseRoute):
    """One address and the operations its methods run."""

    def __init__(self, forge: Forge, path: str, by_method: Mapping[str, Operation]) -> None:
        self.forge = forge
        self.path = path
        self.by_method = dict(by_method)
        if "GET" in self.by_method:
            self.by_method["HEAD"] = self.by_method["GET"]
        self.pattern = _pattern(path, self.by_method.values())

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FULL for an address and method of ours, PARTIAL for the address with another method."""
        if scope["type"] != "http" or not (found := self.pattern.fullmatch(raw_path(scope))):
            return Match.NONE, {}
        address = {n: text_of(n, raw or "") for n, raw in found.groupdict().items()}
        match = Match.FULL if scope["method"] in self.by_method else Match.PARTIAL
        return match, {"path_params": address}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the operation of this method."""
        op = self.by_method.get(scope["method"])
        if op is None:
            raise MethodNotAllowed(allowed=", ".join(sorted(self.by_method)))
        request = Request(scope, receive)
        response = await (_upload if op.name == UPLOAD else _call)(self.forge, op, request)
        await response(scope, receive, send)


class UnknownAddress(BaseRoute):
    """What is under /api and nowhere else: a problem, never a page."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """PARTIAL at most, so that a route which has this address goes first whatever the order."""
        ours = scope["type"] == "http" and (scope["path"] + "/").startswith("/api/")
        return (Match.PARTIAL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse."""
        raise NoSuchAddress


async def _call(forge: Forge, op: Operation, request: Request) -> Response:
    # Who asks comes first: a wrong token is told so whatever else is wrong.
    actor = await to_thread.run_sync(identified, forge, request.scope)
    if op.method in payload.QUERY_METHODS:
        pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        asked = [value for name, value in pairs if name == FIELDS] if _sparse(op) else []
        given = payload.from_query(op, [pair for pair in pairs if not asked or pair[0] != FIELDS])
    else:
        asked = []
        given = payload.from_body(op, request.headers.get("content-type", ""), await _body(request))

    def work() -> Response:
        arguments = payload.with_address(op, given, request.path_params)
        links: dict[str, str] = {}
        include = chosen(op.result, ",".join(asked)) if asked else None

        def encode(result: BaseModel) -> bytes:
            links.update(_links(op, request, forge, result))
            return _json(result, include)

        with moved.listening() as heard:
            answer = _run(forge, actor, op, arguments, request, encode)
        elsewhere = _elsewhere(op, request, heard)
        if elsewhere is not None and op.method == "GET":
            return _at(elsewhere, request)
        if elsewhere is not None:
            links["Content-Location"] = elsewhere
        return _answer(op, request, actor, answer.body, {**links, **_repeated(answer)})

    return await to_thread.run_sync(work)


async def _upload(forge: Forge, op: Operation, request: Request) -> Response:
    """A file as the raw body: stored first, then the operation gets its blob id."""

    def chunks() -> Iterator[bytes]:
        stream = request.stream()
        try:
            while True:
                yield from_thread.run(stream.__anext__)
        except StopAsyncIteration:
            return

    def work() -> Response:
        actor = identified(forge, request.scope)
        pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = payload.with_address(op, payload.from_query(op, pairs), request.path_params)
        if mode := request.headers.get(MODE_HEADER):
            given["mode"] = mode
        check(actor, op, {**given, "blob": EMPTY_BLOB})
        length = request.headers.get("content-length", "")
        announced = int(length) if length.isdigit() else 0
        session = request.path_params["session"]
        stored = content.store_content(forge, actor, session, chunks(), announced=announced)
        answer = _run(forge, actor, op, {**given, "blob": stored.id}, request, _json)
        return _answer(op, request, actor, answer.body, _repeated(answer))

    return await to_thread.run_sync(work)


def _run(
    forge: Forge,
    actor: Actor,
    op: Operation,
    arguments: Mapping[str, Any],
    request: Request,
    encode: Callable[[BaseModel], bytes],
) -> Answer:
    try:
        if op.method == "GET":
            return Answer(encode(invoke(forge, actor, op, arguments)))
        key, wanted = request.headers.get(KEY_HEADER, ""), request.headers.get("if-match", "").strip()
        before = partial(_expect, wanted, op, request.path_params) if wanted else None
        return answered(forge, actor, op, arguments, key=key, door="rest", encode=encode, before=before)
    finally:
        # Refusals have them too, a 429 above all.
        request.scope["micelio.asked"].headers |= _rate(forge, actor)


def _expect(wanted: str, op: Operation, address: Mapping[str, str], ctx: Context) -> None:
    """Raise PreconditionFailed unless what a GET of this address gives now has a tag that was sent."""
    reading = _read_at(op)
    if reading is None:
        raise PreconditionFailed(problem="This address has no ETag, so If-Match cannot hold: leave it out.")
    # Two who both name today's tag take turns, and the second finds another.
    ctx.forge.db.lock_until_commit(ctx.db, f"etag:{reading.path}:{sorted(address.items())}")
    tag = _tag(_json(result_inside(ctx, reading, address)))
    if wanted != "*" and tag not in [each.strip() for each in wanted.split(",")]:
        problem = (
            "This was changed since you read it. Read it again, and send what you change with the new ETag."
        )
        raise PreconditionFailed(problem=problem, etag=tag)


def _read_at(op: Operation) -> Operation | None:
    """The operation that a GET of the same address runs; of a verb's address that answers what it is
    about, as `…/rename` does, the GET of what it is about.
    """
    reads = {each.path: each for each in catalogue.offered("rest") if each.method == "GET"}
    about = reads.get(op.path.rpartition("/")[0]) if op.method == "POST" else None
    return reads.get(op.path) or (about if about is not None and about.result is op.result else None)


def _tag(body: bytes) -> str:
    return '"' + hashlib.sha256(body).hexdigest()[:32] + '"'


def _json(result: BaseModel, include: dict[str, Any] | None = None) -> bytes:
    with timing.spending("render"):
        return result.model_dump_json(include=include).encode()


def _sparse(op: Operation) -> bool:
    return op.method == "GET" and FIELDS not in op.arguments.model_fields


def _repeated(answer: Answer) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if answer.repeated else {}


def _answer(op: Operation, request: Request, actor: Actor, body: bytes, extra: Mapping[str, str]) -> Response:
    headers = {"Vary": VARY, **extra}
    tag = _tag(body)
    if op.method != "GET":
        if (reading := _read_at(op)) is not None and reading.result is op.result and op.method != "DELETE":
            headers["ETag"] = tag
        return Response(body, op.status, {**headers, "Cache-Control": "no-store"}, "application/json")
    # A list of a hundred thousand paths is a fifth of its length then; what changes under If-Match is short.
    zipped = len(body) >= LONG and "gzip" in request.headers.get("accept-encoding", "")
    headers["ETag"] = f"W/{tag}" if zipped else tag
    headers["Vary"] = f"{VARY}, Accept-Encoding" if len(body) >= LONG else VARY
    headers["Cache-Control"] = "private, no-cache" if actor.signed_in else "no-cache"
    if _has_tag(request.headers.get("if-none-match", ""), tag):
        return Response(None, 304, headers)
    if zipped:
        headers["Content-Encoding"] = "gzip"
        with timing.spending("render"):
            body = gzip.compress(body, 1, mtime=0)
    return Response(body, op.status, headers, "application/json")


def _elsewhere(op: Operation, request: Request, heard: list[moved.Moved]) -> str | None:
    """Where this is now, when the project or organization in the address has moved."""
    parts, path = op.path.split("/"), raw_path(request.scope)
    if "{project}" in parts:
        return moved.at_new_address(path, parts.index("{project}") - 1, heard)
    if "{organization}" in parts:
        return moved.at_new_address(path, parts.index("{organization}"), heard, segments=1)
    return None


def _at(path: str, request: Request) -> Response:
    query = request.scope["query_string"].decode("latin-1")
    location = f"{path}?{query}" if query else path
    return Response(None, 308, {"Location": location, "Vary": VARY, "Cache-Control": "no-store"})


def _rate(forge: Forge, actor: Actor) -> dict[str, str]:
    key, limit = rate_of(forge, actor)
    remaining, reset = forge.left(key, limit)
    seconds = max(0, round(reset - utc_now().timestamp()))
    return {
        "RateLimit-Policy": f'"calls";q={limit};w=60',
        "RateLimit": f'"calls";r={remaining};t={seconds}',
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(round(reset)),
    }


def _has_tag(wanted: str, tag: str) -> bool:
    return wanted.strip() == "*" or tag in [w.strip().removeprefix("W/") for w in wanted.split(",")]


def _links(op: Operation, request: Request, forge: Forge, result: Any) -> dict[str, str]:
    following = getattr(result, "next", None)
    cursor = "cursor" if "cursor" in op.arguments.model_fields else "after"
    if following is None or cursor not in op.arguments.model_fields:
        return {}
    kept = [(n, v) for n, v in request.query_params.multi_items() if n != cursor]
    origin = forge.settings.url or f"{request.url.scheme}://{request.headers.get('host', '')}"
    query = urlencode([*kept, (cursor, following)])
    return {"Link": f'<{origin}{raw_path(request.scope)}?{query}>; rel="next"'}


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > payload.BODY_LIMIT:
            raise BodyTooLarge(limit=payload.BODY_LIMIT)
    return bytes(body)


def _pattern(path: str, ops: Any) -> re.Pattern[str]:
    lead, _, tail = path.rpartition("/{path}")
    if tail or not lead:
        return re.compile(_segments(path))
    optional = all(not op.arguments.model_fields["path"].is_required() for op in ops)
    rest = "(?:/(?P<path>.*))?" if optional else "/(?P<path>.+)"
    return re.compile(_segments(lead) + rest)


def _segments(path: str) -> str:
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
