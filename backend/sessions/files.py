"""Files of an open session: what a workspace or an agent changes against the base.

A row per changed path; a path that is back at its base has none. Content was staged before
(`content.store_content`), so operations carry blob ids only. Every change is an event, with
its lines counted against the base, and makes a new revision.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from sqlmodel import col, select

from backend.core.context import Context
from backend.core.errors import Conflict, Forbidden, NotFound, ValidationFailed
from backend.core.operations import Mode, operation
from backend.projects import diffs
from backend.projects.models import Project
from backend.projects.schemas import DiffPage, FileChange, PathText
from backend.sessions import access, content, live
from backend.sessions.access import Deed
from backend.sessions.models import SessionFile, WorkSession
from backend.sessions.schemas import (
    BlobList,
    EventIn,
    FileMode,
    FilePut,
    NoteIn,
    ObjectId,
    SessionDetail,
    SessionRef,
)
from backend.sessions.service import SessionLanding, detail
from vcs import diff, overlay
from vcs.objects import EMPTY_TREE, Entry, Object, check_path, parse_tree
from vcs.paths import quote, unquote
from vcs.reading import Reader

Path = Annotated[PathText, Field(min_length=1)]

ONE_BY_ONE = {"rpc": "`mic` sends all changed files at once with PushSession"}


class BlobsMissing(Conflict):
    """Content was named that the server does not have."""

    code = "objects.missing"
    message = "The server lacks {count} of the named blobs: send them first. They are listed in `blobs`."


@operation(
    scope="session:write", http="PUT /api/v1/sessions/{session}/files/{path}", tool=True, left_out=ONE_BY_ONE
)
def put_session_file(
    ctx: Context, *, session: SessionRef, path: Path, blob: ObjectId, mode: FileMode = "100644"
) -> SessionDetail:
    """Write one file. Over REST the body is the content; elsewhere `blob` names stored content."""
    return _change(ctx, session, [FilePut(path=path, blob=blob, mode=mode)])


@operation(
    scope="session:write",
    http="DELETE /api/v1/sessions/{session}/files/{path}",
    tool=True,
    left_out=ONE_BY_ONE,
)
def delete_session_file(ctx: Context, *, session: SessionRef, path: Path) -> SessionDetail:
    """Delete one file or folder."""
    found, project, _ = access.session(ctx, session, Deed.CHANGE)
    working = _Working(ctx, found, project)
    raw = unquote(path)
    below = [p for p in working.paths() if p == raw or p.startswith(raw + b"/")]
    if not below:
        raise NotFound(what=f"file {path!r} in this session")
    return _change(ctx, session, [FilePut(path=quote(p)) for p in below])


@operation(
    scope="session:write", http="POST /api/v1/sessions/{session}/rename", tool=True, left_out=ONE_BY_ONE
)
def rename_session_file(ctx: Context, *, session: SessionRef, path: Path, to: Path) -> SessionDetail:
    """Rename one file, keeping its content and mode."""
    found, project, _ = access.session(ctx, session, Deed.CHANGE)
    entry = _Working(ctx, found, project).entry(unquote(path))
    if entry is None or entry.is_tree:
        raise NotFound(what=f"file {path!r} in this session")
    mode = entry.mode.decode()
    return _change(ctx, session, [FilePut(path=path), FilePut(path=to, blob=entry.id, mode=mode)])


@operation(
    scope="session:write",
    http="POST /api/v1/sessions/{session}/push",
    rpc="SessionService.PushSession",
)
def push_session(
    ctx: Context,
    *,
    session: SessionRef,
    files: Annotated[list[FilePut], Field(max_length=100_000)],
    conversation: list[NoteIn] | None = None,
    decisions: list[NoteIn] | None = None,
    message: Annotated[str, Field(max_length=10_000)] = "",
    complete: bool = False,
) -> SessionDetail:
    """Send the state of a workspace: changed files, and notes made on the way.

    With `complete`, `files` is the whole set of changes: a path not listed goes back to its base.
    Raises BlobsMissing when content is named that was not sent.
    """
    found, project, _ = access.session(ctx, session, Deed.CHANGE)
    for decision, notes in ((False, conversation or []), (True, decisions or [])):
        for note in notes:
            event = live.said(note.text, note.role, decision=decision, client_id=note.client_id)
            live.append(ctx, found, project, event)
    if message.strip():
        live.append(ctx, found, project, EventIn(kind="checkpoint", body={"text": message}))
    return _change(ctx, session, files, complete=complete)


@operation(
    scope="session:write",
    http="POST /api/v1/sessions/{session}/missing",
    mode=Mode.READS,
    anonymous=False,
    rpc="SessionService.MissingBlobs",
)
def missing_blobs(
    ctx: Context, *, session: SessionRef, blobs: Annotated[list[ObjectId], Field(max_length=100_000)]
) -> BlobList:
    """Which of these blobs the server does not have yet, in the order asked."""
    found, project, _ = access.session(ctx, session, Deed.CHANGE)
    reader = content.staged_reader(ctx, found, project)
    return BlobList(blobs=[blob for blob in dict.fromkeys(blobs) if not reader.has(blob)])


@operation(
    scope="session:read",
    http="GET /api/v1/sessions/{session}/diff",
    rpc="SessionService.GetSessionDiff",
)
def get_session_diff(ctx: Context, *, session: SessionRef, path: PathText = "") -> DiffPage:
    """What a session changes against its base, hunk by hunk; `path` limits it to a file or folder."""
    found, project, _ = access.session(ctx, session)
    reader = content.staged_reader(ctx, found, project)
    tree, made = overlay.apply(reader, found.base_tree, changes_of(ctx, found.id))
    paths = [unquote(path).strip(b"/")] if path.strip("/") else []
    return diffs.page(_Laid(reader, made), found.base_tree, tree, paths=paths)


def changes_of(ctx: Context, session: str) -> list[overlay.Change]:
    """The session's rows as changes of a tree."""
    rows = ctx.db.exec(select(SessionFile).where(SessionFile.session_id == session)).all()
    return [overlay.Change(row.path, row.mode.encode() if row.mode else None, row.blob) for row in rows]


