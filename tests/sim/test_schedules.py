"""Ten thousand schedules in which everything happens at once, and proof that they would notice."""

import subprocess
import sys

import pytest

from tests.sim.__main__ import many
from tests.sim.shortcuts import SHORTCUTS
from tests.sim.world import simulate

SCHEDULES = 10_000
# Each shortcut is noticed within so many schedules.
ENOUGH = 2_000


# What the schedules are for; each has to be seen in some of them.
COINCIDENCES = (
    "land loses a swap",
    "land hears no answer",
    "a swap comes late: Swapped",
    "a swap comes late: Lost",
    "a swap comes twice",
    "land crashes between swap and catch-up",
    "collect crashes",
    "compact crashes",
    "fork crashes",
    "purge crashes",
    "sweep crashes",
    "sweep swaps during land",
    "land swaps during land",
    "land swaps during compact",
    "compact swaps during land",
    "compact swaps during collect",
    "compact swaps during fork",
    "collect deletes during land",
    "collect deletes during compact",
    "collect deletes during fork",
    "fork swaps during collect",
    "purge swaps during compact",
    "purge swaps during fork",
    "purge swaps during land",
    "delete swaps during fork",
)


def test_whatever_happens_nothing_is_lost_doubled_or_broken(capsys):
    failing, seen = many(0, SCHEDULES)

    with capsys.disabled():
        print(f"\n  of {SCHEDULES} schedules:")
        print(*(f"  {seen[what]:>6} {what}" for what in COINCIDENCES), sep="\n")
    told = [f"make sim SEED={outcome.seed}: {outcome.problems[0]}" for outcome in failing]
    assert not told, "\n".join(told[:10])
    assert all(seen[what] for what in COINCIDENCES)


@pytest.mark.parametrize("name", SHORTCUTS)
def test_a_check_that_is_left_out_is_noticed(name):
    with SHORTCUTS[name]():
        assert any(simulate(seed).problems for seed in range(ENOUGH))


def test_a_seed_does_the_same_in_every_process():
    program = "from tests.sim.world import simulate; print([simulate(n).trace for n in range(40)])"
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hashing, "PYTHONPATH": "."},
            capture_output=True,
            check=True,
        ).stdout
        for hashing in ("1", "2")
    }

    assert len(seen) == 1


def test_schedules_are_about_everything():
    outcomes = [simulate(seed) for seed in range(150)]

    kinds = frozenset().union(*(outcome.kinds for outcome in outcomes))
    assert kinds >= {"land", "sweep", "compact", "collect", "fork", "purge", "delete", "read"}
    told = "\n".join(line for outcome in outcomes for line in outcome.trace)
    for what in (
        "answer is lost",
        "arrives late: Swapped",
        "held up",
        "crashes",
        "deletes",
        "purged",
        "is ready",
    ):
        assert what in told
    assert sum(outcome.landed for outcome in outcomes) > 150
