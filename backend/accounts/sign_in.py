"""Signing in: by password, by a one-time link, and the very first time.

Each takes the calling stranger, returns the cookie of a new browser session, and leaves an audit
row whether it went well or not. Nothing in what a stranger gets, nor the time it takes, tells
whether an account exists. Passwords are hashed between transactions, never inside one.
"""

from backend.accounts import browsers, links
from backend.accounts.attempts import limit_sign_in
from backend.accounts.devices import meet_device
from backend.accounts.models import Account, LinkPurpose
from backend.accounts.passwords import check_password, passwords
from backend.accounts.people import account_called, acting, new_account, set_password
from backend.accounts.recovery import replace_password
from backend.core.context import Actor, Context, Forge
from backend.core.errors import Kind, MicelioError
from backend.organizations.service import adopt_organizations


class SignInFailed(MicelioError):
    """The handle or e-mail address and the password do not belong together."""

    kind = Kind.UNAUTHENTICATED
    code = "sign_in.wrong"
    message = "No account has this handle or e-mail address together with this password. Try again."


def sign_in(forge: Forge, caller: Actor, *, who: str, password: str, device: str = "") -> str:
    """Sign in with a handle or e-mail address and the password; SignInFailed, RateLimited.

    `device` is the secret by which this browser is known again, here and below.
    """
    limit_sign_in(forge, caller, who)
    with Context(forge, caller).transaction(write=False) as ctx:
        account = account_called(ctx, who)
    hasher = passwords(forge)
    stored = account.password_hash if account else ""
    good = hasher.verify(stored, password)
    better = hasher.hash(password) if good and hasher.outdated(stored) else None
    with Context(forge, caller).transaction() as ctx:
        # The password may have been changed while the old one was being verified.
        account = ctx.db.get(Account, account.id) if account else None
        if good and account is not None and account.password_hash == stored:
            if better:
                set_password(ctx, account, better)
            meet_device(ctx, account, device)
            return browsers.signed_in_by(ctx, account, how="password")
        # What a stranger typed may be a password in the wrong field: name the account or nothing.
        ctx.audit("sign_in.failed", account.handle if account else "", how="password")
    raise SignInFailed


def sign_in_first(
    forge: Forge,
    caller: Actor,
    *,
    token: str,
    handle: str,
    email: str,
    password: str,
    name: str = "",
    device: str = "",
) -> str:
    """Make the first administrator with the link that the first start printed.

    A refusal (WrongLink, WeakPassword, BadHandle, BadEmail) leaves the link as it was.
    """
    limit_sign_in(forge, caller, "first")
    check_password(password, about=(handle, email, name))
    hashed = passwords(forge).hash(password)
    with Context(forge, caller).transaction() as ctx:
        links.open_first_link(ctx, token)
        account = new_account(ctx, handle=handle, email=email, name=name, password_hash=hashed, admin=True)
        adopt_organizations(ctx, account.id)
        meet_device(ctx, account, device, quiet=True)
        return browsers.signed_in_by(ctx, account, how="first link")


def sign_in_by_link(forge: Forge, caller: Actor, *, token: str, password: str = "", device: str = "") -> str:
    """Sign in with a one-time link. With a password, that becomes the account's.

    A new password ends the account's other browser sessions. A refusal leaves the link as it was.
    """
    limit_sign_in(forge, caller, "link")
    hashed = passwords(forge).hash(password) if password else ""
    with Context(forge, caller).transaction() as ctx:
        account = links.open_account_link(ctx, token, LinkPurpose.SIGN_IN)
        if hashed:
            check_password(password, about=(account.handle, account.email, account.name))
            replace_password(ctx.acting_as(acting(caller, account)), account, hashed, how="link")
        meet_device(ctx, account, device)
        return browsers.signed_in_by(ctx, account, how="link")


def sign_out(forge: Forge, caller: Actor, cookie: str) -> None:
    """End the browser session of a cookie, if there is one."""
    with Context(forge, caller).transaction() as ctx:
        if (found := browsers.by_cookie(ctx, cookie)) is not None:
            browsers.close_browser(ctx, found[0].id)
            ctx.acting_as(acting(caller, found[1])).audit("sign_out", found[1].handle)
