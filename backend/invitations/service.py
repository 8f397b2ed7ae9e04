"""Inviting: an admin names somebody by handle or e-mail address, and they answer.

Nobody belongs anywhere without having said yes. What is answered to whoever invites does not
depend on whether an e-mail address has an account here. The link goes to the mailbox alone, since
it proves the address when an account is made with it.
"""

from datetime import timedelta

from sqlmodel import col, delete, func, or_, select

from backend.accounts import letters
from backend.accounts.models import Account
from backend.accounts.people import account_called, check_email, digest, new_secret
from backend.core.context import Context
from backend.core.errors import Conflict, Forbidden, Kind, MicelioError, NotFound
from backend.core.jobs import every
from backend.core.operations import operation
from backend.invitations.models import TeamInvitation
from backend.invitations.schemas import (
    HandleText,
    Invitee,
    RowId,
    TeamInvitationList,
    TeamInvitationSummary,
)
from backend.invitations.targets import Target, state_of, target_of
from backend.organizations import access as organization_access
from backend.organizations.models import Role
from backend.projects import access as project_access
from backend.projects.access import Ability
from backend.projects.collaborators import people_only, role_on
from backend.projects.models import CollaboratorRole, Project
from vcs.objects import new_id

LIFETIME = timedelta(days=7)
AGAIN = timedelta(minutes=1)
"""How soon the same person may be mailed about the same thing again."""
KEPT = timedelta(days=30)
"""How long one that expired can still be sent again."""
MOST_WAITING = 100
PER_MINUTE = 30
MAILS_PER_MINUTE = 5
PAGE = "/invite"


class AlreadyIn(Conflict):
    """Whoever is invited belongs there already."""

    code = "invitation.needless"
    message = "{invitee} has a place in {address} already, as {role}."


class NoSuchAccount(MicelioError):
    """Nobody has that handle."""

    kind = Kind.NOT_FOUND
    code = "account.missing"
    message = "There is no account {handle}. Somebody without one is invited by e-mail address."


class TooSoon(Conflict):
    """This person was mailed a moment ago."""

    code = "invitation.too_soon"
    message = "{invitee} was mailed a moment ago. Wait a minute before sending it again."


@operation(
    scope="org:admin",
    http="POST /api/v1/orgs/{organization}/invitations",
    status=201,
    rpc="OrganizationService.InviteMember",
)
def invite_member(
    ctx: Context, *, organization: HandleText, invitee: Invitee, role: Role = Role.MEMBER
) -> TeamInvitationSummary:
    """Invite somebody to an organization, by handle or e-mail address. Admins only; owners invite owners.

    They have seven days to say yes. Inviting the same person again replaces the invitation before.
    Raises AlreadyIn, NoSuchAccount, BadEmail, TooSoon.
    """
    found, own = organization_access.shared(ctx, organization, at_least=Role.ADMIN, locked=True)
    people_only(ctx)
    if role is Role.OWNER and own is not Role.OWNER:
        raise Forbidden(problem=f"Only owners of {found.handle} invite owners.")
    return _invite(ctx, Target(found), invitee, role.value)


@operation(
    scope="org:read",
    http="GET /api/v1/orgs/{organization}/invitations",
    anonymous=False,
    rpc="OrganizationService.ListMemberInvitations",
)
def list_member_invitations(ctx: Context, *, organization: HandleText) -> TeamInvitationList:
    """List invitations to an organization that were not answered. Admins only."""
    found, _ = organization_access.shared(ctx, organization, at_least=Role.ADMIN)
    return _listed(ctx, Target(found))


