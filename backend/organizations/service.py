"""Organizations: who owns projects together.

Every shared organization has at least one owner at any time. Owners are made and unmade by
owners only; admins look after everybody else; anybody may leave. Members come by invitation
(`backend.invitations`), so nobody belongs to anything without having said yes.
"""

from sqlmodel import col, func, select

from backend.accounts.handles import check_handle, claim_handle
from backend.accounts.models import Account, Owner
from backend.core.bell import reach_of
from backend.core.context import Context
from backend.core.errors import Conflict, Forbidden, Kind, MicelioError
from backend.core.operations import operation
from backend.organizations import access
from backend.organizations.facts import OwnerChanged
from backend.organizations.models import Membership, Organization, Role
from backend.organizations.schemas import (
    Cursor,
    Description,
    HandleText,
    Limit,
    MemberPage,
    MemberSummary,
    Name,
    OrganizationPage,
    OrganizationSummary,
)
from vcs.objects import new_id


class LastOwner(Conflict):
    """Nobody would be left to own the organization."""

    code = "organization.last_owner"
    message = "{handle} is the last owner of {organization}. Make somebody else an owner first."


class NotAMember(MicelioError):
    """Nobody of that handle belongs there; whether there is such an account stays unsaid."""

    kind = Kind.NOT_FOUND
    code = "member.missing"
    message = "{handle} is no member of {organization}. Invite them: mic org invite {organization} {handle}."


@operation(scope="org:admin", http="POST /api/v1/orgs", rpc="OrganizationService.CreateOrganization")
def create_organization(
    ctx: Context, *, handle: HandleText, name: Name = "", description: Description = ""
) -> OrganizationSummary:
    """Create an organization; whoever makes it owns it."""
    found = found_organization(
        ctx, handle=check_handle(handle), name=name, description=description, owner_id=ctx.actor.id
    )
    ctx.audit("organization.created", found.handle)
    return summary(ctx, found, Role.OWNER)


@operation(
    scope="org:read",
    http="GET /api/v1/orgs/{organization}",
    rpc="OrganizationService.GetOrganization",
)
def get_organization(ctx: Context, *, organization: HandleText) -> OrganizationSummary:
    """Look at an organization's public facts and your role in it."""
    return summary(ctx, *access.organization(ctx, organization))


@operation(
    scope="org:read",
    http="GET /api/v1/user/orgs",
    anonymous=False,
    rpc="OrganizationService.ListOrganizations",
)
def list_organizations(ctx: Context, *, cursor: Cursor = "", limit: Limit = 50) -> OrganizationPage:
    """List the organizations you belong to, your personal one included."""
    rows = ctx.db.exec(
        select(Organization, Membership.role)
        .join(Membership, col(Membership.organization_id) == col(Organization.id))
        .where(Membership.account_id == ctx.actor.id, col(Organization.handle) > cursor)
        .order_by(col(Organization.handle))
        .limit(limit + 1)
    ).all()
    items = [summary(ctx, found, role) for found, role in rows[:limit]]
    return OrganizationPage(items=items, next=items[-1].handle if len(rows) > limit else None)


@operation(
    scope="org:admin",
    http="PATCH /api/v1/orgs/{organization}",
    rpc="OrganizationService.UpdateOrganization",
)
def update_organization(
    ctx: Context,
    *,
    organization: HandleText,
    name: Name | None = None,
    description: Description | None = None,
) -> OrganizationSummary:
    """Change an organization's name or description; what is left out stays."""
    found, role = access.organization(ctx, organization, at_least=Role.ADMIN)
    if name is not None:
        found.name = name
    if description is not None:
        found.description = description
    ctx.db.add(found)
    ctx.emit(OwnerChanged(found.id))
    return summary(ctx, found, role)


@operation(
    scope="org:read",
    http="GET /api/v1/orgs/{organization}/members",
    rpc="OrganizationService.ListMembers",
)
def list_members(
    ctx: Context, *, organization: HandleText, cursor: Cursor = "", limit: Limit = 50
) -> MemberPage:
    """List who belongs to an organization; only its members see that."""
    found, _ = access.shared(ctx, organization, at_least=Role.MEMBER)
    rows = ctx.db.exec(
        select(Membership, Account)
        .join(Account, col(Account.id) == col(Membership.account_id))
        .where(Membership.organization_id == found.id, col(Account.handle) > cursor)
        .order_by(col(Account.handle))
        .limit(limit + 1)
    ).all()
    items = [_member(found, membership, account) for membership, account in rows[:limit]]
    return MemberPage(items=items, next=items[-1].handle if len(rows) > limit else None)


