"""Subjects: what can be shown elsewhere, and what is said of it there.

A subject is made of the shapes that doors show, so a page that holds one already knows its picture's
address. `tag` stands for everything that is said: it changes when that does, and so does the address.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from backend.core.addresses import Pattern
from backend.core.context import Actor, Forge
from backend.core.errors import NotFound
from backend.core.operations import invoke
from backend.organizations.schemas import OrganizationSummary
from backend.organizations.service import get_organization
from backend.projects.landings import get_landing
from backend.projects.models import Proposers
from backend.projects.schemas import LandingDetail, LandingSummary, ProjectSummary, Visibility
from backend.projects.service import get_project
from backend.sessions.models import Status
from backend.sessions.schemas import SessionDetail, SessionSummary
from backend.sessions.service import get_session

LOOK = "1"
"""Counts up when pictures are drawn differently."""

LONGEST = 600
"""Letters of a title or description that are kept: no picture shows more."""

PROJECT = Pattern("/{organization}/{project}")
LANDING = Pattern("/{organization}/{project}/landings/{position}")
SESSION = Pattern("/{organization}/{project}/sessions/{session}")
OWNER = Pattern("/{organization}")


@dataclass(frozen=True)
class Subject:
    """One thing as it is shown elsewhere.

    `home` is the project's or owner's id and `key` its name there; `kind` is the word above the title.
    `asked` titles are goals, which people wrote; others are names. `facts` stand at the foot.
    """

    home: str
    key: str
    kind: str
    address: str
    path: str
    title: str
    says: str
    author: str
    facts: tuple[str, ...]
    asked: bool = False

    @property
    def tag(self) -> str:
        """32 hex digits for all that is said."""
        said = (LOOK, self.kind, self.address, self.title, self.says, self.author, *self.facts)
        return hashlib.sha256("\0".join(said).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def picture(self) -> str:
        """The address of its picture."""
        return f"/og{self.path}.png?v={self.tag}"


def of_project(project: ProjectSummary) -> Subject:
    """A project by its name."""
    address = f"{project.organization}/{project.handle}"
    return Subject(
        home=project.id,
        key="project",
        kind="Project",
        address=address,
        path=_path(project.organization, project.handle),
        title=project.name[:LONGEST],
        says=project.description[:LONGEST],
        author=project.organization,
        facts=(_counted(project.position, "landing"),),
    )


def of_landing(landing: LandingSummary, project: ProjectSummary) -> Subject:
    """A landing by its goal."""
    changed = f"+{landing.additions} \u2212{landing.deletions}"
    return Subject(
        home=project.id,
        key=f"landing-{landing.position}",
        kind=f"Landing #{landing.position}",
        address=f"{landing.organization}/{landing.project}",
        path=_path(landing.organization, landing.project, "landings", str(landing.position)),
        title=landing.goal[:LONGEST],
        says=landing.summary[:LONGEST],
        author=_who(landing.agent, landing.written_by or landing.author_name or landing.author),
        facts=(_counted(landing.files, "file"), changed, f"{landing.landed_at:%-d %B %Y}"),
        asked=True,
    )


def of_session(session: SessionSummary, project: ProjectSummary) -> Subject:
    """A session by its goal."""
    return Subject(
        home=project.id,
        key=f"session-{session.id}",
        kind="Session",
        address=f"{session.organization}/{session.project}",
        path=_path(session.organization, session.project, "sessions", session.id),
        title=session.goal[:LONGEST],
        says=session.summary[:LONGEST],
        author=_who(session.agent, session.author_name or session.author),
        facts=(session.status.value.replace("_", " "), _counted(session.files, "file")),
        asked=True,
    )


def of_owner(owner: OrganizationSummary) -> Subject:
    """A person or an organization."""
    return Subject(
        home=owner.id,
        key="owner",
        kind="Person" if owner.personal else "Organization",
        address=owner.handle,
        path=_path(owner.handle),
        title=(owner.name or owner.handle)[:LONGEST],
        says=owner.description[:LONGEST],
        author=owner.handle,
        facts=(),
    )


def find_subject(forge: Forge, path: str, caller: Actor) -> Subject:
    """What a percent-encoded path of a page shows to a stranger; NotFound when it shows them nothing.

    `caller` pays for looking; who it is makes no difference.
    """
    stranger = Actor(address=caller.address, user_agent=caller.user_agent)
    if found := LANDING.arguments(path):
        position = found["position"]
        if not (position.isascii() and position.isdigit()) or len(position) > 15:
            raise NotFound(what="landing")
        project = _project(forge, stranger, found)
        where = {"organization": project.organization, "project": project.handle}
        landing = invoke(forge, stranger, get_landing, {**where, "position": int(position)})
        assert isinstance(landing, LandingDetail)
        return of_landing(landing, project)
    if found := SESSION.arguments(path):
        project = _project(forge, stranger, found)
        session = invoke(forge, stranger, get_session, {"session": found["session"]})
        assert isinstance(session, SessionDetail)
        if (session.organization, session.project) != (project.organization, project.handle):
            raise NotFound(what="session")
        return of_session(session, project)
    if found := PROJECT.arguments(path):
        return of_project(_project(forge, stranger, found))
    if found := OWNER.arguments(path):
        owner = invoke(forge, stranger, get_organization, found)
        assert isinstance(owner, OrganizationSummary)
        return of_owner(owner)
    raise NotFound(what="page to show elsewhere")


def is_public(project: ProjectSummary) -> bool:
    """Whether strangers see the project, so that it has a picture."""
    return project.visibility is Visibility.PUBLIC


def is_shown(session: SessionSummary, project: ProjectSummary) -> bool:
    """Whether strangers see the session."""
    shared = session.status is Status.LANDED or project.session_visibility is Proposers.ANYONE
    return is_public(project) and shared


def _project(forge: Forge, stranger: Actor, found: Mapping[str, str]) -> ProjectSummary:
    where = {name: found[name] for name in ("organization", "project")}
    project = invoke(forge, stranger, get_project, where)
    assert isinstance(project, ProjectSummary)
    return project


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part, safe='@')}" for part in parts)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _who(agent: str, person: str) -> str:
    return f"{agent} for {person}" if agent else person
