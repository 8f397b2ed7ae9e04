"""`micelio` as an operator meets it: whole processes, from the outside."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest

from micelio_app.__main__ import main
from tests.services import free_port

CHECKOUT = Path(__file__).parents[2]
PATIENCE = 120.0


@pytest.fixture
def environment(tmp_path):
    mine = {"MICELIO_DATA": str(tmp_path / "data"), "PORT": str(free_port()), "GRPC_PORT": str(free_port())}
    return os.environ | mine


@pytest.fixture
def migrated(environment, migrated_sqlite):
    """The database of the data folder, as `micelio migrate` leaves it."""
    data = Path(environment["MICELIO_DATA"])
    data.mkdir()
    return shutil.copyfile(migrated_sqlite, data / "micelio.db")


@pytest.fixture
def micelio(environment):
    def micelio(*words, **settings):
        return subprocess.run(
            [sys.executable, "-m", "micelio_app", *words],
            cwd=CHECKOUT,
            env=environment | settings,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    return micelio


@pytest.fixture
def serve(environment):
    running = []

    def serve():
        process = subprocess.Popen(
            [sys.executable, "-m", "micelio_app", "serve"],
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "serve ended before it was ready"
        return process, "".join(lines)

    yield serve
    for process in running:
        process.terminate()
        process.wait()
        process.stdout.close()


def read(environment, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{environment['PORT']}{path}", timeout=30) as answer:
        return answer.read().decode()


def test_a_forge_starts_hosts_itself_ends_and_starts_again_with_everything_kept(serve, environment):
    serving, shown = serve()

    assert re.search(r"Sign in +http://localhost:\d+/welcome\?token=\S+", shown)
    project = json.loads(read(environment, "/api/v1/projects/micelio/micelio"))
    assert "Micelio" in read(environment, "/")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        read(environment, "/micelio/micelio/raw/main/od%0Ad.txt")
    assert json.loads(refusal.value.read())["type"].endswith("/problems/not_found"), "our own door answered"

    asked = monotonic()
    serving.send_signal(signal.SIGINT)
    assert serving.wait(PATIENCE) == 0
    assert monotonic() - asked < 15  # five on a machine that does nothing else

    _, shown_again = serve()
    assert json.loads(read(environment, "/api/v1/projects/micelio/micelio")) == project
    assert "Sign in" in shown_again and shown_again != shown, "nobody came yet, so there is a fresh link"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"DATABASE_URL": "mysql://host/name"}, "DATABASE_URL starts with 'mysql'"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, "The database did not answer"),
        ({"MICELIO_DATA": "/dev/null/data"}, "The data folder cannot be written"),
        ({"PATH": "/nonexistent"}, "There is no git on the PATH"),
        ({"PORT": "http"}, "PORT=http must be a whole number"),
    ],
)
def test_what_keeps_it_from_starting_is_one_sentence(micelio, settings, sentence):
    refused = micelio("serve", **settings)

    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert refused.stdout == ""
    # Pages may be built beside the check that fails, which is said too.
    assert [line for line in refused.stderr.splitlines() if "Building" not in line] == [
        line for line in refused.stderr.splitlines() if line.startswith("micelio: ")
    ]
    assert refused.stderr.count("micelio: ") == 1


def test_a_git_that_is_too_old_is_named(micelio, tmp_path):
    (tmp_path / "git").write_text("#!/bin/sh\necho git version 2.34.1\n")
    (tmp_path / "git").chmod(0o755)
    refused = micelio("serve", PATH=str(tmp_path))

    assert refused.returncode == 1
    assert refused.stderr == "micelio: The git on the PATH is 2.34.1; install git 2.35 or newer.\n"


@pytest.fixture
def newer(migrated):
    """The database of a version that comes after this one."""
    with closing(sqlite3.connect(migrated)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")


def test_a_newer_schema_is_refused_by_serve(newer, micelio):
    refused = micelio("serve")

    assert refused.returncode == 1
    assert "The database has schema 9999" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("word", ["web", "grpc", "worker", "doctor", "create-admin"])
def test_a_newer_schema_is_refused_by_whatever_would_use_it(newer, environment, monkeypatch, capsys, word):
    # Called here, it saves the start of a process; the check is one of its own all the same.
    for name in ("MICELIO_DATA", "PORT", "GRPC_PORT"):
        monkeypatch.setenv(name, environment[name])
    words = {"create-admin": ["--email", "ada@example.org", "--handle", "ada"]}.get(word, [])
    monkeypatch.setattr(sys, "argv", ["micelio", word, *words])

    assert main() == 1
    refusal = capsys.readouterr().err
    assert refusal.startswith("micelio: The database has schema 9999")
    assert len(refusal.splitlines()) == 1


def test_create_admin_prints_a_link_and_a_token_once(migrated, micelio):
    made = micelio("create-admin", "--email", "ada@example.org", "--handle", "ada", "--token")

    assert made.returncode == 0
    assert "/link?token=" in made.stdout and "mic_" in made.stdout


def test_two_workers_do_not_share_one_data_folder(migrated, micelio, environment):
    with subprocess.Popen(
        [sys.executable, "-m", "micelio_app", "worker"], cwd=CHECKOUT, env=environment
    ) as first:
        lock = Path(environment["MICELIO_DATA"], "jobs.db")
        deadline = monotonic() + PATIENCE
        while not lock.exists() and monotonic() < deadline:
            assert first.poll() is None
            sleep(0.05)
        refused = micelio("worker")
        first.terminate()

    assert refused.returncode == 1
    assert "Another worker runs" in refused.stderr