class _Laid:
    """A reader that also has the trees which laying the changes over the base made."""

    def __init__(self, reader: Reader, made: Iterable[Object]) -> None:
        self._reader = reader
        self._trees = {each.id: parse_tree(each.content) for each in made}
        self.read, self.size = reader.read, reader.size

    def tree(self, id: str) -> tuple[Entry, ...]:
        """The entries of a tree, made or stored."""
        return self._trees[id] if id in self._trees else self._reader.tree(id)


class _Working:
    """The base of a session with its changes laid over it."""

    def __init__(self, ctx: Context, found: WorkSession, project: Project) -> None:
        self.reader: Reader = content.staged_reader(ctx, found, project)
        self._base = found.base_tree
        query = select(SessionFile).where(SessionFile.session_id == found.id)
        self.rows = {row.path: row for row in ctx.db.exec(query.order_by(col(SessionFile.path))).all()}

    def base(self, path: bytes) -> Entry | None:
        """The entry the session started from."""
        return overlay.entry_at(self.reader, self._base, path)

    def entry(self, path: bytes) -> Entry | None:
        """The entry as it is now."""
        row = self.rows.get(path)
        if row is None:
            return self.base(path)
        if row.blob is None or row.mode is None:
            return None
        return Entry(row.mode.encode(), path.rpartition(b"/")[2], row.blob)

    def paths(self) -> Iterable[bytes]:
        """Every file there is now."""
        gone = {path for path, row in self.rows.items() if row.blob is None}
        base = overlay.walk(self.reader, self._base) if self._base != EMPTY_TREE else ()
        there = {path for path, _ in base if path not in gone}
        return sorted(there | {path for path, row in self.rows.items() if row.blob is not None})


