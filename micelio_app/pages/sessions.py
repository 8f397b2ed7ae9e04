"""Sessions of a project: what grows now, what waits, and what became of the others."""

from collections.abc import Mapping

import reflex as rx

from backend.sessions import service as operations
from micelio_app import frame, layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.pages.rows import PagedState, SessionRow, further, session_line, session_row
from micelio_app.state import AppState, ask
from micelio_app.ui import forms, lists

OPEN = ("active", "pending_review")


class SessionsState(PagedState, AppState):
    """Sessions, newest first."""

    open_rows: rx.Field[list[SessionRow]] = rx.field(default_factory=list)
    ended_rows: rx.Field[list[SessionRow]] = rx.field(default_factory=list)

    async def _grow(self) -> None:
        rows = [session_row(each) for each in await self._next(operations.list_sessions)]
        running = [row for row in rows if row.status in OPEN]
        ended = [row for row in rows if row.status not in OPEN]
        self.open_rows = [*self.open_rows, *running] if self.loaded else running
        self.ended_rows = [*self.ended_rows, *ended] if self.loaded else ended


def sessions_page() -> rx.Component:
    """What is open stands first."""
    nothing = lists.empty(
        "No session yet",
        rx.el.p("A session is a goal and what came of it. Start one in a clone, or point an agent here."),
        forms.copy_box('mic session start "what you want"'),
    )
    any_rows = SessionsState.open_rows.length() + SessionsState.ended_rows.length() > 0
    filled = rx.fragment(
        _list("Open", SessionsState.open_rows),
        _list("Ended", SessionsState.ended_rows),
        further(SessionsState, "Earlier sessions"),
    )
    return layout.project_page(
        rx.el.h1("Sessions", class_name="hush"),
        rx.cond(any_rows, filled, rx.cond(SessionsState.loaded, nothing, lists.waiting())),
        current="Sessions",
        class_name="page stack loose",
        crumbs=[("Sessions", frame.BASE + "/sessions")],
    )


def _list(title: str, rows: rx.Var[list[SessionRow]]) -> rx.Component:
    shown = lists.section(title, lists.rows(rx.foreach(rows, session_line)), count=rows.length())
    return rx.cond(rows.length() > 0, shown)


@head(routes.SESSIONS)
async def sessions_head(session: str | None, *, org: str, project: str, query: Mapping[str, str]) -> Head:
    """Title, and the sessions one may see as a list, page by page."""
    page = await ask(
        session,
        operations.list_sessions,
        organization=org,
        project=project,
        cursor=query.get("below", ""),
    )
    rows = plain.sessions(page.items) if page.items else plain.nothing("No session yet")
    earlier = plain.further("Earlier sessions", page.next, by="below")
    return Head(
        title=f"Sessions · {org}/{project}",
        path=routes.sessions(org, project),
        body=plain.unseen("Sessions") + plain.section("Sessions", rows, earlier),
        **plain.around(org, project, "Sessions", ("Sessions", routes.sessions(org, project))),
    )


layout.project_screen(
    routes.SESSIONS,
    sessions_page,
    title=rx.Var.create("Sessions · ") + frame.ADDRESS + " · Micelio",
    on_load=[SessionsState.load],
)
