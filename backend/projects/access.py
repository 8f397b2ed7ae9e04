"""Who may do what with a project: one table, from which code, docs and tests are made.

`project(ctx, ...)` is the only way to get one: it fetches and checks in one step. What an
asker may not see is answered exactly like what does not exist.
"""

from enum import IntEnum, StrEnum
from functools import lru_cache

from sqlalchemy import ColumnElement, bindparam
from sqlmodel import col, select

from backend.core import moved
from backend.core.context import Context, Via
from backend.core.errors import Conflict, Forbidden, NotFound
from backend.organizations.models import Membership, Organization, Role
from backend.projects.models import (
    Collaborator,
    CollaboratorRole,
    FormerAddress,
    Project,
    ProjectState,
    Proposers,
    Visibility,
)


class Mirrored(Conflict):
    """The trunk follows a repository elsewhere."""

    code = "project.mirrored"
    message = (
        "{address} mirrors another repository, and only the mirror moves its default branch. Push to another "
        "branch, or ask an admin to pause the mirror."
    )


class Ability(StrEnum):
    """What one may do with a project."""

    READ = "read"
    PROPOSE = "propose"
    LAND = "land"
    PUSH = "push"
    SETTINGS = "settings"
    DELETE = "delete"


class Standing(IntEnum):
    """How close somebody is to a project, farthest first.

    A reader was let in to look; who collaborates as `write` or `admin` stands where a member or an
    admin of the organization does, on this one project.
    """

    STRANGER = 0
    OUTSIDER = 1
    READER = 2
    MEMBER = 3
    ADMIN = 4
    OWNER = 5


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
        Ability.READ: Standing.READER,
        Ability.PROPOSE: Standing.READER,
        Ability.LAND: Standing.MEMBER,
        Ability.PUSH: Standing.MEMBER,
        Ability.SETTINGS: Standing.ADMIN,
        Ability.DELETE: Standing.OWNER,
    },
}

_WRITING = (Ability.PROPOSE, Ability.LAND, Ability.PUSH)
_OF_ROLE = {Role.MEMBER: Standing.MEMBER, Role.ADMIN: Standing.ADMIN, Role.OWNER: Standing.OWNER}
_OF_COLLABORATOR = {
    CollaboratorRole.READ: Standing.READER,
    CollaboratorRole.WRITE: Standing.MEMBER,
    CollaboratorRole.ADMIN: Standing.ADMIN,
}
_MEMBERS_LAND = "members of {organization} and collaborators who may write"
_ADMINS_LAND = "admins of {organization}, and collaborators who are admins,"
_REFUSAL = {
    Ability.PROPOSE: "Only members of {organization} and collaborators who may write start sessions in "
    "{address}.",
    Ability.LAND: "Only {lands} land in {address}. Ask for a review instead: land with require_approval.",
    Ability.PUSH: "Only members of {organization} and collaborators who may write push branches and tags to "
    "{address}. Propose a change instead: git push origin HEAD:refs/for/BRANCH, BRANCH being the default "
    "one.",
    Ability.SETTINGS: "Only admins of {organization}, and collaborators who are admins, change the settings "
    "of {address}.",
    Ability.DELETE: "Only owners of {organization} delete {address}.",
}


def project(
    ctx: Context, organization: str, handle: str, ability: Ability = Ability.READ
) -> tuple[Project, Organization]:
    """The project of that address, or the one that was there before it moved: then the door is told
    (`backend.core.moved`). NotFound when it may not be seen, Forbidden or Conflict when seen.
    """
    asked = (organization.lower(), handle.lower())
    at = {"at_organization": asked[0], "at_handle": asked[1]}
    row = ctx.db.exec(_HERE, params=at).first() or ctx.db.exec(_ONCE_HERE, params=at).first()
    if row is None:
        raise NotFound(what="project")
    found, owner = row
    require(ctx, found, owner, ability)
    if (owner.handle, found.handle) != asked:
        moved.note("/".join(asked), f"{owner.handle}/{found.handle}")
    return found, owner


# Made once: every request asks it, and making it costs as much as asking.
_TOGETHER = select(Project, Organization).join(Organization)
_HERE = _TOGETHER.where(
    Organization.handle == bindparam("at_organization"), Project.handle == bindparam("at_handle")
)
_BY_ID = _TOGETHER.where(Project.id == bindparam("of_project"))
_ONCE_HERE = _TOGETHER.join(FormerAddress, col(FormerAddress.project_id) == col(Project.id)).where(
    FormerAddress.organization == bindparam("at_organization"), FormerAddress.handle == bindparam("at_handle")
)


