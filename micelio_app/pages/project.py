"""A project: what grows now, its files with the landing that last touched each, how to get it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from html import escape
from typing import Any
from urllib.parse import quote

import reflex as rx

from backend.embedding import subjects
from backend.embedding.licences import FILE
from backend.projects import landings as landing_operations
from backend.projects import refs as ref_operations
from backend.projects import tree as tree_operations
from backend.projects.schemas import (
    EntryType,
    FilePage,
    LandingSummary,
    ProjectSummary,
    TreeEntry,
    TreePage,
)
from backend.projects.web import draw_readme
from backend.sessions import service as session_operations
from backend.sessions.schemas import SessionSummary
from micelio_app import frame, layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.keys import Place, drives
from micelio_app.pages.rows import SessionRow, session_line, session_row
from micelio_app.state import AppState, ask, drawn
from micelio_app.ui import chips, forms, graph, lists, refs
from micelio_app.ui.fragment import fragment
from micelio_app.ui.links import Text, fragment_of, key, link, outside, when

ARCHIVES = ("tar.gz", "zip")
LONGEST_README = 60_000
"""Letters of a README's HTML that a page carries for readers without scripts."""
MIC_LINES = (
    "mic clone {url}",
    "cd {project}",
    "# put your files here",
    'mic session start "Begin"',
    "mic session land",
)
NEW_GIT_LINES = (
    "git init -b {trunk} {project}",
    "cd {project}",
    "# put your files here",
    "git add .",
    'git commit -m "Begin"',
    "git remote add origin {url}",
    "git push -u origin {trunk}",
)
OLD_GIT_LINES = ("git remote add origin {url}", "git push -u origin --all", "git push origin --tags")
"""What one types to land the first files of a project: tests/browser/test_new_project.py types it."""

FEWEST_DRAWN = 3
"""With fewer landings the map of the trunk shows nothing one could not count."""


@dataclass(frozen=True)
class EntryRow:
    """One line of a folder."""

    url: str
    name: str
    folder: bool
    goal: str
    landing_url: str
    position: int
    author: str
    at: str


