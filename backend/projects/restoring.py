"""Restoring: a project's row made again from what its log was told about it."""

import logging
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlmodel import select

from backend.accounts.handles import claim_handle
from backend.accounts.models import Owner
from backend.core.context import Context
from backend.organizations import access as organization_access
from backend.organizations.models import Organization
from backend.organizations.service import found_organization
from backend.projects import code
from backend.projects.creating import follow_owner, lead_here
from backend.projects.models import Project, ProjectState, Proposers, Visibility
from vcs.about import last_about
from vcs.objects import parse_time
from vcs.repository import Repository
from vcs.store import Store

ORPHANS = "recovered"
"""Organization of projects whose log does not say any more whose they were."""

Choice = TypeVar("Choice", bound=StrEnum)

log = logging.getLogger(__name__)


def projects_in(store: Store) -> Iterator[tuple[str, str]]:
    """Pool and id of every project that has a HEAD, parents before their forks: ids grow with time."""
    found = []
    for listed in store.list("pools/"):
        _, pool, kind, project, *_ = listed.key.split("/")
        if kind == "heads":
            found.append((pool, project))
    yield from sorted(found, key=lambda each: each[1])


def restore_row(ctx: Context, repository: Repository) -> Project:
    """Write the row of a project as its log tells it, still `creating`; its organization is founded
    without members when there is none of that handle.
    """
    found = last_about(repository)
    first, last = found if found is not None else (None, None)
    told = code.told(repository, last) if last is not None else {}
    owner = _organization(ctx, told)
    began = first.at if first is not None else ctx.now()
    parent = told.get("forked_from")
    row = Project(
        id=repository.project,
        pool=repository.pool,
        forked_from=parent if parent and ctx.db.get(Project, parent) else None,
        organization_id=owner.id,
        handle=_handle(ctx, owner, repository.project, told),
        name=told.get("name", ""),
        description=told.get("description", ""),
        website=told.get("website", ""),
        visibility=_choice(Visibility, told.get("visibility"), Visibility.PRIVATE),
        archived=told.get("archived", False),
        protect_main_branch=told.get("protect_main_branch", False),
        who_may_propose=_choice(Proposers, told.get("who_may_propose"), Proposers.ANYONE),
        session_visibility=_choice(Proposers, told.get("session_visibility"), Proposers.MEMBERS),
        created_at=_time(told.get("created_at"), began),
        updated_at=_time(told.get("updated_at"), began),
        deleted_at=parse_time(told["deleted_at"]) if told.get("deleted_at") else None,
    )
    ctx.db.add(row)
    ctx.db.flush()
    lead_here(ctx, row, told.get("redirects", ()))
    if told.get("organization", owner.handle) != owner.handle:
        # This log was told last before its organization was renamed.
        lead_here(ctx, row, [f"{told['organization']}/{row.handle}"])
    ctx.audit("project.restored", f"{owner.handle}/{row.handle}")
    return row


def show(ctx: Context, project: str) -> None:
    """Let everybody see it who may; what was deleted stays so, and can be restored."""
    row = ctx.db.exec(select(Project).where(Project.id == project).with_for_update()).one()
    row.state = ProjectState.DELETED if row.deleted_at else ProjectState.READY
    ctx.db.add(row)


def _organization(ctx: Context, told: dict[str, Any]) -> Organization:
    """Whose it is, under the newest handle that any log tells of; its former handles are its own."""
    handle, was = told.get("organization", ORPHANS), told.get("organization_was", [])
    known = (organization_access.named(ctx, each) for each in (handle, *was))
    found = next((each for each in known if each is not None), None)
    if found is None:
        found = found_organization(ctx, handle=handle, name=told.get("organization_name", ""))
    for each in (handle, *was):
        claim_handle(ctx, each, owner=Owner.ORGANIZATION, owner_id=found.id)
    if found.handle in was:
        old, found.handle = found.handle, handle
        ctx.db.add(found)
        follow_owner(ctx, found, old)
    return found


def _handle(ctx: Context, owner: Organization, project: str, told: dict[str, Any]) -> str:
    handle: str = told.get("project", project)
    taken = select(Project.id).where(Project.organization_id == owner.id, Project.handle == handle)
    if ctx.db.exec(taken).first() is None:
        return handle
    other = f"{handle[:90]}-{project[-8:]}"
    log.warning("two projects of the store were %s/%s; one is %s now", owner.handle, handle, other)
    return other


def _choice(kind: type[Choice], text: str | None, otherwise: Choice) -> Choice:
    return kind(text) if text in [each.value for each in kind] else otherwise


def _time(text: str | None, otherwise: datetime) -> datetime:
    return parse_time(text) if text else otherwise
