"""`mic session push --watch`: saved files reach the session at once."""

import os
import signal
import subprocess
import sys
import threading
from time import monotonic

import pytest

from backend.sessions.service import get_session
from mic.watch import Looking, watcher

WITHIN = 60


@pytest.fixture
def watching(notes):
    """The command in a process of its own, with an open session."""
    notes.ok("session", "start", "Watch me")
    id = notes.ok("session", "status", "--json").json["id"]
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "mic", "session", "push", "--watch"],
        cwd=notes.folder,
        env=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield id, process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_every_save_is_pushed_until_interrupted(notes, watching, forge, invoke, ada):
    id, process = watching

    def pushed(count):
        """Seconds until the session holds so many files."""
        begin = monotonic()
        while monotonic() < begin + WITHIN:
            if len(invoke(ada, get_session, session=id).changes) == count:
                return monotonic() - begin
        pytest.fail(f"{count} files never came")

    assert "Pushed 0 files" in process.stdout.readline()
    notes.write("README.md", "# Saved\n")
    pushed(1)
    notes.write("new/deeper/file", "new\n")
    pushed(2)
    notes.write("new/deeper/other", "new\n")
    pushed(3)
    (notes.folder / "new/deeper/file").unlink()
    pushed(2)
    process.send_signal(signal.SIGINT)
    assert process.wait(WITHIN) == 130


def test_watching_ends_with_its_session(notes, watching):
    id, process = watching
    assert "Pushed" in process.stdout.readline()

    notes.ok("session", "abandon", id)
    notes.write("README.md", "# Late\n")

    assert process.wait(WITHIN) in (1, 3)


@pytest.mark.parametrize("make", [watcher, Looking])
def test_a_watcher_comes_back_soon_after_a_save(tmp_path, make):
    watching = make()
    watching.wait([str(tmp_path)])
    begin = monotonic()
    threading.Timer(0.05, lambda: (tmp_path / "saved").write_text("x")).start()

    watching.wait([str(tmp_path)])

    assert monotonic() - begin < 0.5 + WITHIN / 20
