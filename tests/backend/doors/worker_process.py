"""A worker whose subscribers write into a file; started and killed by test_worker.

Usage: python -m tests.backend.doors.worker_process DATA_FOLDER DATABASE_URL [kill]
"""

import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from backend.core import jobs
from backend.core.config import Settings
from backend.core.context import Context, Forge
from backend.core.errors import Conflict, Unavailable
from backend.core.events import fact
from backend.core.operations import Mode
from backend.doors.worker import Worker

DIARY = Path(sys.argv[1], "diary")


@fact
@dataclass(frozen=True)
class Spoken:
    """Somebody said something."""

    words: str


def write(line: str) -> None:
    with DIARY.open("a") as diary:
        diary.write(f"{line}\n")


@jobs.on(Spoken)
def hear(ctx: Context, spoken: Spoken) -> None:
    write(f"heard {spoken.words}")


@jobs.on(Spoken, queue="slow")
def hear_or_die(ctx: Context, spoken: Spoken) -> None:
    write(f"began {spoken.words}")
    if "kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    write(f"ended {spoken.words}")


@jobs.on(Spoken, attempts=3)
def stumble(ctx: Context, spoken: Spoken) -> None:
    if "stumbled" not in DIARY.read_text():
        write("stumbled")
        raise Unavailable(problem="Not yet.")
    write("got up")


@jobs.on(Spoken, attempts=3)
def refuse(ctx: Context, spoken: Spoken) -> None:
    write("refused")
    raise Conflict(problem="Never.")


@jobs.on(Spoken, attempts=2)
def fail(ctx: Context, spoken: Spoken) -> None:
    raise OSError("There is\nno room.")


@jobs.every(seconds=0.05, mode=Mode.STEPS)
def tick(ctx: Context) -> None:
    write("tick")


if __name__ == "__main__":
    forge = Forge.open(Settings.from_environ({"MICELIO_DATA": sys.argv[1], "DATABASE_URL": sys.argv[2]}))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    DIARY.touch()
    Worker(forge).run(stop)
    write("closed")
    os._exit(0)
