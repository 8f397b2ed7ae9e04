"""One invitation: who asks whom to what as what, and the answer.

The mailed link shows it to whoever holds it. Answering takes the account it is for; the page says
to everybody else what to do.
"""

from collections.abc import Mapping

import reflex as rx

from backend.core.errors import Kind, MicelioError
from backend.invitations import answering
from backend.invitations.schemas import MyInvitation
from micelio_app import layout, plain_settings, routes
from micelio_app.head import MISSING, Head, head
from micelio_app.pages.people import MAY
from micelio_app.state import AppState, ask, token_for_forms, viewer
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import outside


class InvitationState(AppState):
    """The invitation of this address, as far as the viewer may see it."""

    place: str = ""
    named: str = ""
    project: bool = False
    description: str = ""
    role: str = ""
    by: str = ""
    by_name: str = ""
    until: str = ""
    yours: bool = False
    over: bool = False
    declined: bool = False
    signed_in: bool = False
    sign_in_url: str = ""
    sign_up_url: str = ""
    _id: str = ""

    @rx.event
    async def load(self):
        """Look at it; what is not there, or not for these eyes, is over."""
        self._id = self.invitation_id
        self.place = self.fault = ""
        self.over = self.declined = self.yours = False
        self.signed_in = self.viewer_handle != ""
        token = self.router.url.query_parameters.get("token", "")
        try:
            found = await self.call(answering.get_team_invitation, invitation_id=self._id, token=token)
        except MicelioError as refusal:
            if refusal.kind not in (Kind.NOT_FOUND, Kind.INVALID):
                raise
            self.missing, self.over = False, True
            return
        self._show(found, token)

    @rx.event
    async def accept(self):
        """Say yes, and go there."""
        said = await self.attempt("answer", answering.accept_team_invitation, invitation_id=self._id)
        if said is None:
            return None
        there = routes.project(said.organization, said.project) if said.project else None
        return rx.redirect(there or routes.owner(said.organization))

    @rx.event
    async def decline(self):
        """Say no."""
        said = await self.attempt("answer", answering.decline_team_invitation, invitation_id=self._id)
        self.declined = said is not None

    def _show(self, found: MyInvitation, token: str) -> None:
        self.project = found.project is not None
        self.place = f"{found.organization}/{found.project}" if found.project else found.organization
        self.named = (found.project_name if found.project else found.organization_name) or self.place
        self.description, self.role, self.yours = found.description, found.role, found.yours
        self.by, self.by_name = found.invited_by, found.invited_by_name
        self.until = f"{found.expires_at:%-d %B %Y}"
        here = routes.invitation(found.id)
        self.sign_in_url = routes.sign_in(here)
        self.sign_up_url = routes.sign_up(token, here) if found.signup else ""


def invitation_page() -> rx.Component:
    """The question, and what becomes of it."""
    shown = rx.cond(
        InvitationState.over,
        _over(),
        rx.cond(InvitationState.declined, _declined(), _question()),
    )
    return layout.page(rx.el.div(shown, class_name="stack sign-in"), class_name="page centred", home=True)


def _question() -> rx.Component:
    who = rx.cond(InvitationState.by_name != "", InvitationState.by_name, InvitationState.by)
    what = rx.cond(InvitationState.project, " invites you to work on ", " invites you to ")
    owner = InvitationState.place.split("/")[0]
    return rx.fragment(
        rx.el.div(
            chips.avatar(owner, size="huge"),
            rx.el.h1(who, what, InvitationState.named, class_name="title"),
            rx.cond(
                InvitationState.description != "", rx.el.p(InvitationState.description, class_name="soft")
            ),
            class_name="stack tight",
        ),
        lists.facts(
            ("To", InvitationState.place),
            ("As", InvitationState.role),
            ("From", InvitationState.by),
            ("Until", InvitationState.until),
            down=True,
        ),
        rx.el.p(rx.match(InvitationState.role, *MAY.items(), ""), class_name="hint"),
        rx.cond(
            InvitationState.fault_place == "answer",
            lists.notice("Not done.", InvitationState.fault, tone="rust"),
        ),
        rx.cond(
            InvitationState.yours, _answer(), rx.cond(InvitationState.signed_in, _somebody_else(), _enter())
        ),
    )


def _answer() -> rx.Component:
    return rx.el.div(
        forms.button("Accept", tone="primary", on_click=InvitationState.accept),
        forms.button("Decline", on_click=InvitationState.decline),
        class_name="line close",
    )


def _somebody_else() -> rx.Component:
    return lists.notice(
        "Not for this account.",
        "It was sent to another address than that of ",
        rx.el.b(InvitationState.viewer_handle),
        ". Sign in with the account of that address, or ask ",
        InvitationState.by,
        " to invite you by your handle.",
        tone="ochre",
    )


def _enter() -> rx.Component:
    sign_up = rx.cond(
        InvitationState.sign_up_url != "",
        outside("Create an account", href=InvitationState.sign_up_url, class_name="btn primary"),
    )
    tone = rx.cond(InvitationState.sign_up_url != "", "btn", "btn primary")
    return rx.fragment(
        rx.el.div(
            sign_up,
            outside("Sign in", href=InvitationState.sign_in_url, class_name=tone),
            class_name="line close",
        ),
        rx.el.p("Then you say yes or no here.", class_name="hint"),
    )


def _over() -> rx.Component:
    sign_in = rx.cond(
        InvitationState.signed_in,
        rx.el.p(
            "You are signed in as ", rx.el.b(InvitationState.viewer_handle), ".", class_name="soft small"
        ),
        rx.el.p(
            "If you have an account, ",
            outside("sign in", href=rx.Var.create("/signin?next=") + InvitationState.router.url.path),
            " and look again.",
            class_name="soft small",
        ),
    )
    return rx.fragment(
        lists.opening(
            "No invitation here",
            "It was answered, taken back or has expired, or is for another account. "
            "Ask whoever invited you for a new one.",
            live=True,
        ),
        sign_in,
    )


def _declined() -> rx.Component:
    return lists.opening(
        "Declined", "You are in nothing new. If you change your mind, ask to be invited again.", live=True
    )


@head(routes.INVITATION)
async def invitation_head(session: str | None, *, invitation_id: str, query: Mapping[str, str]) -> Head:
    """The same for every invitation there could be, but to whom it is for and who holds its link."""
    if len(invitation_id) != 36:
        return MISSING
    token = query.get("token", "")[:200]
    try:
        found = await ask(session, answering.get_team_invitation, invitation_id=invitation_id, token=token)
    except answering.InvitationOver:
        here = routes.sign_in(routes.invitation(invitation_id))
        body = (
            f'<h1 class="title">Invitation</h1><p>To answer it, <a href="{here}">sign in</a>. It stands at '
            f'<a href="{routes.HOME}">home</a> then.</p>'
        )
        return Head(title="Invitation", indexed=False, body=body)
    me = await viewer(session)
    body = plain_settings.invitation(
        found, me=me.handle, form_token=token_for_forms(session), link_token=token
    )
    return Head(title="Invitation", indexed=False, body=body)


layout.screen(
    routes.INVITATION, invitation_page, title="Invitation · Micelio", on_load=[InvitationState.load]
)
