"""The routes of projects that are no operations: raw bytes, and fragments of HTML for pages.

Bytes from strangers never run here: text of any kind is `text/plain`, images that cannot act have
their type, an SVG is an image only when asked for as one and then sandboxed, the rest is a
download. A fragment is known by what it is made of, so a browser that has it is told so before
anything is drawn.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from backend.core import timing
from backend.core.addresses import Pattern, raw_path
from backend.core.context import Actor, Context, Forge
from backend.core.errors import InvalidInput, MicelioError, NotFound
from backend.core.operations import charge, invoke
from backend.projects import access, code, tree
from backend.projects.landings import compare_refs, get_landing_diff
from backend.projects.rendering import VERSION, changes, files, markup
from backend.projects.rendering.changes import View
from backend.projects.rendering.places import Place
from backend.projects.rendering.prose import Source
from backend.projects.schemas import DiffPage, FilePage
from backend.projects.service import resolve_ref
from vcs.diff import is_binary
from vcs.objects import Entry, Kind
from vcs.paths import unquote
from vcs.reading import Reader

Query = Mapping[str, str]

IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
}
RAW_COST = 2
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
VARY = "Authorization, Cookie"
REMEMBERED = 32 << 20
COLOURED_WHOLE = 64 * 1024


def routes(forge: Forge) -> list["AddressRoute"]:
    """Raw files, and the fragments of files, READMEs, landings and comparisons."""

    async def raw(request: Request) -> Response:
        find = partial(_find, forge, request.state.actor, request.path_params, request.query_params)
        found = await to_thread.run_sync(find)
        return await to_thread.run_sync(found.answer, request)

    place = "/_fragments/{organization}/{project}"
    return [
        AddressRoute("/{organization}/{project}/raw/{ref}/{path}", raw),
        fragment(forge, f"{place}/code/{{ref}}/{{path}}", draw_file),
        fragment(forge, f"{place}/readme/{{ref}}/{{path}}", draw_readme, optional_path=True),
        fragment(forge, f"{place}/landings/{{position}}/diff", draw_landing),
        fragment(forge, f"{place}/compare", draw_comparison),
    ]


class AddressRoute(Route):
    """A route whose address is matched as it came: a `%2F` in a ref stays in the ref."""

    def __init__(
        self, address: str, endpoint: Callable[..., Any], *, optional_path: bool = False, method: str = "GET"
    ) -> None:
        super().__init__(address, endpoint, methods=[method])
        self.pattern = Pattern(address, optional_path=optional_path)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FULL for this address, PARTIAL with another method."""
        found = self.pattern.arguments(raw_path(scope)) if scope["type"] == "http" else None
        if found is None:
            return Match.NONE, {}
        match = Match.FULL if scope["method"] in (self.methods or ()) else Match.PARTIAL
        return match, {"endpoint": self.endpoint, "path_params": dict(found)}


@dataclass(frozen=True)
class Drawing:
    """A fragment that can be drawn. `made_of` names everything that decides how it looks."""

    made_of: tuple[str, ...]
    draw: Callable[[], str]

    @property
    def tag(self) -> str:
        """The fragment's ETag."""
        parts = (VERSION, version("pygments"), version("nh3"), *self.made_of)
        return 'W/"' + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32] + '"'


Prepare = Callable[[Forge, Actor, dict[str, str], Query], Drawing]


def fragment(forge: Forge, address: str, prepare: Prepare, *, optional_path: bool = False) -> "AddressRoute":
    """A route that answers with HTML for a page. `prepare` runs operations and says what to draw.

    A refusal is a small fragment too, with the status that every door gives it.
    """
    drawings = forge.part(_Drawings, _Drawings)

    def work(request: Request) -> Response:
        drawing = prepare(forge, request.state.actor, dict(request.path_params), request.query_params)
        headers = {"ETag": drawing.tag, "Cache-Control": "private, max-age=0", "Vary": VARY}
        if has_tag(request, drawing.tag):
            return Response(None, 304, headers)
        with timing.spending("render"):
            drawn = drawings.drawn(drawing)
        return HTMLResponse(drawn, headers=headers)

    async def endpoint(request: Request) -> Response:
        try:
            return await to_thread.run_sync(work, request)
        except MicelioError as error:
            return await _refused(request, error)

    return AddressRoute(address, endpoint, optional_path=optional_path)


