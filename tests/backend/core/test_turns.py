"""Turns at writing: SQLite lets one write at a time."""

import threading

import pytest

from backend.core import db
from backend.core.errors import Unavailable


def test_a_thread_that_gets_no_turn_is_told_so_and_writes_when_the_others_are_done(forge, monkeypatch):
    if not forge.db.is_sqlite:
        # PostgreSQL locks rows, so the two do not meet.
        with forge.db.transaction(write=True):
            _elsewhere(forge)
        return
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.01)
    with forge.db.transaction(write=True), pytest.raises(Unavailable, match="kept the database"):
        _elsewhere(forge)
    _elsewhere(forge)


def _elsewhere(forge) -> None:
    """Write in another thread; what it raises is raised here."""
    raised = []

    def write() -> None:
        try:
            with forge.db.transaction(write=True):
                pass
        except Unavailable as error:
            raised.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
