"""A person's or an organization's page: who that is, the projects one may see, and what a person landed."""

from html import escape

import reflex as rx

from backend.embedding import subjects
from backend.instance import exploring
from backend.instance.schemas import Profile
from backend.organizations import service as organizations
from backend.organizations.schemas import OrganizationSummary
from backend.projects import service as projects
from micelio_app import layout, plain, routes
from micelio_app.frame import OrganizationFrame
from micelio_app.head import Head, head
from micelio_app.pages.rows import (
    LandingRow,
    ProjectRow,
    further,
    landing_line,
    landing_row,
    project_line,
    project_row,
)
from micelio_app.state import AppState, ask
from micelio_app.ui import chips, days, forms, lists
from micelio_app.ui.links import link, outside, slug, when

LANDED = 15


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


class ProfileState(OwnerState):
    """What only people have: links, organizations, and what they landed."""

    links: rx.Field[list[str]] = rx.field(default_factory=list)
    shared: rx.Field[list[tuple[str, str, str]]] = rx.field(default_factory=list)
    since: str = ""
    admin: bool = False
    calendar: str = ""
    landed: rx.Field[list[LandingRow]] = rx.field(default_factory=list)
    older: str = ""

    @rx.event
    async def look(self):
        """Who it is, if it is a person."""
        self.links, self.shared, self.landed, self.older = [], [], [], ""
        self.calendar, self.since = "", ""
        if not self.personal or not self.handle:
            return
        profile = await self.call(exploring.get_profile, handle=self.handle)
        await self._older()
        self._show(profile)

    @rx.event
    async def more_landed(self):
        """What was landed before."""
        await self._older()

    async def _older(self) -> None:
        page = await self.call(
            exploring.list_landings_of_account, handle=self.handle, cursor=self.older, limit=LANDED
        )
        self.landed = [*self.landed, *(landing_row(each) for each in page.items)]
        self.older = page.next or ""

    def _show(self, profile: Profile) -> None:
        self.links, self.admin = profile.account.links, profile.account.admin
        self.shared = [(each.handle, each.name, routes.owner(each.handle)) for each in profile.organizations]
        self.since = profile.account.created_at.isoformat()
        self.calendar = days.calendar(profile.days.since, profile.days.counts)


def owner_page() -> rx.Component:
    """Who it is, the projects, and beside them what is known of a person."""
    person = rx.el.div(
        rx.el.div(_projects(), _landed(), class_name="stack loose"),
        rx.el.aside(_days(), _about(), class_name="stack loose"),
        class_name="pair",
    )
    shown = rx.fragment(_title(), rx.cond(OwnerState.personal, person, _projects()))
    return layout.organization_page(
        rx.cond(OwnerState.handle != "", shown, lists.waiting()),
        current="Projects",
        class_name="page stack roomy",
    )


def _title() -> rx.Component:
    kind = rx.cond(
        OwnerState.personal,
        rx.fragment(rx.cond(ProfileState.admin, chips.tag("Administrator"))),
        chips.tag("Organization"),
    )
    named = OwnerState.name != ""
    says = rx.el.p(OwnerState.description, class_name="soft", dir="auto")
    mine = OwnerState.personal & (OwnerState.handle == AppState.viewer_handle)
    edit = forms.button_link("Edit", to=routes.ACCOUNT, small=True)
    return rx.el.header(
        chips.avatar(OwnerState.handle, size="huge"),
        rx.el.div(
            rx.el.div(
                rx.el.h1(rx.cond(named, OwnerState.name, OwnerState.handle), class_name="title", dir="auto"),
                rx.cond(named, rx.el.span(OwnerState.handle, class_name="soft")),
                kind,
                rx.cond(mine, edit),
                class_name="line",
            ),
            rx.cond(OwnerState.description != "", says),
            class_name="stack tight",
        ),
        class_name="profile",
    )


def _projects() -> rx.Component:
    theirs = lists.empty(
        "No project here that you may see", rx.el.p("Private projects are shown to their members.")
    )
    ours = lists.empty(
        "No project yet",
        rx.el.p(link("Begin one", to=routes.NEW_PROJECT), ", or in a folder with your files:"),
        forms.copy_box(rx.Var.create("mic project create ") + OwnerState.handle + "/name --init"),
    )
    filled = rx.fragment(
        lists.rows(rx.foreach(OwnerState.rows, project_line)),
        further(OwnerState, "More projects"),
    )
    nothing = rx.cond(OwnerState.belongs, ours, theirs)
    return lists.section("Projects", rx.cond(OwnerState.rows.length() > 0, filled, nothing))


