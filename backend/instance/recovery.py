"""Recovery: the bucket is the forge. An empty database and an old store are a forge again.

Every project, ref, landing and landed session comes back from the logs, with its ids. People do
not: organizations return by their handles, without members, until the first administrator adopts
them. Open sessions, reviews and tokens were records in the database that is gone.
"""

import logging
from dataclasses import dataclass

from sqlmodel import select

from backend.accounts.models import Account
from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import MicelioError
from backend.projects import code, projection, restoring
from backend.projects.models import Project, ProjectState
from backend.sessions.landing import SessionLanded
from backend.sessions.restoring import restore_sessions
from vcs.log import HeadState

FOLLOWS = SessionLanded
"""Whoever imports this follows the log: without that rows are not projected."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recovered:
    """How many projects and landed sessions were brought back, and the ids of projects that were not."""

    projects: int = 0
    sessions: int = 0
    left: tuple[str, ...] = ()


def recover(forge: Forge) -> Recovered:
    """Bring back what the store holds and the database does not, while nobody has an account here.

    Killed at any time it goes on when it is asked again: a project is shown once all of it is there.
    One that cannot be read is told and left, for the doctor.
    """
    ctx = Context(forge, SYSTEM)
    with forge.db.lock("first-start"):
        with ctx.transaction(write=False) as tx:
            if tx.db.exec(select(Account.id).limit(1)).first() is not None:
                return Recovered()
            ready = set(tx.db.exec(select(Project.id).where(Project.state != ProjectState.CREATING)).all())
        projects = sessions = 0
        left = []
        for pool, project in restoring.projects_in(forge.store):
            if project in ready:
                continue
            try:
                restored = _recover(ctx, pool, project)
            except MicelioError as error:
                log.error("project %s was not brought back: %s", project, error.sentence)
                left.append(project)
                continue
            if restored is not None:
                projects, sessions = projects + 1, sessions + restored
    if projects:
        log.warning("%d projects and %d sessions were brought back from the store", projects, sessions)
    return Recovered(projects, sessions, tuple(left))


def _recover(ctx: Context, pool: str, project: str) -> int | None:
    """How many sessions came back with it; None for a project that was deleted."""
    repository = code.repository(ctx.forge, project, pool)
    if repository.catch_up().state is HeadState.DELETED:
        return None
    with ctx.transaction() as tx:
        row = tx.db.get(Project, project) or restoring.restore_row(tx, repository)
    projection.catch_up(ctx.forge, project)
    sessions = restore_sessions(ctx.forge, row, repository)
    with ctx.transaction() as tx:
        restoring.show(tx, project)
    return sessions
