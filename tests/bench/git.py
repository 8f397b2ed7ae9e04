"""Clones, fetches and pushes of git itself: through Micelio, and through nginx and `git http-backend`.

Both serve the same history, both are repacked with bitmaps, and each figure's two sides are measured
in turns. The histories are those of `BENCH_REPOS=path,path`, else generated ones.
"""

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from backend.core.context import SYSTEM, Context
from backend.projects import access
from backend.projects import git as projects
from backend.projects.keeping import keep_git_here
from tests.backend.doors.git.conftest import serving
from tests.bench.figures import Figure, spent
from tests.bench.stage import Stage
from tests.bench.writing import owner
from tests.services import free_port

COMMITS = (5_000, 50_000)
PUSHES = 500
TURNS = 7
PATIENCE = 1200.0
UPLOAD_PACK = "application/x-git-upload-pack-request"


def measure(stage: Stage) -> Iterator[Figure]:
    """Each history in turn; last, a project of five hundred pushes before and after upkeep, which
    `ONLY=git.500` measures alone.
    """
    if not stage.asked_for("git.500"):
        folder = stage.folder()
        with _nginx(folder) as reference:
            for name, source in histories(folder):
                yield from _compared(stage, folder, reference, name, source)
    yield from _after_many_pushes(stage)


def _compared(stage: Stage, folder: Path, reference: str, name: str, source: Path) -> Iterator[Figure]:
    ours = f"{stage.served.url}/ada/{name}"
    token = stage.served.token
    _git("clone", "-q", "--bare", str(source), str(folder / "srv" / name))
    _repacked(folder / "srv" / name)
    yield Figure(f"git.{name}.import", spent(partial(_imported, stage, name, source)), "s")
    _mended(stage, ours)
    theirs = f"{reference}/{name}"
    sides = (ours, theirs)
    full = _in_turns(lambda url: _cloned(folder, url), sides)
    yield Figure(f"git.{name}.clone", full[0], "s")
    yield Figure(f"git.{name}.clone.to_backend", full[0] / full[1], "x", at_most=1.1)
    tip = _git("ls-remote", ours, "refs/heads/main").split()[0]
    shallow = _in_turns(lambda url: spent(partial(_drained, url, tip)), sides)
    yield Figure(f"git.{name}.shallow", shallow[0], "s")
    yield Figure(f"git.{name}.shallow.to_backend", shallow[0] / shallow[1], "x", at_most=0.1)
    before = _git("rev-parse", "main~1", at=folder / "srv" / name).strip()
    one = _in_turns(lambda url: _fetched(folder, url, before), sides)
    yield Figure(f"git.{name}.fetch", one[0], "s")
    yield Figure(f"git.{name}.fetch.to_backend", one[0] / one[1], "x", at_most=1.25)
    pushing = (ours.replace("http://", f"http://ada:{token}@"), theirs)
    if not _takes_pushes(ours, token):
        yield Figure(f"git.{name}.push.to_backend", None, "x", at_most=1.5)
        return
    pushed = _in_turns(lambda url: _pushed(folder, url), pushing)
    yield Figure(f"git.{name}.push", pushed[0], "s")
    yield Figure(f"git.{name}.push.to_backend", pushed[0] / pushed[1], "x", at_most=1.5)


def _in_turns(work: Callable[[str], float], sides: tuple[str, str]) -> tuple[float, float]:
    """The median of each side; the first turn warms both."""
    took: dict[str, list[float]] = {url: [] for url in sides}
    for turn in range(TURNS + 1):
        for url in sides if turn % 2 else reversed(sides):
            seconds = work(url)
            if turn:
                took[url].append(seconds)
    return statistics.median(took[sides[0]]), statistics.median(took[sides[1]])


def _cloned(folder: Path, url: str) -> float:
    target = folder / "clone"
    seconds = spent(lambda: _git("clone", "-q", "--bare", url, str(target)))
    shutil.rmtree(target)
    return seconds


def _fetched(folder: Path, url: str, before: str) -> float:
    """A fetch of the last commit by somebody who has the one before it."""
    known, target = folder / f"known-{before}", folder / "fetch"
    if not known.exists():
        _git("init", "-q", "--bare", str(known))
        _git("fetch", "-q", url, f"{before}:refs/heads/main", at=known)
    shutil.copytree(known, target)
    seconds = spent(lambda: _git("fetch", "-q", "--no-tags", url, "+main:main", at=target))
    shutil.rmtree(target)
    return seconds


