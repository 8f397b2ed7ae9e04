"""Timing: where the time of one request went, for `Server-Timing`.

Whoever answers a request opens `measured`; what runs below it, in whatever thread, adds to the same
sums, because a thread pool copies the context and the sums are one object. Without anybody who
measures, `spending` costs one look. Parts may lie inside each other, so they need not add up.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from vcs.store import Store

UNTIMED = (401, 404)
"""Answers that are the same for what is private and what is missing name their parts without their times."""
STORE_METHODS = ("get", "put", "delete", "read_head", "swap_head")


@dataclass
class Spent:
    """Seconds by part. Threads of one request may lose each other's last addition, never break."""

    db: float = 0.0
    store: float = 0.0
    render: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def told(self, status: int) -> str:
        """The value of `Server-Timing` of an answer with that status, in milliseconds up to now."""
        total = time.perf_counter() - self.started
        parts = {"db": self.db, "store": self.store, "render": self.render, "total": total}
        if status in UNTIMED:
            return ", ".join(parts)
        return ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in parts.items())


_spent: ContextVar[Spent | None] = ContextVar("spent", default=None)


@contextmanager
def measured() -> Iterator[Spent]:
    """Sums for what is done inside."""
    spent = Spent()
    before = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(before)


def add(part: str, seconds: float) -> None:
    """Add to a part of the request that is being answered, if one is."""
    if (spent := _spent.get()) is not None:
        setattr(spent, part, getattr(spent, part) + seconds)


@contextmanager
def spending(part: str) -> Iterator[None]:
    """Add what is done inside to a part."""
    started = time.perf_counter()
    try:
        yield
    finally:
        add(part, time.perf_counter() - started)


def timed(store: Store) -> Store:
    """This store, its methods wrapped in place: to whoever asks for its type it stays what it is."""
    for name in STORE_METHODS:
        setattr(store, name, _timed(getattr(store, name)))
    return store


def _timed(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **named: Any) -> Any:
        with spending("store"):
            return method(*args, **named)

    return call
