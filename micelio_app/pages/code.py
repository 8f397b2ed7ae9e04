"""One file at a ref: highlighted with line links, or what there is to say of what is no text."""

from html import escape

import reflex as rx

from backend.projects import tree as tree_operations
from backend.projects.schemas import EntryType, FilePage
from micelio_app import layout, routes
from micelio_app.head import Head, head
from micelio_app.pages.project import ProjectState, counts, parents, trail
from micelio_app.state import ask
from micelio_app.ui import lists
from micelio_app.ui.fragment import fragment
from micelio_app.ui.links import link, outside, when

IMAGES = ("png", "jpg", "jpeg", "gif", "webp", "avif", "ico", "svg")
PLAIN_BODY = 20_000


class FileState(ProjectState):
    """What a file's page says around its text."""

    file_name: str = ""
    file_size: str = ""
    file_lines: int = 0
    file_kind: str = ""
    file_src: str = ""
    raw_url: str = ""
    image_url: str = ""
    touched_goal: str = ""
    touched_url: str = ""
    touched_by: str = ""
    touched_at: str = ""

    @rx.event
    async def load_file(self):
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
        self.address, self.name = f"{org}/{name}", project.name
        self.newest, self.open_sessions = project.position, project.open_sessions
        self.parents = parents(project, self.ref, page.path.rpartition("/")[0])
        self.file_name, self.at_ref = page.path.rpartition("/")[2], self.ref
        self.file_size, self.file_lines = size_text(page.size), page.lines
        self.file_kind = kind_of(page)
        self.raw_url = routes.raw(org, name, self.ref, page.path)
        self.image_url = self.raw_url + "?image=1" if self.file_kind == "image" else ""
        source = routes.fragment(org, name, "code", self.ref, page.path)
        self.file_src = source if self.file_kind == "text" else ""
        self.touched_goal = last.goal if last else ""
        self.touched_url = routes.landing(org, name, last.position) if last else ""
        self.touched_by, self.touched_at = (last.by, last.at.isoformat()) if last else ("", "")


def kind_of(page: FilePage) -> str:
    """How a file is shown: text, image, link, module, empty, binary."""
    extension = page.path.rpartition(".")[2].lower()
    if page.type is EntryType.MODULE:
        return "module"
    if page.type is EntryType.LINK:
        return "link"
    if page.size == 0:
        return "empty"
    if extension in IMAGES:
        return "image"
    return "binary" if page.binary else "text"


def size_text(size: int) -> str:
    """Bytes as people read them."""
    if size < 1000:
        return f"{size} bytes"
    if size < 1_000_000:
        return f"{size / 1000:.1f} KB"
    return f"{size / 1_000_000:.1f} MB"


def file_page() -> rx.Component:
    """The way to the file, its facts, and its text."""
    touched = rx.cond(
        FileState.touched_url != "",
        rx.el.span(
            link(FileState.touched_goal, to=FileState.touched_url),
            " by ",
            FileState.touched_by,
            " ",
            when(FileState.touched_at, ago=True),
        ),
    )
    return layout.project_page(
        rx.el.header(
            rx.el.div(
                rx.el.nav(trail(FileState.parents), class_name="path-trail", aria_label="Folders"),
                rx.el.h1(FileState.file_name, class_name="mono file-title"),
                rx.el.span(outside("Raw", href=FileState.raw_url, class_name="btn small"), class_name="end"),
                class_name="line",
            ),
            rx.el.p(
                rx.cond(FileState.file_kind == "text", rx.el.span(FileState.file_lines, " lines")),
                rx.el.span(FileState.file_size),
                touched,
                class_name="meta",
            ),
            class_name="stack tight",
        ),
        _shown(),
        org=FileState.org,
        project=FileState.project,
        current="Files",
        counts=counts(),
    )


def _shown() -> rx.Component:
    image = rx.el.figure(rx.el.img(src=FileState.image_url, alt=FileState.file_name), class_name="image-box")
    return rx.match(
        FileState.file_kind,
        ("text", fragment(FileState.file_src, label="File")),
        ("image", image),
        ("empty", lists.empty("This file is empty", rx.el.p("It has no bytes."))),
        ("link", lists.empty("This is a symbolic link", rx.el.p("Its raw view shows where it points."))),
        ("module", lists.empty("This is a submodule", rx.el.p("Its code lives in another repository."))),
        ("binary", lists.empty("This file is not text", rx.el.p("Download it through its raw view."))),
        rx.fragment(),
    )


@head(routes.FILE)
async def file_head(session: str | None, *, org: str, project: str, ref: str, splat: str) -> Head:
    """Title of a file, and its text for readers without scripts."""
    page = await ask(
        session, tree_operations.get_file, organization=org, project=project, ref=ref, path=splat
    )
    found = page.project
    address = f"{found.organization}/{found.handle}"
    text = page.text or ""
    cut = "<p>The rest is in the raw view.</p>" if len(text) > PLAIN_BODY else ""
    raw = escape(routes.raw(found.organization, found.handle, ref, page.path))
    return Head(
        title=f"{page.path} · {address}",
        path=routes.file(found.organization, found.handle, ref, page.path),
        indexed=found.visibility.value == "public" and ref == "HEAD",
        body=f'<h1>{escape(page.path)}</h1><p><a href="{raw}">Raw</a></p>'
        f"<pre><code>{escape(text[:PLAIN_BODY])}</code></pre>{cut}",
    )


TITLE = rx.cond(
    FileState.file_name != "", FileState.file_name + " · " + FileState.address + " · Micelio", "Micelio"
)
layout.screen(routes.FILE, file_page, title=TITLE, on_load=[FileState.load_file])
