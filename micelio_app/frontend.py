"""The built face: made once from the sources, then served from memory by our own handler.

For whoever starts the app (`micelio serve`):

    if frontend.needs_build():  # a stamp over the sources differs; never in a wheel
        frontend.build()        # 4-10 s; FrontendBuildFailed says what to do
    config.enter_serving(redis_url)
    Granian("micelio_app.micelio_app:app", factory=True, interface="asgi", ...).serve()

`enter_serving` steps around the trap: Reflex reads `rxconfig.py` from the current folder only and
takes its defaults in silence without it.
"""

import base64
import fcntl
import gzip
import hashlib
import json
import mimetypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reflex.plugins import Plugin

from backend.core.errors import Unavailable
from micelio_app import config
from micelio_app.callers import caller
from micelio_app.head import Head
from micelio_app.ui.scripts import link_scripts

SAME_ORIGIN = "http://same-origin.invalid"
"""What is baked into the bundle instead of an address, and rewritten by `SameOriginPlugin`."""

FALLBACK = "__spa-fallback.html"
SOURCES = ("rxconfig.py", "bunfig.toml", ".npmrc", "assets", "reflex.lock", "micelio_app", "backend")
SUFFIXES = {".py", ".js", ".css", ".svg", ".ico", ".png", ".json", ".toml", ".lock", ".webmanifest", ""}

Scope = Mapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
HeadFor = Callable[[str, str | None, str], Awaitable[Head]]


class FrontendBuildFailed(Unavailable):
    """The pages could not be built; the last lines of the build say why."""

    code = "frontend.build_failed"
    message = "The web pages could not be built. Mend what the build said and start again:\n{output}"


class FrontendMissing(Unavailable):
    """There is nothing to serve."""

    code = "frontend.missing"
    message = "The web pages are not built. Run `make serve`, which builds them."


class SameOriginPlugin(Plugin):
    """Makes the bundle talk to the host it came from, whatever that is called.

    Reflex bakes an absolute address into its bundle; ours is a marker, replaced here by the
    page's own origin. It insists on finding it, so an upgrade cannot break this in silence.
    """

    def post_build(self, **context: Any) -> None:
        """Rewrite the marker in every script of the finished bundle."""
        marker = re.compile(r"""([`"'])(http|ws)://same-origin\.invalid(/[\w-]*)\1""")
        found = 0
        for script in Path(context["static_dir"]).glob("assets/*.js"):
            text, count = marker.subn(_own_origin, script.read_text())
            if count:
                script.write_text(text)
                found += count
        if not found:
            raise FrontendBuildFailed(output="no server address was found in the bundle to rewrite")


def _own_origin(match: re.Match[str]) -> str:
    secure = '.replace(/^http/,"ws")' if match[2] == "ws" else ""
    return f'(globalThis.location?globalThis.location.origin:"http://localhost"){secure}+"{match[3]}"'


def needs_build() -> bool:
    """Whether the sources of this checkout differ from what was built; False in a wheel."""
    if config.CHECKOUT is None:
        return False
    stamp = config.FRONTEND / "STAMP"
    return not stamp.is_file() or stamp.read_text() != _stamp(config.CHECKOUT)


