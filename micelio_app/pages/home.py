"""Home: for strangers what this is and what happens here now, for the signed-in what is theirs first.

Both are on the page; which of them shows is known to the server before any State is (`layout`).
"""

from collections.abc import Sequence

import reflex as rx

from backend.instance import exploring
from backend.instance import service as instance
from backend.instance.schemas import Desk
from backend.instance.service import Overview
from backend.invitations import answering
from backend.invitations.schemas import MyInvitation
from backend.projects import service as projects
from backend.projects.schemas import ProjectSummary
from micelio_app import layout, plain, plain_settings, routes
from micelio_app.head import SAYS, Head, head
from micelio_app.pages.explore import ActiveRow, active_line, active_row
from micelio_app.pages.people import AskedRow, asked_line, asked_row
from micelio_app.pages.rows import (
    LandingRow,
    SessionRow,
    landing_line,
    landing_row,
    session_line,
    session_row,
)
from micelio_app.state import AppState, ask, token_for_forms, viewer
from micelio_app.ui import chips, days, forms, graph, lists
from micelio_app.ui.links import Text, link, outside

TITLE = "Watch agents write code, land only what you understand · Micelio"
START = 'mic session start "what you want"'
FEWEST_DRAWN = 3
POPULAR = 6
_SAYS = SAYS.replace("A git forge", "Micelio is a git forge")


class HomeState(AppState):
    """What strangers see of this instance."""

    live: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    landed: rx.Field[list[LandingRow]] = rx.field(default_factory=list)
    popular: rx.Field[list[ActiveRow]] = rx.field(default_factory=list)
    map_svg: str = ""
    address: str = ""
    cloned: str = ""
    first: str = ""
    loaded: bool = False

    @rx.event
    async def load(self):
        """What grows, what landed and where most did; nothing for those who have a desk."""
        self.loaded = True
        if self.viewer_handle:
            return
        overview = await self.call(instance.get_overview)
        popular = (await self.call(exploring.explore_projects)).landed
        self.live = [session_row(each) for each in overview.live]
        self.landed = [landing_row(each) for each in overview.landed]
        self.popular = [active_row(each) for each in popular[:POPULAR]]
        self.map_svg = pulse_map(overview)
        self.address = self.router.url.origin
        kept = [each for each in overview.projects if not each.archived]
        kept.sort(key=lambda each: each.organization != each.handle)
        self.cloned = kept[0].url if kept else ""
        self.first = routes.project(kept[0].organization, kept[0].handle) if kept else ""


class DeskState(AppState):
    """What is the asker's."""

    asked: rx.Field[list[AskedRow]] = rx.field(default_factory=list)
    waiting: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    running: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    elsewhere: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    landed: rx.Field[list[LandingRow]] = rx.field(default_factory=list)
    projects: rx.Field[list[ActiveRow]] = rx.field(default_factory=list)
    calendar: str = ""
    week: str = ""
    loaded: bool = False

    @rx.event
    async def load(self):
        """All of a desk at once; nothing for strangers."""
        self.loaded = True
        if not self.viewer_handle:
            return
        desk = await self.call(exploring.get_desk)
        asked = await self.call(answering.list_my_invitations)
        self.asked = [asked_row(each) for each in asked.items]
        self.waiting = [session_row(each) for each in desk.waiting]
        self.running = [session_row(each) for each in desk.running]
        self.elsewhere = [session_row(each) for each in desk.elsewhere]
        self.landed = [landing_row(each) for each in desk.landed]
        self.projects = [active_row(each) for each in desk.projects]
        self.calendar = days.calendar(desk.days.since, desk.days.counts)
        self.week = week(desk)


def week(desk: Desk) -> str:
    """What landed on one's projects this week, in words; empty when nothing did."""
    if not desk.week_landed:
        return ""
    by = f", of which {desk.week_by_agents} by agents" if desk.week_by_agents else ""
    return f"{desk.week_landed}{by}"


