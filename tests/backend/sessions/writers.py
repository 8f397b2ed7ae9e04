"""Many processes land on one project at once, through web and gRPC processes, for test_writers and bench.

Usage: python -m tests.backend.sessions.writers, and on standard input a job a line as JSON, the arguments
of `land`: `environ` of the forge, `token` of somebody who may land in acme/notes, how many `writers`,
`landings` of each, and `doors` (processes of each kind). A line on standard output answers each job.

Every second writer speaks REST, the others gRPC. Each writes what became of its landings to a file
of its own in the data folder: path, content, and the position, or what the refusal said. Each
serving process leaves what /metrics says of it there when it ends.
"""

import asyncio
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from socket import create_connection
from typing import Any

import grpc
from granian.constants import Interfaces
from granian.server.embed import Server
from prometheus_client import generate_latest

from backend.core.config import Settings
from backend.core.context import Forge
from backend.doors import catalogue, rpc  # noqa: F401  every operation
from backend.doors.routes import own_app
from tests.services import free_port
from vcs.objects import Kind, Object
from vcs.wire import PROBLEM, PROBLEM_LIMIT, sessions_pb2, sessions_pb2_grpc

SHARED = 0.2
SHARED_PATHS = 8
PATIENCE = 600
WHERE = {"organization": "acme", "project": "notes"}


class Rest:
    """A writer's way through a web process."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def start(self, path: str, text: str) -> str:
        """A session that writes this file."""
        asked = json.dumps({**WHERE, "goal": f"Landing {text}"})
        status, started = self._answer("POST", "sessions", asked)
        assert status == 201, started
        status, changed = self._answer("PUT", f"sessions/{started['id']}/files/{path}", text)
        assert status == 200, changed
        return str(started["id"])

    def land(self, session: str) -> Any:
        """The position, or what the refusal said."""
        status, answer = self._answer("POST", f"sessions/{session}/land", "{}")
        if status == 409:
            return answer
        assert status == 200, answer
        return answer["position"]

    def _answer(self, method: str, address: str, body: str) -> tuple[int, Any]:
        # One that waited too long between two requests would be hung up on.
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)) as connection:
            connection.request(method, f"/api/v1/{address}", body, self._headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


class Rpc:
    """A writer's way through a gRPC process."""

    def __init__(self, port: int, token: str) -> None:
        self._stub = sessions_pb2_grpc.SessionServiceStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
        self._how = {
            "metadata": (("authorization", f"Bearer {token}"), (PROBLEM_LIMIT, "8000")),
            "timeout": PATIENCE,
        }

    def start(self, path: str, text: str) -> str:
        """A session that writes this file."""
        asked = sessions_pb2.StartSessionRequest(
            organization_handle=WHERE["organization"],
            project_handle=WHERE["project"],
            goal=f"Landing {text}",
        )
        session = str(self._stub.StartSession(asked, **self._how).id)
        blob = Object.of(Kind.BLOB, text.encode())
        header = sessions_pb2.StageHeader(session_id=session, id=blob.id, size=len(blob.content))
        pack = sessions_pb2.StagePack(headers=[header], data=blob.content)
        self._stub.StageBlobs(iter([sessions_pb2.StageBlobsRequest(pack=pack)]), **self._how)
        file = sessions_pb2.FilePut(path=path.encode(), blob=blob.id)
        pushed = sessions_pb2.PushSessionRequest(session_id=session, files=[file])
        self._stub.PushSession(pushed, **self._how)
        return session

    def land(self, session: str) -> Any:
        """The position, or what the refusal said."""
        asked = sessions_pb2.LandSessionRequest(session_id=session)
        try:
            landed = self._stub.LandSession(asked, **self._how)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.ABORTED, error
            return json.loads(next(value for key, value in error.trailing_metadata() if key == PROBLEM))
        return landed.position


def write(door: Rest | Rpc, writer: int, landings: int) -> list[tuple[str, str, Any]]:
    """Land so many times, a fifth of them on paths that all share, and tell what became of each."""
    chance, outcomes = Random(writer), []
    for number in range(landings):
        shared = chance.random() < SHARED
        path = f"shared/{chance.randrange(SHARED_PATHS)}" if shared else f"own/{writer}/{number}"
        text = f"{writer} {number}"
        outcomes.append((path, text, door.land(door.start(path, text))))
    return outcomes


def serve_web(settings: Settings, port: int) -> None:
    """Serve REST until told to stop."""
    forge = Forge.open(settings)
    _leave_metrics(settings, f"web-{port}")
    web = Server(own_app(forge), "127.0.0.1", port, interface=Interfaces.ASGINL, log_enabled=False)
    asyncio.run(web.serve())


def serve_rpc(settings: Settings, port: int) -> None:
    """Serve gRPC until told to stop."""
    # A server that nobody names any more stops.
    server, _ = rpc.start_grpc(Forge.open(settings), f"127.0.0.1:{port}")
    _leave_metrics(settings, f"grpc-{port}")
    server.wait_for_termination()


def _leave_metrics(settings: Settings, name: str) -> None:
    def leave(*_: object) -> None:
        Path(settings.data, f"metrics-{name}").write_bytes(generate_latest())
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        # Importing everything costs more than a few landings: each job is a child of one process.
        child = _forked(lambda wanted=wanted: land(**wanted))
        _, status, used = os.wait4(child, 0)
        answer = Path(wanted["environ"]["MICELIO_DATA"], "seconds")
        told = {
            "code": os.waitstatus_to_exitcode(status),
            "seconds": float(answer.read_text()) if answer.exists() else 0,
            "processor": used.ru_utime + used.ru_stime,
        }
        print(json.dumps(told), flush=True)


def land(environ: dict[str, str], token: str, writers: int, landings: int, doors: int) -> None:
    """Start `doors` processes of each kind, and writers in front of them, until all have landed."""
    settings = Settings.from_environ(environ)
    ports = [free_port() for _ in range(2 * doors)]
    # Web and gRPC in turns, as the writers are.
    servers = [
        _forked(lambda port=port, serve=(serve_rpc if at % 2 else serve_web): serve(settings, port))
        for at, port in enumerate(ports)
    ]
    for port in ports:
        _await(port)

    def work(writer: int) -> None:
        door = (Rpc if writer % 2 else Rest)(ports[writer % len(ports)], token)
        outcomes = write(door, writer, landings)
        Path(settings.data, f"writer-{writer}.json").write_text(json.dumps(outcomes))

    started = time.monotonic()
    children = [_forked(lambda writer=writer: work(writer)) for writer in range(writers)]
    codes = [_exit_code(child) for child in children]
    Path(settings.data, "seconds").write_text(str(time.monotonic() - started))
    for server in servers:
        os.kill(server, signal.SIGTERM)
    codes += [_exit_code(server) for server in servers]
    sys.exit(any(codes))


def _forked(work: Callable[[], None]) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def _exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _await(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError), closing(create_connection(("127.0.0.1", port), 1)):
            return
        if time.monotonic() > until:
            raise SystemExit(f"nobody listens on {port}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
