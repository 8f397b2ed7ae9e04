"""Landings: the trunk as a list, and one landing with why it came about and what it changed."""

from collections.abc import Mapping
from html import escape

import reflex as rx

from backend.embedding import subjects
from backend.projects import landings as operations
from backend.projects.schemas import LandingDetail
from backend.projects.service import get_project
from backend.projects.web import draw_landing
from micelio_app import frame, layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.pages.project import elsewhere
from micelio_app.pages.rows import (
    LandingRow,
    PagedState,
    SaidRow,
    further,
    landing_line,
    landing_row,
    said_line,
    said_rows,
    since,
)
from micelio_app.state import AppState, ask, drawn
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.fragment import fragment, sections
from micelio_app.ui.links import link, slug, when

MANY_FILES, MANY_LINES = 40, 3000
"""A larger landing is shown file by file, as the reader comes to it."""

LONG_GOAL = 140
"""From here on a goal is set in the size of a working page, not of a title."""


class LandingsState(PagedState, AppState):
    """The trunk, newest first."""

    rows: rx.Field[list[LandingRow]] = rx.field(default_factory=list)

    async def _grow(self) -> None:
        more = [landing_row(each) for each in await self._next(operations.list_landings)]
        self.rows = [*self.rows, *more] if self.loaded else more


class LandingState(AppState):
    """One landing."""

    number: int = 0
    goal: str = ""
    long_goal: bool = False
    summary: str = ""
    author: str = ""
    agent: str = ""
    model: str = ""
    landed_at: str = ""
    written_by: str = ""
    written_at: str = ""
    lasted: str = ""
    session_url: str = ""
    browse_url: str = ""
    before_url: str = ""
    commit: str = ""
    record: str = ""
    sha1: str = ""
    files: int = 0
    additions: int = 0
    deletions: int = 0
    said: rx.Field[list[SaidRow]] = rx.field(default_factory=list)
    said_count: str = ""
    diff_base: str = ""
    listed_by: str = ""
    lines_base: str = ""
    split: bool = False
    whitespace: bool = True

    @rx.var
    def wanted(self) -> str:
        """How the changes are wanted, as a query."""
        return f"view={'split' if self.split else 'unified'}" + (
            "" if self.whitespace else "&whitespace=hide"
        )

    @rx.event
    async def load(self):
        """One landing with its why."""
        position = int(self.position) if self.position.isdigit() and len(self.position) < 16 else 0
        landing = await self.call(
            operations.get_landing, organization=self.org, project=self.project, position=position
        )
        self._show(landing)

    @rx.event
    async def show_split(self, split: bool):
        """Unified or side by side."""
        self.split = split

    @rx.event
    async def hide_whitespace(self, hide: bool):
        """Leave out lines that differ in whitespace alone."""
        self.whitespace = not hide

    def _show(self, landing: LandingDetail) -> None:
        org, name = landing.organization, landing.project
        self.number, self.goal, self.summary = landing.position, landing.goal, landing.summary
        self.long_goal = len(landing.goal) > LONG_GOAL
        self.author, self.agent, self.model = landing.author, landing.agent, landing.model
        self.landed_at, self.lasted = (
            landing.landed_at.isoformat(),
            since(landing.landed_at, landing.started_at),
        )
        self.written_by = landing.written_by
        self.written_at = landing.written_at.isoformat() if landing.written_at else ""
        self.session_url = routes.session(org, name, landing.session[-8:]) if landing.session else ""
        self.browse_url = routes.tree(org, name, f"@{landing.position}")
        before = landing.position - 1
        self.before_url = routes.landing(org, name, before) if before else ""
        self.commit, self.sha1, self.record = landing.commit, landing.sha1, landing.record
        self.files, self.additions, self.deletions = landing.files, landing.additions, landing.deletions
        self.said = said_rows(landing.conversation, landing.decisions, landing.started_at)
        notes, decisions = len(landing.conversation), len(landing.decisions)
        self.said_count = ", ".join(filter(None, (counted(notes, "note"), counted(decisions, "decision"))))
        at, large = (
            landing.position,
            landing.files > MANY_FILES or landing.additions + landing.deletions > MANY_LINES,
        )
        self.diff_base = "" if large else routes.landing_diff(org, name, at) + "?"
        self.listed_by = routes.landing_data(org, name, at) if large else ""
        self.lines_base = routes.comparison(org, name, f"@{at - 1}", f"@{at}") + "&" if large else ""


def counted(count: int, word: str) -> str:
    """The count and its word, nothing for none."""
    return f"{count} {word}{'s' * (count != 1)}" if count else ""


