"""A forge behind a real HTTP server, and real git beside it.

`place` is one world that many tests read and none changes: acme/open has branches, tags and notes,
acme/secret is private, acme/empty is empty. Tests that change something have a `world` of their own.
"""

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from sqlmodel import select

from backend.accounts.identity import of_token
from backend.core.context import Actor, Forge
from backend.core.operations import invoke, operations
from backend.doors.routes import own_app
from backend.projects import code, projection
from backend.projects.models import Project
from backend.sessions import content
from tests.backend.doors.git.pushes import Desk, clone
from tests.backend.doors.worlds import Template, World
from tests.services import free_port
from tests.vcs.logs import move_refs
from vcs.repository import Repository

DEADLINE = 60.0
_numbers = count(1)


@dataclass
class Ran:
    """How git ended."""

    code: int
    out: str
    err: str


class Client:
    """Somebody's git, in a folder of its own, out of reach of any configuration."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)

    def __call__(self, *words: str, at: str | Path = ".", input: str | None = None, **env: str) -> Ran:
        """Run git whatever becomes of it."""
        done = subprocess.run(
            ["git", *map(str, words)],
            cwd=self.home / at,
            input=input,
            capture_output=True,
            text=True,
            env=self.environment() | env,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, **options: Any) -> str:
        """Run git, which must succeed; what it prints."""
        ran = self(*words, **options)
        assert ran.code == 0, f"git {' '.join(map(str, words))}: {ran.err}"
        return ran.out

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "LC_ALL": "C",
        }


class Place:
    """A world, its address, and moves in it."""

    def __init__(self, world: World, url: str) -> None:
        self.world, self.forge, self.url = world, world.forge, url

    def of(self, project: str, person: str = "") -> str:
        """The address that git takes, with somebody's credentials in it."""
        token = self.world.tokens.get(person, "")
        url = self.url.replace("http://", f"http://{person}:{token}@") if token else self.url
        return f"{url}/acme/{project}"

    def run(self, operation: str, person: str = "grace", **payload: Any) -> dict[str, Any]:
        """Run an operation as somebody."""
        actor = of_token(self.forge, self.world.tokens[person], Actor())
        return invoke(self.forge, actor, operations()[operation], payload).model_dump()

    def start(self, project: str, files: dict[str, bytes], person: str = "grace") -> str:
        """A session that changes files; its id."""
        goal = f"Write {', '.join(files)}"
        session = self.run("start_session", person, organization="acme", project=project, goal=goal)["id"]
        for path, text in files.items():
            blob = self.store(session, text, person)
            self.run("put_session_file", person, session=session, path=path, blob=blob)
        return session

    def store(self, session: str, text: bytes, person: str = "grace") -> str:
        """Stage content for a session; its blob id."""
        actor = of_token(self.forge, self.world.tokens[person], Actor())
        return content.store_content(self.forge, actor, session, [text]).id

    def land(self, project: str, files: dict[str, bytes]) -> dict[str, Any]:
        """Land files."""
        return self.run("land_session", session=self.start(project, files))

    def row(self, project: str) -> Project:
        """A project's row."""
        with self.forge.db.transaction(write=False) as db:
            return db.exec(select(Project).where(Project.handle == project)).one()

    def repository(self, project: str) -> Repository:
        """A project's log."""
        row = self.row(project)
        found = code.repository(self.forge, row.id, row.pool)
        found.catch_up()
        return found

    def move_refs(self, project: str, changes: dict[str, str | None]) -> None:
        """Move branches, tags and notes in the log, and let rows follow."""
        repository = self.repository(project)
        move_refs(repository, changes)
        projection.catch_up(self.forge, repository.project)

    def shas(self, project: str) -> list[str]:
        """git's names of the positions' commits, first to last."""
        return [sha1.hex() for _, sha1 in self.repository(project).index.positions(0)]


@contextmanager
def serving(forge: Forge) -> Iterator[str]:
    """The address of a forge behind granian, in a thread of this process."""
    port = free_port()
    server = Server(own_app(forge), "127.0.0.1", port, interface=Interfaces.ASGINL)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{port}"
    until(lambda: _answers(f"{address}/health/live"))
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(DEADLINE)
        loop.close()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def until(holds: Any, seconds: float = DEADLINE) -> Any:
    """Wait for a condition; its value."""
    deadline = monotonic() + seconds
    while not (value := holds()):
        assert monotonic() < deadline, "waited in vain"
        sleep(0.01)
    return value


@pytest.fixture
def git(tmp_path: Path) -> Client:
    return Client(tmp_path / "home")


@pytest.fixture(scope="module")
def place(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Everybody's to read."""
    with template.copied(tmp_path_factory.mktemp("place") / "data") as world, serving(world.forge) as url:
        yield furnished(Place(world, url))


@pytest.fixture
def own(world: World) -> Iterator[Place]:
    """One test's to change."""
    with serving(world.forge) as url:
        yield Place(world, url)


def furnished(place: Place) -> Place:
    """acme/open with six positions, branches, a tag and notes; acme/empty with nothing."""
    for number in range(4):
        place.land("open", {f"d/{number}.txt": b"line\n" * (number + 1), "big.txt": b"%d" % number * 5000})
    commits = [place.repository("open").commit_at(position) for position in range(1, 7)]
    place.move_refs(
        "open",
        {
            "refs/heads/side": commits[2],
            "refs/heads/topic/deep": commits[3],
            "refs/tags/v1": commits[1],
            "refs/notes/commits": commits[0],
        },
    )
    place.run("create_project", organization="acme", project="empty", visibility="public")
    return place


@pytest.fixture(scope="module")
def busy(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A forge for a module's tests, each with a project of its own."""
    with template.copied(tmp_path_factory.mktemp("busy") / "data") as world, serving(world.forge) as url:
        yield Place(world, url)


@pytest.fixture
def desk(busy: Place, tmp_path: Path) -> Desk:
    """A new public project with one landing, cloned by grace."""
    project = f"p{next(_numbers)}"
    busy.run("create_project", "ada", organization="acme", project=project, visibility="public")
    busy.land(project, {"README.md": b"# Here\n", "src/a.txt": b"1\n"})
    return clone(busy, project, Client(tmp_path / "home"), "work")


@pytest.fixture
def bare(busy: Place, tmp_path: Path) -> Desk:
    """A new project with nothing in it, and a repository beside it."""
    project = f"p{next(_numbers)}"
    busy.run("create_project", "ada", organization="acme", project=project, visibility="public")
    git = Client(tmp_path / "home")
    return clone(busy, project, git, "work")
