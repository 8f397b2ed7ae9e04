"""Leaks: what a serving process holds before and after much work, once it has warmed up.

One process serves REST, event streams and gRPC, as `tests.backend.doors.door_process` does; whoever works it
is another process, so that only the forge is weighed.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc

from backend.core import migrate
from backend.core.config import Settings
from backend.core.db import Database
from tests.services import free_port
from tests.soak.arranging import arranged
from tests.soak.doors import RpcDoor
from tests.soak.killing import tree
from vcs.objects import Kind, Object, new_id
from vcs.wire import sessions_pb2 as s
from vcs.wire import sessions_pb2_grpc

AT_ONCE = 50
AT_ONCE_CUT = 5
CROWD = 400
PATIENCE = 30.0
CUT = bytes(1 << 20)
MORE_MEMORY = 1.10
MORE_FILES = 2
MORE_OF_DATABASES = 6
"""Two connections to SQLite with three files each: pools fill by chance. A leak is one of hundreds."""
_DATABASE = re.compile(r"\.(?:db|sqlite3?|idx|index)(?:-wal|-shm)?(?: \(deleted\))?$")
MORE_SOCKETS = 2
ROUNDS = (1, 2)


@dataclass(frozen=True)
class Work:
    """How much is done."""

    landings: int
    readers: int
    uploads: int


@dataclass(frozen=True)
class Held:
    """What a process holds at a moment. `memory` is its own: pages of files and libraries are shared with
    whoever else runs on the machine, and with their comings and goings its share of them changes.
    """

    memory: int
    files: int
    databases: int
    threads: int
    children: int

    @classmethod
    def by(cls, process: int) -> "Held":
        """What it holds now."""
        threads = len(os.listdir(f"/proc/{process}/task"))
        opened = _opened(process)
        databases = sum(_DATABASE.search(path) is not None for path in opened)
        return cls(_own_memory(process), len(opened) - databases, databases, threads, len(tree(process)) - 1)


@dataclass(frozen=True)
class Leaked:
    """What was held after warming up and at the end."""

    before: Held
    after: Held

    @property
    def wrong(self) -> list[str]:
        """What grew more than it may."""
        before, after = self.before, self.after
        found = []
        if after.memory > MORE_MEMORY * before.memory:
            found.append(f"memory grew from {before.memory >> 20} MB to {after.memory >> 20} MB")
        if after.files > before.files + MORE_FILES:
            found.append(f"{before.files} open files became {after.files}")
        if after.databases > before.databases + MORE_OF_DATABASES:
            found.append(f"{before.databases} open files of databases became {after.databases}")
        if after.threads > before.threads:
            found.append(f"{before.threads} threads became {after.threads}")
        if after.children > before.children:
            found.append(f"{before.children} children became {after.children}")
        return found

    def __str__(self) -> str:
        before, after = self.before, self.after
        growth = 100 * (after.memory / before.memory - 1)
        lines = [
            ("memory before, after", f"{before.memory >> 20} MB, {after.memory >> 20} MB ({growth:+.1f} %)"),
            ("open files before, after", f"{before.files}, {after.files}"),
            ("those of databases", f"{before.databases}, {after.databases}"),
            ("threads before, after", f"{before.threads}, {after.threads}"),
            ("children before, after", f"{before.children}, {after.children}"),
        ]
        return "\n".join(f"{name:<42} {value}" for name, value in lines)


def leak(folder: Path, warm: Work, work: Work) -> Leaked:
    """Warm a process up, weigh it, work it, and weigh it again when it is at rest.

    What holds more than it may is worked twice as much again and held against what it holds by then: what a
    cache or a heap fills with is taken once, and a leak grows by twice as much.
    """
    # A cache that fills up is no leak, so it is full after the warming up.
    more = {"RATE_LIMIT_ANONYMOUS": "65000", "RATE_LIMIT_ACCOUNT": "65000", "MEMORY_CACHE_MB": "2"}
    environ = {"MICELIO_DATA": str(folder), "SECRET_KEY_BASE": "not a secret", **more}
    settings = Settings.from_environ(environ)
    with closing(Database(settings.database_url, locks=settings.data / "locks")) as db:
        migrate.upgrade(db)
    token = arranged(settings)
    with _served(environ) as (process, port, rpc_port):
        worked = _Worked(process, port, rpc_port, token)
        with closing(worked.door):
            worked.do(warm)
            worked.crowd()
            after = _at_rest(process)
            for times in ROUNDS:
                before = after
                for _ in range(times):
                    worked.do(work)
                after = _at_rest(process, like=before)
                if not Leaked(before, after).wrong:
                    break
    return Leaked(before, after)


class _Worked:
    """A client that lands, watches and breaks off."""

    def __init__(self, process: int, port: int, rpc_port: int, token: str) -> None:
        self._process = process
        self.door = RpcDoor(rpc_port, token)
        self._port, self._rpc_port, self._token = port, rpc_port, token
        self._round = 0

    def do(self, work: Work) -> None:
        for _ in range(work.landings):
            self._round += 1
            session = self.door.start(f"Round {self._round}")
            self.door.put(
                session, {f"part{self._round % 50}/{self._round}": os.urandom(200), "last": os.urandom(9)}
            )
            self.door.land(session, new_id())
        session = self.door.start("Be watched")
        for start in range(0, work.readers, AT_ONCE):
            self._read(session, min(AT_ONCE, work.readers - start))
        before = _sockets(self._process)
        for number in range(work.uploads):
            (self._cut_put if number % 2 else self._cancelled_stream)(session)
            if number % AT_ONCE_CUT == 0:
                # What an allocator keeps is what the busiest moment took, so all moments are as busy.
                _until(lambda: _sockets(self._process) <= before + MORE_SOCKETS, "uploads do not end")
        self.door.abandon(session)

    def crowd(self) -> None:
        """So many calls at once that every pool has all of its threads, each with what a thread keeps."""
        session = self.door.start("Be asked about")
        metadata = [("authorization", f"Bearer {self._token}")]
        with grpc.insecure_channel(f"127.0.0.1:{self._rpc_port}") as channel:
            stub = sessions_pb2_grpc.SessionServiceStub(channel)
            for _ in range(2):
                asked = s.GetSessionRequest(session_id=session)
                calls = [stub.GetSession.future(asked, metadata=metadata) for _ in range(CROWD)]
                for call in calls:
                    call.result(PATIENCE)
        self.do(Work(1, 4 * AT_ONCE, 2))

    def _read(self, session: str, count: int) -> None:
        """Open streams at once, see that each has begun, and hang up."""
        ask = f"GET /api/v1/sessions/{session}/events/stream HTTP/1.1\r\n{self._headers()}\r\n"
        lines = [self._line(ask.encode()) for _ in range(count)]
        for line in lines:
            received = b""
            while b"data: " not in received:
                piece = line.recv(1 << 16)
                assert piece, received
                received += piece
            line.close()

    def _cut_put(self, session: str) -> None:
        """A body that ends in the middle."""
        ask = (
            f"PUT /api/v1/sessions/{session}/files/cut HTTP/1.1\r\n{self._headers()}"
            f"Content-Length: {len(CUT)}\r\n\r\n"
        )
        self._line(ask.encode() + CUT[: len(CUT) // 2]).close()

    def _cancelled_stream(self, session: str) -> None:
        """A call that is cancelled with half of a blob sent."""
        blob = Object.of(Kind.BLOB, CUT)
        with grpc.insecure_channel(f"127.0.0.1:{self._rpc_port}") as channel:
            sent: list[int] = []
            called: list[grpc.Future] = []

            def parts() -> Iterator[s.StageBlobsRequest]:
                yield s.StageBlobsRequest(
                    header=s.StageHeader(session_id=session, id=blob.id, size=len(blob.content))
                )
                yield s.StageBlobsRequest(data=CUT[: 1 << 18])
                sent.append(1)
                _until(lambda: bool(called) and called[0].done(), "the call was not cancelled")

            call = sessions_pb2_grpc.SessionServiceStub(channel).StageBlobs.future(
                parts(), metadata=[("authorization", f"Bearer {self._token}")]
            )
            called.append(call)
            _until(lambda: bool(sent), "nothing was sent")
            call.cancel()

    def _headers(self) -> str:
        return f"Host: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n"

    def _line(self, ask: bytes) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        line.sendall(ask)
        return line


def _own_memory(process: int) -> int:
    """Bytes that a process and all below it hold and no file does."""
    total = 0
    for one in tree(process):
        with suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss_Anon:"):
                    total += int(line.split()[1]) * 1024
    return total


def _sockets(process: int) -> int:
    """How many connections it has over the network, and ears for them."""
    return sum(path.startswith("socket:") for path in _opened(process))


def _opened(process: int) -> list[str]:
    """What its descriptors lead to."""
    found = []
    for name in os.listdir(f"/proc/{process}/fd"):
        with suppress(OSError):
            found.append(os.readlink(f"/proc/{process}/fd/{name}"))
    return found


@contextmanager
def _served(environ: dict[str, str]) -> Iterator[tuple[int, int, int]]:
    """A process with every door; its id and ports."""
    port = free_port()
    command = [sys.executable, "-m", "tests.backend.doors.door_process", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"environ": environ, "now": datetime.now(UTC).isoformat()}))
        process.stdin.close()
        try:
            rpc_port = int(process.stdout.readline())
            _until(lambda: _listens(port), "the web door does not answer")
            yield process.pid, port, rpc_port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def _at_rest(process: int, like: Held | None = None) -> Held:
    """What is held once connections that ended are gone; at the latest after some seconds."""
    until = time.monotonic() + PATIENCE
    held = Held.by(process)
    while time.monotonic() < until:
        time.sleep(0.5)
        before, held = held, Held.by(process)
        calm = (held.files, held.threads) == (before.files, before.threads)
        if calm and (like is None or not Leaked(like, held).wrong):
            break
    return held


def _until(is_so: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until, otherwise
        time.sleep(0.005)
