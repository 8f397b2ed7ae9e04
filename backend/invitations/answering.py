"""Answering: whoever is invited looks at it, accepts or declines.

An invitation is for one person: the account it names, or the one whose confirmed address it was
sent to. The mailed link shows it to whoever holds it, and lets somebody without an account make
one with that address; what is answered, revoked, lapsed or somebody else's is one refusal.
"""

from sqlmodel import col, delete, or_, select

from backend.accounts import signing_up
from backend.accounts.models import Account
from backend.accounts.people import account_called, account_of, digest
from backend.core.config import Signup
from backend.core.context import Context
from backend.core.errors import Kind, MicelioError
from backend.core.operations import operation
from backend.invitations.models import TeamInvitation
from backend.invitations.schemas import (
    InvitationState,
    MyInvitation,
    MyInvitationList,
    RowId,
    Secret,
)
from backend.invitations.service import PAGE
from backend.invitations.targets import Target, state_of, target_of
from backend.projects.collaborators import people_only


class InvitationOver(MicelioError):
    """There is nothing to answer, or not for this person."""

    kind = Kind.NOT_FOUND
    code = "invitation.over"
    message = (
        "There is no such invitation for you. It was answered, taken back or has expired, or is for "
        "another account. Ask whoever invited you for a new one."
    )


@operation(
    scope="user",
    http="GET /api/v1/user/invitations",
    anonymous=False,
    rpc="InvitationService.ListMyInvitations",
)
def list_my_invitations(ctx: Context) -> MyInvitationList:
    """List what you are invited to and have not answered."""
    me = account_of(ctx)
    mine = or_(col(TeamInvitation.account_id) == me.id, col(TeamInvitation.email) == me.email)
    query = select(TeamInvitation).where(mine, col(TeamInvitation.expires_at) > ctx.now())
    items = []
    for row in ctx.db.exec(query.order_by(col(TeamInvitation.id).desc()).limit(100)):
        target = target_of(ctx, row)
        if target is not None and state_of(ctx, row, target) is InvitationState.WAITING:
            items.append(_shown(ctx, row, target, yours=True))
    return MyInvitationList(items=items)


@operation(
    scope="user",
    http="GET /api/v1/team-invitations/{invitation_id}",
    rpc="InvitationService.GetTeamInvitation",
)
def get_team_invitation(ctx: Context, *, invitation_id: RowId, token: Secret = "") -> MyInvitation:
    """Look at an invitation of yours, or with the token of its link at somebody else's.

    Raises InvitationOver when it is for neither, or cannot be accepted any more.
    """
    row = ctx.db.get(TeamInvitation, invitation_id)
    target = target_of(ctx, row) if row else None
    if row is None or target is None or state_of(ctx, row, target) is not InvitationState.WAITING:
        raise InvitationOver
    yours = ctx.actor.signed_in and _is_for(row, account_of(ctx))
    if not yours and row.secret_hash != digest(token):
        raise InvitationOver
    return _shown(ctx, row, target, yours=yours)


@operation(
    scope="user",
    http="POST /api/v1/team-invitations/{invitation_id}/accept",
    rpc="InvitationService.AcceptTeamInvitation",
)
def accept_team_invitation(ctx: Context, *, invitation_id: RowId) -> MyInvitation:
    """Accept an invitation: from now on you belong there. It works once.

    Who belongs there already keeps the stronger role. Raises InvitationOver.
    """
    row, target, me = _answered(ctx, invitation_id)
    target.admit(ctx, me, row.role)
    kind = "collaborator" if target.project else "member"
    by = ctx.db.get(Account, row.invited_by)
    ctx.audit(
        f"{kind}.added",
        target.address,
        **{kind: me.handle, "role": row.role, "invited_by": by.handle if by else ""},
    )
    return _shown(ctx, row, target, yours=True)


@operation(
    scope="user",
    http="POST /api/v1/team-invitations/{invitation_id}/decline",
    rpc="InvitationService.DeclineTeamInvitation",
)
def decline_team_invitation(ctx: Context, *, invitation_id: RowId) -> MyInvitation:
    """Decline an invitation. Nobody is told but those who look; you can be invited again."""
    row, target, _ = _answered(ctx, invitation_id)
    ctx.audit("invitation.declined", target.address, role=row.role)
    return _shown(ctx, row, target, yours=True)


@signing_up.vouches
def vouch(ctx: Context, secret: str) -> tuple[str, str] | None:
    """The address that an invitation's link proves, and who sent it; the invitation stays."""
    row = ctx.db.exec(select(TeamInvitation).where(TeamInvitation.secret_hash == digest(secret))).first()
    target = target_of(ctx, row) if row else None
    if row is None or target is None or not row.email:
        return None
    if state_of(ctx, row, target) is not InvitationState.WAITING:
        return None
    by = ctx.db.get(Account, row.invited_by)
    return row.email, by.handle if by else ""


def _answered(ctx: Context, id: str) -> tuple[TeamInvitation, Target, Account]:
    """Take an invitation of the asker's out of the table, once, with what it is to kept as it is."""
    people_only(ctx)
    me = account_of(ctx)
    row = ctx.db.get(TeamInvitation, id)
    target = target_of(ctx, row, locked=True) if row and _is_for(row, me) else None
    if row is None or target is None:
        raise InvitationOver
    # Whoever invites holds the same lock, so what is read from here on stays.
    again = select(TeamInvitation).where(TeamInvitation.id == id).execution_options(populate_existing=True)
    row = ctx.db.exec(again).first()
    if row is None or state_of(ctx, row, target) is not InvitationState.WAITING:
        raise InvitationOver
    kept = TeamInvitation.model_validate(row.model_dump())
    ctx.db.expunge(row)
    if not ctx.db.exec(delete(TeamInvitation).where(col(TeamInvitation.id) == id)).rowcount:
        raise InvitationOver
    return kept, target, me


def _is_for(row: TeamInvitation, account: Account) -> bool:
    return row.account_id == account.id if row.account_id else row.email == account.email


def _shown(ctx: Context, row: TeamInvitation, target: Target, *, yours: bool) -> MyInvitation:
    by = ctx.db.get(Account, row.invited_by)
    open_to_new = ctx.forge.settings.signup is not Signup.CLOSED
    nobody_yet = bool(row.email) and not ctx.actor.signed_in and account_called(ctx, row.email) is None
    about = target.project or target.organization
    return MyInvitation(
        id=row.id,
        organization=target.organization.handle,
        organization_name=target.organization.name,
        project=target.project.handle if target.project else None,
        project_name=target.project.name if target.project else None,
        description=about.description,
        role=row.role,
        invited_by=by.handle if by else "",
        invited_by_name=by.name if by else "",
        expires_at=row.expires_at,
        yours=yours,
        signup=open_to_new and nobody_yet,
        url=f"{ctx.forge.settings.public_url}{PAGE}/{row.id}",
    )
