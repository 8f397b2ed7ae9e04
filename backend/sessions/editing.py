"""Editing in a browser: what a text somebody typed would change, before it is saved.

The text stays in the form until it is saved through the same operations as everybody's files; a
preview stores nothing and holds the text for as long as the answer takes.
"""

from backend.core.context import Actor, Context, Forge
from backend.core.errors import InvalidInput, NotFound
from backend.core.operations import count, operation_of, permit
from backend.projects import access as project_access
from backend.projects import code, diffs, web
from backend.projects.access import Ability
from backend.projects.models import Project
from backend.projects.rendering import changes, markup
from backend.projects.rendering.changes import Painter, View
from backend.projects.tree import LARGEST_TEXT
from backend.projects.web import Query
from backend.sessions import access, files
from backend.sessions.access import Deed
from backend.sessions.files import FileChanged
from backend.sessions.models import WorkSession
from vcs.diff import Status, TreeChange
from vcs.objects import Entry, Kind, check_path, object_id
from vcs.paths import unquote
from vcs.reading import Reader

ADDRESS = "/_fragments/{organization}/{project}/edited"


class TextTooLarge(InvalidInput):
    """More than the editor takes."""

    code = "editor.too_large"
    message = "The editor takes texts of up to 1 MiB. Upload this one as a file, or change it with mic."


def routes(forge: Forge) -> list[web.AddressRoute]:
    """`POST …/edited?path=&was=&position=&session=`, the body being the text: the diff as HTML.

    `was` is the path the text was read from, when there was a file; `session` the one it would be
    saved to, else a new one that stands on `position`. With `how=delete` the file goes, with
    `how=rename` its content stays, and `how=replace` may write over another file.
    """
    return [web.answering(forge, ADDRESS, _preview, limit=LARGEST_TEXT, too_large=TextTooLarge())]


def _preview(forge: Forge, actor: Actor, at: dict[str, str], query: Query, typed: bytes) -> str:
    permit(actor, operation_of(files.put_session_file))
    count(forge, actor)
    path, was, how = (query.get(name, "") for name in ("path", "was", "how"))
    view = web.chosen_view(query)
    if not (how == "delete" and path == was):
        check_path(unquote(path))
    with Context(forge, actor).transaction(write=False) as tx:
        project, _ = project_access.project(tx, at["organization"], at["project"], Ability.PROPOSE)
        working = _working(tx, project, query)
        old = working.entry(unquote(was)) if was else None
        if was and (old is None or old.is_gitlink):
            raise NotFound(what=f"file {was!r} there")
        if path != was and how != "replace" and (now := working.unseen(unquote(path), "none")):
            raise FileChanged(path=path, now=now)
    reader = _Typed(working.reader, typed)
    name = unquote(path).rpartition(b"/")[2]
    if how == "delete":
        new = None
    elif how == "rename" and old is not None:
        new = Entry(old.mode, name, old.id)
    else:
        new = Entry(old.mode if old else b"100644", name, reader.id)
    return _drawn(reader, was, path, old, new, view)


def _working(ctx: Context, project: Project, query: Query) -> files.Working:
    if session := query.get("session", ""):
        found, project, _ = access.session(ctx, session, Deed.CHANGE)
        return files.Working(ctx, found, project)
    position = query.get("position") or "0"
    tree = code.resolve(ctx, project, f"@{position}").tree
    return files.Working(ctx, WorkSession(id="", base_tree=tree), project)


def _drawn(reader: "_Typed", was: str, path: str, old: Entry | None, new: Entry | None, view: View) -> str:
    moved = (
        markup.notice("Renamed", f"{markup.path(was)} to {markup.path(path)}")
        if was not in ("", path)
        else ""
    )
    if old is not None and new is not None and old.id == new.id:
        return moved or markup.notice("Nothing changed yet.")
    status = Status.ADDED if old is None else Status.DELETED if new is None else Status.MODIFIED
    file = diffs.file_of(reader, TreeChange(unquote(path), status, old, new))
    return moved + changes.lines(file, view, Painter(web.texts_of(reader)))


class _Typed:
    """A reader that also has the text that was typed."""

    def __init__(self, reader: Reader, typed: bytes) -> None:
        self.id = object_id(Kind.BLOB, typed)
        self._reader, self._text = reader, typed
        self.tree = reader.tree

    def has(self, id: str) -> bool:
        """Whether there is such an object."""
        return id == self.id or self._reader.has(id)

    def kind(self, id: str) -> Kind:
        """What an object is."""
        return Kind.BLOB if id == self.id else self._reader.kind(id)

    def read(self, id: str, kind: Kind | None = None) -> bytes:
        """A blob's content."""
        return self._text if id == self.id else self._reader.read(id, kind)

    def size(self, id: str) -> int:
        """A blob's size in bytes."""
        return len(self._text) if id == self.id else self._reader.size(id)
