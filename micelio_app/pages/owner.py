"""A person's or an organization's page: the projects one may see."""

import reflex as rx

from backend.organizations import service as organizations
from backend.projects import service as projects
from micelio_app import layout, plain, routes
from micelio_app.frame import OrganizationFrame
from micelio_app.head import Head, head
from micelio_app.pages.rows import ProjectRow, project_line, project_row
from micelio_app.state import AppState, ask
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import slug


class OwnerState(AppState):
    """Who has this handle, and what is theirs."""

    handle: str = ""
    name: str = ""
    description: str = ""
    personal: bool = True
    belongs: bool = False
    rows: rx.Field[list[ProjectRow]] = rx.field(default_factory=list)
    further: str = ""

    @rx.event
    async def load(self):
        """The owner and the first page of projects."""
        owner = await self.call(organizations.get_organization, organization=self.org)
        self.rows, self.further = [], ""
        await self._more()
        self.handle, self.name, self.description = owner.handle, owner.name, owner.description
        self.personal, self.belongs = owner.personal, owner.role is not None

    @rx.event
    async def more(self):
        """The page below."""
        await self._more()

    async def _more(self) -> None:
        page = await self.call(projects.list_projects, organization=self.org, cursor=self.further)
        self.rows = [*self.rows, *(project_row(each, whole=False) for each in page.items)]
        self.further = page.next or ""


def owner_page() -> rx.Component:
    """The name, and the projects."""
    kind = rx.cond(OwnerState.personal, "Person", "Organization")
    title = rx.el.header(
        rx.el.div(
            chips.avatar(OwnerState.handle, size="large"),
            rx.el.h1(rx.cond(OwnerState.name != "", OwnerState.name, OwnerState.handle), class_name="title"),
            rx.el.span(kind, class_name="tag"),
            class_name="line",
        ),
        rx.cond(OwnerState.description != "", rx.el.p(OwnerState.description, class_name="soft")),
        class_name="stack tight",
    )
    return layout.organization_page(
        rx.cond(OwnerState.handle != "", rx.fragment(title, _projects()), lists.waiting()),
        current="Projects",
    )


def _projects() -> rx.Component:
    theirs = lists.empty(
        "No project here that you may see", rx.el.p("Private projects are shown to their members.")
    )
    ours = lists.empty(
        "No project yet",
        rx.el.p("In a folder with your files:"),
        forms.copy_box(rx.Var.create("mic project create ") + OwnerState.handle + "/name --init"),
    )
    filled = rx.fragment(
        lists.rows(rx.foreach(OwnerState.rows, project_line)),
        rx.cond(
            OwnerState.further != "",
            rx.el.p(forms.button("More projects", on_click=OwnerState.more), class_name="more"),
        ),
    )
    nothing = rx.cond(OwnerState.belongs, ours, theirs)
    return lists.section("Projects", rx.cond(OwnerState.rows.length() > 0, filled, nothing))


@head(routes.OWNER)
async def owner_head(session: str | None, *, org: str) -> Head:
    """The name, and the projects as a list."""
    owner = await ask(session, organizations.get_organization, organization=org)
    page = await ask(session, projects.list_projects, organization=org)
    rows = plain.projects(page.items) if page.items else plain.nothing("No project here that you may see")
    return Head(
        title=owner.name or owner.handle,
        description=owner.description or f"{owner.handle} on Micelio",
        kind="profile",
        path=routes.owner(owner.handle),
        indexed=bool(page.items),
        feed=f"{routes.owner(owner.handle)}.atom",
        body=plain.title(owner.name or owner.handle)
        + plain.paragraph(owner.description)
        + plain.section("Projects", rows),
        crumbs=plain.crumbs((owner.handle, routes.owner(owner.handle))),
    )


layout.screen(
    routes.OWNER,
    owner_page,
    title=rx.cond(OwnerState.name != "", OwnerState.name, slug("org")) + " · Micelio",
    on_load=[OrganizationFrame.look, OwnerState.load],
)
