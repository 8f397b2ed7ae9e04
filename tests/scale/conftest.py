"""A fleet on PostgreSQL, Redis and S3, and the people who use it."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest

import backend.doors.catalogue  # noqa: F401  every operation
from backend.accounts.passwords import Passwords, passwords
from backend.accounts.people import new_account
from backend.core import migrate
from backend.core.config import Settings
from backend.core.context import SYSTEM, Actor, Context, Forge, Via
from backend.core.operations import SCOPES, invoke, operations
from tests.forges import PASSWORD
from tests.scale.fleet import Fleet, running
from tests.services import free_port
from tests.vcs.buckets import KEY, SECRET, moto_server, new_bucket


@dataclass(frozen=True)
class Stage:
    """A fleet, a forge beside it for arranging and looking, and tokens by handle."""

    fleet: Fleet
    forge: Forge
    tokens: dict[str, str]

    def system(self, operation: str, **payload: Any) -> Any:
        """Run an operation beside the fleet."""
        return invoke(self.forge, SYSTEM, operations()[operation], payload)


@pytest.fixture(scope="module")
def stage(postgres_server, redis_url, tmp_path_factory) -> Iterator[Stage]:
    """acme/notes, public, on two nodes."""
    folder = tmp_path_factory.mktemp("fleet")
    database = f"fleet{uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {database}")
    port, grpc_port = free_port(), free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MICELIO_", "MIC_"))}
    with moto_server() as endpoint:
        environ = {
            **kept,
            "MICELIO_URL": f"http://127.0.0.1:{port}",
            "PORT": str(port),
            "GRPC_PORT": str(grpc_port),
            "DATABASE_URL": f"{postgres_server}/{database}",
            "REDIS_URL": redis_url,
            "STORAGE_BACKEND": "tiered",
            "S3_BUCKET": new_bucket(endpoint).name,
            "S3_ENDPOINT_URL": endpoint,
            "S3_ACCESS_KEY_ID": KEY,
            "S3_SECRET_ACCESS_KEY": SECRET,
            "ENCRYPTION_KEY": "0f" * 32,
            "SECRET_KEY_BASE": "one for all nodes",
            "TRUSTED_PROXIES": "127.0.0.1",
            "RATE_LIMIT_ACCOUNT": "65000",
        }
        fleet = Fleet(folder, port, grpc_port, environ)
        with closing(Forge.open(Settings.from_environ(fleet.settings("beside")))) as forge:
            migrate.upgrade(forge.db)
            forge.part(Passwords, lambda: Passwords(time_cost=1, memory_cost=8, parallelism=1))
            tokens = {handle: _arrived(forge, handle) for handle in ("ada", "grace")}
            with running(fleet):
                yield Stage(fleet, forge, tokens)


def _arrived(forge: Forge, handle: str) -> str:
    """Make an account; a token of it."""
    hashed = passwords(forge).hash(PASSWORD)
    with Context(forge, SYSTEM).transaction() as ctx:
        account = new_account(
            ctx, handle=handle, email=f"{handle}@example.org", name=handle.title(), password_hash=hashed
        )
    actor = Actor(via=Via.BROWSER, id=account.id, handle=handle, name=account.name, scopes=None)
    asked = {"name": "tests", "scopes": [scope for scope in SCOPES if scope != "admin"]}
    return str(invoke(forge, actor, operations()["create_access_token"], asked).token)
