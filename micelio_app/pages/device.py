"""Letting a program in: the code it shows is typed here, and answered with yes or no.

The page says who asks, from where and for what, before anything can be pressed; what a program
calls itself proves nothing, so the question is always whether the reader began it.
"""

import reflex as rx

from backend.accounts import grants
from backend.accounts.schemas import DeviceRequest
from backend.core.operations import SCOPES
from micelio_app import layout, routes
from micelio_app.head import Head, head
from micelio_app.state import AppState, fault_at
from micelio_app.ui import forms, lists
from micelio_app.ui.links import when


class DeviceState(AppState):
    """The code, what is asked with it, and the answer."""

    code: str = ""
    client: str = ""
    name: str = ""
    address: str = ""
    asked_at: str = ""
    may: rx.Field[list[str]] = rx.field(default_factory=list)
    answer: str = ""

    @rx.event
    async def load(self):
        """A code in the address is looked up at once."""
        self.code = self.client = self.answer = ""
        given = self.router.url.query_parameters.get("user_code", "")
        if not self.viewer_handle:
            page = f"{routes.DEVICE}?user_code={given}" if given.replace("-", "").isalnum() else routes.DEVICE
            return rx.redirect(routes.sign_in(page))
        if given:
            await self._look(given)
        return None

    @rx.event
    async def look(self, form: dict[str, str]):
        """Who shows this code."""
        await self._look(form.get("user_code", ""))

    @rx.event
    async def approve(self):
        """Let it in."""
        if await self.attempt("answer", grants.approve_device_request, user_code=self.code):
            self.answer = "approved"

    @rx.event
    async def deny(self):
        """Turn it away."""
        if await self.attempt("answer", grants.deny_device_request, user_code=self.code):
            self.answer = "denied"

    async def _look(self, code: str) -> None:
        asked = await self.attempt("code", grants.get_device_request, user_code=code)
        if asked is not None:
            self._show(asked)

    def _show(self, asked: DeviceRequest) -> None:
        self.code, self.client, self.name = asked.user_code, asked.client, asked.name
        self.address, self.asked_at = asked.address, asked.created_at.isoformat()
        self.may = [says for scope, says in SCOPES.items() if scope in asked.scopes]


def device_page() -> rx.Component:
    """The code, then the question, then what became of it."""
    return layout.page(
        rx.el.div(
            rx.match(
                DeviceState.answer,
                ("approved", _approved()),
                ("denied", _denied()),
                rx.cond(DeviceState.client != "", _question(), _code()),
            ),
            class_name="stack sign-in",
        ),
        class_name="page centred",
        exact=True,
        home=True,
    )


def _code() -> rx.Component:
    return rx.fragment(
        lists.opening(
            "Enter the code", "mic, or another program on a machine of yours, shows one of eight letters."
        ),
        rx.el.form(
            forms.field(
                "Code",
                "user_code",
                error=fault_at("code"),
                hint="Like BDWP-HQPK; case and dash do not matter.",
                auto_complete="off",
                auto_capitalize="characters",
                spell_check=False,
                auto_focus=True,
                required=True,
                max_length=40,
            ),
            forms.button("Go on", type="submit", tone="primary", block=True),
            on_submit=DeviceState.look,
            class_name="stack fields",
        ),
    )


def _question() -> rx.Component:
    return rx.fragment(
        lists.opening("Let it in?", "It will act in your name until you sign it out in your settings."),
        rx.el.p(DeviceState.code, class_name="user-code", aria_label="The code it shows"),
        lists.facts(
            ("Program", DeviceState.client),
            ("Device", DeviceState.name),
            ("Asked", rx.el.span(when(DeviceState.asked_at, ago=True), " from ", DeviceState.address)),
            down=True,
        ),
        lists.section(
            "It may",
            rx.el.ul(
                rx.foreach(DeviceState.may, lambda words: rx.el.li(words)), class_name="stack close bullets"
            ),
            class_name="stack tight",
        ),
        lists.notice(
            "Only if you began this.",
            "Somebody who sends you a code wants to work as you.",
            tone="ochre",
        ),
        rx.cond(
            DeviceState.fault_place == "answer",
            lists.notice("Not done.", DeviceState.fault, tone="rust"),
        ),
        rx.el.div(
            forms.button("Let it in", tone="primary", on_click=DeviceState.approve),
            forms.button("Turn it away", tone="danger", on_click=DeviceState.deny),
            class_name="line close",
        ),
    )


def _approved() -> rx.Component:
    return lists.opening(
        "It is in", "The program goes on by itself in a few seconds. You can close this page.", live=True
    )


def _denied() -> rx.Component:
    return lists.opening("Turned away", "Nobody was let in. You can close this page.", live=True)


@head(routes.DEVICE)
async def device_head(session: str | None) -> Head:
    """Not for crawlers; a stranger is sent to sign in by the page, which knows the code."""
    return Head(title="Let a device in", indexed=False)


layout.screen(routes.DEVICE, device_page, title="Let a device in · Micelio", on_load=[DeviceState.load])
