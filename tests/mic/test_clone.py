"""A clone that is ended goes on: whatever came crosses the wire once."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from backend.sessions.models import StagedFile
from mic import files
from mic.contents import Contents
from tests.mic.proxy import Proxy
from vcs.objects import Kind, object_id

CHECKOUT = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20


@pytest.fixture
def proxy(forge, instance):
    """Stands before the forge's gRPC."""
    proxy = Proxy(forge.settings.grpc_port)
    forge.settings = replace(forge.settings, grpc_port=proxy.port)
    yield proxy
    proxy.close()


@pytest.fixture
def heavy(request, notes):
    """Landed in acme/notes: what does not compress, in files of many sizes; path -> content. A test may
    say how many megabytes the largest has.
    """
    largest = getattr(request, "param", 12) * MEGABYTE
    chance = random.Random(7)
    sizes = [*(chance.randrange(2000) for _ in range(400)), *(chance.randrange(MEGABYTE) for _ in range(20))]
    sizes += [3 * MEGABYTE, 5 * MEGABYTE, largest]
    contents = {f"part{at % 7}/{at}.bin": chance.randbytes(size) for at, size in enumerate(sizes)}
    for path, content in contents.items():
        notes.write(path, content)
    notes.ok("session", "start", "Heavy things")
    notes.ok("session", "land")
    return contents


