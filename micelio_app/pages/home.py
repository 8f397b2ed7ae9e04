"""Home: for strangers what this is and what happens here now, for the signed-in what is theirs first.

Both are on the page; which of them shows is known to the server before any State is (`layout`).
"""

import reflex as rx

from backend.instance import service as instance
from backend.invitations import answering
from backend.sessions import service as sessions
from micelio_app import layout, routes
from micelio_app.head import SAYS, Head, head
from micelio_app.pages.people import AskedRow, asked_line, asked_row
from micelio_app.pages.rows import (
    LandingRow,
    ProjectRow,
    SessionRow,
    landing_line,
    landing_row,
    project_line,
    project_row,
    session_line,
    session_row,
)
from micelio_app.state import AppState
from micelio_app.ui import forms, lists
from micelio_app.ui.links import Text, link, outside

TITLE = "Watch agents write code, land only what you understand · Micelio"
START = 'mic session start "what you want"'


class HomeState(AppState):
    """What the asker may see of this instance."""

    asked: rx.Field[list[AskedRow]] = rx.field(default_factory=list)
    mine: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    live: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    landed: rx.Field[list[LandingRow]] = rx.field(default_factory=list)
    projects: rx.Field[list[ProjectRow]] = rx.field(default_factory=list)
    address: str = ""
    cloned: str = ""
    loaded: bool = False

    @rx.event
    async def load(self):
        """What grows and what landed; one's own sessions first."""
        overview = await self.call(instance.get_overview)
        mine, asked = [], []
        if self.viewer_handle:
            asked = (await self.call(answering.list_my_invitations)).items
            for status in ("pending_review", "active"):
                mine += (await self.call(sessions.list_my_sessions, status=status, limit=20)).items
        ours = {each.id for each in mine}
        self.asked = [asked_row(each) for each in asked]
        self.mine = [session_row(each) for each in mine]
        self.live = [session_row(each) for each in overview.live if each.id not in ours]
        self.landed = [landing_row(each) for each in overview.landed]
        self.projects = [project_row(each) for each in overview.projects]
        self.address = self.router.url.origin
        kept = [each for each in overview.projects if not each.archived]
        kept.sort(key=lambda each: each.organization != each.handle)
        self.cloned = kept[0].url if kept else ""
        self.loaded = True


def home_page() -> rx.Component:
    """The front of the house, or one's own desk."""
    return layout.page(
        rx.el.div(
            _opening(),
            rx.el.div(_live("Live now"), _landed(), class_name="pair wide"),
            _projects(),
            class_name="stack loose signed-out",
        ),
        rx.el.div(_desk(), class_name="signed-in"),
        home=True,
        still=True,
    )


def _opening() -> rx.Component:
    sign_in = outside("Sign in", href=routes.SIGN_IN, class_name="btn primary")
    watch = forms.button_link("Watch one now", to=HomeState.live[0].url)
    look = forms.button_link("Look around", to=HomeState.projects[0].url)
    onward = rx.cond(HomeState.live.length() > 0, watch, rx.cond(HomeState.projects.length() > 0, look))
    asking = rx.el.h1(
        "Watch agents write code.", rx.el.br(), "Land only what you understand.", class_name="ask big"
    )
    says = SAYS.replace("A git forge", "Micelio is a git forge")
    return rx.el.section(
        rx.el.div(
            asking,
            rx.el.p(says, class_name="lead"),
            rx.el.p(sign_in, onward, class_name="line close"),
            class_name="stack",
        ),
        _commands("From your own machine, in about a minute"),
        class_name="pair wide opening",
        aria_label="Micelio",
    )


def _commands(told: Text) -> rx.Component:
    clone = rx.cond(
        HomeState.cloned != "",
        forms.copy_box("mic clone ", HomeState.cloned),
        forms.copy_box("mic auth login --instance ", HomeState.address),
    )
    return rx.el.div(
        rx.el.p(told, class_name="meta"), clone, forms.copy_box(START), class_name="stack tight commands"
    )


def _desk() -> rx.Component:
    """One's own sessions, what else runs, what landed; the projects beside them."""
    idle = lists.empty(
        "Nothing of yours is running",
        rx.el.p(
            "Start a session in a clone, or give the goal to an agent that has an ",
            link("access token", to=routes.TOKENS),
            ".",
        ),
        forms.copy_box(START),
    )
    mine = lists.rows(rx.foreach(HomeState.mine, lambda row: session_line(row, project=True)))
    none = lists.empty(
        "No project yet",
        rx.el.p("In a folder with your files:"),
        forms.copy_box(rx.Var.create("mic project create ") + HomeState.viewer_handle + "/notes --init"),
    )
    projects = lists.rows(rx.foreach(HomeState.projects, project_line))
    return rx.fragment(
        rx.el.h1("Home", class_name="hush"),
        rx.el.div(
            rx.el.div(
                rx.cond(
                    HomeState.asked.length() > 0,
                    lists.section(
                        "You are invited",
                        lists.rows(rx.foreach(HomeState.asked, asked_line)),
                        count=_some(HomeState.asked.length()),
                    ),
                ),
                lists.section(
                    "Running for you",
                    _either(HomeState.mine.length(), mine, idle),
                    count=_some(HomeState.mine.length()),
                ),
                rx.cond(HomeState.live.length() > 0, _live("Growing elsewhere")),
                _landed(),
                class_name="stack loose",
            ),
            rx.el.aside(
                lists.section("Projects", _either(HomeState.projects.length(), projects, none)),
                class_name="stack loose",
            ),
            class_name="pair",
        ),
    )


def _live(title: str) -> rx.Component:
    nothing = lists.empty(
        "Nothing is growing now",
        rx.el.p("Sessions appear here while people and agents work. Start one in a clone."),
        forms.copy_box(START),
    )
    filled = lists.rows(rx.foreach(HomeState.live, lambda row: session_line(row, project=True)))
    count = HomeState.live.length()
    return lists.section(title, _either(count, filled, nothing), count=_some(count))


def _landed() -> rx.Component:
    nothing = lists.empty("Nothing landed yet", rx.el.p("What lands on a project you may see appears here."))
    filled = lists.landed(rx.foreach(HomeState.landed, lambda row: landing_line(row, project=True)), few=True)
    return lists.section("Landed", _either(HomeState.landed.length(), filled, nothing))


def _projects() -> rx.Component:
    rows = rx.el.ul(rx.foreach(HomeState.projects, project_line), class_name="rows columns")
    return rx.cond(HomeState.projects.length() > 0, lists.section("Projects", rows))


def _either(count: rx.Var[int], filled: rx.Component, nothing: rx.Component) -> rx.Component:
    return rx.cond(count > 0, filled, rx.cond(HomeState.loaded, nothing, lists.waiting()))


def _some(count: rx.Var[int]) -> rx.Component:
    return rx.cond(count > 0, rx.fragment(count))


@head(routes.HOME)
async def home_head(session: str | None) -> Head:
    """The front of the house; its prerendered page is readable as it is."""
    if session:
        return Head(title="Home", path=routes.HOME, indexed=False)
    return Head(
        title=TITLE,
        path=routes.HOME,
        json_ld={
            "@type": "SoftwareApplication",
            "name": "Micelio",
            "applicationCategory": "DeveloperApplication",
        },
    )


layout.screen(
    routes.HOME,
    home_page,
    title=rx.cond(AppState.viewer_handle != "", "Home · Micelio", TITLE),
    on_load=[HomeState.load],
)
