"""Filling a long index is a durable job: its worker is killed anywhere, and the next goes on from there."""

import sqlite3
import sys
import threading
from contextlib import closing
from types import SimpleNamespace

import pytest
from sqlmodel import select

from backend.core.context import SYSTEM, Context
from backend.core.events import FactRow
from backend.core.node import node_name
from backend.projects import code, maintenance, projection
from backend.projects.service import get_project
from tests.backend.projects.test_maintenance_killed import until, worker
from tests.vcs.logs import lengthen
from vcs.filling import IndexFilling, beside
from vcs.index_check import wrong_tables

# What SQL does is no part of this: one database is enough.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class Filling:
    """What is filled so far, read from beside."""

    def __init__(self, path):
        self.path = path

    def rows(self):
        """How many objects and records there are, and the file they are in; None when it was taken over."""
        try:
            inode = self.path.stat().st_ino
            with closing(sqlite3.connect(f"file:{self.path}?mode=rw", uri=True)) as db:
                counts = "(select count(*) from objects) + (select count(*) from records)"
                return (*db.execute(f"select {counts}, min(no) from segments").fetchone(), inode)
        except (FileNotFoundError, sqlite3.OperationalError):
            if self.path.exists():
                raise
            return None


def test_whoever_is_killed_at_an_index_leaves_it_to_the_next_while_landings_go_on(bench, ada):
    bench.landed(ada, {"first": b"1\n"})
    id = bench.run(ada, get_project, **bench.where).id
    repository = code.repository(bench.forge, id, id)
    world = SimpleNamespace(main=repository, store=bench.forge.store, project=id)
    commits = lengthen(world, 2400, at=bench.forge.clock())
    projection.catch_up(bench.forge, id)
    filling = Filling(beside(code.index_path(bench.forge, id)))
    missing, read, over = [], [], threading.Event()

    def keep_reading():
        while not over.wait(0.01):
            for commit in commits[len(read) % 50 :: 50]:
                try:
                    read.append(repository.commit(commit).tree)
                except Exception as error:
                    missing.append(error)

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        with pytest.raises(IndexFilling):
            # A request that contradicts the log begins it and cannot wait.
            repository.rebuild_index(most=0)
        begun = filling.rows()
        for _ in range(2):
            maintenance.state_what_indexes_are_due(Context(bench.forge, SYSTEM))
        with bench.forge.db.transaction(write=False) as db:
            [due] = db.exec(select(FactRow).where(FactRow.kind == "IndexDue")).all()
        assert due.body == {"project": id, "node": node_name(bench.forge)}

        with worker(bench, "index.step") as process:
            assert process.wait(180) == -9
        stepped = filling.rows()
        assert stepped[0] > begun[0] and stepped[1:] == begun[1:], "the same file, with more in it"

        bench.landed(ada, {"second": b"2\n"})
        with worker(bench) as process:
            until(lambda: (filling.rows() or (sys.maxsize,))[0] > stepped[0], seconds=180)
            process.kill()
        left = filling.rows()
        assert left is None or (left[0] > stepped[0] and left[1:] == begun[1:])

        with worker(bench):
            bench.landed(ada, {"third": b"3\n"})
            until(lambda: filling.rows() is None, seconds=180)
    finally:
        over.set()
        reader.join()

    assert missing == [] and len(read) > len(commits)
    bench.landed(ada, {"fourth": b"4\n"})
    repository.catch_up()
    assert list(wrong_tables(repository, code.index_path(bench.forge, id))) == []
    assert set(bench.tree(ada)) >= {b"second", b"third", b"fourth"}
