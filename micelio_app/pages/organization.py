"""An organization's own pages: who belongs to it, its settings, what was deleted, and making one.

Members see members, admins look after them and the settings, owners end things. To everybody
else these pages do not exist.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import reflex as rx

from backend.instance.plain_settings import ROLES
from backend.invitations import service as inviting
from backend.organizations import closing, renaming
from backend.organizations import service as organizations
from backend.organizations.schemas import MemberSummary
from backend.projects import deleting
from micelio_app import layout, plain, plain_settings, routes
from micelio_app.frame import ORG, OrganizationFrame
from micelio_app.head import MISSING, Head, head
from micelio_app.pages.people import (
    PersonRow,
    TeamState,
    invitation_row,
    invitations,
    invite_form,
    people,
    person_row,
)
from micelio_app.pages.rows import further
from micelio_app.state import AppState, ask, fault_at, token_for_forms, viewer
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import link

ADMINS = ("admin", "owner")


class MembersState(TeamState, AppState):
    """Who belongs to the organization, and who was asked to."""

    manages: bool = False

    @rx.event
    async def load(self):
        """Everything on the page."""
        self.asked = self.done = ""
        await self._list()

    @rx.event
    async def invite(self, form: dict[str, str]):
        """Ask somebody in."""
        given = {"invitee": form.get("invitee", ""), "role": form.get("role", "member")}
        await self._invite(inviting.invite_member, organization=self.org, **given)

    @rx.event
    async def set_role(self, handle: str, role: str):
        """Another role."""
        where = {"organization": self.org, "handle": handle}
        await self.attempt("members", organizations.update_member, **where, role=role)
        await self._list()

    @rx.event
    async def remove(self, handle: str):
        """End a membership, perhaps one's own."""
        where = {"organization": self.org, "handle": handle}
        gone = await self.attempt("members", organizations.remove_member, **where)
        self.asked = ""
        if gone is not None and gone.handle == self.viewer_handle:
            return rx.redirect(routes.owner(gone.organization))
        await self._list()
        return None

    async def _list(self) -> None:
        owner = await self.call(organizations.get_organization, organization=self.org)
        self.manages = owner.role in ADMINS
        self.rows, self.further = [], ""
        await self._more(owns=owner.role == "owner")
        self.waiting = []
        if self.manages:
            found = await self.call(inviting.list_member_invitations, organization=self.org)
            self.waiting = [invitation_row(each) for each in found.items]

    async def _more(self, *, owns: bool | None = None) -> None:
        if owns is None:
            found = await self.call(organizations.get_organization, organization=self.org)
            owns = found.role == "owner"
        page = await self.call(organizations.list_members, organization=self.org, cursor=self.further)
        self.rows = [*self.rows, *(self._row(each, owns) for each in page.items)]
        self.further = page.next or ""

    def _row(self, member: MemberSummary, owns: bool) -> PersonRow:
        role = member.role.value
        return person_row(
            member.handle,
            member.name,
            role,
            member.joined_at,
            me=member.handle == self.viewer_handle,
            fixed=role == "owner" and not owns,
        )


class OrganizationState(AppState):
    """The settings of the organization."""

    handle: str = ""
    name: str = ""
    description: str = ""
    owns: bool = False
    done: str = ""

    @rx.event
    async def load(self):
        """Everything on the page; it is for admins."""
        self.done = ""
        found = await self.call(organizations.get_organization, organization=self.org)
        if found.personal or found.role not in ADMINS:
            self.missing = True
            return
        self.handle, self.name, self.description = found.handle, found.name, found.description
        self.owns = found.role == "owner"

    @rx.event
    async def save(self, form: dict[str, str]):
        """What it says of itself."""
        given = {key: form.get(key, "").strip() for key in ("name", "description")}
        found = await self.attempt("about", organizations.update_organization, organization=self.org, **given)
        self.done = ""
        if found is not None:
            self.name, self.description, self.done = found.name, found.description, "Saved."

    @rx.event
    async def rename(self, form: dict[str, str]):
        """Another handle."""
        handle = form.get("handle", "").strip()
        found = await self.attempt(
            "rename", renaming.rename_organization, organization=self.org, handle=handle
        )
        return rx.redirect(routes.organization_settings(found.handle)) if found is not None else None

    @rx.event
    async def delete(self, form: dict[str, str]):
        """End it."""
        confirm = form.get("confirm", "")
        gone = await self.attempt(
            "delete", closing.delete_organization, organization=self.org, confirm=confirm
        )
        return rx.redirect(routes.HOME) if gone is not None else None


@dataclass(frozen=True)
class DeletedRow:
    """A project that can come back."""

    handle: str
    name: str
    deleted: str
    until: str


