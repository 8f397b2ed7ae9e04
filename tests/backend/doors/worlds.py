"""One small forge with everything in it that an operation can be about, made once and copied.

acme/open (public) and acme/secret (private) each have two landings, and a session of grace's
that changes a file. `names` are ids by what they are; a payload refers to one as "$draft".
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import update

from backend.accounts import browsers
from backend.accounts.models import Account
from backend.accounts.passwords import Passwords, passwords
from backend.accounts.people import new_account
from backend.core import migrate
from backend.core.config import Settings
from backend.core.context import SYSTEM, Actor, Context, Forge, Via
from backend.core.operations import SCOPES, invoke, operations
from backend.doors import catalogue
from backend.invitations.models import TeamInvitation
from backend.organizations.models import Membership, Role
from backend.organizations.service import found_organization, join_organization
from backend.portability.models import Import, ImportState, Origin
from backend.projects import access
from backend.projects.collaborators import join_project
from backend.projects.models import CollaboratorRole
from backend.sessions import content
from tests.forges import PASSWORD
from vcs.objects import new_id

PEOPLE = {"stranger": "", "outsider": "mallory", "member": "grace", "owner": "ada"}
README = b"# Open\n\nA project for tests.\n"


@dataclass(frozen=True)
class World:
    """A forge, a token for each account in it, and ids by name."""

    forge: Forge
    tokens: Mapping[str, str]
    names: Mapping[str, str]

    def token_of(self, person: str) -> str:
        """The token of a stranger (none), outsider, member or owner."""
        return self.tokens.get(PEOPLE[person], "")

    def filled(self, value: Any, person: str) -> Any:
        """A payload with its names resolved; "$spare" is the person's own when they have one."""
        if isinstance(value, str) and value.startswith("$"):
            return self.names.get(f"{value[1:]}.{PEOPLE[person]}") or self.names[value[1:]]
        if isinstance(value, Mapping):
            return {key: self.filled(item, person) for key, item in value.items()}
        return [self.filled(item, person) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Template:
    """The folder of a world that is closed, to be copied."""

    folder: Path
    tokens: Mapping[str, str]
    names: Mapping[str, str]

    @contextmanager
    def copied(self, folder: Path) -> Iterator[World]:
        """A world of one's own."""
        shutil.copytree(self.folder, folder)
        forge = opened(folder)
        try:
            yield World(forge, self.tokens, self.names)
        finally:
            forge.close()


def opened(folder: Path) -> Forge:
    """A forge on a folder, where passwords cost nothing and nobody is too fast."""
    environ = {
        "MICELIO_DATA": str(folder),
        "SECRET_KEY_BASE": "not a secret",
        "MICELIO_SIGNUP": "open",
        "RATE_LIMIT_ANONYMOUS": "65000",
        "RATE_LIMIT_ANONYMOUS_COST": "65000",
        "RATE_LIMIT_ACCOUNT": "65000",
        "RATE_LIMIT_SIGN_IN": "65000",
    }
    forge = Forge.open(Settings.from_environ(environ))
    forge.part(Passwords, lambda: Passwords(time_cost=1, memory_cost=8, parallelism=1))
    return forge


def make_template(folder: Path) -> Template:
    """Make the world."""
    assert catalogue.SERVICES
    forge = opened(folder)
    migrate.upgrade(forge.db)
    names: dict[str, str] = {}
    actors = _people(forge, names)
    tokens = {handle: _token(forge, actor, "laptop")["token"] for handle, actor in actors.items()}
    for handle, actor in actors.items():
        names[f"spare.{handle}"] = _token(forge, actor, "spare")["id"]
    names["spare"] = names["spare.hedy"]
    _organization(forge, actors)
    for project, visibility in (("open", "public"), ("secret", "private")):
        _project(forge, actors, names, project, visibility)
    _teams(forge, actors, names)
    gone = {"organization": "acme", "project": "gone"}
    for operation in ("create_project", "delete_project"):
        invoke(forge, actors["ada"], operations()[operation], gone)
    forge.close()
    return Template(folder, tokens, names)


def _people(forge: Forge, names: dict[str, str]) -> dict[str, Actor]:
    actors = {}
    for handle in ("ada", "grace", "mallory", "hedy", "linus"):
        with Context(forge, SYSTEM).transaction() as ctx:
            hashed = passwords(forge).hash(PASSWORD)
            account = new_account(
                ctx, handle=handle, email=f"{handle}@example.org", name=handle.title(), password_hash=hashed
            )
            cookie = browsers.open_browser(ctx.acting_as(Actor(address="192.0.2.7")), account)
        names[f"cookie.{handle}"] = cookie
        names[f"browser.{handle}"] = cookie.partition(".")[0]
        actors[handle] = Actor(
            via=Via.BROWSER,
            id=account.id,
            handle=handle,
            name=account.name,
            scopes=None,
            browser_id=names[f"browser.{handle}"],
        )
    names["browser"] = names["browser.hedy"]
    return actors


def _token(forge: Forge, actor: Actor, name: str) -> dict[str, Any]:
    payload = {"name": name, "scopes": [scope for scope in SCOPES if scope != "admin"]}
    return invoke(forge, actor, operations()["create_access_token"], payload).model_dump()


def _organization(forge: Forge, actors: dict[str, Actor]) -> None:
    with Context(forge, SYSTEM).transaction() as ctx:
        found = found_organization(ctx, handle="acme", name="Acme", owner_id=actors["ada"].id)
        for handle in ("grace", "hedy"):
            id = actors[handle].id
            ctx.db.add(
                Membership(organization_id=found.id, account_id=id, role=Role.MEMBER, joined_at=ctx.now())
            )


def _teams(forge: Forge, actors: dict[str, Actor], names: dict[str, str]) -> None:
    """Hedy works on acme/open; acme invited everybody's address; the hall is empty."""
    with Context(forge, SYSTEM).transaction() as ctx:
        hall = found_organization(ctx, handle="hall", owner_id=actors["ada"].id)
        grace, hedy = (ctx.db.get(Account, actors[handle].id) for handle in ("grace", "hedy"))
        join_organization(ctx, hall, grace, Role.MEMBER)
        project, _ = access.project(ctx, "acme", "open")
        join_project(ctx, project, hedy, CollaboratorRole.WRITE)
    for handle in actors:
        asked = {"organization": "acme", "invitee": f"{handle}@example.org"}
        made = invoke(forge, actors["ada"], operations()["invite_member"], asked)
        names[f"invited.{handle}"] = made.id
    names["invited"] = names["invited.hedy"]
    with Context(forge, SYSTEM).transaction() as ctx:
        ctx.db.exec(update(TeamInvitation).values(sent_at=ctx.now() - timedelta(hours=1)))


def _project(
    forge: Forge, actors: dict[str, Actor], names: dict[str, str], project: str, visibility: str
) -> None:
    where = {"organization": "acme", "project": project}

    def run(operation: str, **payload: Any) -> dict[str, Any]:
        return invoke(forge, actors["grace"], operations()[operation], payload).model_dump()

    run("create_project", **where, visibility=visibility)
    for number, text in enumerate((README, README + b"\nMore of it.\n"), 1):
        session = run("start_session", **where, goal=f"Write it, part {number}")["id"]
        _put(forge, actors["grace"], session, "README.md", text)
        _put(forge, actors["grace"], session, "src/main.py", b"print(%d)\n" % number)
        run("land_session", session=session, summary="Written.")
        names[f"{project}.landed"] = session
    names[f"{project}.import"] = _import(forge, actors["grace"], where, project, done=False)
    names[f"{project}.imported"] = _import(forge, actors["grace"], where, project, done=True)
    mirror = {**where, "direction": "push", "url": "https://example.org/mirror.git"}
    names[f"{project}.mirror"] = invoke(forge, actors["ada"], operations()["create_mirror"], mirror).id
    draft = run("start_session", **where, goal="Work on it")["id"]
    names[f"{project}.blob"] = _put(forge, actors["grace"], draft, "draft.txt", b"not yet\n")
    names[f"{project}.draft"] = draft


def _import(forge: Forge, actor: Actor, where: dict[str, str], project: str, *, done: bool) -> str:
    """An import that waits in a project, or one that is over."""
    with Context(forge, actor).transaction() as tx:
        found, owner = access.project(tx, where["organization"], project)
        row = Import(
            id=new_id(),
            project_id=found.id,
            organization=owner.handle,
            project=found.handle,
            begins=False,
            origin=Origin.URL,
            source="https://example.org/history.git",
            requested_by=actor.id,
            landing=new_id(),
            state=ImportState.DONE if done else ImportState.WAITING,
            requested_at=tx.now(),
            updated_at=tx.now(),
        )
        tx.db.add(row)
    return row.id


def _put(forge: Forge, actor: Actor, session: str, path: str, text: bytes) -> str:
    blob = content.store_content(forge, actor, session, [text]).id
    payload = {"session": session, "path": path, "blob": blob}
    invoke(forge, actor, operations()["put_session_file"], payload)
    return blob
