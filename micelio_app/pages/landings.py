"""Landings: the trunk as a list, and one landing with why it came about and what it changed."""

from html import escape

import reflex as rx

from backend.projects import landings as operations
from backend.projects.schemas import LandingDetail
from micelio_app import layout, routes
from micelio_app.head import Head, head
from micelio_app.pages.rows import LandingRow, SaidRow, landing_line, landing_row, said_line, said_rows
from micelio_app.state import AppState, ask
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.fragment import fragment
from micelio_app.ui.links import link, when


class LandingsState(AppState):
    """The trunk, newest first, grown by whole pages."""

    rows: rx.Field[list[LandingRow]] = rx.field(default_factory=list)
    further: str = ""
    loaded: bool = False

    @rx.event
    async def load(self):
        """The newest page."""
        self.rows, self.further, self.loaded = [], "", False
        await self._more("")
        self.loaded = True

    @rx.event
    async def more(self):
        """The page below."""
        await self._more(self.further)

    async def _more(self, cursor: str) -> None:
        page = await self.call(
            operations.list_landings, organization=self.org, project=self.project, cursor=cursor
        )
        self.rows = [*self.rows, *(landing_row(each) for each in page.items)]
        self.further = page.next or ""


class LandingState(AppState):
    """One landing."""

    number: int = 0
    goal: str = ""
    summary: str = ""
    author: str = ""
    agent: str = ""
    model: str = ""
    landed_at: str = ""
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
    decided: int = 0
    diff_base: str = ""
    split: bool = False

    @rx.var
    def diff_src(self) -> str:
        """Where the diff is, as it is wanted."""
        return f"{self.diff_base}?view={'split' if self.split else 'unified'}" if self.diff_base else ""

    @rx.event
    async def load(self):
        """One landing with its why."""
        position = int(self.position) if self.position.isdigit() else 0
        landing = await self.call(
            operations.get_landing, organization=self.org, project=self.project, position=position
        )
        self._show(landing)

    @rx.event
    async def show_split(self, split: bool):
        """Unified or side by side."""
        self.split = split

    def _show(self, landing: LandingDetail) -> None:
        org, name = landing.organization, landing.project
        self.number, self.goal, self.summary = landing.position, landing.goal, landing.summary
        self.author, self.agent, self.model = landing.author, landing.agent, landing.model
        self.landed_at = landing.landed_at.isoformat()
        self.session_url = routes.session(org, name, landing.session) if landing.session else ""
        self.browse_url = routes.tree(org, name, f"@{landing.position}")
        before = landing.position - 1
        self.before_url = routes.landing(org, name, before) if before else ""
        self.commit, self.sha1, self.record = landing.commit, landing.sha1, landing.record
        self.files, self.additions, self.deletions = landing.files, landing.additions, landing.deletions
        self.said = said_rows(landing.conversation, landing.decisions, landing.started_at)
        self.decided = len(landing.decisions)
        self.diff_base = f"/_fragments/{org}/{name}/landings/{landing.position}/diff"


def landings_page() -> rx.Component:
    """The list."""
    nothing = lists.empty(
        "Nothing landed yet",
        rx.el.p("A landing is a session that became part of main. Start one in a clone."),
        forms.copy_box('mic session start "what you want"'),
    )
    filled = rx.fragment(
        lists.landed(rx.foreach(LandingsState.rows, landing_line)),
        rx.cond(
            LandingsState.further != "",
            rx.el.p(forms.button("Earlier landings", on_click=LandingsState.more), class_name="more"),
        ),
    )
    return layout.project_page(
        lists.section(
            "Landings",
            rx.cond(
                LandingsState.rows.length() > 0,
                filled,
                rx.cond(LandingsState.loaded, nothing, lists.waiting()),
            ),
        ),
        org=LandingsState.org,
        project=LandingsState.project,
        current="Landings",
        crumbs=[
            ("Landings", rx.Var.create("/") + LandingsState.org + "/" + LandingsState.project + "/landings")
        ],
    )


def landing_page() -> rx.Component:
    """State, goal, actions; why and provenance; the changes."""
    base = rx.Var.create("/") + LandingState.org + "/" + LandingState.project + "/landings"
    here = base + "/" + LandingState.position
    return layout.project_page(
        _opening(),
        rx.el.div(_why(), _provenance(), class_name="pair"),
        _changes(),
        org=LandingState.org,
        project=LandingState.project,
        current="Landings",
        crumbs=[("Landings", base), (rx.Var.create("#") + LandingState.position, here)],
    )