@operation(
    scope="org:admin",
    http="PUT /api/v1/orgs/{organization}/members/{handle}",
    rpc="OrganizationService.UpdateMember",
)
def update_member(ctx: Context, *, organization: HandleText, handle: HandleText, role: Role) -> MemberSummary:
    """Give a member another role. Admins only; owners make and unmake owners.

    Raises NotAMember, LastOwner. Whoever is not a member yet is invited.
    """
    found, own = access.shared(ctx, organization, at_least=Role.ADMIN, locked=True)
    membership, account = _membership(ctx, found, handle)
    if role is membership.role:
        return _member(found, membership, account)
    if Role.OWNER in (role, membership.role) and own is not Role.OWNER:
        raise Forbidden(problem=f"Only owners of {found.handle} make and unmake owners.")
    if membership.role is Role.OWNER:
        _keep_an_owner(ctx, found, account)
    membership.role = role
    ctx.db.add(membership)
    ctx.audit("member.changed", found.handle, member=account.handle, role=role.value)
    return _member(found, membership, account)


@operation(
    scope="org:admin",
    http="DELETE /api/v1/orgs/{organization}/members/{handle}",
    rpc="OrganizationService.RemoveMember",
)
def remove_member(ctx: Context, *, organization: HandleText, handle: HandleText) -> MemberSummary:
    """Remove a member, or leave; answers who that was."""
    leaving = handle.lower() == ctx.actor.handle
    found, own = access.shared(
        ctx, organization, at_least=Role.MEMBER if leaving else Role.ADMIN, locked=True
    )
    membership, account = _membership(ctx, found, handle)
    if membership.role is Role.OWNER:
        if own is not Role.OWNER:
            raise Forbidden(problem=f"Only owners of {found.handle} make and unmake owners.")
        _keep_an_owner(ctx, found, account)
    ctx.db.delete(membership)
    ctx.ring(reach_of(account.id))
    ctx.audit("member.removed", found.handle, member=account.handle)
    return _member(found, membership, account)


def found_organization(
    ctx: Context,
    *,
    handle: str,
    name: str = "",
    description: str = "",
    personal: bool = False,
    owner_id: str | None = None,
    handle_claimed: bool = False,
) -> Organization:
    """Write down a new organization of a checked handle, and who owns it.

    Without an owner it waits for the first administrator (`adopt_organizations`). A personal one
    shares the handle its account has claimed already.
    """
    found = Organization(
        id=new_id(),
        handle=handle,
        name=name,
        description=description,
        personal=personal,
        created_at=ctx.now(),
    )
    if not handle_claimed:
        claim_handle(ctx, handle, owner=Owner.ORGANIZATION, owner_id=found.id)
    ctx.db.add(found)
    ctx.db.flush()
    if owner_id is not None:
        _own(ctx, found, owner_id)
    return found


def join_organization(ctx: Context, found: Organization, account: Account, role: Role) -> None:
    """Make somebody a member, who has said yes; who is one already keeps the stronger role."""
    membership = ctx.db.get(Membership, (found.id, account.id))
    if membership is None:
        membership = Membership(
            organization_id=found.id, account_id=account.id, role=role, joined_at=ctx.now()
        )
    elif access.RANK[role] > access.RANK[membership.role]:
        membership.role = role
    ctx.db.add(membership)


def adopt_organizations(ctx: Context, owner_id: str) -> None:
    """Give every organization without members to an account: what was made before anybody came."""
    taken = select(Membership.organization_id)
    left = col(Organization.id).not_in(taken) & col(Organization.deleted_at).is_(None)
    for found in ctx.db.exec(select(Organization).where(left)).all():
        _own(ctx, found, owner_id)


def summary(ctx: Context, found: Organization, role: Role | None) -> OrganizationSummary:
    """An organization as one with that role sees it."""
    return OrganizationSummary(
        id=found.id,
        handle=found.handle,
        name=found.name,
        description=found.description,
        personal=found.personal,
        role=role,
        created_at=found.created_at,
        url=f"{ctx.forge.settings.public_url}/{found.handle}",
    )


def _own(ctx: Context, found: Organization, account_id: str) -> None:
    ctx.db.add(
        Membership(organization_id=found.id, account_id=account_id, role=Role.OWNER, joined_at=ctx.now())
    )


def _membership(ctx: Context, found: Organization, handle: str) -> tuple[Membership, Account]:
    row = ctx.db.exec(
        select(Membership, Account)
        .join(Account, col(Account.id) == col(Membership.account_id))
        .where(Membership.organization_id == found.id, Account.handle == handle.lower())
    ).first()
    if row is None:
        raise NotAMember(handle=handle.lower(), organization=found.handle)
    return row


def _keep_an_owner(ctx: Context, found: Organization, leaving: Account) -> None:
    others = ctx.db.exec(
        select(func.count())
        .select_from(Membership)
        .where(
            Membership.organization_id == found.id,
            Membership.role == Role.OWNER,
            Membership.account_id != leaving.id,
        )
    ).one()
    if not others:
        raise LastOwner(handle=leaving.handle, organization=found.handle)


def _member(found: Organization, membership: Membership, account: Account) -> MemberSummary:
    return MemberSummary(
        organization=found.handle,
        handle=account.handle,
        name=account.name,
        role=membership.role,
        joined_at=membership.joined_at,
    )
