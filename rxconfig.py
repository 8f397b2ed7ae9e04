"""Reflex's settings: where the app is and how its bundle finds its own server.

Reflex reads this file from the current directory only, and silently takes its defaults
(any origin may open the socket) when there is none: whoever starts the app must `chdir`
to this folder first; `micelio_app.frontend` does.
"""

import reflex as rx
from reflex.plugins import SitemapPlugin

from micelio_app.frontend import SAME_ORIGIN, SameOriginPlugin

config = rx.Config(
    app_name="micelio_app",
    api_url=SAME_ORIGIN,
    deploy_url=None,
    telemetry_enabled=False,
    show_built_with_reflex=False,
    cors_allowed_origins=[],  # the front door decides who may open the socket
    plugins=[SameOriginPlugin()],
    disable_plugins=[SitemapPlugin],
    frontend_compression_formats=["gzip"],
)
