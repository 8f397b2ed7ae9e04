"""A large blob goes through every door, both ways, and the process stays as large as it was."""

import http.client
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from backend.accounts.service import create_access_token
from backend.projects.service import create_project
from backend.sessions.service import start_session
from tests.services import free_port
from vcs.objects import Hasher, Kind
from vcs.wire import projects_pb2, projects_pb2_grpc, sessions_pb2_grpc
from vcs.wire import sessions_pb2 as s

PIECE = 1 << 18
WARM, LARGE = 6 << 20, 120 << 20
ROOM = 40 << 20

# The database is no part of this: one is enough.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class Blob:
    """Bytes that do not compress, made as they are read."""

    def __init__(self, seed: int, size: int) -> None:
        self.size = size
        self._piece = random.Random(seed).randbytes(PIECE - 8)
        hasher = Hasher(Kind.BLOB, size)
        for piece in self:
            hasher.update(piece)
        self.id = hasher.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.size // PIECE):
            yield self._piece + number.to_bytes(8, "big")


class Doors:
    """The doors of a serving process, as somebody with a token uses them."""

    def __init__(self, process: subprocess.Popen[str], port: int, token: str, session: str) -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self.port = port
        self.headers = {"Authorization": f"Bearer {token}"}
        self.session = session
        self._metadata = [("authorization", f"Bearer {token}")]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}")
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), closing(self._connection()) as connection:
                connection.request("GET", "/.well-known/micelio")
                return connection.getresponse().close()
        raise AssertionError("the web door does not answer")

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)

    def stage(self, blob: Blob) -> None:
        header = s.StageHeader(session_id=self.session, id=blob.id, size=blob.size)
        parts = (s.StageBlobsRequest(data=piece) for piece in blob)
        sessions = sessions_pb2_grpc.SessionServiceStub(self._channel)
        sessions.StageBlobs(_after(s.StageBlobsRequest(header=header), parts), metadata=self._metadata)

    def put(self, blob: Blob, path: str) -> None:
        with closing(self._connection()) as connection:
            headers = {**self.headers, "Content-Length": str(blob.size)}
            connection.request("PUT", f"/api/v1/sessions/{self.session}/files/{path}", iter(blob), headers)
            assert connection.getresponse().status == 200

    def land(self, **files: Blob) -> None:
        sessions = sessions_pb2_grpc.SessionServiceStub(self._channel)
        puts = [s.FilePut(path=path.encode(), blob=blob.id) for path, blob in files.items()]
        push = s.PushSessionRequest(session_id=self.session, files=puts, incremental=True)
        sessions.PushSession(push, metadata=self._metadata)
        sessions.LandSession(s.LandSessionRequest(session_id=self.session), metadata=self._metadata)

    def stream(self, blob: Blob) -> int:
        projects = projects_pb2_grpc.ProjectServiceStub(self._channel)
        request = projects_pb2.StreamBlobsRequest(
            organization_handle="acme", project_handle="notes", blob_hashes=[blob.id], packed=True
        )
        return sum(len(part.data) for part in projects.StreamBlobs(request, metadata=self._metadata))

    def get(self, path: str, wanted: str = "") -> int:
        return self.fetch(f"raw/HEAD/{path}", {"Range": wanted} if wanted else {})

    def fetch(self, address: str, headers: dict[str, str]) -> int:
        with closing(self._connection()) as connection:
            connection.request("GET", f"/acme/notes/{address}", headers={**self.headers, **headers})
            response = connection.getresponse()
            size = 0
            while piece := response.read(PIECE):
                size += len(piece)
        return size

    @contextmanager
    def staying_small(self) -> Iterator[None]:
        """Fails when the process was more than `ROOM` larger meanwhile than at the beginning."""
        # Sets VmHWM back to what is resident now (proc(5)).
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        before = self._status("VmRSS")
        yield
        assert self._status("VmHWM") - before < ROOM

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

    def close(self) -> None:
        self._channel.close()


def _after(first, rest):
    yield first
    yield from rest


@pytest.fixture
def doors(settings, clock, invoke, ada, acme) -> Iterator[Doors]:
    invoke(ada, create_project, organization="acme", project="notes", visibility="public")
    session = invoke(ada, start_session, organization="acme", project="notes", goal="Large").id
    scopes = ["project:read", "session:read", "session:write"]
    token = invoke(ada, create_access_token, name="test", scopes=scopes).token
    environ = {"MICELIO_DATA": str(settings.data), "DATABASE_URL": settings.database_url}
    environ["SECRET_KEY_BASE"] = "not a secret"
    port = free_port()
    command = [sys.executable, "-m", "tests.backend.doors.door_process", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"environ": environ, "now": clock().isoformat()}))
        process.stdin.close()
        try:
            with closing(Doors(process, port, token, session)) as doors:
                yield doors
        finally:
            process.terminate()
            process.wait(30)


def test_a_large_blob_goes_through_grpc_and_rest_with_flat_memory(doors):
    warm = [Blob(seed, WARM) for seed in (1, 2)]
    large = [Blob(seed, LARGE) for seed in (3, 4)]
    doors.stage(warm[0])
    doors.put(warm[1], "warm1")
    with doors.staying_small():
        doors.stage(large[0])
    with doors.staying_small():
        doors.put(large[1], "large1")
    doors.land(warm0=warm[0], large0=large[0])
    assert (doors.stream(warm[1]), doors.get("warm0")) == (WARM, WARM)

    with doors.staying_small():
        assert doors.stream(large[1]) == LARGE
    with doors.staying_small():
        assert doors.get("large0") == LARGE
        assert doors.get("large0", f"bytes={LARGE - 10}-") == 10
    with doors.staying_small():
        assert doors.fetch("archive/HEAD.tar.gz", {}) > LARGE
