"""Somebody who writes in a project of a forge in this process, through the same services as a door."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePosixPath

import backend.doors.catalogue  # noqa: F401  registers every job and fact
from backend.accounts.models import TokenKind
from backend.accounts.people import new_account
from backend.accounts.tokens import mint_token
from backend.core.context import SYSTEM, Context, Forge
from backend.organizations.service import found_organization
from backend.projects import access, code, projection
from backend.projects.service import create_project
from backend.sessions import content, files, landing, service
from backend.sessions.schemas import FilePut
from tests.vcs.logs import Trees, proposal
from vcs.landing import Batcher
from vcs.objects import EMPTY_TREE, Kind, Object
from vcs.paths import quote
from vcs.repository import Repository


class Project:
    """bench/bench, and how work gets into it."""

    def __init__(self, forge: Forge) -> None:
        self._ctx = Context(forge, SYSTEM)
        with self._ctx.transaction() as tx:
            found_organization(tx, handle="bench", name="Bench")
        create_project(self._ctx, organization="bench", project="bench")

    def ready(self, contents: Mapping[bytes, bytes]) -> str:
        """A session with these files pushed, ready to land."""
        with self._ctx.transaction() as tx:
            session = service.start_session(tx, organization="bench", project="bench", goal="Measure").id
        blobs = {path: Object.of(Kind.BLOB, data) for path, data in contents.items()}
        content.store_objects(self._ctx.forge, SYSTEM, session, blobs.values())
        puts = [FilePut(path=quote(path), blob=blob.id) for path, blob in blobs.items()]
        with self._ctx.transaction() as tx:
            files.push_session(tx, session=session, files=puts)
        return session

    def land_session(self, session: str) -> None:
        """Land a session that is ready."""
        landing.land_session(self._ctx, session=session)

    def fill(self, count: int) -> list[bytes]:
        """Land so many small files straight in the log, as `tree_of` names them; their paths."""
        trees, paths = Trees(), named(count)
        text = Object.of(Kind.BLOB, b"line\n" * 20)
        tree = trees.build({path: (b"100644", text.id) for path in paths})
        objects = [Object(Kind.TREE, id, held) for id, held in trees.contents.items() if id != EMPTY_TREE]
        asked = proposal(self.repository, None, {}, tree=tree, objects=[text, *objects], session=None)
        Batcher(self.repository, still_wanted=set).land(asked)
        projection.catch_up(self._ctx.forge, self.repository.project)
        return paths

    @cached_property
    def repository(self) -> Repository:
        """The log of the project, as this process has it open."""
        with self._ctx.transaction(write=False) as tx:
            found, _ = access.project(tx, "bench", "bench")
        return code.repository(self._ctx.forge, found.id, found.pool)

    @property
    def batcher(self) -> Batcher:
        """The line in front of the project, in this process."""
        return landing.batcher(self._ctx.forge, self.repository.project, self.repository.pool)

    def land(self, contents: Mapping[bytes, bytes]) -> None:
        """Land these files as one session."""
        self.land_session(self.ready(contents))


def owner(forge: Forge) -> str:
    """A token of ada's, who owns acme/notes, both of them new."""
    with Context(forge, SYSTEM).transaction() as tx:
        ada = new_account(tx, handle="ada", email="ada@example.org", name="Ada", password_hash="")
        found_organization(tx, handle="acme", name="Acme", owner_id=ada.id)
        scopes = ["project:read", "session:read", "session:write"]
        _, secret = mint_token(tx, ada, name="bench", kind=TokenKind.PERSONAL, scopes=scopes)
    create_project(Context(forge, SYSTEM), organization="acme", project="notes")
    return secret


def named(count: int) -> list[bytes]:
    """Paths of so many files, 50 in a folder, two folders deep."""
    return [
        bytes(PurePosixPath(f"part{number // 500:03}", f"unit{number // 50 % 10}", f"file{number}.txt"))
        for number in range(count)
    ]


def tree_of(count: int, *, word: str = "line") -> dict[bytes, bytes]:
    """So many small files with contents of their own."""
    return {path: f"{word} {number}\n".encode() * 20 for number, path in enumerate(named(count))}
