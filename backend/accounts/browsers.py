"""Browser sessions: who is signed in where, for 30 days after they were last seen.

The cookie is `<id>.<secret>`. The id is public: pages and the live socket are known by it. Only
the secret proves anything, and only its SHA-256 is kept.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import bindparam
from sqlmodel import col, delete, select, update

from backend.accounts.models import Account, BrowserSession
from backend.accounts.people import acting, digest, matches, new_secret
from backend.core.context import Actor, Context, Forge
from vcs.objects import new_id

COOKIE = "micelio_session"
LIFETIME = timedelta(days=30)
TOUCHED_EVERY = timedelta(minutes=1)


def open_browser(ctx: Context, account: Account) -> str:
    """Sign the calling browser in as an account; returns the cookie's value."""
    _forget_expired(ctx, account)
    secret = new_secret()
    row = BrowserSession(
        id=new_id(),
        secret_hash=digest(secret),
        account_id=account.id,
        created_at=ctx.now(),
        seen_at=ctx.now(),
        expires_at=ctx.now() + LIFETIME,
        address=ctx.actor.address,
        user_agent=ctx.actor.user_agent[:300],
    )
    ctx.db.add(row)
    return f"{row.id}.{secret}"


def signed_in_by(ctx: Context, account: Account, *, how: str) -> str:
    """`open_browser`, and the audit says how it came about."""
    cookie = open_browser(ctx, account)
    ctx.acting_as(acting(ctx.actor, account)).audit("sign_in", account.handle, how=how)
    return cookie


def by_cookie(ctx: Context, value: str) -> tuple[BrowserSession, Account] | None:
    """The live browser session a cookie opens; None when there is none any more."""
    id, _, secret = value.partition(".")
    found = by_id(ctx, id)
    return found if found and matches(secret, found[0].secret_hash) else None


def by_id(ctx: Context, id: str) -> tuple[BrowserSession, Account] | None:
    """The live browser session of a public id: only for ids that a cookie was checked for before."""
    if len(id) != 36 or not id.isascii():
        return None
    return ctx.db.exec(_LIVE, params={"of_browser": id, "now": ctx.now()}).first()


# Made once: every request of a browser asks it.
_LIVE = (
    select(BrowserSession, Account)
    .join(Account, col(Account.id) == col(BrowserSession.account_id))
    .where(BrowserSession.id == bindparam("of_browser"), col(BrowserSession.expires_at) > bindparam("now"))
)


def browser_actor(caller: Actor, row: BrowserSession, account: Account) -> Actor:
    """The person at a signed-in browser."""
    return replace(acting(caller, account), browser_id=row.id)


def touch(forge: Forge, row: BrowserSession) -> None:
    """Note that a browser was seen, at most once a minute, and let its 30 days start again."""
    now = forge.clock()
    if now - row.seen_at < TOUCHED_EVERY:
        return
    with forge.db.transaction(write=True) as db:
        db.exec(
            update(BrowserSession)
            .where(col(BrowserSession.id) == row.id, col(BrowserSession.seen_at) < now)
            .values(seen_at=now, expires_at=now + LIFETIME)
        )


def live_browsers(ctx: Context, account_id: str) -> Sequence[BrowserSession]:
    """Where an account is signed in, last seen first."""
    return ctx.db.exec(
        select(BrowserSession)
        .where(BrowserSession.account_id == account_id, col(BrowserSession.expires_at) > ctx.now())
        .order_by(col(BrowserSession.seen_at).desc(), col(BrowserSession.id).desc())
    ).all()


def close_browser(ctx: Context, id: str) -> None:
    """End one browser session."""
    ctx.db.exec(delete(BrowserSession).where(col(BrowserSession.id) == id))
    ctx.ring(f"browser:{id}")


def close_browsers(ctx: Context, account_id: str, *, but: str | None = None) -> int:
    """End an account's browser sessions, except one if named; returns how many ended."""
    ended = [row.id for row in live_browsers(ctx, account_id) if row.id != but]
    for id in ended:
        close_browser(ctx, id)
    return len(ended)


def cookie_of(header: str) -> str:
    """The session cookie's value in a Cookie header, or nothing."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip('"')
    return ""


def _forget_expired(ctx: Context, account: Account) -> None:
    ctx.db.exec(
        delete(BrowserSession).where(
            col(BrowserSession.account_id) == account.id, col(BrowserSession.expires_at) <= ctx.now()
        )
    )