def pulse_map(overview: Overview) -> str:
    """The last landings of all projects on one thread, and what grows from it; empty while there are few."""
    pulses = list(reversed(overview.pulses))
    if len(pulses) < FEWEST_DRAWN:
        return ""
    landed = [
        graph.Landed(
            position=n, base=n - 1, at=each.at, by="ai" if each.by_agent else "human", lines=each.lines
        )
        for n, each in enumerate(pulses, 1)
    ]
    growing = [
        graph.Growing(base=sum(pulse.at <= each.started_at for pulse in pulses), name=each.goal)
        for each in overview.live[:4]
    ]
    return graph.thread_map(landed, growing, numbered=False)


def home_page() -> rx.Component:
    """The front of the house, or one's own desk."""
    return layout.page(
        rx.el.div(
            _opening(),
            _once(
                HomeState.loaded,
                _map(),
                rx.el.div(
                    _running("Live now", HomeState.live, _nothing_live()),
                    _landed(HomeState.landed),
                    class_name="pair wide",
                ),
                _popular(),
            ),
            class_name="stack loose signed-out",
        ),
        rx.el.div(_once(DeskState.loaded, _desk()), class_name="signed-in"),
        home=True,
        still=True,
    )


def _once(loaded: rx.Var[bool], *parts: rx.Component) -> rx.Component:
    """All of it at once, so that nothing that was there already is pushed down."""
    return rx.cond(loaded, rx.fragment(*parts), lists.waiting())


