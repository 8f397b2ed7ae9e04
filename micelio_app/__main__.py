"""`micelio`: the operator's program, where the forge and its pages meet.

Keep what is imported here small: the supervisor and the web server's own parent hold it all
the time, and need neither Reflex nor the forge.
"""

import sys

from backend.core.config import Settings
from backend.doors import manage
from micelio_app import config


def main() -> int:
    """Run what the command line asks for."""
    face = manage.Face(
        command=(sys.executable, "-m", "micelio_app"),
        app="micelio_app.micelio_app:app",
        build=_build,
        enter=_enter,
    )
    return manage.main(sys.argv[1:], face)


def _build() -> None:
    from micelio_app import frontend

    if frontend.needs_build():
        print("Building the web pages …", file=sys.stderr)
        frontend.build()


def _enter(settings: Settings) -> None:
    config.enter_serving(settings.redis_url)


if __name__ == "__main__":
    sys.exit(main())
