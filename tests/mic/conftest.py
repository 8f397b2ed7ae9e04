"""A forge that `mic` reaches over real gRPC, and `mic` itself, run in a folder of the test's own."""

import asyncio
import json
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from backend.accounts import grants
from backend.accounts.service import create_access_token
from backend.core import jobs
from backend.core.operations import SCOPES
from backend.doors import rpc
from backend.doors.routes import own_app
from backend.instance.web import discovery
from mic.main import main

PATIENCE = 60


@pytest.fixture(params=["sqlite"])
def database(request, tmp_path, migrated_sqlite):
    """`mic` knows no database: one is enough here."""
    (tmp_path / "micelio.db").write_bytes(migrated_sqlite.read_bytes())
    return f"sqlite:///{tmp_path / 'micelio.db'}"


@pytest.fixture
def answered() -> list[tuple[str, dict]]:
    """What was asked of OAuth over HTTP, and what came back."""
    return []


@pytest.fixture
def instance(forge, answered):
    """Address of the forge: what HTTP says of it, and its gRPC."""
    server, port = rpc.start_grpc(forge, "127.0.0.1:0")
    forge.settings = replace(forge.settings, grpc_port=port)

    class Discovery(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/.well-known/micelio":
                return self.pass_on()
            body = json.dumps(discovery(forge, f"http://{self.headers['Host']}")).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.pass_on()
            if self.path.startswith("/api/"):
                # What was asked for is done at once: nobody waits for a worker here.
                jobs.drain(forge)

        def pass_on(self):
            """Ask the forge's own HTTP."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sent = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            here = f"http://{self.headers['Host']}"

            async def ask():
                transport = httpx.ASGITransport(app=own_app(forge))
                async with httpx.AsyncClient(transport=transport, base_url=here) as client:
                    return await client.request(self.command, self.path, headers=sent, content=body)

            answer = asyncio.run(ask())
            content = answer.content
            if "oauth" in self.path:
                # Whatever the forge calls itself, it listens here.
                content = content.replace(forge.settings.public_url.encode(), here.encode())
                answered.append((self.path, answer.json()))
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("content-type", ""))
            if asks := answer.headers.get("www-authenticate"):
                self.send_header("WWW-Authenticate", asks)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Discovery)
    thread = threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    web.server_close()
    thread.join()
    server.stop(0).wait()


@pytest.fixture
def token_of(invoke):
    """A token that may do what its owner may."""

    def token_of(actor, *scopes):
        wanted = list(scopes) or [name for name in SCOPES if name != "admin"]
        return invoke(actor, create_access_token, name="mic", scopes=wanted).token

    return token_of


@dataclass
class Ran:
    """How a command ended."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode("utf-8", "surrogateescape")

    @property
    def json(self):
        return json.loads(self.raw)


class Shell:
    """Somebody at a terminal: a folder to be in, and `mic`."""

    def __init__(self, folder: Path, capsysbinary) -> None:
        self.folder = folder
        self._captured = capsysbinary

    def __call__(self, *words: str) -> Ran:
        """Run `mic` whatever becomes of it."""
        before = os.getcwd()
        os.chdir(self.folder)
        self._captured.readouterr()
        try:
            code = main(list(words))
        except SystemExit as ended:
            code = ended.code
        finally:
            os.chdir(before)
        out, err = self._captured.readouterr()
        return Ran(code, out, err.decode())

    def ok(self, *words: str) -> Ran:
        """Run `mic`, which must succeed."""
        ran = self(*words)
        assert ran.code == 0, ran.err
        return ran

    def at(self, folder: str) -> "Shell":
        """The same terminal in another folder."""
        return Shell(self.folder / folder, self._captured)

    def write(self, path: str, content: str | bytes) -> Path:
        whole = self.folder / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(content.encode() if isinstance(content, str) else content)
        return whole


@pytest.fixture
def home(tmp_path, monkeypatch):
    """`$MIC_HOME` of this test alone."""
    monkeypatch.setenv("MIC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    for name in ("MICELIO_INSTANCE", "MICELIO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def shell(tmp_path, capsysbinary, home) -> Shell:
    """Nobody is signed in."""
    (tmp_path / "work").mkdir()
    return Shell(tmp_path / "work", capsysbinary)


@pytest.fixture
def as_ada(shell, instance, token_of, ada, acme) -> Shell:
    """Ada is signed in."""
    shell.ok("auth", "login", "--instance", instance, "--token", token_of(ada))
    shell.ok("config", "--global", "instance", instance)
    return shell


@pytest.fixture
def notes(as_ada) -> Shell:
    """Ada in a workspace of acme/notes, whose README landed at position 1."""
    work = as_ada.at("notes")
    work.write("README.md", "# Notes\n\nOne.\nTwo.\nThree.\n")
    work.write("src/tool.py", "print('hello')\n")
    work.ok("project", "create", "acme/notes", "--init", "--visibility", "public")
    return work


def until(condition):
    """What the condition gives, once it gives something."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()) and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    assert found
    return found


@pytest.fixture
def answering(invoke, ada, answered):
    """Ada at a browser, who answers the code that is shown next."""

    @contextmanager
    def answering(operation=grants.approve_device_request, before=lambda: None):
        def answer():
            shown = until(lambda: [told for path, told in answered if path == "/oauth/device/code"])
            before()
            invoke(ada, operation, user_code=shown[0]["user_code"])

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join(PATIENCE)

    return answering
