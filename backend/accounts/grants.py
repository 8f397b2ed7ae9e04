"""Grants: a program that has no browser asks to be let in (RFC 8628).

It shows a short code; somebody signed in at a browser reads what is asked, and says yes or no. Of
both codes only hashes are kept; the short one is keyed with SECRET_KEY_BASE, since there are few
enough of them to be tried. Only a person at a browser answers: a token that could let programs in
would make itself stronger.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlmodel import col, delete, select

from backend.accounts import families, letters
from backend.accounts.devices import OWN_ACCOUNT, device_name
from backend.accounts.families import Tokens
from backend.accounts.models import Account, DeviceGrant, GrantState
from backend.accounts.people import account_of, acting, digest, new_secret
from backend.accounts.schemas import DeviceRequest, UserCode
from backend.core.context import Context, Via
from backend.core.errors import Forbidden, Kind, MicelioError
from backend.core.operations import operation
from vcs.objects import new_id

LIFETIME = timedelta(minutes=15)
INTERVAL = 3
SLOWER = 5
"""Seconds between two questions, and how many more after one that came too soon."""

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; RFC 8628, 6.1."""

CLIENTS = {"mic": "mic, the command line"}
"""Programs of ours; others are called what they call themselves."""


class UnknownCode(MicelioError):
    """No program waits with this code."""

    kind = Kind.INVALID
    code = "device.unknown"
    message = "No program waits with this code. It may have ended: begin again there, and take the new one."


class Pending(StrEnum):
    """Why a program has no tokens yet, or never gets any (RFC 8628, 3.5)."""

    WAITS = "authorization_pending"
    TOO_SOON = "slow_down"
    EXPIRED = "expired_token"
    DENIED = "access_denied"
    UNKNOWN = "invalid_grant"


@dataclass(frozen=True)
class Asked:
    """What a program gets to show, and to ask again with."""

    device_code: str
    user_code: str
    seconds: int
    interval: int


def ask_for_grant(ctx: Context, *, client: str, scopes: Sequence[str]) -> Asked:
    """Write down that a program wants to be let in."""
    ctx.db.exec(delete(DeviceGrant).where(col(DeviceGrant.expires_at) < ctx.now() - LIFETIME))
    device_code = new_secret()
    user_code = "".join(secrets.choice(_LETTERS) for _ in range(8))
    row = DeviceGrant(
        id=new_id(),
        device_hash=digest(device_code),
        user_hash=_user_hash(ctx, user_code),
        client=client,
        scopes=sorted(scopes),
        interval=INTERVAL,
        created_at=ctx.now(),
        expires_at=ctx.now() + LIFETIME,
        address=ctx.actor.address,
        user_agent=ctx.actor.user_agent[:300],
    )
    ctx.db.add(row)
    return Asked(device_code, _shown(user_code), int(LIFETIME.total_seconds()), INTERVAL)


def take_tokens(ctx: Context, *, device_code: str, client: str) -> Tokens | Pending:
    """The tokens of a grant that was approved, once; else why not. Commit it either way."""
    found = select(DeviceGrant).where(DeviceGrant.device_hash == digest(device_code))
    row = ctx.db.exec(found.with_for_update()).first()
    if row is None or row.client != client or row.state is GrantState.USED:
        return Pending.UNKNOWN
    if row.expires_at <= ctx.now():
        return Pending.EXPIRED
    if row.state is GrantState.DENIED:
        return Pending.DENIED
    ctx.db.add(row)
    early = row.polled_at is not None and ctx.now() - row.polled_at < timedelta(seconds=row.interval)
    row.polled_at = ctx.now()
    if early:
        row.interval += SLOWER
        return Pending.TOO_SOON
    if row.state is GrantState.PENDING:
        return Pending.WAITS
    return _let_in(ctx, row)


