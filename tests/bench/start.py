"""How long a later start takes, and what the processes hold when nobody asks for anything."""

from collections.abc import Iterator
from time import monotonic, sleep

from tests.bench.figures import Figure
from tests.bench.stage import Stage

SETTLED_SECONDS = 5.0
DEADLINE = 30.0


def measure(stage: Stage) -> Iterator[Figure]:
    """Start-up and memory."""
    served = stage.served
    yield Figure("start.later", stage.later_start, "s", at_most=8)
    # A worker loads its job engine after everything answers: wait until nothing grows any more.
    deadline = monotonic() + DEADLINE
    highest, since = served.memory(), monotonic()
    while monotonic() < deadline and monotonic() - since < SETTLED_SECONDS:
        sleep(0.5)
        now = served.memory()
        if now > highest + (1 << 20):
            highest, since = now, monotonic()
    yield Figure("start.idle_memory", served.memory() / (1 << 20), "MB", at_most=400)
