"""Access tokens: secrets that programs send in a person's name.

A token can do at most what its scopes say. An agent's token is also marked as one, may be bound
to a project and to paths, and never holds the scopes by which it could make another token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import col, select, update

from backend.accounts.models import AccessToken, Account, TokenKind
from backend.accounts.people import acting, digest, new_secret
from backend.core.context import Actor, Context, Forge, Via
from vcs.objects import new_id

PREFIX = "mic_"
DEFAULT_DAYS = 90
LONGEST_DAYS = 366
USED_EVERY = timedelta(minutes=1)
NEVER_FOR_AGENTS = frozenset({"user", "admin"})


def mint_token(
    ctx: Context,
    account: Account,
    *,
    name: str,
    kind: TokenKind,
    scopes: Sequence[str],
    days: int = DEFAULT_DAYS,
    limits: Mapping[str, Any] | None = None,
) -> tuple[AccessToken, str]:
    """Make a token; returns its row and the secret, which nobody can show again.

    A token made with a token does not outlive it.
    """
    secret = PREFIX + new_secret()
    expires_at = ctx.now() + timedelta(days=days)
    maker = ctx.db.get(AccessToken, ctx.actor.token_id) if ctx.actor.token_id else None
    row = AccessToken(
        id=new_id(),
        account_id=account.id,
        kind=kind,
        name=name.strip(),
        secret_hash=digest(secret),
        hint=f"{secret[:8]}…{secret[-4:]}",
        scopes=sorted(scopes),
        limits=dict(limits or {}),
        created_at=ctx.now(),
        expires_at=min(expires_at, maker.expires_at) if maker else expires_at,
    )
    ctx.db.add(row)
    ctx.audit(
        "token.created", account.handle, token=row.id, name=row.name, kind=kind.value, scopes=row.scopes
    )
    return row, secret


def by_secret(ctx: Context, secret: str) -> tuple[AccessToken, Account] | None:
    """The good token that a secret is; None when there is none any more."""
    # Looking up by hash tells by its time nothing about a secret that hashes differently.
    return ctx.db.exec(_BY_SECRET, params={"hashed": digest(secret), "now": ctx.now()}).first()


def by_id(ctx: Context, id: str) -> tuple[AccessToken, Account] | None:
    """The same, for a token whose secret was checked before."""
    return ctx.db.exec(_BY_ID, params={"of_token": id, "now": ctx.now()}).first()


# Made once: every request of a program asks one of them.
_GOOD = (
    select(AccessToken, Account)
    .join(Account, col(Account.id) == col(AccessToken.account_id))
    .where(col(AccessToken.revoked_at).is_(None), col(AccessToken.expires_at) > bindparam("now"))
)
_BY_SECRET = _GOOD.where(AccessToken.secret_hash == bindparam("hashed"))
_BY_ID = _GOOD.where(AccessToken.id == bindparam("of_token"))


def token_actor(caller: Actor, row: AccessToken, account: Account) -> Actor:
    """The program that holds a token; it is an administrator only with the scope for that."""
    agent = row.kind is TokenKind.AGENT
    scopes = frozenset(row.scopes) - (NEVER_FOR_AGENTS if agent else frozenset())
    return replace(
        acting(caller, account, Via.AGENT if agent else Via.TOKEN),
        admin=account.admin and "admin" in scopes,
        scopes=scopes,
        token_id=row.id,
        limits=row.limits,
    )


def touch(forge: Forge, row: AccessToken) -> None:
    """Note that a token was used, at most once a minute."""
    now = forge.clock()
    if row.used_at is not None and now - row.used_at < USED_EVERY:
        return
    with forge.db.transaction(write=True) as db:
        db.exec(update(AccessToken).where(col(AccessToken.id) == row.id).values(used_at=now))


def tokens_of(ctx: Context, account_id: str) -> Sequence[AccessToken]:
    """An account's tokens that were not revoked, newest first, without those of programs let in."""
    return ctx.db.exec(
        select(AccessToken)
        .where(
            AccessToken.account_id == account_id,
            col(AccessToken.family_id).is_(None),
            col(AccessToken.revoked_at).is_(None),
        )
        .order_by(col(AccessToken.id).desc())
    ).all()


def revoke(ctx: Context, row: AccessToken) -> None:
    """End a token now."""
    row.revoked_at = ctx.now()
    ctx.db.add(row)
    ctx.ring(f"token:{row.id}")
    ctx.audit("token.revoked", ctx.actor.handle, token=row.id, name=row.name)