def build() -> None:
    """Build the pages of this checkout; a second builder waits for the first and uses its work.

    Raises FrontendBuildFailed with the end of what the build printed.
    """
    if config.CHECKOUT is None:
        return
    lock = config.HERE / "_frontend.lock"
    lock.mkdir(exist_ok=True)
    held = os.open(lock, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        if needs_build():
            _build(config.CHECKOUT)
    finally:
        os.close(held)


def _build(checkout: Path) -> None:
    stamp = _stamp(checkout)
    packages = checkout / "reflex.lock" / "package.json"
    locked = packages.read_bytes() if packages.is_file() else b"null"
    link_scripts(checkout / "assets")
    done = subprocess.run(
        [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"],
        cwd=checkout,
        env=config.building_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # Reflex lays the same list out on one line or on many, as its cache happens to be.
    if packages.is_file() and json.loads(packages.read_bytes()) == json.loads(locked):
        packages.write_bytes(locked)
    client = checkout / ".web" / "build" / "client"
    if done.returncode or not (client / FALLBACK).is_file():
        raise FrontendBuildFailed(output="\n".join(done.stdout.strip().splitlines()[-15:]))
    fresh = Path(tempfile.mkdtemp(prefix="_frontend.", dir=config.HERE))
    try:
        shutil.copytree(client, fresh / "build" / "client")
        shutil.copytree(checkout / ".web" / "backend", fresh / "backend")
        (fresh / "STAMP").write_text(stamp)
        fresh.chmod(0o755)
        if config.FRONTEND.exists():
            shutil.rmtree(config.FRONTEND)
        fresh.rename(config.FRONTEND)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _stamp(checkout: Path) -> str:
    digest = hashlib.sha256(version("reflex").encode())
    for path in sorted(_sources(checkout)):
        digest.update(f"\0{path.relative_to(checkout)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(checkout: Path) -> Iterator[Path]:
    for name in SOURCES:
        top = checkout / name
        for path in top.rglob("*") if top.is_dir() else (top,):
            inside = path.relative_to(checkout).parts
            if not path.is_file() or {"__pycache__", "external"} & set(inside):
                continue
            if len(inside) > 1 and inside[1].startswith("_frontend"):
                continue
            # Of the backend only the shapes that pages hold reach the bundle.
            if name == "backend" and path.name != "schemas.py":
                continue
            if path.suffix in SUFFIXES:
                yield path


@dataclass(frozen=True)
class Document:
    """One prerendered page, cut where each request writes its own head and body."""

    before_title: str
    before_body: str
    inside_body: str
    policy: str

    @classmethod
    def of(cls, html: str) -> "Document":
        """Cut a page; its title is dropped, its inline scripts are allowed by their hashes."""
        hashes = [
            base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            for attributes, text in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
            if text and " src=" not in attributes
        ]
        html = re.sub(r"<title>.*?</title>", "", html, count=1, flags=re.DOTALL)
        html = re.sub(r'<meta [^>]*property="og:image"/?>', "", html)  # Reflex's own guess
        before_title, rest = html.split("</head>", 1)
        before_body, inside_body = re.split(r"(?<=<body>)", rest, maxsplit=1)
        return cls(before_title, before_body, inside_body, content_policy(hashes))

    def still(self) -> str:
        """The page without its scripts: what is shown when something broke."""
        html = self.before_title + "</head>" + self.before_body + self.inside_body
        html = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
        return re.sub(r'<link rel="modulepreload"[^>]*>', "", html)

    def drawn(self, head: Head, origin: str, *, signed_in: bool) -> bytes:
        """The page as this request gets it."""
        top = self.before_title
        if signed_in:
            top = top.replace("<html", "<html data-signed-in", 1)
        page = (
            top,
            head.tags(origin),
            "</head>",
            self.before_body,
            head.plain_body(signed_in=signed_in),
            self.inside_body,
        )
        return "".join(page).encode()


def content_policy(script_hashes: list[str] | None = None) -> str:
    """The Content-Security-Policy of a page whose inline scripts have these base64 SHA-256 hashes."""
    scripts = " ".join(["'self'", *(f"'sha256-{h}'" for h in dict.fromkeys(script_hashes or []))])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


@dataclass(frozen=True)
class StaticFile:
    """One file as it is sent: bytes, their gzip if that is smaller, and how long to keep them."""

    kind: bytes
    content: bytes
    zipped: bytes | None
    keep: bytes
    tag: bytes

    @classmethod
    def of(cls, path: Path, *, hashed_name: bool) -> "StaticFile":
        """Read a file and the gzip the build laid beside it."""
        content = path.read_bytes()
        beside = path.with_name(path.name + ".gz")
        zipped = beside.read_bytes() if beside.is_file() else None
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if path.suffix == ".webmanifest":
            kind = "application/manifest+json"
        if kind.startswith("text/") or kind.endswith("javascript"):
            kind += "; charset=utf-8"
        return cls(
            kind=kind.encode(),
            content=content,
            zipped=zipped if zipped and len(zipped) < len(content) else None,
            keep=b"public, max-age=31536000, immutable" if hashed_name else b"public, max-age=3600",
            tag=b'"' + hashlib.sha256(content).hexdigest()[:20].encode() + b'"',
        )


class Frontend:
    """Serves what was built: files from memory, pages with the head this request deserves.

    Everything is read at start, so no path of a request ever reaches the file system. A page
    is its prerendered file or the empty shell; its status, title and readable body come from
    `head_for(path, session, query)`.
    """

    def __init__(self, folder: Path, head_for: HeadFor) -> None:
        if not (folder / FALLBACK).is_file():
            raise FrontendMissing
        self.head_for = head_for
        self.documents = {
            _address(page.relative_to(folder)): Document.of(page.read_text())
            for page in folder.rglob("*.html")
        }
        self.shell = self.documents["/" + FALLBACK.removesuffix(".html")]
        self.files = {
            "/" + str(path.relative_to(folder)): StaticFile.of(path, hashed_name=path.parent.name == "assets")
            for path in folder.rglob("*")
            if path.is_file() and path.suffix not in (".html", ".gz")
        }

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request for a file or a page."""
        headers = dict(scope["headers"])
        if scope["method"] not in ("GET", "HEAD"):
            allow = [(b"allow", b"GET, HEAD"), (b"content-type", b"text/plain; charset=utf-8")]
            return await _answer(scope, send, 405, allow, b"Only GET works here.\n")
        path = scope["path"]
        if file := self.files.get(path):
            return await self._send_file(scope, send, headers, file)
        if path.startswith("/assets/"):
            plain = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
            return await _answer(scope, send, 404, plain, b"There is no such file. Load the page again.\n")
        await self._send_page(scope, send, headers)

    async def _send_file(
        self, scope: Scope, send: Send, headers: Mapping[bytes, bytes], file: StaticFile
    ) -> None:
        answer = [(b"cache-control", file.keep), (b"etag", file.tag), (b"vary", b"accept-encoding")]
        if headers.get(b"if-none-match") == file.tag:
            return await _answer(scope, send, 304, answer, b"")
        answer.append((b"content-type", file.kind))
        content = file.content
        if file.zipped is not None and _takes_gzip(headers):
            content = file.zipped
            answer.append((b"content-encoding", b"gzip"))
        await _answer(scope, send, 200, answer, content)

    async def _send_page(self, scope: Scope, send: Send, headers: Mapping[bytes, bytes]) -> None:
        session = scope.get("micelio.session")
        raw = scope.get("raw_path") or scope["path"].encode()
        query = scope.get("query_string", b"").decode("latin-1")
        caller.set(scope.get("micelio.address", ""))
        head = await self.head_for(raw.decode("latin-1").partition("?")[0], session, query)
        if head.location:
            moved = [(b"location", head.location.encode()), (b"cache-control", b"no-store")]
            return await _answer(scope, send, head.status, moved, b"")
        path = scope["path"].rstrip("/") or "/"
        found = self.documents.get(path) if head.status == 200 else None
        document = found or self.shell
        origin = scope.get("micelio.origin", "")
        body = document.drawn(head, origin, signed_in=session is not None)
        answer = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"private, no-cache"),
            # Where a page is wanted as text our own routes answer: see backend.embedding.
            (b"vary", b"accept-encoding, cookie, accept, user-agent"),
            (b"content-security-policy", document.policy.encode()),
        ]
        if head.retry_after:
            answer.append((b"retry-after", str(head.retry_after).encode()))
        if _takes_gzip(headers):
            body = gzip.compress(body, 5, mtime=0)
            answer.append((b"content-encoding", b"gzip"))
        await _answer(scope, send, head.status, answer, body)

    def broken(self, request_id: str) -> bytes:
        """The page that says something broke on our side; it needs no script and no socket."""
        page = self.documents.get("/500", self.shell).still()
        title = "<title>That broke on our side · Micelio</title></head>"
        return page.replace("</head>", title, 1).replace("REQUEST-ID", escape(request_id)).encode()


def _address(page: Path) -> str:
    name = page.with_suffix("").as_posix().removesuffix("index").rstrip("/")
    return "/" + name


def _takes_gzip(headers: Mapping[bytes, bytes]) -> bool:
    return b"gzip" in headers.get(b"accept-encoding", b"")


async def _answer(
    scope: Scope, send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    if status != 304:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