def landings_page() -> rx.Component:
    """The list."""
    nothing = lists.empty(
        "Nothing landed yet",
        rx.el.p(
            "A landing is a session that became part of ", frame.ProjectFrame.trunk, ". Start one in a clone."
        ),
        forms.copy_box('mic session start "what you want"'),
    )
    filled = rx.fragment(
        lists.landed(rx.foreach(LandingsState.rows, landing_line)),
        further(LandingsState, "Earlier landings"),
    )
    empty = rx.cond(LandingsState.loaded, nothing, lists.waiting())
    return layout.project_page(
        rx.el.h1("Landings", class_name="hush"),
        lists.section(
            rx.Var.create("Landed on ") + frame.ProjectFrame.trunk,
            rx.cond(LandingsState.rows.length() > 0, filled, empty),
        ),
        current="Landings",
        crumbs=[("Landings", frame.BASE + "/landings")],
    )


def landing_page() -> rx.Component:
    """State, goal, actions; why and provenance; the changes."""
    base = frame.BASE + "/landings"
    here = rx.Var.create("#") + slug("position")
    content = rx.fragment(_opening(), rx.el.div(_why(), _provenance(), class_name="pair"), _changes())
    return layout.project_page(
        rx.cond(LandingState.number > 0, content, lists.waiting()),
        current="Landings",
        class_name="page stack roomy",
        crumbs=[("Landings", base), (here, base + "/" + slug("position"))],
    )


def _opening() -> rx.Component:
    who = rx.cond(
        LandingState.agent != "",
        rx.el.span(LandingState.agent, " for ", LandingState.author),
        rx.el.span(LandingState.author),
    )
    before = rx.el.span("after ", link("#", LandingState.number - 1, to=LandingState.before_url))
    written = rx.el.span(
        "written by ",
        LandingState.written_by,
        rx.cond(LandingState.written_at != "", rx.el.span(" ", when(LandingState.written_at, ago=True))),
    )
    read = forms.button_link("Read the session", to=LandingState.session_url, small=True)
    browse = forms.button_link(
        "Browse files at #", LandingState.number, to=LandingState.browse_url, small=True
    )
    size = rx.cond(LandingState.long_goal, "ask goal", "ask big goal")
    return rx.el.header(
        rx.el.p(
            chips.status("landed"),
            rx.el.span("#", LandingState.number, " on ", frame.ProjectFrame.trunk, class_name="num"),
            who,
            when(LandingState.landed_at, ago=True),
            rx.cond(LandingState.written_by != "", written),
            rx.cond(LandingState.before_url != "", before),
            class_name="meta",
        ),
        rx.el.h1(LandingState.goal, class_name=size),
        rx.cond(LandingState.summary != "", rx.el.p(LandingState.summary, class_name="soft said")),
        rx.el.div(
            rx.cond(LandingState.session_url != "", read),
            browse,
            rx.el.code("mic show @", LandingState.number, class_name="mono soft end only-wide"),
            class_name="line close above",
        ),
        class_name="stack tight",
    )


def _why() -> rx.Component:
    asked = rx.el.li(
        rx.el.span("00:00", class_name="at num"),
        chips.avatar(LandingState.author),
        rx.el.p(
            rx.el.b(LandingState.author),
            " ",
            rx.el.span("asked for it", class_name="meta"),
            class_name="what",
        ),
        class_name="event",
        custom_attrs={"data-kind": "message"},
    )
    landed = rx.el.li(
        rx.el.span(LandingState.lasted, class_name="at num"),
        rx.el.i(class_name="node"),
        rx.el.p(rx.el.b("Landed at position ", LandingState.number), class_name="what"),
        class_name="event",
        custom_attrs={"data-kind": "pass"},
    )
    return lists.section(
        "How it came about",
        rx.el.ol(asked, rx.foreach(LandingState.said, said_line), landed, class_name="timeline"),
        count=LandingState.said_count,
        end=rx.cond(LandingState.session_url != "", link("All events", to=LandingState.session_url)),
    )


def _provenance() -> rx.Component:
    person = chips.person(LandingState.author)
    made = rx.cond(LandingState.agent != "", chips.agent(LandingState.agent, LandingState.model), person)
    written = rx.cond(LandingState.agent != "", chips.by("ai"), chips.by("human"))
    return rx.el.aside(
        lists.section(
            "Provenance",
            lists.facts(
                ("Asked by", person),
                ("Made by", made),
                ("Written", written),
                ("Record", forms.copied_id(LandingState.record, "id of the record")),
                ("Commit", forms.copied_id(LandingState.commit, "id of the commit")),
                ("Git", forms.copied_id(LandingState.sha1, "id of the commit in git")),
                down=True,
            ),
        )
    )


