"""Landings a second in one project: one writer, and eight at once in one process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.bench.figures import Figure, spent
from tests.bench.stage import Stage
from tests.bench.writing import Project

LANDINGS = 64
WRITERS = 8


def measure(stage: Stage) -> Iterator[Figure]:
    """The rates; eight must bring at least half of what one does."""
    project = Project(stage.forge())
    project.land({b"README.md": b"warm\n"})
    alone = _rate(project, "alone", 1)
    yield Figure("landings.one_writer", alone, "/s")
    together = _rate(project, "together", WRITERS)
    yield Figure("landings.eight_writers", together, "/s", at_least=alone / 2)


def _rate(project: Project, folder: str, writers: int) -> float:
    ready = [
        project.ready({f"{folder}/{number}.txt".encode(): f"{folder} {number}\n".encode()})
        for number in range(LANDINGS)
    ]
    with ThreadPoolExecutor(writers) as pool:
        seconds = spent(lambda: list(pool.map(project.land_session, ready)))
    return LANDINGS / seconds