Answer = Callable[[Forge, Actor, dict[str, str], Query, bytes], str]


def answering(
    forge: Forge, address: str, answer: Answer, *, limit: int, too_large: MicelioError
) -> AddressRoute:
    """A route that answers a posted body of up to `limit` bytes with HTML that nobody keeps."""

    async def endpoint(request: Request) -> Response:
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise too_large
            at, query = dict(request.path_params), request.query_params
            html = await to_thread.run_sync(answer, forge, request.state.actor, at, query, bytes(body))
        except MicelioError as error:
            return await _refused(request, error)
        return HTMLResponse(html, headers={"Cache-Control": "no-store", "Vary": VARY})

    return AddressRoute(address, endpoint, method="POST")


def chosen_view(query: Query) -> View:
    """The `view` a query asks for, unified or split; InvalidInput when it is another."""
    asked = query.get("view") or View.UNIFIED
    if asked not in (View.UNIFIED, View.SPLIT):
        raise InvalidInput(problem=f"{asked!r} is no view of a diff: take unified or split.")
    return View(asked)


def shows_whitespace(query: Query) -> bool:
    """Whether changes of nothing but whitespace are shown: not with `whitespace=hide`."""
    asked = query.get("whitespace") or "show"
    if asked not in ("show", "hide"):
        raise InvalidInput(problem=f"whitespace is show or hide, not {asked!r}.")
    return asked == "show"


def html_of(forge: Forge, drawing: Drawing) -> str:
    """What a drawing looks like, drawn now if it is not remembered."""
    return forge.part(_Drawings, _Drawings).drawn(drawing)


