"""One session, live: its goal, who works on it, everything said and done, and the changes as they grow.

Timeline, plan, changes and terminal follow one stream of events in the browser. The State holds
only the head of the page; the timeline tells it of every event that moves what stands there.
"""

from collections.abc import Mapping

import reflex as rx

from backend.embedding import subjects
from backend.projects.service import get_project
from backend.sessions import landing as landing_operations
from backend.sessions import live as live_operations
from backend.sessions import service as operations
from backend.sessions.fragments import draw_changes
from backend.sessions.schemas import SessionDetail
from micelio_app import frame, layout, plain, plain_session, routes
from micelio_app.head import Head, head
from micelio_app.keys import Place
from micelio_app.pages.project import elsewhere
from micelio_app.state import AppState, ask, drawn, token_for_forms
from micelio_app.ui import chips, feed, forms
from micelio_app.ui.links import Text, link, slug, when

OPEN = ("active", "pending_review")
LONG_GOAL = 240
"""A longer goal stands in three lines above the panes; the timeline begins with all of it."""


class SessionState(AppState):
    """The head of one session. `drawer` names the form that is open: note, land, abandon or none."""

    id: str = ""
    short_id: str = ""
    goal: str = ""
    long_goal: bool = False
    status: str = ""
    summary: str = ""
    author: str = ""
    agent: str = ""
    model: str = ""
    started_at: str = ""
    ended_at: str = ""
    base: int = 0
    base_url: str = ""
    landing_url: str = ""
    landed: int = 0
    files: int = 0
    additions: int = 0
    deletions: int = 0
    events: int = 0
    running: bool = False
    may_note: bool = False
    may_change: bool = False
    may_land: bool = False
    may_abandon: bool = False
    drawer: str = ""

    @rx.event
    async def load(self):
        """The session of the address."""
        self.drawer = ""
        self._show(await self.call(operations.get_session, session=self.session_id))

    @rx.event
    async def follow(self, sequence: int):
        """The timeline reached an event that may have moved what the head says."""
        if self.id and sequence > self.events:
            self._show(await self.call(operations.get_session, session=self.id))

    @rx.event
    async def open_drawer(self, name: str):
        """Show a form; the one that is shown already is put away."""
        self.drawer = "" if self.drawer == name else name

    @rx.event
    async def note(self, form: dict[str, str]):
        """Say something in the conversation."""
        await self.call(live_operations.add_session_note, session=self.id, content=form.get("note", ""))
        self.drawer = ""

    @rx.event
    async def land(self, form: dict[str, str]):
        """Land the session on the trunk."""
        done = await self.call(
            landing_operations.land_session, session=self.id, summary=form.get("summary", "")
        )
        self.drawer = ""
        self.say(f"Landed at position {done.position}." if done.position else "Waiting for review.")
        self._show(await self.call(operations.get_session, session=self.id))

    @rx.event
    async def abandon(self, form: dict[str, str]):
        """Give the session up."""
        self._show(
            await self.call(operations.abandon_session, session=self.id, reason=form.get("reason", ""))
        )
        self.drawer = ""
        self.say("Abandoned.", "Nothing of it landed; it stays readable.", "")

    def _show(self, session: SessionDetail) -> None:
        org, name = session.organization, session.project
        self.id, self.short_id = session.id, session.short_id
        self.goal, self.status, self.summary = session.goal, session.status.value, session.summary
        self.long_goal = len(session.goal) > LONG_GOAL
        self.author, self.agent, self.model = session.author, session.agent, session.model
        self.started_at = session.started_at.isoformat()
        self.ended_at = session.ended_at.isoformat() if session.ended_at else ""
        self.base, self.landed = session.base_position, session.landed_position or 0
        self.base_url = routes.landing(org, name, self.base) if self.base else ""
        self.landing_url = routes.landing(org, name, self.landed) if self.landed else ""
        self.files, self.additions, self.deletions = session.files, session.additions, session.deletions
        self.events, self.running = session.events, self.status in OPEN
        self.may_note, self.may_land = "note" in session.may, "land" in session.may
        self.may_abandon, self.may_change = "abandon" in session.may, "change" in session.may


def session_page() -> rx.Component:
    """The head, then panes that fill the window."""
    base = frame.BASE + "/sessions"
    here = rx.cond(SessionState.short_id != "", SessionState.short_id, slug("session_id"))
    content = rx.fragment(_head(), _panes())
    return layout.project_page(
        rx.cond(SessionState.id != "", content, rx.el.h1("Session", class_name="hush")),
        current="Sessions",
        class_name="desk",
        foot=False,
        keys=[Place.SESSION],
        crumbs=[("Sessions", base), (here, base + "/" + slug("session_id"))],
    )


def _head() -> rx.Component:
    base = rx.el.span("from landing ", link("#", SessionState.base, to=SessionState.base_url))
    landed = rx.el.span("landed as ", link("#", SessionState.landed, to=SessionState.landing_url))
    size = rx.cond(SessionState.long_goal, "ask goal long", "ask goal")
    return rx.el.header(
        rx.el.div(
            rx.el.p(
                chips.status(SessionState.status),
                feed.step(SessionState.id),
                rx.el.span("started by ", SessionState.author, " ", when(SessionState.started_at, ago=True)),
                rx.cond(SessionState.base_url != "", base),
                rx.cond(SessionState.landing_url != "", landed),
                forms.copied_id(SessionState.id, "id of the session", shown=SessionState.short_id),
                class_name="meta",
            ),
            rx.el.h1(SessionState.goal, class_name=size, title=SessionState.goal),
            rx.cond(SessionState.summary != "", rx.el.p(SessionState.summary, class_name="soft said")),
            class_name="stack close",
        ),
        _actions(),
        _facts(),
        rx.match(
            SessionState.drawer,
            ("note", _note_form()),
            ("land", _land_form()),
            ("abandon", _abandon_form()),
            rx.fragment(),
        ),
        class_name="session-head",
    )


