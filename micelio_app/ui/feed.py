"""A session while it grows: timeline, plan, changes and terminal over one stream of events.

All parts of one page that name the same session share one subscription, and all tabs of a
browser share one connection (`assets/live.js`). Nothing of it passes through a State.
"""

from typing import Any

import reflex as rx

from micelio_app.ui.chips import Number
from micelio_app.ui.links import Text
from micelio_app.ui.scripts import script


class EventFeed(rx.Component):
    """The timeline."""

    library = script("feed.js")
    tag = "EventFeed"
    session: rx.Var[str]
    started: rx.Var[str]
    after: rx.Var[int]
    known: rx.Var[int]
    running: rx.Var[bool]
    on_news: rx.EventHandler[rx.event.passthrough_event_spec(int)]


class _Pane(rx.Component):
    """A part that reads the events of one session."""

    library = script("panes.js")
    session: rx.Var[str]
    after: rx.Var[int]


class PlanPane(_Pane):
    """The newest plan."""

    tag = "PlanPane"


class ChangesPane(_Pane):
    """The files changed so far and the lines of one of them."""

    library = script("changes.js")
    tag = "ChangesPane"
    edit: rx.Var[str]


class TerminalPane(_Pane):
    """What ran, as it was printed."""

    tag = "TerminalPane"


class SessionFacts(_Pane):
    """Events, checks and what it cost, as terms of a list of facts."""

    tag = "SessionFacts"


class StepWord(_Pane):
    """Which step of the plan runs."""

    tag = "StepWord"


def timeline(
    session: Text,
    *,
    started: Text,
    after: Number = 0,
    known: Number = 0,
    running: bool | rx.Var[bool] = True,
    on_news: Any = None,
) -> rx.Component:
    """The session's events as they come, with filters, follow and "N new".

    `session` is the whole id. `after` is the sequence to begin behind (what is earlier is loaded on
    demand); it must be the same in all parts of a page. `known` events are there for certain: until they
    have come it is busy. `started` is when the session began (RFC
    3339). `on_news` is called with a sequence, at most twice a second, when events up to it may have
    moved status, counts or what one may do.
    """
    told = {} if on_news is None else {"on_news": on_news}
    return EventFeed.create(
        key=session, session=session, started=started, after=after, known=known, running=running, **told
    )


def plan(session: Text, *, after: Number = 0) -> rx.Component:
    """The plan as the agent last told it; nothing when it told none."""
    return PlanPane.create(key=session, session=session, after=after)


def changes(session: Text, *, after: Number = 0, edit: Text = "") -> rx.Component:
    """Changed files, and the diff of the newest one or of the one that was chosen. `edit` is the project's
    page, for those who may change the session: its files are edited from there.
    """
    return ChangesPane.create(key=session, session=session, after=after, edit=edit)


def terminal(session: Text, *, after: Number = 0) -> rx.Component:
    """The output of tools, newest at the bottom; nothing while nothing was printed."""
    return TerminalPane.create(key=session, session=session, after=after)


def facts(session: Text, *, after: Number = 0) -> rx.Component:
    """Events, checks, tokens and cost: `div`s for a `dl`."""
    return SessionFacts.create(key=session, session=session, after=after)


def step(session: Text, *, after: Number = 0) -> rx.Component:
    """ "step 3 of 5", or nothing without a plan."""
    return StepWord.create(key=session, session=session, after=after)
