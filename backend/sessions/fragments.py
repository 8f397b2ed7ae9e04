"""What a session has changed so far, as fragments that its page fetches again while it grows.

`/changes` is the diff, of everything or of the file in `?path=`; `/touched` the list of files.
The unified view has one number a line: the pane beside a timeline is narrow.
"""

from backend.core.context import Actor, Context, Forge
from backend.core.operations import invoke
from backend.projects import web
from backend.projects.rendering import changes
from backend.projects.rendering.changes import Painter, View
from backend.projects.schemas import DiffPage
from backend.projects.web import Drawing, Query
from backend.sessions import access, content
from backend.sessions.files import get_session_diff
from backend.sessions.schemas import SessionDetail
from backend.sessions.service import get_session
from vcs.reading import Reader


def routes(forge: Forge) -> list[web.AddressRoute]:
    """The fragments of a session."""
    session = "/_fragments/sessions/{session}"
    return [
        web.fragment(forge, f"{session}/changes", draw_changes),
        web.fragment(forge, f"{session}/touched", _touched),
    ]


def draw_changes(forge: Forge, actor: Actor, at: dict[str, str], query: Query) -> Drawing:
    """What a session changes: all of it, or the one file that `path` in the query names."""
    view, whitespace = web.chosen_view(query), web.shows_whitespace(query)
    view = View.NARROW if view is View.UNIFIED else view
    path = query.get("path", "")
    page = invoke(forge, actor, get_session_diff, {**at, "path": path})
    assert isinstance(page, DiffPage)
    with Context(forge, actor).transaction(write=False) as tx:
        found, project, _ = access.session(tx, at["session"])
        reader = content.staged_reader(tx, found, project)
    if len(page.files) == 1 and page.files[0].path == path:
        return _one(page, view, reader, whitespace=whitespace)
    return web.difference(page, view, None, reader, whitespace=whitespace, listed=False)


def _one(page: DiffPage, view: View, reader: Reader, *, whitespace: bool) -> Drawing:
    """One chosen file: its name stands in the list, so its lines alone are drawn."""
    file = page.files[0]
    return Drawing(
        ("lines", page.old, page.new, file.path, view.value, str(whitespace)),
        lambda: changes.lines(file, view, Painter(web.texts_of(reader)), whitespace=whitespace),
    )


def _touched(forge: Forge, actor: Actor, at: dict[str, str], query: Query) -> Drawing:
    detail = invoke(forge, actor, get_session, at)
    assert isinstance(detail, SessionDetail)
    current = query.get("path", "")
    stated = [change.model_dump_json() for change in detail.changes]
    return Drawing(
        ("touched", detail.id, current, *stated), lambda: changes.touched(detail.changes, current=current)
    )
