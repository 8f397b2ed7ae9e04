"""Devices: where an account is signed in, browsers and programs alike, and how to end that.

A browser is known again by a cookie of its own that outlives signing out. The first sign-in
without a known one is told to the owner by mail; so is every program that is let in.
"""

import re
from datetime import datetime

from sqlmodel import col, select

from backend.accounts import browsers, families, letters
from backend.accounts.models import AccessToken, Account, BrowserSession, KnownDevice, TokenFamily
from backend.accounts.people import account_of, digest
from backend.accounts.schemas import DeviceKind, DeviceList, DeviceSummary, RowId
from backend.core.context import Context
from backend.core.errors import NotFound
from backend.core.operations import operation

OWN_ACCOUNT = {"rpc": "people manage their account in a browser or over REST; `mic` does not"}

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@operation(scope="user", http="GET /api/v1/user/devices", anonymous=False, left_out=OWN_ACCOUNT)
def list_devices(ctx: Context) -> DeviceList:
    """List where you are signed in: browsers, and programs let in with a device code."""
    return devices_of(ctx)


@operation(scope="user", http="DELETE /api/v1/user/devices/{device_id}", left_out=OWN_ACCOUNT)
def revoke_device(ctx: Context, *, device_id: RowId) -> DeviceList:
    """Sign one browser or program out; answers where you remain signed in."""
    browser = ctx.db.get(BrowserSession, device_id)
    family = ctx.db.get(TokenFamily, device_id)
    if browser is not None and browser.account_id == ctx.actor.id and browser.expires_at > ctx.now():
        browsers.close_browser(ctx, device_id)
    elif family is not None and family.account_id == ctx.actor.id and family.revoked_at is None:
        families.end_family(ctx, family)
    else:
        raise NotFound(what="device")
    ctx.audit("device.revoked", ctx.actor.handle, device=device_id)
    return devices_of(ctx)


@operation(scope="user", http="DELETE /api/v1/user/devices", left_out=OWN_ACCOUNT)
def sign_out_everywhere(ctx: Context) -> DeviceList:
    """Sign out every browser and program, this one too. Access tokens stay good; revoke them one by one."""
    account = account_of(ctx)
    ended = browsers.close_browsers(ctx, account.id) + families.end_families(ctx, account.id)
    ctx.audit("device.all_revoked", ctx.actor.handle, ended=ended)
    return devices_of(ctx)


def devices_of(ctx: Context) -> DeviceList:
    """The asker's devices, last seen first."""
    account = account_of(ctx)
    token = ctx.actor.token_id
    own_family = _family_of(ctx, token) if token else None
    found = [
        _browser(row, current=row.id == ctx.actor.browser_id)
        for row in browsers.live_browsers(ctx, account.id)
    ]
    found += [_program(row, current=row.id == own_family) for row in families.live_families(ctx, account.id)]
    return DeviceList(items=sorted(found, key=_seen, reverse=True))


def meet_device(ctx: Context, account: Account, secret: str, *, quiet: bool = False) -> None:
    """Note that this browser signs in, and tell the owner by mail when it never did before."""
    known = ctx.db.get(KnownDevice, (account.id, digest(secret))) if secret else None
    if known is not None:
        known.seen_at = ctx.now()
        ctx.db.add(known)
        return
    if secret:
        ctx.db.add(KnownDevice(account_id=account.id, secret_hash=digest(secret), seen_at=ctx.now()))
    if not quiet:
        name = device_name(ctx.actor.user_agent)
        letters.new_device(ctx, account.email, handle=account.handle, device=name)


def device_name(user_agent: str) -> str:
    """What people call the browser or program that says this of itself."""
    if program := re.match(r"mic/\S+ \(([\w.-]{1,60})", user_agent):
        return f"mic on {program[1]}"
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    # Anybody writes what they like there: of what we do not know, only the plain beginning is shown.
    plain = re.match(r"[\w.-]{1,30}", user_agent)
    return browser or (plain[0] if plain else "an unknown device")


def _family_of(ctx: Context, token_id: str) -> str | None:
    return ctx.db.exec(select(AccessToken.family_id).where(col(AccessToken.id) == token_id)).first()


def _browser(row: BrowserSession, *, current: bool) -> DeviceSummary:
    shared = row.model_dump(include={"id", "address", "user_agent", "created_at", "seen_at", "expires_at"})
    return DeviceSummary(
        **shared, kind=DeviceKind.BROWSER, name=device_name(row.user_agent), current=current, scopes=None
    )


def _program(row: TokenFamily, *, current: bool) -> DeviceSummary:
    shared = row.model_dump(
        include={"id", "address", "user_agent", "created_at", "seen_at", "expires_at", "scopes"}
    )
    named = device_name(row.user_agent) if row.client == "mic" else row.client
    return DeviceSummary(**shared, kind=DeviceKind.PROGRAM, name=named, current=current)


def _seen(device: DeviceSummary) -> datetime:
    return device.seen_at
