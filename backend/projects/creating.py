"""Beginning projects: a row that nobody sees, then the log, then everybody may see it.

A crash between the two leaves a row that is `creating`; whoever calls `finish_creating` again,
the sweeper at last, takes up where it ended. A fork is seen only once its rows say all that its
inherited log says, so no page of it ever shows half a history.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select

from backend.accounts.handles import handles_of
from backend.core.context import Context
from backend.core.errors import Conflict
from backend.organizations.models import Organization
from backend.projects import code, projection
from backend.projects.models import Cursor, FormerAddress, Project, ProjectState, Upkeep, Visibility
from vcs.forks import ParentGone, fork_project
from vcs.landing import ProjectNotOpen
from vcs.log import Head, HeadState
from vcs.objects import format_time, new_id
from vcs.repository import ProjectExists, Repository


class ProjectTaken(Conflict):
    """The address is in use."""

    code = "project.taken"
    message = "There is already a project {address}. Choose another handle."


class AddressKept(Conflict):
    """The address was a project's that moved, or that was deleted."""

    code = "project.address_kept"
    message = "{address} was another project's address and is kept for it. Choose another handle."


def new_project(
    ctx: Context,
    owner: Organization,
    handle: str,
    *,
    name: str,
    description: str,
    visibility: Visibility,
    parent: Project | None = None,
) -> Project:
    """The row of a project that is about to begin, of its own or as a fork. Raises ProjectTaken and
    AddressKept.
    """
    id = new_id()
    row = Project(
        id=id,
        pool=parent.pool if parent else id,
        forked_from=parent.id if parent else None,
        organization_id=owner.id,
        handle=handle,
        name=name,
        description=description,
        visibility=visibility,
        created_by=ctx.actor.id,
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    ctx.db.add(row)
    settle_at(ctx, row, owner)
    return row


def settle_at(ctx: Context, row: Project, owner: Organization) -> None:
    """Write down a project's address unless somebody else has or had it. Raises ProjectTaken, AddressKept."""
    # Said before the flush: after a failed one the session answers nothing.
    id, handle, address = row.id, row.handle, f"{owner.handle}/{row.handle}"
    with ctx.db.no_autoflush:
        _not_of_another(ctx, owner, handle, but=id)
    try:
        ctx.db.flush()
    except IntegrityError:
        raise ProjectTaken(address=address) from None
    # Asked after the flush: who had the address has written down where they went by then.
    kept = ctx.db.get(FormerAddress, (owner.handle, handle))
    if kept is not None and kept.project_id != id:
        raise AddressKept(address=address)
    if kept is not None:
        ctx.db.delete(kept)


def free_address(ctx: Context, owner: Organization, handle: str) -> None:
    """Raise what `settle_at` would raise for a new project, as far as one can know before."""
    _not_of_another(ctx, owner, handle, but="")
    if ctx.db.get(FormerAddress, (owner.handle, handle)) is not None:
        raise AddressKept(address=f"{owner.handle}/{handle}")


def _not_of_another(ctx: Context, owner: Organization, handle: str, *, but: str) -> None:
    there = select(Project.state).where(
        Project.organization_id == owner.id, Project.handle == handle, Project.id != but
    )
    state = ctx.db.exec(there).first()
    if state is None:
        return
    address = f"{owner.handle}/{handle}"
    kept = state in (ProjectState.DELETED, ProjectState.ERASED)
    raise AddressKept(address=address) if kept else ProjectTaken(address=address)


def former_addresses(ctx: Context, project: str) -> list[str]:
    """Where a project was before, as `organization/project`."""
    query = select(FormerAddress).where(FormerAddress.project_id == project)
    return sorted(f"{each.organization}/{each.handle}" for each in ctx.db.exec(query))


def lead_here(ctx: Context, row: Project, addresses: Iterable[str]) -> None:
    """Make former addresses lead to a project, as far as they lead nowhere else."""
    for address in addresses:
        organization, _, handle = address.partition("/")
        if ctx.db.get(FormerAddress, (organization, handle)) is None:
            ctx.db.add(FormerAddress(organization=organization, handle=handle, project_id=row.id))


def follow_owner(ctx: Context, owner: Organization, old: str) -> None:
    """Make what the addresses of an organization's projects were under its former handle lead to them.

    Raises AddressKept when the organization comes back to a handle under which another project was.
    """
    rows = ctx.db.exec(select(Project.handle, Project.id).where(Project.organization_id == owner.id))
    was = select(FormerAddress).where(col(FormerAddress.organization).in_([old, owner.handle]))
    before = {(each.organization, each.handle): each for each in ctx.db.exec(was)}
    for handle, id in rows.all():
        kept = before.get((owner.handle, handle))
        if kept is not None and kept.project_id != id:
            raise AddressKept(address=f"{owner.handle}/{handle}")
        if kept is not None:
            ctx.db.delete(kept)
        if (old, handle) not in before:
            ctx.db.add(FormerAddress(organization=old, handle=handle, project_id=id))


def finish_creating(ctx: Context, id: str) -> None:
    """Begin the project's log and show it. Safe to repeat: the sweeper calls it after a crash.

    Raises ParentGone or ProjectNotOpen for a fork whose parent takes none; its row is gone then.
    """
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, id)
        if row is None or row.state is not ProjectState.CREATING:
            return
        owner = tx.db.get(Organization, row.organization_id)
        parent = tx.db.get(Project, row.forked_from) if row.forked_from else None
        assert owner is not None
        about = about_of(tx, row, owner)
    if parent is not None:
        _branch_off(ctx, row, parent, about)
    else:
        _begin(ctx, row, about)
    with ctx.transaction() as tx:
        ready = tx.db.exec(select(Project).where(Project.id == id).with_for_update()).first()
        if ready is not None and ready.state is ProjectState.CREATING:
            ready.state = ProjectState.READY
            tx.db.add(ready)


