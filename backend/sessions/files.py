"""Files of an open session: what a workspace or an agent changes against the base.

A row per changed path; a path that is back at its base has none. Content was staged before
(`content.store_content`), so operations carry blob ids only. Every change is an event, with
its lines counted against the base, and makes a new revision.

Who edits what they read before says so: with `seen` a change is refused when the file has become
another one meanwhile, so nobody writes over what they never saw.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field
from sqlalchemy import bindparam
from sqlmodel import col, select

from backend.core.context import Context
from backend.core.errors import Conflict, NotFound, ValidationFailed
from backend.core.operations import Mode, operation
from backend.organizations.models import Organization
from backend.projects import diffs
from backend.projects.models import Project
from backend.projects.schemas import ChangeStatus, DiffPage, FileChange, PathText
from backend.projects.tree import LARGEST_TEXT, read_text
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
    SessionFileText,
    SessionRef,
)
from backend.sessions.service import detail
from vcs import diff, overlay
from vcs.objects import EMPTY_TREE, Entry, Kind, Object, check_path, parse_tree
from vcs.paths import quote, unquote
from vcs.reading import Reader

Path = Annotated[PathText, Field(min_length=1)]

EVENTS_PER_PUSH = 500
"""Changed files that a push tells one by one; of more it tells how many there are."""

Seen = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|none)$")]
"""The blob a writer began with, `none` where there was no file."""

ONE_BY_ONE = {"rpc": "`mic` sends all changed files at once with PushSession"}


class BlobsMissing(Conflict):
    """Content was named that the server does not have."""

    code = "objects.missing"
    message = "The server lacks {count} of the named blobs: send them first. They are listed in `blobs`."


class FileChanged(Conflict):
    """A file is not any more what its writer began with; no change was made."""

    code = "session.file_changed"
    message = "In this session {path} {now}, so nothing was changed. Look at it there, then change it again."


@operation(
    scope="session:read",
    http="GET /api/v1/sessions/{session}/files/{path}",
    tool=True,
    left_out={"rpc": "`mic` has the files of its session in its workspace"},
    cost=2,
)
def get_session_file(ctx: Context, *, session: SessionRef, path: Path) -> SessionFileText:
    """A file as a session has it now. Of a text longer than 1 MiB only the first lines come."""
    found, project, _ = access.session(ctx, session)
    raw = unquote(path).strip(b"/")
    entry = file_of(ctx, found, project, raw)
    if entry is None or entry.is_gitlink:
        raise NotFound(what=f"file {path!r} in this session")
    reader = content.staged_reader(ctx, found, project)
    size = reader.size(entry.id)
    text, binary, lines = read_text(reader, entry.id, size)
    return SessionFileText(
        session=found.id,
        path=quote(raw),
        mode=entry.mode.decode(),
        id=entry.id,
        size=size,
        binary=binary,
        text=text,
        lines=lines,
        cut=size > LARGEST_TEXT,
    )


@operation(
    scope="session:write", http="PUT /api/v1/sessions/{session}/files/{path}", tool=True, left_out=ONE_BY_ONE
)
def put_session_file(
    ctx: Context,
    *,
    session: SessionRef,
    path: Path,
    blob: ObjectId,
    mode: FileMode = "100644",
    seen: Seen | None = None,
) -> SessionDetail:
    """Write one file. Over REST the body is the content; elsewhere `blob` names stored content.

    With `seen`, only over that blob (`none`: only where nothing is): else FileChanged.
    """
    found = access.session(ctx, session, Deed.CHANGE, locked=True)
    _require_seen(ctx, *found[:2], {path: seen})
    return _change(ctx, *found, [FilePut(path=path, blob=blob, mode=mode)])


@operation(
    scope="session:write",
    http="DELETE /api/v1/sessions/{session}/files/{path}",
    tool=True,
    left_out=ONE_BY_ONE,
)
def delete_session_file(
    ctx: Context, *, session: SessionRef, path: Path, seen: Seen | None = None
) -> SessionDetail:
    """Delete one file or folder; with `seen`, only a file that still has this content."""
    found, project, owner = access.session(ctx, session, Deed.CHANGE, locked=True)
    _require_seen(ctx, found, project, {path: seen})
    below = Working(ctx, found, project).at_or_below(unquote(path).strip(b"/"))
    if not below:
        raise NotFound(what=f"file {path!r} in this session")
    return _change(ctx, found, project, owner, [FilePut(path=quote(each)) for each in below])


@operation(
    scope="session:write", http="POST /api/v1/sessions/{session}/rename", tool=True, left_out=ONE_BY_ONE
)
def rename_session_file(
    ctx: Context, *, session: SessionRef, path: Path, to: Path, seen: Seen | None = None
) -> SessionDetail:
    """Rename one file, keeping its content and mode.

    With `seen`, only while it has this content, and to where nothing is.
    """
    found, project, owner = access.session(ctx, session, Deed.CHANGE, locked=True)
    _require_seen(ctx, found, project, {path: seen, to: seen and "none"})
    entry = Working(ctx, found, project).entry(unquote(path))
    if entry is None:
        raise NotFound(what=f"file {path!r} in this session")
    puts = [FilePut(path=path), FilePut(path=to, blob=entry.id, mode=entry.mode.decode())]
    return _change(ctx, found, project, owner, puts)


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
    found, project, owner = access.session(ctx, session, Deed.CHANGE, locked=True)
    said = [
        live.said(note.text, note.role, decision=decision, client_id=note.client_id)
        for decision, notes in ((False, conversation or []), (True, decisions or []))
        for note in notes
    ]
    if message.strip():
        said.append(EventIn(kind="checkpoint", body={"text": message}))
    live.append_all(ctx, found, said)
    return _change(ctx, found, project, owner, files, complete=complete)


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
    cost=10,
)
def get_session_diff(ctx: Context, *, session: SessionRef, path: PathText = "") -> DiffPage:
    """What a session changes against its base, hunk by hunk; `path` limits it to a file or folder."""
    found, project, _ = access.session(ctx, session)
    reader = content.staged_reader(ctx, found, project)
    tree, made = overlay.apply(reader, found.base_tree, changes_of(ctx, found.id))
    paths = [unquote(path).strip(b"/")] if path.strip("/") else []
    return diffs.page(_Laid(reader, made), found.base_tree, tree, paths=paths)


def _require_seen(ctx: Context, found: WorkSession, project: Project, seen: Mapping[str, str | None]) -> None:
    """Raise FileChanged unless each of these files is still the blob its writer saw."""
    if not any(seen.values()):
        return
    working = Working(ctx, found, project)
    for path, blob in seen.items():
        if blob is not None and (now := working.unseen(unquote(path).strip(b"/"), blob)):
            raise FileChanged(path=path, now=now)


def file_of(ctx: Context, found: WorkSession, project: Project, path: bytes) -> Entry | None:
    """A file as a session has it now."""
    return Working(ctx, found, project).entry(path)


def changes_of(ctx: Context, session: str) -> list[overlay.Change]:
    """The session's rows as changes of a tree."""
    rows = ctx.db.connection().execute(_CHANGED, {"of_session": session})
    return [overlay.Change(path, mode.encode() if mode else None, blob) for path, mode, blob in rows]


