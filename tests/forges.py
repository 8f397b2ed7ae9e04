"""A whole forge for one test, on both databases, and the people who use it.

    ada       owner of acme
    grace     member of acme
    mallory   has an account and belongs to nothing of theirs
    margaret  runs the instance
    stranger  nobody: not signed in

Each is an `Actor` at a signed-in browser. `forge` runs every test that asks for it twice, on
SQLite and on PostgreSQL; the schema is migrated once and every test finds it empty but for the
scene it begins with (`tests.scenes`).
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlmodel import select

import backend.accounts.service
import backend.organizations.service  # noqa: F401  both register their operations
from backend.accounts import browsers
from backend.accounts.passwords import Passwords, passwords
from backend.accounts.people import new_account
from backend.core import migrate
from backend.core.audit import AuditRow
from backend.core.config import Settings
from backend.core.context import SYSTEM, Actor, Context, Forge, Via
from backend.core.db import Database
from backend.core.operations import invoke as run
from backend.organizations.models import Membership, Organization, Role
from backend.organizations.service import found_organization
from tests.scenes import STEPS, Rows, Scenes, SqliteRows, arranged, step

PASSWORD = "moss grows on old stones"
"""Everybody's, in these tests."""

OURS = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"


@dataclass
class Clock:
    """The forge's clock; it stands still until a test moves it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory) -> Path:
    """A SQLite file with today's schema and nothing in it."""
    folder = tmp_path_factory.mktemp("schema")
    with closing(Database(f"sqlite:///{folder / 'empty.db'}", locks=folder / "locks")) as db:
        migrate.upgrade(db)
    return folder / "empty.db"


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server, tmp_path_factory) -> str:
    """A PostgreSQL database with today's schema and nothing in it."""
    name = f"forges{uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    url = f"{postgres_server}/{name}"
    driver = url.replace("postgresql://", "postgresql+psycopg://")
    with closing(Database(driver, locks=tmp_path_factory.mktemp("locks"))) as db:
        migrate.upgrade(db)
    return url


class Sweeper:
    """Empties a PostgreSQL database. Making one for each test takes half a second more, and a connection that
    knows the tables already empties them ten times as fast as a new one.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: psycopg.Connection | None = None
        self._kept: dict[str, str] = {}

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.url, autocommit=True)
            # No foreign key is looked up.
            self._connection.execute("SET session_replication_role = replica")
        return self._connection

    def sweep(self) -> None:
        """End every other connection and delete every row."""
        connection = self._connected()
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        statements = [f'DELETE FROM "{name}"' for (name,) in connection.execute(OURS)]
        jobs = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname = 'dbos'")
        statements += [f'DROP SCHEMA "{name}" CASCADE' for (name,) in jobs.fetchall()]
        connection.execute("; ".join(statements))

    def keep(self, name: str) -> None:
        """Keep a copy of all rows, and leave none."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            tables = [table for (table,) in connection.execute(OURS).fetchall()]
            connection.execute(f"CREATE SCHEMA {name}")
            self._kept[name] = ""
            for table in tables:
                if connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone():
                    connection.execute(f'CREATE TABLE {name}."{table}" AS SELECT * FROM "{table}"')
                    self._kept[name] += f'INSERT INTO "{table}" SELECT * FROM {name}."{table}";'
        self.sweep()

    def bring(self, name: str) -> None:
        """Put the rows of a copy into the database, which is empty."""
        self._connected().execute(self._kept[name])

    def close(self) -> None:
        """Let go of the database; the next sweep connects again."""
        if self._connection is not None:
            self._connection.close()