class ProjectState(AppState):
    """One project at one ref, one folder of it."""

    name: str = ""
    address: str = ""
    description: str = ""
    website: str = ""
    forked_from: str = ""
    forks: int = 0
    public: bool = True
    newest: int = 0
    open_sessions: int = 0
    clone_url: str = ""
    map_svg: str = ""
    entries: rx.Field[list[EntryRow]] = rx.field(default_factory=list)
    growing: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    readme_src: str = ""
    readme_name: str = ""
    path: str = ""
    folder: str = ""
    ref_label: str = ""
    landing_url: str = ""
    landed_at: str = ""
    shown_position: int = 0
    shown_commit: str = ""
    commit_url: str = ""
    parents: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    ref_groups: rx.Field[list[refs.RefGroup]] = rx.field(default_factory=list)
    ref_choices: int = 0
    ref_chosen: str = ""
    adds: rx.Field[list[str]] = rx.field(default_factory=list)
    archives: rx.Field[list[str]] = rx.field(default_factory=list)
    exact_url: str = ""
    handle: str = ""
    trunk: str = ""
    may_land: bool = False
    loaded: bool = False

    @rx.event
    async def load(self):
        """The front page of a project."""
        where = {"organization": self.org, "project": self.project}
        page = await self.call(tree_operations.get_tree, **where)
        landed = await self.call(landing_operations.list_landings, **where, limit=40)
        running = await self.call(session_operations.list_sessions, **where, status="active", limit=5)
        self._show(page, "HEAD")
        await self._list_refs("HEAD")
        self.growing = [session_row(session) for session in running.items]
        self.map_svg = thread(landed.items, running.items)
        self.landed_at = landed.items[0].landed_at.isoformat() if landed.items else ""

    @rx.event
    async def load_folder(self):
        """A folder at a ref."""
        path = "/".join(self.splat)
        page = await self.call(
            tree_operations.get_tree, organization=self.org, project=self.project, ref=self.ref, path=path
        )
        self.growing, self.map_svg, self.landed_at = [], "", ""
        self._show(page, self.ref)
        await self._list_refs(self.ref)

    @rx.event
    async def choose_ref(self, ref: str):
        """Go to the same folder on another branch or tag."""
        return rx.redirect(routes.tree(self.org, self.project, ref, self.path))

    async def _list_refs(self, ref: str) -> None:
        listed = await self.call(ref_operations.list_refs, organization=self.org, project=self.project)
        self.ref_groups, self.ref_chosen = refs.groups_of(listed.items, ref), ref
        self.ref_choices = sum(len(group.rows) for group in self.ref_groups)

    def _show(self, page: TreePage, ref: str) -> None:
        project = page.project
        org, name, at = project.organization, project.handle, page.position or 0
        self.name, self.description, self.website = project.name or name, project.description, project.website
        self.address, self.public, self.clone_url = (
            f"{org}/{name}",
            project.visibility.value == "public",
            project.url,
        )
        self.newest, self.open_sessions = project.position, project.open_sessions
        self.forked_from, self.forks = project.forked_from or "", project.forks
        self.path, self.folder = page.path, page.path.rpartition("/")[2] or name
        self.ref_label = ref_label(project, ref)
        self.shown_position, self.landing_url = at, routes.landing(org, name, at) if at else ""
        # What no landing brought is known by its commit.
        self.shown_commit = page.commit if page.commit and not at else ""
        self.commit_url = routes.commit(org, name, self.shown_commit) if self.shown_commit else ""
        self.entries = [entry_row(project, ref, entry) for entry in page.entries]
        self.parents = parents(project, ref, page.path.rpartition("/")[0]) if page.path else []
        self.readme_name = page.readme.path.rpartition("/")[2] if page.readme else ""
        self.readme_src = routes.fragment(org, name, "readme", ref, page.path) if page.readme else ""
        on_trunk = ref in ("HEAD", project.default_branch) and not project.archived
        self.adds = (
            [routes.changing(org, name, how, page.path) for how in ("new", "upload")] if on_trunk else []
        )
        named = project.default_branch if ref == "HEAD" else ref
        self.archives = [routes.archive(org, name, named, each) for each in ARCHIVES] if page.commit else []
        self.exact_url = routes.tree(org, name, exact(page), page.path)
        self.handle, self.trunk, self.may_land = name, project.default_branch, "land" in project.may
        self.loaded = True


def exact(page: TreePage | FilePage) -> str:
    """The ref that means this very landing or commit for ever."""
    return f"@{page.position or 0}" if page.position or not page.commit else page.commit


def ref_label(project: ProjectSummary, ref: str) -> str:
    """What people call a ref: the trunk by its branch's name."""
    return project.default_branch if ref == "HEAD" else ref


def entry_row(project: ProjectSummary, ref: str, entry: TreeEntry) -> EntryRow:
    """The row of a tree entry."""
    folder = entry.type is EntryType.FOLDER
    to = routes.tree if folder else routes.file
    org, name, last = project.organization, project.handle, entry.last
    return EntryRow(
        url=to(org, name, ref, entry.path),
        name=entry.name + ("/" if folder else ""),
        folder=folder,
        goal=last.goal if last else "",
        landing_url=routes.landing(org, name, last.position) if last else "",
        position=last.position if last else 0,
        author=last.by if last else "",
        at=last.at.isoformat() if last else "",
    )


def parents(project: ProjectSummary, ref: str, path: str) -> list[tuple[str, str]]:
    """Name and address of each folder on the way to a path, the project's root first."""
    org, name = project.organization, project.handle
    walked = [(name, routes.tree(org, name, ref))]
    so_far = ""
    for part in path.split("/") if path else []:
        so_far = f"{so_far}/{part}" if so_far else part
        walked.append((part, routes.tree(org, name, ref, so_far)))
    return walked


def thread(landed: list[LandingSummary], running: list[SessionSummary]) -> str:
    """The map of the trunk as SVG; empty while there is too little to see a thread in."""
    if len(landed) < FEWEST_DRAWN:
        return ""
    return graph.thread_map(
        [
            graph.Landed(
                position=each.position,
                base=each.position - 1,
                at=each.written_at or each.landed_at,
                by="ai" if each.agent else "human",
                lines=each.additions + each.deletions,
            )
            for each in landed
        ],
        [graph.Growing(base=each.base_position, name=each.agent or each.author) for each in running],
    )


