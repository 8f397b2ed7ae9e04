"""A served process is killed at every fault point of a landing; afterwards the landing is there once
or not at all, and whoever asks again with its id gets the answer."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import grpc
import pytest
import sqlmodel

from backend.accounts.service import create_access_token
from backend.core.config import Settings
from backend.instance import doctor
from backend.projects.models import Landing
from backend.sessions import landing
from backend.sessions.models import Permit
from backend.sessions.service import get_session
from tests.vcs.buckets import KEY, SECRET, moto_server, new_bucket
from vcs import faults
from vcs.objects import new_id
from vcs.wire import sessions_pb2, sessions_pb2_grpc

CHECKOUT = Path(__file__).parents[3]
PATIENCE = 90
POINTS = [point for point in faults.POINTS if point.startswith(("store.", "landing."))]
ELSEWHERE = (
    "mirror.",
    "index.",
    "rows.",
    "compaction.",
    "collection.",
    "fork.",
    "purge.",
    "projection.",
    "upkeep.",
    "import.",
    "push.",
    "idempotency.",
)
"""What a landing never reaches; each is tested where it belongs."""
HAPPENED = ("store.after_commit", "landing.after_swap", "landing.before_catch_up", "landing.after_catch_up")


class Served:
    """The program that starts serving processes, and the process it started last."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.backend.sessions.served"],
            cwd=CHECKOUT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

        self.serving = False
        self.store: dict[str, str] = {}
        """Settings of the store, when it is not the local one."""

    def start(self, forge, fault: str = "") -> str:
        """Serve this forge, to be killed at a fault point; the address."""
        self.serving = True
        settings = forge.settings
        environ = {
            "MICELIO_DATA": str(settings.data),
            "DATABASE_URL": settings.database_url,
            "SECRET_KEY_BASE": settings.secret_key,
            **self.store,
            "MICELIO_FAULTS": f"{fault}:kill" if fault else "",
        }
        self._program.stdin.write(json.dumps({"environ": environ, "now": forge.clock().isoformat()}) + "\n")
        self._program.stdin.flush()
        return f"127.0.0.1:{int(self._program.stdout.readline())}"

    def exit_code(self) -> int | None:
        """How the process ended, once it has; None when it does not end."""
        ready, _, _ = select.select([self._program.stdout], [], [], PATIENCE)
        if not ready:
            return None
        self.serving = False
        return int(self._program.stdout.readline())

    def stop(self) -> None:
        """End the process from outside."""
        self._kill()
        assert self.exit_code() == -signal.SIGKILL

    def _kill(self) -> None:
        children = Path(f"/proc/{self._program.pid}/task/{self._program.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)

    def close(self) -> None:
        self._kill()
        self._program.stdin.close()
        self._program.wait(PATIENCE)
        self._program.stdout.close()


@pytest.fixture
def kept_in(request):
    """The store of a case: local, s3, tiered, or sealed (a local one, encrypted)."""
    return getattr(request, "param", "local")


@pytest.fixture(scope="module")
def moto():
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def settings(request, tmp_path, database, kept_in, program):
    program.store = {}
    if kept_in == "sealed":
        program.store = {"ENCRYPTION_KEY": "0f" * 32}
    elif kept_in != "local":
        bucket = new_bucket(request.getfixturevalue("moto"))
        program.store = {
            "STORAGE_BACKEND": kept_in,
            "S3_BUCKET": bucket.name,
            "S3_ENDPOINT_URL": bucket.endpoint,
            "S3_ACCESS_KEY_ID": KEY,
            "S3_SECRET_ACCESS_KEY": SECRET,
        }
    common = {
        "MICELIO_DATA": str(tmp_path / "data"),
        "DATABASE_URL": database,
        "SECRET_KEY_BASE": "not a secret",
    }
    return Settings.from_environ(common | program.store)


@pytest.fixture(scope="module")
def program():
    program = Served()
    yield program
    program.close()


@pytest.fixture
def served(program):
    yield program
    if program.serving:
        program.stop()


@pytest.fixture
def token(invoke, ada):
    scopes = ["project:read", "session:read", "session:write"]
    return invoke(ada, create_access_token, name="mic", scopes=scopes).token


def land(address, token, session, id):
    with grpc.insecure_channel(address) as channel:
        return sessions_pb2_grpc.SessionServiceStub(channel).LandSession(
            sessions_pb2.LandSessionRequest(session_id=session, landing=id),
            metadata=(("authorization", f"Bearer {token}"),),
            timeout=PATIENCE,
        )


def work(bench, ada):
    """A session whose landing is long enough to need a file of its own beside the swap."""
    bench.landed(ada, {"kept": b"as it was\n"})
    session = bench.start(ada).id
    # Random, because what compresses well would be short.
    wanted = {b"a": Random(1).randbytes(700_000), b"b": Random(2).randbytes(700_000), b"c": b"text\n"}
    bench.push(ada, session, wanted)
    return session, {b"kept": b"as it was\n", **wanted}


REACHED = ("store.file_written", "store.before_commit", "store.after_commit")
"""Where another store may leave something else behind; in between it is not asked."""

CASES = [
    *(("sqlite", "local", point) for point in POINTS),
    *(("postgresql", "local", point) for point in ("landing.permitted", "landing.after_swap")),
    *(("sqlite", "s3", point) for point in REACHED),
    ("sqlite", "tiered", "store.after_commit"),
    *(("sqlite", "sealed", point) for point in REACHED[1:]),
]


def test_every_point_that_is_declared_is_killed_at():
    assert [point for point in faults.POINTS if point not in POINTS and not point.startswith(ELSEWHERE)] == []


@pytest.mark.parametrize(("database", "kept_in", "point"), CASES, indirect=["database", "kept_in"])
def test_a_landing_survives_sigkill(bench, ada, token, clock, served, point):
    session, wanted = work(bench, ada)
    id = new_id()
    address = served.start(bench.forge, point)
    with pytest.raises(grpc.RpcError) as cut:
        land(address, token, session, id)
    assert cut.value.code() is grpc.StatusCode.UNAVAILABLE
    assert served.exit_code() == -signal.SIGKILL, f"{point} was never reached: {cut.value.details()}"

    clock.advance(seconds=landing.PERMIT.total_seconds() + 1)
    with bench.restarted() as again:
        landing.sweep(again.forge)
        state = again.run(ada, get_session, session=session)
        assert (state.status == "landed") is (point in HAPPENED)
        assert not state.landing
        assert again.tree(ada) == (wanted if point in HAPPENED else {b"kept": b"as it was\n"})

        address = served.start(bench.forge)
        answer = land(address, token, session, id)
        assert land(address, token, session, id) == answer
        served.stop()
        assert (answer.position, answer.landing_id) == (2, id)
        assert again.tree(ada) == wanted
        with again.forge.db.transaction(write=False) as db:
            assert [
                row.position for row in db.exec(sqlmodel.select(Landing).where(Landing.landing == id))
            ] == [2]
            assert db.exec(sqlmodel.select(Permit)).all() == []
        assert [each.sentence for each in doctor.examine(again.forge) if each.fault] == []
