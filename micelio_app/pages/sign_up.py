"""Getting an account, and getting back into one: sign-up, confirmed addresses, forgotten passwords.

Each form is posted to `backend.accounts.web`. What is said after asking for a link is the same
whether the forge knows the address or not.
"""

from collections.abc import Mapping

import reflex as rx

from backend.instance import service as instance
from micelio_app import layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.pages.sign_in import (
    SignInState,
    email_field,
    entry,
    handle_field,
    name_field,
    password_field,
    plain_entry,
    plain_field,
    plain_password,
)
from micelio_app.state import AppState, ask
from micelio_app.ui import forms, lists
from micelio_app.ui.links import outside

GOOD_PASSWORD = "At least 12 characters. A few unrelated words do well."
BY_MAIL = "A link to confirm your address comes by mail."
BY_HAND = "This forge sends no mail: its administrator hands you the link to confirm your address."
NOT_HERE = "This forge sends no mail: its administrator finds the link in the outbox and hands it over."


class SignUpState(AppState):
    """How one gets an account here."""

    signup: str = ""
    sends_mail: bool = True

    @rx.event
    async def load(self):
        """What this forge allows."""
        here = await self.call(instance.get_instance)
        self.signup, self.sends_mail = here.signup.value, here.sends_mail


def sign_up_page() -> rx.Component:
    """Open: ask for a link. Invited: make the account. Otherwise: how one gets in."""
    invited = SignInState.link_token != ""
    form = entry(
        "Create an account",
        "/auth/sign-up",
        handle_field(),
        rx.cond(invited, rx.fragment(), email_field()),
        name_field(),
        password_field("new-password", hint=GOOD_PASSWORD),
        under=rx.el.p(
            rx.cond(
                invited,
                "You are invited. Your address is known from the invitation.",
                rx.cond(SignUpState.sends_mail, BY_MAIL, BY_HAND),
            ),
            class_name="soft",
        ),
        button="Create the account",
        refused="Not created.",
        after=rx.el.p(
            "You have one? ", outside("Sign in", href=routes.SIGN_IN), ".", class_name="soft small"
        ),
        still=False,
    )
    usable = (SignUpState.signup == "open") | invited
    return rx.cond((SignUpState.signup == "") | usable, form, _by_invitation())


def _by_invitation() -> rx.Component:
    how = rx.cond(
        SignUpState.signup == "closed",
        "Its administrators make the accounts. Ask one of them.",
        "An administrator sends it by mail; the link in it makes your account.",
    )
    return layout.page(
        rx.el.div(
            lists.opening(
                rx.cond(SignUpState.signup == "closed", "Sign-up is closed here", "Sign-up is by invitation"),
                how,
            ),
            rx.el.p(
                "You have an account? ", outside("Sign in", href=routes.SIGN_IN), ".", class_name="soft small"
            ),
            class_name="stack sign-in",
        ),
        class_name="page centred",
        home=True,
    )


def confirm_page() -> rx.Component:
    """A button, since mail scanners open links and press none."""
    taken = SignInState.wrong == "handle"
    return entry(
        "Confirm your address",
        "/auth/confirm",
        rx.cond(taken, handle_field(hint="Somebody was faster. Choose another one."), rx.fragment()),
        under=rx.el.p("One press, and this address is yours here. The link works once.", class_name="soft"),
        button="Confirm",
        refused="Not confirmed.",
    )


def forgot_page() -> rx.Component:
    """Ask for a link."""
    return entry(
        "Forgotten password",
        "/auth/forgot",
        forms.field(
            "Handle or e-mail",
            "handle",
            auto_complete="username",
            auto_focus=True,
            required=True,
            default_value=SignInState.handle,
            key=SignInState.handle,
        ),
        under=rx.el.p("We mail you a link by which you choose a new one.", class_name="soft"),
        button="Send the link",
        refused="Not sent.",
        after=rx.el.p(
            "You remember it? ", outside("Sign in", href=routes.SIGN_IN), ".", class_name="soft small"
        ),
    )