def project_page() -> rx.Component:
    """The front page."""
    drawn = rx.el.figure(rx.html(ProjectState.map_svg, class_name="thread-box"))
    return layout.project_page(
        _title(),
        rx.cond(ProjectState.map_svg != "", drawn),
        rx.el.div(
            rx.el.div(_growing(), _files(), _readme(), class_name="stack loose"),
            rx.el.aside(_clone(), _about(), class_name="stack loose"),
            class_name="pair",
        ),
        current="Files",
        keys=[Place.CODE],
    )


def folder_page() -> rx.Component:
    """One folder."""
    copy_path = rx.el.button(
        "Copy path",
        type="button",
        class_name="btn quiet small",
        custom_attrs={"data-copy": ProjectState.path},
    )
    return layout.project_page(
        rx.el.div(
            path_title(ProjectState.parents, ProjectState.folder + "/"),
            rx.cond(ProjectState.path != "", copy_path),
            class_name="line",
        ),
        rx.el.div(_files(), _readme(), class_name="stack loose"),
        current="Files",
        keys=[Place.CODE],
    )


def permalink(to: rx.Var[str]) -> rx.Component:
    """A link to exactly what is shown, with the line that is chosen; `y` follows it."""
    return link(
        "Permalink ",
        key("y"),
        to=to + fragment_of(),
        replace=True,
        class_name="btn quiet small only-wide",
        custom_attrs=drives("y"),
    )


def path_title(walked: rx.Var[list[tuple[str, str]]], name: Text) -> rx.Component:
    """The way to a folder or file as the page's title: each folder a link, the name bold at the end."""
    way = rx.foreach(
        walked, lambda pair: rx.el.span(link(pair[0], to=pair[1]), rx.el.i("/"), class_name="soft")
    )
    return rx.el.h1(way, rx.el.b(name), class_name="path-title")


def _title() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.h1(rx.cond(ProjectState.name != "", ProjectState.name, frame.PROJECT), class_name="title"),
            rx.cond(
                ProjectState.loaded,
                rx.cond(ProjectState.public, chips.tag("Public"), chips.tag("Private", "ochre")),
            ),
            rx.cond(frame.ProjectFrame.archived, chips.tag("Archived")),
            rx.el.span(_fork(), class_name="end line close"),
            class_name="line",
        ),
        rx.cond(
            ProjectState.forked_from != "",
            rx.el.p(
                "Forked from ",
                link(ProjectState.forked_from, to=rx.Var.create("/") + ProjectState.forked_from),
                class_name="meta",
            ),
        ),
        rx.cond(ProjectState.description != "", rx.el.p(ProjectState.description, class_name="soft")),
        class_name="stack tight",
    )


def _fork() -> rx.Component:
    """The way to a fork of one's own, and to those there are."""
    there = link(
        ProjectState.forks, " ", rx.cond(ProjectState.forks == 1, "fork", "forks"), to=frame.BASE + "/forks"
    )
    fork = forms.button_link(
        "Fork", to=rx.Var.create(routes.NEW_PROJECT + "?fork=") + frame.ADDRESS, small=True
    )
    return rx.fragment(
        rx.cond(ProjectState.forks > 0, rx.el.span(there, class_name="meta")),
        rx.el.span(fork, class_name="signed-in"),
    )


def _growing() -> rx.Component:
    opened = rx.cond(ProjectState.open_sessions == 1, " open session", " open sessions")
    filled = lists.section(
        "Growing now",
        lists.rows(rx.foreach(ProjectState.growing, session_line)),
        end=link(ProjectState.open_sessions, opened, to=frame.BASE + "/sessions"),
    )
    return rx.cond(ProjectState.growing.length() > 0, filled)


