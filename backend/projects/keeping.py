"""Keeping: a node that serves git keeps its repositories in shape itself, with a worker on it or without.

A durable job would go to any worker, and a worker sees its own node's disk only. So a web process looks by
the clock too; it begins when no child of its own serves anybody, and who finds another process of the
node at it leaves it to that one.
"""

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import MicelioError
from backend.projects import git, maintenance

BEAT_SECONDS = 60.0
QUIET_SECONDS = 5.0
MOST_DELAYS = 60
"""After so many looks at a busy process it is kept all the same."""

logger = logging.getLogger(__name__)


class Keeper:
    """Keeps the git repositories of this node once a minute, in a thread, until it is closed."""

    def __init__(
        self, forge: Forge, seconds: float = BEAT_SECONDS, quiet_seconds: float = QUIET_SECONDS
    ) -> None:
        self._forge = forge
        self._seconds, self._quiet_seconds = seconds, quiet_seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, after what it is at."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._seconds):
            for _ in range(MOST_DELAYS):
                if not git.server(self._forge).running or self._closed.wait(self._quiet_seconds):
                    break
            if self._closed.is_set():
                return
            try:
                maintenance.keep_git_here(Context(self._forge, SYSTEM))
            except (MicelioError, SQLAlchemyError, OSError) as error:
                logger.warning("git repositories of this node are repacked later: %s", error)