def _pushed(folder: Path, url: str) -> float:
    """A push of one new commit; making it is not counted."""
    work = folder / f"push-{abs(hash(url))}"
    if not work.exists():
        _git("clone", "-q", "--depth=1", url, str(work))
    (work / "pushed.txt").write_text(f"{time.time_ns()}\n")
    _git("add", "pushed.txt", at=work)
    _git("commit", "-q", "-m", "Push one", at=work)
    return spent(lambda: _git("push", "-q", "origin", "HEAD", at=work))


def _drained(url: str, tip: str) -> int:
    """A request for one commit alone, read to its end and dropped: what a shallow clone costs a server."""
    lines: list[bytes | None] = [b"command=fetch", b"object-format=sha1", None, b"thin-pack", b"ofs-delta"]
    lines += [b"deepen 1", b"want " + tip.encode(), b"done"]
    parts = [b"0001" if line is None else b"%04x%s\n" % (len(line) + 5, line) for line in lines]
    headers = {"Content-Type": UPLOAD_PACK, "Git-Protocol": "version=2"}
    request = urllib.request.Request(f"{url}/git-upload-pack", b"".join(parts) + b"0000", headers)
    read = 0
    with urllib.request.urlopen(request) as answer:
        while part := answer.read(1 << 18):
            read += len(part)
    assert read > 1000
    return read


def _takes_pushes(url: str, token: str) -> bool:
    request = urllib.request.Request(f"{url}/info/refs?service=git-receive-pack")
    request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request):
            return True
    except urllib.error.HTTPError:
        return False


def _imported(stage: Stage, name: str, source: Path) -> None:
    asked: dict[str, Any] = {"source_url": str(source), "organization": "ada", "project": name}
    row = stage.served.api("POST", "/api/v1/projects/import", {**asked, "visibility": "public"})
    deadline = time.monotonic() + PATIENCE
    while row.get("state") not in ("done", "failed", "cancelled"):
        assert time.monotonic() < deadline and "id" in row, row
        time.sleep(0.05)
        row = stage.served.api("GET", f"/api/v1/imports/{row['id']}")
    assert row["state"] == "done", row


def _mended(stage: Stage, url: str) -> None:
    """Wait until the worker has repacked what the first request makes."""
    project = stage.served.api("GET", f"/api/v1/projects{url.removeprefix(stage.served.url)}")["id"]
    _git("ls-remote", url)
    state = stage.served.folder / "git" / project / "sequence"
    deadline = time.monotonic() + PATIENCE
    while not ((said := json.loads(state.read_text()))["whole"] and not said["mending"]):
        assert time.monotonic() < deadline, "the worker repacked nothing"
        time.sleep(0.2)


def _after_many_pushes(stage: Stage) -> Iterator[Figure]:
    """One-commit fetches of what 500 pushes leave, of what upkeep makes of it, and of a fresh repack.

    git reads the repositories from the disk, so that nothing both sides have in common evens them out.
    """
    environ = stage.environ(database="sqlite", store="local") | {"RATE_LIMIT_ANONYMOUS": "65000"}
    forge, folder = stage.forge_of(environ), stage.folder()
    token = owner(forge)
    with serving(forge) as url:
        took = _pushed_one_by_one(folder / "work", f"{url.replace('//', f'//ada:{token}@')}/acme/notes")
    yield Figure("git.500_pushes.push", statistics.median(took), "s")
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        row, _ = access.project(tx, "acme", "notes")
    shown = projects.show(forge, SYSTEM, row).path
    before = _git("rev-parse", "main~1", at=shown).strip()
    yield Figure("git.500_pushes.packs", len(list(shown.glob("objects/pack/*.pack"))), "")
    many = statistics.median(_fetched(folder, f"file://{shown}", before) for _ in range(TURNS))
    yield Figure("git.500_pushes.upkeep", spent(lambda: keep_git_here(Context(forge, SYSTEM))), "s")
    yield Figure("git.500_pushes.kept.packs", len(list(shown.glob("objects/pack/*.pack"))), "")
    fresh = folder / "fresh"
    _git("clone", "-q", "--mirror", "--no-local", f"file://{shown}", str(fresh))
    _repacked(fresh)
    kept = _in_turns(lambda url: _fetched(folder, url, before), (f"file://{shown}", f"file://{fresh}"))
    yield Figure("git.500_pushes.fetch", many, "s")
    yield Figure("git.500_pushes.kept.fetch", kept[0], "s")
    yield Figure("git.500_pushes.kept.to_fresh", kept[0] / kept[1], "x", at_most=1.2)


