"""Schema upgrades: on start, under a lock, after a copy of an embedded database was made.

A schema newer than this version is refused with a sentence: an older Micelio must never write
into what it does not understand.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from backend.core.db import Database
from backend.core.errors import InvalidInput, MicelioError
from vcs.errors import Kind

FOLDER = Path(__file__).resolve().parents[1] / "migrations"
LOCK = "schema"


class NewerSchema(MicelioError):
    """The database was written by a newer Micelio."""

    kind = Kind.CONFLICT
    code = "schema.newer"
    message = (
        "The database has schema {found}, which this version does not know: a newer Micelio wrote it. "
        "Start that version, or restore the copy it made when it upgraded."
    )


def head() -> str:
    """The newest revision this version knows."""
    found = _script().get_current_head()
    assert found is not None
    return found


def current(db: Database) -> str | None:
    """The revision the database is at, or None when it is empty. NewerSchema when unknown."""
    with db.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found is not None:
        try:
            _script().get_revision(found)
        except CommandError:
            raise NewerSchema(found=found) from None
    return found


def upgrade(db: Database, *, backups: Path | None = None) -> list[str]:
    """Bring the schema to `head`; returns the revisions applied.

    With `backups`, an embedded database that holds something is copied there first.
    """
    with db.lock(LOCK):
        before = current(db)
        if before == head():
            return []
        if before is not None and backups is not None and db.is_sqlite:
            _copy(db, backups, before)
        _run(db, lambda config: command.upgrade(config, "head"))
        script = _script()
        return [revision.revision for revision in script.iterate_revisions(head(), before)][::-1]


def downgrade(db: Database, revision: str) -> None:
    """Take the schema back to a revision (or "base"); InvalidInput when there is none of that name."""
    with db.lock(LOCK):
        current(db)
        try:
            _run(db, lambda config: command.downgrade(config, revision))
        except CommandError:
            known = ", ".join(r.revision for r in _script().walk_revisions())
            raise InvalidInput(
                problem=f"There is no schema revision {revision}. Known: base, {known}."
            ) from None


def _run(db: Database, change: Callable[[Config], None]) -> None:
    config = _config()
    engine = db.engine.execution_options(micelio_write=True)
    with engine.connect() as connection:
        # SQLite cannot change a table that others refer to while it checks references.
        _foreign_keys(connection, on=False)
        with connection.begin():
            config.attributes["connection"] = connection
            change(config)
        _foreign_keys(connection, on=True)


def _foreign_keys(connection: Connection, *, on: bool) -> None:
    if connection.dialect.name == "sqlite":
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")
    else:
        connection.execute(text("SELECT 1"))
        connection.rollback()


def _copy(db: Database, backups: Path, revision: str) -> None:
    source = Path(db.url.removeprefix("sqlite:///"))
    backups.mkdir(parents=True, exist_ok=True)
    target = backups / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{revision}.db"
    if shutil.disk_usage(backups).free < 2 * source.stat().st_size:
        raise InvalidInput(problem=f"There is no room in {backups} for a copy of the database. Free some.")
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config
