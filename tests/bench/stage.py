"""What figures are measured on: a served forge shared by several groups, and forges in this process."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

from backend.core import migrate
from backend.core.config import Settings
from backend.core.context import Forge
from backend.core.db import Database
from tests.services import free_port

CHECKOUT = Path(__file__).parents[2]


class Served:
    """A forge as `micelio serve` runs it, with an administrator and a finished session of the demo."""

    def __init__(self, folder: Path, *, program: str = "micelio_app", **settings: str) -> None:
        """`program` is the module that is run, `settings` go into its environment."""
        self.port, self.grpc_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        ports = {"PORT": str(self.port), "GRPC_PORT": str(self.grpc_port)}
        self.environment = os.environ | ports | {"MICELIO_DATA": str(folder)} | settings
        self._program = program
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The supervisor."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Start it and return the seconds until it says that it runs."""
        started = perf_counter()
        self._process = subprocess.Popen(
            self._command("serve"),
            cwd=CHECKOUT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if "Ctrl-C" in line:
                return perf_counter() - started
        raise SystemExit("bench: `micelio serve` ended before it was ready; run it to see why.")

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()

    def memory(self) -> int:
        """Bytes that all of its processes hold together, what they share counted once."""
        assert self._process is not None
        return sum(_proportional(process) for process in _tree(self._process.pid))

    @cached_property
    def token(self) -> str:
        """An administrator's."""
        made = self.micelio("create-admin", "--email", "ada@example.org", "--handle", "ada", "--token")
        return made.split()[-1]

    @cached_property
    def session(self) -> dict[str, Any]:
        """A session of the demo that has landed."""
        assert self.token
        self.micelio("demo", "--speed", "100000")
        sessions = self.api("GET", "/api/v1/projects/micelio/micelio/sessions")["items"]
        return dict(next(one for one in sessions if one["agent"] == "demo"))

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the REST API with the administrator's token."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = json.loads(connection.getresponse().read())
        return answer

    def micelio(self, *words: str) -> str:
        """What `micelio` prints for these words."""
        return subprocess.run(
            self._command(*words),
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def growth(self, work: Callable[[], object]) -> int:
        """Bytes that the one of its processes that grew most had more at some moment of this work."""
        assert self._process is not None
        processes = list(_tree(self._process.pid))
        before = {process: _resident(process, "VmRSS") for process in processes}
        for process in processes:
            # Sets VmHWM back to what is resident now (proc(5)).
            Path(f"/proc/{process}/clear_refs").write_text("5")
        work()
        return max(_resident(process, "VmHWM") - before[process] for process in processes)

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", self._program, *words]


class Stage:
    """Opens what groups ask for, once, and takes it all down at the end."""

    def __init__(self) -> None:
        self._open = ExitStack()

    def folder(self) -> Path:
        """An empty folder for the time of this run."""
        return Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="micelio-bench-")))

    @cached_property
    def served(self) -> Served:
        """The forge of this run; its first start has migrated and hosted the checkout before."""
        served = Served(self.folder())
        self._open.callback(served.stop)
        served.start()
        served.stop()
        self.later_start = served.start()
        return served

    def forge(self) -> Forge:
        """A forge in this process, on SQLite and the local store as `serve` uses them."""
        settings = Settings.from_environ({"MICELIO_DATA": str(self.folder())})
        with closing(Database(settings.database_url, locks=settings.data / "locks")) as db:
            migrate.upgrade(db)
        forge = Forge.open(settings)
        self._open.callback(forge.close)
        return forge

    def close(self) -> None:
        """End and remove everything."""
        self._open.close()


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage, taken down at the end."""
    with closing(Stage()) as built:
        yield built


def _tree(process: int) -> Iterator[int]:
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _resident(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _proportional(process: int) -> int:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
