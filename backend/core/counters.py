"""Counters of one process for rate limits.

The library starts a thread with nearly every call, to look through all counters for expired ones. A counter
that expired is found so when it is asked for; those that nobody asks for again are dropped once a minute
here, by whoever comes then.
"""

from time import monotonic

from limits.storage import MemoryStorage

__all__ = ["Counters"]

SECONDS = 60.0


class Counters(MemoryStorage):
    """Counters in memory that are looked through once a minute."""

    _due = 0.0

    # The library's private name: a test tells when it is called otherwise.
    def _MemoryStorage__schedule_expiry(self) -> None:
        now = monotonic()
        if now >= self._due:
            self._due = now + SECONDS
            self._MemoryStorage__expire_events()  # type: ignore[attr-defined]
