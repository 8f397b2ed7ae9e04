"""Rows that several pages show: sessions and landings, as small shapes made of the doors' schemas."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import reflex as rx

from backend.projects.schemas import LandingSummary, ProjectSummary, Said
from backend.sessions.schemas import SessionSummary
from micelio_app import routes
from micelio_app.state import AppState
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import link, when


@dataclass(frozen=True)
class SessionRow:
    """A session in a list. `who` is the agent, or the person when no agent works."""

    url: str
    goal: str
    status: str
    short_id: str
    who: str
    asked_by: str
    additions: int
    deletions: int
    started_at: str
    project: str


@dataclass(frozen=True)
class LandingRow:
    """A landing in a list; `by` is ai or human, `at` when its commit was made."""

    url: str
    position: int
    goal: str
    who: str
    by: str
    additions: int
    deletions: int
    at: str
    project: str


@dataclass(frozen=True)
class ProjectRow:
    """A project in a list; `live` counts its open sessions."""

    url: str
    name: str
    description: str
    public: bool
    archived: bool
    live: int
    landings: int


@dataclass(frozen=True)
class SaidRow:
    """A note or decision; `at` is minutes and seconds since the session began.

    A decision's first line is its `head`; of a note all is `text`.
    """

    at: str
    author: str
    agent: bool
    decision: bool
    head: str
    text: str


class PagedState(AppState, mixin=True):
    """A list of the project in the address that grows by whole pages. Whoever takes it in, beside
    `AppState`, keeps what a page has by `_grow`: while nothing is `loaded` yet, in place of what there was.
    """

    further: str = ""
    loaded: bool = False

    @rx.event
    async def load(self):
        """The first page."""
        self.further, self.loaded = "", False
        await self._grow()
        self.loaded = True

    @rx.event
    async def more(self):
        """The page below."""
        await self._grow()

    async def _next(self, operation: Callable[..., Any]) -> list[Any]:
        where = {"organization": self.org, "project": self.project}
        page = await self.call(operation, **where, cursor=self.further)
        self.further = page.next or ""
        return page.items


def further(state: type[Any], words: str) -> rx.Component:
    """The way to what comes below in a list, where there is more."""
    more = rx.el.p(forms.button(words, on_click=state.more), class_name="more")
    return rx.cond(state.further != "", more)


def session_row(session: SessionSummary) -> SessionRow:
    """The row of a session."""
    return SessionRow(
        url=routes.session(session.organization, session.project, session.short_id),
        goal=session.goal,
        status=session.status.value,
        short_id=session.short_id,
        who=f"{session.agent} {session.model}".strip() or session.author,
        asked_by=session.author if session.agent else "",
        additions=session.additions,
        deletions=session.deletions,
        started_at=session.started_at.isoformat(),
        project=f"{session.organization}/{session.project}",
    )


def landing_row(landing: LandingSummary) -> LandingRow:
    """The row of a landing."""
    return LandingRow(
        url=routes.landing(landing.organization, landing.project, landing.position),
        position=landing.position,
        goal=landing.goal,
        who=landing.agent or landing.written_by or landing.author,
        by="ai" if landing.agent else "human",
        additions=landing.additions,
        deletions=landing.deletions,
        at=(landing.written_at or landing.landed_at).isoformat(),
        project=landing.project,
    )


def project_row(project: ProjectSummary, *, whole: bool = True) -> ProjectRow:
    """The row of a project, named with its owner when `whole`."""
    return ProjectRow(
        url=routes.project(project.organization, project.handle),
        name=f"{project.organization}/{project.handle}" if whole else project.handle,
        description=project.description,
        public=project.visibility.value == "public",
        archived=project.archived,
        live=project.open_sessions,
        landings=project.position,
    )


def said_rows(conversation: list[Said], decisions: list[Said], started: datetime | None) -> list[SaidRow]:
    """Conversation and decisions in the order they were said."""
    marked = [(note, False) for note in conversation] + [(note, True) for note in decisions]
    marked.sort(key=lambda pair: pair[0].at)
    return [said_row(note, decision, started) for note, decision in marked]


def said_row(note: Said, decision: bool, started: datetime | None) -> SaidRow:
    """One thing said."""
    head, _, rest = note.text.strip().partition("\n") if decision else ("", "", note.text)
    return SaidRow(
        at=since(note.at, started),
        author=note.author,
        agent=note.role == "agent",
        decision=decision,
        head=head,
        text=rest.strip("\n"),
    )


def since(at: datetime, started: datetime | None) -> str:
    """Minutes and seconds after a start, hours before them when there are any."""
    seconds = max(0, int((at - (started or at)).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def session_line(row: rx.Var[SessionRow], *, project: bool = False) -> rx.Component:
    """One session: goal, who, lines, age; with `project` also where, for lists over several."""
    asked = rx.cond(row.asked_by != "", rx.el.span(row.who, " for ", row.asked_by), rx.el.span(row.who))
    where = rx.el.span(row.project) if project else rx.el.span(row.short_id, class_name="mono")
    return lists.row(
        link(row.goal, to=row.url, class_name="ask", dir="auto"),
        dot=chips.status_dot(row.status),
        meta=(rx.el.span(chips.status_word(row.status), class_name="hush"), asked, where),
        side=(chips.stat(row.additions, row.deletions), when(row.started_at)),
    )


def landing_line(row: rx.Var[LandingRow], *, project: bool = False) -> rx.Component:
    """One landing on its thread; with `project` also where it landed, and no count of lines."""
    number = rx.cond(project, row.project + " #", "#").to(str) + row.position.to_string()
    words = [
        link(row.goal, to=row.url, class_name="cut", dir="auto"),
        rx.el.span(row.who, class_name="meta cut only-wide"),
        rx.el.span(link(number, to=row.url), class_name="meta num cut place"),
    ]
    if not project:
        words.append(chips.stat(row.additions, row.deletions))
    return lists.landed_row(when(row.at), row.by, *words)


def project_line(row: rx.Var[ProjectRow]) -> rx.Component:
    """One project: name, what it is for, what runs."""
    quiet = rx.cond(row.landings > 0, rx.el.span(row.landings, " landed"), rx.el.span("nothing landed yet"))
    return lists.row(
        rx.fragment(
            link(row.name, to=row.url),
            rx.cond(row.public, rx.fragment(), rx.fragment(" ", chips.tag("Private", "ochre"))),
            rx.cond(row.archived, rx.fragment(" ", chips.tag("Archived"))),
        ),
        meta=(rx.el.span(rx.el.bdi(rx.cond(row.description != "", row.description, "No description"))),),
        side=(rx.cond(row.live > 0, rx.el.span(row.live, " open", class_name="moss")), quiet),
    )


def said_line(row: rx.Var[SaidRow]) -> rx.Component:
    """One note or decision on the thread of its session."""
    node = rx.cond(row.decision | row.agent, rx.el.i(class_name="node"), chips.avatar(row.author))
    named = rx.cond(row.agent, rx.fragment(), rx.el.p(rx.el.b(row.author, class_name="who")))
    decided = rx.fragment(
        rx.el.p(rx.el.b(row.head), " ", rx.el.span("decision", class_name="meta")),
        rx.cond(row.text != "", rx.el.p(row.text, class_name="soft said")),
    )
    words = rx.cond(row.decision, decided, rx.fragment(named, rx.el.p(row.text, class_name="said")))
    kind = rx.cond(row.decision, "decision", rx.cond(row.agent, "message", "prompt"))
    return rx.el.li(
        rx.el.span(row.at, class_name="at num"),
        node,
        rx.el.div(words, class_name="what"),
        class_name="event",
        custom_attrs={"data-kind": kind},
    )
