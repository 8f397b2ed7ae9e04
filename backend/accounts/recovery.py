"""Recovery: a forgotten password, and what a new one ends.

Whoever asks for a link gets the same answer in the same time, whether the address has an account
or not: the request only states a fact, and a job looks whose it is. A new password signs out
every other browser and every program that was let in; access tokens people made stay good.
"""

from dataclasses import dataclass

from backend.accounts import browsers, families, letters, links
from backend.accounts.attempts import limit_sign_in
from backend.accounts.devices import meet_device
from backend.accounts.models import Account, LinkPurpose
from backend.accounts.passwords import check_password, passwords
from backend.accounts.people import account_called, account_of, acting, set_password
from backend.accounts.schemas import HandleText, Told
from backend.core.context import Actor, Context, Forge
from backend.core.errors import Kind, MicelioError
from backend.core.events import fact
from backend.core.jobs import on
from backend.core.operations import operation

IN_A_BROWSER = {"rpc": "people who forgot their password are in a browser"}


class WrongPassword(MicelioError):
    """The current password was asked for, and this is not it."""

    kind = Kind.FORBIDDEN
    code = "password.wrong"
    message = "That is not your current password. Nothing was changed."


@fact
@dataclass(frozen=True)
class PasswordForgotten:
    """Somebody says that this handle or e-mail address forgot its password."""

    who: str
    address: str


@operation(scope=None, http="POST /api/v1/password-reset", anonymous=True, status=202, left_out=IN_A_BROWSER)
def request_password_reset(ctx: Context, *, handle: HandleText) -> Told:
    """Mail a link that lets a new password be chosen; `handle` may be an e-mail address.

    The answer is the same whether there is such an account or not.
    """
    limit_sign_in(ctx.forge, ctx.actor, handle)
    ctx.emit(PasswordForgotten(who=handle.strip()[:254], address=ctx.actor.address))
    return Told(message=f"If that is an account here, a link is on its way to its address. {delivery(ctx)}")


@on(PasswordForgotten, queue="mail")
def mail_reset_link(ctx: Context, fact: PasswordForgotten) -> None:
    """Make and send the link, if the account exists."""
    account = account_called(ctx, fact.who)
    caller = ctx.acting_as(Actor(address=fact.address))
    caller.audit("password.forgotten", account.handle if account else "")
    if account is None or links.just_mailed(ctx, LinkPurpose.RESET, account_id=account.id):
        return
    link, until = links.make_link(ctx, LinkPurpose.RESET, account_id=account.id)
    letters.reset_password(ctx, account.email, handle=account.handle, link=link, until=until)


def reset_password(forge: Forge, caller: Actor, *, token: str, password: str, device: str = "") -> str:
    """Choose a new password with the mailed link, and sign in; WrongLink, WeakPassword, RateLimited."""
    limit_sign_in(forge, caller, "link")
    hashed = passwords(forge).hash(password)
    with Context(forge, caller).transaction() as ctx:
        account = links.open_account_link(ctx, token, LinkPurpose.RESET)
        check_password(password, about=(account.handle, account.email, account.name))
        replace_password(ctx.acting_as(acting(caller, account)), account, hashed, how="link")
        meet_device(ctx, account, device, quiet=True)
        return browsers.signed_in_by(ctx, account, how="reset")


def replace_password(
    ctx: Context, account: Account, hashed: str, *, how: str, but: str | None = None
) -> None:
    """Keep a new hash, sign everything out except one browser if named, and tell the owner."""
    first = not account.password_hash
    set_password(ctx, account, hashed)
    ended = browsers.close_browsers(ctx, account.id, but=but) + families.end_families(ctx, account.id)
    links.drop_links(ctx, account.id)
    ctx.audit("password.changed", account.handle, how=how, ended=ended)
    if not first:
        letters.password_changed(ctx, account.email, handle=account.handle)


def check_current(ctx: Context, password: str) -> str:
    """The asker's stored hash, once they have shown that they know the password behind it.

    Takes tens of milliseconds, so never inside a transaction. WrongPassword, RateLimited; an account
    without a password has none to show.
    """
    ctx.forge.limit(f"password:{ctx.actor.id}", ctx.forge.settings.rates.sign_in)
    with ctx.transaction(write=False) as tx:
        account = account_of(tx)
    stored = account.password_hash
    if stored and not passwords(ctx.forge).verify(stored, password):
        with ctx.transaction() as tx:
            tx.audit("password.refused", account.handle)
        raise WrongPassword
    return stored


def delivery(ctx: Context) -> str:
    """What to tell people about mail on its way."""
    if ctx.forge.settings.smtp.host:
        return "It may take a minute; look among the junk too."
    return "This forge sends no mail: its administrator reads it in the outbox and hands it over."
