"""People: account rows, and the random secrets that stand for a person.

An account, its handle, its personal organization and its ownership of that organization are made
in one transaction, so none of them ever exists without the others. Tokens, cookies and links
carry 256 random bits: there is nothing to guess, so SHA-256 is enough to keep them by.
"""

import hashlib
import hmac
import re
import secrets

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, func, select

from backend.accounts.handles import check_handle, claim_handle
from backend.accounts.models import Account, Owner
from backend.core.context import Actor, Context, Via
from backend.core.errors import Conflict, Kind, MicelioError, NotFound
from backend.organizations.service import found_organization
from vcs.objects import new_id

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>,;]{1,64}@[^@\s\x00-\x1f\x7f<>,;]{1,190}\Z")


class BadEmail(MicelioError):
    """The text is no e-mail address."""

    kind = Kind.INVALID
    code = "email.invalid"
    message = "That is not an e-mail address. It looks like name@example.org."


class EmailTaken(Conflict):
    """Another account has this e-mail address."""

    code = "email.taken"
    message = "An account with this e-mail address exists already. Sign in to it, or use another address."


def new_account(
    ctx: Context, *, handle: str, email: str, name: str = "", password_hash: str = "", admin: bool = False
) -> Account:
    """Make an account with everything that belongs to it; BadHandle, HandleTaken, BadEmail, EmailTaken."""
    handle, email = check_handle(handle), check_email(email)
    account = Account(
        id=new_id(),
        handle=handle,
        name=name.strip(),
        email=email,
        password_hash=password_hash,
        admin=admin,
        created_at=ctx.now(),
    )
    claim_handle(ctx, handle, owner=Owner.ACCOUNT, owner_id=account.id)
    ctx.db.add(account)
    try:
        # Two people may use one address at once: the unique column decides.
        ctx.db.flush()
    except IntegrityError:
        raise EmailTaken from None
    found_organization(
        ctx, handle=handle, name=account.name, personal=True, owner_id=account.id, handle_claimed=True
    )
    ctx.audit("account.created", handle, admin=admin)
    return account


def check_email(text: str) -> str:
    """The address in lower case; BadEmail when it cannot be one."""
    email = text.strip().lower()
    if not _EMAIL.match(email):
        raise BadEmail
    return email


def account_called(ctx: Context, who: str) -> Account | None:
    """The account of a handle or an e-mail address, unless it was deleted."""
    column = Account.email if "@" in who else Account.handle
    named = select(Account).where(column == who.strip().lower(), col(Account.deleted_at).is_(None))
    return ctx.db.exec(named).first()


def account_of(ctx: Context) -> Account:
    """The asker's own account."""
    account = ctx.db.get(Account, ctx.actor.id) if ctx.actor.id else None
    if account is None:
        raise NotFound(what="account")
    return account


def set_password(ctx: Context, account: Account, password_hash: str) -> None:
    """Keep a new hash; whoever calls says in the audit why."""
    account.password_hash = password_hash
    ctx.db.add(account)


def has_admin(ctx: Context) -> bool:
    """Whether anybody runs this instance yet."""
    return bool(ctx.db.exec(select(func.count()).where(col(Account.admin).is_(True))).one())


def acting(actor: Actor, account: Account, via: Via = Via.BROWSER) -> Actor:
    """An account as an actor with all of its rights, calling from where `actor` calls."""
    return Actor(
        via=via,
        id=account.id,
        handle=account.handle,
        name=account.name,
        admin=account.admin,
        scopes=None,
        address=actor.address,
        user_agent=actor.user_agent,
    )


def new_secret() -> str:
    """256 random bits as text that needs no quoting anywhere."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def matches(secret: str, kept: str) -> bool:
    """Whether a secret is the one kept, in constant time."""
    return hmac.compare_digest(digest(secret), kept)
