"""A figure: what was measured, what it should be, and whether it is."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Figure:
    """One line of the output. `at_most` and `at_least` are the targets; neither is a reference.

    `value` None says that what is measured does not exist yet.
    """

    name: str
    value: float | None
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def verdict(self) -> str:
        """held, missed or missing."""
        if self.value is None:
            return "missing"
        over = self.at_most is not None and self.value > self.at_most
        under = self.at_least is not None and self.value < self.at_least
        return "missed" if over or under else "held"

    def __str__(self) -> str:
        value = "-" if self.value is None else f"{self.value:.{2 if self.value < 10 else 0}f}"
        return f"{self.name:<34} {value:>8} {self.unit:<6} {self._target():<14} {self.verdict}"

    def _target(self) -> str:
        if self.at_most is not None:
            return f"<= {self.at_most:.4g} {self.unit}"
        return "reference" if self.at_least is None else f">= {self.at_least:.4g} {self.unit}"


def spent(work: Callable[[], object]) -> float:
    """Seconds that some work took."""
    started = perf_counter()
    work()
    return perf_counter() - started


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of the values do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
