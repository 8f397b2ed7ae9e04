"""Two nodes of a forge behind nginx: each has a web, a gRPC and a worker process and a data folder.

Nodes are loopback addresses of their own, so both listen on the ports that the balancer has too.
The balancer's configuration is the one that operators get, with its names and addresses changed.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.vcs.buckets import patient

CHECKOUT = Path(__file__).parents[2]
NODES = {"a": "127.0.0.2", "b": "127.0.0.3"}
BALANCER = "127.0.0.1"
WORDS = ("web", "grpc", "worker")
STARTUP_SECONDS = 120
SERVED_BY = "x-served-by"


@dataclass
class Fleet:
    """Everything that runs. `environ` is what all processes share."""

    folder: Path
    port: int
    grpc_port: int
    environ: Mapping[str, str]
    running: dict[tuple[str, str], subprocess.Popen[bytes]] = field(default_factory=dict)
    lifeline: tuple[int, int] = field(default_factory=os.pipe)

    @property
    def url(self) -> str:
        """The address people use."""
        return f"http://{BALANCER}:{self.port}"

    def node(self, name: str) -> str:
        """The address of one node's web process."""
        return f"http://{NODES[name]}:{self.port}"

    def settings(self, name: str) -> dict[str, str]:
        """The environment of a node."""
        mine = {"MICELIO_DATA": str(self.folder / name), "BIND": NODES.get(name, BALANCER)}
        return {**self.environ, **mine}

    def start(self, name: str, word: str) -> None:
        """Start a process that is not running."""
        # With a lifeline the schema is not checked again by each, and all end with the test.
        with open(self.folder / f"{name}-{word}.log", "ab") as log:
            self.running[name, word] = subprocess.Popen(
                [sys.executable, "-m", "micelio_app", "--lifeline", str(self.lifeline[0]), word],
                cwd=CHECKOUT,
                env=self.settings(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self.lifeline[0],),
                start_new_session=True,
            )

    def kill(self, name: str, word: str) -> None:
        """End a process without a word, with all that it started."""
        process = self.running.pop((name, word))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def ready(self, name: str) -> bool:
        """Whether a node's web process answers that it can work."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.node(name)}/health/ready", timeout=5).status_code == 200
        return False

    def chosen(self, name: str) -> bool:
        """Whether the balancer sends a request to that node: one that was gone it passes over for a while."""
        by = httpx.get(f"{self.url}/health/live", timeout=5).headers[SERVED_BY]
        return by.rpartition(", ")[2].startswith(NODES[name])

    def said(self, name: str, word: str) -> str:
        """What a process logged."""
        return (self.folder / f"{name}-{word}.log").read_text()

    def close(self) -> None:
        """End everything."""
        for name, word in list(self.running):
            self.kill(name, word)
        for end in self.lifeline:
            os.close(end)


@contextmanager
def balanced(fleet: Fleet) -> Iterator[None]:
    """nginx in front of the nodes."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is not installed: run `make packages`, or apt-get install nginx-light"
    folder = fleet.folder / "nginx"
    folder.mkdir()
    (folder / "nginx.conf").write_text(_configuration(fleet, folder))
    command = [program, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    with subprocess.Popen(command) as server:
        try:
            yield
        finally:
            server.terminate()


def _configuration(fleet: Fleet, folder: Path) -> str:
    site = (CHECKOUT / "deploy" / "nginx.conf").read_text()
    changes = {
        "10.0.0.11:4000": f"{NODES['a']}:{fleet.port}",
        "10.0.0.12:4000": f"{NODES['b']}:{fleet.port}",
        "10.0.0.11:4001": f"{NODES['a']}:{fleet.grpc_port}",
        "10.0.0.12:4001": f"{NODES['b']}:{fleet.grpc_port}",
        "listen 443 ssl http2;": f"listen {BALANCER}:{fleet.port};",
        "listen 4001 ssl http2;": f"listen {BALANCER}:{fleet.grpc_port} http2;",
        "server_name forge.example.org;": "",
        "ssl_certificate /etc/ssl/forge.example.org/fullchain.pem;": "",
        "ssl_certificate_key /etc/ssl/forge.example.org/privkey.pem;": "",
    }
    for old, new in changes.items():
        assert old in site, f"deploy/nginx.conf has no {old!r} any more"
        site = site.replace(old, new)
    site, _, plain = site.partition("server {\n    listen 80;")
    assert "return 301" in plain
    user = "user root;" if os.geteuid() == 0 else ""
    kept = "".join(
        f"{name}_temp_path {folder};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"{user}\ndaemon off;\nworker_processes 1;\npid {folder}/pid;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n"
        f"add_header {SERVED_BY} $upstream_addr always;\n{kept}{site}}}\n"
    )


@contextmanager
def running(fleet: Fleet) -> Iterator[Fleet]:
    """All six processes and the balancer, once every node is ready."""
    subprocess.run(
        [sys.executable, "-m", "micelio_app", "build"], cwd=CHECKOUT, env=fleet.settings("a"), check=True
    )
    try:
        for name in NODES:
            for word in WORDS:
                fleet.start(name, word)
        with balanced(fleet):
            for name in NODES:
                patient(lambda name=name: fleet.ready(name), STARTUP_SECONDS)
            yield fleet
    finally:
        fleet.close()
