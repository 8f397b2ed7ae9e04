"""Counting calls costs no threads, and counters that nobody asks for go."""

import threading

from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from backend.core.counters import Counters


def test_counting_starts_no_threads(monkeypatch):
    counters, started = Counters(), []
    counters.timer.join()
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: (started.append(self), start(self)))
    for limiter in (FixedWindowRateLimiter(counters), SlidingWindowCounterRateLimiter(counters)):
        for _ in range(3):
            assert limiter.hit(RateLimitItemPerMinute(5), f"ada {limiter}")

    assert not started


def test_counters_that_expired_go_with_the_next_look(monkeypatch):
    monkeypatch.setattr("backend.core.counters.SECONDS", 0.0)
    counters = Counters()
    for number in range(100):
        counters.incr(f"somebody {number}", expiry=-1)
    counters.incr("ada", expiry=60)
    counters.incr("ada", expiry=60)

    assert list(counters.storage) == ["ada"] and counters.get("ada") == 2