def _let_in(ctx: Context, row: DeviceGrant) -> Tokens | Pending:
    account = ctx.db.get(Account, row.account_id)
    if account is None or account.deleted_at is not None:
        return Pending.UNKNOWN
    row.state = GrantState.USED
    family, tokens = families.found_family(
        ctx,
        account,
        client=row.client,
        scopes=row.scopes,
        address=ctx.actor.address,
        user_agent=ctx.actor.user_agent,
    )
    ctx.acting_as(acting(ctx.actor, account)).audit(
        "device.let_in", account.handle, family=family.id, client=row.client, scopes=row.scopes
    )
    return tokens


@operation(
    scope="user",
    http="GET /api/v1/device-requests/{user_code}",
    anonymous=False,
    left_out=OWN_ACCOUNT,
)
def get_device_request(ctx: Context, *, user_code: UserCode) -> DeviceRequest:
    """Look at what a program asks for that shows this code. At a browser only."""
    return _request(ctx, _waiting(ctx, user_code), user_code)


@operation(scope="user", http="POST /api/v1/device-requests/{user_code}/approve", left_out=OWN_ACCOUNT)
def approve_device_request(ctx: Context, *, user_code: UserCode) -> DeviceRequest:
    """Let the program in that shows this code, to act in your name. At a browser only."""
    row = _waiting(ctx, user_code)
    if "admin" in row.scopes and not ctx.actor.admin:
        raise Forbidden(problem="It asks for the scope `admin`, which only administrators have. Say no.")
    account = account_of(ctx)
    row.state, row.account_id = GrantState.APPROVED, account.id
    ctx.db.add(row)
    ctx.audit("device.approved", account.handle, client=row.client, scopes=row.scopes, address=row.address)
    letters.new_device(ctx, account.email, handle=account.handle, device=_name(row))
    return _request(ctx, row, user_code)


@operation(scope="user", http="POST /api/v1/device-requests/{user_code}/deny", left_out=OWN_ACCOUNT)
def deny_device_request(ctx: Context, *, user_code: UserCode) -> DeviceRequest:
    """Turn the program away that shows this code. At a browser only."""
    row = _waiting(ctx, user_code)
    row.state, row.account_id = GrantState.DENIED, ctx.actor.id
    ctx.db.add(row)
    ctx.audit("device.denied", ctx.actor.handle, client=row.client, address=row.address)
    return _request(ctx, row, user_code)


def _waiting(ctx: Context, user_code: str) -> DeviceGrant:
    """The grant of a code that is still open; every look counts, so that codes are not tried out."""
    if ctx.actor.via is not Via.BROWSER:
        raise Forbidden(problem="Programs are let in at a browser, never by a token.")
    allowed = ctx.forge.settings.rates.sign_in
    ctx.forge.limit(f"device:{ctx.actor.address}:{ctx.actor.id}", allowed)
    found = select(DeviceGrant).where(
        DeviceGrant.user_hash == _user_hash(ctx, user_code),
        DeviceGrant.state == GrantState.PENDING,
        col(DeviceGrant.expires_at) > ctx.now(),
    )
    row = ctx.db.exec(found.with_for_update()).first()
    if row is None:
        raise UnknownCode
    return row


def _request(ctx: Context, row: DeviceGrant, user_code: str) -> DeviceRequest:
    shared = row.model_dump(include={"scopes", "address", "user_agent", "created_at", "expires_at"})
    return DeviceRequest(
        **shared,
        user_code=_shown(_plain(user_code)),
        client=CLIENTS.get(row.client, row.client),
        name=_name(row),
    )


def _name(row: DeviceGrant) -> str:
    return device_name(row.user_agent) if row.client in CLIENTS else row.client


def _user_hash(ctx: Context, user_code: str) -> str:
    key = f"device\0{ctx.forge.settings.secret_key}".encode()
    return hmac.new(key, _plain(user_code).encode(), hashlib.sha256).hexdigest()


def _plain(user_code: str) -> str:
    return re.sub(r"[^A-Z]", "", user_code.upper())


def _shown(user_code: str) -> str:
    return f"{user_code[:4]}-{user_code[4:]}"
