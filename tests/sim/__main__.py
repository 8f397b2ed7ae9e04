"""`make sim SEED=n`: one schedule again, with all that happened; without a seed, many new ones."""

import gc
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context

from tests.sim.world import Outcome, simulate

__all__ = ["main", "many"]

_AT_ONCE = 250


def many(first: int, last: int) -> tuple[list[Outcome], Counter[str]]:
    """Those of the schedules first..last-1 in which something is wrong, and in how many of them each
    coincidence was seen; on all cores.
    """
    starts = range(first, last, _AT_ONCE)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        ends = [min(start + _AT_ONCE, last) for start in starts]
        failing: list[Outcome] = []
        seen: Counter[str] = Counter()
        for some, counts in processes.map(_played, starts, ends):
            failing += some
            seen += counts
        return failing, seen


def _played(first: int, last: int) -> tuple[list[Outcome], Counter[str]]:
    # What is remembered between schedules is much, and none of it is garbage.
    gc.set_threshold(100_000)
    failing: list[Outcome] = []
    seen: Counter[str] = Counter()
    for outcome in map(simulate, range(first, last)):
        seen.update(outcome.seen)
        if outcome.problems:
            failing.append(outcome)
    return failing, seen


def main(arguments: list[str]) -> int:
    """Tell one schedule, or look for a bad one until somebody stops it."""
    if arguments:
        outcome = simulate(int(arguments[0]))
        print(*outcome.trace, "", "seen: " + ", ".join(sorted(outcome.seen)), "", sep="\n")
        print(*(outcome.problems or ["nothing is wrong"]), sep="\n")
        return 1 if outcome.problems else 0
    begun = time.monotonic()
    for number in count(time.time_ns() // 1_000_000, 2000):
        for outcome in many(number, number + 2000)[0]:
            print(f"seed {outcome.seed}: {outcome.problems[0]}")
            return 1
        print(f"{number}: 2000 schedules are fine, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