def reset_page() -> rx.Component:
    """Choose a new password."""
    return entry(
        "New password",
        "/auth/reset",
        password_field("new-password", label="New password", hint=GOOD_PASSWORD),
        under=rx.el.p(
            "It signs you in here, and out everywhere else. The link works once.", class_name="soft"
        ),
        button="Set the password",
        refused="Not set.",
    )


def sent_page() -> rx.Component:
    """What is said after asking for a link: a page of its own, so that no form waits behind it."""
    return layout.page(
        rx.el.div(
            rx.cond(
                SignUpState.sends_mail,
                lists.opening(
                    "Look at your mail",
                    "If that address can be used here, a link is on its way to it.",
                    live=True,
                ),
                lists.opening("A link was made", NOT_HERE, live=True),
            ),
            rx.el.p(
                "It works once. Nothing came? Look among the junk, or ask again: ",
                outside("for an account", href=routes.SIGN_UP),
                ", ",
                outside("for a new password", href=routes.FORGOT),
                ".",
                class_name="soft small",
            ),
            class_name="stack sign-in",
        ),
        class_name="page centred",
        home=True,
    )


@head(routes.SIGN_UP)
async def sign_up_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """The form without scripts, for whoever may sign up or was sent a link."""
    here = await ask(session, instance.get_instance)
    email = plain_field("E-mail", "email", query, purpose="email", kind="email")
    body = plain_entry(
        query,
        "Create an account",
        "/auth/sign-up",
        plain_field("Handle", "handle", query, purpose="username"),
        # The link was sent to it.
        "" if query.get("token") else email,
        plain_field("Name, may be empty", "name", query, purpose="name", needed=False),
        plain_password(query),
        button="Create the account",
        refused="Not created.",
    )
    if here.signup.value != "open" and not query.get("token"):
        body = plain.title("Sign-up is by invitation") + "<p>Ask an administrator of this forge for one.</p>"
    return Head(title="Create an account", path=routes.SIGN_UP, indexed=False, body=body)


@head(routes.FORGOT)
async def forgot_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """The form works without scripts too."""
    body = plain_entry(
        query,
        "Forgotten password",
        "/auth/forgot",
        plain_field("Handle or e-mail", "handle", query, purpose="username"),
        under="We mail you a link by which you choose a new one.",
        button="Send the link",
        refused="Not sent.",
    )
    return Head(title="Forgotten password", path=routes.FORGOT, indexed=False, body=body)


@head(routes.SENT)
async def sent_head(session: str | None) -> Head:
    """Said without scripts too."""
    here = await ask(session, instance.get_instance)
    said = "If that address can be used here, a link is on its way to it." if here.sends_mail else NOT_HERE
    return Head(
        title="A link was made", indexed=False, body=plain.title("A link was made") + f"<p>{said}</p>"
    )


@head(routes.CONFIRM)
async def confirm_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """Not for crawlers; the form works without scripts too."""
    taken = query.get("error", "").startswith("handle.")
    body = plain_entry(
        query,
        "Confirm your address",
        "/auth/confirm",
        plain_field("Another handle", "handle", query, purpose="username") if taken else "",
        under="One press, and this address is yours here. The link works once.",
        button="Confirm",
        refused="Not confirmed.",
    )
    return Head(title="Confirm your address", indexed=False, body=body)


@head(routes.RESET)
async def reset_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """Not for crawlers; the form works without scripts too."""
    body = plain_entry(
        query,
        "New password",
        "/auth/reset",
        plain_password(query, "New password"),
        under="It signs you in here, and out everywhere else. The link works once.",
        button="Set the password",
        refused="Not set.",
    )
    return Head(title="New password", indexed=False, body=body)


for _route, _view, _title in (
    (routes.SIGN_UP, sign_up_page, "Create an account"),
    (routes.CONFIRM, confirm_page, "Confirm your address"),
    (routes.FORGOT, forgot_page, "Forgotten password"),
    (routes.SENT, sent_page, "A link was made"),
    (routes.RESET, reset_page, "New password"),
):
    layout.screen(_route, _view, title=f"{_title} · Micelio", on_load=[SignInState.load, SignUpState.load])
