"""Home for people who are not signed in: what this is, how to have it, what happens here now."""

from dataclasses import dataclass

import reflex as rx

from micelio_app import layout, routes
from micelio_app.head import SAYS, Head, head
from micelio_app.state import AppState
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import link, outside, when

TITLE = "Watch agents write code, land only what you understand · Micelio"


@dataclass(frozen=True)
class LiveRow:
    """A public session that is running."""

    url: str
    goal: str
    project: str
    doing: str
    agent: str
    started_at: str


@dataclass(frozen=True)
class LandedRow:
    """A public landing; `by` is ai, assisted or human."""

    url: str
    goal: str
    project_url: str
    label: str
    who: str
    by: str
    landed_at: str


@dataclass(frozen=True)
class ProjectRow:
    """A public project."""

    url: str
    name: str
    description: str
    live: int


class HomeState(AppState):
    """What strangers may see of this instance."""

    live: rx.Field[list[LiveRow]] = rx.field(default_factory=list)
    landed: rx.Field[list[LandedRow]] = rx.field(default_factory=list)
    projects: rx.Field[list[ProjectRow]] = rx.field(default_factory=list)
    map_svg: str = ""


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
    filled = lists.rows(rx.foreach(HomeState.live, _live_row))
    return lists.section("Live now", rx.cond(HomeState.live.length() > 0, filled, nothing))


def _live_row(row: rx.Var[LiveRow]) -> rx.Component:
    return lists.row(
        link(row.goal, to=row.url, class_name="ask"),
        dot=chips.dot("running"),
        meta=(rx.el.span(row.project), rx.el.span(row.doing, class_name="mono")),
        side=(rx.el.span(row.agent, class_name="slate only-wide"), when(row.started_at)),
    )


def _landed() -> rx.Component:
    nothing = lists.empty("Nothing landed yet", rx.el.p("What lands on a public project appears here."))
    filled = lists.landed(rx.foreach(HomeState.landed, _landed_row), few=True)
    return lists.section("Landed", rx.cond(HomeState.landed.length() > 0, filled, nothing))


def _landed_row(row: rx.Var[LandedRow]) -> rx.Component:
    return lists.landed_row(
        when(row.landed_at),
        row.by,
        link(row.goal, to=row.url, class_name="cut"),
        rx.el.span(row.who, class_name="meta only-wide"),
        rx.el.span(link(row.label, to=row.project_url), class_name="meta num"),
    )


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


layout.screen(routes.HOME, home_page, title=TITLE)
