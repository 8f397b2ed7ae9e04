"""The lists of an administration: people, organizations, projects, jobs, and what was done by whom.

One State and one table serve them all; each has an address of its own, and what it is filtered by is
in the address too. For everybody else there is nothing there.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend.instance import oversight
from micelio_app import layout, routes
from micelio_app.head import MISSING, Head, head
from micelio_app.pages.rows import further
from micelio_app.state import AppState, viewer
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import link, outside, when

NAMES = {
    "people": "People",
    "organizations": "Organizations",
    "projects": "Projects",
    "jobs": "Jobs",
    "audit": "Audit",
}
COLUMNS = {
    "people": ("Handle", "Name", "E-mail", "Seen", "Since"),
    "organizations": ("Handle", "Name", "Members", "Projects", "Since"),
    "projects": ("Address", "Seen by", "State", "Landings", "Since"),
    "jobs": ("What happened", "Who reacts", "State", "", "When"),
    "audit": ("Who", "Did", "To", "How", "When"),
}
PER_PAGE = 50


@dataclass(frozen=True)
class Line:
    """One row: what it is with its address, three columns of words, what it is marked with, and a moment."""

    name: str
    url: str
    second: str
    third: str
    fourth: str
    seen: str
    tag: str
    at: str


class OversightState(AppState):
    """One of the lists."""

    section: str = ""
    columns: rx.Field[list[str]] = rx.field(default_factory=list)
    lines: rx.Field[list[Line]] = rx.field(default_factory=list)
    actions: rx.Field[list[str]] = rx.field(default_factory=list)
    q: str = ""
    action: str = ""
    actor: str = ""
    waiting: bool = False
    failed: bool = False
    waiting_jobs: int = 0
    further: str = ""

    @rx.event
    async def load(self):
        """What the address asks for."""
        query = self.router.url.query_parameters
        self.section = self.router.url.path.rstrip("/").rpartition("/")[2]
        self.q, self.action, self.actor = (query.get(name, "")[:100] for name in ("q", "action", "actor"))
        self.waiting, self.failed = (query.get(name, "") == "true" for name in ("waiting", "failed"))
        self.columns = list(COLUMNS[self.section])
        self.lines, self.further = [], ""
        await self._more()

    @rx.event
    async def more(self):
        """The page below."""
        await self._more()

    async def _more(self) -> None:
        page = await _LISTS[self.section](self, {"cursor": self.further, "limit": PER_PAGE})
        self.further = page.next or ""


async def _people(state: "OversightState", how: Mapping[str, Any]) -> Any:
    """Accounts."""
    page = await state.call(oversight.list_accounts, q=state.q, **how)
    for each in page.items:
        tag = "Deleted" if each.deleted else "Administrator" if each.admin else ""
        seen = each.seen_at.isoformat() if each.seen_at else ""
        url, at = routes.owner(each.handle), each.created_at.isoformat()
        state.lines.append(Line(each.handle, url, each.name, each.email, "", seen, tag, at))
    return page


async def _organizations(state: "OversightState", how: Mapping[str, Any]) -> Any:
    """Shared organizations."""
    page = await state.call(oversight.list_hosted_organizations, **how)
    for each in page.items:
        members, projects, at = str(each.members), str(each.projects), each.created_at.isoformat()
        url = routes.owner(each.handle)
        state.lines.append(Line(each.handle, url, each.name, members, projects, "", "", at))
    return page


async def _projects(state: "OversightState", how: Mapping[str, Any]) -> Any:
    """Projects; those nobody reaches have no address here."""
    page = await state.call(oversight.list_hosted_projects, **how)
    for each in page.items:
        now = "archived" if each.archived else each.state.value
        organization, _, name = each.address.partition("/")
        public = each.visibility.value == "public" and each.state.value == "ready"
        url = routes.project(organization, name) if public else ""
        seen_by, landed = each.visibility.value, str(each.landings)
        tag = "" if now == "ready" else now.capitalize()
        at = each.created_at.isoformat()
        state.lines.append(Line(each.address, url, seen_by, "ready" * (not tag), landed, "", tag, at))
    return page


async def _jobs(state: "OversightState", how: Mapping[str, Any]) -> Any:
    """What workers are told of."""
    page = await state.call(oversight.list_jobs, waiting=state.waiting, failed=state.failed, **how)
    state.waiting_jobs = page.waiting
    for each in page.items:
        tag, taken = ("", "taken") if each.relayed_at else ("Waiting", "")
        reacts = ", ".join(each.reacts) or "nobody"
        if each.problem:
            tag, taken, reacts = "Failed", "", each.problem
        state.lines.append(Line(each.kind, "", reacts, taken, "", "", tag, each.at.isoformat()))
    return page


async def _audit(state: "OversightState", how: Mapping[str, Any]) -> Any:
    """What was done."""
    page = await state.call(oversight.list_audit, action=state.action, actor=state.actor, **how)
    state.actions = page.actions
    for each in page.items:
        details = ", ".join(f"{name} {_said(value)}" for name, value in each.details.items())
        means = " · ".join(filter(None, (each.via, each.address, details)))
        at = each.at.isoformat()
        state.lines.append(Line(each.actor or "nobody", "", each.action, each.subject, means, "", "", at))
    return page


_LISTS: dict[str, Callable[[OversightState, Mapping[str, Any]], Awaitable[Any]]] = {
    "people": _people,
    "organizations": _organizations,
    "projects": _projects,
    "jobs": _jobs,
    "audit": _audit,
}


def _said(value: Any) -> str:
    """A detail as people write it: lists by their members, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def tabs(current: str) -> rx.Component:
    """The sections of the administration."""
    there = {"": "Overview", **NAMES}
    return rx.el.nav(
        *(
            link(
                name,
                to=routes.administration(section) if section else routes.ADMINISTRATION,
                **({"aria_current": "page"} if section == current else {}),
            )
            for section, name in there.items()
        ),
        class_name="tabs",
        aria_label="Administration",
    )