class _Drawings:
    """What was drawn lately, by tag: a hundred watchers of one file cost one drawing."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._size = 0
        self._guard = threading.Lock()

    def drawn(self, drawing: Drawing) -> str:
        """The fragment, drawn now if it is not remembered."""
        with self._guard:
            if (html := self._kept.get(drawing.tag)) is not None:
                self._kept.move_to_end(drawing.tag)
                return html
        html = drawing.draw()
        with self._guard:
            if drawing.tag not in self._kept and len(html) <= REMEMBERED // 4:
                self._kept[drawing.tag] = html
                self._size += len(html)
            while self._size > REMEMBERED:
                self._size -= len(self._kept.popitem(last=False)[1])
        return html


async def _refused(request: Request, error: MicelioError) -> Response:
    # The app's own refusal knows the status and headers of each kind; only its body is not for a page.
    refusal: Response = request.app.exception_handlers[MicelioError](request, error)
    headers = {k: v for k, v in refusal.headers.items() if k not in ("content-type", "content-length")}
    return HTMLResponse(markup.notice(error.sentence), refusal.status_code, headers)


def draw_file(forge: Forge, actor: Actor, at: dict[str, str], query: Query) -> Drawing:
    """The text of a file, or what there is to say of it."""
    page = invoke(forge, actor, tree.get_file, at)
    assert isinstance(page, FilePage)
    return Drawing(("code", *at.values(), page.id, page.mode), lambda: files.file(page, _place(at)))


def draw_readme(forge: Forge, actor: Actor, at: dict[str, str], query: Query) -> Drawing:
    """The README of a folder, or the text at this very path."""
    try:
        folder = invoke(forge, actor, tree.get_tree, at)
        readme = folder.readme  # type: ignore[attr-defined]
    except NotFound:
        path = at["path"]
    else:
        if readme is None:
            raise NotFound(what="README in this folder")
        path = readme.path
    page = invoke(forge, actor, tree.get_file, {**at, "path": path})
    assert isinstance(page, FilePage)
    root = invoke(forge, actor, resolve_ref, {k: v for k, v in at.items() if k != "path"})
    root_id: str = root.tree  # type: ignore[attr-defined]

    def draw() -> str:
        reader = _reader(forge, actor, at)

        def is_folder(path: str) -> bool:
            entry = reader.entry(root_id, unquote(path))
            return entry is not None and entry.is_tree

        return files.drawn(page, Source(_place(at), path, is_folder))

    # Which relative links are folders depends on the tree.
    return Drawing(("prose", *at.values(), page.id, page.mode, root_id), draw)


def draw_landing(forge: Forge, actor: Actor, at: dict[str, str], query: Query) -> Drawing:
    """What a landing changed."""
    view, whitespace = chosen_view(query), shows_whitespace(query)
    page = invoke(forge, actor, get_landing_diff, at)
    assert isinstance(page, DiffPage)
    new = Place(at["organization"], at["project"], f"@{at['position']}")
    return difference(page, view, new, _reader(forge, actor, at), whitespace=whitespace)


def draw_comparison(forge: Forge, actor: Actor, at: dict[str, str], query: Query) -> Drawing:
    """What differs between two refs."""
    view, whitespace = chosen_view(query), shows_whitespace(query)
    given = {name: query[name] for name in ("old", "new", "path") if query.get(name)}
    page = invoke(forge, actor, compare_refs, {**at, **given})
    assert isinstance(page, DiffPage)
    new = Place(at["organization"], at["project"], given.get("new", "HEAD"))
    return difference(page, view, new, _reader(forge, actor, at), whitespace=whitespace)


def difference(
    page: DiffPage,
    view: View,
    new: Place | None,
    reader: Reader,
    *,
    whitespace: bool = True,
    listed: bool = True,
) -> Drawing:
    """The drawing of a whole comparison; `new` is where its newer side can be opened. `listed` puts
    the list of files first."""
    where = (new.organization, new.project, new.ref) if new else ()
    # A path may limit the comparison, so the trees alone do not say what is in it.
    paths = hashlib.sha256("\0".join(file.path for file in page.files).encode()).hexdigest()
    return Drawing(
        ("diff", page.old, page.new, paths, view.value, str(whitespace), str(listed), *where),
        lambda: changes.page(
            page, view, new=new, texts=texts_of(reader), whitespace=whitespace, listed=listed
        ),
    )


class Texts(Protocol):
    """What has texts to colour."""

    def has(self, id: str) -> bool:
        """Whether there is such an object."""
        ...

    def kind(self, id: str) -> Kind:
        """What an object is."""
        ...

    def size(self, id: str) -> int:
        """Its size in bytes."""
        ...

    def read(self, id: str, kind: Kind | None = None) -> bytes:
        """Its content."""
        ...


def texts_of(reader: Texts) -> Callable[[str], str | None]:
    """Texts by blob id, of files short enough that colouring the whole of them is worth it."""

    def text_of(id: str) -> str | None:
        if not reader.has(id) or reader.kind(id) is not Kind.BLOB or reader.size(id) > COLOURED_WHOLE:
            return None
        return reader.read(id, Kind.BLOB).decode("utf-8", "replace")

    return text_of


def _place(at: Mapping[str, str]) -> Place:
    return Place(at["organization"], at["project"], at["ref"])


def _reader(forge: Forge, actor: Actor, at: Mapping[str, str]) -> Reader:
    with Context(forge, actor).transaction(write=False) as tx:
        found, _ = access.project(tx, at["organization"], at["project"])
        return code.reader(tx, found)


def _find(forge: Forge, actor: Actor, at: Mapping[str, str], query: Query) -> "_RawFile":
    charge(forge, actor, RAW_COST)
    invoke(forge, actor, resolve_ref, {k: v for k, v in at.items() if k != "path"})
    with Context(forge, actor).transaction(write=False) as tx:
        found, _, _, entry, raw = tree.located(tx, at["organization"], at["project"], at["ref"], at["path"])
        reader = code.reader(tx, found)
    if entry.is_gitlink:
        raise NotFound(what=f"file {at['path']!r} at {at['ref']}")
    return _RawFile(reader, entry, raw.rpartition(b"/")[2], as_image=query.get("image") == "1")


@dataclass(frozen=True)
class _RawFile:
    """A file's bytes on their way out."""

    reader: Reader
    entry: Entry
    name: bytes
    as_image: bool

    def answer(self, request: Request) -> Response:
        """The bytes, or the part of them that was asked for; memory stays flat."""
        size = self.reader.size(self.entry.id)
        tag = f'"{self.entry.id}"'
        headers = {
            "ETag": tag,
            "Cache-Control": "private, no-cache",
            "Vary": VARY,
            "Accept-Ranges": "bytes",
            "Content-Security-Policy": SANDBOX,
            "X-Content-Type-Options": "nosniff",
        }
        if has_tag(request, tag):
            return Response(None, 304, headers)
        start, end = 0, size
        status = 200
        if wanted := _range(request, size, tag):
            start, end = wanted
            if start >= end:
                return Response(None, 416, {**headers, "Content-Range": f"bytes */{size}"})
            status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{size}"
        chunks = self.reader.chunks(self.entry.id)
        first = next(chunks, b"")
        headers |= {"Content-Length": str(end - start), **self._kind(first)}
        if start >= len(first):
            # What lies between is not read: only the frames from `start` on are.
            first, chunks = b"", self.reader.chunks(self.entry.id, start)
            start, end = 0, end - start
        return StreamingResponse(_part(first, chunks, start, end), status, headers)

    def _kind(self, beginning: bytes) -> dict[str, str]:
        suffix = "." + self.name.rpartition(b".")[2].decode("ascii", "replace").lower()
        if not self.entry.is_link:
            if suffix in IMAGES:
                return {"Content-Type": IMAGES[suffix]}
            if suffix == ".svg" and self.as_image:
                return {"Content-Type": "image/svg+xml"}
        if not is_binary(beginning):
            return {"Content-Type": "text/plain; charset=utf-8"}
        download = f"attachment; filename*=UTF-8''{quote(self.name, safe='')}"
        return {"Content-Type": "application/octet-stream", "Content-Disposition": download}


