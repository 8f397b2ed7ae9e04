"""The app that granian loads: pages, and in front of them the front door.

`app` is an ASGI factory. Read `micelio_app.frontend` for what must be true before it is loaded.
"""

import asyncio
import re

import reflex as rx
from reflex_base.vars import Var
from reflex_base.vars.function import ArgsFunctionOperation
from reflex_components_core.base.error_boundary import ErrorBoundary
from starlette.routing import Mount

from backend.doors.web import Asgi, FrontDoor
from micelio_app import layout, pages, state
from micelio_app.config import FRONTEND
from micelio_app.frontend import Frontend
from micelio_app.head import head_for

__all__ = ["app"]


def _boundary(stateful: bool) -> rx.Component:
    shown = rx.el.main(layout.broken("this address"), class_name="page stack")
    return ErrorBoundary.create(
        fallback_render=ArgsFunctionOperation.create(("_problem",), Var.create(shown))
    )


def _head() -> list[rx.Component]:
    return [
        rx.el.link(rel="icon", href="/favicon.ico", sizes="32x32"),
        rx.el.link(rel="icon", href="/mark.svg", type="image/svg+xml"),
        rx.el.link(rel="apple-touch-icon", href="/apple-touch-icon.png"),
        rx.el.link(rel="manifest", href="/manifest.webmanifest"),
        rx.el.meta(name="color-scheme", content="light dark"),
        rx.el.script(src="/shell.js", defer=True),
    ]


def _front_door(reflex_asgi: Asgi) -> Asgi:
    """Open the forge of this process and put the door in front of Reflex.

    Called when the server loads the app and never when pages are built, so building needs no
    settings and no database; what it needs is imported here for the same reason.
    """
    from backend.core import observe
    from backend.core.config import Settings
    from backend.core.context import Forge
    from backend.doors import identify
    from backend.doors.routes import own_app
    from backend.projects.forgetting import Forgetter
    from backend.projects.keeping import Keeper

    settings = Settings.from_environ()
    observe.configure(settings)
    forge = Forge.open(settings)
    Forgetter(forge)
    Keeper(forge)
    state.serve_from(forge, identify.from_browser_id)

    async def session_of(cookies: str | None) -> str | None:
        return await asyncio.to_thread(identify.browser_id, forge, cookies)

    frontend = Frontend(FRONTEND / "build" / "client", head_for)
    return FrontDoor(reflex_asgi, own_app(forge), frontend, session_of, forge.settings)


class App(rx.App):
    """Reflex's app, whose outermost mount takes every path."""

    def __call__(self) -> Asgi:
        """The ASGI app that the server runs."""
        asgi = super().__call__()
        for mount in asgi.routes:
            # A name in a tree may hold a newline, which the mount's own pattern does not match.
            if isinstance(mount, Mount):
                mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
        return asgi


app = App(
    stylesheets=["/tokens.css", "/components.css", "/code.css", "/prose.css", "/pages.css"],
    reset_style=False,
    html_lang="en",
    head_components=_head(),
    app_wraps={(55, "ErrorBoundary"): _boundary},
    toaster=None,
    backend_exception_handler=state.refusal_of,
    api_transformer=_front_door,
)
PAGES = pages.ALL