class DeletedState(AppState):
    """What can be restored; for owners."""

    rows: rx.Field[list[DeletedRow]] = rx.field(default_factory=list)

    @rx.event
    async def load(self):
        """All of them."""
        found = await self.call(deleting.list_deleted_projects, organization=self.org)
        self.rows = [
            DeletedRow(
                each.handle,
                each.name,
                each.deleted_at.date().isoformat(),
                each.erased_at.date().isoformat(),
            )
            for each in found.items
        ]

    @rx.event
    async def restore(self, project: str):
        """Bring one back."""
        found = await self.call(deleting.restore_project, organization=self.org, project=project)
        return rx.redirect(routes.project(found.organization, found.handle))


class NewOrganizationState(AppState):
    """A form and its refusal."""

    @rx.event
    async def create(self, form: dict[str, str]):
        """Make it, and go on to inviting people."""
        given = {key: form.get(key, "").strip() for key in ("handle", "name", "description")}
        made = await self.attempt("new", organizations.create_organization, **given)
        return rx.redirect(routes.members(made.handle)) if made is not None else None


def members_page() -> rx.Component:
    """Who belongs there; for admins also whom to ask, and who was asked."""
    waiting = lists.section(
        "Waiting for an answer",
        forms.refusal(fault_at("waiting")),
        rx.cond(
            MembersState.waiting.length() > 0,
            invitations(MembersState),
            lists.empty("Nobody is asked", rx.el.p("Whom you invite waits here until they say yes or no.")),
        ),
        count=rx.cond(MembersState.waiting.length() > 0, rx.fragment(MembersState.waiting.length())),
    )
    form = invite_form(MembersState, roles=ROLES, tone="primary")
    return layout.organization_page(
        rx.el.h1("Members", class_name="hush"),
        rx.el.div(
            rx.el.div(
                lists.section(
                    "Members",
                    forms.refusal(fault_at("members")),
                    people(MembersState, roles=ROLES, manages=MembersState.manages),
                    further(MembersState, "More members"),
                    count=rx.fragment(MembersState.rows.length()),
                ),
                rx.cond(MembersState.manages, waiting),
                class_name="stack loose",
            ),
            rx.cond(MembersState.manages, rx.el.aside(lists.section("Invite", form, class_name="stack"))),
            class_name="pair",
        ),
        current="Members",
    )


def organization_settings_page() -> rx.Component:
    """The sections, danger last."""
    about = lists.section(
        "About",
        rx.el.div(
            chips.avatar(OrganizationState.handle, size="huge"),
            rx.el.div(
                rx.el.b(OrganizationState.handle),
                rx.el.p("The picture is drawn from the handle.", class_name="hint"),
            ),
            class_name="line",
        ),
        rx.el.form(
            forms.field("Name", "name", default_value=OrganizationState.name, max_length=100),
            forms.area(
                "Description",
                "description",
                hint="For everybody to read.",
                error=fault_at("about"),
                default_value=OrganizationState.description,
                max_length=1000,
            ),
            forms.send("Save", OrganizationState.done, tone="primary"),
            on_submit=OrganizationState.save,
            class_name="stack",
        ),
        class_name="stack",
    )
    members = lists.section(
        "Members",
        rx.el.p(
            "Invitations, roles and leaving are on the page of the ",
            link("members", to=rx.Var.create("/orgs/") + ORG + "/members"),
            ".",
            class_name="soft prose",
        ),
        class_name="stack",
    )
    return layout.organization_page(
        rx.el.h1("Settings", class_name="title"),
        rx.el.div(
            about, members, rx.cond(OrganizationState.owns, _danger()), class_name="stack loose settings"
        ),
        current="Settings",
    )


def _danger() -> rx.Component:
    return rx.fragment(
        lists.section(
            "Handle",
            rx.el.form(
                forms.field(
                    "New handle",
                    "handle",
                    hint="Links and clones go on working under the old one, which nobody else gets.",
                    error=fault_at("rename"),
                    auto_complete="off",
                    auto_capitalize="none",
                    default_value=OrganizationState.handle,
                    required=True,
                    max_length=39,
                ),
                rx.el.p(forms.button("Rename", type="submit")),
                on_submit=OrganizationState.rename,
                class_name="stack",
            ),
            class_name="stack",
        ),
        lists.section(
            "Deleted projects",
            rx.el.p(
                "A deleted project can be brought back for 30 days: ",
                link("look at them", to=rx.Var.create("/orgs/") + ORG + "/deleted"),
                ".",
                class_name="soft prose",
            ),
            class_name="stack",
        ),
        lists.section(
            "Delete",
            rx.el.p(
                "Only an organization without projects can be deleted: transfer or delete those first. Its "
                "members lose it at once, for good, and nobody ever gets its handle.",
                class_name="soft prose",
            ),
            rx.el.form(
                forms.field(
                    rx.Var.create("Type ") + OrganizationState.handle,
                    "confirm",
                    error=fault_at("delete"),
                    auto_complete="off",
                    required=True,
                    max_length=100,
                ),
                rx.el.p(forms.button("Delete this organization", type="submit", tone="danger")),
                on_submit=OrganizationState.delete,
                class_name="stack",
            ),
            class_name="stack",
        ),
    )