def _change(ctx: Context, session: str, files: list[FilePut], *, complete: bool = False) -> SessionDetail:
    found, project, owner = access.session(ctx, session, Deed.CHANGE)
    ctx.db.refresh(found, with_for_update=True)
    if found.landing:
        raise SessionLanding(short=access.short(found.id))
    puts = _checked(ctx, files)
    working = _Working(ctx, found, project)
    _require_content(working, puts.values())
    if complete:
        for path in working.rows:
            puts.setdefault(path, None)
    events = [
        event for path, put in sorted(puts.items()) if (event := _apply(ctx, found, working, path, put))
    ]
    for event in events:
        live.append(ctx, found, project, event)
    if events:
        _count(ctx, found, working)
    return detail(ctx, found, project, owner)


def _checked(ctx: Context, files: list[FilePut]) -> dict[bytes, FilePut | None]:
    """Puts by path; None means back to the base."""
    puts: dict[bytes, FilePut | None] = {}
    allowed = ctx.actor.limits.get("paths") or []
    for put in files:
        path = unquote(put.path)
        check_path(path)
        if allowed and not any(_under(put.path, prefix) for prefix in allowed):
            raise Forbidden(
                problem=f"This agent's token may change only {', '.join(allowed)}, not {put.path}."
            )
        if path in puts:
            raise ValidationFailed([{"field": "files", "problem": f"{put.path} is listed twice"}])
        puts[path] = put
    return puts


def _under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def _require_content(working: _Working, puts: Iterable[FilePut | None]) -> None:
    named = dict.fromkeys(put.blob for put in puts if put and put.blob)
    missing = [blob for blob in named if not working.reader.has(blob)]
    if missing:
        raise BlobsMissing(count=len(missing), blobs=missing[:1000])


def _apply(
    ctx: Context, found: WorkSession, working: _Working, path: bytes, put: FilePut | None
) -> EventIn | None:
    """Write the row of one path and return its event, or None when nothing changed."""
    base, row = working.base(path), working.rows.get(path)
    new = Entry(put.mode.encode(), path.rpartition(b"/")[2], put.blob) if put and put.blob else None
    wanted = base if put is None else new
    if wanted == working.entry(path):
        return None
    if wanted == base:
        if row is not None:
            ctx.db.delete(row)
            del working.rows[path]
        return _event(FileChange(path=quote(path), status="modified"), reverted=True)  # type: ignore[arg-type]
    status = (
        diff.Status.ADDED
        if base is None
        else diff.Status.DELETED
        if wanted is None
        else _status(base, wanted)
    )
    counts, _ = diffs.counted(working.reader, diff.TreeChange(path, status, base, wanted))
    row = row or SessionFile(session_id=found.id, path=path, status="", changed_at=ctx.now())
    row.status = counts.status.value
    row.mode, row.blob = counts.new_mode, counts.new
    row.additions, row.deletions, row.binary = counts.additions, counts.deletions, counts.binary
    row.changed_at = ctx.now()
    ctx.db.add(row)
    working.rows[path] = row
    return _event(counts)


def _status(base: Entry, new: Entry) -> diff.Status:
    same_type = base.is_tree == new.is_tree and base.is_link == new.is_link
    return diff.Status.MODIFIED if same_type else diff.Status.TYPE_CHANGED


def _event(counts: FileChange, *, reverted: bool = False) -> EventIn:
    status = counts.status.value
    body = {
        "path": counts.path,
        "status": "modified" if status == "type_changed" else status,
        "additions": counts.additions,
        "deletions": counts.deletions,
        "previous": None,
        "blob": counts.new,
        "binary": counts.binary,
    }
    return EventIn(kind="diff", body=body | ({"reverted": True} if reverted else {}))


def _count(ctx: Context, found: WorkSession, working: _Working) -> None:
    found.files = len(working.rows)
    found.additions = sum(row.additions for row in working.rows.values())
    found.deletions = sum(row.deletions for row in working.rows.values())
    found.revision += 1
    found.updated_at = ctx.now()
    ctx.db.add(found)
    ctx.ring(f"project:{found.project_id}")
