"""A data folder of the version before opens with this one, on both databases."""

from contextlib import closing
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlmodel import SQLModel

import backend.migrations.models  # noqa: F401
from backend.core import migrate
from backend.core.db import Database

ACCOUNT = (
    "INSERT INTO accounts (id, handle, name, email, password_hash, admin, created_at) "
    "VALUES ('a', 'ada', 'Ada', 'ada@example.org', '', true, '2026-01-01 00:00:00+00:00')"
)
ORGANIZATION = (
    "INSERT INTO organizations (id, handle, name, description, personal, created_at) "
    "VALUES ('o', 'acme', 'Acme', '', false, '2026-01-01 00:00:00+00:00')"
)
PROJECT = (
    "INSERT INTO projects (id, pool, organization_id, handle, name, description, website, visibility, state, "
    "archived, protect_main_branch, who_may_propose, session_visibility, created_by, created_at, updated_at) "
    "VALUES ('p', 'p', 'o', 'notes', 'Notes', '', '', 'public', 'ready', false, false, 'anyone', 'members', "
    "'a', '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')"
)
SESSION = (
    "INSERT INTO sessions (id, project_id, author_id, goal, status, landing, agent, model, metadata, "
    "base_position, base_tree, revision, summary, additions, deletions, files, events, last_event, "
    "started_at, updated_at) VALUES ('s', 'p', 'a', 'Go', 'active', false, '', '', '{}', 0, 't', 0, '', 0, "
    "0, 0, 0, '', '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')"
)


SINCE = [each.revision for each in migrate._script().walk_revisions()][-2::-1]
"""What the oldest folder lacks, one after the other."""


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request, tmp_path):
    """A database that the first schema made, with rows in it."""
    url = f"sqlite:///{tmp_path / 'micelio.db'}"
    if request.param == "postgresql":
        server, name = request.getfixturevalue("postgres_server"), f"older{uuid4().hex}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        url = f"{server}/{name}".replace("postgresql://", "postgresql+psycopg://")
    with closing(Database(url, locks=tmp_path / "locks")) as db:
        migrate._run(db, lambda config: migrate.command.upgrade(config, "0001"))
        with db.transaction(write=True) as session:
            for statement in (ACCOUNT, ORGANIZATION, PROJECT, SESSION):
                session.connection().execute(text(statement))
        yield db


def row(db, query):
    with db.transaction(write=False) as session:
        return tuple(session.connection().execute(text(query)).one())


def test_an_older_data_folder_is_brought_up_and_keeps_its_rows(older, tmp_path):
    assert migrate.current(older) == "0001"

    applied = migrate.upgrade(older, backups=tmp_path / "backups")

    assert applied == SINCE
    assert row(older, "SELECT handle, pool, forked_from FROM projects") == ("notes", "p", None)
    assert row(older, "SELECT goal, author_id, author_handle FROM sessions") == ("Go", "a", "")
    assert len(list((tmp_path / "backups").glob("*-0001.db"))) == older.is_sqlite


def test_the_way_back_keeps_rows_too(older):
    migrate.upgrade(older)
    migrate.downgrade(older, "0001")

    assert migrate.current(older) == "0001"
    assert row(older, "SELECT handle FROM projects") == ("notes",)
    assert migrate.upgrade(older) == SINCE


def test_tables_are_what_the_models_say(older):
    migrate.upgrade(older)
    with older.engine.connect() as connection:
        # The index of words is the database's own: FTS5 or a tsvector.
        ours = {"include_name": lambda name, kind, _: kind != "table" or not name.startswith("search_fts")}
        context = MigrationContext.configure(connection, opts=ours)
        differences = compare_metadata(context, SQLModel.metadata)

    assert differences == []
