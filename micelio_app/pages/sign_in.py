"""Sign-in by password and by one-time link, and the first administrator's welcome.

All are real forms, because only a page load can carry a new HttpOnly cookie: see
`backend.accounts.web`. A refused form comes back here with a code in `?error=`, and with what was
typed into it, but for passwords.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

import reflex as rx

from backend.accounts.web import local_path
from micelio_app import layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.state import AppState
from micelio_app.ui import forms, lists
from micelio_app.ui.links import Text, outside

REASONS = {
    "sign_in.wrong": "No account has this handle or e-mail address together with this password.",
    "rate.limited": "Too many tries. Wait a minute, then try again.",
    "link.invalid": "This link was used, replaced or has expired. Ask for a new one.",
    "handle.invalid": "A handle is 1 to 39 lower-case letters and digits, with single dashes between them.",
    "handle.taken": "This handle is taken. Choose another one.",
    "password.short": "The password is too short. Use at least 12 characters.",
    "password.long": "The password is too long.",
    "password.weak": "This password is too easy to guess. A few unrelated words do well.",
    "password.common": "This password is one that many people use. A few unrelated words do well.",
    "password.personal": "This password contains your handle or e-mail address. Choose another one.",
    "password.pattern": "This password is a simple pattern. A few unrelated words do well.",
    "email.invalid": "That is not an e-mail address. It looks like name@example.org.",
    "email.taken": "An account with this address exists meanwhile. Sign in to it.",
    "sign_up.closed": "Nobody signs up here by themselves. Ask an administrator for an invitation.",
}
OTHERWISE = "What was sent could not be used. Check it and try again."


class SignInState(AppState):
    """What the address says: the last try's refusal and its fields, a link's token, where to go on to.

    `wrong` is the field that the refusal is about, where it is about one.
    """

    next_path: str = ""
    link_token: str = ""
    reason: str = ""
    wrong: str = ""
    handle: str = ""
    email: str = ""
    name: str = ""

    @rx.event
    async def load(self):
        """Read the query; only a path of ours is gone on to."""
        query = self.router.url.query_parameters
        wanted = query.get("next", "")
        local = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
        self.next_path = wanted if local else ""
        self.link_token = query.get("token", "")
        code = query.get("error", "")
        self.reason = REASONS.get(code, OTHERWISE) if code else ""
        field = code.partition(".")[0]
        self.wrong = field if field in ("handle", "email", "password") else ""
        self.handle, self.email, self.name = (query.get(each, "") for each in ("handle", "email", "name"))


def sign_in_page() -> rx.Component:
    """Handle or e-mail, and password."""
    going_on = rx.cond(
        SignInState.next_path != "",
        rx.el.p("to go on to ", rx.el.code(SignInState.next_path), class_name="soft"),
    )
    return entry(
        "Sign in",
        "/auth/sign-in",
        forms.field("Handle or e-mail", "handle", auto_complete="username", auto_focus=True, required=True),
        password_field(
            "current-password", beside=outside("Forgot it?", href=routes.FORGOT, class_name="hint end")
        ),
        under=going_on,
        button="Sign in",
        refused="Not signed in.",
        after=rx.el.p(
            "New here? ",
            outside("Get an account", href=routes.SIGN_UP),
            ". Signing in from a terminal? ",
            outside("Enter a device code", href=routes.DEVICE),
            ".",
            class_name="soft small",
        ),
    )


def welcome_page() -> rx.Component:
    """The first administrator names themselves; the link came on the server's own screen."""
    return entry(
        "Welcome",
        "/auth/first",
        handle_field(),
        email_field(),
        password_field("new-password", hint="At least 12 characters. A few unrelated words do well."),
        under=rx.el.p("Make the first account of this forge. It looks after the others.", class_name="soft"),
        button="Create the account",
        refused="Not created.",
    )


def link_page() -> rx.Component:
    """A one-time link signs in by itself once the button is pressed; a mail scanner presses none."""
    return entry(
        "Sign in by link",
        "/auth/link",
        password_field(
            "new-password",
            label="New password",
            hint="Leave it empty to keep the one you have.",
            required=False,
        ),
        under=rx.el.p("This link works once.", class_name="soft"),
        button="Sign in",
        refused="Not signed in.",
    )


def entry(
    title: str,
    action: str,
    *fields: Any,
    under: Any,
    button: str,
    refused: Text,
    after: Any = None,
    still: bool = True,
) -> rx.Component:
    """A page with one form that leads in, there before any State. Not `still` where a State says if it is."""
    fault = (SignInState.reason != "") & (SignInState.wrong == "")
    form = rx.fragment(
        rx.cond(fault, lists.notice(refused, SignInState.reason, tone="rust")),
        forms.post(
            hidden("next", SignInState.next_path),
            hidden("token", SignInState.link_token),
            *fields,
            forms.button(button, type="submit", tone="primary", block=True),
            action=action,
            class_name="stack fields",
        ),
        after if after is not None else rx.fragment(),
    )
    return layout.page(
        rx.el.div(
            lists.opening(title, under),
            form,
            class_name="stack sign-in",
        ),
        class_name="page centred",
        home=True,
        still=still,
    )


def handle_field(
    *, hint: str = "Your name in addresses: lower-case letters, digits, dashes."
) -> rx.Component:
    """The handle somebody wants."""
    return _kept("Handle", "handle", SignInState.handle, hint=hint, auto_complete="username", auto_focus=True)


