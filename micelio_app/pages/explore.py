"""Explore: where most landed lately, what was made, and what runs now; for everybody."""

from dataclasses import dataclass

import reflex as rx

from backend.instance import exploring
from backend.instance.schemas import ActiveProject, Exploration
from micelio_app import layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.pages.rows import (
    ProjectRow,
    SessionRow,
    project_line,
    project_row,
    session_line,
    session_row,
)
from micelio_app.state import AppState, ask
from micelio_app.ui import chips, days, forms, lists
from micelio_app.ui.links import link


@dataclass(frozen=True)
class ActiveRow:
    """A project in a list, how much landed on it lately, and on which days as HTML."""

    url: str
    name: str
    description: str
    public: bool
    archived: bool
    live: int
    landed: int
    quiet: str
    spark: str


class ExploreState(AppState):
    """What goes on here."""

    landed: rx.Field[list[ActiveRow]] = rx.field(default_factory=list)
    active: rx.Field[list[ActiveRow]] = rx.field(default_factory=list)
    new: rx.Field[list[ProjectRow]] = rx.field(default_factory=list)
    live: rx.Field[list[SessionRow]] = rx.field(default_factory=list)

    @rx.event
    async def load(self):
        """All of it."""
        found = await self.call(exploring.explore_projects)
        self.landed = [active_row(each) for each in found.landed]
        self.active = [active_row(each) for each in found.active]
        self.new = [project_row(each) for each in found.new]
        self.live = [session_row(each) for each in found.live]


def active_row(active: ActiveProject) -> ActiveRow:
    """The row of a project on which something landed."""
    project = active.project
    return ActiveRow(
        url=routes.project(project.organization, project.handle),
        name=f"{project.organization}/{project.handle}",
        description=project.description,
        public=project.visibility.value == "public",
        archived=project.archived,
        live=project.open_sessions,
        landed=active.landed,
        quiet=_quiet(active),
        spark=days.spark(active.days.counts[-14:]),
    )


def _quiet(active: ActiveProject) -> str:
    """What is said of a project on which nothing landed lately."""
    project = active.project
    if not project.position:
        return "nothing landed yet"
    # A fork of yesterday has a history and was not quiet.
    new = project.created_at.date() >= active.days.since
    return "nothing landed here yet" if new else "quiet for two weeks"


def active_line(row: rx.Var[ActiveRow], *, narrow: bool = False) -> rx.Component:
    """One project with its bars; `narrow` for asides, which have no room for what it is for."""
    private = rx.cond(row.public, rx.fragment(), rx.fragment(" ", chips.tag("Private", "ochre")))
    archived = rx.cond(row.archived, rx.fragment(" ", chips.tag("Archived")))
    live = rx.cond(row.live > 0, rx.el.span(row.live, " open", class_name="moss"))
    landed = rx.cond(row.landed > 0, rx.el.span(row.landed, " landed"), rx.el.span(row.quiet))
    told = rx.cond(row.description != "", rx.el.span(rx.el.bdi(row.description)))
    return lists.row(
        rx.fragment(link(row.name, to=row.url), private, archived),
        meta=(live, landed) if narrow else (told, live),
        side=(rx.html(row.spark, class_name="spark-box"), *(() if narrow else (landed,))),
    )


def explore_page() -> rx.Component:
    """The four lists, or what to do while there is nothing."""
    some = rx.el.div(
        rx.el.div(
            _lines("Most landed", ExploreState.landed, "in 30 days"),
            _lines("Landed last", ExploreState.active, "bars are two weeks"),
            _new(),
            class_name="stack loose",
        ),
        rx.el.aside(_live(), class_name="stack loose"),
        class_name="pair",
    )
    nothing = lists.empty(
        "No project here that you may see",
        rx.el.p("Public projects stand here, those on which most landed first. In a folder with your files:"),
        forms.copy_box("mic project create YOU/NAME --init --visibility public"),
    )
    return layout.page(
        rx.el.h1("Explore", class_name="hush"),
        rx.cond(ExploreState.new.length() > 0, some, nothing),
        crumbs=[("Explore", routes.EXPLORE)],
    )


def _lines(title: str, rows: rx.Var[list[ActiveRow]], end: str) -> rx.Component:
    return rx.cond(
        rows.length() > 0, lists.section(title, lists.rows(rx.foreach(rows, active_line)), end=end)
    )


def _new() -> rx.Component:
    return lists.section("New", lists.rows(rx.foreach(ExploreState.new, project_line)))


def _live() -> rx.Component:
    nothing = lists.empty(
        "Nothing is growing now", rx.el.p("Sessions stand here while somebody works in them.")
    )
    filled = lists.rows(rx.foreach(ExploreState.live, lambda row: session_line(row, project=True)))
    count = ExploreState.live.length()
    shown = rx.cond(count > 0, rx.fragment(count))
    return lists.section("Live now", rx.cond(count > 0, filled, nothing), count=shown)


@head(routes.EXPLORE)
async def explore_head(session: str | None) -> Head:
    """The lists without scripts."""
    found = await ask(session, exploring.explore_projects)
    return Head(
        title="Explore",
        description="Where most landed in the last 30 days, what is new, and what is being built now.",
        path=routes.EXPLORE,
        body=plain.title("Explore") + _listed(found),
        crumbs=plain.crumbs(("Explore", routes.EXPLORE)),
    )


def _listed(found: Exploration) -> str:
    if not found.new:
        return plain.nothing("No project here that you may see")
    landed = {each.project.id: f"{each.landed} landed in 30 days" for each in found.landed}
    most = plain.projects([each.project for each in found.landed], landed)
    live = plain.section("Live now", plain.sessions(found.live)) if found.live else ""
    return (
        (plain.section("Most landed", most) if landed else "")
        + live
        + plain.section("New", plain.projects(found.new))
    )


layout.screen(routes.EXPLORE, explore_page, title="Explore · Micelio", on_load=[ExploreState.load])