def _files() -> rx.Component:
    landing = link("Landing\N{NO-BREAK SPACE}#", ProjectState.shown_position, to=ProjectState.landing_url)
    commit = link("Commit ", rx.el.code(ProjectState.shown_commit[:10]), to=ProjectState.commit_url)
    find = rx.el.button(
        "Find a file ",
        rx.el.span(key("t"), class_name="only-wide"),
        type="button",
        class_name="btn quiet small",
        custom_attrs={"data-palette": "files"},
    )
    groups, chosen = ProjectState.ref_groups, ProjectState.ref_chosen
    header = rx.el.header(
        rx.el.h2("Files", class_name="hush"),
        rx.cond(
            ProjectState.ref_choices > 1,
            refs.picker(groups, chosen, on_change=ProjectState.choose_ref),
            rx.el.b(ProjectState.ref_label, class_name="mono"),
        ),
        rx.el.span(
            rx.cond(ProjectState.landing_url != "", landing),
            rx.cond(ProjectState.commit_url != "", commit),
            rx.cond(ProjectState.landed_at != "", when(ProjectState.landed_at, ago=True)),
            class_name="meta",
        ),
        rx.el.span(
            rx.cond(ProjectState.entries.length() > 0, rx.fragment(find, permalink(ProjectState.exact_url))),
            rx.cond(ProjectState.commit_url == "", link("History", to=frame.BASE + "/landings")),
            rx.cond(ProjectState.adds.length() > 0, _add_file()),
            rx.cond(ProjectState.archives.length() > 0, _code()),
            class_name="end line close",
        ),
        class_name="head centre",
    )
    heads = (rx.el.th(each) for each in ("Name", "Last landing", "By", "Number", "When"))
    table = rx.el.table(
        rx.el.thead(rx.el.tr(*heads), class_name="hush"),
        rx.el.tbody(rx.foreach(ProjectState.entries, _entry)),
        class_name="table files",
    )
    nothing = rx.cond(
        ProjectState.may_land & (ProjectState.newest == 0),
        _setting_up(),
        lists.empty(
            "No file yet",
            rx.el.p("What is here will be seen once somebody lands it."),
            forms.copy_box("mic clone ", ProjectState.clone_url),
        ),
    )
    empty = rx.cond(ProjectState.loaded, nothing, lists.waiting())
    return rx.el.section(header, rx.cond(ProjectState.entries.length() > 0, table, empty))


def _add_file() -> rx.Component:
    return forms.menu(
        "Add file",
        link("Create a file", to=ProjectState.adds[0]),
        link("Upload files", to=ProjectState.adds[1]),
    )


def _code() -> rx.Component:
    return forms.menu(
        "Code",
        forms.copy_box("mic clone ", ProjectState.clone_url),
        forms.copy_box("git clone ", ProjectState.clone_url),
        outside("Download as .tar.gz", href=ProjectState.archives[0]),
        outside("Download as .zip", href=ProjectState.archives[1]),
    )


def _setting_up() -> rx.Component:
    """The first landing of an empty project, for whoever may make it."""
    url, trunk = ProjectState.clone_url, ProjectState.trunk
    ways = (("From a folder of files, with mic", MIC_LINES), ("A new git repository", NEW_GIT_LINES))
    ways += (("A git repository that you have", OLD_GIT_LINES),)
    told = {"{url}": url, "{project}": ProjectState.handle, "{trunk}": trunk}
    return rx.el.div(
        rx.el.b("Nothing has landed here yet"),
        rx.cond(
            ProjectState.adds.length() > 0,
            rx.el.p(
                forms.button_link("Create a file", to=ProjectState.adds[0], small=True),
                forms.button_link("Upload files", to=ProjectState.adds[1], small=True),
                class_name="line close",
            ),
        ),
        *(
            rx.fragment(rx.el.p(title), forms.copy_lines(*(_filled(line, told) for line in lines)))
            for title, lines in ways
        ),
        rx.el.p(
            "git asks for your handle and an ",
            link("access token", to=routes.TOKENS),
            "; after ",
            rx.el.code("mic auth setup-git"),
            " it does not.",
            class_name="hint",
        ),
        class_name="empty setting-up",
    )


def _filled(line: str, told: dict[str, rx.Var[str]]) -> rx.Var[str]:
    """A line with what differs from project to project put in."""
    parts = re.split(r"(\{\w+\})", line)
    values = [told[part] if part in told else rx.Var.create(part) for part in parts if part]
    return reduce(lambda before, after: before + after, values)