def email_field() -> rx.Component:
    """The address somebody is reached at."""
    given = SignInState.email
    return _kept("E-mail", "email", given, kind="email", hint="Never shown to others.", auto_complete="email")


def name_field() -> rx.Component:
    """What others read beside the handle."""
    given = SignInState.name
    return _kept(
        "Name", "name", given, hint="As others read it; may be empty.", required=False, auto_complete="name"
    )


def _kept(label: str, name: str, given: rx.Var[str], **properties: Any) -> rx.Component:
    # The key makes the field anew once the State knows what was typed before.
    properties.setdefault("required", True)
    return forms.field(label, name, error=_fault(name), default_value=given, key=given, **properties)


def _fault(name: str) -> rx.Var[str]:
    return rx.cond(SignInState.wrong == name, SignInState.reason, "")


def password_field(
    purpose: str, *, label: str = "Password", required: bool = True, hint: str = "", beside: Any = None
) -> rx.Component:
    """A password: the one of now, or a new one."""
    return forms.field(
        label,
        "password",
        kind="password",
        hint=hint,
        error=_fault("password"),
        beside=beside,
        auto_complete=purpose,
        required=required,
    )


def hidden(name: str, value: Text) -> rx.Component:
    """What a form carries along."""
    return rx.el.input(type="hidden", name=name, value=value, read_only=True)


def plain_form(query: Mapping[str, str]) -> str:
    """The form for browsers without scripts, with the last try's refusal."""
    code, wanted = query.get("error", ""), query.get("next", "")
    told = plain.notice("Not signed in.", REASONS.get(code, OTHERWISE), "rust") if code else ""
    there = local_path(wanted)
    onward = f'<p class="soft">to go on to <code>{escape(there)}</code></p>' if there != "/" else ""
    return (
        f'<div class="stack sign-in"><h1 class="title">Sign in</h1>{onward}{told}'
        '<form class="stack fields" method="post" action="/auth/sign-in">'
        f'<input type="hidden" name="next" value="{escape(there)}">'
        '<p class="field"><label for="plain-handle">Handle or e-mail</label>'
        '<input class="input" id="plain-handle" name="handle" autocomplete="username" required></p>'
        '<p class="field"><label for="plain-password">Password</label><input class="input" '
        'id="plain-password" type="password" name="password" autocomplete="current-password" required></p>'
        '<button class="btn primary block">Sign in</button></form>'
        f'<p class="soft small">New here? <a href="{routes.SIGN_UP}">Get an account</a>. '
        f'<a href="{routes.FORGOT}">Forgot the password?</a></p></div>'
    )


def plain_entry(
    query: Mapping[str, str],
    title: str,
    action: str,
    *fields: str,
    button: str,
    refused: str,
    under: str = "",
    after: str = "",
) -> str:
    """One of the other forms that lead in, for browsers without scripts; a link's token goes along."""
    code, there = query.get("error", ""), local_path(query.get("next", ""))
    told = plain.notice(refused, REASONS.get(code, OTHERWISE), "rust") if code else ""
    carried = {"token": query.get("token", ""), "next": there if there != "/" else ""}
    along = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in carried.items()
        if value
    )
    return (
        f'<div class="stack sign-in"><h1 class="title">{title}</h1><p class="soft">{under}</p>{told}'
        f'<form class="stack fields" method="post" action="{action}">{along}{"".join(fields)}'
        f'<button class="btn primary block">{button}</button></form>{after}</div>'
    )


def plain_field(
    label: str, name: str, query: Mapping[str, str], *, purpose: str, kind: str = "text", needed: bool = True
) -> str:
    """A field of such a form, with what was typed before; a password is never there again."""
    typed = "" if kind == "password" else query.get(name, "")
    return (
        f'<p class="field"><label for="plain-{name}">{label}</label><input class="input" id="plain-{name}" '
        f'name="{name}" type="{kind}" autocomplete="{purpose}" value="{escape(typed)}"'
        f"{' required' * needed}></p>"
    )


def plain_password(query: Mapping[str, str], label: str = "Password", *, needed: bool = True) -> str:
    """A new password."""
    return plain_field(label, "password", query, purpose="new-password", kind="password", needed=needed)


@head(routes.SIGN_IN)
async def sign_in_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """The form works without scripts too."""
    return Head(title="Sign in", path=routes.SIGN_IN, indexed=False, body=plain_form(query))


@head(routes.WELCOME)
async def welcome_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """Not for crawlers; the form works without scripts too."""
    body = plain_entry(
        query,
        "Welcome",
        "/auth/first",
        plain_field("Handle", "handle", query, purpose="username"),
        plain_field("E-mail", "email", query, purpose="email", kind="email"),
        plain_password(query),
        under="Make the first account of this forge. It looks after the others.",
        button="Create the account",
        refused="Not created.",
    )
    return Head(title="Welcome", indexed=False, body=body)


@head(routes.LINK)
async def link_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """Not for crawlers; the form works without scripts too."""
    body = plain_entry(
        query,
        "Sign in by link",
        "/auth/link",
        plain_password(query, "New password, or empty to keep yours", needed=False),
        under="This link works once.",
        button="Sign in",
        refused="Not signed in.",
    )
    return Head(title="Sign in by link", indexed=False, body=body)


layout.screen(routes.SIGN_IN, sign_in_page, title="Sign in · Micelio", on_load=[SignInState.load])
layout.screen(routes.WELCOME, welcome_page, title="Welcome · Micelio", on_load=[SignInState.load])
layout.screen(routes.LINK, link_page, title="Sign in by link · Micelio", on_load=[SignInState.load])
