"""Signing in and out over HTTP: plain HTML forms in, a cookie and a redirect out.

Only an HTTP answer can set a cookie that scripts never see, so what signs somebody in is no operation.
Every one of them asks for an Origin of ours, cookie or not: otherwise another site could sign a
visitor in as somebody else. A failure goes back to the form with a short code in `?error=`;
callers that speak JSON get a problem document instead.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from backend.accounts import recovery, sign_in, signing_up
from backend.accounts.addresses import confirm_address
from backend.accounts.avatars import avatar
from backend.accounts.browsers import COOKIE
from backend.accounts.form_tokens import check_form_token
from backend.accounts.links import CONFIRM, LINK, RESET, SIGN_UP, WELCOME
from backend.accounts.people import new_secret
from backend.core.callers import ForeignOrigin, caller_address, own_origin
from backend.core.context import Actor, Forge
from backend.core.errors import InvalidInput, MicelioError
from backend.core.operations import invoke

SIGN_IN = "/signin"
FORGOT = "/forgot"
SENT = "/sent"
SETTINGS = "/settings"
DEVICE_COOKIE = "micelio_device"
"""By which a browser is known again after signing out; it opens nothing."""
KEPT = {
    SIGN_UP: ("token", "handle", "email", "name", "next"),
    WELCOME: ("token", "handle", "email"),
    FORGOT: ("handle",),
}
"""What a refused form finds filled in again; never a password."""

LARGEST_FORM = 16 * 1024
FOUR_HUNDRED_DAYS = 400 * 24 * 3600

Refuse = Callable[[Request, MicelioError], Response]
Fields = Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """What an accepted form leads to: a new cookie, or none any more, or neither; and where to go on."""

    cookie: str = ""
    signed_out: bool = False
    to: str = ""


Act = Callable[[Actor, Request, Fields, str], Done]


def routes(forge: Forge, refuse: Refuse) -> list[Route]:
    """The routes under `/auth/`, and pictures; `refuse` makes the problem document of a refusal."""

    def route(path: str, page: str, act: Act) -> Route:
        async def endpoint(request: Request) -> Response:
            fields: Fields = {}
            device = request.cookies.get(DEVICE_COOKIE, "")[:100] or new_secret()
            try:
                _check_origin(forge, request)
                fields = await form_fields(request)
                done = await run_in_threadpool(act, caller_of(forge, request), request, fields, device)
            except ForeignOrigin as error:
                return refuse(request, error)
            except MicelioError as error:
                return refuse(request, error) if _speaks_json(request) else _back(page, fields, error)
            return _on(forge, request, fields, done, device)

        return Route(path, endpoint, methods=["POST"])

    return [
        *(route(f"/auth/{name}", page, act) for name, page, act in _forms(forge)),
        Route("/avatars/{name}", _picture, methods=["GET"]),
    ]


def _forms(forge: Forge) -> list[tuple[str, str, Act]]:
    """Each form by the end of its address, with the page it stands on."""

    def taken(fields: Fields, *names: str) -> dict[str, str]:
        return {name: fields.get(name, "") for name in names}

    def by_password(caller: Actor, _: Request, fields: Fields, device: str) -> Done:
        who, password = fields.get("handle", ""), fields.get("password", "")
        return Done(sign_in.sign_in(forge, caller, who=who, password=password, device=device))

    def first(caller: Actor, _: Request, fields: Fields, device: str) -> Done:
        given = taken(fields, "token", "handle", "email", "password", "name")
        return Done(sign_in.sign_in_first(forge, caller, **given, device=device))

    def by_link(caller: Actor, _: Request, fields: Fields, device: str) -> Done:
        given = taken(fields, "token", "password")
        return Done(sign_in.sign_in_by_link(forge, caller, **given, device=device))

    def up(caller: Actor, _: Request, fields: Fields, device: str) -> Done:
        if fields.get("token"):
            given = taken(fields, "token", "handle", "password", "name")
            return Done(signing_up.accept_invitation(forge, caller, **given, device=device))
        invoke(forge, caller, signing_up.sign_up, taken(fields, "handle", "email", "password", "name"))
        return Done(to=SENT)

    def confirm(caller: Actor, _: Request, fields: Fields, device: str) -> Done:
        cookie = confirm_address(forge, caller, **taken(fields, "token", "handle"), device=device)
        return Done(cookie) if cookie else Done(to=f"{SETTINGS}?done=email")

    def forgot(caller: Actor, _: Request, fields: Fields, device: str) -> Done:
        invoke(forge, caller, recovery.request_password_reset, taken(fields, "handle"))
        return Done(to=SENT)

    def reset(caller: Actor, _: Request, fields: Fields, device: str) -> Done:
        given = taken(fields, "token", "password")
        return Done(recovery.reset_password(forge, caller, **given, device=device))

    def out(caller: Actor, request: Request, _: Fields, device: str) -> Done:
        sign_in.sign_out(forge, caller, request.cookies.get(COOKIE, ""))
        return Done(signed_out=True)

    return [
        ("sign-in", SIGN_IN, by_password),
        ("first", WELCOME, first),
        ("link", LINK, by_link),
        ("sign-up", SIGN_UP, up),
        ("confirm", CONFIRM, confirm),
        ("forgot", FORGOT, forgot),
        ("reset", RESET, reset),
        ("sign-out", SIGN_IN, out),
    ]


async def _picture(request: Request) -> Response:
    """The picture of a handle, whether anybody has it or not."""
    handle = request.path_params["name"].removesuffix(".svg").lower()[:100]
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(avatar(handle), media_type="image/svg+xml", headers=kept)


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


async def form_fields(request: Request, *, largest: int = LARGEST_FORM) -> Fields:
    """The texts of a form or a JSON object by name; InvalidInput when it is neither, or larger."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise InvalidInput(problem=f"The form is larger than {largest} bytes.")
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