_CHANGED = select(SessionFile.path, SessionFile.mode, SessionFile.blob).where(
    col(SessionFile.session_id) == bindparam("of_session")
)


class _Laid:
    """A reader that also has the trees which laying the changes over the base made."""

    def __init__(self, reader: Reader, made: Iterable[Object]) -> None:
        self._reader = reader
        self._trees = {each.id: parse_tree(each.content) for each in made}
        self.read, self.size = reader.read, reader.size

    def tree(self, id: str) -> tuple[Entry, ...]:
        """The entries of a tree, made or stored."""
        return self._trees[id] if id in self._trees else self._reader.tree(id)


class Working:
    """The base of a session with its changes laid over it: files only, folders live by what is in them."""

    def __init__(self, ctx: Context, found: WorkSession, project: Project) -> None:
        self.reader: Reader = content.staged_reader(ctx, found, project)
        self._root = found.base_tree
        self._folders: dict[str, dict[bytes, Entry]] = {}
        query = select(SessionFile).where(SessionFile.session_id == found.id)
        self.rows = {row.path: row for row in ctx.db.exec(query.order_by(col(SessionFile.path))).all()}

    def base(self, path: bytes) -> Entry | None:
        """The file the session started from."""
        entry = self._at(path)
        return None if entry is None or entry.is_tree else entry

    def entry(self, path: bytes) -> Entry | None:
        """The file as it is now."""
        row = self.rows.get(path)
        if row is None:
            return self.base(path)
        if row.blob is None or row.mode is None:
            return None
        return Entry(row.mode.encode(), path.rpartition(b"/")[2], row.blob)

    def unseen(self, path: bytes, seen: str) -> str:
        """What became of a path whose writer saw this blob there, or `none`; empty when nothing did."""
        entry = self.entry(path)
        if entry is None and seen == "none":
            if self.at_or_below(path):
                return "is a folder"
            above = next((each for each in _folders_of(path) if self.entry(each) is not None), None)
            return f"cannot be, because {quote(above)} is a file" if above else ""
        if entry is None:
            return "is gone"
        return "" if entry.id == seen else "exists already" if seen == "none" else "has other content now"

    def at_or_below(self, path: bytes) -> list[bytes]:
        """The file of this path, or every file there is now in the folder of this path."""
        if self.entry(path) is not None:
            return [path]
        return sorted(other for other in self.below(path) if self.entry(other) is not None)

    def below(self, path: bytes) -> set[bytes]:
        """Every file that is or was in the folder of this path."""
        found = {other for other in self.rows if other.startswith(path + b"/")}
        folder = self._at(path)
        if folder is not None and folder.is_tree:
            found |= {other for other, _ in overlay.walk(self.reader, folder.id, path + b"/")}
        return found

    def is_folder(self, path: bytes) -> bool:
        """Whether the session started from a folder here."""
        entry = self._at(path)
        return entry is not None and entry.is_tree

    def _at(self, path: bytes) -> Entry | None:
        # A dictionary for each folder: a push may name every file of a wide one.
        entry, id = None, self._root
        for name in path.split(b"/"):
            if entry is not None and not entry.is_tree:
                return None
            if id not in self._folders:
                entries = () if id == EMPTY_TREE else self.reader.tree(id)
                self._folders[id] = {each.name: each for each in entries}
            entry = self._folders[id].get(name)
            if entry is None:
                return None
            id = entry.id
        return entry


