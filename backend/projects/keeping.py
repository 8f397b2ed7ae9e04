"""Keeping: a node keeps its git repositories in shape itself, by durable jobs or by a beat.

One lock decides who does, a file in the data folder. A worker holds it from its first look until
it ends: it states what is due, and jobs that only this node's workers take do it (decision 0018). A web
process looks by the clock too and finds the lock taken; where no worker lives, it takes the lock and
does the work itself, when no child of its own serves anybody. Who of them dies leaves a repository
that is right and due.
"""

import logging
import threading
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from backend.core import jobs
from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import MicelioError
from backend.core.events import fact
from backend.core.node import node_name
from backend.projects import git, maintenance
from vcs import disk

BEAT_SECONDS = 60.0
AFTER_FAILURE = timedelta(hours=1)
QUIET_SECONDS = 5.0
MOST_DELAYS = 60
"""After so many looks at a busy process it is kept all the same."""

logger = logging.getLogger(__name__)


@fact
@dataclass(frozen=True)
class GitUpkeepDue:
    """Upkeep would improve the git repository of a project on a node."""

    project: str
    node: str


def state_what_git_is_due(ctx: Context) -> None:
    """Emit a fact for each git repository of this node that is due, unless a job for it waits, runs or has
    failed within the hour: a full disk is not filled with facts about it.

    Whoever asks is the node's keeper from then on, until the forge is closed; not while somebody else is.
    """
    if not ctx.forge.part(_Keeping, lambda: _Keeping(ctx.forge)).begun():
        return
    if due := git.due_for_upkeep(ctx.forge):
        node = node_name(ctx.forge)
        asked = jobs.unfinished(ctx.forge, GitUpkeepDue, node)
        asked += jobs.failed(ctx.forge, GitUpkeepDue, node, since=ctx.now() - AFTER_FAILURE)
        known = {each.project for each in asked}
        with ctx.transaction() as tx:
            for project in due:
                if project not in known:
                    tx.emit(GitUpkeepDue(project, node))


def keep_git_here(ctx: Context) -> None:
    """Repack each git repository of this node that is due, unless somebody else is its keeper.

    What fails or is killed is due again.
    """
    with _lock(ctx.forge) as mine:
        for project in git.due_for_upkeep(ctx.forge) if mine else ():
            try:
                maintenance.keep_git(ctx, project)
            except (MicelioError, OSError):
                # The others are not to wait for one whose folder the disk does not let us write.
                logger.exception("the git repository of project %s could not be repacked", project)


class Keeper:
    """Keeps the git repositories of a node without a worker once a minute, in a thread, until closed."""

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
                keep_git_here(Context(self._forge, SYSTEM))
            except (MicelioError, SQLAlchemyError, OSError) as error:
                logger.warning("git repositories of this node are repacked later: %s", error)


class _Keeping:
    """The lock of the node's keeper, held from when it could be had."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self._held = ExitStack()
        self._begun = False

    def begun(self) -> bool:
        """Take the lock if it is free; whether it is ours."""
        if not self._begun:
            with ExitStack() as tried:
                self._begun = tried.enter_context(_lock(self._forge))
                if self._begun:
                    self._held = tried.pop_all()
        return self._begun

    def close(self) -> None:
        """Let go of it."""
        self._held.close()


def _lock(forge: Forge) -> AbstractContextManager[bool]:
    # Not in the folder of the repositories, which may be deleted at any time.
    forge.settings.data.mkdir(parents=True, exist_ok=True)
    return disk.only_one(forge.settings.data / "keeping.lock")
