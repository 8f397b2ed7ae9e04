"""S3 for tests: two servers of different making, and a line to them that can be cut."""

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_connection, socket
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from vcs.s3 import Bucket

__all__ = ["KeepsConditions", "Line", "client", "moto_server", "new_bucket", "patient", "rclone_server"]

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def patient(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so, in another thread or process."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


class _Quiet(WSGIRequestHandler):
    def log(self, *args: Any, **options: Any) -> None:
        """Nobody reads it."""


class _OneAtATime:
    """moto looks and then writes, which real S3 does in one step; a lock makes it one here too."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._lock:
            return self._app(environ, start_response)


@contextmanager
def moto_server() -> Iterator[str]:
    """moto behind a real socket; its address."""
    app = _OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def rclone_server(folder: Path) -> Iterator[str]:
    """rclone's S3 over a folder, whose folders are the buckets; its address."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("rclone")
    command = [program, "serve", "s3", folder, "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    with subprocess.Popen([*command, "--config", ""], stderr=subprocess.DEVNULL) as server:
        try:
            patient(lambda: _answers(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    with suppress(OSError), create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def new_bucket(endpoint: str) -> Bucket:
    """A bucket of its own at a server."""
    bucket = Bucket(f"bucket-{uuid4().hex}", "us-east-1", endpoint, KEY, SECRET)
    client(bucket).create_bucket(Bucket=bucket.name)
    return bucket


def client(bucket: Bucket) -> Any:
    """The SDK's own client, to look behind the store."""
    return _client(bucket.endpoint)


@cache
def _client(endpoint: str) -> Any:
    return boto3.session.Session().client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


class Line:
    """The way to a server. `fate(request)` says what happens to each request; `seen` lists them.

    pass · lose: the server never hears of it · drop: it does, and the answer is lost · keep: it
    hears of it when `deliver` is called, and the client never hears · stall: as drop, but the line
    stays open until the client hangs up · a number: this status, the server hears nothing.
    """

    def __init__(self, target: str, fate: Callable[[Any], str | int] = lambda request: "pass") -> None:
        self.target = target
        self.fate = fate
        self.seen: list[tuple[str, str]] = []
        self.kept: list[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        # Handlers that wait for a client to hang up end by themselves.
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def bucket(self, direct: Bucket) -> Bucket:
        """The same bucket at this end of the line."""
        return replace(direct, endpoint=self.endpoint)

    def __enter__(self) -> "Line":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def deliver(self) -> None:
        """What was kept on the way arrives now."""
        kept, self.kept = self.kept, []
        for request in kept:
            self.forward(*request)

    def forward(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, Any, bytes]:
        with closing(http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=300)) as there:
            there.request(method, path, body=body, headers=headers)
            answer = there.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _handler(line) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                line.seen.append((self.command, self.path))
                fate = line.fate(self)
                skipped = ("connection", "expect", "content-length")
                headers = {name: told for name, told in self.headers.items() if name.lower() not in skipped}
                request = (self.command, self.path, body, headers)
                if fate == "keep":
                    line.kept.append(request)
                if isinstance(fate, int):
                    return self.answer(fate, [], b"")
                if fate in ("lose", "keep"):
                    return self.hang_up()
                answered = line.forward(*request)
                if fate == "stall":
                    with suppress(ConnectionError):
                        self.rfile.read(1)
                if fate != "pass":
                    return self.hang_up()
                self.answer(*answered)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

            def hang_up(self) -> None:
                self.close_connection = True

            def answer(self, status: int, headers: Any, body: bytes) -> None:
                self.send_response(status)
                length = str(len(body))
                for name, told in headers:
                    if name.lower() == "content-length" and self.command == "HEAD":
                        length = told
                    if name.lower() not in ("content-length", "connection", "server", "date"):
                        self.send_header(name, told)
                self.send_header("Content-Length", length)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Nobody reads it."""

        return Handler


class KeepsConditions(Line):
    """A line that keeps the conditions of writes for a server which ignores them, one write at a time.

    With it a whole forge runs on rclone's server, which holds files on disk as moto does not; nobody else
    may write to that server.
    """

    _turn = threading.Lock()

    def forward(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, Any, bytes]:
        told = {name.lower(): value for name, value in headers.items()}
        if method not in ("PUT", "POST") or not told.keys() & {"if-match", "if-none-match"}:
            return super().forward(method, path, body, headers)
        with self._turn:
            found = self._etag(path)
            if "if-match" in told and found is None:
                return 404, [("Content-Type", "application/xml")], _refusal("NoSuchKey")
            if told.get("if-match", found) != found or ("if-none-match" in told and found is not None):
                return 412, [("Content-Type", "application/xml")], _refusal("PreconditionFailed")
            return super().forward(method, path, body, headers)

    def _etag(self, path: str) -> str | None:
        bucket, _, key = unquote(urlsplit(path).path).lstrip("/").partition("/")
        try:
            return str(_client(self.target).head_object(Bucket=bucket, Key=key)["ETag"])
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return None


def _refusal(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
