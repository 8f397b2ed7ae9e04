"""Children of git: how many there are, what they share, and that none outlives its client."""

import errno
import os
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from backend.core.context import SYSTEM, Context, Forge
from backend.core.jobs import drain, run_timer, timers
from backend.projects import code, keeping
from backend.projects import git as projects
from backend.projects.models import Cursor
from tests.backend.doors.git.conftest import Place, until
from tests.backend.doors.git.pushes import clone
from vcs import faults

REQUEST = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A git in front of git that writes down what children start, and may be told to hang."""
    folder = tmp_path / "watched"
    folder.mkdir()
    real = shutil.which("git")
    script = folder / "git"
    hang = f'if [ -e {folder}/hang ]; then case "$*" in *--stateless-rpc*) sleep 600 & wait;; esac; fi'
    script.write_text(f'#!/bin/sh\n{hang}\nGIT_TRACE={folder}/trace exec {real} "$@"\n')
    script.chmod(0o755)
    (folder / "trace").touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def started(watched: Path, word: str) -> int:
    return sum(
        "run_command" not in line and word in line for line in (watched / "trace").read_text().splitlines()
    )


def fetch(sha: str, depth: int = 0, agent: str = "git/2.39.5") -> bytes:
    lines = ["command=fetch\n", f"agent={agent}\n", "object-format=sha1\n", None, "ofs-delta\n"]
    lines += [f"want {sha}\n", *([f"deepen {depth}\n"] if depth else []), "done\n"]
    parts = [b"0001" if line is None else b"%04x%s" % (len(line) + 4, line.encode()) for line in lines]
    return b"".join([*parts, b"0000"])


def post(place, body: bytes) -> httpx.Response:
    address = f"{place.url}/acme/open/git-upload-pack"
    return httpx.post(address, content=body, headers=REQUEST, timeout=120)


def children_of(process: int) -> list[str]:
    """Command lines of git's upload-pack children."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                with suppress(OSError):
                    found.append(Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "))
    return [line for line in found if "upload-pack" in line]


def test_identical_shallow_clones_start_one_pack_objects(own, git, watched):
    with ThreadPoolExecutor(16) as pool:
        codes = pool.map(lambda n: git("clone", "-q", "--depth=1", own.of("open"), f"c{n}").code, range(16))

    assert set(codes) == {0}
    assert started(watched, "git pack-objects") == 1
    assert len({git.ok("rev-parse", "HEAD", at=f"c{n}") for n in range(16)}) == 1


def test_a_fetch_that_was_answered_before_needs_no_repository(own, git):
    body = fetch(own.shas("open")[-1], depth=1)
    first = post(own, body)
    shown = projects.projection(own.forge, own.row("open"))
    shown.drop()
    own.land("open", {"later.txt": b"later\n"})

    assert post(own, body).content == first.content and not shown.folder.exists()
    git.ok("clone", "-q", own.of("open"), "a")
    assert (git.home / "a/later.txt").exists()
    own.run("update_project", "ada", organization="acme", project="open", visibility="private")
    assert post(own, body).status_code == 401


def test_an_answer_from_before_a_purge_is_not_given_any_more(own):
    body = fetch(own.shas("open")[-1], depth=1)
    assert post(own, body).status_code == 200
    row = own.row("open")
    kept = projects.known(own.forge, SYSTEM, row, body, 2)
    assert kept is not None
    kept.leave()
    with Context(own.forge, SYSTEM).transaction() as tx:
        tx.db.add(Cursor(project=row.id, name=code.PURGED, sequence=1, record="0" * 64))

    assert projects.known(own.forge, SYSTEM, row, body, 2) is None


def test_an_answer_is_shared_by_clients_that_only_call_themselves_otherwise(own, watched):
    sha = own.shas("open")[-1]
    first = post(own, fetch(sha, agent="git/2.39.5"))
    second = post(own, fetch(sha, agent="git/2.47.1-Linux"))

    assert first.content == second.content
    assert started(watched, "git pack-objects") == 1


def test_never_more_children_than_the_machine_bears(own):
    sha = own.shas("open")[-1]
    limit = projects.server(own.forge).children
    most, over = 0, threading.Event()

    def watch():
        nonlocal most
        while not over.is_set():
            most = max(most, len(children_of(os.getpid())))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(64) as pool:
        # Each asks for something else, so that nothing is shared.
        answers = list(pool.map(lambda n: post(own, fetch(sha, depth=n + 1)), range(64)))
    over.set()
    watcher.join()

    assert limit == 2 * (os.cpu_count() or 1)
    assert 0 < most <= limit
    for answer in answers:
        assert answer.status_code == 200 or int(answer.headers["retry-after"]) > 0
    assert sum(answer.status_code == 200 for answer in answers) >= limit
    assert until(lambda: not children_of(os.getpid()))


def test_whoever_finds_the_line_full_is_told_when_to_come_again(own, watched):
    server = projects.server(own.forge)
    server.waiting = 2
    sha = own.shas("open")[-1]
    (watched / "hang").touch()
    with ThreadPoolExecutor(64) as pool:
        sent = [pool.submit(post, own, fetch(sha, depth=n + 1)) for n in range(server.children + 3)]
        refused = until(lambda: [one for one in sent if one.done()])
        answers = [one.result() for one in refused]
        (watched / "hang").unlink()
        server.close()

    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert answers[0].text.startswith("Too many clones")


def test_a_child_and_what_it_started_end_when_the_client_goes(own, watched):
    sha = own.shas("open")[-1]
    (watched / "hang").touch()
    body = fetch(sha)
    where = urlsplit(own.url)
    connection = socket.create_connection((where.hostname, where.port))
    head = "".join(f"{name}: {value}\r\n" for name, value in REQUEST.items())
    connection.sendall(
        f"POST /acme/open/git-upload-pack HTTP/1.1\r\nHost: {where.netloc}\r\n{head}"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    (group,) = until(lambda: groups_that_sleep())
    connection.close()

    until(lambda: not groups_that_sleep())
    until(lambda: not Path(f"/proc/{group}").exists())
    until(lambda: not children_of(os.getpid()))
    (watched / "hang").unlink()
    assert post(own, body).status_code == 200


def groups_that_sleep() -> set[int]:
    """Process groups of children of ours in which `sleep 600` runs."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (path / "cmdline").read_bytes() == b"sleep\x00600\x00":
                group = os.getpgid(int(path.name))
                parent = int(Path(f"/proc/{group}/stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid():
                    found.add(group)
    return found


def test_a_push_of_one_commit_starts_one_child(own, git, watched):
    desk = clone(own, "open", git, "work")
    desk.commit("more.txt")
    (watched / "trace").write_text("")

    desk.push("origin", "HEAD:main")

    words = ("index-pack", "cat-file", "rev-list", "unpack-objects")
    counts = {word: started(watched, f"built-in: git {word}") for word in words}
    assert counts == {"index-pack": 1, "cat-file": 0, "rev-list": 0, "unpack-objects": 0}


def test_a_folder_deleted_while_it_is_read_harms_nobody(own, git):
    git.ok("clone", "-q", own.of("open"), "a")
    folder = projects.git_path(own.forge, own.row("open").id)
    stop = threading.Event()

    def delete():
        while not stop.is_set():
            shutil.rmtree(folder, ignore_errors=True)
            stop.wait(0.05)

    deleting = threading.Thread(target=delete)
    deleting.start()
    with ThreadPoolExecutor(4) as pool:
        rans = list(
            pool.map(lambda n: git("clone", "-q", f"--depth={n}", own.of("open"), f"d{n}"), range(1, 9))
        )
    stop.set()
    deleting.join()

    assert len(rans) == 8
    git.ok("clone", "-q", own.of("open"), "b")
    assert git.ok("rev-list", "HEAD", at="b") == git.ok("rev-list", "HEAD", at="a")
    assert git.ok("fsck", "--full", at="b") == ""


def test_a_node_that_has_nothing_yet_shows_the_same(own, git):
    git.ok("clone", "-q", own.of("open"), "a")
    for name in ("git", "index"):
        shutil.rmtree(own.forge.settings.data / name)
    git.ok("clone", "-q", "--no-local", own.of("open"), "b")

    assert git.ok("rev-list", "HEAD", at="a") == git.ok("rev-list", "HEAD", at="b")


def test_answers_do_not_outgrow_their_disk(own, git):
    server = projects.server(own.forge)
    server.answers.limit = 3 << 20
    for number in range(4):
        own.land("open", {f"r{number}.bin": os.urandom(1 << 20) + b"x" * 100})
        git.ok("clone", "-q", "--depth=1", own.of("open"), f"c{number}")

    kept = sum(
        path.stat().st_size for path in (own.forge.settings.data / "git/answers").rglob("*") if path.is_file()
    )
    assert kept == server.answers.bytes_on_disk <= server.answers.limit


def test_what_a_session_has_not_landed_cannot_be_had_by_its_name(own, git):
    draft = own.start("open", {"draft.txt": b"between us\n"})
    assert draft
    sha = git.ok("hash-object", "--stdin", input="between us\n").strip()
    own.land("open", {"other.txt": b"for all\n"})
    git.ok("init", "-q", "a")
    for person in ("", "mallory", "grace"):
        ran = git("fetch", "-q", own.of("open", person), sha, at="a")
        assert ran.code != 0 and "not our ref" in ran.err


def minute(forge):
    """One minute of the worker."""
    run_timer(forge, timers()["projects.jobs.look_for_git_upkeep"])
    drain(forge)


def test_the_worker_repacks_what_is_due_and_clones_stay_the_same(own, git, monkeypatch):
    monkeypatch.setattr("vcs.git.upkeep.PACKS", 5)
    git.ok("clone", "-q", own.of("open"), "a")
    minute(own.forge)
    path = projects.git_path(own.forge, own.row("open").id) / "main.git/objects"
    assert list(path.glob("pack/*.bitmap"))
    for number in range(7):
        own.land("open", {f"n{number}": b"x"})
        git.ok("pull", "-q", at="a")
    assert len(list(path.glob("pack/*.pack"))) == 8
    own.forge.forget("git upkeep looked")
    minute(own.forge)

    assert len(list(path.glob("pack/*.pack"))) <= 3
    git.ok("clone", "-q", own.of("open"), "b")
    assert git.ok("rev-list", "HEAD", at="a") == git.ok("rev-list", "HEAD", at="b")


def test_a_client_that_does_not_read_holds_no_child(own):
    own.land("open", {"big.bin": os.urandom(24 << 20)})
    body = fetch(own.shas("open")[-1], depth=1)
    where = urlsplit(own.url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in REQUEST.items())
        connection.sendall(
            f"POST /acme/open/git-upload-pack HTTP/1.1\r\nHost: {where.netloc}\r\n{head}"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        until(lambda: projects.server(own.forge).answers.bytes_on_disk > 24 << 20)
        assert not children_of(os.getpid())
        read = sum(map(len, iter(lambda: connection.recv(1 << 20), b"")))

    assert read > 24 << 20


def test_a_repository_that_cannot_be_repacked_holds_up_no_other(world):
    place = Place(world, "")
    shown = [projects.show(world.forge, SYSTEM, place.row(name)) for name in ("open", "secret")]
    packs = [each.path / "objects/pack" for each in shown]

    def full():
        faults.disarm()
        raise OSError(errno.ENOSPC, "no space left")

    faults.arm("upkeep.begun", full)
    keeping.keep_git_here(Context(world.forge, SYSTEM))

    assert sorted(bool(list(each.glob("*.bitmap"))) for each in packs) == [False, True]
    world.forge.forget("git upkeep looked")
    keeping.keep_git_here(Context(world.forge, SYSTEM))
    assert all(list(each.glob("*.bitmap")) for each in packs)


def test_a_node_without_a_worker_repacks_its_own_repositories(own, tmp_path):
    with closing(Forge.open(replace(own.forge.settings, data=tmp_path / "other"))) as other:
        packs = projects.show(other, SYSTEM, own.row("open")).path / "objects/pack"
        with closing(keeping.Keeper(other, seconds=0.01)):
            until(lambda: list(packs.glob("*.bitmap")))
