"""One forge on which everybody stands somewhere else, and what each of them may do there.

The tables here are written by hand and not made from `projects/access`: they are what the table there is
compared with, at every page, route and rpc.

    stranger  nobody: not signed in          member    belongs to acme
    outsider  has an account, no more        admin     of acme
    reader    lets in to look, one project   owner     of acme
    writer    collaborates, one project      operator  runs the instance and belongs to nothing
    keeper    collaborates as an admin

Each project of acme has a word of its own in its description, goals and files (`WORDS`): where it may not be
seen, its word must not be read anywhere.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import select

from backend.accounts import browsers
from backend.accounts.models import Account
from backend.accounts.people import new_account
from backend.core.context import SYSTEM, Actor, Context, Forge, Via
from backend.core.operations import SCOPES, invoke, operations
from backend.organizations.models import Organization, Role
from backend.organizations.service import join_organization
from backend.projects import access
from backend.projects.collaborators import join_project
from backend.projects.models import CollaboratorRole
from backend.sessions import content
from tests.backend.doors.cases import NOBODY
from tests.backend.doors.worlds import Template

RANK = ("stranger", "outsider", "reader", "writer", "member", "keeper", "admin", "owner")
PEOPLE = (*RANK, "operator")
HANDLES = {
    "outsider": "mallory",
    "reader": "rosalind",
    "writer": "edith",
    "member": "grace",
    "keeper": "katherine",
    "admin": "barbara",
    "owner": "ada",
    "operator": "margaret",
}
WORDS = {"open": "amber", "shut": "jade", "secret": "obsidian", "vault": "malachite", "gone": "feldspar"}
"""Public, archived, private, private and archived, deleted."""
PUBLIC, ARCHIVED = ("open", "shut"), ("shut", "vault")
MISSING = "nothing"

READ = {"open": "stranger", "shut": "stranger", "secret": "reader", "vault": "reader"}
PROPOSE = {"open": "outsider", "secret": "reader"}
LAND = {"open": "writer", "secret": "writer"}
SETTINGS = dict.fromkeys(READ, "keeper")
DELETE = dict.fromkeys(READ, "owner")
VIEW = dict.fromkeys(READ, "writer")
"""Who may see a session that is open: it is of a member, and landings are read as its project is."""
CHANGE = {"open": "member", "secret": "member"}
"""Its author, who is the member, and admins."""
NOTE = {"open": "writer", "secret": "writer"}


def rank(person: str) -> int:
    """How close somebody is to every project of acme; who runs the instance is an outsider."""
    return RANK.index("outsider" if person == "operator" else person)


def may(person: str, project: str, least: Mapping[str, str]) -> bool:
    """Whether somebody is close enough to a project for what a table says."""
    return project in least and rank(person) >= RANK.index(least[project])


@dataclass(frozen=True)
class Grounds:
    """The forge, who stands on it, their tokens and cookies, and ids by name."""

    forge: Forge
    people: Mapping[str, Actor]
    tokens: Mapping[str, str]
    cookies: Mapping[str, str]
    names: Mapping[str, str]

    def of(self, project: str) -> dict[str, str]:
        """Ids of what is in a project, by what they are."""
        return {k.partition(".")[2]: v for k, v in self.names.items() if k.startswith(f"{project}.")}

    def said(self, value: Any, project: str) -> Any:
        """Something about acme/open as it is about another project; "$open.draft" becomes an id."""
        if isinstance(value, str) and value.startswith("$"):
            name = value[1:].replace("open.", f"{project}.", 1)
            return self.names.get(name, "0" * 64 if name.endswith(".blob") else NOBODY)
        if isinstance(value, Mapping):
            return {key: self.said(item, project) for key, item in value.items()}
        return [self.said(item, project) for item in value] if isinstance(value, list) else value


def unseen(person: str) -> list[str]:
    """The words that somebody must not read."""
    return [word for project, word in WORDS.items() if not may(person, project, READ)]


@contextmanager
def grounds_on(template: Template, folder: Path) -> Iterator[Grounds]:
    """A copy of the made world where more people and projects are."""
    with template.copied(folder) as world:
        people = {"stranger": Actor(address="192.0.2.99")}
        cookies: dict[str, str] = {"stranger": ""}
        _arrive(world.forge, people, cookies)
        _stand(world.forge, people)
        names = dict(world.names)
        for project in WORDS:
            _furnish(world.forge, people, names, project)
        for project in (*PUBLIC, "secret", "vault"):
            _let_in(world.forge, people, project)
        for project in ARCHIVED:
            _run(world.forge, people["owner"], "update_project", _at(project) | {"archived": True})
        _run(world.forge, people["owner"], "delete_project", _at("gone"))
        tokens = {
            person: _run(world.forge, actor, "create_access_token", {"name": "all", "scopes": scopes}).token
            for person, actor in people.items()
            if (scopes := [scope for scope in SCOPES if scope != "admin" or actor.admin]) and actor.id
        }
        yield Grounds(world.forge, people, tokens, cookies, names)


def _at(project: str) -> dict[str, str]:
    return {"organization": "acme", "project": project}


def _run(forge: Forge, actor: Actor, operation: str, payload: Mapping[str, Any]) -> Any:
    return invoke(forge, actor, operations()[operation], payload)


def _arrive(forge: Forge, people: dict[str, Actor], cookies: dict[str, str]) -> None:
    for person, handle in HANDLES.items():
        with Context(forge, SYSTEM).transaction() as ctx:
            account = ctx.db.exec(select(Account).where(Account.handle == handle)).first()
            if account is None:
                account = new_account(
                    ctx,
                    handle=handle,
                    email=f"{handle}@example.org",
                    name=handle.title(),
                    password_hash="none",
                    admin=person == "operator",
                )
            cookie = browsers.open_browser(ctx.acting_as(Actor(address="192.0.2.7")), account)
            people[person] = Actor(
                via=Via.BROWSER,
                id=account.id,
                handle=handle,
                name=account.name,
                admin=account.admin,
                scopes=None,
                browser_id=cookie.partition(".")[0],
                address="192.0.2.7",
            )
        cookies[person] = cookie


def _stand(forge: Forge, people: Mapping[str, Actor]) -> None:
    with Context(forge, SYSTEM).transaction() as ctx:
        acme = ctx.db.exec(select(Organization).where(Organization.handle == "acme")).one()
        join_organization(ctx, acme, ctx.db.get(Account, people["admin"].id), Role.ADMIN)


def _furnish(forge: Forge, people: Mapping[str, Actor], names: dict[str, str], project: str) -> None:
    """Its word in the description, in what landed and in what is under way."""
    word, member = WORDS[project], people["member"]
    if project not in ("open", "secret"):
        visibility = "public" if project in PUBLIC else "private"
        if project == "gone":
            _run(forge, people["owner"], "restore_project", _at(project))
        else:
            _run(forge, member, "create_project", _at(project) | {"visibility": visibility})
            mirror = {"direction": "push", "url": f"https://example.org/{word}.git"}
            names[f"{project}.mirror"] = _run(
                forge, people["owner"], "create_mirror", _at(project) | mirror
            ).id
    _run(forge, people["owner"], "update_project", _at(project) | {"description": f"All of {word}"})
    for landed in (True, False):
        session = _run(forge, member, "start_session", _at(project) | {"goal": f"Cut the {word}"}).id
        for path in (f"{word}.txt", "README.md", "src/main.py"):
            blob = content.store_content(forge, member, session, [f"# {word} {landed}\n".encode()]).id
            put = {"session": session, "path": path, "blob": blob}
            _run(forge, member, "put_session_file", put)
        names[f"{project}.shown" if landed else f"{project}.blob"] = blob
        names[f"{project}.landed" if landed else f"{project}.draft"] = session
        if landed:
            done = _run(forge, member, "land_session", {"session": session})
            names[f"{project}.position"] = str(done.position)


def _let_in(forge: Forge, people: Mapping[str, Actor], project: str) -> None:
    roles = {
        "reader": CollaboratorRole.READ,
        "writer": CollaboratorRole.WRITE,
        "keeper": CollaboratorRole.ADMIN,
    }
    with Context(forge, SYSTEM).transaction() as ctx:
        found, _ = access.project(ctx, "acme", project)
        for person, role in roles.items():
            join_project(ctx, found, ctx.db.get(Account, people[person].id), role)