@operation(
    scope="project:write",
    http="POST /api/v1/projects/{organization}/{project}/invitations",
    status=201,
    rpc="ProjectService.InviteCollaborator",
)
def invite_collaborator(
    ctx: Context,
    *,
    organization: HandleText,
    project: HandleText,
    invitee: Invitee,
    role: CollaboratorRole = CollaboratorRole.WRITE,
) -> TeamInvitationSummary:
    """Invite somebody to work on one project, by handle or e-mail address. Admins only.

    Who reads sees a private project and starts sessions in it; who writes lands and pushes like a
    member; an admin changes its settings. Raises AlreadyIn, NoSuchAccount, BadEmail, TooSoon.
    """
    found, owner = project_access.project(ctx, organization, project, Ability.SETTINGS)
    people_only(ctx)
    ctx.db.exec(select(Project.id).where(Project.id == found.id).with_for_update()).one()
    return _invite(ctx, Target(owner, found), invitee, role.value)


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/invitations",
    anonymous=False,
    rpc="ProjectService.ListCollaboratorInvitations",
)
def list_collaborator_invitations(
    ctx: Context, *, organization: HandleText, project: HandleText
) -> TeamInvitationList:
    """List invitations to a project that were not answered. Admins only."""
    found, owner = project_access.project(ctx, organization, project, Ability.SETTINGS)
    return _listed(ctx, Target(owner, found))


@operation(
    scope="org:admin",
    http="POST /api/v1/team-invitations/{invitation_id}/resend",
    rpc="InvitationService.ResendTeamInvitation",
)
def resend_team_invitation(ctx: Context, *, invitation_id: RowId) -> TeamInvitationSummary:
    """Mail an invitation again, good for seven days from now; the link before stops working. Admins only.

    Raises TooSoon.
    """
    row, target = _administered(ctx, invitation_id)
    if not target.may_be_given(ctx, ctx.actor.id or "", row.role):
        raise Forbidden(problem=f"Only owners of {target.address} invite owners.")
    _send(ctx, row, target)
    ctx.audit("invitation.resent", target.address, invitee=_invitee(ctx, row))
    return _shown(ctx, row, target)


@operation(
    scope="org:admin",
    http="DELETE /api/v1/team-invitations/{invitation_id}",
    rpc="InvitationService.RevokeTeamInvitation",
)
def revoke_team_invitation(ctx: Context, *, invitation_id: RowId) -> TeamInvitationSummary:
    """Take an invitation back; its link stops working. Admins only."""
    row, target = _administered(ctx, invitation_id)
    shown = _shown(ctx, row, target)
    ctx.db.delete(row)
    ctx.audit("invitation.revoked", target.address, invitee=shown.invitee)
    return shown


def forget_invitations(ctx: Context, *, account: Account | None = None, target: str | None = None) -> None:
    """Delete those to or from an account, or those to an organization or project of that id."""
    if account is not None:
        chosen = or_(
            col(TeamInvitation.account_id) == account.id,
            col(TeamInvitation.invited_by) == account.id,
            col(TeamInvitation.email) == account.email,
        )
    else:
        chosen = or_(col(TeamInvitation.organization_id) == target, col(TeamInvitation.project_id) == target)
    ctx.db.exec(delete(TeamInvitation).where(chosen))


@every(seconds=3600)
def forget_unanswered_invitations(ctx: Context) -> None:
    """Delete invitations, and the addresses in them, that expired a month ago."""
    ctx.db.exec(delete(TeamInvitation).where(col(TeamInvitation.expires_at) < ctx.now() - KEPT))


def _invite(ctx: Context, target: Target, invitee: str, role: str) -> TeamInvitationSummary:
    ctx.forge.limit(f"invite:{ctx.actor.id}", PER_MINUTE)
    account, email = None, ""
    if "@" in invitee:
        email = check_email(invitee)
    else:
        account = _somebody_new(ctx, target, invitee.strip())
    row = ctx.db.exec(
        _to(target).where(
            TeamInvitation.email == email,
            col(TeamInvitation.account_id).is_not_distinct_from(account.id if account else None),
        )
    ).first()
    if row is None:
        _keep_few(ctx, target)
        row = TeamInvitation(
            id=new_id(),
            secret_hash="",
            organization_id=None if target.project else target.organization.id,
            project_id=target.project.id if target.project else None,
            role=role,
            account_id=account.id if account else None,
            email=email,
            invited_by=ctx.actor.id or "",
            created_at=ctx.now(),
            sent_at=ctx.now() - LIFETIME,
            expires_at=ctx.now(),
        )
    row.role = role
    _send(ctx, row, target)
    shown = _shown(ctx, row, target)
    ctx.audit("invitation.sent", target.address, invitee=shown.invitee, role=role)
    return shown


