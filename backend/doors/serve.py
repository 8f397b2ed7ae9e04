"""`micelio serve`: one supervisor over web, gRPC and worker, and one screen.

The supervisor loads nothing of the forge: it migrates and builds in short-lived children, then
keeps the three processes running. Children live in process groups of their own and hold the
reading end of a pipe; when the supervisor is gone, however it went, the pipe closes and they end.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from backend.core.config import Settings
from backend.core.errors import Unavailable

READY_SECONDS = 180.0
"""Who ends while starting is seen at once: this is for a process that hangs, on however slow a machine."""
STOP_SECONDS = 4.0
LOOK_SECONDS = 0.1
FAILURES_ALLOWED = 5
FAILURE_WINDOW = 60.0
LONGEST_PAUSE = 16.0


class CannotServe(Unavailable):
    """Something that must run does not."""

    code = "serve.failed"
    message = "{problem}"


@dataclass
class Child:
    """One process that is kept running."""

    name: str
    process: subprocess.Popen[bytes]
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES_ALLOWED))
    start_at: float | None = None
    """When to start it again; None while it runs."""


def run(settings: Settings, command: Sequence[str]) -> int:
    """Serve until told to stop; returns the exit code.

    `command` starts this program. Raises CannotServe when a process cannot be kept running.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    _check_ports(settings)
    supervisor = Supervisor(tuple(command), stop)
    try:
        first_link = supervisor.prepare()
        if stop.is_set():
            return 0
        supervisor.start()
        if supervisor.wait_until_ready(settings):
            print(screen(settings, first_link), flush=True)
            supervisor.watch()
    finally:
        supervisor.end()
    return 0


class Supervisor:
    """Starts, watches and ends the processes."""

    def __init__(self, command: tuple[str, ...], stop: threading.Event) -> None:
        self._command = command
        self._stop = stop
        self._children: list[Child] = []
        self._lifeline, self._held = os.pipe()

    def prepare(self) -> str:
        """Migrate and build, side by side; returns the first administrator's sign-in link or ""."""
        short = [self._spawn("prepare", stdout=subprocess.PIPE), self._spawn("build")]
        self._children = [Child("short", process) for process in short]
        while any(process.poll() is None for process in short) and not any(p.returncode for p in short):
            if self._stop.wait(LOOK_SECONDS / 4):
                return ""
        if any(process.returncode for process in short):
            # It has said why.
            raise SystemExit(1)
        self._children = []
        assert short[0].stdout is not None
        return short[0].stdout.read().decode().strip()

    def start(self) -> None:
        """Start what is kept running."""
        self._children = [Child(name, self._spawn(name)) for name in PROCESSES]

    def wait_until_ready(self, settings: Settings) -> bool:
        """True when everything answers, False when told to stop before."""
        deadline = monotonic() + READY_SECONDS
        while not self._stop.wait(LOOK_SECONDS / 2):
            if gone := next((c for c in self._children if c.process.poll() is not None), None):
                raise CannotServe(problem=f"The {gone.name} process ended while starting; it said why above.")
            if _answers(settings) and _listens(settings.bind, settings.grpc_port):
                return True
            if monotonic() > deadline:
                raise CannotServe(
                    problem=f"Nothing answered within {READY_SECONDS:.0f} s; see the lines above."
                )
        return False

    def watch(self) -> None:
        """Keep everything running until told to stop."""
        while not self._stop.wait(LOOK_SECONDS):
            for child in self._children:
                self._keep_running(child)

    def end(self) -> None:
        """End every process within five seconds, politely first."""
        for child in self._children:
            _signal(child.process, signal.SIGTERM)
        deadline = monotonic() + STOP_SECONDS
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - monotonic()))
            # Also what a process left behind in its group.
            _signal(child.process, signal.SIGKILL)
            child.process.wait()
        os.close(self._held)
        os.close(self._lifeline)

    def _keep_running(self, child: Child) -> None:
        if child.start_at is not None:
            if monotonic() >= child.start_at:
                child.process, child.start_at = self._spawn(child.name), None
            return
        code = child.process.poll()
        if code is None:
            return
        _signal(child.process, signal.SIGKILL)
        now = monotonic()
        child.failures.append(now)
        recent = [at for at in child.failures if at > now - FAILURE_WINDOW]
        if len(recent) >= FAILURES_ALLOWED:
            raise CannotServe(problem=f"The {child.name} process ended {len(recent)} times within a minute.")
        pause = min(LONGEST_PAUSE, 2.0 ** (len(recent) - 1) / 2)
        child.start_at = now + pause
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        print(f"micelio: {child.name} ended with {how}; starting it again in {pause:g} s.", file=sys.stderr)

    def _spawn(self, name: str, *, stdout: int | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, "--lifeline", str(self._lifeline), name],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            pass_fds=(self._lifeline,),
            start_new_session=True,
        )


def screen(settings: Settings, first_link: str) -> str:
    """What a person needs to know, once."""
    database = f"SQLite in {settings.sqlite_path}" if settings.sqlite_path else "PostgreSQL"
    lines = [("Open", settings.public_url)]
    if first_link:
        lines.append(("Sign in", f"{first_link}  (once, as the first administrator)"))
    lines += [
        ("gRPC", settings.grpc_url or f"{settings.host}:{settings.grpc_port}"),
        ("Data", f"{settings.data} · {database}"),
        ("Stop", "Ctrl-C"),
    ]
    return "\n".join(
        ["", "  Micelio is running.", "", *(f"  {name:<8} {value}" for name, value in lines), ""]
    )


def _check_ports(settings: Settings) -> None:
    for name, port in (("PORT", settings.port), ("GRPC_PORT", settings.grpc_port)):
        family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind, port))
            except OSError as error:
                raise CannotServe(
                    problem=f"Port {port} on {settings.bind} cannot be used ({error.strerror}). "
                    f"Stop what uses it, or choose another with {name}."
                ) from None


def _answers(settings: Settings) -> bool:
    connection = http.client.HTTPConnection(_reachable(settings.bind), settings.port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(bind: str, port: int) -> bool:
    try:
        socket.create_connection((_reachable(bind), port), timeout=2).close()
    except OSError:
        return False
    return True


def _reachable(bind: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


PROCESSES = ("web", "grpc", "worker")
