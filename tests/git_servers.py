"""A forge elsewhere: git's own http-backend behind a small HTTP server on this machine."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["Elsewhere", "elsewhere"]


class Elsewhere:
    """Repositories below one folder, served; `wanted` are credentials it asks for, `moved` its redirects.
    While `going` is cleared, what is posted waits.
    """

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.url = f"http://127.0.0.1:{port}"
        self.wanted: str | None = None
        self.moved: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.going = threading.Event()
        self.going.set()

    def want(self, username: str, token: str) -> None:
        """From now on ask for these."""
        self.wanted = "Basic " + base64.b64encode(f"{username}:{token}".encode()).decode()


@contextmanager
def elsewhere(root: Path) -> Iterator[Elsewhere]:
    """Serve the repositories below a folder while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    server.elsewhere = Elsewhere(root, server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.elsewhere  # type: ignore[attr-defined]
    finally:
        server.elsewhere.going.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join()


class _Door(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.server.elsewhere.going.wait(60)  # type: ignore[attr-defined]
        self._answer()

    def _answer(self) -> None:
        here: Elsewhere = self.server.elsewhere  # type: ignore[attr-defined]
        path, _, query = self.path.partition("?")
        given = self.headers.get("Authorization")
        here.asked.append((self.path, given))
        for old, new in here.moved.items():
            if path.startswith(old):
                self.send_response(301)
                self.send_header("Location", new + self.path.removeprefix(old))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        if here.wanted is not None and given != here.wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="elsewhere"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._pass_on(here, path, query)

    def _pass_on(self, here: Elsewhere, path: str, query: str) -> None:
        body = self._body()
        env = {
            "PATH": os.pathsep.join(os.get_exec_path()),
            "GIT_PROJECT_ROOT": str(here.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_CONFIG_KEY_1": "http.receivepack",
            "GIT_CONFIG_VALUE_1": "true",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "somebody",
        }
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=env)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        status = 200
        lines = []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name == "Status":
                status = int(value.split(" ")[0])
            elif name:
                lines.append((name, value))
        self.send_response(status)
        for name, value in lines:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)
