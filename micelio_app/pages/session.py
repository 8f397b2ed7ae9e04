"""One session, live: its goal, who works on it, everything said and done, and the changes as they grow.

The timeline, plan, files and diff come over one stream of events and as fragments; the State
holds only the head of the page, and looks again when an event says that the status moved.
"""

from html import escape

import reflex as rx

from backend.sessions import landing as landing_operations
from backend.sessions import live as live_operations
from backend.sessions import service as operations
from backend.sessions.schemas import SessionDetail
from micelio_app import layout, routes
from micelio_app.head import Head, head
from micelio_app.pages.rows import since
from micelio_app.state import AppState, ask
from micelio_app.ui import chips, feed, forms, lists
from micelio_app.ui.fragment import fragment
from micelio_app.ui.links import link, when

OPEN = ("active", "pending_review")


class SessionState(AppState):
    """The head of one session."""

    id: str = ""
    short_id: str = ""
    address: str = ""
    goal: str = ""
    status: str = ""
    summary: str = ""
    author: str = ""
    agent: str = ""
    model: str = ""
    started_at: str = ""
    lasted: str = ""
    base: int = 0
    base_url: str = ""
    landing_url: str = ""
    landed: int = 0
    files: int = 0
    additions: int = 0
    deletions: int = 0
    running: bool = False
    may_note: bool = False
    may_land: bool = False
    may_abandon: bool = False
    view: str = "unified"
    noting: bool = False
    landing_open: bool = False

    @rx.event
    async def load(self):
        """The session of the address."""
        self.noting = self.landing_open = False
        self._show(await self.call(operations.get_session, session=self.session_id))

    @rx.event
    async def refresh(self):
        """Look again: an event said that something moved."""
        if self.id:
            self._show(await self.call(operations.get_session, session=self.id))

    @rx.event
    async def open_note(self):
        """Show the field for a note."""
        self.noting, self.landing_open = not self.noting, False

    @rx.event
    async def open_landing(self):
        """Show the field for the summary of the landing."""
        self.noting, self.landing_open = False, not self.landing_open

    @rx.event
    async def note(self, form: dict[str, str]):
        """Say something in the conversation."""
        await self.call(live_operations.add_session_note, session=self.id, content=form.get("note", ""))
        self.noting = False

    @rx.event
    async def land(self, form: dict[str, str]):
        """Land the session on main."""
        done = await self.call(
            landing_operations.land_session, session=self.id, summary=form.get("summary", "")
        )
        self.landing_open = False
        self.say(f"Landed at position {done.position}.")
        return SessionState.refresh

    @rx.event
    async def abandon(self):
        """Give the session up."""
        await self.call(operations.abandon_session, session=self.id)
        self.say("Abandoned.", "Nothing of it landed; it stays readable.", "")
        return SessionState.refresh

    @rx.event
    async def choose(self, view: str):
        """Unified or side by side."""
        self.view = "split" if view == "split" else "unified"

    def _show(self, session: SessionDetail) -> None:
        org, name = session.organization, session.project
        self.id, self.short_id, self.address = session.id, session.short_id, f"{org}/{name}"
        self.goal, self.status, self.summary = session.goal, session.status.value, session.summary
        self.author, self.agent, self.model = session.author, session.agent, session.model
        self.started_at = session.started_at.isoformat()
        self.lasted = since(session.ended_at, session.started_at) if session.ended_at else ""
        self.base, self.landed = session.base_position, session.landed_position or 0
        self.base_url = routes.landing(org, name, self.base) if self.base else ""
        self.landing_url = routes.landing(org, name, self.landed) if self.landed else ""
        self.files, self.additions, self.deletions = session.files, session.additions, session.deletions
        self.running = self.status in OPEN
        self.may_note, self.may_land = "note" in session.may, "land" in session.may
        self.may_abandon = "abandon" in session.may


def session_page() -> rx.Component:
    """The head, then panes that fill the window."""
    base = rx.Var.create("/") + SessionState.org + "/" + SessionState.project + "/sessions"
    return layout.project_page(
        _head(),
        rx.cond(SessionState.noting, _note_form()),
        rx.cond(SessionState.landing_open, _land_form()),
        rx.cond(SessionState.id != "", _panes()),
        org=SessionState.org,
        project=SessionState.project,
        current="Sessions",
        class_name="desk",
        foot=False,
        crumbs=[("Sessions", base), (SessionState.short_id, base + "/" + SessionState.short_id)],
    )


def _head() -> rx.Component:
    base = rx.cond(
        SessionState.base_url != "",
        rx.el.span("from landing ", link("#", SessionState.base, to=SessionState.base_url)),
    )
    landed = rx.cond(
        SessionState.landing_url != "",
        rx.el.span("landed as ", link("#", SessionState.landed, to=SessionState.landing_url)),
    )
    return rx.el.header(
        rx.el.div(
            rx.el.p(
                chips.status(SessionState.status),
                rx.el.span("started by ", SessionState.author, " ", when(SessionState.started_at, ago=True)),
                base,
                landed,
                feed.live_state(SessionState.id),
                class_name="meta",
            ),
            rx.el.h1(SessionState.goal, class_name="ask"),
            class_name="stack tight",
        ),
        _actions(),
        _facts(),
        class_name="session-head",
    )


