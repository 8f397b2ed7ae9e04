"""Where the app lies and what Reflex must find in the environment before it is loaded.

Reflex reads `rxconfig.py` from the current directory only. Without one it takes its defaults
in silence: any origin may open the socket and states are written to disk. So whoever starts
the app calls `enter_serving()` first, and only then lets granian import
`micelio_app.micelio_app:app`.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FRONTEND = HERE / "_frontend"
"""The built face: `build/client` (what browsers get), `backend` (what Reflex reads), `STAMP`."""

CHECKOUT: Path | None = HERE.parent if (HERE.parent / "rxconfig.py").is_file() else None
"""The folder with the sources, or None when this runs from an installed wheel."""


def working_directory() -> Path:
    """The folder that holds `rxconfig.py`: the checkout, or `_runtime` in a wheel."""
    return CHECKOUT or HERE / "_runtime"


def serving_environment(redis_url: str = "") -> dict[str, str]:
    """What Reflex must find in the environment of a web process; settings of the caller win.

    With `redis_url` several web processes share the states of tabs; without, each keeps its own.
    """
    wanted = {
        "REFLEX_WEB_WORKDIR": str(FRONTEND),
        "REFLEX_ENV_MODE": "prod",
        "REFLEX_BACKEND_ONLY": "true",
        "REFLEX_STATE_MANAGER_MODE": "redis" if redis_url else "memory",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "__REFLEX_SKIP_COMPILE": "true",
    }
    if redis_url:
        wanted["REFLEX_REDIS_URL"] = redis_url
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def enter_serving(redis_url: str = "") -> None:
    """Make this process and its children ready to load the app: folder and environment."""
    os.environ.update(serving_environment(redis_url))
    os.chdir(working_directory())


def building_environment() -> dict[str, str]:
    """The whole environment for `reflex export`: bun from this interpreter's own folder."""
    tools = str(Path(sys.executable).parent)
    inherited = {k: v for k, v in os.environ.items() if k.lstrip("_")[:7] != "REFLEX_"}
    return inherited | {
        "PATH": os.pathsep.join((tools, os.environ.get("PATH", os.defpath))),
        "REFLEX_USE_SYSTEM_BUN": "1",
        "REFLEX_DIR": str(HERE.parent / ".reflex"),
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "PYTHONWARNINGS": "default",
    }