def _landed() -> rx.Component:
    nothing = lists.empty(
        "Nothing landed that you may see", rx.el.p("What lands on public projects stands here, newest first.")
    )
    filled = rx.fragment(
        lists.landed(rx.foreach(ProfileState.landed, lambda row: landing_line(row, project=True)), few=True),
        rx.cond(
            ProfileState.older != "",
            rx.el.p(forms.button("Older", on_click=ProfileState.more_landed), class_name="more"),
        ),
    )
    return lists.section("Landed", rx.cond(ProfileState.landed.length() > 0, filled, nothing))


def _days() -> rx.Component:
    drawn = lists.section("Landings", rx.html(ProfileState.calendar, class_name="days"), end="16 weeks")
    return rx.cond(ProfileState.calendar != "", drawn)


def _about() -> rx.Component:
    elsewhere = rx.el.ul(
        rx.foreach(
            ProfileState.links,
            lambda each: rx.el.li(outside(_bare(each), href=each, rel="me nofollow noopener noreferrer")),
        ),
        class_name="links",
    )
    shared = rx.el.ul(
        rx.foreach(
            ProfileState.shared,
            lambda each: rx.el.li(link(chips.avatar(each[0]), each[1], to=each[2], class_name="who")),
        ),
        class_name="links",
    )
    since = lists.facts(("Here since", when(ProfileState.since, ago=True)), down=True)
    return rx.fragment(
        rx.cond(
            ProfileState.links.length() > 0,
            lists.section("Elsewhere", rx.el.div(elsewhere, class_name="more")),
        ),
        rx.cond(
            ProfileState.shared.length() > 0,
            lists.section("Organizations", rx.el.div(shared, class_name="more"), end="that you share"),
        ),
        rx.cond(ProfileState.since != "", since),
    )


def _bare(address: rx.Var[str]) -> rx.Var[str]:
    return address.replace("https://", "").replace("http://", "")


def _person(owner: OrganizationSummary) -> dict[str, str]:
    """Who it is as schema.org says it."""
    told = {
        "@type": "Person" if owner.personal else "Organization",
        "name": owner.name or owner.handle,
        "alternateName": owner.handle,
        "description": owner.description,
        "url": owner.url,
    }
    return {name: text for name, text in told.items() if text}


def _inside(owner: OrganizationSummary) -> str:
    """For those who belong to an organization, the ways to its other pages."""
    if owner.personal or owner.role is None:
        return ""
    ways = [plain.link("Members", routes.members(owner.handle))]
    if owner.role != "member":
        ways.append(plain.link("Settings", routes.organization_settings(owner.handle)))
    return plain.meta(*ways)


@head(routes.OWNER)
async def owner_head(session: str | None, *, org: str) -> Head:
    """The name, what a person says of themselves, and the projects as a list."""
    owner = await ask(session, organizations.get_organization, organization=org)
    page = await ask(session, projects.list_projects, organization=org)
    rows = plain.projects(page.items) if page.items else plain.nothing("No project here that you may see")
    profile = await ask(session, exploring.get_profile, handle=owner.handle) if owner.personal else None
    address = '<li><a rel="me nofollow noopener noreferrer" href="{0}">{0}</a></li>'
    links = "".join(address.format(escape(each)) for each in (profile.account.links if profile else ()))
    return Head(
        title=owner.name or owner.handle,
        description=owner.description or f"{owner.handle} on Micelio",
        kind="profile",
        path=routes.owner(owner.handle),
        indexed=bool(page.items),
        feed=f"{routes.owner(owner.handle)}.atom",
        image=subjects.of_owner(owner).picture,
        json_ld=_person(owner),
        body=plain.title(owner.name or owner.handle)
        + _inside(owner)
        + plain.paragraph(owner.description)
        + (f"<ul>{links}</ul>" if links else "")
        + plain.section("Projects", rows),
        crumbs=plain.crumbs((owner.handle, routes.owner(owner.handle))),
    )


layout.screen(
    routes.OWNER,
    owner_page,
    title=rx.cond(OwnerState.name != "", OwnerState.name, slug("org")) + " · Micelio",
    on_load=[OrganizationFrame.look, OwnerState.load, ProfileState.look],
)
