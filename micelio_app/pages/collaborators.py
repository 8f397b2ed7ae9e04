"""Who works on one project from outside its organization: a section of the project's settings."""

import reflex as rx

from backend.instance.plain_project import ROLES
from backend.invitations import service as inviting
from backend.projects import collaborators
from backend.projects import service as projects
from micelio_app import routes
from micelio_app.pages.people import (
    TeamState,
    invitation_row,
    invitations,
    invite_form,
    people,
    person_row,
)
from micelio_app.pages.rows import further
from micelio_app.state import AppState, fault_at
from micelio_app.ui import forms, lists


class CollaboratorsState(TeamState, AppState):
    """Collaborators, and who was asked to be one."""

    @rx.event
    async def load(self):
        """All of them, for admins; the rest of the page says that it is not there."""
        self.asked = self.done = ""
        found = await self.call(projects.get_project, **self._where())
        if "settings" in found.may:
            await self._list()

    @rx.event
    async def invite(self, form: dict[str, str]):
        """Ask somebody in."""
        given = {"invitee": form.get("invitee", ""), "role": form.get("role", "write")}
        await self._invite(inviting.invite_collaborator, **self._where(), **given)

    @rx.event
    async def set_role(self, handle: str, role: str):
        """Another role."""
        await self.attempt(
            "people", collaborators.update_collaborator, **self._where(), handle=handle, role=role
        )
        await self._list()

    @rx.event
    async def remove(self, handle: str):
        """End a collaboration, perhaps one's own."""
        gone = await self.attempt("people", collaborators.remove_collaborator, **self._where(), handle=handle)
        self.asked = ""
        if gone is not None and gone.handle == self.viewer_handle:
            return rx.redirect(routes.HOME)
        await self._list()
        return None

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
    listed = people(CollaboratorsState, roles=ROLES, manages=True)
    nobody = rx.el.p(
        "Nobody yet. Whom you invite sees this project and nothing else of its owner's.",
        class_name="soft prose",
    )
    waiting = rx.cond(
        CollaboratorsState.waiting.length() > 0,
        rx.fragment(
            rx.el.h3("Waiting for an answer"),
            forms.refusal(fault_at("waiting")),
            invitations(CollaboratorsState),
        ),
    )
    return lists.section(
        "Collaborators",
        forms.refusal(fault_at("people")),
        rx.cond(CollaboratorsState.rows.length() > 0, listed, nobody),
        further(CollaboratorsState, "More collaborators"),
        waiting,
        invite_form(CollaboratorsState, roles=ROLES),
        count=rx.cond(CollaboratorsState.rows.length() > 0, rx.fragment(CollaboratorsState.rows.length())),
        id="collaborators",
        class_name="stack",
    )