def _change(
    ctx: Context,
    found: WorkSession,
    project: Project,
    owner: Organization,
    files: list[FilePut],
    *,
    complete: bool = False,
) -> SessionDetail:
    access.at_rest(found)
    puts = _checked(files)
    working = Working(ctx, found, project)
    _require_content(working, puts.values())
    if complete:
        for path in working.rows:
            puts.setdefault(path, None)
    _make_room(working, puts)
    access.within_paths(ctx, puts)
    events = [
        event for path, put in sorted(puts.items()) if (event := _apply(ctx, found, working, path, put))
    ]
    if events:
        live.append_all(ctx, found, few_events(events))
        _count(ctx, found, working)
    return detail(ctx, found, project, owner)


def _checked(files: list[FilePut]) -> dict[bytes, FilePut | None]:
    """Puts by path; None means back to the base."""
    puts: dict[bytes, FilePut | None] = {}
    for put in files:
        path = unquote(put.path)
        check_path(path)
        if path in puts:
            raise ValidationFailed([{"field": "files", "problem": f"{put.path} is listed twice"}])
        puts[path] = put
    return puts


def _require_content(working: Working, puts: Iterable[FilePut | None]) -> None:
    missing = []
    for blob in dict.fromkeys(put.blob for put in puts if put and put.blob):
        located = working.reader.locate(blob)
        if located is None:
            missing.append(blob)
        elif located.entry.kind is not Kind.BLOB:
            problem = f"{blob} is a {located.entry.kind.word}, not a file's content"
            raise ValidationFailed([{"field": "files", "problem": problem}])
    if missing:
        raise BlobsMissing(count=len(missing), blobs=missing[:1000])


def _make_room(working: Working, puts: dict[bytes, FilePut | None]) -> None:
    """Add the deletions that writing implies: a file takes the place of a folder, or a folder of a file."""
    written = {path for path, put in puts.items() if put and put.blob}
    folders = {folder for path in written for folder in _folders_of(path)}
    for path in sorted(folders & written):
        problem = f"{quote(path)} would be a file and a folder at once"
        raise ValidationFailed([{"field": "files", "problem": problem}])
    for path in folders:
        if working.entry(path) is not None or working.base(path) is not None:
            puts[path] = FilePut(path=quote(path))
    occupied = {folder for path, row in working.rows.items() if row.blob for folder in _folders_of(path)}
    for path in written:
        if path in occupied or working.is_folder(path):
            puts.update((below, FilePut(path=quote(below))) for below in working.below(path))


def _folders_of(path: bytes) -> Iterable[bytes]:
    while path := path.rpartition(b"/")[0]:
        yield path


def few_events(events: list[EventIn]) -> list[EventIn]:
    """Events of changed paths, not too many for one push."""
    if len(events) <= EVENTS_PER_PUSH:
        return events
    more = f"{len(events) - EVENTS_PER_PUSH} more files changed with them."
    return [*events[:EVENTS_PER_PUSH], EventIn(kind="output", body={"text": more})]


def _apply(
    ctx: Context, found: WorkSession, working: Working, path: bytes, put: FilePut | None
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
        return change_event(FileChange(path=quote(path), status=ChangeStatus.MODIFIED), reverted=True)
    counts = diffs.counts_of(working.reader, diff.TreeChange(path, _status(base, wanted), base, wanted))
    told = {
        "status": counts.status.value,
        "mode": counts.new_mode,
        "blob": counts.new,
        "additions": counts.additions,
        "deletions": counts.deletions,
        "binary": counts.binary,
        "changed_at": ctx.now(),
    }
    if row is None:
        row = SessionFile(session_id=found.id, path=path, **told)
    else:
        row.sqlmodel_update(told)
    ctx.db.add(row)
    working.rows[path] = row
    return change_event(counts)


def _status(base: Entry | None, new: Entry | None) -> diff.Status:
    if base is None:
        return diff.Status.ADDED
    if new is None:
        return diff.Status.DELETED
    return diff.Status.MODIFIED if base.is_link == new.is_link else diff.Status.TYPE_CHANGED


def change_event(counts: FileChange, *, reverted: bool = False) -> EventIn:
    """What is told of one changed path."""
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


def _count(ctx: Context, found: WorkSession, working: Working) -> None:
    found.files = len(working.rows)
    found.additions = sum(row.additions for row in working.rows.values())
    found.deletions = sum(row.deletions for row in working.rows.values())
    found.revision += 1
    found.updated_at = ctx.now()
    ctx.db.add(found)
    ctx.ring(f"project:{found.project_id}")
