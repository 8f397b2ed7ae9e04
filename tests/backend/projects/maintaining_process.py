"""A worker that is killed at a fault point, for test_maintenance_killed.

The environment of the forge, its time and the point come as JSON on standard input; without a point
it works until it is told to end.
"""

import json
import os
import signal
import sys
import threading
from datetime import datetime

import backend.doors.catalogue  # noqa: F401  registers every job
from backend.core.config import Settings
from backend.core.context import Forge
from backend.doors.worker import Worker
from vcs import faults


def main() -> None:
    wanted = json.load(sys.stdin)
    now = datetime.fromisoformat(wanted["now"])
    if wanted["point"]:
        faults.arm(wanted["point"], lambda: os.kill(os.getpid(), signal.SIGKILL))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Worker(Forge.open(Settings.from_environ(wanted["environ"]), clock=lambda: now)).run(stop)
    os._exit(0)


if __name__ == "__main__":
    main()
