"""Signing in and out over HTTP: plain HTML forms in, a cookie and a redirect out.

Only an HTTP answer can set a cookie that scripts never see, so these four are not operations.
Every one of them asks for an Origin of ours, cookie or not: otherwise another site could sign a
visitor in as somebody else. A failure goes back to the form with a short code in `?error=`;
callers that speak JSON get a problem document instead.
"""

import json
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from backend.accounts import sign_in
from backend.accounts.browsers import COOKIE
from backend.accounts.links import LINK, WELCOME
from backend.core.callers import ForeignOrigin, caller_address, own_origin
from backend.core.context import Actor, Forge
from backend.core.errors import InvalidInput, MicelioError

SIGN_IN = "/signin"
LARGEST_FORM = 16 * 1024
FOUR_HUNDRED_DAYS = 400 * 24 * 3600

Refuse = Callable[[Request, MicelioError], Response]
Fields = Mapping[str, str]


def routes(forge: Forge, refuse: Refuse) -> list[Route]:
    """The routes under `/auth/`; `refuse` makes the problem document of a refusal."""

    def route(path: str, page: str, act: Callable[[Actor, Request, Fields], str | None]) -> Route:
        async def endpoint(request: Request) -> Response:
            fields: Fields = {}
            try:
                _check_origin(forge, request)
                fields = await _fields(request)
                cookie = await run_in_threadpool(act, caller_of(forge, request), request, fields)
            except ForeignOrigin as error:
                return refuse(request, error)
            except MicelioError as error:
                return refuse(request, error) if _speaks_json(request) else _back(page, fields, error)
            return _on(forge, request, fields, cookie)

        return Route(path, endpoint, methods=["POST"])

    def by_password(caller: Actor, _: Request, fields: Fields) -> str:
        who, password = fields.get("handle", ""), fields.get("password", "")
        return sign_in.sign_in(forge, caller, who=who, password=password)

    def first(caller: Actor, _: Request, fields: Fields) -> str:
        given = {name: fields.get(name, "") for name in ("token", "handle", "email", "password", "name")}
        return sign_in.sign_in_first(forge, caller, **given)

    def by_link(caller: Actor, _: Request, fields: Fields) -> str:
        token, password = fields.get("token", ""), fields.get("password", "")
        return sign_in.sign_in_by_link(forge, caller, token=token, password=password)

    def out(caller: Actor, request: Request, _: Fields) -> None:
        sign_in.sign_out(forge, caller, request.cookies.get(COOKIE, ""))

    return [
        route("/auth/sign-in", SIGN_IN, by_password),
        route("/auth/first", WELCOME, first),
        route("/auth/link", LINK, by_link),
        route("/auth/sign-out", SIGN_IN, out),
    ]


def caller_of(forge: Forge, request: Request) -> Actor:
    """The stranger who sends this request."""
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    address = caller_address(forwarded, peer, forge.settings.trusted_proxies)
    return Actor(address=address, user_agent=request.headers.get("user-agent", ""))


def local_path(text: str) -> str:
    """The path on this forge that a form asks to go to next, or `/` when it is anything else."""
    # Browsers drop tabs and line breaks from addresses and read a backslash as a slash.
    plain = text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    local = text.startswith("/") and not text.startswith(("//", "/auth/"))
    return text if plain and local and len(text) <= 2000 else "/"


def _check_origin(forge: Forge, request: Request) -> None:
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    if not own_origin(origin, host, forge.settings.url):
        raise ForeignOrigin


async def _fields(request: Request) -> Fields:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise InvalidInput(problem=f"The form is larger than {LARGEST_FORM} bytes.")
    try:
        text = body.decode("utf-8")
        if _content_type(request) == "application/json":
            found = json.loads(text or "{}")
        else:
            found = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise InvalidInput(problem="The form cannot be read. Send it again.") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidInput(problem="A form holds texts by name and nothing else.")
    if any("\x00" in value or not _storable(value) for value in found.values()):
        raise InvalidInput(problem="The form holds a character that cannot be kept.")
    return found


def _storable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _speaks_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return _content_type(request) == "application/json" or (
        "application/json" in accepted and "text/html" not in accepted
    )


def _back(page: str, fields: Fields, error: MicelioError) -> Response:
    kept = {name: fields[name] for name in ("token", "next") if fields.get(name)}
    if "next" in kept:
        kept["next"] = local_path(kept["next"])
    return _redirect(f"{page}?{urlencode({**kept, 'error': error.code})}")


def _on(forge: Forge, request: Request, fields: Fields, cookie: str | None) -> Response:
    target = local_path(fields.get("next", ""))
    response = JSONResponse({"next": target}) if _speaks_json(request) else _redirect(target)
    response.headers["cache-control"] = "no-store"
    if cookie is None:
        response.delete_cookie(COOKIE, secure=forge.settings.secure, httponly=True, samesite="lax")
        return response
    # The longest a browser keeps one: the server ends a session 30 days after it was last seen.
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=FOUR_HUNDRED_DAYS,
        path="/",
        secure=forge.settings.secure,
        httponly=True,
        samesite="lax",
    )
    return response


def _redirect(target: str) -> Response:
    return RedirectResponse(target, status_code=303, headers={"cache-control": "no-store"})
