"""Editing in a browser: what a text somebody typed would change, before it is saved.

The text stays in the form until it is saved through the same operations as everybody's files; a
preview stores nothing and holds the text for as long as the answer takes.
"""

from backend.core.context import Actor, Context, Forge
from backend.core.errors import InvalidInput
from backend.core.operations import count, operation_of, permit
from backend.projects import access as project_access
from backend.projects import code, diffs, web
from backend.projects.access import Ability
from backend.projects.rendering import changes, markup
from backend.projects.rendering.changes import Painter, View
from backend.projects.tree import LARGEST_TEXT
from backend.projects.web import Query
from backend.sessions import access, content, files
from backend.sessions.access import Deed
from vcs.diff import Status, TreeChange
from vcs.objects import EMPTY_TREE, Entry, Kind, check_path, object_id
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
    saved to, else a new one that stands on `position`.
    """
    return [web.answering(forge, ADDRESS, _preview, limit=LARGEST_TEXT, too_large=TextTooLarge())]


def _preview(forge: Forge, actor: Actor, at: dict[str, str], query: Query, typed: bytes) -> str:
    permit(actor, operation_of(files.put_session_file))
    count(forge, actor)
    path, was = unquote(query.get("path", "")), unquote(query.get("was", ""))
    check_path(path)
    with Context(forge, actor).transaction(write=False) as tx:
        project, _ = project_access.project(tx, at["organization"], at["project"], Ability.PROPOSE)
        if session := query.get("session", ""):
            found, _, _ = access.session(tx, session, Deed.CHANGE)
            reader: Reader = content.staged_reader(tx, found, project)
            old = files.file_of(tx, found, project, was) if was else None
        else:
            reader = code.reader(tx, project)
            tree = code.resolve(tx, project, f"@{query.get('position') or 0}").tree
            old = reader.entry(tree, was) if was and tree != EMPTY_TREE else None
    new = Entry(old.mode if old else b"100644", path.rpartition(b"/")[2], object_id(Kind.BLOB, typed))
    if old is not None and old.id == new.id and path == was:
        return markup.notice("Nothing changed yet.")
    moved = markup.notice("Renamed.", markup.path(query["was"]), "ochre") if was and path != was else ""
    change = TreeChange(path, Status.MODIFIED if old else Status.ADDED, old, new)
    file = diffs.file_of(_Typed(reader, new.id, typed), change)
    if old is not None and old.id == new.id:
        return moved
    view = View.SPLIT if query.get("view") == "split" else View.UNIFIED
    texts = web.texts_of(reader)
    painter = Painter(lambda id: typed.decode("utf-8", "replace") if id == new.id else texts(id))
    return moved + changes.lines(file, view, painter)


class _Typed:
    """A reader that also has the text that was typed."""

    def __init__(self, reader: Reader, id: str, typed: bytes) -> None:
        self._reader, self._id, self._text = reader, id, typed
        self.tree = reader.tree

    def read(self, id: str, kind: Kind | None = None) -> bytes:
        """A blob's content."""
        return self._text if id == self._id else self._reader.read(id, kind)

    def size(self, id: str) -> int:
        """A blob's size in bytes."""
        return len(self._text) if id == self._id else self._reader.size(id)