def _pushed_one_by_one(work: Path, url: str) -> list[float]:
    """Seconds that each of 500 pushes of one commit took."""
    _generated(work, PUSHES, files=400)
    commits = _git("rev-list", "--reverse", "main", at=work).split()
    return [spent(partial(_git, "push", "-q", url, f"{sha1}:refs/heads/main", at=work)) for sha1 in commits]


def histories(folder: Path) -> Iterator[tuple[str, Path]]:
    """The histories to measure with, by name: those of `BENCH_REPOS`, else generated ones."""
    if named := os.environ.get("BENCH_REPOS"):
        for path in named.split(","):
            yield Path(path).name.removesuffix(".git").lower(), Path(path)
        return
    for commits in COMMITS:
        path = folder / f"made-{commits}"
        _generated(path, commits)
        yield f"made-{commits}", path


def _generated(path: Path, commits: int, files: int = 1000) -> None:
    """A history of small edits in so many files of usual length, made by `git fast-import`."""
    chance = random.Random(commits)
    texts = {f"src/m{n % 40}/f{n}.py": [_line(chance) for _ in range(120)] for n in range(files)}
    _git("init", "-q", "--bare", "-b", "main", str(path))
    child = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=path, stdin=subprocess.PIPE)
    assert child.stdin is not None
    for number in range(commits):
        touched = texts if number == 0 else chance.sample(sorted(texts), 2)
        who = f"Ada <ada@example.org> {1_600_000_000 + 600 * number} +0000"
        message = f"Change {number}\n"
        child.stdin.write(f"commit refs/heads/main\ncommitter {who}\ndata {len(message)}\n{message}".encode())
        for name in touched:
            texts[name][chance.randrange(120)] = _line(chance)
            text = "".join(texts[name])
            child.stdin.write(f"M 644 inline {name}\ndata {len(text)}\n{text}".encode())
    child.stdin.close()
    assert child.wait() == 0


def _line(chance: random.Random) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(chance.randrange(2, 9))) + "\n"


_WORDS = ("def", "return", "if", "else", "for", "in", "while", "self", "value", "name", "path", "None")


def _repacked(path: Path) -> None:
    _git("repack", "-q", "-a", "-d", "-b", at=path)
    _git("commit-graph", "write", "--reachable", "--changed-paths", "--no-progress", at=path)


def _git(*words: str, at: Path | str = ".") -> str:
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _WHO}
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", *words],
        cwd=at,
        env=os.environ | alone | who,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout


_WHO = (("NAME", "Ada"), ("EMAIL", "ada@example.org"))


@contextmanager
def _nginx(folder: Path) -> Iterator[str]:
    """Debian's nginx and fcgiwrap before `git http-backend`, on the repositories in `srv`."""
    nginx = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin") or _missing("nginx-light")
    wrap = shutil.which("fcgiwrap", path=f"{os.defpath}:/usr/sbin") or _missing("fcgiwrap")
    backend = Path(_git("--exec-path").strip()) / "git-http-backend"
    port, socket = free_port(), folder / "fcgi"
    (folder / "srv").mkdir()
    told = {
        "SCRIPT_FILENAME": backend, "GIT_PROJECT_ROOT": folder / "srv", "GIT_HTTP_EXPORT_ALL": '""',
        "PATH_INFO": "$uri", "QUERY_STRING": "$query_string", "REQUEST_METHOD": "$request_method",
        "CONTENT_TYPE": "$content_type", "CONTENT_LENGTH": "$content_length", "REMOTE_USER": "ada",
        "GIT_PROTOCOL": "$http_git_protocol", "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_KEY_1": "safe.directory", "GIT_CONFIG_VALUE_1": "*",
    }  # fmt: skip
    parameters = "".join(f"fastcgi_param {name} {value};\n" for name, value in told.items())
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    place = f"location / {{\nfastcgi_pass unix:{socket};\n{parameters}}}"
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\nworker_processes 2;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\nclient_max_body_size 0;\n{paths}"
        f"server {{ listen 127.0.0.1:{port}; {place} }}\n}}\n"
    )
    commands = (
        [wrap, "-c", "4", "-s", f"unix:{socket}"],
        [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")],
    )
    quiet = subprocess.DEVNULL
    children = [subprocess.Popen(each, stderr=quiet, start_new_session=True) for each in commands]
    try:
        deadline = time.monotonic() + 30
        while not _answers(f"http://127.0.0.1:{port}/"):
            assert time.monotonic() < deadline, (folder / "error.log").read_text()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        for child in children:
            # fcgiwrap leaves its own children behind when it is asked to go.
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _missing(package: str) -> str:
    raise SystemExit(
        f"bench: {package} is not installed: run `make bench-packages`, or apt-get install {package}"
    )