def by_id(ctx: Context, id: str, ability: Ability = Ability.READ) -> tuple[Project, Organization]:
    """The same, for a project known by its id."""
    row = ctx.db.exec(_BY_ID, params={"of_project": id}).first()
    if row is None:
        raise NotFound(what="project")
    found, owner = row
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
    if ability is Ability.LAND and found.mirrored:
        raise Mirrored(address=address)
    if ability not in may:
        lands = _ADMINS_LAND if found.protect_main_branch else _MEMBERS_LAND
        words = {"organization": owner.handle, "address": address}
        raise Forbidden(problem=_REFUSAL[ability].format(**words, lands=lands.format(**words)))


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
    if found.mirrored:
        may = [a for a in may if a is not Ability.LAND]
    if elsewhere(ctx, found):
        may = [a for a in may if a is Ability.READ]
    return may


def set_mirrored(ctx: Context, id: str, *, mirrored: bool) -> None:
    """Give a project's trunk to its mirror, or back."""
    found = ctx.db.exec(select(Project).where(Project.id == id).with_for_update()).one()
    found.mirrored = mirrored
    ctx.db.add(found)
    ctx.ring(f"project:{id}")


def standing_of(ctx: Context, found: Project) -> Standing:
    """How close the asker is to a project."""
    if ctx.actor.via is Via.SYSTEM:
        return Standing.OWNER
    if not ctx.actor.signed_in:
        return Standing.STRANGER
    if elsewhere(ctx, found):
        return Standing.OUTSIDER
    return standing_of_account(ctx, found, ctx.actor.id or "")


def standing_of_account(ctx: Context, found: Project, account_id: str) -> Standing:
    """How close an account is to a project, whatever it shows to be it."""
    membership = ctx.db.get(Membership, (found.organization_id, account_id))
    # One question a transaction: what nobody holds, the session forgets and asks for again.
    ctx.db.info[Membership, found.organization_id, account_id] = membership
    standing = _OF_ROLE[membership.role] if membership else Standing.OUTSIDER
    if standing >= Standing.ADMIN:
        return standing
    collaborator = ctx.db.get(Collaborator, (found.id, account_id))
    ctx.db.info[Collaborator, found.id, account_id] = collaborator
    return max(standing, _OF_COLLABORATOR[collaborator.role]) if collaborator else standing


def elsewhere(ctx: Context, found: Project) -> bool:
    """True when the asker's token is bound to another project: there it reads what is public."""
    only = ctx.actor.limits.get("project")
    return bool(only) and only != found.id


def visible(ctx: Context) -> ColumnElement[bool]:
    """An SQL condition: projects the asker may see."""
    if ctx.actor.via is Via.SYSTEM:
        return _READY
    if not ctx.actor.signed_in:
        return _OPEN
    return _seen(ctx.actor.id, ctx.actor.limits.get("project"))


def belongs(ctx: Context) -> ColumnElement[bool]:
    """An SQL condition: projects where the (signed-in) asker stands as a member or closer, as far as its
    token reaches.
    """
    return _reaches(
        ctx.actor.id, ctx.actor.limits.get("project"), CollaboratorRole.WRITE, CollaboratorRole.ADMIN
    )


_READY = col(Project.state) == ProjectState.READY
_PUBLIC = col(Project.visibility) == Visibility.PUBLIC
_OPEN = _READY & _PUBLIC


# What is kept are conditions and no answers. A page asks for them five times.
@lru_cache(maxsize=512)
def _seen(account: str | None, only: str | None) -> ColumnElement[bool]:
    return _READY & (_PUBLIC | _reaches(account, only, *CollaboratorRole))


@lru_cache(maxsize=512)
def _reaches(account: str | None, only: str | None, *roles: CollaboratorRole) -> ColumnElement[bool]:
    mine = select(Membership.organization_id).where(Membership.account_id == account)
    shared = select(Collaborator.project_id).where(
        Collaborator.account_id == account, col(Collaborator.role).in_(roles)
    )
    reached = col(Project.organization_id).in_(mine) | col(Project.id).in_(shared)
    return reached & (col(Project.id) == only) if only else reached
