import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest
from sqlmodel import select

from backend.core.config import Settings
from backend.core.context import SYSTEM, Context, Forge
from backend.core.events import FactRow

PATIENCE = 60.0
CHECKOUT = Path(__file__).parents[3]
SCRIPT = "tests.backend.doors.worker_process"


@dataclass(frozen=True)
class Spoken:
    words: str


@pytest.fixture(params=["sqlite", "postgresql"])
def forge(request, tmp_path):
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    settings = Settings.from_environ({"MICELIO_DATA": str(tmp_path), "DATABASE_URL": url})
    with closing(Forge.open(settings)) as forge:
        FactRow.__table__.create(forge.db.engine)
        yield forge


@pytest.fixture
def start(forge):
    started = []

    def start(*words):
        data, url = forge.settings.data, forge.settings.database_url
        process = subprocess.Popen([sys.executable, "-m", SCRIPT, str(data), url, *words], cwd=CHECKOUT)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def say(forge, *words):
    with Context(forge, SYSTEM).transaction() as ctx:
        for word in words:
            ctx.emit(Spoken(word))


def diary_when(forge, condition):
    path, deadline = forge.settings.data / "diary", monotonic() + PATIENCE
    while monotonic() < deadline:
        lines = Counter(path.read_text().splitlines() if path.exists() else [])
        if condition(lines):
            return lines
        sleep(0.05)
    pytest.fail(f"the worker wrote only {lines}")


def problems_of(forge):
    with forge.db.transaction(write=False) as db:
        [row] = db.exec(select(FactRow)).all()
    return set(row.problem.splitlines())


def eventually(holds):
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline, "it never came"
        sleep(0.05)


def test_a_worker_reacts_retries_ticks_and_ends_when_told(forge, start):
    worker = start()
    say(forge, "hello")
    lines = diary_when(
        forge, lambda seen: seen["got up"] and seen["ended hello"] and seen["refused"] and seen["tick"] > 2
    )

    assert lines["heard hello"] == lines["stumbled"] == 1
    problems = {"__main__.refuse: Never.", "__main__.fail: OSError: There is no room."}
    eventually(lambda: problems_of(forge) == problems)

    asked = monotonic()
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    assert monotonic() - asked < 15  # five on a machine that does nothing else
    assert diary_when(forge, lambda seen: seen["closed"])["refused"] == 1, (
        "a refusal is an answer, not a hiccup"
    )


def test_a_worker_killed_in_a_job_loses_nothing_and_repeats_only_that_job(forge, start):
    say(forge, "one", "two")
    assert start("kill").wait(PATIENCE) == -9
    start()
    lines = diary_when(forge, lambda seen: seen["ended one"] and seen["ended two"] and seen["heard two"])

    assert lines["ended one"] == lines["ended two"] == 1
    assert 1 <= lines["heard one"] <= 2
