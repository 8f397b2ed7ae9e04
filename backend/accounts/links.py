"""One-time links: how somebody gets in who has no password yet.

The first-administrator link exists while nobody runs the instance; each start prints a fresh one
and the one before stops working. Sign-in links are made by administrators, to hand over by
themselves. The others travel by mail, so opening one also proves the address. Opening a link uses
it up, in the transaction of what it is opened for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, delete, select, update

from backend.accounts.models import Account, LinkPurpose, OneTimeLink, TokenKind
from backend.accounts.people import account_called, acting, digest, has_admin, new_account, new_secret
from backend.accounts.tokens import mint_token
from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import Conflict, Kind, MicelioError
from backend.core.operations import SCOPES
from backend.organizations.service import adopt_organizations
from vcs.objects import new_id

WELCOME = "/welcome"
LINK = "/link"
RESET = "/reset"
CONFIRM = "/confirm"
SIGN_UP = "/signup"
PAGES = {
    LinkPurpose.FIRST_ADMIN: WELCOME,
    LinkPurpose.SIGN_IN: LINK,
    LinkPurpose.RESET: RESET,
    LinkPurpose.SIGN_UP: CONFIRM,
    LinkPurpose.EMAIL: CONFIRM,
    LinkPurpose.INVITATION: SIGN_UP,
}
"""The page that each kind of link opens."""

LIFETIMES = {
    LinkPurpose.FIRST_ADMIN: timedelta(days=30),
    LinkPurpose.SIGN_IN: timedelta(days=3),
    LinkPurpose.RESET: timedelta(hours=2),
    LinkPurpose.SIGN_UP: timedelta(days=3),
    LinkPurpose.EMAIL: timedelta(days=1),
    LinkPurpose.INVITATION: timedelta(days=7),
}
AGAIN = timedelta(minutes=1)
"""How soon the same kind of link may be mailed to the same address again."""


class WrongLink(MicelioError):
    """The link does not open anything."""

    kind = Kind.INVALID
    code = "link.invalid"
    message = (
        "This link was used already, has expired, or was replaced by a newer one. "
        "Ask whoever gave it to you for a new one."
    )


class OtherAccount(Conflict):
    """The handle belongs to somebody with another e-mail address."""

    code = "account.other"
    message = "The account {handle} exists and has another e-mail address. Give that one, or another handle."


@dataclass(frozen=True)
class NewAdmin:
    """What an operator is told: the link is shown once, and the token too if one was asked for."""

    handle: str
    link: str
    expires_at: datetime
    token: str | None


def first_admin_link(forge: Forge) -> str | None:
    """A fresh link for the first administrator, or None when somebody runs the instance already."""
    with Context(forge, SYSTEM).transaction() as ctx:
        return None if has_admin(ctx) else make_link(ctx, LinkPurpose.FIRST_ADMIN)[0]


def sign_in_link(ctx: Context, account: Account) -> tuple[str, datetime]:
    """A link that signs an account in once, and when it ends; earlier ones stop working."""
    ctx.audit("link.created", account.handle)
    return make_link(ctx, LinkPurpose.SIGN_IN, account_id=account.id)


def make_link(
    ctx: Context,
    purpose: LinkPurpose,
    *,
    account_id: str | None = None,
    email: str = "",
    details: Mapping[str, Any] | None = None,
) -> tuple[str, datetime]:
    """A link, and when it ends. Unused ones of the same kind for the same account and address go."""
    ctx.db.exec(delete(OneTimeLink).where(_waiting(purpose, account_id, email)))
    secret = new_secret()
    row = OneTimeLink(
        id=new_id(),
        secret_hash=digest(secret),
        purpose=purpose,
        account_id=account_id,
        email=email,
        details=dict(details or {}),
        created_at=ctx.now(),
        expires_at=ctx.now() + LIFETIMES[purpose],
    )
    ctx.db.add(row)
    return f"{ctx.forge.settings.public_url}{PAGES[purpose]}?token={secret}", row.expires_at


def just_mailed(
    ctx: Context, purpose: LinkPurpose, *, account_id: str | None = None, email: str = ""
) -> bool:
    """Whether such a link was made a moment ago: nobody's mailbox is filled by asking often."""
    fresh = col(OneTimeLink.created_at) > ctx.now() - AGAIN
    query = select(OneTimeLink.id).where(_waiting(purpose, account_id, email), fresh)
    return ctx.db.exec(query.limit(1)).first() is not None


def use_link(ctx: Context, secret: str, *purposes: LinkPurpose) -> OneTimeLink:
    """Use up a link of one of these kinds; WrongLink when it no longer works."""
    live = (
        (col(OneTimeLink.secret_hash) == digest(secret))
        & col(OneTimeLink.purpose).in_(purposes)
        & col(OneTimeLink.used_at).is_(None)
        & (col(OneTimeLink.expires_at) > ctx.now())
    )
    row = ctx.db.exec(select(OneTimeLink).where(live)).first()
    # Of two that come at once, one changes the row and the other finds it changed.
    if row is None or not ctx.db.exec(update(OneTimeLink).where(live).values(used_at=ctx.now())).rowcount:
        raise WrongLink
    return row


def drop_links(ctx: Context, account_id: str) -> None:
    """Make every unused link of an account useless."""
    ctx.db.exec(
        delete(OneTimeLink).where(
            col(OneTimeLink.account_id) == account_id, col(OneTimeLink.used_at).is_(None)
        )
    )


def open_first_link(ctx: Context, secret: str) -> None:
    """Use up a first-administrator link; WrongLink unless it is the newest and nobody was first."""
    use_link(ctx, secret, LinkPurpose.FIRST_ADMIN)
    if has_admin(ctx):
        raise WrongLink


def open_account_link(ctx: Context, secret: str, purpose: LinkPurpose) -> Account:
    """Use up a link of an account and return whose it is; WrongLink when it no longer works."""
    account = ctx.db.get(Account, use_link(ctx, secret, purpose).account_id)
    if account is None or account.deleted_at is not None:
        raise WrongLink
    return account


def create_admin(forge: Forge, *, email: str, handle: str, token: bool = False) -> NewAdmin:
    """Make an administrator, or make one of an existing account, for an operator at a terminal.

    The link signs in once and lets a password be chosen. Raises OtherAccount, HandleTaken,
    EmailTaken and the like.
    """
    with Context(forge, SYSTEM).transaction() as ctx:
        account = account_called(ctx, handle)
        first = not has_admin(ctx)
        if account is None:
            account = new_account(ctx, handle=handle, email=email, admin=True)
        elif account.email != email.strip().lower():
            raise OtherAccount(handle=account.handle)
        elif not account.admin:
            account.admin = True
            ctx.db.add(account)
            ctx.audit("account.made_admin", account.handle)
        if first:
            adopt_organizations(ctx, account.id)
        link, expires_at = sign_in_link(ctx, account)
        secret = _operator_token(ctx, account) if token else None
        return NewAdmin(account.handle, link, expires_at, secret)


def _operator_token(ctx: Context, account: Account) -> str:
    own = ctx.acting_as(acting(ctx.actor, account))
    return mint_token(own, account, name="create-admin", kind=TokenKind.PERSONAL, scopes=list(SCOPES))[1]


def _waiting(purpose: LinkPurpose, account_id: str | None, email: str) -> Any:
    return (
        (col(OneTimeLink.purpose) == purpose)
        & col(OneTimeLink.account_id).is_not_distinct_from(account_id)
        & (col(OneTimeLink.email) == email)
        & col(OneTimeLink.used_at).is_(None)
    )
