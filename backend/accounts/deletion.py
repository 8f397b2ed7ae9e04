"""Deleting an account: everything that is theirs alone goes, what others rely on stays.

The row keeps id and handle, because landings and sessions in other people's projects name them,
and so that nobody ever gets the handle of somebody else's work. Nothing is deleted as a side
effect: whoever owns projects, or an organization alone, deals with those first.
"""

from sqlmodel import col, delete, func, select, update

from backend.accounts import browsers, families, letters, links
from backend.accounts.devices import OWN_ACCOUNT
from backend.accounts.models import AccessToken, Account, DeviceGrant, KnownDevice
from backend.accounts.people import account_of
from backend.accounts.recovery import WrongPassword, check_current
from backend.accounts.schemas import DeletedAccount, HandleText, PasswordText
from backend.core.context import Context, Via
from backend.core.errors import Conflict, Forbidden, InvalidInput
from backend.core.operations import Mode, operation
from backend.invitations.service import forget_invitations
from backend.organizations.leaving import leave_everything, owned_alone
from backend.organizations.models import Organization
from backend.projects.collaborators import end_collaborations
from backend.projects.models import Project, ProjectState

KEPT = (
    "The handle {handle} stays reserved, and what you landed or said in other people's projects stays with "
    "it. Everything else about you is gone."
)


class StillOwned(Conflict):
    """Something would be left without anybody."""

    code = "account.still_owns"
    message = "{problem}"


@operation(scope="user", http="POST /api/v1/user/deletion", mode=Mode.STEPS, left_out=OWN_ACCOUNT)
def delete_current_user(ctx: Context, *, handle: HandleText, password: PasswordText = "") -> DeletedAccount:
    """Delete your account, at a browser only. It cannot be taken back.

    Takes your handle, typed again, and the current password. Refused while you own projects, are
    the last owner of an organization, or the last administrator.
    """
    if ctx.actor.via is not Via.BROWSER:
        raise Forbidden(problem="An account is deleted at a browser, never by a token.")
    if handle.strip().lower() != ctx.actor.handle:
        raise InvalidInput(problem=f"Type your handle, {ctx.actor.handle}, to delete this account.")
    stored = check_current(ctx, password)
    with ctx.transaction() as tx:
        account = account_of(tx)
        if account.password_hash != stored:
            raise WrongPassword
        _check_nothing_is_left_alone(tx, account)
        letters.account_deleted(tx, account.email, handle=account.handle)
        tx.audit("account.deleted", account.handle)
        _forget(tx, account)
    return DeletedAccount(handle=account.handle, kept=KEPT.format(handle=account.handle))


def _check_nothing_is_left_alone(ctx: Context, account: Account) -> None:
    projects = ctx.db.exec(
        select(Project.handle)
        .join(Organization, col(Organization.id) == col(Project.organization_id))
        .where(Organization.handle == account.handle, Project.state == ProjectState.READY)
        .order_by(col(Project.handle))
    ).all()
    if projects:
        named = _listed([f"{account.handle}/{project}" for project in projects])
        raise StillOwned(problem=f"You own {named}. Move or delete that first, then delete your account.")
    if alone := owned_alone(ctx, account.id):
        raise StillOwned(
            problem=f"You are the last owner of {_listed(alone)}. Make another member an owner there first."
        )
    others = select(func.count()).where(col(Account.admin).is_(True), Account.id != account.id)
    if account.admin and not ctx.db.exec(others).one():
        raise StillOwned(
            problem="You are the last administrator of this instance. "
            "Make another one first: micelio create-admin --email E --handle H"
        )


def _forget(ctx: Context, account: Account) -> None:
    browsers.close_browsers(ctx, account.id)
    families.end_families(ctx, account.id)
    links.drop_links(ctx, account.id)
    mine = (col(AccessToken.account_id) == account.id) & col(AccessToken.revoked_at).is_(None)
    for id in ctx.db.exec(select(AccessToken.id).where(mine)).all():
        ctx.ring(f"token:{id}")
    ctx.db.exec(update(AccessToken).where(mine).values(revoked_at=ctx.now()))
    ctx.db.exec(delete(KnownDevice).where(col(KnownDevice.account_id) == account.id))
    ctx.db.exec(delete(DeviceGrant).where(col(DeviceGrant.account_id) == account.id))
    leave_everything(ctx, account.id, account.handle)
    end_collaborations(ctx, account=account.id)
    forget_invitations(ctx, account=account)
    account.name = account.password_hash = ""
    account.email = f"{account.id}@deleted.invalid"
    account.links, account.admin, account.deleted_at = [], False, ctx.now()
    ctx.db.add(account)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
