"""Who may do what with an organization: `organization(ctx, ...)` fetches and checks in one step.

One that was renamed is found by its former handles too, and the door is told (`backend.core.moved`).

That an organization exists is public, like its name; who belongs to it is not. Who may not see
something gets the same NotFound as for an organization that does not exist.
"""

from sqlmodel import select

from backend.accounts.handles import owner_of
from backend.accounts.models import Owner
from backend.core import moved
from backend.core.context import Context, Via
from backend.core.errors import Forbidden, NotFound
from backend.organizations.models import Membership, Organization, Role

RANK = {role: rank for rank, role in enumerate(Role)}
"""Roles by strength, weakest first."""

_NEEDS = {Role.MEMBER: "members", Role.ADMIN: "admins", Role.OWNER: "owners"}


def organization(
    ctx: Context, handle: str, at_least: Role | None = None, *, locked: bool = False
) -> tuple[Organization, Role | None]:
    """The organization that has or had that handle, and the asker's role in it.

    With `at_least`, NotFound for whoever is no member and Forbidden for a member of a lower role.
    `locked` keeps others from changing its members until this transaction ends.
    """
    found = named(ctx, handle, locked=locked)
    if found is None or found.deleted_at is not None:
        raise NotFound(what="organization")
    role = role_in(ctx, found)
    if at_least is not None:
        if role is None:
            raise NotFound(what="organization")
        if RANK[role] < RANK[at_least]:
            raise Forbidden(problem=f"Only {_NEEDS[at_least]} of {found.handle} may do that.")
    if found.handle != handle.lower():
        moved.note(handle.lower(), found.handle)
    return found, role


def named(ctx: Context, handle: str, *, locked: bool = False) -> Organization | None:
    """The organization that has that handle, or had it before it was renamed; deleted ones too. It asks
    for no permission and tells nobody.
    """
    query = select(Organization).where(Organization.handle == handle.lower())
    found = ctx.db.exec(query.with_for_update() if locked else query).first()
    if found is None and (id := owner_of(ctx, handle, Owner.ORGANIZATION)) is not None:
        query = select(Organization).where(Organization.id == id)
        found = ctx.db.exec(query.with_for_update() if locked else query).first()
    return found


def shared(
    ctx: Context, handle: str, at_least: Role | None = None, *, locked: bool = False
) -> tuple[Organization, Role | None]:
    """The same, for what a personal organization does not have: members and their page."""
    found, role = organization(ctx, handle, at_least, locked=locked)
    if found.personal:
        raise NotFound(what="organization")
    return found, role


def role_in(ctx: Context, found: Organization) -> Role | None:
    """The asker's role; None for outsiders, and for a token that is bound to one project."""
    if ctx.actor.via is Via.SYSTEM:
        return Role.OWNER
    if not ctx.actor.signed_in or ctx.actor.limits.get("project"):
        return None
    return role_of(ctx, found, ctx.actor.id or "")


def role_of(ctx: Context, found: Organization, account_id: str) -> Role | None:
    """An account's role, whatever it shows to be it."""
    membership = ctx.db.get(Membership, (found.id, account_id))
    return membership.role if membership else None
