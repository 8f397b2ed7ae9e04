"""One file at a ref: highlighted with line links, or what there is to say of what is no text."""

from collections.abc import Mapping
from html import escape

import reflex as rx

from backend.projects import tree as tree_operations
from backend.projects.rendering.files import is_drawn
from backend.projects.schemas import EntryType, FilePage
from backend.projects.web import draw_file
from micelio_app import frame, layout, plain, routes
from micelio_app.frame import ProjectFrame
from micelio_app.head import Head, head
from micelio_app.keys import Place
from micelio_app.pages.project import exact, parents, path_title, permalink, plain_path, ref_label
from micelio_app.state import AppState, ask, drawn
from micelio_app.ui import forms
from micelio_app.ui.fragment import fragment
from micelio_app.ui.links import link, outside, when

PLAIN_BODY = 20_000


class FileState(AppState):
    """What a file's page says around its text."""

    name: str = ""
    parents: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    path: str = ""
    ref_label: str = ""
    at_url: str = ""
    position: int = 0
    size: str = ""
    lines: str = ""
    src: str = ""
    here: str = ""
    drawn: bool = False
    plain: bool = True
    raw_url: str = ""
    change_urls: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    text: bool = False
    exact_url: str = ""
    touched: int = 0
    touched_goal: str = ""
    touched_url: str = ""
    touched_by: str = ""
    touched_at: str = ""

    @rx.event
    async def load(self):
        """A file at a ref."""
        page = await self.call(
            tree_operations.get_file,
            organization=self.org,
            project=self.project,
            ref=self.ref,
            path="/".join(self.splat),
        )
        project, last = page.project, page.last
        org, name = project.organization, project.handle
        folder, _, self.name = page.path.rpartition("/")
        self.path, self.parents = page.path, parents(project, self.ref, folder)
        self.ref_label, self.position = ref_label(project, self.ref), page.position or 0
        self.at_url = routes.landing(org, name, self.position) if self.position else ""
        self.size = "" if page.type is EntryType.MODULE else size_text(page.size)
        told = page.text is not None and page.type is EntryType.FILE
        self.lines = f"{page.lines:,} line{'s' * (page.lines != 1)}" if told else ""
        self.text = page.text is not None
        self.exact_url = routes.file(org, name, exact(page), page.path)
        self.raw_url = routes.raw(org, name, self.ref, page.path)
        self.here = routes.file(org, name, self.ref, page.path)
        self.drawn = told and is_drawn(page.path)
        self.plain = not self.drawn or "plain" in self.router.url.query_parameters
        # The fragment of a README draws any one file.
        self.src = routes.fragment(org, name, "code" if self.plain else "readme", self.ref, page.path)
        on_trunk = self.ref in ("HEAD", project.default_branch)
        changes = ("edit", "rename", "delete") if told else ("rename", "delete")
        self.change_urls = (
            {how: routes.changing(org, name, how, page.path) for how in changes} if on_trunk else {}
        )
        self.touched = last.position if last else 0
        self.touched_goal, self.touched_by = (last.goal, last.by) if last else ("", "")
        self.touched_url = routes.landing(org, name, last.position) if last else ""
        self.touched_at = last.at.isoformat() if last else ""


def size_text(size: int) -> str:
    """Bytes as people read them."""
    if size < 1000:
        return f"{size} bytes"
    if size < 1_000_000:
        return f"{size / 1000:.1f} KB"
    return f"{size / 1_000_000:.1f} MB"


def file_page() -> rx.Component:
    """The way to the file, its facts, and its text."""
    ref = rx.cond(
        FileState.position > 0,
        link(FileState.ref_label, " at #", FileState.position, to=FileState.at_url, class_name="tag"),
        rx.el.span(FileState.ref_label, class_name="tag"),
    )
    copy = rx.el.button(
        "Copy path", type="button", class_name="btn quiet small", custom_attrs={"data-copy": FileState.path}
    )
    copy_raw = rx.el.button(
        "Copy", type="button", class_name="btn small", custom_attrs={"data-copy-from": FileState.raw_url}
    )
    return layout.project_page(
        rx.el.div(
            path_title(FileState.parents, FileState.name),
            copy,
            rx.el.span(
                ref,
                rx.cond(FileState.drawn, _views()),
                permalink(FileState.exact_url),
                rx.cond(FileState.text, copy_raw),
                outside("Raw", href=FileState.raw_url, class_name="btn small"),
                rx.cond(
                    ProjectFrame.archived | (FileState.change_urls.length() == 0), rx.fragment(), _changes()
                ),
                class_name="end line close",
            ),
            class_name="line",
        ),
        rx.el.section(
            _facts(), fragment(FileState.src, label="File", class_name="source"), aria_label="File"
        ),
        current="Files",
        keys=[Place.CODE],
    )


