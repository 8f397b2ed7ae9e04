"""OAuth: how programs get tokens, at the addresses and in the words of its RFCs.

8628 (device codes), 6749 (refreshing), 7009 (revoking), and what the two metadata documents say of
it, 8414 and 9728. Every program is a public client: what proves anything is a code that a person
approved, or the token that came of it. Refusals are `{error, error_description}`, as those RFCs ask.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backend.accounts import families, grants
from backend.accounts.web import caller_of
from backend.core.context import Actor, Context, Forge
from backend.core.errors import RateLimited
from backend.core.operations import SCOPES
from backend.instance.web import origin_of

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH = "refresh_token"
DEVICE_PATH = "/oauth/device/code"
TOKEN_PATH = "/oauth/token"
REVOKE_PATH = "/oauth/revoke"
USUAL = tuple(name for name in SCOPES if name != "admin")
LARGEST_FORM = 16 * 1024

_CLIENT = re.compile(r"[\w.][\w. -]{0,59}", re.ASCII)
_KEPT = {"Cache-Control": "public, max-age=300"}

Fields = Mapping[str, str]
Answer = tuple[int, dict[str, Any]]


class Refusal(Exception):
    """The request gets an error of RFC 6749, 5.2."""

    def __init__(self, error: str, says: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.says, self.status = error, says, status


def routes(forge: Forge) -> list[Route]:
    """The endpoints and the two documents that describe them."""

    def endpoint(path: str, act: Callable[[Forge, Request, Actor, Fields], Answer]) -> Route:
        async def answer(request: Request) -> Response:
            try:
                fields = await _fields(request)
                status, body = await to_thread.run_sync(
                    act, forge, request, caller_of(forge, request), fields
                )
            except Refusal as refusal:
                return _refused(refusal.error, refusal.says, refusal.status)
            except RateLimited as limited:
                again = {"Retry-After": str(limited.details["retry_after"])}
                return _refused("slow_down", limited.sentence, 429, again)
            return JSONResponse(body, status, _FRESH)

        return Route(path, answer, methods=["POST"])

    async def server(request: Request) -> Response:
        return JSONResponse(server_metadata(origin_of(forge, request)), headers=_KEPT)

    async def resource(request: Request) -> Response:
        return JSONResponse(resource_metadata(origin_of(forge, request)), headers=_KEPT)

    return [
        endpoint(DEVICE_PATH, _ask),
        endpoint(TOKEN_PATH, _token),
        endpoint(REVOKE_PATH, _revoke),
        Route("/.well-known/oauth-authorization-server", server),
        Route("/.well-known/oauth-protected-resource", resource),
    ]


_FRESH = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def server_metadata(origin: str) -> dict[str, Any]:
    """What this forge can do as an authorization server (RFC 8414)."""
    return {
        "issuer": origin,
        "device_authorization_endpoint": f"{origin}{DEVICE_PATH}",
        "token_endpoint": f"{origin}{TOKEN_PATH}",
        "revocation_endpoint": f"{origin}{REVOKE_PATH}",
        "grant_types_supported": [DEVICE_CODE, REFRESH],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": list(SCOPES),
        "service_documentation": f"{origin}/api/v1/docs",
        "ui_locales_supported": ["en"],
    }


def resource_metadata(origin: str) -> dict[str, Any]:
    """What this forge is as a protected resource, and who gives tokens for it: itself (RFC 9728)."""
    return {
        "resource": origin,
        "resource_name": "Micelio",
        "authorization_servers": [origin],
        "bearer_methods_supported": ["header"],
        "scopes_supported": list(SCOPES),
        "resource_documentation": f"{origin}/api/v1/docs",
    }


def _ask(forge: Forge, request: Request, caller: Actor, fields: Fields) -> Answer:
    client, scopes = _client(fields), _scopes(fields)
    forge.limit(f"device-code:{caller.address}", forge.settings.rates.sign_in)
    with Context(forge, caller).transaction() as ctx:
        asked = grants.ask_for_grant(ctx, client=client, scopes=scopes)
    page = f"{origin_of(forge, request)}/device"
    return 200, {
        "device_code": asked.device_code,
        "user_code": asked.user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={asked.user_code}",
        "expires_in": asked.seconds,
        "interval": asked.interval,
    }


def _token(forge: Forge, request: Request, caller: Actor, fields: Fields) -> Answer:
    forge.limit(f"oauth:{caller.address}", forge.settings.rates.anonymous)
    client, kind = _client(fields), fields.get("grant_type", "")
    if kind == DEVICE_CODE:
        code = _needed(fields, "device_code")
        with Context(forge, caller).transaction() as ctx:
            given = grants.take_tokens(ctx, device_code=code, client=client)
        if isinstance(given, grants.Pending):
            raise Refusal(given.value, _SAYS[given])
        return _tokens(given)
    if kind == REFRESH:
        secret, key = _needed(fields, "refresh_token"), request.headers.get("idempotency-key", "")[:200]
        with Context(forge, caller).transaction() as ctx:
            tokens = families.refresh(ctx, secret, client=client, key=key)
        if tokens is None:
            raise Refusal(
                "invalid_grant", "This refresh token was used, revoked or has expired. Sign in again."
            )
        return _tokens(tokens)
    supported = f"{DEVICE_CODE} and {REFRESH}"
    raise Refusal("unsupported_grant_type", f"The grant types here are {supported}.")


_SAYS = {
    grants.Pending.WAITS: "Nobody has answered yet.",
    grants.Pending.TOO_SOON: "Ask less often: wait five seconds more from now on.",
    grants.Pending.EXPIRED: "Nobody answered in time. Begin again.",
    grants.Pending.DENIED: "The answer was no.",
    grants.Pending.UNKNOWN: "This device code is not known, or was used already.",
}


def _tokens(tokens: families.Tokens) -> Answer:
    return 200, {
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": tokens.seconds,
        "refresh_token": tokens.refresh,
        "scope": " ".join(tokens.scopes),
    }


def _revoke(forge: Forge, request: Request, caller: Actor, fields: Fields) -> Answer:
    """End what a token belongs to; a token that is none is answered alike (RFC 7009, 2.2)."""
    forge.limit(f"oauth:{caller.address}", forge.settings.rates.anonymous)
    secret = _needed(fields, "token")
    with Context(forge, caller).transaction() as ctx:
        families.end_by_secret(ctx, secret)
    return 200, {}


def _client(fields: Fields) -> str:
    client = _needed(fields, "client_id")
    if not _CLIENT.fullmatch(client):
        raise Refusal("invalid_client", "client_id is a name of letters, digits and dashes.", 401)
    return client


def _scopes(fields: Fields) -> list[str]:
    asked = fields.get("scope", "").split() or list(USUAL)
    if unknown := [name for name in asked if name not in SCOPES]:
        raise Refusal("invalid_scope", f"There is no scope {unknown[0][:60]!a}.")
    return sorted(set(asked))


def _needed(fields: Fields, name: str) -> str:
    if not (value := fields.get(name, "")):
        raise Refusal("invalid_request", f"{name} is required.")
    return value


async def _fields(request: Request) -> Fields:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise Refusal("invalid_request", f"The form is larger than {LARGEST_FORM} bytes.", 413)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Refusal("invalid_request", "The form cannot be read.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal("invalid_request", "A parameter is given more than once.")
    return fields


def _refused(error: str, says: str, status: int, more: Mapping[str, str] | None = None) -> Response:
    body = {"error": error, "error_description": says}
    return JSONResponse(body, status, {**_FRESH, **(more or {})})
