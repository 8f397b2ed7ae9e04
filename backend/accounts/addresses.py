"""Addresses: changing an account's e-mail, which two mailboxes must hear of.

The address of now is told that a change was asked for, the new one gets the link that makes it,
and both are told once it is made: a thief with a password cannot do it in silence. An address
that has an account gets another letter and no link; whoever asked sees the same answer.
"""

from sqlalchemy.exc import IntegrityError

from backend.accounts import letters, links
from backend.accounts.attempts import limit_sign_in
from backend.accounts.devices import OWN_ACCOUNT
from backend.accounts.models import Account, LinkPurpose, OneTimeLink
from backend.accounts.people import EmailTaken, account_called, account_of, acting, check_email
from backend.accounts.recovery import WrongPassword, check_current, delivery
from backend.accounts.schemas import EmailText, PasswordText, Told
from backend.accounts.signing_up import finish_sign_up
from backend.core.context import Actor, Context, Forge
from backend.core.errors import InvalidInput
from backend.core.operations import Mode, operation


@operation(scope="user", http="POST /api/v1/user/email", mode=Mode.STEPS, status=202, left_out=OWN_ACCOUNT)
def change_email(ctx: Context, *, email: EmailText, password: PasswordText = "") -> Told:
    """Ask for another e-mail address; it is yours once the link mailed there was opened.

    Takes the current password, unless the account has none.
    """
    email = check_email(email)
    stored = check_current(ctx, password)
    with ctx.transaction() as tx:
        account = account_of(tx)
        if account.password_hash != stored:
            raise WrongPassword
        if account.email == email:
            raise InvalidInput(problem="That is your address already.")
        if not links.just_mailed(tx, LinkPurpose.EMAIL, account_id=account.id, email=email):
            _mail(tx, account, email)
    return Told(message=f"Open the link on its way to {email}, and the change is made. {delivery(ctx)}")


def _mail(ctx: Context, account: Account, email: str) -> None:
    link, until = links.make_link(ctx, LinkPurpose.EMAIL, account_id=account.id, email=email)
    other = account_called(ctx, email)
    ctx.audit("email.change_asked", account.handle)
    letters.email_change_asked(ctx, account.email, handle=account.handle, email=email)
    if other is None:
        letters.confirm_email(ctx, email, handle=account.handle, link=link, until=until)
    else:
        letters.already_here(ctx, email, handle=other.handle)


def confirm_address(
    forge: Forge, caller: Actor, *, token: str, handle: str = "", device: str = ""
) -> str | None:
    """Open a link that proves an address: the cookie of the account it made, or None for a changed address.

    `handle` is another one, where the one asked for was taken meanwhile. A refusal (WrongLink,
    HandleTaken, EmailTaken) leaves the link as it was.
    """
    limit_sign_in(forge, caller, "link")
    with Context(forge, caller).transaction() as ctx:
        link = links.use_link(ctx, token, LinkPurpose.SIGN_UP, LinkPurpose.EMAIL)
        if link.purpose is LinkPurpose.SIGN_UP:
            return finish_sign_up(ctx, link, handle=handle.strip(), device=device)
        _change(ctx, link)
    return None


def _change(ctx: Context, link: OneTimeLink) -> None:
    account = ctx.db.get(Account, link.account_id)
    if account is None or account.deleted_at is not None:
        raise links.WrongLink
    before, account.email = account.email, link.email
    ctx.db.add(account)
    try:
        # Somebody may have made an account with it meanwhile: the unique column decides.
        ctx.db.flush()
    except IntegrityError:
        raise EmailTaken from None
    ctx.acting_as(acting(ctx.actor, account)).audit("email.changed", account.handle)
    for address in (before, account.email):
        letters.email_changed(ctx, address, handle=account.handle, email=account.email)