def _somebody_new(ctx: Context, target: Target, handle: str) -> Account:
    account = account_called(ctx, handle)
    if account is None:
        raise NoSuchAccount(handle=handle.lower())
    if target.project is not None:
        role = role_on(ctx, target.project, account.id)
        if target.organization.personal and target.organization.handle == account.handle:
            raise AlreadyIn(invitee=account.handle, address=target.address, role="its owner")
    else:
        role = organization_access.role_of(ctx, target.organization, account.id)
    if role is not None:
        raise AlreadyIn(invitee=account.handle, address=target.address, role=role.value)
    return account


def _send(ctx: Context, row: TeamInvitation, target: Target) -> None:
    """Give it a new secret and seven days, in the asker's name, and mail it."""
    if row.sent_at > ctx.now() - AGAIN:
        raise TooSoon(invitee=_invitee(ctx, row))
    account = ctx.db.get(Account, row.account_id) if row.account_id else None
    to = account.email if account else row.email
    ctx.forge.limit(f"invited:{to}", MAILS_PER_MINUTE)
    secret = new_secret()
    row.secret_hash, row.invited_by = digest(secret), ctx.actor.id or ""
    row.sent_at, row.expires_at = ctx.now(), ctx.now() + LIFETIME
    ctx.db.add(row)
    ctx.db.flush()
    letters.team_invitation(
        ctx,
        to,
        by=ctx.actor.handle,
        place=target.address,
        role=row.role,
        project=target.project is not None,
        link=f"{ctx.forge.settings.public_url}{PAGE}/{row.id}?token={secret}",
        until=row.expires_at,
    )


def _keep_few(ctx: Context, target: Target) -> None:
    waiting = ctx.db.exec(select(func.count()).select_from(_to(target).subquery())).one()
    if waiting >= MOST_WAITING:
        raise Conflict(
            problem=f"{target.address} has {waiting} invitations that nobody answered. Revoke some first."
        )


def _administered(ctx: Context, id: str) -> tuple[TeamInvitation, Target]:
    """An invitation that the asker looks after; the same NotFound for everybody else."""
    row = ctx.db.get(TeamInvitation, id)
    target = target_of(ctx, row, locked=True) if row else None
    if row is None or target is None:
        raise NotFound(what="invitation")
    ctx.db.refresh(row)
    if target.project is not None:
        mine = project_access.standing_of(ctx, target.project) >= project_access.Standing.ADMIN
    else:
        own = organization_access.role_in(ctx, target.organization)
        mine = own is not None and organization_access.RANK[own] >= organization_access.RANK[Role.ADMIN]
    if not mine:
        raise NotFound(what="invitation")
    people_only(ctx)
    return row, target


def _listed(ctx: Context, target: Target) -> TeamInvitationList:
    rows = ctx.db.exec(_to(target).order_by(col(TeamInvitation.id).desc())).all()
    return TeamInvitationList(items=[_shown(ctx, row, target) for row in rows])


def _to(target: Target):  # type: ignore[no-untyped-def]
    if target.project is not None:
        return select(TeamInvitation).where(TeamInvitation.project_id == target.project.id)
    return select(TeamInvitation).where(TeamInvitation.organization_id == target.organization.id)


def _invitee(ctx: Context, row: TeamInvitation) -> str:
    account = ctx.db.get(Account, row.account_id) if row.account_id else None
    return account.handle if account else row.email


def _shown(ctx: Context, row: TeamInvitation, target: Target) -> TeamInvitationSummary:
    by = ctx.db.get(Account, row.invited_by)
    return TeamInvitationSummary(
        id=row.id,
        organization=target.organization.handle,
        project=target.project.handle if target.project else None,
        invitee=_invitee(ctx, row),
        role=row.role,
        invited_by=by.handle if by else "",
        state=state_of(ctx, row, target),
        created_at=row.created_at,
        sent_at=row.sent_at,
        expires_at=row.expires_at,
    )
