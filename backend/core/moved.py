"""What moved: an operation finds a project at its old address, or an organization by its old handle, and
the door that asked hears of it.

Nothing of this is said before the asker was allowed to see what moved.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Moved:
    """`organization/project`, or an organization's handle alone, as it was asked for, and as it is."""

    old: str
    new: str


_heard: ContextVar[list[Moved] | None] = ContextVar("moved", default=None)


@contextmanager
def listening() -> Iterator[list[Moved]]:
    """A list that fills with what moved, while the block runs."""
    heard: list[Moved] = []
    before = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(before)


def note(old: str, new: str) -> None:
    """Tell whoever listens; fine when nobody does."""
    heard = _heard.get()
    if heard is not None:
        heard.append(Moved(old, new))


def at_new_address(path: str, place: int, heard: list[Moved], *, segments: int = 2) -> str | None:
    """A path whose segments from `place` on are an old organization and project, with the new ones in
    their place; None when nothing moved. With one segment the organization stands there alone.
    """
    found = [each.new.split("/") for each in heard if each.new.count("/") == segments - 1]
    if not found:
        return None
    parts = path.split("/")
    parts[place : place + segments] = found[-1]
    return "/".join(parts)