def _entry(row: rx.Var[EntryRow]) -> rx.Component:
    to = link("#", row.position, to=row.landing_url)
    return rx.el.tr(
        rx.el.td(link(rx.cond(row.folder, rx.el.b(row.name), row.name), to=row.url), class_name="name mono"),
        rx.el.td(link(row.goal, to=row.landing_url), class_name="cut soft"),
        rx.el.td(row.author, class_name="only-wide author"),
        rx.el.td(rx.cond(row.position > 0, to), class_name="end only-wide third"),
        rx.el.td(rx.cond(row.at != "", when(row.at, ago=True)), class_name="end third"),
    )


def _readme() -> rx.Component:
    shown = lists.section(
        ProjectState.readme_name,
        fragment(ProjectState.readme_src, label="README", class_name="readme"),
    )
    return rx.cond(ProjectState.readme_src != "", shown)


def _clone() -> rx.Component:
    return lists.section(
        "Clone",
        forms.copy_box("mic clone ", ProjectState.clone_url),
        forms.copy_box("git clone ", ProjectState.clone_url),
        rx.el.p("Agents: point them at ", outside("skill.md", href="/skill.md"), ".", class_name="hint"),
        class_name="stack tight",
    )


def _about() -> rx.Component:
    running = rx.cond(
        ProjectState.open_sessions > 0, ProjectState.open_sessions.to_string() + " open", "none open"
    )
    website = rx.el.div(
        rx.el.dt("Website"),
        rx.el.dd(outside(ProjectState.website, href=ProjectState.website, rel="nofollow")),
    )
    origin = rx.el.div(
        rx.el.dt("Fork of"),
        rx.el.dd(link(ProjectState.forked_from, to=rx.Var.create("/") + ProjectState.forked_from)),
    )
    counted = link(ProjectState.forks, to=frame.BASE + "/forks")
    return lists.section(
        "About",
        rx.el.dl(
            rx.el.div(rx.el.dt("Landings"), rx.el.dd(ProjectState.newest)),
            rx.el.div(rx.el.dt("Sessions"), rx.el.dd(running)),
            rx.cond(ProjectState.forked_from != "", origin),
            rx.cond(ProjectState.forks > 0, rx.el.div(rx.el.dt("Forks"), rx.el.dd(counted))),
            rx.cond(ProjectState.website != "", website),
            class_name="facts down",
        ),
    )


def readable(page: TreePage, ref: str, readme: str) -> str:
    """A folder for readers without scripts: its files, and its README, which is HTML already."""
    rows = "".join(
        f'<tr><td class="name mono">{_entry_name(row)}</td>'
        f'<td class="soft">{plain.link(row.goal, row.landing_url) if row.goal else ""}</td></tr>'
        for row in (entry_row(page.project, ref, entry) for entry in page.entries)
    )
    table = f'<table class="table files"><tbody>{rows}</tbody></table>'
    files = table if rows else plain.nothing("No file yet", "Land files in a session, or push them.")
    label = f'<b class="mono">{escape(ref_label(page.project, ref))}</b>'
    history = plain.link("History", routes.landings(page.project.organization, page.project.handle))
    shown = plain.section("Files", files, end=f"{label} {history}")
    if page.readme:
        name = page.readme.path.rpartition("/")[2]
        more = f'<p class="above">{plain.link(f"Read {name}", "?show=readme")}</p>'
        shown += plain.section(name, f'<div class="readme prose">{readme}</div>' if readme else more)
    return shown


def _entry_name(row: EntryRow) -> str:
    named = plain.link(row.name, row.url)
    return f"<b>{named}</b>" if row.folder else named


def front(page: TreePage, landed: list[LandingSummary], readme: str) -> str:
    """A project's first page for readers without scripts."""
    project = page.project
    tag = "Public" if project.visibility.value == "public" else "Private"
    archived = plain.notice("Archived.", "Everything stays readable; nothing can be changed.", "ochre")
    clone = f"mic clone {escape(project.url)}\ngit clone {escape(project.url)}"
    landings = plain.landed(landed) if landed else plain.nothing("Nothing landed yet")
    return (
        (archived if project.archived else "")
        + f'<div class="stack tight"><div class="line">{plain.title(project.name)}'
        + f'<span class="tag">{tag}</span></div>{plain.paragraph(project.description)}</div>'
        + plain.section("Clone", f'<pre class="mono above"><code>{clone}</code></pre>')
        + readable(page, "HEAD", readme)
        + plain.section("Newest landings", landings)
    )


