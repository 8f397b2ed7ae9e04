"""Forgetting: no node keeps what a purge erased, whether anybody asks it for the project or not.

Who reads a purged project drops old copies first (`code.reader`). This is for processes that nobody
asks: without it, erased bytes would lie on a node's disk until newer ones push them out.
"""

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import MicelioError
from backend.projects import code, git
from backend.projects.models import Cursor, Project

BEAT_SECONDS = 30.0

logger = logging.getLogger(__name__)


def forget_erased(forge: Forge) -> int:
    """Drop what this process and this node's disk hold of projects from before their last purge.

    Returns for how many projects that was due; a project whose store does not answer stays due.
    """
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        query = select(Project, Cursor.sequence).join(Cursor, col(Cursor.project) == col(Project.id))
        purges = tx.db.exec(query.where(col(Cursor.name) == code.PURGED)).all()
    return sum(_forget(forge, *purge) for purge in purges)


def _forget(forge: Forge, project: Project, purged: int) -> bool:
    if not code.keeps_from_before(forge, project.id, purged):
        return False
    try:
        held = code.repository(forge, project.id, project.pool)
        held.catch_up()
        # The mark comes last, so that a failure is met again.
        git.forget_erased(forge, project.id, project.pool, purged)
        code.forget_erased(forge, held, purged)
    except MicelioError as error:
        logger.warning("copies of project %s are dropped later: %s", project.id, error.sentence)
        return False
    return True


class Forgetter:
    """Forgets at once and then every half minute, in a thread, until it is closed."""

    def __init__(self, forge: Forge, seconds: float = BEAT_SECONDS) -> None:
        self._forge = forge
        self._seconds = seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forgetter", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                forget_erased(self._forge)
            except (MicelioError, SQLAlchemyError) as error:
                logger.warning("what was erased could not be looked up: %s", error)
            self._closed.wait(self._seconds)