def plain_form(
    forge: Forge,
    request: Request,
    fields: Fields,
    act: Callable[[Actor], Response],
    again: Callable[[str], str],
) -> Response:
    """The answer to a form of a page without scripts: that of `act`, or the page that `again` draws around a
    refusal's sentence. Whoever is not signed in is sent to sign in.
    """
    actor: Actor = request.state.actor
    if not actor.signed_in:
        return RedirectResponse(SIGN_IN, 303)
    check_form_token(forge.settings, actor, fields.get("form_token", ""))
    try:
        return act(actor)
    except MicelioError as error:
        refusal: Response = request.app.exception_handlers[MicelioError](request, error)
        kept = {k: v for k, v in refusal.headers.items() if not k.startswith("content-")}
        return HTMLResponse(again(error.sentence), refusal.status_code, kept)


def gone_on(address: str) -> Response:
    """What a form that was accepted leads to."""
    return RedirectResponse(address, 303, {"Cache-Control": "no-store"})


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
    kept = {name: fields[name] for name in KEPT.get(page, ("token", "next")) if fields.get(name)}
    if "next" in kept:
        kept["next"] = local_path(kept["next"])
    return _redirect(f"{page}?{urlencode({**kept, 'error': error.code})}")


def _on(forge: Forge, request: Request, fields: Fields, done: Done, device: str) -> Response:
    target = done.to or local_path(fields.get("next", ""))
    response = JSONResponse({"next": target}) if _speaks_json(request) else _redirect(target)
    response.headers["cache-control"] = "no-store"
    if done.signed_out:
        response.delete_cookie(COOKIE, secure=forge.settings.secure, httponly=True, samesite="lax")
    # The longest a browser keeps one: the server ends a session 30 days after it was last seen.
    kept = {COOKIE: done.cookie, DEVICE_COOKIE: device} if done.cookie else {}
    for name, value in kept.items():
        response.set_cookie(
            name,
            value,
            max_age=FOUR_HUNDRED_DAYS,
            path="/",
            secure=forge.settings.secure,
            httponly=True,
            samesite="lax",
        )
    return response


def _redirect(target: str) -> Response:
    return RedirectResponse(target, status_code=303, headers={"cache-control": "no-store"})
