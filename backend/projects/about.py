"""About: the log is told of a project's settings, so that the store alone can bring it back.

The row in SQL is what counts; a fact says that it changed, and the job that reacts writes the
row as it is by then. What the log was told last is remembered as a digest, so that it is not
told twice; told twice after a crash, it would still say the same.
"""

import hashlib
import json
from dataclasses import dataclass

from sqlmodel import select

from backend.core.context import Context
from backend.core.errors import Unavailable
from backend.core.events import fact
from backend.organizations.models import Organization
from backend.projects import code
from backend.projects.creating import about_of
from backend.projects.models import Project, ProjectState, Upkeep
from vcs.about import append_about
from vcs.collection import YOUNG
from vcs.landing import ProjectNotOpen


@fact
@dataclass(frozen=True)
class ProjectChanged:
    """Somebody changed a project's settings; `actor` is the account's id."""

    project: str
    actor: str | None


def tell_log(ctx: Context, project: str, *, actor: str | None) -> bool:
    """Write the settings as they are now into the log; False when it knows them.

    Raises Unavailable while a purge holds the log.
    """
    with ctx.transaction(write=False) as tx:
        query = select(Project, Organization).join(Organization).where(Project.id == project)
        found = tx.db.exec(query).first()
        if found is None or found[0].state not in (ProjectState.READY, ProjectState.DELETED):
            return False
        row, owner = found
        about = about_of(tx, row, owner)
        known = tx.db.get(Upkeep, project)
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    if known is not None and known.told == digest:
        return False
    with ctx.forge.db.lock(f"landing:{project}"):
        try:
            repository = code.repository(ctx.forge, row.id, row.pool)
            append_about(repository, summary=about, actor=actor, at=ctx.now())
        except ProjectNotOpen as closed:
            raise Unavailable(problem=f"{closed.sentence} Its settings are written later.") from closed
    with ctx.transaction() as tx:
        upkeep = tx.db.get(Upkeep, project) or Upkeep(project=project, collect_at=tx.now() + YOUNG)
        upkeep.told = digest
        tx.db.add(upkeep)
    return True