def begin_log(ctx: Context, id: str) -> None:
    """Begin the log of a project that is shown later: its history has to land first. Safe to repeat."""
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, id)
        owner = tx.db.get(Organization, row.organization_id) if row else None
        assert row is not None and owner is not None
        about = about_of(tx, row, owner)
    _begin(ctx, row, about)


def show(ctx: Context, id: str) -> None:
    """Let everybody see a project whose first history has landed."""
    row = ctx.db.exec(select(Project).where(Project.id == id).with_for_update()).one()
    if row.state is ProjectState.IMPORTING:
        row.state = ProjectState.READY
        ctx.db.add(row)


def take_away(ctx: Context, id: str) -> None:
    """Delete the rows of a project that nobody but an import has touched; its log has ended before."""
    projection.drop(ctx, id)
    ctx.db.exec(delete(Cursor).where(col(Cursor.project) == id))
    ctx.db.exec(delete(Upkeep).where(col(Upkeep.project) == id))
    ctx.db.exec(delete(FormerAddress).where(col(FormerAddress.project_id) == id))
    row = ctx.db.get(Project, id)
    if row is not None:
        ctx.db.delete(row)


def about_of(ctx: Context, row: Project, owner: Organization) -> dict[str, Any]:
    """What the log is told of a project beside its code: enough to bring its row back."""
    return {
        "organization": owner.handle,
        "organization_name": owner.name,
        "organization_was": [each for each in handles_of(ctx, owner.id) if each != owner.handle],
        "project": row.handle,
        "name": row.name,
        "description": row.description,
        "website": row.website,
        "visibility": row.visibility.value,
        "archived": row.archived,
        "protect_main_branch": row.protect_main_branch,
        "who_may_propose": row.who_may_propose.value,
        "session_visibility": row.session_visibility.value,
        "forked_from": row.forked_from,
        "created_at": format_time(row.created_at),
        "updated_at": format_time(row.updated_at),
        "deleted_at": format_time(row.deleted_at) if row.deleted_at else None,
        "redirects": former_addresses(ctx, row.id),
    }


def _begin(ctx: Context, row: Project, about: dict[str, Any]) -> None:
    path = code.index_path(ctx.forge, row.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Somebody may have finished it a moment ago, and something landed since: that is no fault.
    with suppress(ProjectExists):
        Repository.create(
            ctx.forge.store,
            row.id,
            path,
            actor=row.created_by,
            summary=about,
            at=row.created_at,
        ).close()


def _branch_off(ctx: Context, row: Project, parent: Project, about: dict[str, Any]) -> None:
    forge = ctx.forge
    # Nobody lands in the parent meanwhile, so that its rows say just what the fork begins with.
    with forge.db.lock(f"landing:{parent.id}"):
        try:
            source = code.repository(forge, parent.id, parent.pool)
            fork_project(source, row.id, actor=row.created_by, summary=about, at=row.created_at)
        except ProjectExists:
            # Finished by somebody else, unless all that is left of it is a tombstone.
            if Head.decode(forge.store.read_head(row.pool, row.id)[0]).state is HeadState.DELETED:
                _give_up(ctx, row.id)
                raise ParentGone(project=parent.handle) from None
        except (ParentGone, ProjectNotOpen):
            _give_up(ctx, row.id)
            raise
        projection.catch_up(forge, parent.id)
        projection.inherit(forge, parent.id, row.id)
    projection.catch_up(forge, row.id)


def _give_up(ctx: Context, id: str) -> None:
    with ctx.transaction() as tx:
        row = tx.db.get(Project, id)
        if row is not None and row.state is ProjectState.CREATING:
            tx.db.delete(row)
