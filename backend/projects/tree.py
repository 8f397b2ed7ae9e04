"""Trees and files of a project at a ref."""

import threading
from collections import OrderedDict
from collections.abc import Iterable

from sqlalchemy import bindparam
from sqlalchemy import select as sql_select
from sqlmodel import col

from backend.core.context import Context
from backend.core.errors import NotFound
from backend.core.operations import operation
from backend.organizations.models import Organization
from backend.projects import access, code
from backend.projects.models import Landing, PathLatest, Project
from backend.projects.schemas import (
    BlobSize,
    BlobsPage,
    EntryType,
    FilePage,
    HandleText,
    LastChange,
    PathsPage,
    PathText,
    Readme,
    RefText,
    TreeEntry,
    TreePage,
)
from backend.projects.service import summary
from vcs.diff import is_binary
from vcs.objects import EMPTY_TREE, Entry
from vcs.paths import quote, unquote
from vcs.reading import Reader
from vcs.repository import Repository

LARGEST_TEXT = 1 << 20
LARGEST_COUNTED = 64 << 20
MOST_REMEMBERED = 400_000
"""Paths of listed trees that are kept, of all of them together; a hundred thousand take some 11 MB."""
AT_HAND = {"rpc": "`mic` has trees and files in its workspace; GetProjectTree and StreamBlobs bring them"}
README = ("readme.md", "readme.markdown", "readme.rst", "readme.txt", "readme")


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/tree/{ref}/{path}",
    tool=True,
    left_out=AT_HAND,
)
def get_tree(
    ctx: Context, *, organization: HandleText, project: HandleText, ref: RefText = "HEAD", path: PathText = ""
) -> TreePage:
    """A folder at a ref: folders first, each entry with the landing that last touched it."""
    found, owner = access.project(ctx, organization, project)
    target = code.resolve(ctx, found, ref)
    repository = code.reader(ctx, found)
    raw = unquote(path).strip(b"/")
    folder = _folder(repository, target.tree, raw, path)
    entries = repository.tree(folder) if folder != EMPTY_TREE else ()
    last = _last_changes(ctx, found, target, raw, entries)
    shown = [_entry(repository, entry, raw, last.get(entry.name)) for entry in entries]
    shown.sort(key=lambda e: (e.type is not EntryType.FOLDER, e.name))
    return TreePage(
        project=summary(ctx, found, owner),
        ref=ref,
        commit=target.commit,
        position=target.position,
        tree=target.tree,
        path=quote(raw),
        id=folder,
        entries=shown,
        readme=_readme(shown),
    )


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/files/{ref}/{path}",
    tool=True,
    left_out=AT_HAND,
    cost=2,
)
def get_file(
    ctx: Context, *, organization: HandleText, project: HandleText, path: PathText, ref: RefText = "HEAD"
) -> FilePage:
    """A file at a ref. Of a text longer than 1 MiB only the first lines come; `raw` has the bytes."""
    found, owner, target, entry, raw = located(ctx, organization, project, ref, path)
    repository = code.reader(ctx, found)
    last = _last_changes(ctx, found, target, raw.rpartition(b"/")[0], (entry,)).get(entry.name)
    size = 0 if entry.is_gitlink else repository.size(entry.id)
    text, binary, lines = (None, False, 0) if entry.is_gitlink else read_text(repository, entry.id, size)
    return FilePage(
        project=summary(ctx, found, owner),
        ref=ref,
        commit=target.commit,
        position=target.position,
        path=quote(raw),
        type=_type(entry),
        mode=entry.mode.decode(),
        id=entry.id,
        size=size,
        binary=binary,
        text=text,
        lines=lines,
        cut=size > LARGEST_TEXT,
        last=last,
    )


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/blobs",
    rpc="ProjectService.GetProjectTree",
    cost=10,
)
def list_blobs(
    ctx: Context, *, organization: HandleText, project: HandleText, ref: RefText = "HEAD"
) -> BlobsPage:
    """Every file of the tree at a ref with its id and size: what a clone needs."""
    found, owner = access.project(ctx, organization, project)
    target = code.resolve(ctx, found, ref)
    repository = code.reader(ctx, found)
    items = [
        BlobSize(
            path=quote(path),
            mode=entry.mode.decode(),
            id=entry.id,
            size=0 if entry.is_gitlink else repository.size(entry.id),
        )
        for path, entry in (repository.walk(target.tree) if target.tree != EMPTY_TREE else ())
    ]
    return BlobsPage(
        project=summary(ctx, found, owner),
        ref=ref,
        commit=target.commit,
        position=target.position,
        tree=target.tree,
        items=items,
    )


@operation(
    scope="project:read",
    http="GET /api/v1/projects/{organization}/{project}/paths",
    left_out=AT_HAND,
    cost=10,
)
def list_paths(
    ctx: Context, *, organization: HandleText, project: HandleText, ref: RefText = "HEAD"
) -> PathsPage:
    """The path of every file at a ref: what a finder looks through."""
    found, _ = access.project(ctx, organization, project)
    target = code.resolve(ctx, found, ref)
    walked = code.reader(ctx, found).walk(target.tree) if target.tree != EMPTY_TREE else ()
    return PathsPage(
        ref=ref,
        commit=target.commit,
        position=target.position,
        tree=target.tree,
        items=ctx.forge.part(_Paths, _Paths).of(target.tree, walked),
    )


