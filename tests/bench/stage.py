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
from uuid import uuid4

import psycopg

from backend.core import migrate
from backend.core.config import Settings
from backend.core.context import Forge
from backend.core.db import Database
from tests.services import free_port, running_postgres
from tests.vcs.buckets import KEY, SECRET, moto_server, new_bucket

CHECKOUT = Path(__file__).parents[2]


class Served:
    """A forge as `micelio serve` runs it, with an administrator and a finished session of the demo."""

    def __init__(self, folder: Path, *, program: str = "micelio_app", **settings: str) -> None:
        """`program` is the module that is run, `settings` go into its environment."""
        self.folder = folder
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

    def processor(self) -> float:
        """Seconds of processor time that its processes have used, without those that are gone."""
        assert self._process is not None
        return sum(_used(process) for process in _tree(self._process.pid))

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

    def __init__(self, only: str = "") -> None:
        self._only = only
        self._open = ExitStack()

    def asked_for(self, group: str) -> bool:
        """Whether this group was named: some have figures that take too long for every run."""
        return bool(self._only) and self._only.startswith(group)

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

    def forge(self, *, database: str = "sqlite", store: str = "local") -> Forge:
        """A forge in this process: on SQLite and the local store, as `serve` uses them, or on others."""
        return self.forge_of(self.environ(database=database, store=store))

    def environ(self, *, database: str, store: str) -> dict[str, str]:
        """The environment of a new forge: `sqlite` or `postgresql`, and `local`, `s3` or `tiered`."""
        environ = {
            "MICELIO_DATA": str(self.folder()),
            "SECRET_KEY_BASE": "not a secret",
            "RATE_LIMIT_ACCOUNT": "65535",
        }
        if database == "postgresql":
            name = f"bench{uuid4().hex}"
            with psycopg.connect(f"{self._postgres}/postgres", autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {name}")
            environ["DATABASE_URL"] = f"{self._postgres}/{name}"
        if store != "local":
            bucket = new_bucket(self._moto)
            environ |= {
                "STORAGE_BACKEND": store,
                "S3_BUCKET": bucket.name,
                "S3_ENDPOINT_URL": bucket.endpoint,
                "S3_ACCESS_KEY_ID": KEY,
                "S3_SECRET_ACCESS_KEY": SECRET,
            }
        return environ

    @cached_property
    def _postgres(self) -> str:
        return self._open.enter_context(running_postgres())

    @cached_property
    def _moto(self) -> str:
        return self._open.enter_context(moto_server())

    def forge_of(self, environ: dict[str, str]) -> Forge:
        """An empty forge in this process with these settings."""
        settings = Settings.from_environ(environ)
        with closing(Database(settings.database_url, locks=settings.data / "locks")) as db:
            migrate.upgrade(db)
        forge = Forge.open(settings)
        self._open.callback(forge.close)
        return forge

    def close(self) -> None:
        """End and remove everything."""
        self._open.close()


@contextmanager
def stage(only: str = "") -> Iterator[Stage]:
    """A stage, taken down at the end; `only` are the groups that were asked for by name."""
    with closing(Stage(only)) as built:
        yield built


def _tree(process: int) -> Iterator[int]:
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _resident(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _used(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _proportional(process: int) -> int:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
