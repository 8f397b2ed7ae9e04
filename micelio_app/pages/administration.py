"""What administrators look after by hand: who may come in, and mail that nobody could be sent.

Only an administrator reaches it; for everybody else there is nothing at this address.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import reflex as rx

from backend.accounts import service as accounts
from backend.accounts import signing_up
from backend.accounts.schemas import InvitationSummary
from backend.instance import outbox, oversight
from backend.instance.outbox import MailState, MailSummary
from backend.instance.oversight import InstanceHealth
from micelio_app import layout, routes
from micelio_app.head import MISSING, Head, head
from micelio_app.pages.oversight import tabs
from micelio_app.pages.rows import further
from micelio_app.state import AppState, fault_at, viewer
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import outside, when

PATIENCE = timedelta(minutes=2)
THIN = "\N{NARROW NO-BREAK SPACE}"

STATES = {
    MailState.SENT: ("passed", "Sent"),
    MailState.WAITING: ("waiting", "Waiting"),
    MailState.PRINTED: ("draft", "Printed"),
    MailState.FAILED: ("failed", "Failed"),
}


@dataclass(frozen=True)
class InvitationRow:
    """One invitation that waits."""

    id: str
    email: str
    by: str
    until: str


@dataclass(frozen=True)
class MailRow:
    """One mail of the outbox."""

    id: str
    recipient: str
    subject: str
    body: str
    dot: str
    state: str
    problem: str
    at: str


class AdministrationState(AppState):
    """Invitations, mail, and the link that was made last."""

    invitations: rx.Field[list[InvitationRow]] = rx.field(default_factory=list)
    mails: rx.Field[list[MailRow]] = rx.field(default_factory=list)
    further: str = ""
    link: str = ""
    link_for: str = ""
    wrong: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    facts: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    late: bool = False

    @rx.event
    async def load(self):
        """Everything; a link shown before is gone."""
        self.link = self.link_for = ""
        self._tell(await self.call(oversight.get_instance_health))
        await self._list()

    @rx.event
    async def invite(self, form: dict[str, str]):
        """Invite somebody, and show the link too."""
        made = await self.attempt("invite", signing_up.create_invitation, email=form.get("email", ""))
        if made is not None:
            self.link, self.link_for = made.link, made.email
            await self._list()

    @rx.event
    async def take_back(self, invitation: str):
        """Take an invitation back."""
        await self.call(signing_up.revoke_invitation, invitation_id=invitation)
        await self._list()

    @rx.event
    async def make_link(self, form: dict[str, str]):
        """A link that signs somebody in, to hand over."""
        made = await self.attempt("link", accounts.create_sign_in_link, handle=form.get("handle", ""))
        if made is not None:
            self.link, self.link_for = made.link, made.handle

    @rx.event
    async def more(self):
        """Older mail."""
        await self._more()

    def _tell(self, health: InstanceHealth) -> None:
        self.wrong = [(f"{each.name.capitalize()}.", each.problem) for each in health.checks if each.problem]
        oldest = health.oldest_waiting
        self.late = oldest is not None and datetime.now(UTC) - oldest > PATIENCE
        counts = {
            "People": health.accounts,
            "Organizations": health.organizations,
            "Projects": health.projects,
            "Open sessions": health.open_sessions,
            "Landings": health.landings,
            "Jobs waiting": health.waiting_jobs,
        }
        told = {name: f"{count:,}".replace(",", THIN) for name, count in counts.items()}
        self.facts = list((told | {"Version": health.version, "Schema": health.revision}).items())

    async def _list(self) -> None:
        found = await self.call(signing_up.list_invitations)
        self.invitations = [_invitation(each) for each in found.items]
        self.mails, self.further = [], ""
        await self._more()

    async def _more(self) -> None:
        page = await self.call(outbox.list_mails, cursor=self.further)
        self.mails = [*self.mails, *(_mail(each) for each in page.items)]
        self.further = page.next or ""


def _invitation(one: InvitationSummary) -> InvitationRow:
    return InvitationRow(one.id, one.email, one.invited_by, one.expires_at.date().isoformat())


def _mail(mail: MailSummary) -> MailRow:
    dot, word = STATES[mail.state]
    at = mail.created_at.isoformat()
    return MailRow(mail.id, mail.to, mail.subject, mail.body, dot, word, mail.problem, at)


def administration_page() -> rx.Component:
    """Whether all is well, who may come in, then the mail."""
    return layout.page(
        rx.el.h1("Administration", class_name="hush"),
        _health(),
        rx.cond(AdministrationState.link != "", _made()),
        _invitations(),
        _links(),
        _outbox(),
        class_name="page narrow stack loose",
        crumbs=[("Administration", routes.ADMINISTRATION)],
        tabs=tabs(""),
    )


def _health() -> rx.Component:
    wrong = rx.foreach(AdministrationState.wrong, lambda each: lists.notice(each[0], each[1], tone="rust"))
    late = lists.notice(
        "No worker took a job for minutes.",
        "Start one: micelio worker. ",
        outside("What waits", href=routes.administration("jobs") + "?waiting=true"),
        tone="ochre",
    )
    troubled = AdministrationState.wrong.length() > 0
    facts = rx.el.dl(
        rx.foreach(AdministrationState.facts, lambda each: rx.el.div(rx.el.dt(each[0]), rx.el.dd(each[1]))),
        class_name="facts",
    )
    well = rx.el.p(
        chips.state("passed", "All well."),
        rx.el.span("Database, store and bell answer and take what is written."),
        class_name="line",
    )
    return lists.section(
        "Health",
        rx.cond(AdministrationState.facts.length() > 0, rx.cond(troubled, wrong, well)),
        rx.cond(AdministrationState.late, late),
        facts,
        class_name="stack",
    )


def _made() -> rx.Component:
    return lists.section(
        rx.el.span("A link for ", AdministrationState.link_for),
        rx.el.p("It works once, and is not shown again.", class_name="hint"),
        forms.copy_box(AdministrationState.link),
        class_name="stack tight",
    )


def _invitations() -> rx.Component:
    nothing = lists.empty("Nobody is invited", rx.el.p("Invitations wait here until they are used."))
    rows = lists.rows(rx.foreach(AdministrationState.invitations, _invitation_line))
    count = AdministrationState.invitations.length()
    return lists.section(
        "Invitations",
        rx.el.form(
            forms.field(
                "E-mail",
                "email",
                kind="email",
                hint="The link goes there by mail, and is shown to you.",
                error=fault_at("invite"),
                required=True,
            ),
            rx.el.p(forms.button("Invite", type="submit", tone="primary")),
            on_submit=AdministrationState.invite,
            reset_on_submit=True,
            class_name="stack",
        ),
        rx.cond(count > 0, rows, nothing),
        count=rx.cond(count > 0, rx.fragment(count)),
        class_name="stack",
    )


def _invitation_line(row: rx.Var[InvitationRow]) -> rx.Component:
    back = AdministrationState.take_back(row.id)
    return lists.row(
        rx.el.p(rx.el.b(row.email)),
        meta=(rx.el.span("by ", row.by), rx.el.span("until ", row.until)),
        side=(forms.button("Take back", tone="danger", small=True, on_click=back),),
    )


def _links() -> rx.Component:
    return lists.section(
        "Sign-in link",
        rx.el.form(
            forms.field(
                "Handle",
                "handle",
                hint="For somebody whom mail does not reach. Whoever opens it may choose a new password.",
                error=fault_at("link"),
                required=True,
            ),
            rx.el.p(forms.button("Make a link", type="submit")),
            on_submit=AdministrationState.make_link,
            reset_on_submit=True,
            class_name="stack",
        ),
        class_name="stack",
    )


def _outbox() -> rx.Component:
    filled = rx.fragment(
        lists.rows(rx.foreach(AdministrationState.mails, _mail_line)),
        further(AdministrationState, "Older mail"),
    )
    nothing = lists.empty("No mail yet", rx.el.p("What this forge writes to people is listed here."))
    return lists.section("Outbox", rx.cond(AdministrationState.mails.length() > 0, filled, nothing))


def _mail_line(row: rx.Var[MailRow]) -> rx.Component:
    body = rx.el.details(
        rx.el.summary("Read it", class_name="hint"),
        rx.el.pre(row.body, class_name="letter"),
        class_name="drawer",
    )
    return lists.row(
        rx.fragment(
            rx.el.p(rx.el.b(row.subject)),
            rx.cond(row.problem != "", rx.el.p(row.problem, class_name="error")),
            rx.cond(row.body != "", body),
        ),
        dot=chips.dot(row.dot),
        meta=(rx.el.span(row.state), rx.el.span("to ", row.recipient), when(row.at, ago=True)),
    )


@head(routes.ADMINISTRATION)
async def administration_head(session: str | None) -> Head:
    """Nothing here for anybody else."""
    actor = await viewer(session)
    return Head(title="Administration", indexed=False) if actor.admin else MISSING


layout.screen(
    routes.ADMINISTRATION,
    administration_page,
    title="Administration · Micelio",
    on_load=[AdministrationState.load],
)
