"""Forks of a project, as far as one may see them."""

from collections.abc import Mapping

import reflex as rx

from backend.projects import forks as operations
from backend.projects import service as projects
from micelio_app import frame, layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.pages.rows import PagedState, ProjectRow, further, project_line, project_row
from micelio_app.state import AppState, ask
from micelio_app.ui import forms, lists


class ForksState(PagedState, AppState):
    """The forks of the project in the address."""

    fork_rows: rx.Field[list[ProjectRow]] = rx.field(default_factory=list)

    async def _grow(self) -> None:
        more = [project_row(each) for each in await self._next(operations.list_forks)]
        self.fork_rows = [*self.fork_rows, *more] if self.loaded else more


def forks_page() -> rx.Component:
    """A row for each, and how to make one."""
    fork = forms.button_link("Fork it", to=fork_address(frame.ADDRESS), small=True)
    nothing = lists.empty(
        "No fork yet",
        rx.el.p("A fork goes on from here with all history, in an organization of yours."),
        forms.copy_box(rx.Var.create("mic project fork ") + frame.ADDRESS),
    )
    filled = rx.fragment(
        lists.rows(rx.foreach(ForksState.fork_rows, project_line)),
        further(ForksState, "More forks"),
    )
    shown = rx.cond(
        ForksState.fork_rows.length() > 0, filled, rx.cond(ForksState.loaded, nothing, lists.waiting())
    )
    return layout.project_page(
        rx.el.h1("Forks", class_name="hush"),
        lists.section("Forks", shown, end=rx.el.span(fork, class_name="signed-in")),
        current="Files",
        crumbs=[("Forks", frame.BASE + "/forks")],
    )


def fork_address(address: rx.Var[str]) -> rx.Var[str]:
    """Where a project is forked."""
    return rx.Var.create(routes.NEW_PROJECT + "?fork=") + address


@head(routes.FORKS)
async def forks_head(session: str | None, *, org: str, project: str, query: Mapping[str, str]) -> Head:
    """The list, page by page, for readers without scripts."""
    parent = await ask(session, projects.get_project, organization=org, project=project)
    page = await ask(
        session,
        operations.list_forks,
        organization=parent.organization,
        project=parent.handle,
        cursor=query.get("after", ""),
    )
    here = routes.forks(parent.organization, parent.handle)
    rows = plain.projects(page.items) if page.items else plain.nothing("No fork that you may see")
    more = plain.further("More forks", page.next, by="after")
    return Head(
        title=f"Forks · {parent.organization}/{parent.handle}",
        path=here,
        indexed=False,
        body=plain.unseen("Forks") + plain.section("Forks", rows, more),
        **plain.around(parent.organization, parent.handle, "Files", ("Forks", here)),
    )


layout.project_screen(
    routes.FORKS,
    forks_page,
    title="Forks · " + frame.ADDRESS + " · Micelio",
    on_load=[ForksState.load],
)