def _opening() -> rx.Component:
    who = rx.cond(
        LandingState.agent != "",
        rx.el.span(LandingState.agent, " for ", LandingState.author),
        rx.el.span(LandingState.author),
    )
    before = rx.cond(
        LandingState.before_url != "",
        rx.el.span("after ", link("#", LandingState.number - 1, to=LandingState.before_url)),
    )
    replay = rx.cond(
        LandingState.session_url != "",
        forms.button_link("Read the session", to=LandingState.session_url, small=True),
    )
    return rx.el.header(
        rx.el.p(
            rx.el.span(chips.dot("landed"), rx.el.b("Landed"), class_name="state moss"),
            rx.el.span("#", LandingState.number, " on main", class_name="num"),
            who,
            when(LandingState.landed_at, ago=True),
            before,
            class_name="meta",
        ),
        rx.el.h1(LandingState.goal, class_name="ask big"),
        rx.cond(LandingState.summary != "", rx.el.p(LandingState.summary, class_name="soft said")),
        rx.el.div(
            replay,
            forms.button_link(
                "Browse files at #", LandingState.number, to=LandingState.browse_url, small=True
            ),
            rx.el.code("mic show @", LandingState.number, class_name="mono soft end only-wide"),
            class_name="line close",
        ),
        class_name="stack tight",
    )


def _why() -> rx.Component:
    nothing = lists.empty(
        "Nothing was said",
        rx.el.p("Notes and decisions of a session stand here: mic session note, mic session decide."),
    )
    told = rx.el.ol(rx.foreach(LandingState.said, said_line), class_name="timeline")
    return lists.section("How it came about", rx.cond(LandingState.said.length() > 0, told, nothing))


def _provenance() -> rx.Component:
    made = rx.cond(
        LandingState.agent != "",
        chips.agent(LandingState.agent, LandingState.model),
        chips.person(LandingState.author),
    )
    return rx.el.aside(
        lists.section(
            "Provenance",
            lists.facts(
                ("Asked by", chips.person(LandingState.author)),
                ("Made by", made),
                ("Record", rx.el.code(LandingState.record[:12])),
                ("Commit", rx.el.code(LandingState.commit[:12])),
                ("Git", rx.el.code(LandingState.sha1[:12])),
                down=True,
            ),
        )
    )


def _changes() -> rx.Component:
    choose = rx.el.span(
        forms.button(
            "Unified",
            small=True,
            on_click=LandingState.show_split(False),
            aria_pressed=rx.cond(LandingState.split, "false", "true"),
        ),
        forms.button(
            "Side by side",
            small=True,
            on_click=LandingState.show_split(True),
            aria_pressed=rx.cond(LandingState.split, "true", "false"),
        ),
        class_name="btns",
    )
    header = rx.el.header(
        rx.el.h2("Changes"),
        rx.el.span(LandingState.files, " files", class_name="count"),
        chips.stat(LandingState.additions, LandingState.deletions, loose=True),
        rx.el.span(choose, class_name="end"),
        class_name="head",
    )
    return rx.el.section(header, fragment(LandingState.diff_src, label="Changes"))


@head(routes.LANDINGS)
async def landings_head(session: str | None, *, org: str, project: str) -> Head:
    """Title, and the newest landings as a list."""
    page = await ask(session, operations.list_landings, organization=org, project=project)
    rows = "".join(
        f'<li><a href="{escape(routes.landing(org, project, each.position))}">#{each.position}</a> '
        f"{escape(each.goal)}</li>"
        for each in page.items
    )
    return Head(
        title=f"Landings · {org}/{project}",
        path=routes.landings(org, project),
        body=f"<h1>Landings</h1><ul>{rows or '<li>Nothing landed yet</li>'}</ul>",
    )


@head(routes.LANDING)
async def landing_head(session: str | None, *, org: str, project: str, position: str) -> Head:
    """Goal as title; goal, conversation and changed paths for readers without scripts."""
    number = int(position) if position.isdigit() and len(position) < 16 else 0
    landing = await ask(session, operations.get_landing, organization=org, project=project, position=number)
    said = "".join(
        f"<li><b>{escape(note.author)}</b> {escape(note.text)}</li>"
        for note in (*landing.conversation, *landing.decisions)
    )
    changed = "".join(
        f"<li><code>{escape(change.path)}</code> +{change.additions} −{change.deletions}</li>"  # noqa: RUF001
        for change in landing.changes[:500]
    )
    return Head(
        title=f"{landing.goal} · #{number} · {org}/{project}",
        description=landing.summary or landing.goal,
        kind="article",
        path=routes.landing(org, project, number),
        body=f"<p>Landed #{number}</p><h1>{escape(landing.goal)}</h1><p>{escape(landing.summary)}</p>"
        f"<h2>How it came about</h2><ul>{said}</ul><h2>Changes</h2><ul>{changed}</ul>",
    )


_PROJECT = LandingsState.org + "/" + LandingsState.project
layout.screen(
    routes.LANDINGS,
    landings_page,
    title=rx.Var.create("Landings · ") + _PROJECT + " · Micelio",
    on_load=[LandingsState.load],
)
layout.screen(
    routes.LANDING,
    landing_page,
    title=rx.cond(
        LandingState.goal != "",
        LandingState.goal + " · #" + LandingState.position + " · Micelio",
        "Micelio",
    ),
    on_load=[LandingState.load],
)
