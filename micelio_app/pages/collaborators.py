"""Who works on one project from outside its organization: a section of the project's settings."""

import reflex as rx

from backend.instance.plain_project import ROLES
from backend.invitations import service as inviting
from backend.projects import collaborators
from backend.projects import service as projects
from micelio_app import routes
from micelio_app.pages.people import (
    InvitationRow,
    PersonRow,
    invitation_row,
    invitations,
    invite_form,
    people,
    person_row,
)
from micelio_app.state import AppState
from micelio_app.ui import forms, lists


class CollaboratorsState(AppState):
    """Collaborators, and who was asked to be one."""

    rows: rx.Field[list[PersonRow]] = rx.field(default_factory=list)
    waiting: rx.Field[list[InvitationRow]] = rx.field(default_factory=list)
    further: str = ""
    asked: str = ""
    done: str = ""

    @rx.event
    async def load(self):
        """All of them, for admins; the rest of the page says that it is not there."""
        self.asked = self.done = ""
        found = await self.call(projects.get_project, **self._where())
        if "settings" in found.may:
            await self._list()

    @rx.event
    async def more(self):
        """The page below."""
        await self._more()

    @rx.event
    async def invite(self, form: dict[str, str]):
        """Ask somebody in."""
        given = {"invitee": form.get("invitee", ""), "role": form.get("role", "write")}
        made = await self.attempt("invite", inviting.invite_collaborator, **self._where(), **given)
        self.done = f"{made.invitee} has seven days to say yes." if made is not None else ""
        await self._list()

    @rx.event
    async def set_role(self, handle: str, role: str):
        """Another role."""
        await self.attempt(
            "people", collaborators.update_collaborator, **self._where(), handle=handle, role=role
        )
        await self._list()

    @rx.event
    async def ask_first(self, handle: str):
        """Whether they are meant."""
        self.asked = handle
        self.fault = self.fault_place = ""

    @rx.event
    async def remove(self, handle: str):
        """End a collaboration, perhaps one's own."""
        gone = await self.attempt("people", collaborators.remove_collaborator, **self._where(), handle=handle)
        self.asked = ""
        if gone is not None and gone.handle == self.viewer_handle:
            return rx.redirect(routes.HOME)
        await self._list()
        return None

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

    def _where(self) -> dict[str, str]:
        return {"organization": self.org, "project": self.project}

    async def _list(self) -> None:
        self.rows, self.further = [], ""
        await self._more()
        found = await self.call(inviting.list_collaborator_invitations, **self._where())
        self.waiting = [invitation_row(each) for each in found.items]

    async def _more(self) -> None:
        page = await self.call(collaborators.list_collaborators, **self._where(), cursor=self.further)
        self.rows = [
            *self.rows,
            *(
                person_row(
                    each.handle,
                    each.name,
                    each.role.value,
                    each.added_at,
                    me=each.handle == self.viewer_handle,
                    fixed=False,
                )
                for each in page.items
            ),
        ]
        self.further = page.next or ""


def collaborators_section() -> rx.Component:
    """The list, whom to ask, and who was asked."""
    listed = people(
        CollaboratorsState.rows,
        roles=ROLES,
        manages=True,
        asked=CollaboratorsState.asked,
        on_role=CollaboratorsState.set_role,
        on_ask=CollaboratorsState.ask_first,
        on_remove=CollaboratorsState.remove,
    )
    nobody = rx.el.p(
        "Nobody yet. Whom you invite sees this project and nothing else of its owner's.",
        class_name="soft prose",
    )
    more = rx.cond(
        CollaboratorsState.further != "",
        rx.el.p(forms.button("More collaborators", on_click=CollaboratorsState.more), class_name="more"),
    )
    waiting = rx.cond(
        CollaboratorsState.waiting.length() > 0,
        rx.fragment(
            rx.el.h3("Waiting for an answer"),
            _fault("waiting"),
            invitations(
                CollaboratorsState.waiting,
                on_resend=CollaboratorsState.resend,
                on_revoke=CollaboratorsState.revoke,
            ),
        ),
    )
    form = invite_form(
        roles=ROLES,
        error=rx.cond(CollaboratorsState.fault_place == "invite", CollaboratorsState.fault, ""),
        done=CollaboratorsState.done,
        on_submit=CollaboratorsState.invite,
    )
    return lists.section(
        "Collaborators",
        _fault("people"),
        rx.cond(CollaboratorsState.rows.length() > 0, listed, nobody),
        more,
        waiting,
        form,
        count=rx.cond(CollaboratorsState.rows.length() > 0, rx.fragment(CollaboratorsState.rows.length())),
        id="collaborators",
        class_name="stack",
    )


def _fault(place: str) -> rx.Component:
    told = rx.el.p(CollaboratorsState.fault, class_name="error", role="alert")
    return rx.cond(CollaboratorsState.fault_place == place, told)