def _changes() -> rx.Component:
    def choice(word: str, split: bool) -> rx.Component:
        pressed = rx.cond(LandingState.split, *(("true", "false") if split else ("false", "true")))
        return forms.button(word, small=True, on_click=LandingState.show_split(split), aria_pressed=pressed)

    whitespace = forms.check(
        "Hide whitespace",
        "whitespace",
        checked=~LandingState.whitespace,
        on_change=LandingState.hide_whitespace,
    )
    choose = rx.el.span(choice("Unified", False), choice("Side by side", True), class_name="btns")
    header = rx.el.header(
        rx.el.h2("Changes"),
        rx.el.span(
            LandingState.files, rx.cond(LandingState.files == 1, " file", " files"), class_name="count"
        ),
        chips.stat(LandingState.additions, LandingState.deletions, loose=True),
        rx.el.span(whitespace, choose, class_name="end line"),
        class_name="head centre",
    )
    whole = fragment(LandingState.diff_base + LandingState.wanted, label="Changes")
    pieces = sections(LandingState.listed_by, lines=LandingState.lines_base + LandingState.wanted)
    shown = rx.cond(LandingState.diff_base != "", whole, rx.cond(LandingState.listed_by != "", pieces))
    return rx.el.section(header, shown)


@head(routes.LANDINGS)
async def landings_head(session: str | None, *, org: str, project: str, query: Mapping[str, str]) -> Head:
    """Title, and the landings as a list, page by page."""
    page = await ask(
        session,
        operations.list_landings,
        organization=org,
        project=project,
        cursor=query.get("below", ""),
    )
    rows = plain.landed(page.items) if page.items else plain.nothing("Nothing landed yet")
    earlier = plain.further("Earlier landings", page.next, by="below")
    return Head(
        title=f"Landings · {org}/{project}",
        path=routes.landings(org, project),
        body=plain.unseen("Landings") + plain.section("Landed", rows, earlier),
        **plain.around(org, project, "Landings", ("Landings", routes.landings(org, project))),
    )


@head(routes.LANDING)
async def landing_head(
    session: str | None, *, org: str, project: str, position: str, query: Mapping[str, str]
) -> Head:
    """Goal as title; goal, conversation and changed paths for readers without scripts."""
    number = int(position) if position.isdigit() and len(position) < 16 else 0
    landing = await ask(session, operations.get_landing, organization=org, project=project, position=number)
    found = await ask(session, get_project, organization=org, project=project)
    org, project = landing.organization, landing.project
    changes = ""
    if query.get("show") == "changes":
        at = {"organization": org, "project": project, "position": str(number)}
        changes = await drawn(session, draw_landing, at, {})
    return Head(
        title=f"{landing.goal} · #{number} · {org}/{project}",
        description=landing.summary or landing.goal,
        kind="article",
        path=routes.landing(org, project, number),
        **elsewhere(subjects.of_landing(landing, found), found),
        body=_readable(landing, changes),
        **plain.around(
            org,
            project,
            "Landings",
            ("Landings", routes.landings(org, project)),
            (f"#{number}", routes.landing(org, project, number)),
        ),
    )


def _readable(landing: LandingDetail, changes: str) -> str:
    org, name, number = landing.organization, landing.project, landing.position
    who = f"{landing.agent} for {landing.author}" if landing.agent else landing.author
    session = routes.session(org, name, landing.session[-8:]) if landing.session else ""
    facts = plain.meta(
        f"Landed #{number}",
        escape(who),
        f"{landing.landed_at:%Y-%m-%d %H:%M} UTC",
        plain.link("Read the session", session) if session else "",
        plain.link("Browse files", routes.tree(org, name, f"@{number}")),
    )
    return (
        f'<header class="stack tight">{facts}{plain.title(landing.goal, asked=True)}'
        f"{plain.paragraph(landing.summary)}</header>"
        + plain.section("How it came about", plain.conversation(landing.conversation, landing.decisions))
        + plain.section("Changes", changes or plain.changed_paths(landing.changes), count=landing.files)
    )


layout.project_screen(
    routes.LANDINGS,
    landings_page,
    title=rx.Var.create("Landings · ") + frame.ADDRESS + " · Micelio",
    on_load=[LandingsState.load],
)
layout.project_screen(
    routes.LANDING,
    landing_page,
    title=rx.cond(LandingState.goal != "", LandingState.goal + " · ", "")
    + "#"
    + slug("position")
    + " · "
    + frame.ADDRESS
    + " · Micelio",
    on_load=[LandingState.load],
)