def deleted_page() -> rx.Component:
    """Projects that can come back."""
    rows = lists.rows(rx.foreach(DeletedState.rows, _deleted))
    nothing = lists.empty(
        "Nothing to bring back",
        rx.el.p("A deleted project is kept here for 30 days; then it is erased for good."),
    )
    return layout.organization_page(
        rx.el.h1("Deleted projects", class_name="title"),
        rx.cond(DeletedState.rows.length() > 0, rows, nothing),
        current="Settings",
    )


def _deleted(row: rx.Var[DeletedRow]) -> rx.Component:
    return lists.row(
        rx.el.b(row.name),
        meta=(
            rx.el.span(row.handle),
            rx.el.span("deleted ", row.deleted),
            rx.el.span("erased for good ", row.until),
        ),
        side=(forms.button("Restore", small=True, on_click=DeletedState.restore(row.handle)),),
    )


def new_organization_page() -> rx.Component:
    """One form."""
    return layout.page(
        rx.el.h1("New organization", class_name="title"),
        rx.el.p(
            "An organization owns projects together: its members see all of them.", class_name="soft prose"
        ),
        rx.el.form(
            forms.field(
                "Handle",
                "handle",
                hint="Its name in addresses: lower-case letters, digits, dashes.",
                error=fault_at("new"),
                auto_complete="off",
                auto_capitalize="none",
                auto_focus=True,
                required=True,
                max_length=39,
            ),
            forms.field("Name", "name", hint="As people read it; may be empty.", max_length=100),
            forms.area("Description", "description", max_length=1000),
            rx.el.p(forms.button("Create the organization", type="submit", tone="primary")),
            on_submit=NewOrganizationState.create,
            class_name="stack settings",
        ),
        crumbs=[("New organization", routes.NEW_ORGANIZATION)],
    )


def _titled(text: str) -> rx.Var[str]:
    return text + " · " + ORG + " · Micelio"


@head(routes.MEMBERS)
async def members_head(session: str | None, *, org: str, query: Mapping[str, str]) -> Head:
    """For members; the missing page for everybody else. The forms work without scripts too."""
    after = query.get("after", "")[:200]
    page = await ask(session, organizations.list_members, organization=org, cursor=after)
    found = await ask(session, organizations.get_organization, organization=org)
    waiting = (
        (await ask(session, inviting.list_member_invitations, organization=org)).items
        if found.role in ADMINS
        else []
    )
    who = {"me": (await viewer(session)).handle, "token": token_for_forms(session)}
    body = plain_settings.members(found, page.items, waiting, **who, query=query, further=page.next)
    return Head(
        title=f"Members of {org}", indexed=False, body=body, crumbs=_crumbs(org, "Members", routes.members)
    )


@head(routes.ORGANIZATION_SETTINGS)
async def organization_settings_head(session: str | None, *, org: str, query: Mapping[str, str]) -> Head:
    """For admins; the missing page for everybody else. The forms work without scripts too."""
    found = await ask(session, organizations.get_organization, organization=org)
    if found.personal or found.role not in ADMINS:
        return MISSING
    body = plain_settings.organization(found, token=token_for_forms(session), query=query)
    crumbs = _crumbs(org, "Settings", routes.organization_settings)
    return Head(title=f"Settings of {org}", indexed=False, body=body, crumbs=crumbs)


@head(routes.DELETED)
async def deleted_head(session: str | None, *, org: str) -> Head:
    """For owners; the missing page for everybody else. The forms work without scripts too."""
    found = await ask(session, organizations.get_organization, organization=org)
    if found.role != "owner":
        return MISSING
    listed = await ask(session, deleting.list_deleted_projects, organization=org)
    body = plain_settings.deleted(found.handle, listed.items, token=token_for_forms(session))
    crumbs = _crumbs(org, "Deleted projects", routes.deleted)
    return Head(title="Deleted projects", indexed=False, body=body, crumbs=crumbs)


def _crumbs(org: str, name: str, route: Callable[[str], str]) -> str:
    return plain.crumbs((org, routes.owner(org)), (name, route(org)))


@head(routes.NEW_ORGANIZATION)
async def new_organization_head(session: str | None) -> Head:
    """Not for crawlers; a stranger is sent to sign in."""
    actor = await viewer(session)
    if not actor.signed_in:
        sign_in = routes.sign_in(routes.NEW_ORGANIZATION)
        return Head(title="New organization", status=303, location=sign_in, indexed=False)
    body = plain_settings.new_organization(token_for_forms(session))
    return Head(title="New organization", indexed=False, body=body)


for _route, _view, _title, _load in (
    (routes.MEMBERS, members_page, "Members", MembersState.load),
    (routes.ORGANIZATION_SETTINGS, organization_settings_page, "Settings", OrganizationState.load),
    (routes.DELETED, deleted_page, "Deleted projects", DeletedState.load),
):
    layout.screen(_route, _view, title=_titled(_title), on_load=[OrganizationFrame.look, _load])
layout.screen(routes.NEW_ORGANIZATION, new_organization_page, title="New organization · Micelio")