def _views() -> rx.Component:
    """What a file means, or its lines."""
    current = {"aria_current": rx.cond(FileState.plain, "false", "true")}
    other = {"aria_current": rx.cond(FileState.plain, "true", "false")}
    lines = {"data-lines": True}
    return rx.el.span(
        link("Preview", to=FileState.here, class_name="btn small", **current),
        link("Code", to=FileState.here + "?plain=1", class_name="btn small", custom_attrs=lines, **other),
        class_name="btns",
    )


def _changes() -> rx.Component:
    """Edit, and what else can be done to the file."""
    urls = FileState.change_urls
    edit = rx.cond(
        urls.contains("edit"),
        forms.button_link("Edit", to=urls["edit"], small=True, custom_attrs={"data-edit": True}),
    )
    more = forms.menu(
        "More",
        link("Rename or move", to=urls["rename"]),
        link("Delete", to=urls["delete"], class_name="rust"),
    )
    return rx.fragment(edit, more)


def _facts() -> rx.Component:
    touched = rx.el.p(
        rx.el.span(
            rx.el.b(FileState.touched_by), " ", link(FileState.touched_goal, to=FileState.touched_url)
        ),
        link("#", FileState.touched, to=FileState.touched_url),
        when(FileState.touched_at, ago=True),
        class_name="meta",
    )
    facts = rx.el.p(
        rx.cond(FileState.lines != "", rx.el.span(FileState.lines)),
        rx.el.span(FileState.size),
        class_name="meta end",
    )
    return rx.el.header(rx.cond(FileState.touched > 0, touched), facts, class_name="head")


@head(routes.FILE)
async def file_head(
    session: str | None, *, org: str, project: str, ref: str, splat: str, query: Mapping[str, str]
) -> Head:
    """Title of a file, and its text for readers without scripts."""
    page = await ask(
        session, tree_operations.get_file, organization=org, project=project, ref=ref, path=splat
    )
    found = page.project
    address = f"{found.organization}/{found.handle}"
    return Head(
        title=f"{page.path} · {address}",
        path=routes.file(found.organization, found.handle, ref, page.path),
        indexed=found.visibility.value == "public" and ref == "HEAD",
        body=plain_path(found, ref, page.path.rpartition("/")[0], page.path)
        + await _readable(session, page, ref, query),
        **plain.around(found.organization, found.handle, "Files"),
    )


async def _readable(session: str | None, page: FilePage, ref: str, query: Mapping[str, str]) -> str:
    found, text = page.project, page.text or ""
    raw = plain.link("Raw", routes.raw(found.organization, found.handle, ref, page.path))
    last = page.last
    touched = (
        plain.link(
            f"#{last.position} {last.goal}", routes.landing(found.organization, found.handle, last.position)
        )
        if last
        else ""
    )
    lines = f"{page.lines} lines" if page.text is not None else "binary, or too large to show"
    facts = plain.meta(touched, lines, raw, plain.link("With line numbers", "?show=code"))
    if query.get("show") == "code":
        at = {"organization": found.organization, "project": found.handle, "ref": ref, "path": page.path}
        return facts + f'<div class="source">{await drawn(session, draw_file, at, {})}</div>'
    cut = "<p>The rest is in the raw view.</p>" if len(text) > PLAIN_BODY else ""
    return f'{facts}<pre class="mono"><code>{escape(text[:PLAIN_BODY])}</code></pre>{cut}'


layout.project_screen(
    routes.FILE,
    file_page,
    title=rx.cond(FileState.path != "", FileState.path + " · ", "") + frame.ADDRESS + " · Micelio",
    on_load=[FileState.load],
)
