"""A landing of ten files, in a project of a thousand and in one of ten thousand."""

import statistics
from collections.abc import Iterator
from functools import partial

from tests.bench.figures import Figure, spent
from tests.bench.stage import Stage
from tests.bench.writing import Project, tree_of

LANDINGS = 21
FILES = 10


def measure(stage: Stage) -> Iterator[Figure]:
    """The medians, and how much ten times the files cost."""
    small = _median(stage, 1_000)
    yield Figure("ten_files.in_1k", small * 1000, "ms", at_most=10)
    large = _median(stage, 10_000)
    yield Figure("ten_files.in_10k", large * 1000, "ms", at_most=10)
    yield Figure("ten_files.10k_to_1k", large / small, "x", at_most=2)


def _median(stage: Stage, count: int) -> float:
    project = Project(stage.forge())
    there = tree_of(count)
    project.land(there)
    paths = sorted(there)
    took = []
    for number in range(LANDINGS):
        # Ten paths far apart, other ones each time.
        chosen = paths[number :: len(paths) // FILES][:FILES]
        session = project.ready({path: f"changed {number}\n".encode() for path in chosen})
        took.append(spent(partial(project.land_session, session)))
    return statistics.median(took)