class _Paths:
    """The paths of trees that were listed lately: walking a hundred thousand takes most of a second."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[str]] = OrderedDict()
        self._guard = threading.Lock()

    def of(self, tree: str, walked: Iterable[tuple[bytes, Entry]]) -> list[str]:
        """The paths of a tree, walked now if they are not remembered."""
        with self._guard:
            if (known := self._kept.get(tree)) is not None:
                self._kept.move_to_end(tree)
                return known
        paths = [quote(path) for path, _ in walked]
        with self._guard:
            self._kept[tree] = paths
            while sum(map(len, self._kept.values())) > MOST_REMEMBERED and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return paths


def located(
    ctx: Context, organization: str, project: str, ref: str, path: str
) -> tuple[Project, Organization, code.Target, Entry, bytes]:
    """The entry of a file at a ref; NotFound when there is none or it is a folder."""
    found, owner = access.project(ctx, organization, project)
    target = code.resolve(ctx, found, ref)
    raw = unquote(path).strip(b"/")
    repository = code.reader(ctx, found)
    entry = repository.entry(target.tree, raw) if raw and target.tree != EMPTY_TREE else None
    if entry is None or entry.is_tree:
        raise NotFound(what=f"file {path!r} at {ref}")
    return found, owner, target, entry, raw


def _folder(repository: Repository, root: str, raw: bytes, shown: str) -> str:
    if not raw:
        return root
    entry = repository.entry(root, raw) if root != EMPTY_TREE else None
    if entry is None or not entry.is_tree:
        raise NotFound(what=f"folder {shown!r} at this ref")
    return entry.id


def _entry(repository: Repository, entry: Entry, folder: bytes, last: LastChange | None) -> TreeEntry:
    type = _type(entry)
    sized = type in (EntryType.FILE, EntryType.LINK)
    return TreeEntry(
        name=quote(entry.name),
        path=quote(_joined(folder, entry.name)),
        type=type,
        mode=entry.mode.decode(),
        id=entry.id,
        size=repository.size(entry.id) if sized else None,
        last=last,
    )


def _last_changes(
    ctx: Context, project: Project, target: code.Target, folder: bytes, entries: tuple[Entry, ...]
) -> dict[bytes, LastChange]:
    """By name, for the newest tree only: an older tree's paths may have changed since."""
    paths = {_joined(folder, entry.name): entry.name for entry in entries}
    found: dict[bytes, LastChange] = {}
    wanted = sorted(paths)
    for start in range(0, len(wanted), 500):
        some = {"of_project": project.id, "paths": wanted[start : start + 500]}
        for row in ctx.db.connection().execute(_LAST_CHANGES, some):
            if target.position is not None and row.position <= target.position:
                found[paths[bytes(row.path)]] = LastChange(
                    position=row.position,
                    goal=row.goal,
                    by=row.agent or row.written_by or row.author,
                    at=row.written_at or row.at,
                )
    return found


_LAST_CHANGES = (
    # Few columns of a wide row, since a folder may have hundreds of entries.
    sql_select(
        col(PathLatest.path),
        col(Landing.position),
        col(Landing.goal),
        col(Landing.agent),
        col(Landing.written_by),
        col(Landing.author),
        col(Landing.written_at),
        col(Landing.at),
    )
    .join(
        Landing,
        (col(Landing.project) == col(PathLatest.project))
        & (col(Landing.position) == col(PathLatest.position)),
    )
    .where(
        col(PathLatest.project) == bindparam("of_project"),
        col(PathLatest.path).in_(bindparam("paths", expanding=True)),
    )
)


def _readme(entries: list[TreeEntry]) -> Readme | None:
    by_name = {entry.name.lower(): entry for entry in entries if entry.type is EntryType.FILE}
    chosen = next((by_name[name] for name in README if name in by_name), None)
    return Readme(path=chosen.path, id=chosen.id, size=chosen.size or 0) if chosen else None


def _type(entry: Entry) -> EntryType:
    if entry.is_tree:
        return EntryType.FOLDER
    if entry.is_gitlink:
        return EntryType.MODULE
    return EntryType.LINK if entry.is_link else EntryType.FILE


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def read_text(repository: Reader, id: str, size: int) -> tuple[str | None, bool, int]:
    """A file's text up to the line that is too much, whether it is binary, and its lines."""
    head, lines, last = b"", 0, b""
    for chunk in repository.chunks(id):
        if len(head) < LARGEST_TEXT:
            head += chunk[: LARGEST_TEXT - len(head)]
        if is_binary(head):
            return None, True, 0
        lines += chunk.count(b"\n")
        last = chunk or last
        if size > LARGEST_COUNTED and len(head) == LARGEST_TEXT:
            break
    lines += not last.endswith(b"\n") and size > 0
    if size > LARGEST_TEXT:
        head = head[: head.rfind(b"\n") + 1] or head
    text = _decoded(head) if size <= LARGEST_TEXT or head.endswith(b"\n") else None
    return text, text is None, lines


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
