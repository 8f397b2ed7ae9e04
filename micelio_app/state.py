"""State of one tab, and the one way from it to the forge.

A State holds what its page shows and nothing else: it is a disposable cache that `on_load`
fills again. Who asks is never in it. Each call takes the public id of the browser session from
the handshake, where the front door put it, and looks that session up again.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import reflex as rx
from pydantic import BaseModel
from reflex.constants import RouteArgType
from reflex.event import EventSpec

from backend.accounts.form_tokens import form_token
from backend.core.context import Actor, Forge
from backend.core.errors import Kind, MicelioError, ValidationFailed
from backend.core.operations import invoke
from backend.projects.web import Prepare, html_of
from micelio_app import routes
from micelio_app.callers import ADDRESS_HEADER, caller, found

Schema = TypeVar("Schema", bound=BaseModel)
Identify = Callable[[Forge, str | None, str], Actor]

log = logging.getLogger(__name__)


class _Instance:
    """The running forge of this process; set once by the app before it serves."""

    forge: Forge | None = None
    identify: Identify | None = None


def serve_from(forge: Forge, identify: Identify) -> None:
    """Say which forge the pages show and who stands behind a browser session's public id."""
    _Instance.forge, _Instance.identify = forge, identify


async def ask(browser: str | None, operation: Callable[..., Schema], /, **payload: Any) -> Schema:
    """Run an operation as whoever this browser's session belongs to, off the event loop.

    Heads use it directly, handlers through `AppState.call`. Raises what the operation raises.
    """
    return await asyncio.to_thread(_ask, browser, operation, payload)


def _ask(browser: str | None, operation: Callable[..., Any], payload: dict[str, Any]) -> Any:
    return invoke(*_asker(browser), operation, payload)


def _asker(browser: str | None) -> tuple[Forge, Actor]:
    """The forge, and who asks."""
    forge, identify, known = _Instance.forge, _Instance.identify, found.get()
    if forge is None or identify is None:
        raise RuntimeError("no forge is served: call state.serve_from first")
    if known is None:
        return forge, identify(forge, browser, caller.get())
    if browser not in known:
        known[browser] = identify(forge, browser, caller.get())
    return forge, known[browser]


async def drawn(browser: str | None, prepare: Prepare, at: dict[str, str], query: dict[str, str]) -> str:
    """A fragment's HTML for readers without scripts, drawn as for a page. Raises what operations raise."""
    return await asyncio.to_thread(_drawn, browser, prepare, at, query)


def _drawn(browser: str | None, prepare: Prepare, at: dict[str, str], query: dict[str, str]) -> str:
    forge, actor = _asker(browser)
    return html_of(forge, prepare(forge, actor, at, query))


def token_for_forms(browser: str | None) -> str:
    """What a form for this browser carries, so that no other page can post it."""
    return form_token(_Instance.forge.settings, browser) if _Instance.forge else ""


async def viewer(session: str | None) -> Actor:
    """Who a browser session belongs to; an anonymous actor when it is gone."""
    if _Instance.forge is None:
        return Actor()
    return (await asyncio.to_thread(_asker, session))[1]


# The slugs of every pattern in `routes`, known to views before any page is hung.
rx.State.setup_dynamic_args(
    dict.fromkeys(
        ("org", "project", "ref", "position", "session_id", "import_id", "invitation_id"), RouteArgType.SINGLE
    )
    | {"splat": RouteArgType.LIST}
)