def _actions() -> rx.Component:
    return rx.el.div(
        rx.cond(SessionState.may_note, forms.button("Note", on_click=SessionState.open_note)),
        rx.cond(
            SessionState.may_abandon,
            forms.button("Abandon", tone="danger", on_click=SessionState.abandon),
        ),
        rx.cond(
            SessionState.may_land,
            forms.button("Land", tone="primary", on_click=SessionState.open_landing),
        ),
        # The stream pokes this when the status moved; it is never seen.
        rx.el.button(
            "Look again",
            id="look-again",
            type="button",
            class_name="hush",
            tab_index=-1,
            aria_hidden="true",
            on_click=SessionState.refresh,
        ),
        class_name="actions",
    )


def _facts() -> rx.Component:
    made = rx.cond(
        SessionState.agent != "",
        chips.agent(SessionState.agent, SessionState.model),
        chips.person(SessionState.author),
    )
    elapsed = rx.cond(
        SessionState.running, when(SessionState.started_at, clock=True), rx.el.span(SessionState.lasted)
    )
    return lists.facts(
        ("Made by", made),
        ("Elapsed", rx.el.b(elapsed, class_name="num")),
        (
            "Changed",
            rx.el.span(
                chips.stat(SessionState.additions, SessionState.deletions, loose=True),
                " ",
                SessionState.files,
                " files",
            ),
        ),
        ("Session", rx.el.code(SessionState.short_id)),
    )


def _note_form() -> rx.Component:
    return rx.el.form(
        forms.area(
            "Note",
            "note",
            hint="It joins the conversation and reaches the agent.",
            required=True,
            auto_focus=True,
            rows="3",
            max_length="100000",
        ),
        rx.el.p(
            forms.button("Add the note", type="submit", tone="primary", small=True),
            forms.button("Cancel", tone="quiet", small=True, on_click=SessionState.open_note),
            class_name="line close",
        ),
        on_submit=SessionState.note,
        reset_on_submit=True,
        class_name="stack tight drawer",
    )


def _land_form() -> rx.Component:
    return rx.el.form(
        forms.area(
            "Summary",
            "summary",
            hint="What changed and why, for who reads the trunk. May stay empty.",
            auto_focus=True,
            rows="3",
            max_length="10000",
        ),
        rx.el.p(
            forms.button("Land on main", type="submit", tone="primary", small=True),
            forms.button("Cancel", tone="quiet", small=True, on_click=SessionState.open_landing),
            class_name="line close",
        ),
        on_submit=SessionState.land,
        class_name="stack tight drawer",
    )


def _panes() -> rx.Component:
    timeline = rx.el.section(
        feed.timeline(SessionState.id, started=SessionState.started_at, running=SessionState.running),
        class_name="pane",
        aria_label="Timeline",
    )
    changes_src = (
        rx.Var.create("/_fragments/sessions/") + SessionState.id + "/changes?view=" + SessionState.view
    )
    changes = rx.el.section(
        rx.el.header(rx.el.h2("Changes"), rx.el.span(_views(), class_name="end"), class_name="head"),
        fragment(changes_src, label="Changes", live="diff", class_name="inner"),
        class_name="pane changes",
        aria_label="Changes",
    )
    side = rx.el.div(
        feed.plan(SessionState.id),
        feed.files(SessionState.id),
        changes,
        feed.terminal(SessionState.id),
        class_name="side",
    )
    return rx.el.div(timeline, side, class_name="panes session")


def _views() -> rx.Component:
    def choice(name: str, word: str) -> rx.Component:
        pressed = rx.cond(SessionState.view == name, "true", "false")
        return forms.button(word, small=True, on_click=SessionState.choose(name), aria_pressed=pressed)

    return rx.el.span(choice("unified", "Unified"), choice("split", "Side by side"), class_name="btns")


@head(routes.SESSION)
async def session_head(session: str | None, *, org: str, project: str, session_id: str) -> Head:
    """Goal as title; goal, conversation and changed paths for readers without scripts."""
    found = await ask(session, operations.get_session, session=session_id)
    said = "".join(
        f"<li><b>{escape(note.author)}</b> {escape(note.text)}</li>"
        for note in (*found.conversation, *found.decisions)
    )
    changed = "".join(f"<li><code>{escape(change.path)}</code></li>" for change in found.changes[:500])
    return Head(
        title=f"{found.goal} · {found.organization}/{found.project}",
        description=found.summary or found.goal,
        kind="article",
        path=routes.session(found.organization, found.project, found.id),
        indexed=found.status.value == "landed",
        body=f"<p>{escape(found.status.value)}</p><h1>{escape(found.goal)}</h1>"
        f"<h2>Conversation</h2><ul>{said}</ul><h2>Changes</h2><ul>{changed}</ul>",
    )


layout.screen(
    routes.SESSION,
    session_page,
    title=rx.cond(SessionState.goal != "", SessionState.goal + " · Micelio", "Micelio"),
    on_load=[SessionState.load],
)