def has_tag(request: Request, tag: str) -> bool:
    """Whether the asker says it has what this ETag names (RFC 9110, 13.1.2)."""
    wanted = request.headers.get("if-none-match", "")
    bare = tag.removeprefix("W/")
    return wanted.strip() == "*" or bare in [each.strip().removeprefix("W/") for each in wanted.split(",")]


def _range(request: Request, size: int, tag: str) -> tuple[int, int] | None:
    """First and one past the last byte asked for (RFC 9110, 14.2); None for the whole.

    Equal or crossed when no byte is left to send. Several ranges at once get the whole.
    """
    unit, _, wanted = request.headers.get("range", "").partition("=")
    first, dash, last = wanted.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not _digits(first) or not _digits(last):
        return None
    if request.headers.get("if-range", tag) != tag or not (first or last):
        return None
    if not first:
        return max(0, size - int(last)), size if int(last) else 0
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


def _digits(text: str) -> bool:
    return len(text) < 20 and (not text or (text.isascii() and text.isdigit()))


def _part(first: bytes, rest: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    at = 0
    chunk: bytes | None = first
    while chunk is not None and at < end:
        piece = chunk[max(0, start - at) : end - at]
        at += len(chunk)
        if piece:
            yield piece
        chunk = next(rest, None) if at < end else None
