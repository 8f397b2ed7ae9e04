"""Leaving: what becomes of memberships when somebody's account is deleted."""

from sqlmodel import col, func, select

from backend.core.context import Context
from backend.organizations.facts import OwnerChanged
from backend.organizations.models import Membership, Organization, Role
from backend.projects.models import Project


def owned_alone(ctx: Context, account_id: str) -> list[str]:
    """Handles of the shared organizations that nobody else owns, in order.

    Everything this account owns is locked until the transaction ends: owners are changed under that lock,
    so none of the others leaves meanwhile. Counted is afterwards, by a statement that sees who left before.
    """
    owned = (
        select(Organization)
        .join(Membership, col(Membership.organization_id) == col(Organization.id))
        .where(
            Membership.account_id == account_id,
            Membership.role == Role.OWNER,
            col(Organization.personal).is_(False),
        )
        .order_by(col(Organization.id))
        .with_for_update(of=Organization)
    )
    handles = {row.id: row.handle for row in ctx.db.exec(owned).all()}
    alone = (
        select(Membership.organization_id)
        .where(Membership.role == Role.OWNER, col(Membership.organization_id).in_(list(handles)))
        .group_by(col(Membership.organization_id))
        .having(func.count() == 1)
    )
    return sorted(handles[id] for id in ctx.db.exec(alone).all())


def leave_everything(ctx: Context, account_id: str, handle: str) -> None:
    """End every membership, and the personal organization of that handle with them.

    Where deleted projects can still come back, its row stays, with nothing in it.
    """
    for membership in ctx.db.exec(select(Membership).where(Membership.account_id == account_id)).all():
        ctx.db.delete(membership)
    ctx.db.flush()
    own = ctx.db.exec(select(Organization).where(Organization.handle == handle)).one()
    own.name = own.description = ""
    ctx.db.add(own)
    ctx.emit(OwnerChanged(own.id))
    if ctx.db.exec(select(Project.id).where(Project.organization_id == own.id).limit(1)).first() is None:
        ctx.db.delete(own)