def killed_at(proxy, folder, part):
    """Clone in a process of its own, and kill it when that many bytes have come."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "mic", "clone", "acme/notes", "again"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while proxy.received < part and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it was killed"


def same(folder, contents):
    return all((folder / path).read_bytes() == content for path, content in contents.items())


@pytest.mark.parametrize("heavy", [64], indirect=True)
def test_a_clone_that_is_killed_at_half_moves_the_other_half_when_run_again(as_ada, heavy, proxy):
    total = sum(map(len, heavy.values()))
    killed_at(proxy, as_ada.folder, total // 2)
    assert as_ada.at("again")("status").code == 1, "half a clone is no workspace"
    proxy.received = 0

    as_ada.ok("clone", "acme/notes", "again")

    assert proxy.received < 0.55 * total
    again = as_ada.folder / "again"
    assert same(again, heavy)
    assert as_ada.at("again").ok("status").out.endswith("No changes.\n")
    assert not list(again.glob(".mic/objects/*.part")) and not list(again.glob(".mic/*.begun"))
    assert as_ada("clone", "acme/notes", "again").code == 2


def test_a_large_file_goes_on_in_its_middle(as_ada, heavy, proxy):
    largest = max(heavy.values(), key=len)
    killed_at(proxy, as_ada.folder, 12 * MEGABYTE)
    parts = list((as_ada.folder / "again/.mic/objects").glob("*.part"))
    begun = {part.name: part.stat().st_size for part in parts}
    assert begun.get(f"{object_id(Kind.BLOB, largest)}.part", 0) > MEGABYTE

    as_ada.ok("clone", "acme/notes", "again")
    assert same(as_ada.folder / "again", heavy)


def test_what_was_spoiled_on_disk_is_noticed_and_fetched_again(as_ada, heavy, proxy):
    killed_at(proxy, as_ada.folder, 10 * MEGABYTE)
    for part in (as_ada.folder / "again/.mic/objects").glob("*.part"):
        part.write_bytes(bytes(part.stat().st_size))

    as_ada.ok("clone", "acme/notes", "again")

    assert same(as_ada.folder / "again", heavy)


def test_a_connection_that_is_lost_is_waited_for_and_costs_nothing_twice(as_ada, heavy, proxy):
    total = sum(map(len, heavy.values()))
    proxy.hang_up_at = proxy.passed + total // 3

    as_ada.ok("clone", "acme/notes", "again")

    assert proxy.hang_up_at is None
    assert proxy.received < 1.15 * total
    assert same(as_ada.folder / "again", heavy)


def test_a_push_whose_connection_is_lost_sends_what_is_missing(notes, proxy):
    chance = random.Random(3)
    for number in range(40):
        notes.write(f"{number}.bin", chance.randbytes(200_000))
    notes.ok("session", "start", "Push")
    proxy.hang_up_at = 3 * MEGABYTE
    proxy.passed = 0

    notes.ok("session", "land")

    assert proxy.hang_up_at is None and 8_000_000 < proxy.passed < 14_000_000
    assert notes.ok("status").out.endswith("No changes.\n")


def test_a_push_that_is_killed_at_half_sends_the_other_half_when_run_again(notes, forge, proxy):
    chance = random.Random(5)
    contents = {f"{number}.bin": chance.randbytes(MEGABYTE // 4) for number in range(160)}
    for path, content in contents.items():
        notes.write(path, content)
    total = sum(map(len, contents.values()))
    notes.ok("session", "start", "Push")
    proxy.hold_at = proxy.passed + total // 2
    command = [sys.executable, "-m", "mic", "session", "push"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(command, cwd=notes.folder, env=environment, stderr=subprocess.DEVNULL) as process:
        until(lambda: proxy.held)
        process.kill()
    proxy.hold_at = None
    # What had come is stored once the forge sees that the connection is gone.
    until(lambda: staged(forge) > 0.45 * total)
    proxy.passed = 0

    notes.ok("session", "push")

    assert proxy.passed < 0.55 * total
    notes.ok("session", "land")
    assert same(notes.folder, contents) and notes.ok("status").out.endswith("No changes.\n")


def staged(forge):
    with forge.db.transaction(write=False) as db:
        return sum(db.exec(select(StagedFile.size)))


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def test_text_crosses_the_wire_compressed(as_ada, notes, proxy):
    for number in range(200):
        notes.write(f"text/{number}.txt", f"line {number}\n" * 1000)
    notes.write("long.txt", "the same again\n" * 500_000)
    notes.ok("session", "start", "Text")
    notes.ok("session", "land")
    proxy.received = 0

    as_ada.ok("clone", "acme/notes", "again")

    assert proxy.received < 200_000
    assert (as_ada.folder / "again/long.txt").stat().st_size == 7_500_000


def test_a_clone_that_failed_while_it_wrote_goes_on_there(as_ada, notes, instance, monkeypatch):
    write = files.write

    def full(root, path, mode, pieces):
        if path == "src/tool.py":
            raise OSError(28, "No space left on device", path)
        return write(root, path, mode, pieces)

    with monkeypatch.context() as disk:
        disk.setattr(files, "write", full)
        ran = as_ada("clone", "acme/notes", "again")
    assert (ran.code, ran.err.splitlines()[-1]) == (1, "mic: src/tool.py: No space left on device.")
    assert "The same command goes on" in ran.err
    again = as_ada.at("again")
    again.write("src/tool.py.mic-123", "what a killed write leaves behind")
    again.write("src/mine.py", "mine")
    # What lands meanwhile is for the next clone: files of this position are there already.
    notes.ok("session", "start", "More")
    notes.write("README.md", "# Changed\n")
    notes.ok("session", "land")

    assert "at position 1" in as_ada.ok("clone", "acme/notes", "again").out

    assert (again.folder / "README.md").read_text().startswith("# Notes")
    assert sorted(each.name for each in (again.folder / "src").iterdir()) == ["mine.py", "tool.py"]
    assert "A src/mine.py" in again.ok("status").out


def test_another_clone_does_not_go_on_in_an_unfinished_one(as_ada, notes, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device", "README.md")

    with monkeypatch.context() as disk:
        disk.setattr(files, "write", fail)
        assert as_ada("clone", "acme/notes", "again").code == 1

    for words in (("acme/other",), ("acme/notes", "--ref", "@1")):
        refused = as_ada("clone", words[0], "again", *words[1:])
        assert (refused.code, "an unfinished clone of" in refused.err) == (2, True)
    as_ada.ok("clone", "acme/notes", "again")


def test_contents_that_were_added_survive_the_process_and_their_damage_does_not(tmp_path):
    content = os.urandom(3 * MEGABYTE)
    id = object_id(Kind.BLOB, content)

    def lost():
        yield content[:MEGABYTE]
        raise ConnectionError

    with Contents(str(tmp_path)) as contents:
        with pytest.raises(ConnectionError):
            contents.keep(id, len(content), lost())
        assert (contents.begun(id), contents.has(id)) == (MEGABYTE, False)
        with pytest.raises(ValueError, match="are not"):
            contents.keep(id, len(content), [bytes(2 * MEGABYTE)], MEGABYTE)
        assert contents.begun(id) == 0
        with pytest.raises(ConnectionError):
            contents.keep(id, len(content), lost())
        contents.keep(id, len(content), [content[MEGABYTE:]], MEGABYTE)
        assert b"".join(contents.pieces(id)) == content
