"""Servers that some tests need, started for the test run alone: PostgreSQL and Redis.

Each gives the address of something empty. On a machine without the program the test fails and
says what to install.
"""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NoReturn
from uuid import uuid4

import psycopg
import pytest
import redis

STARTUP_SECONDS = 60


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a private PostgreSQL server, as its superuser, without a database name."""
    with running_postgres() as address:
        yield address


@contextmanager
def running_postgres() -> Iterator[str]:
    """The same, for whoever is no test."""
    programs = _postgres_programs()
    with _folder() as folder:
        data, port = folder / "data", free_port()
        _as_postgres(
            [programs / "initdb", "-D", data, "-U", "micelio", "-A", "trust", "--no-sync", "-E", "UTF8"]
        )
        fast = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), *listen, *fast],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_as_whom(),
        )
        address = f"postgresql://micelio@127.0.0.1:{port}"
        try:
            _until(lambda: psycopg.connect(f"{address}/postgres").close(), psycopg.OperationalError)
            yield address
        finally:
            server.terminate()
            server.wait(STARTUP_SECONDS)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Address of an empty database."""
    name = f"t{uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield f"{postgres_server}/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Address of a private Redis server that keeps nothing."""
    program = shutil.which("redis-server") or _missing("redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            with redis.Redis(port=port) as client:
                _until(client.ping, redis.ConnectionError)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(STARTUP_SECONDS)


def free_port() -> int:
    """A port that nobody listened to a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="micelio-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_programs() -> Path:
    # Debian keeps them off the PATH.
    for candidate in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if Path(candidate, "initdb").is_file():
            return Path(candidate)
    found = shutil.which("initdb") or _missing("postgresql")
    return Path(found).resolve().parent


def _missing(package: str) -> NoReturn:
    pytest.fail(f"{package} is not installed: run `make packages`, or apt-get install {package}")


def _as_whom() -> dict[str, Any]:
    # PostgreSQL refuses to run as root.
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _as_postgres(command: list[object]) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, **_as_whom())


def _until(attempt: Callable[[], object], error: type[Exception]) -> None:
    deadline = monotonic() + STARTUP_SECONDS
    while monotonic() < deadline:
        with suppress(error):
            attempt()
            return
        sleep(0.02)
    attempt()
