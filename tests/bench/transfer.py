"""Clones and pushes as `mic` makes them, over a wire that is counted."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.figures import Figure, spent
from tests.bench.stage import CHECKOUT, Stage
from tests.bench.writing import tree_of
from tests.mic.proxy import Proxy

MEGABYTE = 1 << 20
HEAVY_BYTES = 200 * MEGABYTE
FILES = 10_000


def measure(stage: Stage) -> Iterator[Figure]:
    """200 MB that do not compress, the largest file 64 MB of it; then ten thousand small files."""
    with _wire(stage) as mic:
        total = mic.project("heavy", _heavy())
        yield Figure("transfer.push_200mb", mic.took, "s")
        yield Figure("transfer.clone_200mb", mic.clone("heavy"), "s")
        yield Figure("transfer.killed_at", 100 * mic.killed("heavy", total // 2) / total, "%")
        mic.clone("heavy", "killed")
        yield Figure("transfer.resumed_bytes", 100 * mic.proxy.received / total, "%", at_most=55)
        mic.project("small", tree_of(FILES))
        yield Figure("transfer.push_10k", mic.took, "s")
        yield Figure("transfer.clone_10k.cold", mic.clone("small"), "s")
        bytes_over_wire = mic.proxy.received
        yield Figure("transfer.clone_10k.warm", mic.clone("small"), "s")
        yield Figure("transfer.clone_10k.bytes", bytes_over_wire / MEGABYTE, "MB")
        mic.killed("small", bytes_over_wire // 2)
        yield Figure("transfer.clone_10k.resumed", mic.clone("small", "killed"), "s")


def _heavy() -> dict[bytes, bytes]:
    chance = random.Random(1)
    sizes = [64 * MEGABYTE, 16 * MEGABYTE, 5 * MEGABYTE, *(chance.randrange(4000) for _ in range(1000))]
    while sum(sizes) < HEAVY_BYTES:
        sizes.append(min(chance.randrange(3 * MEGABYTE), HEAVY_BYTES - sum(sizes)))
    return {b"part%d/%d.bin" % (at % 20, at): chance.randbytes(size) for at, size in enumerate(sizes)}


class Mic:
    """The command line of somebody whose forge is behind a proxy."""

    def __init__(self, folder: Path, instance: str, token: str, proxy: Proxy) -> None:
        self.folder = folder
        self.proxy = proxy
        self.took = 0.0
        self._number = 0
        where = {"MICELIO_INSTANCE": instance, "MICELIO_TOKEN": token, "MIC_HOME": str(folder / "home")}
        self._environment = {**os.environ, **where, "PYTHONPATH": str(CHECKOUT)}
        self("org", "create", "bench")

    def __call__(self, *words: str, at: str = "") -> None:
        """Run a command that must succeed."""
        command = [sys.executable, "-m", "mic", *words]
        quiet = subprocess.DEVNULL
        subprocess.run(command, cwd=self.folder / at, env=self._environment, check=True, stdout=quiet)

    def project(self, name: str, contents: dict[bytes, bytes]) -> int:
        """Land these files in a project of their own; returns their bytes."""
        for path, content in contents.items():
            whole = self.folder / "origin" / name / os.fsdecode(path)
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(content)
        create = partial(self, "project", "create", f"bench/{name}", "--init", at=f"origin/{name}")
        self.took = spent(create)
        return sum(map(len, contents.values()))

    def clone(self, name: str, into: str = "") -> float:
        """Seconds of a clone; the proxy counts its bytes."""
        self._number += 1
        self.proxy.received = 0
        folder = f"{into}-{name}" if into else f"{name}{self._number}"
        return spent(partial(self, "clone", f"bench/{name}", folder))

    def killed(self, name: str, part: int) -> int:
        """Clone until so many bytes came; returns how many had."""
        self.proxy.received = 0
        command = [sys.executable, "-m", "mic", "clone", f"bench/{name}", f"killed-{name}"]
        process = subprocess.Popen(command, cwd=self.folder, env=self._environment)
        while self.proxy.received < part and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return self.proxy.received


@contextmanager
def _wire(stage: Stage) -> Iterator[Mic]:
    told = urlsplit(stage.served.api("GET", "/.well-known/micelio")["grpc_url"])
    assert told.port is not None
    proxy = Proxy(told.port)

    class Discovery(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"grpc_url": f"http://127.0.0.1:{proxy.port}"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    web = ThreadingHTTPServer(("127.0.0.1", 0), Discovery)
    thread = threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Mic(stage.folder(), f"http://127.0.0.1:{web.server_port}", stage.served.token, proxy)
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
        proxy.close()