def oversight_page(section: str) -> rx.Component:
    """One list."""
    why = "Nothing fits what the address asks for."
    if section == "jobs":
        why = rx.cond(OversightState.failed, "No job of the last week has failed for good.", why)
    nothing = lists.empty("Nothing here", rx.el.p(why))
    table = rx.el.div(
        rx.el.table(
            rx.el.thead(
                rx.el.tr(rx.foreach(OversightState.columns, lambda name: rx.el.th(name, scope="col")))
            ),
            rx.el.tbody(rx.foreach(OversightState.lines, _line)),
            class_name="table lines",
        ),
        class_name="scroll",
        tab_index=0,
        role="region",
        aria_label=NAMES[section],
    )
    return layout.page(
        rx.el.h1(NAMES[section], class_name="hush"),
        _FILTERS.get(section, rx.fragment)(),
        rx.cond(OversightState.lines.length() > 0, table, nothing),
        further(OversightState, "More"),
        crumbs=[("Administration", routes.ADMINISTRATION)],
        tabs=tabs(section),
    )


def _line(line: rx.Var[Line]) -> rx.Component:
    name = rx.cond(line.url != "", link(rx.el.b(line.name), to=line.url), rx.el.b(line.name))
    tag = rx.cond(line.tag != "", chips.tag(line.tag, "ochre"))
    # Where there is no room for columns a line is a few lines, and each says what it is.
    called = [{"data-is": OversightState.columns[n]} for n in range(4)]
    return rx.el.tr(
        rx.el.td(name),
        rx.el.td(rx.el.span(line.second, dir="auto"), custom_attrs=called[1]),
        rx.el.td(line.third, " ", tag, custom_attrs=called[2]),
        rx.el.td(
            rx.cond(line.seen != "", when(line.seen, ago=True), line.fourth),
            custom_attrs=called[3],
        ),
        rx.el.td(when(line.at), class_name="end"),
    )


def _people_filter() -> rx.Component:
    words = _words("q", OversightState.q, "Handle or e-mail, as it begins", "Find people")
    return forms.get(words, forms.button("Find", type="submit"), action=routes.administration("people"))


def _jobs_filter() -> rx.Component:
    every = routes.administration("jobs")
    told = rx.cond(
        OversightState.waiting_jobs > 0,
        rx.el.span(OversightState.waiting_jobs, " waiting for a worker", class_name="ochre"),
        rx.el.span("Nothing waits for a worker", class_name="soft"),
    )
    return rx.el.p(
        told,
        rx.cond(OversightState.waiting | OversightState.failed, outside("Show all", href=every)),
        rx.cond(OversightState.waiting, "", outside("Show what waits", href=f"{every}?waiting=true")),
        rx.cond(OversightState.failed, "", outside("Show what failed", href=f"{every}?failed=true")),
        class_name="line",
    )


def _audit_filter() -> rx.Component:
    option = rx.foreach(OversightState.actions, lambda each: rx.el.option(each, value=each))
    action = rx.el.select(
        rx.el.option("Everything", value=""),
        option,
        name="action",
        default_value=OversightState.action,
        key=OversightState.actions.length().to_string() + OversightState.action,
        aria_label="What was done",
    )
    actor = _words("actor", OversightState.actor, "Handle", "By whom")
    return forms.get(
        action, actor, forms.button("Filter", type="submit"), action=routes.administration("audit")
    )


def _words(name: str, given: rx.Var[str], placeholder: str, label: str) -> rx.Component:
    """A field that shows what the address says, whenever that comes to be known."""
    return rx.el.input(
        type="search",
        name=name,
        default_value=given,
        key=given,
        placeholder=placeholder,
        aria_label=label,
        class_name="input",
    )


_FILTERS: dict[str, Callable[[], rx.Component]] = {
    "people": _people_filter,
    "jobs": _jobs_filter,
    "audit": _audit_filter,
}


def _hang(section: str) -> None:
    route = routes.administration(section)

    @head(route)
    async def section_head(session: str | None) -> Head:
        actor = await viewer(session)
        return Head(title=f"{NAMES[section]} · Administration", indexed=False) if actor.admin else MISSING

    layout.screen(
        route,
        lambda: oversight_page(section),
        title=f"{NAMES[section]} · Administration · Micelio",
        on_load=[OversightState.load],
    )


for _section in NAMES:
    _hang(_section)
