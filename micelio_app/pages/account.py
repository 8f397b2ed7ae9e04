"""Settings of whoever is signed in: what others see, how one signs in and where, and the way out.

Each form says its refusal where it stands. Passwords are in a handler's arguments for one call
and never in a State.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend.accounts import addresses, deletion, devices
from backend.accounts import service as accounts
from backend.accounts.schemas import DeviceSummary
from backend.invitations import answering
from micelio_app import layout, plain_settings, routes
from micelio_app.head import Head, head
from micelio_app.pages.people import AskedRow, asked_line, asked_row
from micelio_app.state import AppState, ask, fault_at, token_for_forms, viewer
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import link, outside, when

BIO_LENGTH = 280
SECTIONS = (
    ("Profile", "profile"),
    ("E-mail", "e-mail"),
    ("Password", "password"),
    ("Devices", "devices"),
    ("Organizations", "organizations"),
)


@dataclass(frozen=True)
class DeviceRow:
    """One signed-in browser or program."""

    id: str
    name: str
    address: str
    current: bool
    program: bool
    seen_at: str
    since: str


@dataclass(frozen=True)
class OrganizationRow:
    """One organization somebody belongs to."""

    handle: str
    name: str
    role: str


class AccountState(AppState):
    """The account as its owner sees it."""

    handle: str = ""
    name: str = ""
    bio: str = ""
    links: str = ""
    email: str = ""
    has_password: bool = True
    done: str = ""
    done_place: str = ""
    farewell: str = ""
    farewell_text: str = ""
    devices: rx.Field[list[DeviceRow]] = rx.field(default_factory=list)
    organizations: rx.Field[list[OrganizationRow]] = rx.field(default_factory=list)
    asked: rx.Field[list[AskedRow]] = rx.field(default_factory=list)

    @rx.event
    async def load(self):
        """Everything on the page."""
        me = await self.call(accounts.get_current_user)
        self.handle, self.name, self.bio, self.email = me.handle, me.name, me.bio, me.email
        self.links, self.has_password = "\n".join(me.links), me.has_password
        self.done = self.done_place = self.farewell = ""
        await self._list()
        self.organizations = [
            OrganizationRow(each.handle, each.name or each.handle, each.role.value)
            for each in me.organizations
            if not each.personal
        ]
        found = await self.call(answering.list_my_invitations)
        self.asked = [asked_row(each) for each in found.items]
        if self.router.url.query_parameters.get("done") == "email":
            self.say("Your address was changed.", f"You are reached at {me.email} now.")

    @rx.event
    async def save_profile(self, form: dict[str, str]):
        """What others see."""
        links = [line.strip() for line in form.get("links", "").splitlines() if line.strip()]
        given = {"name": form.get("name", ""), "bio": form.get("bio", ""), "links": links}
        me = await self.attempt("profile", accounts.update_current_user, **given)
        if me is not None:
            self.name, self.bio, self.links = me.name, me.bio, "\n".join(me.links)
            self.viewer_name = me.name
            self._say_done("profile", "Saved.")

    @rx.event
    async def change_email(self, form: dict[str, str]):
        """Ask for another address."""
        given = {"email": form.get("new_email", ""), "password": form.get("email_password", "")}
        told = await self.attempt("email", addresses.change_email, **given)
        if told is not None:
            self._say_done("email", told.message)

    @rx.event
    async def change_password(self, form: dict[str, str]):
        """Another password; everything else is signed out."""
        given = {"current": form.get("current_password", ""), "new": form.get("new_password", "")}
        left = await self.attempt("password", accounts.change_password, **given)
        if left is not None:
            self.has_password = True
            self.devices = [device_row(device) for device in left.items]
            self._say_done("password", "Changed. Everything but this browser was signed out.")

    @rx.event
    async def sign_out(self, device: str):
        """End one device."""
        left = await self.call(devices.revoke_device, device_id=device)
        self.devices = [device_row(each) for each in left.items]

    @rx.event
    async def sign_out_everywhere(self):
        """End all of them, this one too."""
        await self.call(devices.sign_out_everywhere)
        self.farewell = "You are signed out everywhere"
        self.farewell_text = "Access tokens that you made stay good. Sign in again to revoke them."

    @rx.event
    async def delete(self, form: dict[str, str]):
        """Delete the account."""
        given = {"handle": form.get("delete_handle", ""), "password": form.get("delete_password", "")}
        gone = await self.attempt("delete", deletion.delete_current_user, **given)
        if gone is not None:
            self.farewell, self.farewell_text = "Your account is deleted", gone.kept

    def _say_done(self, place: str, sentence: str) -> None:
        self.done_place, self.done = place, sentence

    async def _list(self) -> None:
        page = await self.call(devices.list_devices)
        self.devices = [device_row(device) for device in page.items]


def device_row(device: DeviceSummary) -> DeviceRow:
    """The row of a device."""
    return DeviceRow(
        id=device.id,
        name=device.name,
        address=device.address,
        current=device.current,
        program=device.kind.value == "program",
        seen_at=device.seen_at.isoformat(),
        since=device.created_at.date().isoformat(),
    )


def settings_page(*content: Any, current: str, crumbs: Any) -> rx.Component:
    """A page of the settings, beside the list of all of them."""
    here = current == routes.ACCOUNT
    items = [rx.el.li(link(name, to=f"{routes.ACCOUNT}#{id}")) for name, id in SECTIONS]
    tokens = {"aria_current": "page"} if current == routes.TOKENS else {}
    items.append(rx.el.li(link("Access tokens", to=routes.TOKENS, **tokens)))
    items.append(rx.el.li(link("Delete account", to=f"{routes.ACCOUNT}#delete")))
    nav = rx.el.nav(
        (rx.el.h1 if here else rx.el.p)("Settings", class_name="title"),
        rx.el.ul(*items),
        aria_label="Settings",
        class_name="side-nav stack tight",
    )
    body = rx.el.div(*content, class_name="stack loose settings")
    return layout.page(rx.el.div(nav, body, class_name="pair nav"), class_name="page stack", crumbs=crumbs)


def account_page() -> rx.Component:
    """The sections, danger last; nothing but a farewell once nobody is signed in here any more."""
    sections = settings_page(
        _profile(),
        _email(),
        _password(),
        _devices(),
        _organizations(),
        _deletion(),
        current=routes.ACCOUNT,
        crumbs=[("Settings", routes.ACCOUNT)],
    )
    return rx.cond(AccountState.farewell != "", _farewell(), sections)


def _farewell() -> rx.Component:
    return layout.page(
        rx.el.div(
            rx.el.h1(AccountState.farewell, class_name="title"),
            rx.el.p(AccountState.farewell_text, class_name="soft"),
            # It loads the page anew: who is signed in is known to the server alone.
            rx.el.p(outside("Go on", href=routes.HOME, class_name="btn")),
            class_name="stack sign-in",
            role="status",
        ),
        class_name="page centred",
    )


def _profile() -> rx.Component:
    return lists.section(
        "Profile",
        rx.el.div(
            chips.avatar(AccountState.handle, size="huge"),
            rx.el.div(
                rx.el.b(AccountState.handle),
                rx.el.p("Your handle stays; the picture is drawn from it.", class_name="hint"),
            ),
            class_name="line",
        ),
        rx.el.form(
            forms.field(
                "Name", "name", default_value=AccountState.name, auto_complete="name", max_length=100
            ),
            forms.area(
                "About",
                "bio",
                hint=f"Up to {BIO_LENGTH} characters, for everybody to read.",
                default_value=AccountState.bio,
                max_length=BIO_LENGTH,
            ),
            forms.area(
                "Links",
                "links",
                hint="Addresses of yours elsewhere, one on a line, five at most.",
                error=fault_at("profile"),
                default_value=AccountState.links,
            ),
            _send("Save profile", "profile", tone="primary"),
            on_submit=AccountState.save_profile,
            class_name="stack",
        ),
        id="profile",
        class_name="stack",
    )


def _email() -> rx.Component:
    return lists.section(
        "E-mail",
        rx.el.p("You are reached at ", rx.el.b(AccountState.email), ". Nobody else sees it."),
        rx.el.form(
            forms.field(
                "New address",
                "new_email",
                kind="email",
                auto_complete="email",
                hint="A link goes there; the address of now is told as well.",
                required=True,
            ),
            _asked_password("email_password", "email"),
            _send("Send the link", "email"),
            on_submit=AccountState.change_email,
            class_name="stack",
        ),
        id="e-mail",
        class_name="stack",
    )


def _password() -> rx.Component:
    return lists.section(
        "Password",
        rx.el.form(
            _asked_password("current_password", ""),
            forms.field(
                "New password",
                "new_password",
                kind="password",
                auto_complete="new-password",
                hint="At least 12 characters. Other browsers and mic are signed out.",
                error=fault_at("password"),
                required=True,
            ),
            _send("Change the password", "password"),
            on_submit=AccountState.change_password,
            reset_on_submit=True,
            class_name="stack",
        ),
        id="password",
        class_name="stack",
    )


def _devices() -> rx.Component:
    everywhere = forms.button(
        "Sign out everywhere", tone="danger", small=True, on_click=AccountState.sign_out_everywhere
    )
    return lists.section(
        "Devices",
        lists.rows(rx.foreach(AccountState.devices, _device)),
        count=AccountState.devices.length(),
        end=everywhere,
        id="devices",
    )


def _device(row: rx.Var[DeviceRow]) -> rx.Component:
    last = rx.cond(row.current, rx.el.span("now"), rx.el.span("seen ", when(row.seen_at, ago=True)))
    how = rx.cond(row.program, "let in by code", "browser")
    out = forms.button("Sign out", small=True, on_click=AccountState.sign_out(row.id))
    return lists.row(
        rx.el.p(rx.el.b(row.name), " ", rx.cond(row.current, chips.tag("This one"))),
        meta=(rx.el.span(how), rx.el.span(row.address), rx.el.span("since ", row.since), last),
        side=(rx.cond(row.current, rx.fragment(), out),),
    )


def _organizations() -> rx.Component:
    none = lists.empty("You belong to no organization", rx.el.p("Make one, or wait to be invited."))
    listed = lists.rows(rx.foreach(AccountState.organizations, _organization))
    asked = rx.cond(AccountState.asked.length() > 0, lists.rows(rx.foreach(AccountState.asked, asked_line)))
    return lists.section(
        "Organizations",
        asked,
        rx.cond(AccountState.organizations.length() > 0, listed, none),
        rx.el.p(
            "Projects of yours that you deleted can be brought back for 30 days: ",
            link("look at them", to=rx.Var.create("/orgs/") + AccountState.handle + "/deleted"),
            ".",
            class_name="hint",
        ),
        end=forms.button_link("New organization", to=routes.NEW_ORGANIZATION, small=True),
        id="organizations",
        class_name="stack tight",
    )


def _organization(row: rx.Var[OrganizationRow]) -> rx.Component:
    members = rx.Var.create("/orgs/") + row.handle + "/members"
    return lists.row(
        link(row.name, to=rx.Var.create("/") + row.handle),
        meta=(rx.el.span(row.handle), rx.el.span(row.role)),
        side=(link("Members", to=members),),
    )


def _deletion() -> rx.Component:
    return lists.section(
        "Delete account",
        rx.el.p(
            "Your sign-ins, tokens, memberships and profile go at once, for good. Your handle stays "
            "reserved, and what you landed or said in other people's projects stays with it. Projects "
            "of yours, and organizations that only you own, you move or hand over first.",
            class_name="soft prose",
        ),
        rx.el.form(
            forms.field("Your handle", "delete_handle", auto_complete="off", required=True),
            _asked_password("delete_password", "delete"),
            _send("Delete this account", "delete", tone="danger"),
            on_submit=AccountState.delete,
            class_name="stack",
        ),
        id="delete",
        class_name="stack",
    )


def _asked_password(name: str, place: str) -> rx.Component:
    field = forms.field(
        "Current password",
        name,
        kind="password",
        auto_complete="current-password",
        error=fault_at(place) if place else "",
        required=True,
    )
    return rx.cond(AccountState.has_password, field, rx.fragment())


def _send(words: str, place: str, *, tone: str = "") -> rx.Component:
    """The button, and beside it what it did."""
    done = rx.cond(
        (AccountState.done_place == place) & (AccountState.fault_place == ""), AccountState.done, ""
    )
    return forms.send(words, done, tone=tone)


@head(routes.ACCOUNT)
async def account_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """Not for crawlers; a stranger is sent to sign in. The forms work without scripts too."""
    actor = await viewer(session)
    if not actor.signed_in:
        return Head(title="Settings", status=303, location=routes.sign_in(routes.ACCOUNT), indexed=False)
    me = await ask(session, accounts.get_current_user)
    signed_in = await ask(session, devices.list_devices)
    asked = await ask(session, answering.list_my_invitations)
    token = token_for_forms(session)
    body = plain_settings.account(me, signed_in.items, asked.items, token=token, query=query)
    return Head(title="Settings", indexed=False, body=body)


layout.screen(routes.ACCOUNT, account_page, title="Settings · Micelio", on_load=[AccountState.load])
