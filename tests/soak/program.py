"""`micelio` without its pages, for the short soak: the same supervisor and processes, quicker to start.

The web process serves our own routes alone, and nothing is built or hosted at the first start.
"""

import sys
from contextlib import closing

from backend.core.config import Settings
from backend.doors import manage


def main() -> int:
    """Run what the command line asks for."""
    command = (sys.executable, "-m", "tests.soak.program")
    if sys.argv[-1] == "prepare":
        from backend.core import migrate
        from backend.core.db import Database

        settings = Settings.from_environ()
        with closing(Database(settings.database_url, locks=settings.data / "locks")) as db:
            migrate.upgrade(db)
        return 0
    face = manage.Face(command, "tests.soak.program:app", build=lambda: None, enter=lambda settings: None)
    return manage.main(sys.argv[1:], face)


def app():
    """The ASGI app of the web process."""
    from backend.core.context import Forge
    from backend.doors.routes import own_app

    return own_app(Forge.open(Settings.from_environ()))


if __name__ == "__main__":
    sys.exit(main())
