"""Compaction is a durable job: its worker may be killed, landings go on, and the next worker does it."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from backend.core.context import SYSTEM, Context
from backend.instance import doctor
from backend.projects import code, projection
from backend.projects.jobs import look_for_maintenance
from backend.projects.service import get_project
from vcs.about import append_about
from vcs.log import Head

# What SQL does is no part of this: one database is enough.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@contextmanager
def worker(bench, point="", data=None, late=timedelta()):
    """A worker process that dies at a point; on another node with another data folder."""
    settings = bench.forge.settings
    environ = {
        "MICELIO_DATA": str(data or settings.data),
        "STORAGE_LOCAL_PATH": str(settings.storage_path),
        "DATABASE_URL": settings.database_url,
    }
    told = {"environ": environ, "now": (bench.forge.clock() + late).isoformat(), "point": point}
    command = [sys.executable, "-m", "tests.backend.projects.maintaining_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        try:
            process.stdin.write(json.dumps(told))
            process.stdin.close()
            yield process
        finally:
            process.kill()


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_a_killed_workers_compaction_is_done_by_the_next_while_landings_go_on(bench, ada):
    landed = {}

    def land():
        name = f"f{len(landed)}"
        landed[name.encode()] = b"%d\n" % len(landed)
        bench.landed(ada, {name: landed[name.encode()]})

    land()
    id = bench.run(ada, get_project, **bench.where).id
    repository = code.repository(bench.forge, id, id)
    for number in range(16):
        append_about(repository, summary={"name": f"No. {number}"}, actor=None, at=bench.forge.clock())
    projection.catch_up(bench.forge, id)
    with Context(bench.forge, SYSTEM).transaction() as tx:
        look_for_maintenance(tx)

    def tail():
        return len(Head.decode(bench.forge.store.read_head(id, id)[0]).tail)

    before = tail()
    for point in ("compaction.written", "compaction.before_swap"):
        with worker(bench, point) as process:
            land()
            assert process.wait(60) == -9
        land()
        assert tail() > before, "it was killed before anything changed"
    with worker(bench) as process:
        land()
        until(lambda: tail() < before)
        land()

    with bench.restarted() as fresh:
        assert fresh.tree(ada) == landed
    assert [finding.sentence for finding in doctor.examine(bench.forge) if finding.fault] == []
