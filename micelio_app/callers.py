"""The address behind the request or the tab that is being answered: strangers are counted by it.

It comes from the front door, which knows which proxies to believe, and goes along with the task.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from backend.core.context import Actor

ADDRESS_HEADER = "x-micelio-address"
"""Where the front door puts it for tabs; nobody else can."""

caller: ContextVar[str] = ContextVar("caller", default="")

found: ContextVar[dict[str | None, Actor] | None] = ContextVar("found", default=None)
"""Who browsers were found to be while one page is made; None where every call asks again."""


@contextmanager
def asked_once() -> Iterator[None]:
    """Whoever asks for one page is looked up once, however many operations it is made of."""
    before = found.set({})
    try:
        yield
    finally:
        found.reset(before)
