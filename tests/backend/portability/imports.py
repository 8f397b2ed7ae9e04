"""The moves of every import test: ask, work, look; and what a project gives back, SHA-1 by SHA-1."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

import backend.doors.catalogue  # noqa: F401  registers every operation, fact and job
from backend.core import jobs
from backend.core.context import SYSTEM, Actor, Context, Forge
from backend.core.operations import invoke
from backend.portability.models import ImportFile
from backend.portability.schemas import ImportStatus
from backend.portability.service import cancel_import, get_import, import_project
from backend.projects import access, code, git
from backend.sessions.models import Permit
from tests.vcs.gits import Git
from vcs.git.process import run_git


@dataclass(frozen=True)
class Imports:
    """What people do with imports on one forge."""

    forge: Forge

    def run(self, actor: Actor, operation: Any, **payload: Any) -> Any:
        return invoke(self.forge, actor, operation, payload)

    def ask(self, actor: Actor, source: str | Path, project: str = "acme/taken", **more: Any) -> ImportStatus:
        organization, _, handle = project.partition("/")
        return self.run(
            actor, import_project, source_url=str(source), organization=organization, project=handle, **more
        )

    def work(self) -> None:
        """Let the worker do all that waits."""
        jobs.drain(self.forge)

    def look(self, actor: Actor, asked: ImportStatus) -> ImportStatus:
        return self.run(actor, get_import, import_id=asked.id)

    def done(
        self, actor: Actor, source: str | Path, project: str = "acme/taken", **more: Any
    ) -> ImportStatus:
        """Ask, let it work, and see that it ended well."""
        asked = self.ask(actor, source, project, **more)
        self.work()
        ended = self.look(actor, asked)
        assert (ended.state.value, ended.problem) == ("done", ""), ended.problem
        return ended

    def cancel(self, actor: Actor, asked: ImportStatus) -> None:
        self.run(actor, cancel_import, import_id=asked.id)

    def leftovers(self) -> list[str]:
        """What imports have on the worker's disk and in SQL."""
        folder = self.forge.settings.data / "imports"
        found = [path.name for path in folder.iterdir()] if folder.exists() else []
        with self.forge.db.transaction(write=False) as db:
            found += db.exec(select(ImportFile.key)).all()
            found += db.exec(select(Permit.landing)).all()
        return sorted(found)

    def files(self) -> list[str]:
        """Every file in the store, tombstones of projects aside."""
        return [each.key for each in self.forge.store.list("pools/") if "/files/" in each.key]

    @contextmanager
    def restarted(self) -> Iterator["Imports"]:
        """The same after a restart of the process."""
        with closing(Forge.open(self.forge.settings, clock=self.forge.clock)) as forge:
            yield Imports(forge)

    def repository(self, project: str = "acme/taken") -> Path:
        """The project's git repository, as git clients are shown it."""
        organization, _, handle = project.partition("/")
        with Context(self.forge, SYSTEM).transaction(write=False) as tx:
            found, _ = access.project(tx, organization, handle)
            shown = git.follow(tx, found)
        code.repository(self.forge, found.id, found.pool).catch_up()
        shown.catch_up()
        return shown.path


def refs_of(folder: Path) -> dict[str, str]:
    """Branches, tags and notes of a repository."""
    printed = run_git(
        folder, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags", "refs/notes"
    )
    return {line.split(" ", 1)[1]: line.split(" ", 1)[0] for line in printed.stdout.decode().splitlines()}


def objects_of(folder: Path) -> set[str]:
    """All that branches, tags and notes reach."""
    asked = ("rev-list", "--objects", "--no-object-names", "--branches", "--tags", "--glob=refs/notes")
    return set(
        run_git(folder, *asked, GIT_NO_REPLACE_OBJECTS="1", GIT_GRAFT_FILE="/dev/null/none")
        .stdout.decode()
        .split()
    )


def dot_git(git: Git) -> Path:
    return git.folder / ".git"


@pytest.fixture
def imports(forge, acme) -> Imports:
    return Imports(forge)


@pytest.fixture
def operator(ada) -> Actor:
    """ada, who also runs the instance and so may name folders of the server."""
    return replace(ada, admin=True)
