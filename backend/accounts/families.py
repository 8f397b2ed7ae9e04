"""Families: a program that somebody let in, and the tokens it lives on.

A family has one refresh token at a time, good for seven days; using it makes the next one and an
access token for fifteen minutes. A refresh token that comes a second time was copied, by us or by
a thief: nobody can tell, so the whole family ends (RFC 9700, 4.14.2). One repetition is no copy:
the same request sent again because its answer got lost carries the same Idempotency-Key, which
only the first sender knows, and gets the same tokens. They are made from it, not kept.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import col, delete, select, update

from backend.accounts.models import AccessToken, Account, RefreshToken, TokenFamily, TokenKind
from backend.accounts.people import digest, new_secret
from backend.accounts.tokens import PREFIX
from backend.core.context import Context
from vcs.objects import new_id

REFRESH_PREFIX = "micr_"
ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class Tokens:
    """What a program gets; nobody can show the secrets again."""

    access: str
    refresh: str
    scopes: list[str]
    seconds: int


def found_family(
    ctx: Context, account: Account, *, client: str, scopes: Sequence[str], address: str, user_agent: str
) -> tuple[TokenFamily, Tokens]:
    """Let a program in."""
    family = TokenFamily(
        id=new_id(),
        account_id=account.id,
        client=client,
        scopes=sorted(scopes),
        created_at=ctx.now(),
        seen_at=ctx.now(),
        expires_at=ctx.now() + REFRESH_LIFETIME,
        address=address,
        user_agent=user_agent[:300],
    )
    ctx.db.add(family)
    ctx.db.flush()
    return family, _issue(ctx, family, PREFIX + new_secret(), REFRESH_PREFIX + new_secret())


def refresh(ctx: Context, secret: str, *, client: str, key: str = "") -> Tokens | None:
    """The next tokens of a family; None when this secret is not, or no longer, good.

    A secret that was used before ends its family; commit the transaction even then.
    """
    row = ctx.db.get(RefreshToken, digest(secret), with_for_update=True)
    family = ctx.db.get(TokenFamily, row.family_id) if row else None
    if row is None or family is None or family.client != client or not _alive(ctx, family):
        return None
    next_access = PREFIX + _derived(ctx, secret, key, "access") if key else PREFIX + new_secret()
    next_refresh = (
        REFRESH_PREFIX + _derived(ctx, secret, key, "refresh") if key else REFRESH_PREFIX + new_secret()
    )
    if row.used_at is not None:
        if _asked_again(ctx, row, next_access, next_refresh, key):
            left = ACCESS_LIFETIME - (ctx.now() - row.used_at)
            return Tokens(next_access, next_refresh, family.scopes, max(0, int(left.total_seconds())))
        account = ctx.db.get(Account, family.account_id)
        ctx.audit("family.reused", account.handle if account else "", family=family.id, client=family.client)
        end_family(ctx, family)
        return None
    row.used_at, row.key_hash = ctx.now(), digest(key) if key else ""
    ctx.db.add(row)
    family.seen_at, family.expires_at = ctx.now(), ctx.now() + REFRESH_LIFETIME
    family.address, family.user_agent = ctx.actor.address, ctx.actor.user_agent[:300]
    ctx.db.add(family)
    _forget_old(ctx, family)
    return _issue(ctx, family, next_access, next_refresh)


def end_by_secret(ctx: Context, secret: str) -> None:
    """End the family that a refresh or access token belongs to, if there is one (RFC 7009)."""
    refresh_row = ctx.db.get(RefreshToken, digest(secret))
    family_id = refresh_row.family_id if refresh_row else None
    if family_id is None:
        query = select(AccessToken.family_id).where(AccessToken.secret_hash == digest(secret))
        family_id = ctx.db.exec(query).first()
    family = ctx.db.get(TokenFamily, family_id) if family_id else None
    if family is None or family.revoked_at is not None:
        return
    end_family(ctx, family)
    account = ctx.db.get(Account, family.account_id)
    ctx.audit("device.signed_out", account.handle if account else "", family=family.id, client=family.client)


def end_family(ctx: Context, family: TokenFamily) -> None:
    """End every token of a family now."""
    family.revoked_at = ctx.now()
    ctx.db.add(family)
    alive = (col(AccessToken.family_id) == family.id) & col(AccessToken.revoked_at).is_(None)
    for id in ctx.db.exec(select(AccessToken.id).where(alive)).all():
        ctx.ring(f"token:{id}")
    ctx.db.exec(update(AccessToken).where(alive).values(revoked_at=ctx.now()))


def end_families(ctx: Context, account_id: str) -> int:
    """End every family of an account; returns how many ended."""
    ended = live_families(ctx, account_id)
    for family in ended:
        end_family(ctx, family)
    return len(ended)


def live_families(ctx: Context, account_id: str) -> Sequence[TokenFamily]:
    """The programs an account has let in, last seen first."""
    return ctx.db.exec(
        select(TokenFamily)
        .where(
            TokenFamily.account_id == account_id,
            col(TokenFamily.revoked_at).is_(None),
            col(TokenFamily.expires_at) > ctx.now(),
        )
        .order_by(col(TokenFamily.seen_at).desc(), col(TokenFamily.id).desc())
    ).all()


def _issue(ctx: Context, family: TokenFamily, access: str, refresh_secret: str) -> Tokens:
    ctx.db.add(
        AccessToken(
            id=new_id(),
            account_id=family.account_id,
            family_id=family.id,
            kind=TokenKind.PERSONAL,
            name=family.client,
            secret_hash=digest(access),
            hint=f"{access[:8]}…{access[-4:]}",
            scopes=family.scopes,
            created_at=ctx.now(),
            expires_at=ctx.now() + ACCESS_LIFETIME,
        )
    )
    ctx.db.add(RefreshToken(secret_hash=digest(refresh_secret), family_id=family.id, created_at=ctx.now()))
    return Tokens(access, refresh_secret, family.scopes, int(ACCESS_LIFETIME.total_seconds()))


def _asked_again(ctx: Context, row: RefreshToken, access: str, refresh_secret: str, key: str) -> bool:
    """Whether this is the request that used the token, sent again before its tokens were."""
    if not key or not row.key_hash or not hmac.compare_digest(row.key_hash, digest(key)):
        return False
    following = ctx.db.get(RefreshToken, digest(refresh_secret))
    return following is not None and following.used_at is None


def _alive(ctx: Context, family: TokenFamily) -> bool:
    return family.revoked_at is None and family.expires_at > ctx.now()


def _derived(ctx: Context, secret: str, key: str, what: str) -> str:
    message = "\0".join((what, secret, key)).encode("utf-8", "surrogateescape")
    made = hmac.new(ctx.forge.settings.secret_key.encode(), message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def _forget_old(ctx: Context, family: TokenFamily) -> None:
    # A used refresh token is remembered for as long as it would have been good.
    ctx.db.exec(
        delete(RefreshToken).where(
            col(RefreshToken.family_id) == family.id,
            col(RefreshToken.created_at) < ctx.now() - REFRESH_LIFETIME,
        )
    )
    ctx.db.exec(
        delete(AccessToken).where(
            col(AccessToken.family_id) == family.id, col(AccessToken.expires_at) < ctx.now() - ACCESS_LIFETIME
        )
    )