class AppState(rx.State):
    """What every page has: who looks at it, whether it exists, and the last thing to be told."""

    viewer_handle: str = ""
    viewer_name: str = ""
    viewer_admin: bool = False
    missing: bool = False
    loaded_path: str = ""
    loaded_query: str = ""
    notice_title: str = ""
    notice_text: str = ""
    notice_tone: str = ""
    fault: str = ""
    fault_place: str = ""

    async def call(self, operation: Callable[..., Schema], /, **payload: Any) -> Schema:
        """Run an operation for whoever is signed in here.

        A refusal ends the handler: `refusal_of` turns it into a notice, the missing page, or
        sign-in. So handlers need no `try` and may trust what comes back.
        """
        caller.set(self.router.headers.raw_headers.get(ADDRESS_HEADER, ""))
        try:
            return await ask(self._session, operation, **payload)
        except MicelioError as refusal:
            # `refused` comes after `arrive`, and until then the page would stand there with nothing in it.
            if refusal.kind is Kind.NOT_FOUND:
                self.missing = True
            raise

    async def attempt(self, place: str, operation: Callable[..., Schema], /, **payload: Any) -> Schema | None:
        """`call`, for a form that shows its refusal where it stands: None, and `fault` is for `place`."""
        self.fault, self.fault_place = "", ""
        try:
            return await self.call(operation, **payload)
        except MicelioError as refusal:
            if refusal.kind in (Kind.UNAUTHENTICATED, Kind.UNAVAILABLE, Kind.CORRUPT):
                raise
            if refusal.kind is Kind.NOT_FOUND:
                self.missing = False
            self.fault, self.fault_place = _in_a_form(refusal), place
            return None

    @property
    def _session(self) -> str | None:
        return self.router.headers.raw_headers.get("x-micelio-session")

    def say(self, title: str, text: str = "", tone: str = "moss") -> None:
        """Tell what just happened, until it is dismissed or the page changes."""
        self.notice_title, self.notice_text, self.notice_tone = title, text, tone

    @rx.event
    async def enter(self):
        """Begin a page: nothing told, nothing missing, and who looks at it looked up again."""
        self.missing = False
        self.fault, self.fault_place = "", ""
        self.say("", "", "")
        actor = await viewer(self._session)
        self.viewer_handle, self.viewer_name, self.viewer_admin = actor.handle, actor.name, actor.admin

    @rx.event
    async def arrive(self):
        """End a page's loading: from here on its State speaks of this address and no other."""
        self.loaded_path = self.router.url.path
        self.loaded_query = f"?{self.router.url.query}" if self.router.url.query else ""

    @rx.event
    async def dismiss(self):
        """Take the notice away."""
        self.say("", "", "")

    @rx.event
    async def refused(self, kind: str, sentence: str):
        """Show why a call was refused."""
        if kind == Kind.NOT_FOUND:
            self.missing = True
        elif kind == Kind.UNAUTHENTICATED:
            return rx.redirect(routes.sign_in(self.router.url.path))
        else:
            self.say(_TITLES.get(kind, "Not done."), sentence, "rust")
        return None


def fault_at(place: str) -> rx.Var[str]:
    """Why what was sent from that place of the page was refused; empty while it was not."""
    return rx.cond(AppState.fault_place == place, AppState.fault, "")


def _in_a_form(refusal: MicelioError) -> str:
    """The sentence below a field: where it stands says already which one it is about."""
    if not isinstance(refusal, ValidationFailed):
        return refusal.sentence
    problem: str = refusal.details["fields"][0]["problem"]
    return f"{problem[:1].upper()}{problem[1:]}."


_TITLES = {
    Kind.CONFLICT: "Not done.",
    Kind.EXHAUSTED: "Too many at once.",
    Kind.FORBIDDEN: "Not allowed.",
    Kind.INVALID: "Not done.",
    Kind.UNAVAILABLE: "Not now.",
}


def refusal_of(exception: Exception) -> EventSpec:
    """What the tab is told when a handler raised: the refusal's sentence, or that we broke.

    Reflex calls it with every exception of a handler. A bug is logged with its traceback.
    """
    if isinstance(exception, MicelioError):
        return AppState.refused(str(exception.kind), exception.sentence)
    request_id = str(uuid.uuid4())
    log.error("page request %s failed", request_id, exc_info=exception)
    sentence = f"That broke on our side and nothing you did was lost. Tell an operator {request_id}."
    return AppState.refused(str(Kind.UNAVAILABLE), sentence)
