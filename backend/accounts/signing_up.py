"""Signing up: by yourself where the forge is open, else by invitation.

No account exists before its address is proven: the mailed link makes it. So nobody can take
somebody else's address, and whether an address has an account is told to its owner alone.
Invitations are mailed too, which proves the address in advance; so are those to an organization or
a project, which lead here where the address has no account.
"""

from collections.abc import Callable

from sqlmodel import col, select

from backend.accounts import browsers, letters, links
from backend.accounts.attempts import limit_sign_in
from backend.accounts.devices import OWN_ACCOUNT, meet_device
from backend.accounts.handles import HandleTaken, check_handle
from backend.accounts.models import Account, Handle, LinkPurpose, OneTimeLink
from backend.accounts.passwords import check_password, passwords
from backend.accounts.people import account_called, acting, check_email, new_account
from backend.accounts.recovery import delivery
from backend.accounts.schemas import (
    EmailText,
    HandleText,
    InvitationList,
    InvitationSummary,
    Name,
    NewInvitation,
    PasswordText,
    RowId,
    Told,
)
from backend.core.config import Signup
from backend.core.context import Actor, Context, Forge
from backend.core.errors import Conflict, Forbidden, Kind, MicelioError, NotFound
from backend.core.operations import Mode, operation

Voucher = Callable[[Context, str], tuple[str, str] | None]
_vouchers: list[Voucher] = []


def vouches(voucher: Voucher) -> Voucher:
    """Register who else may have sent a link that proves an address: gives it, and whose link it is."""
    _vouchers.append(voucher)
    return voucher


class SignUpClosed(MicelioError):
    """Nobody makes an account here by themselves."""

    kind = Kind.FORBIDDEN
    code = "sign_up.closed"
    message = "Nobody signs up here by themselves. Ask an administrator of this forge for {what}."


@operation(
    scope=None,
    http="POST /api/v1/sign-up",
    mode=Mode.STEPS,
    anonymous=True,
    status=202,
    left_out=OWN_ACCOUNT,
)
def sign_up(
    ctx: Context, *, handle: HandleText, email: EmailText, password: PasswordText, name: Name = ""
) -> Told:
    """Ask for an account, where sign-up is open. A mailed link makes it.

    The answer is the same whether the address has an account already or not; its owner is told.
    """
    signup = ctx.forge.settings.signup
    if ctx.actor.signed_in:
        raise Forbidden(problem="You have an account here already. Sign out first.")
    if signup is not Signup.OPEN:
        raise SignUpClosed(what="an invitation" if signup is Signup.INVITE else "an account")
    limit_sign_in(ctx.forge, ctx.actor, email)
    handle, email = check_handle(handle), check_email(email)
    check_password(password, about=(handle, email, name))
    hashed = passwords(ctx.forge).hash(password)
    with ctx.transaction() as tx:
        if tx.db.get(Handle, handle) is not None:
            raise HandleTaken(handle=handle)
        if not links.just_mailed(tx, LinkPurpose.SIGN_UP, email=email):
            _mail(tx, email, {"handle": handle, "name": name.strip(), "password_hash": hashed})
    return Told(message=f"A link to confirm your address is on its way to {email}. {delivery(ctx)}")


def _mail(ctx: Context, email: str, details: dict[str, str]) -> None:
    # Made in both cases, so that both take the same time; what is sent is another letter.
    link, until = links.make_link(ctx, LinkPurpose.SIGN_UP, email=email, details=details)
    found = account_called(ctx, email)
    ctx.audit("sign_up.asked", details["handle"])
    if found is None:
        letters.confirm_sign_up(ctx, email, handle=details["handle"], link=link, until=until)
    else:
        letters.already_here(ctx, email, handle=found.handle)


def finish_sign_up(ctx: Context, link: OneTimeLink, *, handle: str, device: str) -> str:
    """Make the account of a used sign-up link, and sign it in; HandleTaken when another one is needed."""
    account = new_account(
        ctx,
        handle=handle or link.details["handle"],
        email=link.email,
        name=link.details["name"],
        password_hash=link.details["password_hash"],
    )
    meet_device(ctx, account, device, quiet=True)
    return browsers.signed_in_by(ctx, account, how="sign-up")