def _opening() -> rx.Component:
    sign_in = outside("Sign in", href=routes.SIGN_IN, class_name="btn primary")
    watch = forms.button_link("Watch one now", to=HomeState.live[0].url)
    look = forms.button_link("Look around", to=HomeState.first)
    onward = rx.cond(HomeState.live.length() > 0, watch, rx.cond(HomeState.first != "", look))
    asking = rx.el.h1(
        "Watch agents write code.", rx.el.br(), "Land only what you understand.", class_name="ask big"
    )
    return rx.el.section(
        rx.el.div(
            asking,
            rx.el.p(_SAYS, class_name="lead"),
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


def _map() -> rx.Component:
    told = rx.el.figcaption(
        chips.by("ai"),
        chips.by("human"),
        rx.el.span(
            "Each circle landed. Each green thread is a session growing now.", class_name="end only-wide"
        ),
        class_name="meta line above",
    )
    drawn = rx.el.figure(rx.html(HomeState.map_svg, class_name="thread-box"), told)
    return rx.cond(HomeState.map_svg != "", drawn)


def _popular() -> rx.Component:
    rows = rx.el.ul(rx.foreach(HomeState.popular, active_line), class_name="rows columns")
    section = lists.section("Most landed in 30 days", rows, end=link("Explore", to=routes.EXPLORE))
    return rx.cond(HomeState.popular.length() > 0, section)


def _desk() -> rx.Component:
    """What waits comes before what runs, and that before what landed; the projects beside them."""
    idle = lists.empty(
        "Nothing of yours is running",
        rx.el.p(
            "Start a session in a clone, or give the goal to an agent that has an ",
            link("access token", to=routes.TOKENS),
            ".",
        ),
        forms.copy_box(START),
    )
    # Whoever has nothing to do need not be told so.
    waiting = rx.cond(
        DeskState.waiting.length() > 0,
        _running("Your turn", DeskState.waiting, rx.fragment()),
    )
    elsewhere = rx.cond(
        DeskState.elsewhere.length() > 0,
        _running("Live now", DeskState.elsewhere, rx.fragment()),
    )
    return rx.fragment(
        rx.el.h1("Home", class_name="hush"),
        rx.el.div(
            rx.el.div(
                _asked(),
                waiting,
                _running("Running for you", DeskState.running, idle),
                elsewhere,
                _landed(DeskState.landed),
                class_name="stack loose",
            ),
            rx.el.aside(_projects(), _week(), _days(), class_name="stack loose"),
            class_name="pair",
        ),
    )


def _asked() -> rx.Component:
    count = DeskState.asked.length()
    rows = lists.rows(rx.foreach(DeskState.asked, asked_line))
    return rx.cond(count > 0, lists.section("You are invited", rows, count=rx.fragment(count)))


def _projects() -> rx.Component:
    none = lists.empty(
        "No project yet",
        rx.el.p(link("Begin one", to=routes.NEW_PROJECT), ", or in a folder with your files:"),
        forms.copy_box(rx.Var.create("mic project create ") + HomeState.viewer_handle + "/notes --init"),
    )
    rows = lists.rows(rx.foreach(DeskState.projects, lambda row: active_line(row, narrow=True)))
    return lists.section(
        "Projects",
        rx.cond(DeskState.projects.length() > 0, rows, none),
        end=link("Explore", to=routes.EXPLORE),
    )


def _week() -> rx.Component:
    facts = lists.facts(("Landed", DeskState.week), down=True)
    return rx.cond(DeskState.week != "", lists.section("This week", facts))


def _days() -> rx.Component:
    drawn = lists.section("Your landings", rx.html(DeskState.calendar, class_name="days"), end="16 weeks")
    return rx.cond(DeskState.calendar != "", drawn)


def _nothing_live() -> rx.Component:
    return lists.empty(
        "Nothing is growing now",
        rx.el.p("Sessions appear here while people and agents work. Start one in a clone."),
        forms.copy_box(START),
    )


def _running(title: str, rows: rx.Var[list[SessionRow]], nothing: rx.Component) -> rx.Component:
    filled = lists.rows(rx.foreach(rows, lambda row: session_line(row, project=True)))
    count = rows.length()
    shown = rx.cond(count > 0, rx.fragment(count))
    return lists.section(title, rx.cond(count > 0, filled, nothing), count=shown)


def _landed(rows: rx.Var[list[LandingRow]]) -> rx.Component:
    nothing = lists.empty("Nothing landed yet", rx.el.p("What lands on a project you may see appears here."))
    filled = lists.landed(rx.foreach(rows, lambda row: landing_line(row, project=True)), few=True)
    return lists.section("Landed", rx.cond(rows.length() > 0, filled, nothing))


def plain_front(found: Sequence[ProjectSummary]) -> str:
    """The front for readers without scripts: what this is, and where to look around."""
    return (
        '<section class="stack"><h1 class="ask big">Watch agents write code.<br>'
        f'Land only what you understand.</h1><p class="lead">{_SAYS}</p></section>'
        + plain.section(
            "Projects",
            plain.projects(found) if found else plain.nothing("No project here that you may see"),
            end=plain.link("Explore", routes.EXPLORE),
        )
    )


def plain_desk(desk: Desk, asked: Sequence[MyInvitation], token: str) -> str:
    """A desk for readers without scripts, in the order of the page."""
    running = plain.sessions(desk.running) if desk.running else plain.nothing("Nothing of yours is running")
    landed = plain.landed(desk.landed) if desk.landed else plain.nothing("Nothing landed yet")
    own = [each.project for each in desk.projects]
    listed = plain.projects(own) if own else plain.nothing("No project yet")
    return (
        plain.unseen("Home")
        + (plain_settings.invited(asked, token) if asked else "")
        + (plain.section("Your turn", plain.sessions(desk.waiting)) if desk.waiting else "")
        + plain.section("Running for you", running)
        + (plain.section("Live now", plain.sessions(desk.elsewhere)) if desk.elsewhere else "")
        + plain.section("Landed", landed)
        + plain.section("Projects", listed, end=plain.link("Explore", routes.EXPLORE))
    )


@head(routes.HOME)
async def home_head(session: str | None) -> Head:
    """The front of the house, or one's own desk."""
    if (await viewer(session)).signed_in:
        desk = await ask(session, exploring.get_desk, brief=True)
        asked = await ask(session, answering.list_my_invitations)
        body = plain_desk(desk, asked.items, token_for_forms(session))
        return Head(title="Home", path=routes.HOME, indexed=False, body=body)
    page = await ask(session, projects.list_all_projects, limit=POPULAR)
    return Head(
        title=TITLE,
        path=routes.HOME,
        body=plain_front(page.items),
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
    on_load=[HomeState.load, DeskState.load],
)
