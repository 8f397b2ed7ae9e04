"""Changing files in the browser: edit, create, upload, rename and delete, each into a session.

The form does its work over the API (`ui/editor.js`): texts are too large for a State. This page says
what there is to change, and what is to be done where nothing can be.
"""

from html import escape

import reflex as rx

from backend.projects import forks
from backend.projects import service as projects
from backend.projects import tree as tree_operations
from backend.projects.schemas import FilePage, ProjectSummary
from backend.sessions import files as session_files
from backend.sessions import service as sessions
from backend.sessions.schemas import SessionFileText
from micelio_app import frame, layout, plain, routes
from micelio_app.frame import ProjectFrame
from micelio_app.head import Head, head
from micelio_app.pages.project import parents, path_title
from micelio_app.state import AppState, ask
from micelio_app.ui import forms, lists
from micelio_app.ui.editor import editor

TITLES = {
    "edit": "Edit",
    "new": "New file",
    "upload": "Upload files",
    "rename": "Rename",
    "delete": "Delete",
}
NO_TEXT = "It is not text in UTF-8, so it cannot be edited here. Upload a new version, or change it with mic."
TOO_LARGE = (
    "It has more than 1 MiB, the most that can be edited here. Upload a new version, or change it with mic."
)
NOT_A_FILE = "It is a link or another repository, which has no text to edit. Change it with mic."


class EditingState(AppState):
    """One file to change, or a folder that gets new ones."""

    how: str = ""
    path: str = ""
    folder: str = ""
    name: str = ""
    parents: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    owner: str = ""
    address: str = ""
    source: str = ""
    session: str = ""
    mine: rx.Field[list[dict[str, str]]] = rx.field(default_factory=list)
    position: int = 0
    back: str = ""
    problem: str = ""
    upload: str = ""
    allowed: bool = False

    @rx.event
    async def load(self):
        """What the address says is to be changed, and the sessions it may go into."""
        self.how = self.router.url.path.split("/")[3]
        self.path = self.folder = self.source = self.problem = ""
        path = "/".join(self.splat).strip("/")
        running = await self.call(sessions.list_my_sessions, status="active", limit=100)
        where = {"organization": self.org, "project": self.project}
        project = await self.call(projects.get_project, **where)
        self.owner, self.address = project.organization, f"{project.organization}/{project.handle}"
        self.allowed, self.position = "propose" in project.may, project.position
        self.mine = [
            {"id": each.id, "goal": each.goal}
            for each in running.items
            if (each.organization, each.project) == (project.organization, project.handle)
        ]
        await self._continue(project, self.router.url.query_parameters.get("session", ""))
        if self.how in ("new", "upload"):
            self._into(project, path)
        else:
            await self._about(project, path)

    async def _continue(self, project: ProjectSummary, asked: str) -> None:
        """Choose the session that was asked for: one's own, or another's that one may change."""
        self.session = next((each["id"] for each in self.mine if asked and each["id"].endswith(asked)), "")
        if self.session or not asked:
            return
        found = await self.attempt("session", sessions.get_session, session=asked)
        here = (project.organization, project.handle)
        if found and "change" in found.may and (found.organization, found.project) == here:
            self.session = found.id
            self.mine = [{"id": found.id, "goal": found.goal}, *self.mine]

    def _into(self, project: ProjectSummary, path: str) -> None:
        org, name = project.organization, project.handle
        self.folder = f"{path}/" if path and self.how == "new" else path
        self.back = routes.tree(org, name, "HEAD", path) if path else routes.project(org, name)
        self.parents, self.name = parents(project, "HEAD", path), ""

    async def _about(self, project: ProjectSummary, path: str) -> None:
        org, name = project.organization, project.handle
        found: FilePage | SessionFileText
        if self.session:
            found = await self.call(session_files.get_session_file, session=self.session, path=path)
            self.source = routes.session_file_data(self.session, found.path)
        else:
            at = f"@{project.position}"
            found = await self.call(
                tree_operations.get_file, organization=org, project=name, ref=at, path=path
            )
            self.source = routes.file_data(org, name, project.position, found.path)
        folder, _, self.name = found.path.rpartition("/")
        self.path, self.parents = found.path, parents(project, "HEAD", folder)
        self.back = routes.file(org, name, "HEAD", found.path)
        self.upload = routes.changing(org, name, "upload", folder, self.session)
        self.problem = why_not(found) if self.how == "edit" else ""
        if self.session:
            # What it added is nowhere else yet.
            self.back = routes.session(org, name, self.session)

    @rx.event
    async def fork(self):
        """Fork the project and go on there."""
        made = await self.call(forks.fork_project, organization=self.org, project=self.project)
        return rx.redirect(
            routes.changing(made.organization, made.handle, self.how, self.path or self.folder)
        )