def _actions() -> rx.Component:
    def opener(word: str, name: str, tone: str = "") -> rx.Component:
        expanded = rx.cond(SessionState.drawer == name, "true", "false")
        return forms.button(word, tone=tone, on_click=SessionState.open_drawer(name), aria_expanded=expanded)

    return rx.el.div(
        rx.cond(SessionState.may_note, opener("Note", "note")),
        rx.cond(SessionState.may_abandon, opener("Abandon", "abandon", "danger")),
        rx.cond(SessionState.may_land, opener("Land", "land", "primary")),
        class_name="actions",
    )


def _facts() -> rx.Component:
    made = rx.cond(
        SessionState.agent != "",
        chips.agent(SessionState.agent, SessionState.model),
        chips.person(SessionState.author),
    )
    files = rx.cond(SessionState.files == 1, " file", " files")
    changed = rx.cond(
        SessionState.files > 0,
        rx.fragment(
            chips.stat(SessionState.additions, SessionState.deletions, loose=True),
            rx.el.span(SessionState.files, files, class_name="soft"),
        ),
        rx.el.span("nothing yet", class_name="soft"),
    )
    elapsed = when(SessionState.started_at, clock=True, until=SessionState.ended_at)
    return rx.el.dl(
        rx.el.div(rx.el.dt(rx.cond(SessionState.agent != "", "Agent", "By hand")), rx.el.dd(made)),
        rx.el.div(rx.el.dt("Elapsed"), rx.el.dd(rx.el.b(elapsed))),
        rx.el.div(rx.el.dt("Changed"), rx.el.dd(changed)),
        feed.facts(SessionState.id),
        class_name="facts",
    )


def _drawer(
    submit: Text, tone: str, name: str, handler: rx.EventHandler, *fields: rx.Component
) -> rx.Component:
    return rx.el.form(
        *fields,
        rx.el.p(
            forms.button(submit, type="submit", tone=tone, small=True),
            forms.button(
                "Cancel",
                tone="quiet",
                small=True,
                on_click=SessionState.open_drawer(name),
                custom_attrs={"data-cancel": True},
            ),
            class_name="line close",
        ),
        on_submit=handler,
        reset_on_submit=True,
        class_name="stack tight drawer",
        aria_label=submit,
    )


def _note_form() -> rx.Component:
    field = forms.area(
        "Note",
        "note",
        hint="It joins the conversation, where the agent reads it.",
        required=True,
        auto_focus=True,
        rows="3",
        max_length="100000",
    )
    return _drawer("Add the note", "primary", "note", SessionState.note, field)


def _land_form() -> rx.Component:
    field = forms.area(
        "Summary",
        "summary",
        hint="What changed and why, for who reads the trunk. May stay empty.",
        auto_focus=True,
        rows="3",
        max_length="10000",
    )
    return _drawer(
        rx.Var.create("Land on ") + frame.ProjectFrame.trunk, "primary", "land", SessionState.land, field
    )


def _abandon_form() -> rx.Component:
    field = forms.field(
        "Why",
        "reason",
        hint="It stays readable, nothing of it lands, and it cannot be taken up again. May stay empty.",
        auto_focus=True,
        max_length=2000,
    )
    return _drawer("Abandon the session", "danger", "abandon", SessionState.abandon, field)


def _panes() -> rx.Component:
    timeline = feed.timeline(
        SessionState.id,
        started=SessionState.started_at,
        known=SessionState.events,
        running=SessionState.running,
        on_news=SessionState.follow,
    )
    side = rx.el.div(
        feed.plan(SessionState.id),
        feed.changes(SessionState.id, edit=rx.cond(SessionState.may_change, frame.BASE, "")),
        feed.terminal(SessionState.id),
        class_name="side",
    )
    return rx.el.div(timeline, side, class_name="panes session")


@head(routes.SESSION)
async def session_head(
    session: str | None, *, org: str, project: str, session_id: str, query: Mapping[str, str]
) -> Head:
    """Goal as title; all of it, and the forms, for readers without scripts."""
    found = await ask(session, operations.get_session, session=session_id)
    home = await ask(session, get_project, organization=found.organization, project=found.project)
    org, project = found.organization, found.project
    shown = {}
    if query.get("show") == "changes":
        shown["changes"] = await drawn(session, draw_changes, {"session": found.id}, {})
    if query.get("show") == "events":
        after = query.get("after", "")
        given = {"after": int(after)} if after.isascii() and after.isdigit() and len(after) < 10 else {}
        page = await ask(session, live_operations.list_session_events, session=found.id, limit=200, **given)
        shown["events"] = plain_session.events(page)
    return Head(
        title=f"{found.goal} · {org}/{project}",
        description=found.summary or found.goal,
        kind="article",
        path=routes.session(org, project, found.id),
        indexed=found.status.value == "landed",
        **elsewhere(subjects.of_session(found, home), home, shown=subjects.is_shown(found, home)),
        body=plain_session.readable(
            found, token=token_for_forms(session), done=query.get(plain.DONE, ""), **shown
        ),
        **plain.around(
            org,
            project,
            "Sessions",
            ("Sessions", routes.sessions(org, project)),
            (found.short_id, routes.session(org, project, found.short_id)),
        ),
    )


layout.project_screen(
    routes.SESSION,
    session_page,
    title=rx.cond(SessionState.goal != "", SessionState.goal + " · ", "") + frame.ADDRESS + " · Micelio",
    on_load=[SessionState.load],
)
