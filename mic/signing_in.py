"""Signing in with a code (RFC 8628), and tokens that renew themselves.

An access token lives for minutes; the refresh token beside it gets the next pair, once. So
renewing happens under the lock of the credentials, and before the forge is asked the request's
own key is written down: a process that dies before it has the answer leaves enough for the next
one to ask the same thing again, and get the same tokens.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mic import fetching
from mic.errors import NoDeviceCodes, NotLetIn, Refused, SignInEnded, Unreachable
from vcs.errors import Kind

CLIENT = "mic"
EARLY_SECONDS = 60
"""How long before its end a token is renewed."""

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
METADATA = "/.well-known/oauth-authorization-server"
SLOWER = 5

Entry = dict[str, Any]


@dataclass(frozen=True)
class Code:
    """What somebody must open and type, and how to learn that they did."""

    uri: str
    complete: str
    user_code: str
    device_code: str
    interval: int
    ends_at: float
    endpoints: Entry


def ask(instance: str, *, insecure: bool) -> Code:
    """Ask to be let in; NoDeviceCodes when this instance has no such thing."""
    status, metadata = fetching.get(instance, METADATA)
    ask_at = metadata.get("device_authorization_endpoint")
    if status != 200 or not ask_at:
        raise NoDeviceCodes(instance=instance)
    endpoints = {name: metadata.get(name, "") for name in ("token_endpoint", "revocation_endpoint")}
    status, told = fetching.post(instance, ask_at, {"client_id": CLIENT}, insecure=insecure)
    if status != 200:
        raise _refused(instance, told)
    return Code(
        uri=told["verification_uri"],
        complete=str(told.get("verification_uri_complete") or told["verification_uri"]),
        user_code=told["user_code"],
        device_code=told["device_code"],
        interval=int(told.get("interval", 5)),
        ends_at=time.time() + int(told["expires_in"]),
        endpoints=endpoints,
    )


def wait(instance: str, code: Code, *, insecure: bool, pause: Callable[[float], None] = time.sleep) -> Entry:
    """The credentials, once somebody let this in; NotLetIn when nobody did."""
    form = {"client_id": CLIENT, "grant_type": DEVICE_CODE, "device_code": code.device_code}
    interval = float(code.interval)
    while time.time() < code.ends_at:
        pause(interval)
        try:
            status, told = fetching.post(instance, code.endpoints["token_endpoint"], form, insecure=insecure)
        except Unreachable:
            # RFC 8628, 3.5: a forge that does not answer now is asked less often.
            interval *= 2
            continue
        error = told.get("error")
        if status == 200:
            return {**code.endpoints, **_taken(told)}
        if error == "slow_down":
            interval += SLOWER
        elif error == "access_denied":
            raise NotLetIn(problem="The answer in the browser was no")
        elif error == "expired_token":
            break
        elif error != "authorization_pending":
            raise _refused(instance, told)
    raise NotLetIn(problem="Nobody answered in time")


def stale(entry: Entry) -> bool:
    """Whether the token of these credentials has ended, or is about to, and can be renewed."""
    return (
        bool(entry.get("refresh_token")) and float(entry.get("expires_at", 0)) - EARLY_SECONDS < time.time()
    )


def renewed(instance: str, entry: Entry, keep: Callable[[Entry], None], *, insecure: bool) -> Entry:
    """The next credentials; SignInEnded when there are none. Hold the lock.

    `keep` writes an entry down. Where the forge cannot be reached, a token that is still good is used.
    """
    if not entry.get("renewing"):
        entry = {**entry, "renewing": secrets.token_urlsafe(24)}
        keep(entry)
    form = {"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": entry["refresh_token"]}
    key = {"Idempotency-Key": entry["renewing"]}
    try:
        status, told = fetching.post(instance, entry["token_endpoint"], form, insecure=insecure, headers=key)
    except Unreachable:
        if float(entry["expires_at"]) > time.time():
            return entry
        raise
    if status == 200:
        fresh = {**entry, **_taken(told)}
        del fresh["renewing"]
        keep(fresh)
        return fresh
    if told.get("error") == "invalid_grant":
        raise SignInEnded(instance=instance)
    raise _refused(instance, told)


def revoke(instance: str, entry: Entry, *, insecure: bool) -> bool:
    """Tell the forge that these tokens are not used any more; False when it could not be told."""
    if not entry.get("revocation_endpoint"):
        return False
    form = {"client_id": CLIENT, "token": entry["refresh_token"], "token_type_hint": "refresh_token"}
    try:
        status, _ = fetching.post(instance, entry["revocation_endpoint"], form, insecure=insecure)
    except Unreachable:
        return False
    return status == 200


def _taken(told: dict[str, Any]) -> Entry:
    return {
        "token": told["access_token"],
        "refresh_token": told["refresh_token"],
        "expires_at": time.time() + int(told["expires_in"]),
    }


def _refused(instance: str, told: dict[str, Any]) -> Refused:
    error = str(told.get("error", "mic.answer"))
    says = told.get("error_description") or f"{instance} answered strangely. Tell an operator."
    return Refused(str(says), Kind.EXHAUSTED if error == "slow_down" else Kind.UNAUTHENTICATED, error)