async def readme_for(session: str | None, page: TreePage, ref: str, query: Mapping[str, str]) -> str:
    """The README as HTML where it is wanted: strangers get it at once, which is what crawlers read."""
    if page.readme is None or (session and query.get("show") != "readme"):
        return ""
    at = {"organization": page.project.organization, "project": page.project.handle}
    made = await drawn(session, draw_readme, {**at, "ref": ref, "path": page.path}, {})
    return made if len(made) <= LONGEST_README or query.get("show") == "readme" else ""


def plain_path(project: ProjectSummary, ref: str, folder: str, path: str) -> str:
    """The way to a folder or file as the page's title."""
    way = "".join(
        f'<span class="soft">{plain.link(name, to)}<i>/</i></span>'
        for name, to in parents(project, ref, folder)
    )
    return f'<h1 class="path-title">{way}<b>{escape(path.rpartition("/")[2])}</b></h1>'


@head(routes.PROJECT)
async def project_head(session: str | None, *, org: str, project: str, query: Mapping[str, str]) -> Head:
    """Title, description, and the project as structured data."""
    page = await ask(session, tree_operations.get_tree, organization=org, project=project)
    landed = await ask(session, landing_operations.list_landings, organization=org, project=project, limit=10)
    found = page.project
    address = f"{found.organization}/{found.handle}"
    return Head(
        title=address,
        description=found.description or f"{address} on Micelio",
        path=routes.project(found.organization, found.handle),
        indexed=found.visibility.value == "public",
        json_ld=source_code(page),
        **elsewhere(subjects.of_project(found), found),
        body=front(page, landed.items, await readme_for(session, page, "HEAD", query)),
        **plain.around(found.organization, found.handle, "Files", settings="settings" in found.may),
    )


def source_code(page: TreePage) -> dict[str, Any]:
    """A project as schema.org's SoftwareSourceCode."""
    found = page.project
    told: dict[str, Any] = {
        "@type": "SoftwareSourceCode",
        "name": found.name,
        "description": found.description,
        "url": found.url,
        "codeRepository": found.url,
        "creator": {"@type": "Organization", "name": found.organization},
        "dateCreated": found.created_at.isoformat(),
        "dateModified": found.updated_at.isoformat(),
    }
    licences = [entry.path for entry in page.entries if FILE.fullmatch(entry.name)]
    if licences:
        told["license"] = f"{found.url}/blob/HEAD/{quote(min(licences, key=len), safe='/')}"
    return told


def elsewhere(subject: subjects.Subject, found: ProjectSummary, *, shown: bool = True) -> dict[str, Any]:
    """What a head says for other sites: a picture, a feed and oEmbed, of what strangers see."""
    if not (shown and subjects.is_public(found)):
        return {}
    feed = f"{routes.landings(found.organization, found.handle)}.atom"
    return {"image": subject.picture, "feed": feed, "embeds": True}


@head(routes.TREE)
async def folder_head(
    session: str | None, *, org: str, project: str, ref: str, splat: str, query: Mapping[str, str]
) -> Head:
    """Title of a folder."""
    page = await ask(
        session, tree_operations.get_tree, organization=org, project=project, ref=ref, path=splat
    )
    address = f"{page.project.organization}/{page.project.handle}"
    walked = plain_path(page.project, ref, page.path.rpartition("/")[0] if page.path else "", page.path)
    return Head(
        title=f"{page.path}/ · {address}" if page.path else address,
        path=routes.tree(page.project.organization, page.project.handle, ref, page.path),
        indexed=page.project.visibility.value == "public" and ref == "HEAD",
        body=walked + readable(page, ref, await readme_for(session, page, ref, query)),
        **plain.around(page.project.organization, page.project.handle, "Files"),
    )


TITLE = frame.ADDRESS + " · Micelio"
layout.project_screen(routes.PROJECT, project_page, title=TITLE, on_load=[ProjectState.load])
layout.project_screen(
    routes.TREE,
    folder_page,
    title=rx.cond(ProjectState.path != "", ProjectState.path + "/ · " + TITLE, TITLE),
    on_load=[ProjectState.load_folder],
)
