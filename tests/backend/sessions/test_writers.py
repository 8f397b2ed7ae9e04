"""Many processes land on one project at once, through web and gRPC processes.

In CI all 32 of them land 50 times on SQLite and the local store, and a few on every other pair of
store and database; `WRITERS=32` asks for all of them everywhere, as `make bench ONLY=writers` does.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backend.accounts.service import create_access_token
from backend.core.config import Settings
from backend.core.context import utc_now
from backend.instance import doctor
from backend.projects.landings import list_landings
from tests.vcs.buckets import KEY, SECRET, moto_server, new_bucket

CHECKOUT = Path(__file__).parents[3]
ALL, LANDINGS = 32, 50
FEW, FEWER_LANDINGS = 4, 3


@pytest.fixture(scope="module")
def moto():
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def program():
    """The program that starts serving and writing processes."""
    command = [sys.executable, "-m", "tests.backend.sessions.writers"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=CHECKOUT, text=True, **pipes) as program:
        yield program
        program.stdin.close()


@pytest.fixture(params=["local", "s3", "tiered"])
def environ(request, tmp_path, database):
    """The environment of a forge on each store and each database."""
    environ = {
        "MICELIO_DATA": str(tmp_path / "data"),
        "DATABASE_URL": database,
        "SECRET_KEY_BASE": "not a secret",
        "RATE_LIMIT_ACCOUNT": "65535",
    }
    if request.param != "local":
        bucket = new_bucket(request.getfixturevalue("moto"))
        environ |= {
            "STORAGE_BACKEND": request.param,
            "S3_BUCKET": bucket.name,
            "S3_ENDPOINT_URL": bucket.endpoint,
            "S3_ACCESS_KEY_ID": KEY,
            "S3_SECRET_ACCESS_KEY": SECRET,
        }
    return environ


@pytest.fixture
def settings(environ):
    return Settings.from_environ(environ)


@pytest.fixture
def clock():
    """The clock of the processes."""
    return utc_now


@pytest.fixture
def size(environ):
    """How many processes, and how often each lands."""
    simple = environ["DATABASE_URL"].startswith("sqlite") and "STORAGE_BACKEND" not in environ
    asked = int(os.environ.get("WRITERS", 0))
    if simple or asked:
        return asked or ALL, LANDINGS
    return FEW, FEWER_LANDINGS


@pytest.fixture
def outcomes(program, bench, ada, environ, size):
    """What became of their landings, as they were told."""
    scopes = ["project:read", "session:read", "session:write"]
    token = bench.run(ada, create_access_token, name="writers", scopes=scopes).token
    writers, landings = size
    job = {"environ": environ, "token": token, "writers": writers, "landings": landings, "doors": 1}
    program.stdin.write(json.dumps(job) + "\n")
    program.stdin.flush()
    assert json.loads(program.stdout.readline())["code"] == 0
    files = [bench.forge.settings.data / f"writer-{writer}.json" for writer in range(size[0])]
    return [tuple(each) for file in files for each in json.loads(file.read_text())]


def counted(folder, what):
    """What the serving processes counted, all together."""
    texts = [path.read_text() for path in folder.glob("metrics-*")]
    pattern = rf'^micelio_landings_total{{what="{what}"}} (\S+)$'
    return sum(float(re.search(pattern, text, re.MULTILINE)[1]) for text in texts)


def test_nothing_that_many_processes_land_is_lost_or_doubled(bench, ada, outcomes, size):
    landed = sorted((told, path, text) for path, text, told in outcomes if isinstance(told, int))
    refused = [(path, told) for path, _, told in outcomes if not isinstance(told, int)]
    last = {path.encode(): text.encode() for _, path, text in landed}

    assert len(outcomes) == size[0] * size[1]
    assert [position for position, _, _ in landed] == list(range(1, len(landed) + 1))
    for path, problem in refused:
        assert (problem["code"], problem["status"]) == ("landing.conflict", 409)
        (changed,) = problem["details"]["paths"]
        assert changed["path"] == path and path.startswith("shared/")
        assert 1 <= changed["position"] <= problem["details"]["head"] <= len(landed)
    assert bench.tree(ada) == last
    newest = bench.run(ada, list_landings, **bench.where, limit=1).items[0]
    assert newest.position == len(landed)
    folder = bench.forge.settings.data
    assert counted(folder, "landed") == len(landed)
    assert counted(folder, "lost") < len(landed)
    assert [finding.sentence for finding in doctor.examine(bench.forge) if finding.fault] == []
