"""Rows that several pages show: sessions and landings, as small shapes made of the doors' schemas."""

from dataclasses import dataclass
from datetime import datetime

import reflex as rx

from backend.projects.schemas import LandingSummary, Said
from backend.sessions.schemas import SessionSummary
from micelio_app import routes
from micelio_app.ui import chips, lists
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
    """A landing in a list; `by` is ai or human."""

    url: str
    position: int
    goal: str
    who: str
    by: str
    additions: int
    deletions: int
    landed_at: str


@dataclass(frozen=True)
class SaidRow:
    """A note or decision; `at` is minutes and seconds since the session began."""

    at: str
    author: str
    agent: bool
    decision: bool
    text: str


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
        who=landing.agent or landing.author,
        by="ai" if landing.agent else "human",
        additions=landing.additions,
        deletions=landing.deletions,
        landed_at=landing.landed_at.isoformat(),
    )


def said_rows(conversation: list[Said], decisions: list[Said], started: datetime | None) -> list[SaidRow]:
    """Conversation and decisions in the order they were said."""
    marked = [(note, False) for note in conversation] + [(note, True) for note in decisions]
    marked.sort(key=lambda pair: pair[0].at)
    return [
        SaidRow(
            at=since(note.at, started),
            author=note.author,
            agent=note.role == "agent",
            decision=decision,
            text=note.text,
        )
        for note, decision in marked
    ]


def since(at: datetime, started: datetime | None) -> str:
    """Minutes and seconds after a start, hours before them when there are any."""
    seconds = max(0, int((at - (started or at)).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def session_line(row: rx.Var[SessionRow]) -> rx.Component:
    """One session: goal, who, lines, age."""
    asked = rx.cond(row.asked_by != "", rx.el.span("for ", row.asked_by))
    return lists.row(
        link(row.goal, to=row.url, class_name="ask"),
        dot=chips.status_dot(row.status),
        meta=(rx.el.span(row.who), asked, rx.el.span(row.short_id, class_name="mono")),
        side=(chips.stat(row.additions, row.deletions), when(row.started_at)),
    )


def landing_line(row: rx.Var[LandingRow]) -> rx.Component:
    """One landing on its thread."""
    return lists.landed_row(
        when(row.landed_at),
        row.by,
        link(row.goal, to=row.url, class_name="cut"),
        rx.el.span(chips.stat(row.additions, row.deletions), class_name="only-wide"),
        rx.el.span(row.who, class_name="meta only-wide"),
        rx.el.span(link("#", row.position, to=row.url), class_name="meta num"),
    )


def said_line(row: rx.Var[SaidRow]) -> rx.Component:
    """One note or decision on the thread of its session."""
    node = rx.cond(row.decision | row.agent, rx.el.i(class_name="node"), chips.avatar(row.author[:1]))
    words = rx.cond(
        row.decision,
        rx.el.p(rx.el.b(row.text), " ", rx.el.span("decision", class_name="meta")),
        rx.fragment(
            rx.el.p(rx.el.b(row.author, class_name="who"), class_name="meta"),
            rx.el.p(row.text, class_name="said"),
        ),
    )
    return rx.el.li(
        rx.el.span(row.at, class_name="at num"),
        node,
        rx.el.div(words, class_name="what"),
        class_name="event",
        custom_attrs={
            "data-kind": rx.cond(row.decision, "decision", rx.cond(row.agent, "message", "prompt"))
        },
    )
