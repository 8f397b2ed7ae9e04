"""People who belong somewhere, and invitations: for organizations and for single projects.

Both pages take in `TeamState` and show the same lists in the same words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import reflex as rx

from backend.invitations import service as inviting
from backend.invitations.schemas import MyInvitation, TeamInvitationSummary
from micelio_app import routes
from micelio_app.state import AppState, fault_at
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import link

MAY = {
    "member": "Members see everything, start sessions, land and push.",
    "admin": "Admins also change settings, and invite and remove people.",
    "owner": "Owners also delete projects, and make and unmake owners.",
    "read": "Who reads sees the project and may propose changes.",
    "write": "Who writes lands and pushes, as members do.",
}


@dataclass(frozen=True)
class PersonRow:
    """Somebody who belongs there; `fixed` when the asker may not change their role."""

    handle: str
    name: str
    role: str
    since: str
    me: bool
    fixed: bool


@dataclass(frozen=True)
class InvitationRow:
    """An invitation that nobody answered."""

    id: str
    invitee: str
    role: str
    by: str
    state: str
    until: str


class TeamState(AppState, mixin=True):
    """Who belongs somewhere, and who was asked to. Whoever takes it in, beside `AppState`, lists them by
    `_list` and `_more`.
    """

    rows: rx.Field[list[PersonRow]] = rx.field(default_factory=list)
    waiting: rx.Field[list[InvitationRow]] = rx.field(default_factory=list)
    further: str = ""
    asked: str = ""
    done: str = ""

    @rx.event
    async def more(self):
        """The page below."""
        await self._more()

    @rx.event
    async def ask_first(self, handle: str):
        """Whether they are meant."""
        self.asked = handle
        self.fault = self.fault_place = ""

    @rx.event
    async def resend(self, invitation: str):
        """Mail it again."""
        sent = await self.attempt("waiting", inviting.resend_team_invitation, invitation_id=invitation)
        if sent is not None:
            self.say("Sent again.", f"{sent.invitee} has seven days from now.")
        await self._list()

    @rx.event
    async def revoke(self, invitation: str):
        """Take it back."""
        await self.attempt("waiting", inviting.revoke_team_invitation, invitation_id=invitation)
        await self._list()

    async def _invite(self, operation: Callable[..., Any], **given: Any) -> None:
        made = await self.attempt("invite", operation, **given)
        self.done = f"{made.invitee} has seven days to say yes." if made is not None else ""
        await self._list()


def person_row(handle: str, name: str, role: str, since: datetime, *, me: bool, fixed: bool) -> PersonRow:
    """The row of somebody."""
    return PersonRow(handle, name, role, since.date().isoformat(), me, fixed)


def invitation_row(invitation: TeamInvitationSummary) -> InvitationRow:
    """The row of an invitation."""
    return InvitationRow(
        id=invitation.id,
        invitee=invitation.invitee,
        role=invitation.role,
        by=invitation.invited_by,
        state=invitation.state.value,
        until=invitation.expires_at.date().isoformat(),
    )


def people(
    state: type[TeamState], *, roles: Sequence[tuple[str, str]], manages: rx.Var[bool] | bool
) -> rx.Component:
    """Who belongs there. Removing somebody asks once more in their row."""

    def row(person: rx.Var[PersonRow]) -> rx.Component:
        fixed = rx.el.span(rx.match(person.role, *roles, person.role), class_name="soft")
        options = [rx.el.option(words, value=value) for value, words in roles]
        choice = rx.el.select(
            *options,
            value=person.role,
            on_change=lambda role: state.set_role(person.handle, role),
            aria_label=rx.Var.create("Role of ") + person.handle,
            class_name="small",
        )
        words = rx.cond(person.me, "Leave", "Remove")
        remove = forms.button(words, small=True, tone="quiet", on_click=state.ask_first(person.handle))
        sure = rx.fragment(
            forms.button(
                rx.cond(person.me, "Yes, leave", "Yes, remove"),
                small=True,
                tone="danger",
                on_click=state.remove(person.handle),
            ),
            forms.button("Keep", small=True, tone="quiet", on_click=state.ask_first("")),
        )
        may_go = rx.Var.create(manages) & ~person.fixed | person.me
        return lists.row(
            rx.el.p(
                link(rx.el.b(rx.cond(person.name != "", person.name, person.handle)), to="/" + person.handle),
                rx.cond(person.me, rx.fragment(" ", chips.tag("You"))),
            ),
            dot=chips.avatar(person.handle),
            meta=(rx.el.span(person.handle), rx.el.span("since ", person.since)),
            side=(
                rx.cond(rx.Var.create(manages) & ~person.fixed, choice, fixed),
                rx.cond(may_go, rx.cond(state.asked == person.handle, sure, remove)),
            ),
        )

    return rx.el.ul(rx.foreach(state.rows, row), class_name="rows people")


def invite_form(state: type[TeamState], *, roles: Sequence[tuple[str, str]], tone: str = "") -> rx.Component:
    """Whom to ask, and as what; `tone` is that of its button."""
    hints = [rx.el.li(MAY[value]) for value, _ in roles if value in MAY]
    return rx.el.form(
        rx.el.div(
            forms.field(
                "Handle or e-mail",
                "invitee",
                error=fault_at("invite"),
                auto_complete="off",
                auto_capitalize="none",
                spell_check=False,
                required=True,
                max_length=254,
            ),
            forms.choice("As", "role", roles),
            class_name="invite",
        ),
        forms.send("Invite", state.done, tone=tone),
        rx.el.ul(*hints, class_name="hint bullets"),
        on_submit=state.invite,
        reset_on_submit=True,
        class_name="stack",
    )


def invitations(state: type[TeamState]) -> rx.Component:
    """Those that nobody answered, with what an admin does about them."""

    def row(one: rx.Var[InvitationRow]) -> rx.Component:
        until = rx.match(
            one.state,
            ("expired", rx.el.span("expired on ", one.until, class_name="rust")),
            ("lapsed", rx.el.span(one.by, " may invite nobody here any more", class_name="rust")),
            rx.el.span("until ", one.until),
        )
        return lists.row(
            rx.el.b(one.invitee),
            dot=chips.dot(rx.cond(one.state == "waiting", "waiting", "failed")),
            meta=(rx.el.span("as ", one.role), rx.el.span("from ", one.by), until),
            side=(
                forms.button("Send again", small=True, tone="quiet", on_click=state.resend(one.id)),
                forms.button("Revoke", small=True, tone="quiet", on_click=state.revoke(one.id)),
            ),
        )

    return rx.el.ul(rx.foreach(state.waiting, row), class_name="rows people")


@dataclass(frozen=True)
class AskedRow:
    """Something the viewer is invited to."""

    url: str
    place: str
    role: str
    by: str
    until: str


def asked_row(invitation: MyInvitation) -> AskedRow:
    """The row of an invitation to the viewer."""
    place = f"/{invitation.project}" if invitation.project else ""
    return AskedRow(
        url=routes.invitation(invitation.id),
        place=f"{invitation.organization}{place}",
        role=invitation.role,
        by=invitation.invited_by,
        until=invitation.expires_at.date().isoformat(),
    )


def asked_line(row: rx.Var[AskedRow]) -> rx.Component:
    """One invitation that waits for the viewer."""
    return lists.row(
        link(row.place, to=row.url),
        dot=chips.dot("waiting"),
        meta=(rx.el.span("as ", row.role), rx.el.span("from ", row.by)),
        side=(rx.el.span("until ", row.until), forms.button_link("Answer", to=row.url, small=True)),
    )
