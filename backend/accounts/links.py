"""One-time links: how somebody gets in who has no password yet.

The first-administrator link exists while nobody runs the instance; each start prints a fresh one
and the one before stops working. Sign-in links are made by administrators, for invitations and
forgotten passwords. Opening a link uses it up, in the transaction of what it is opened for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

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
FIRST_LIFETIME = timedelta(days=30)
SIGN_IN_LIFETIME = timedelta(days=3)


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
        if has_admin(ctx):
            return None
        _drop_unused(ctx, LinkPurpose.FIRST_ADMIN, None)
        return _make(ctx, LinkPurpose.FIRST_ADMIN, None, FIRST_LIFETIME)[0]


def sign_in_link(ctx: Context, account: Account) -> tuple[str, datetime]:
    """A link that signs an account in once, and when it ends; earlier ones stop working."""
    _drop_unused(ctx, LinkPurpose.SIGN_IN, account.id)
    ctx.audit("link.created", account.handle)
    return _make(ctx, LinkPurpose.SIGN_IN, account.id, SIGN_IN_LIFETIME)


def open_first_link(ctx: Context, secret: str) -> None:
    """Use up a first-administrator link; WrongLink unless it is the newest and nobody was first."""
    _use(ctx, secret, LinkPurpose.FIRST_ADMIN)
    if has_admin(ctx):
        raise WrongLink


def open_sign_in_link(ctx: Context, secret: str) -> Account:
    """Use up a sign-in link and return whose it is; WrongLink when it no longer works."""
    account = ctx.db.get(Account, _use(ctx, secret, LinkPurpose.SIGN_IN).account_id)
    if account is None:
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


def _make(
    ctx: Context, purpose: LinkPurpose, account_id: str | None, lifetime: timedelta
) -> tuple[str, datetime]:
    secret = new_secret()
    row = OneTimeLink(
        id=new_id(),
        secret_hash=digest(secret),
        purpose=purpose,
        account_id=account_id,
        created_at=ctx.now(),
        expires_at=ctx.now() + lifetime,
    )
    ctx.db.add(row)
    page = WELCOME if purpose is LinkPurpose.FIRST_ADMIN else LINK
    return f"{ctx.forge.settings.public_url}{page}?token={secret}", row.expires_at


def _use(ctx: Context, secret: str, purpose: LinkPurpose) -> OneTimeLink:
    live = (
        (col(OneTimeLink.secret_hash) == digest(secret))
        & (col(OneTimeLink.purpose) == purpose)
        & col(OneTimeLink.used_at).is_(None)
        & (col(OneTimeLink.expires_at) > ctx.now())
    )
    row = ctx.db.exec(select(OneTimeLink).where(live)).first()
    # Of two that come at once, one changes the row and the other finds it changed.
    if row is None or not ctx.db.exec(update(OneTimeLink).where(live).values(used_at=ctx.now())).rowcount:
        raise WrongLink
    return row


def _drop_unused(ctx: Context, purpose: LinkPurpose, account_id: str | None) -> None:
    ctx.db.exec(
        delete(OneTimeLink).where(
            col(OneTimeLink.purpose) == purpose,
            col(OneTimeLink.account_id).is_not_distinct_from(account_id),
            col(OneTimeLink.used_at).is_(None),
        )
    )
