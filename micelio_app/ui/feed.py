"""A session while it grows: timeline, plan, files and terminal over one stream of events.

All parts of one page that name the same session share one subscription, and all tabs of a
browser share one connection (`assets/live.js`). Nothing of it passes through a State.
"""

import reflex as rx

from micelio_app.ui.chips import Number
from micelio_app.ui.links import Text

_live = rx.asset("live.js", shared=True)
_panes = rx.asset("panes.js", shared=True)
_feed = rx.asset("feed.js", shared=True)


class EventFeed(rx.Component):
    """The timeline."""

    library = str(_feed.importable_path)
    tag = "EventFeed"
    session: rx.Var[str]
    started: rx.Var[str]
    after: rx.Var[int]
    running: rx.Var[bool]


class PlanPane(rx.Component):
    """The newest plan."""

    library = str(_panes.importable_path)
    tag = "PlanPane"
    session: rx.Var[str]
    after: rx.Var[int]


class FilesPane(rx.Component):
    """The files changed so far."""

    library = str(_panes.importable_path)
    tag = "FilesPane"
    session: rx.Var[str]
    after: rx.Var[int]


class TerminalPane(rx.Component):
    """What ran, as it was printed."""

    library = str(_panes.importable_path)
    tag = "TerminalPane"
    session: rx.Var[str]
    after: rx.Var[int]


class LiveState(rx.Component):
    """A word when the stream is lost, nothing while it is open."""

    library = str(_panes.importable_path)
    tag = "LiveState"
    session: rx.Var[str]
    after: rx.Var[int]


def timeline(
    session: Text, *, started: Text, after: Number = 0, running: bool | rx.Var[bool] = True
) -> rx.Component:
    """The session's events as they come, with filters, follow and "N new".

    `session` is the whole id. `after` is the sequence to begin behind (what is earlier is loaded on
    demand); it must be the same in all parts of a page. `started` is when the session began (RFC 3339).
    """
    return EventFeed.create(key=session, session=session, started=started, after=after, running=running)


def plan(session: Text, *, after: Number = 0) -> rx.Component:
    """The plan as the agent last told it; nothing when it told none."""
    return PlanPane.create(key=session, session=session, after=after)


def files(session: Text, *, after: Number = 0) -> rx.Component:
    """Changed files with their lines; choosing one tells the page by `micelio:file`."""
    return FilesPane.create(key=session, session=session, after=after)


def terminal(session: Text, *, after: Number = 0) -> rx.Component:
    """The output of tools, newest at the bottom."""
    return TerminalPane.create(key=session, session=session, after=after)


def live_state(session: Text, *, after: Number = 0) -> rx.Component:
    """Says when the stream was lost and is being opened again."""
    return LiveState.create(key=session, session=session, after=after)