def why_not(found: FilePage | SessionFileText) -> str:
    """Why a file has no text to edit; empty when it has."""
    if found.mode not in ("100644", "100755"):
        return NOT_A_FILE
    if found.size > tree_operations.LARGEST_TEXT:
        return TOO_LARGE
    return NO_TEXT if found.text is None else ""


def editing_page() -> rx.Component:
    """The way to the file, and the form."""
    form = editor(
        how=EditingState.how,
        organization=frame.ORG,
        project=frame.PROJECT,
        path=EditingState.path,
        folder=EditingState.folder,
        source=EditingState.source,
        session=EditingState.session,
        sessions=EditingState.mine,
        position=EditingState.position,
        lands=ProjectFrame.lands,
        back=EditingState.back,
    )
    title = rx.match(EditingState.how, *TITLES.items(), "Edit")
    refused = rx.el.section(
        lists.notice("Not here.", EditingState.problem, tone="ochre"),
        rx.el.p(
            forms.button_link("Upload a new version", to=EditingState.upload),
            forms.button_link("Back to the file", to=EditingState.back, tone="quiet"),
            class_name="line close",
        ),
        class_name="stack",
    )
    return layout.project_page(
        rx.el.div(
            path_title(EditingState.parents, EditingState.name),
            rx.el.span(title, class_name="tag"),
            class_name="line",
        ),
        rx.cond(EditingState.allowed, rx.cond(EditingState.problem != "", refused, form), _not_allowed()),
        current="Files",
        exact=True,
    )


def _not_allowed() -> rx.Component:
    words = rx.cond(
        ProjectFrame.archived,
        EditingState.address + " is archived and read-only. Fork it to change it there.",
        "Only members of "
        + EditingState.owner
        + " and collaborators who may write start sessions in "
        + EditingState.address
        + ". Fork it, edit your fork, and show them what you made.",
    )
    return rx.el.section(
        lists.notice("You cannot change this project.", words, tone="ochre"),
        forms.button("Fork and edit", tone="primary", on_click=EditingState.fork),
        class_name="stack",
    )


async def _head(session: str | None, *, org: str, project: str, splat: str, how: str) -> Head:
    found = await ask(session, projects.get_project, organization=org, project=project)
    return Head(
        title=f"{TITLES[how]} {splat}".strip() + f" · {found.organization}/{found.handle}",
        indexed=False,
        body=plain.title(f"{TITLES[how]} {splat}".strip())
        + "<p>Changing files in a browser needs JavaScript. Without it, clone the project, change them, "
        f'and land:</p><pre class="mono above"><code>mic clone {escape(found.url)}</code></pre>',
        **plain.around(found.organization, found.handle, "Files"),
    )


def _hang(route: str, how: str) -> None:
    @head(route)
    async def changing_head(session: str | None, *, org: str, project: str, splat: str) -> Head:
        return await _head(session, org=org, project=project, splat=splat, how=how)

    name = rx.cond(EditingState.path != "", EditingState.path, EditingState.folder)
    title = TITLES[how] + " " + name + " · " + frame.ADDRESS + " · Micelio"
    layout.project_screen(route, editing_page, title=title, on_load=[EditingState.load])


for _route, _how in (
    (routes.EDIT, "edit"),
    (routes.NEW_FILE, "new"),
    (routes.UPLOAD, "upload"),
    (routes.RENAME, "rename"),
    (routes.DELETE, "delete"),
):
    _hang(_route, _how)
