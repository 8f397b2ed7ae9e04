"""Leaving: what becomes of memberships when somebody's account is deleted."""

from sqlmodel import col, func, select

from backend.core.context import Context
from backend.organizations.models import Membership, Organization, Role
from backend.projects.models import Project


def owned_alone(ctx: Context, account_id: str) -> list[str]:
    """Handles of the shared organizations that nobody else owns."""
    owners = (
        select(Membership.organization_id)
        .where(Membership.role == Role.OWNER)
        .group_by(col(Membership.organization_id))
        .having(func.count() == 1)
    )
    alone = (
        select(Organization.handle)
        .join(Membership, col(Membership.organization_id) == col(Organization.id))
        .where(
            Membership.account_id == account_id,
            Membership.role == Role.OWNER,
            col(Organization.personal).is_(False),
            col(Organization.id).in_(owners),
        )
        .order_by(col(Organization.handle))
        # Owners are changed under this lock, so none of the others leaves meanwhile.
        .with_for_update(of=Organization)
    )
    return list(ctx.db.exec(alone).all())


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
    if ctx.db.exec(select(Project.id).where(Project.organization_id == own.id).limit(1)).first() is None:
        ctx.db.delete(own)
