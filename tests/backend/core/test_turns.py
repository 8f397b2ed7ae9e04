"""Turns: SQLite lets one write at a time, PostgreSQL so many connections."""

import threading
from contextlib import closing

import psycopg
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


def test_a_server_with_all_its_connections_taken_is_waited_for(postgres_url, tmp_path, monkeypatch):
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 1")
    theirs = postgres_url.replace("micelio@", "crowded@")
    other = psycopg.connect(theirs)
    mine = db.Database(theirs.replace("postgresql://", "postgresql+psycopg://"), locks=tmp_path)
    try:
        with closing(mine), closing(other):
            monkeypatch.setattr(db, "BUSY_SECONDS", 0)
            with pytest.raises(Unavailable, match="too many connections"):
                mine.ping()
            monkeypatch.undo()
            # The pause is the moment at which the other one goes.
            monkeypatch.setattr(db.time, "sleep", lambda seconds: other.close())
            mine.ping()
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute("DROP ROLE crowded")


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
