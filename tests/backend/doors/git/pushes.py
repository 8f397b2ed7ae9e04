"""Moves of people who push, and what a refused push has to leave as it was."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmodel import select

from backend.accounts.people import account_called
from backend.core.context import SYSTEM, Context
from backend.projects import access
from backend.projects.collaborators import join_project
from backend.projects.models import CollaboratorRole
from backend.sessions.models import Permit, WorkSession

if TYPE_CHECKING:
    from tests.backend.doors.git.conftest import Client, Place, Ran


@dataclass
class Desk:
    """One project, a clone of it, and the moves of whoever pushes."""

    place: "Place"
    project: str
    git: "Client"
    at: str = "work"
    person: str = "grace"

    def run(self, *words: str) -> "Ran":
        """Run git in the clone whatever becomes of it."""
        return self.git(*words, at=self.at)

    def ok(self, *words: str) -> str:
        """Run git in the clone, which must succeed; what it prints."""
        return self.git.ok(*words, at=self.at)

    def url(self, person: str) -> str:
        """The project's address with somebody's credentials."""
        return self.place.of(self.project, person)

    def write(self, files: dict[str, str]) -> None:
        """Write files into the clone."""
        for name, text in files.items():
            path = self.git.home / self.at / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, name: str, text: str = "text\n", *, message: str = "") -> str:
        """Commit one file; the commit's SHA-1."""
        self.write({name: text})
        self.ok("add", "-A")
        self.ok("commit", "-q", "-m", message or f"Write {name}")
        return self.tip()

    def tip(self, ref: str = "HEAD") -> str:
        """What a ref of the clone holds."""
        return self.ok("rev-parse", ref).strip()

    def push(self, *words: str) -> str:
        """Push, which must succeed; what git and the forge said."""
        ran = self.run("push", *words)
        assert ran.code == 0, ran.err
        return _without_padding(ran.err)

    def refused(self, *words: str) -> str:
        """Push, which must fail and change nothing at all; what was said."""
        before = state(self.place, self.project)
        ran = self.run("push", *words)
        assert ran.code != 0, ran.err
        assert state(self.place, self.project) == before
        return _without_padding(ran.err)

    def refs(self) -> dict[str, str]:
        """The project's refs as a client sees them, landings left out."""
        listed = [line.split() for line in self.git.ok("ls-remote", self.url(self.person)).splitlines()]
        return {name: sha1 for sha1, name in listed if not name.startswith("refs/landings/")}

    def other(self, at: str, person: str = "grace") -> "Desk":
        """Another clone."""
        return clone(self.place, self.project, self.git, at, person)

    def session(self, **where: Any) -> dict[str, Any]:
        """The newest session of the project."""
        found = self.place.run("list_sessions", "ada", organization="acme", project=self.project)
        return self.place.run("get_session", "ada", session=found["items"][0]["id"])


def _without_padding(said: str) -> str:
    return "\n".join(line.rstrip() for line in said.splitlines())


def clone(place: "Place", project: str, git: "Client", at: str, person: str = "grace") -> Desk:
    """A clone with an author."""
    git.ok("clone", "-q", place.of(project, person), at)
    git.ok("config", "user.name", "Grace Hopper", at=at)
    git.ok("config", "user.email", "grace@example.org", at=at)
    git.ok("checkout", "-q", "-B", "main", at=at)
    return Desk(place, project, git, at, person)


def admit(place: "Place", handle: str, role: CollaboratorRole) -> None:
    """Make somebody a collaborator of acme/secret."""
    with Context(place.world.forge, SYSTEM).transaction() as ctx:
        found, _ = access.project(ctx, "acme", "secret")
        join_project(ctx, found, account_called(ctx, handle), role)


def state(place: "Place", project: str) -> dict[str, Any]:
    """All that a refused push must leave as it was: store, rows, folder, quarantine."""
    row = place.row(project)
    forge = place.forge
    with forge.db.transaction(write=False) as db:
        sessions = db.exec(select(WorkSession.id).where(WorkSession.project_id == row.id)).all()
        permits = db.exec(select(Permit.landing).where(Permit.project_id == row.id)).all()
    folder = forge.settings.data / "git"
    return {
        "head": forge.store.read_head(row.pool, row.id),
        "store": sorted(listed.key for listed in forge.store.list(f"pools/{row.pool}/")),
        "sessions": sorted(sessions),
        "permits": sorted(permits),
        "quarantine": sorted(path.name for path in (folder / "quarantine").glob("*")),
        "uploads": sorted(path.name for path in (forge.settings.data / "uploads").glob("*")),
    }