@operation(scope="admin", http="POST /api/v1/invitations", left_out=OWN_ACCOUNT)
def create_invitation(ctx: Context, *, email: EmailText) -> NewInvitation:
    """Invite somebody by e-mail to make an account here. Administrators only.

    The link is mailed, and shown this once. A newer one for the same address replaces it.
    """
    _check_admin(ctx)
    link, row = invite(ctx, email, by=ctx.actor.handle)
    return NewInvitation(**_invitation(row).model_dump(), link=link)


def invite(ctx: Context, email: str, *, by: str) -> tuple[str, OneTimeLink]:
    """Make an invitation and mail it; Conflict where sign-up is closed or nobody needs one."""
    if ctx.forge.settings.signup is Signup.CLOSED:
        raise Conflict(problem="Sign-up is closed here (MICELIO_SIGNUP), so nobody can be invited.")
    email = check_email(email)
    if (found := account_called(ctx, email)) is not None:
        raise Conflict(problem=f"{email} has an account here already: {found.handle}.")
    link, until = links.make_link(ctx, LinkPurpose.INVITATION, email=email, details={"by": by})
    letters.invitation(ctx, email, by=by, link=link, until=until)
    ctx.audit("invitation.created", email)
    ctx.db.flush()
    row = ctx.db.exec(_waiting().where(OneTimeLink.email == email)).one()
    return link, row


@operation(scope="admin", http="GET /api/v1/invitations", anonymous=False, left_out=OWN_ACCOUNT)
def list_invitations(ctx: Context) -> InvitationList:
    """List invitations that nobody used yet. Administrators only."""
    _check_admin(ctx)
    return InvitationList(items=[_invitation(row) for row in ctx.db.exec(_live(ctx)).all()])


@operation(scope="admin", http="DELETE /api/v1/invitations/{invitation_id}", left_out=OWN_ACCOUNT)
def revoke_invitation(ctx: Context, *, invitation_id: RowId) -> InvitationSummary:
    """Take an invitation back. Administrators only."""
    _check_admin(ctx)
    row = ctx.db.exec(_live(ctx).where(OneTimeLink.id == invitation_id)).first()
    if row is None:
        raise NotFound(what="invitation")
    ctx.db.delete(row)
    ctx.audit("invitation.revoked", row.email)
    return _invitation(row)


def accept_invitation(
    forge: Forge,
    caller: Actor,
    *,
    token: str,
    handle: str,
    password: str,
    name: str = "",
    device: str = "",
) -> str:
    """Make an account with an invitation to the forge, an organization or a project, and sign it in.

    A refusal (WrongLink, WeakPassword, BadHandle, HandleTaken, EmailTaken) leaves the invitation as
    it was.
    """
    limit_sign_in(forge, caller, "invitation")
    if forge.settings.signup is Signup.CLOSED:
        raise SignUpClosed(what="an account")
    hashed = passwords(forge).hash(password)
    with Context(forge, caller).transaction() as ctx:
        email, by = _invited(ctx, token)
        check_password(password, about=(handle, email, name))
        account: Account = new_account(ctx, handle=handle, email=email, name=name, password_hash=hashed)
        ctx.acting_as(acting(caller, account)).audit("invitation.accepted", by)
        meet_device(ctx, account, device, quiet=True)
        return browsers.signed_in_by(ctx, account, how="invitation")


def _invited(ctx: Context, token: str) -> tuple[str, str]:
    for voucher in _vouchers:
        if (found := voucher(ctx, token)) is not None:
            return found
    link = links.use_link(ctx, token, LinkPurpose.INVITATION)
    return link.email, link.details["by"]


def _check_admin(ctx: Context) -> None:
    if not ctx.actor.admin:
        raise Forbidden(problem="Only administrators of this instance look after invitations.")


def _waiting():  # type: ignore[no-untyped-def]
    return (
        select(OneTimeLink)
        .where(OneTimeLink.purpose == LinkPurpose.INVITATION, col(OneTimeLink.used_at).is_(None))
        .order_by(col(OneTimeLink.id).desc())
    )


def _live(ctx: Context):  # type: ignore[no-untyped-def]
    return _waiting().where(col(OneTimeLink.expires_at) > ctx.now())


def _invitation(row: OneTimeLink) -> InvitationSummary:
    shared = row.model_dump(include={"id", "email", "created_at", "expires_at"})
    return InvitationSummary(**shared, invited_by=row.details["by"])
