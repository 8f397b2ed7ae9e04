"""Home for people who are not signed in: what this is, how to have it, what happens here now."""

from dataclasses import dataclass

import reflex as rx

from backend.instance import service as instance
from micelio_app import layout, routes
from micelio_app.head import SAYS, Head, head
from micelio_app.pages.rows import (
    LandingRow,
    SessionRow,
    landing_line,
    landing_row,
    session_line,
    session_row,
)
from micelio_app.state import AppState
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import link, outside

TITLE = "Watch agents write code, land only what you understand · Micelio"


@dataclass(frozen=True)
class ProjectRow:
    """A project one may see."""

    url: str
    name: str
    description: str
    live: int


class HomeState(AppState):
    """What strangers may see of this instance."""

    live: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    landed: rx.Field[list[LandingRow]] = rx.field(default_factory=list)
    projects: rx.Field[list[ProjectRow]] = rx.field(default_factory=list)
    map_svg: str = ""

    @rx.event
    async def load(self):
        """What grows and what landed."""
        overview = await self.call(instance.get_overview)
        self.live = [session_row(each) for each in overview.live]
        self.landed = [landing_row(each) for each in overview.landed]
        self.projects = [
            ProjectRow(
                url=routes.project(each.organization, each.handle),
                name=f"{each.organization}/{each.handle}",
                description=each.description,
                live=each.open_sessions,
            )
            for each in overview.projects
        ]


def home_page() -> rx.Component:
    """Two sentences, two commands, the thread, and the lists."""
    return layout.page(
        _opening(),
        rx.cond(HomeState.map_svg != "", _map()),
        rx.el.div(_live(), _landed(), class_name="pair wide"),
        _projects(),
        class_name="page stack loose",
        home=True,
    )


def _opening() -> rx.Component:
    commands = ("git clone " + CLONE, "cd micelio && make serve")
    return rx.el.section(
        rx.el.div(
            rx.el.h1(
                "Watch agents write code.", rx.el.br(), "Land only what you understand.", class_name="ask big"
            ),
            rx.el.p(
                SAYS.replace("A git forge", "Micelio is a git forge"),
                " Any git client can clone and push.",
                class_name="lead",
            ),
            rx.el.p(
                outside("Sign in", href=routes.SIGN_IN, class_name="btn primary"),
                outside("Read how it works", href="/docs", class_name="btn"),
                class_name="line close",
            ),
            class_name="stack",
        ),
        rx.el.div(
            rx.el.p("On your own machine, in about a minute", class_name="meta"),
            *(forms.copy_box(command) for command in commands),
            class_name="stack tight",
        ),
        class_name="pair wide opening",
    )


CLONE = "https://micelio.dev/micelio/micelio.git"


def _map() -> rx.Component:
    legend = [rx.el.span(chips.by(by)) for by in ("ai", "assisted", "human")]
    told = rx.el.span("Each circle landed. Each green thread is a session growing now.", class_name="end")
    return rx.el.figure(
        rx.html(HomeState.map_svg, class_name="thread-box"),
        rx.el.figcaption(*legend, told, class_name="line meta legend"),
        class_name="stack tight",
    )


def _live() -> rx.Component:
    nothing = lists.empty(
        "Nothing is growing now",
        rx.el.p("Sessions appear here while people and agents work. Start one in a clone."),
        forms.copy_box('mic session start "what you want"'),
    )
    filled = lists.rows(rx.foreach(HomeState.live, session_line))
    return lists.section("Live now", rx.cond(HomeState.live.length() > 0, filled, nothing))


def _landed() -> rx.Component:
    nothing = lists.empty("Nothing landed yet", rx.el.p("What lands on a public project appears here."))
    filled = lists.landed(rx.foreach(HomeState.landed, landing_line), few=True)
    return lists.section("Landed", rx.cond(HomeState.landed.length() > 0, filled, nothing))


def _projects() -> rx.Component:
    rows = rx.el.ul(rx.foreach(HomeState.projects, _project_row), class_name="rows columns")
    return rx.cond(HomeState.projects.length() > 0, lists.section("Projects", rows))


def _project_row(row: rx.Var[ProjectRow]) -> rx.Component:
    live = rx.cond(row.live > 0, rx.el.span(row.live, " live", class_name="moss"))
    return lists.row(link(row.name, to=row.url), meta=(rx.el.span(row.description),), side=(live,))


@head(routes.HOME)
async def home_head(session: str | None) -> Head:
    """The front of the house; its prerendered page is readable as it is."""
    return Head(
        title=TITLE,
        path=routes.HOME,
        json_ld={
            "@type": "SoftwareApplication",
            "name": "Micelio",
            "applicationCategory": "DeveloperApplication",
        },
    )


layout.screen(routes.HOME, home_page, title=TITLE, on_load=[HomeState.load])
