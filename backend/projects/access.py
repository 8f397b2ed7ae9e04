"""Who may do what with a project: one table, from which code, docs and tests are made.

`project(ctx, ...)` is the only way to get one: it fetches and checks in one step. What an
asker may not see is answered exactly like what does not exist.
"""

from enum import IntEnum, StrEnum

from sqlmodel import col, select

from backend.core import moved
from backend.core.context import Context, Via
from backend.core.errors import Conflict, Forbidden, NotFound
from backend.organizations.models import Membership, Organization, Role
from backend.projects.models import FormerAddress, Project, ProjectState, Proposers, Visibility


class Ability(StrEnum):
    """What one may do with a project."""

    READ = "read"
    PROPOSE = "propose"
    LAND = "land"
    PUSH = "push"
    SETTINGS = "settings"
    DELETE = "delete"


class Standing(IntEnum):
    """How close somebody is to a project, farthest first."""

    STRANGER = 0
    OUTSIDER = 1
    MEMBER = 2
    ADMIN = 3
    OWNER = 4


LEAST: dict[Visibility, dict[Ability, Standing]] = {
    Visibility.PUBLIC: {
        Ability.READ: Standing.STRANGER,
        Ability.PROPOSE: Standing.OUTSIDER,
        Ability.LAND: Standing.MEMBER,
        Ability.PUSH: Standing.MEMBER,
        Ability.SETTINGS: Standing.ADMIN,
        Ability.DELETE: Standing.OWNER,
    },
    Visibility.PRIVATE: {
        Ability.READ: Standing.MEMBER,
        Ability.PROPOSE: Standing.MEMBER,
        Ability.LAND: Standing.MEMBER,
        Ability.PUSH: Standing.MEMBER,
        Ability.SETTINGS: Standing.ADMIN,
        Ability.DELETE: Standing.OWNER,
    },
}

_WRITING = (Ability.PROPOSE, Ability.LAND, Ability.PUSH)
_OF_ROLE = {Role.MEMBER: Standing.MEMBER, Role.ADMIN: Standing.ADMIN, Role.OWNER: Standing.OWNER}
_REFUSAL = {
    Ability.PROPOSE: "Only members of {organization} start sessions in {address}.",
    Ability.LAND: "Only members of {organization} land in {address}. Ask for a review instead: "
    "land with require_approval.",
    Ability.PUSH: "Only members of {organization} push branches and tags to {address}. "
    "Propose a change instead: git push origin HEAD:refs/for/BRANCH, BRANCH being the default one.",
    Ability.SETTINGS: "Only admins of {organization} change the settings of {address}.",
    Ability.DELETE: "Only owners of {organization} delete {address}.",
}


def project(
    ctx: Context, organization: str, handle: str, ability: Ability = Ability.READ
) -> tuple[Project, Organization]:
    """The project of that address, or the one that was there before it moved: then the door is told
    (`backend.core.moved`). NotFound when it may not be seen, Forbidden or Conflict when seen.
    """
    asked = (organization.lower(), handle.lower())
    together = select(Project, Organization).join(Organization)
    row = (
        ctx.db.exec(together.where(Organization.handle == asked[0], Project.handle == asked[1])).first()
        or ctx.db.exec(
            together.join(FormerAddress, col(FormerAddress.project_id) == col(Project.id)).where(
                FormerAddress.organization == asked[0], FormerAddress.handle == asked[1]
            )
        ).first()
    )
    if row is None:
        raise NotFound(what="project")
    found, owner = row
    require(ctx, found, owner, ability)
    if (owner.handle, found.handle) != asked:
        moved.note("/".join(asked), f"{owner.handle}/{found.handle}")
    return found, owner


def by_id(ctx: Context, id: str, ability: Ability = Ability.READ) -> tuple[Project, Organization]:
    """The same, for a project known by its id."""
    found = ctx.db.get(Project, id)
    owner = ctx.db.get(Organization, found.organization_id) if found else None
    if found is None or owner is None:
        raise NotFound(what="project")
    require(ctx, found, owner, ability)
    return found, owner


def require(ctx: Context, found: Project, owner: Organization, ability: Ability) -> None:
    """Raise unless the asker has the ability here."""
    may = abilities(ctx, found)
    if Ability.READ not in may or found.state is not ProjectState.READY:
        raise NotFound(what="project")
    address = f"{owner.handle}/{found.handle}"
    if ability in _WRITING and found.archived:
        raise Conflict(problem=f"{address} is archived and read-only. An admin can unarchive it.")
    if ability not in may:
        raise Forbidden(problem=_REFUSAL[ability].format(organization=owner.handle, address=address))


def abilities(ctx: Context, found: Project) -> list[Ability]:
    """All the asker may do with a project, in the order of the table."""
    standing = standing_of(ctx, found)
    least = dict(LEAST[found.visibility])
    if found.who_may_propose is Proposers.MEMBERS:
        least[Ability.PROPOSE] = max(least[Ability.PROPOSE], Standing.MEMBER)
    if found.protect_main_branch:
        least[Ability.LAND] = Standing.ADMIN
    may = [ability for ability, needed in least.items() if standing >= needed]
    if found.archived:
        may = [a for a in may if a not in _WRITING]
    if elsewhere(ctx, found):
        may = [a for a in may if a is Ability.READ]
    return may


def standing_of(ctx: Context, found: Project) -> Standing:
    """How close the asker is to a project."""
    if ctx.actor.via is Via.SYSTEM:
        return Standing.OWNER
    if not ctx.actor.signed_in:
        return Standing.STRANGER
    if elsewhere(ctx, found):
        return Standing.OUTSIDER
    membership = ctx.db.get(Membership, (found.organization_id, ctx.actor.id))
    # One question a transaction: what nobody holds, the session forgets and asks for again.
    ctx.db.info[Membership, found.organization_id] = membership
    return _OF_ROLE[membership.role] if membership else Standing.OUTSIDER


def elsewhere(ctx: Context, found: Project) -> bool:
    """True when the asker's token is bound to another project: there it reads what is public."""
    only = ctx.actor.limits.get("project")
    return bool(only) and only != found.id


def visible(ctx: Context):  # type: ignore[no-untyped-def]
    """An SQL condition: projects the asker may see."""
    ready = col(Project.state) == ProjectState.READY
    if ctx.actor.via is Via.SYSTEM:
        return ready
    public = col(Project.visibility) == Visibility.PUBLIC
    if not ctx.actor.signed_in:
        return ready & public
    return ready & (public | belongs(ctx))


def belongs(ctx: Context):  # type: ignore[no-untyped-def]
    """An SQL condition: projects the (signed-in) asker is a member of, as far as its token reaches."""
    mine = select(Membership.organization_id).where(Membership.account_id == ctx.actor.id)
    member = col(Project.organization_id).in_(mine)
    if only := ctx.actor.limits.get("project"):
        member = member & (col(Project.id) == only)
    return member
