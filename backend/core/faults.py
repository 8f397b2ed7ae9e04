"""Faults: a process that was told to die at a named point, for drills.

`MICELIO_FAULTS=landing.before_swap:kill` ends the process with SIGKILL, as losing power would,
when it first reaches that point; several are separated by commas. Nothing is armed otherwise.
"""

import os
import signal

from backend.core.errors import InvalidInput
from vcs import faults


def arm(wanted: str) -> None:
    """Arm what the setting names; InvalidInput for a point or deed that does not exist."""
    for one in filter(None, (part.strip() for part in wanted.split(","))):
        point, _, deed = one.partition(":")
        if point not in faults.POINTS or deed != "kill":
            known = ", ".join(faults.POINTS)
            raise InvalidInput(problem=f"MICELIO_FAULTS={one} must be POINT:kill with a point of {known}.")
        faults.arm(point, _die)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
