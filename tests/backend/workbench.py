"""A workbench: projects with code in them, and the few moves that every test of them makes."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

import backend.doors.catalogue  # noqa: F401  registers every operation, fact and job
from backend.accounts.identity import of_token
from backend.core.context import Actor, Context, Forge
from backend.core.operations import invoke, operations
from backend.projects import access, code
from backend.projects.service import create_project
from backend.projects.tree import list_blobs
from backend.sessions import content, files
from backend.sessions.landing import land_session
from backend.sessions.schemas import LandedSession, SessionDetail
from backend.sessions.service import start_session
from tests.scenes import arranged, step
from vcs.paths import quote, unquote

Files = Mapping[str | bytes, bytes | None]


@dataclass(frozen=True)
class Workbench:
    """Moves of people on one forge; a project is "organization/handle"."""

    forge: Forge
    project: str = "acme/notes"

    def on(self, project: str) -> "Workbench":
        """The same forge with another project at hand."""
        return replace(self, project=project)

    @property
    def where(self) -> dict[str, str]:
        """The project's address as arguments."""
        organization, _, handle = self.project.partition("/")
        return {"organization": organization, "project": handle}

    def run(self, actor: Actor, operation: Any, **payload: Any) -> Any:
        """Run an operation the way every door does."""
        return invoke(self.forge, actor, operation, payload)

    def create(self, actor: Actor, **settings: Any) -> Any:
        """Make the project at hand."""
        return self.run(actor, create_project, **self.where, **settings)

    def start(self, actor: Actor, goal: str = "Write it", **more: Any) -> SessionDetail:
        """Start a session in the project at hand."""
        return self.run(actor, start_session, **self.where, goal=goal, **more)

    def store(self, actor: Actor, session: str, text: bytes) -> str:
        """Stage content for a session; its blob id."""
        return content.store_content(self.forge, actor, session, [text]).id

    def push(
        self, actor: Actor, session: str, changes: Files, *, mode: str = "100644", **more: Any
    ) -> SessionDetail:
        """Write files (None: delete them) and push them together."""
        puts = []
        for path, text in changes.items():
            name = quote(path.encode() if isinstance(path, str) else path)
            blob = None if text is None else self.store(actor, session, text)
            puts.append({"path": name, "blob": blob, "mode": mode})
        return self.run(actor, files.push_session, session=session, files=puts, **more)

    def land(self, actor: Actor, session: str, **more: Any) -> LandedSession:
        """Land a session."""
        return self.run(actor, land_session, session=session, **more)

    def landed(self, actor: Actor, changes: Files, **started: Any) -> LandedSession:
        """Start, push and land in one go."""
        session = self.start(actor, **started).id
        self.push(actor, session, changes)
        return self.land(actor, session)

    def tree(self, actor: Actor, ref: str = "HEAD") -> dict[bytes, bytes]:
        """Every file of the project at a ref with its content."""
        page = self.run(actor, list_blobs, **self.where, ref=ref)
        with Context(self.forge, actor).transaction(write=False) as tx:
            found, _ = access.project(tx, self.where["organization"], self.where["project"])
            repository = code.reader(tx, found)
        return {unquote(item.path): repository.read(item.id) for item in page.items}

    def restarted_forge(self) -> Forge:
        """The same folder and database as a process has them that has just started; to be closed."""
        return Forge.open(self.forge.settings, clock=self.forge.clock)

    @contextmanager
    def restarted(self) -> Iterator["Workbench"]:
        """The workbench of that process."""
        with closing(self.restarted_forge()) as forge:
            yield replace(self, forge=forge)


@step("bench")
def projects_are_made(forge: Forge) -> None:
    arranged(forge, "acme")
    bench, ada = Workbench(forge), arranged(forge, "ada")
    bench.create(ada, visibility="public")
    bench.on("acme/plans").create(ada, visibility="private")


@pytest.fixture
def bench(forge, acme, ada) -> Workbench:
    """acme/notes is public, acme/plans is private; both are empty."""
    arranged(forge, "bench")
    return Workbench(forge)


@pytest.fixture
def agent_of(forge) -> Any:
    """An agent with a token of somebody's, which may be bound to a project and to paths."""

    def agent_of(actor: Actor, *, project: str | None = None, paths: tuple[str, ...] = ()) -> Actor:
        scopes = ["project:read", "project:write", "session:read", "session:write"]
        asked = {"name": "agent", "scopes": scopes, "kind": "agent", "paths": list(paths)}
        made = invoke(forge, actor, operations()["create_access_token"], {**asked, "project": project})
        return of_token(forge, made.token, Actor(address=actor.address))

    return agent_of