@pytest.fixture(scope="session")
def sweeper(migrated_postgres) -> Iterator[Sweeper]:
    with closing(Sweeper(migrated_postgres)) as sweeper:
        yield sweeper


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> Iterator[str]:
    """Address of a database with today's schema and no rows, for one test."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), tmp_path / "micelio.db")
        yield f"sqlite:///{tmp_path / 'micelio.db'}"
    else:
        sweeper = request.getfixturevalue("sweeper")
        yield sweeper.url
        sweeper.sweep()


@pytest.fixture
def settings(tmp_path, database) -> Settings:
    return Settings.from_environ(
        {"MICELIO_DATA": str(tmp_path / "data"), "DATABASE_URL": database, "SECRET_KEY_BASE": "not a secret"}
    )


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Scenes:
    return Scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture
def forge(request, settings, clock, scenes) -> Iterator[Forge]:
    if settings.sqlite_path is not None:
        rows: Rows = SqliteRows(settings.sqlite_path, scenes.folder)
    else:
        rows = request.getfixturevalue("sweeper")
    # Where time does not stand still no two scenes are the same.
    names = request.fixturenames if isinstance(clock, Clock) else ()
    with scenes.opened(settings, clock, rows, names, with_cheap_passwords) as forge:
        yield forge


def with_cheap_passwords(forge: Forge) -> None:
    """The cheapest costs argon2 allows; what production pays is tested in test_passwords."""
    forge.part(Passwords, lambda: Passwords(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def as_system(forge) -> Context:
    """The forge itself; open a transaction to arrange things."""
    return Context(forge, SYSTEM)


def arrived(forge: Forge, handle: str, *, admin: bool = False) -> Actor:
    """Make an account and sign its browser in."""
    hashed = passwords(forge).hash(PASSWORD)
    with Context(forge, SYSTEM).transaction() as ctx:
        account = new_account(
            ctx,
            handle=handle,
            email=f"{handle}@example.org",
            name=handle.title(),
            password_hash=hashed,
            admin=admin,
        )
        caller = Actor(address="192.0.2.7", user_agent="a browser")
        cookie = browsers.open_browser(ctx.acting_as(caller), account)
    return Actor(
        via=Via.BROWSER,
        id=account.id,
        handle=handle,
        name=account.name,
        admin=admin,
        scopes=None,
        browser_id=cookie.partition(".")[0],
        address="192.0.2.7",
        user_agent="a browser",
    )


@pytest.fixture
def arrive(forge) -> Callable[..., Actor]:
    """Make an account and sign its browser in: `arrive("linus")`."""
    return partial(arrived, forge)


for _handle in ("ada", "grace", "mallory"):
    STEPS[_handle] = partial(arrived, handle=_handle)
STEPS["margaret"] = partial(arrived, handle="margaret", admin=True)


@pytest.fixture
def ada(forge) -> Actor:
    return arranged(forge, "ada")


@pytest.fixture
def grace(forge) -> Actor:
    return arranged(forge, "grace")


@pytest.fixture
def mallory(forge) -> Actor:
    return arranged(forge, "mallory")


@pytest.fixture
def margaret(forge) -> Actor:
    return arranged(forge, "margaret")


@pytest.fixture
def stranger() -> Actor:
    return Actor(address="192.0.2.99")


@step("acme")
def acme_is_founded(forge: Forge) -> Organization:
    owner, member = arranged(forge, "ada"), arranged(forge, "grace")
    with Context(forge, SYSTEM).transaction() as ctx:
        found = found_organization(ctx, handle="acme", name="Acme", owner_id=owner.id)
        joined = ctx.now()
        ctx.db.add(
            Membership(organization_id=found.id, account_id=member.id, role=Role.MEMBER, joined_at=joined)
        )
    return found


@pytest.fixture
def acme(forge) -> Organization:
    """An organization that ada owns and grace belongs to."""
    return arranged(forge, "acme")


@pytest.fixture
def invoke(forge) -> Callable[..., Any]:
    """Run an operation the way every door does: `invoke(ada, get_organization, organization="acme")`."""

    def invoke(actor: Actor, operation: Any, **payload: Any) -> Any:
        return run(forge, actor, operation, payload)

    return invoke


@pytest.fixture
def with_token() -> Callable[..., Actor]:
    """Somebody acting through a token that has only these scopes."""

    def with_token(actor: Actor, *scopes: str, **changes: Any) -> Actor:
        token = {"via": Via.TOKEN, "scopes": frozenset(scopes), "browser_id": None, "admin": False}
        return replace(actor, **{**token, **changes})

    return with_token


@pytest.fixture
def audited(forge) -> Callable[..., list[tuple[str, str, str, dict[str, Any]]]]:
    """What the audit says of an action: who, through what, about whom, details; oldest first."""

    def audited(action: str) -> list[tuple[str, str, str, dict[str, Any]]]:
        with forge.db.transaction(write=False) as db:
            rows = db.exec(select(AuditRow).where(AuditRow.action == action).order_by(AuditRow.id)).all()
        return [(row.actor, row.via, row.subject, row.details) for row in rows]

    return audited
