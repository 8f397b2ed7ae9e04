"""Access tokens of whoever is signed in: make one for `mic` or an agent, see them, revoke them.

The secret is shown once, from the answer of the call that made it; it leaves the State as soon
as the page is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import reflex as rx

from backend.accounts import service as operations
from backend.accounts.schemas import LIFETIMES, OFFERED, USUAL, AccessTokenSummary
from backend.core.operations import SCOPES
from micelio_app import layout, plain_settings, routes
from micelio_app.head import Head, head
from micelio_app.pages.account import settings_page
from micelio_app.state import AppState, ask, fault_at, token_for_forms, viewer
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import when


@dataclass(frozen=True)
class TokenRow:
    """One token: never its secret."""

    id: str
    name: str
    hint: str
    agent: bool
    scopes: str
    expires_at: str
    used_at: str


class TokensState(AppState):
    """The tokens, and the secret of the one just made."""

    tokens: rx.Field[list[TokenRow]] = rx.field(default_factory=list)
    secret: str = ""
    loaded: bool = False

    @rx.event
    async def load(self):
        """The list; a secret shown before is gone."""
        self.secret = ""
        await self._list()

    @rx.event
    async def create(self, form: dict[str, str]):
        """Make a token and show its secret this once."""
        scopes = [scope for scope in OFFERED if form.get(scope)]
        made = await self.attempt(
            "token",
            operations.create_access_token,
            name=form.get("name", ""),
            scopes=scopes,
            kind="agent" if form.get("agent") else "personal",
            expires_in_days=form.get("days", "90"),
        )
        if made is not None:
            self.secret = made.token
            await self._list()

    @rx.event
    async def revoke(self, token: str):
        """End a token at once."""
        gone = await self.call(operations.revoke_access_token, token_id=token)
        self.say(f"Token {gone.name!r} revoked.", "It stopped working at once.", "")
        await self._list()

    async def _list(self) -> None:
        page = await self.call(operations.list_access_tokens)
        self.tokens = [token_row(token) for token in page.items]
        self.loaded = True


def token_row(token: AccessTokenSummary) -> TokenRow:
    """The row of a token."""
    return TokenRow(
        id=token.id,
        name=token.name,
        hint=token.hint,
        agent=token.kind.value == "agent",
        scopes=", ".join(token.scopes),
        expires_at=token.expires_at.date().isoformat(),
        used_at=token.used_at.isoformat() if token.used_at else "",
    )


def tokens_page() -> rx.Component:
    """Those there are, then a new one."""
    return settings_page(
        rx.el.div(
            rx.el.h1("Access tokens", class_name="title"),
            rx.el.p(
                "A token acts for you: in a script, or in an agent's hands. "
                "For mic on your own machine you need none: it signs in with a code.",
                class_name="soft",
            ),
            class_name="stack tight",
        ),
        rx.cond(TokensState.secret != "", _made()),
        _list(),
        _form(),
        current=routes.TOKENS,
        crumbs=[("Settings", routes.ACCOUNT), ("Access tokens", routes.TOKENS)],
    )


def _made() -> rx.Component:
    return lists.section(
        "Your new token",
        rx.el.p("Copy it now: it is not shown again.", class_name="hint"),
        forms.copy_box(TokensState.secret),
        rx.el.p(
            "Scripts take it as ",
            rx.el.code("MICELIO_TOKEN"),
            ", the API as ",
            rx.el.code("Authorization: Bearer"),
            ", git as a password.",
            class_name="hint",
        ),
        class_name="stack tight",
    )


def _form() -> rx.Component:
    boxes = [
        forms.check(
            rx.fragment(rx.el.code(scope), " ", rx.el.span(SCOPES[scope], class_name="soft")),
            scope,
            default_checked=scope in USUAL,
        )
        for scope in OFFERED
    ]
    return lists.section(
        "New token",
        rx.el.form(
            forms.field("Name", "name", hint="What or who uses it.", required=True, max_length=100),
            rx.el.fieldset(rx.el.legend("It may"), *boxes, class_name="stack tight"),
            forms.check("It belongs to an agent: it never approves, and its sessions say so.", "agent"),
            forms.choice("It ends", "days", LIFETIMES, chosen="90"),
            forms.refusal(fault_at("token")),
            rx.el.p(forms.button("Create the token", type="submit", tone="primary")),
            on_submit=TokensState.create,
            reset_on_submit=True,
            class_name="stack",
        ),
        class_name="stack tight",
    )


def _list() -> rx.Component:
    nothing = lists.empty("No token yet", rx.el.p("Make one above to sign in with mic."))
    rows = lists.rows(rx.foreach(TokensState.tokens, _row))
    shown = rx.cond(TokensState.tokens.length() > 0, rows, rx.cond(TokensState.loaded, nothing))
    return lists.section("Your tokens", shown, count=TokensState.tokens.length())


def _row(row: rx.Var[TokenRow]) -> rx.Component:
    used = rx.cond(
        row.used_at != "", rx.el.span("used ", when(row.used_at, ago=True)), rx.el.span("never used")
    )
    return lists.row(
        rx.el.p(rx.el.b(row.name), " ", rx.cond(row.agent, chips.tag("agent", "slate"))),
        meta=(
            rx.el.code(row.hint),
            rx.el.span(row.scopes),
            used,
            rx.el.span("until ", row.expires_at),
        ),
        side=(forms.button("Revoke", tone="danger", small=True, on_click=TokensState.revoke(row.id)),),
    )


@head(routes.TOKENS)
async def tokens_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """Not for crawlers; a stranger is sent to sign in. The forms work without scripts too."""
    actor = await viewer(session)
    if not actor.signed_in:
        return Head(title="Access tokens", status=303, location=routes.sign_in(routes.TOKENS), indexed=False)
    listed = await ask(session, operations.list_access_tokens)
    body = plain_settings.tokens(listed.items, token=token_for_forms(session), query=query)
    return Head(title="Access tokens", indexed=False, body=body)


layout.screen(routes.TOKENS, tokens_page, title="Access tokens · Micelio", on_load=[TokensState.load])
