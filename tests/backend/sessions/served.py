"""Starts real serving processes quickly, for test_crashes: `python -m tests.backend.sessions.served`.

Each line on its standard input is JSON with the environment and the time of a forge. It forks a
process that serves this forge over gRPC, and answers with one line: the port. When that process
has ended, another line tells its exit code as `subprocess` would. It serves one at a time.
"""

import json
import os
import sys
import threading
from datetime import datetime

import backend.doors.catalogue  # noqa: F401  every operation
from backend.core.config import Settings
from backend.core.context import Forge
from backend.doors import rpc


def serve(environ: dict[str, str], now: datetime) -> None:
    forge = Forge.open(Settings.from_environ(environ), clock=lambda: now)
    _, port = rpc.start_grpc(forge, "127.0.0.1:0")
    print(port, flush=True)
    threading.Event().wait()


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            serve(wanted["environ"], datetime.fromisoformat(wanted["now"]))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
