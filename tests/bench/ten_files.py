"""A landing of ten files, in projects of a thousand to a million files that were put straight into the log.

A million is measured when `ONLY=ten_files` asks for it: putting them there takes minutes.
"""

import statistics
from collections.abc import Iterator
from functools import partial

from tests.bench.figures import Figure, spent
from tests.bench.stage import Stage
from tests.bench.writing import Project

LANDINGS = 21
FILES = 10
COUNTS = {"1k": 1_000, "10k": 10_000, "100k": 100_000}
MOST = {"1m": 1_000_000}


def measure(stage: Stage) -> Iterator[Figure]:
    """The medians, and how much a hundred times the files cost."""
    medians: dict[str, float] = {}
    for word, count in (COUNTS | MOST if stage.asked_for("ten_files") else COUNTS).items():
        medians[word] = _median(stage, count)
        target = None if word in MOST else 10
        yield Figure(f"ten_files.in_{word}", medians[word] * 1000, "ms", at_most=target)
    yield Figure("ten_files.100k_to_1k", medians["100k"] / medians["1k"], "x", at_most=2)


def _median(stage: Stage, count: int) -> float:
    project = Project(stage.forge())
    paths = sorted(project.fill(count))
    took = []
    for number in range(LANDINGS):
        # Ten paths far apart, other ones each time.
        chosen = paths[number :: len(paths) // FILES][:FILES]
        session = project.ready({path: f"changed {number}\n".encode() for path in chosen})
        took.append(spent(partial(project.land_session, session)))
    return statistics.median(took)
