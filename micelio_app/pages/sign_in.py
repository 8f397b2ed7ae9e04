"""Sign-in: a real form, because only a page load can carry a new HttpOnly cookie.

The server answers a refused form with a redirect back here and the reason as a word in
`?refused=`, the page to go on to in `?next=`.
"""

import reflex as rx

from micelio_app import layout, routes
from micelio_app.head import Head, head
from micelio_app.state import AppState
from micelio_app.ui import forms, lists
from micelio_app.ui.links import mark

ACTION = "/auth/login"
"""Where the form posts handle, password and next to."""

REASONS = {
    "wrong": "Handle, e-mail or password is wrong. Check them and try again.",
    "limited": "Too many tries. Wait a minute, then try again.",
    "used": "This link was used or has expired. Ask for a new one.",
}


class SignInState(AppState):
    """What the address says about the last try and where to go on to."""

    next_path: str = ""
    reason: str = ""

    @rx.event
    async def load(self):
        """Read the query; only a path of ours is gone on to."""
        query = self.router.url.query_parameters
        wanted = query.get("next", "")
        self.next_path = wanted if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) else ""
        self.reason = REASONS.get(query.get("refused", ""), "")


def sign_in_page() -> rx.Component:
    """The form, in the middle of the page."""
    return layout.page(
        rx.el.div(
            rx.el.div(
                rx.el.span(mark(), class_name="large-mark"),
                rx.el.h1("Sign in", class_name="title"),
                rx.cond(
                    SignInState.next_path != "",
                    rx.el.p("to go on to ", rx.el.code(SignInState.next_path), class_name="soft"),
                ),
                class_name="stack tight",
            ),
            rx.cond(
                SignInState.reason != "", lists.notice("Not signed in.", SignInState.reason, tone="rust")
            ),
            forms.post(
                rx.el.input(type="hidden", name="next", value=SignInState.next_path, read_only=True),
                forms.field(
                    "Handle or e-mail", "login", auto_complete="username", auto_focus=True, required=True
                ),
                forms.field(
                    "Password", "password", kind="password", auto_complete="current-password", required=True
                ),
                forms.button("Sign in", type="submit", tone="primary", block=True),
                action=ACTION,
                class_name="stack fields",
            ),
            class_name="stack sign-in",
        ),
        class_name="page centred",
        home=True,
    )


@head(routes.SIGN_IN)
async def sign_in_head(session: str | None) -> Head:
    """Sign-in says little of itself."""
    return Head(title="Sign in", path=routes.SIGN_IN, indexed=False, body=PLAIN_FORM)


PLAIN_FORM = (
    f'<h1 class="title">Sign in</h1><form class="stack sign-in" method="post" action="{ACTION}">'
    '<p class="field"><label for="plain-login">Handle or e-mail</label>'
    '<input class="input" id="plain-login" name="login" autocomplete="username" required></p>'
    '<p class="field"><label for="plain-password">Password</label><input class="input" id="plain-password" '
    'type="password" name="password" autocomplete="current-password" required></p>'
    '<button class="btn primary block">Sign in</button></form>'
)

layout.screen(routes.SIGN_IN, sign_in_page, title="Sign in · Micelio", on_load=[SignInState.load])
