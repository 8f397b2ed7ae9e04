import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from backend.doors.serve import STOP_SECONDS
from tests.services import free_port

PATIENCE = 60.0
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def ports():
    return free_port(), free_port()


@pytest.fixture
def start(tmp_path, ports):
    started = []

    def start():
        mine = {"MICELIO_DATA": str(tmp_path), "PORT": str(ports[0]), "GRPC_PORT": str(ports[1])}
        with (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.backend.doors.serve_process", "serve"],
                cwd=CHECKOUT,
                env=os.environ | mine,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def read_screen(process):
    lines = []
    while not lines or not lines[-1].strip().startswith("Stop"):
        line = process.stdout.readline()
        assert line, "serve ended before it was ready"
        lines.append(line)
    return "".join(lines)


def when(condition):
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        if condition():
            return
        sleep(0.05)
    pytest.fail("it never came to that")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_one_screen_says_where_everything_is_and_a_signal_ends_everything(start, ports, tmp_path):
    serving = start()
    shown = read_screen(serving)

    for expected in (f":{ports[0]}", f":{ports[1]}", "http://localhost/first", str(tmp_path), "Ctrl-C"):
        assert expected in shown
    assert listens(ports[0]) and listens(ports[1])

    serving.send_signal(signal.SIGINT)
    assert serving.wait(PATIENCE) == 0
    assert not listens(ports[0]) and not listens(ports[1])


def test_a_process_that_does_not_listen_to_reason_is_ended_within_five_seconds(start, ports, tmp_path):
    (tmp_path / "wish").write_text("deaf")
    serving = start()
    read_screen(serving)
    when((tmp_path / "workers").exists)
    asked = monotonic()
    serving.terminate()

    assert serving.wait(PATIENCE) == 0
    assert STOP_SECONDS < 5 and monotonic() - asked < PATIENCE / 4


def test_nothing_survives_a_supervisor_that_was_killed(start, ports, tmp_path):
    (tmp_path / "wish").write_text("deaf")
    serving = start()
    read_screen(serving)
    when((tmp_path / "workers").exists)
    serving.kill()

    when(lambda: not listens(ports[0]) and not listens(ports[1]))
    when(lambda: not processes_of(tmp_path))


def test_a_process_that_dies_is_started_again(start, tmp_path):
    serving = start()
    read_screen(serving)
    when((tmp_path / "workers").exists)
    os.kill(next(iter(processes_of(tmp_path, "worker"))), signal.SIGKILL)

    when(lambda: (tmp_path / "workers").read_text().count("started") == 2)
    assert serving.poll() is None


def test_a_process_that_keeps_dying_ends_serve_with_a_sentence(start, tmp_path):
    (tmp_path / "wish").write_text("die")
    serving = start()

    assert serving.wait(PATIENCE) == 1
    assert "The worker process ended" in (tmp_path / "stderr").read_text()


def test_a_taken_port_is_one_sentence_that_names_the_setting(start, ports, tmp_path):
    with socket.create_server(("127.0.0.1", ports[1])):
        assert start().wait(PATIENCE) == 1

    said = (tmp_path / "stderr").read_text()
    assert f"Port {ports[1]}" in said and "GRPC_PORT" in said
    assert len(said.splitlines()) == 1


def processes_of(data, name=""):
    """Processes of this test that are alive, by the data folder in their environment."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            last_word = (folder / "cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2].decode()
        except OSError:
            continue
        if f"MICELIO_DATA={data}\0".encode() in environment and name in ("", last_word):
            found.add(int(folder.name))
    return found
