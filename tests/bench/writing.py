"""Somebody who writes in a project of a forge in this process, through the same services as a door."""

from collections.abc import Mapping
from pathlib import PurePosixPath

import backend.doors.catalogue  # noqa: F401  registers every job and fact
from backend.core.context import SYSTEM, Context, Forge
from backend.organizations.service import found_organization
from backend.projects.service import create_project
from backend.sessions import content, files, landing, service
from backend.sessions.schemas import FilePut
from vcs.objects import Kind, Object
from vcs.paths import quote


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

    def land(self, contents: Mapping[bytes, bytes]) -> None:
        """Land these files as one session."""
        self.land_session(self.ready(contents))


def tree_of(count: int, *, word: str = "line") -> dict[bytes, bytes]:
    """So many small files, 50 in a folder, two folders deep."""
    return {
        bytes(PurePosixPath(f"part{number // 500:03}", f"unit{number // 50 % 10}", f"file{number}.txt")): (
            f"{word} {number}\n".encode() * 20
        )
        for number in range(count)
    }
