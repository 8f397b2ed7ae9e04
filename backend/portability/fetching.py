"""Fetching: git brings a source's branches, tags and notes into a bare repository of the import's own.

`watched` runs any git child that talks to another machine.

What git may do is said in its environment and command line: which protocol, which address, no
prompt, no redirect, no helper, no hook. Credentials are in the environment of that one child.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vcs.git.process import environment, git_command
from vcs.git.source import Source, SourceRefused, last_words, run_source_git

REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+refs/notes/*:refs/notes/*")
_PROGRESS = re.compile(rb"([A-Za-z ]+):\s+\d+% \((\d+)/(\d+)\)")
_LOOK = 0.2
_MEASURE = 5.0
_LISTING_SECONDS = 300.0
_LONGEST_LIST = 64 << 20

# What serves a folder of this machine: with no grafts and no replacements, as the fetching side has none.
_SERVED_BY = (
    "env GIT_GRAFT_FILE=/dev/null/none GIT_NO_REPLACE_OBJECTS=1 git -c 'safe.directory=*' upload-pack"
)

Progress = Callable[[str, int, int], None]
"""Told what git does, how many of how many; what it raises ends the child."""


class TooLarge(SourceRefused):
    """The source is larger than this forge takes."""

    code = "import.too_large"
    message = "The source is larger than {limit} MB, which is all this forge takes. An operator can raise it."


@dataclass(frozen=True)
class Ended:
    """A child that ended by itself: its exit code, and what it printed."""

    code: int
    out: bytes
    err: bytes


def prepare(folder: Path, borrow: Path | None) -> Source:
    """An empty bare repository, kept if it is there, that need not fetch what `borrow` has."""
    if not (folder / "HEAD").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        run_source_git(folder, "init", "-q", "--bare", "-b", "main")
    if borrow is not None:
        (folder / "objects/info").mkdir(parents=True, exist_ok=True)
        (folder / "objects/info/alternates").write_text(f"{borrow / 'objects'}\n")
    return Source(folder)


def fetch(
    source: Source,
    url: str,
    *,
    protocol: str,
    config: Mapping[str, str],
    progress: Progress,
    limit: int,
) -> None:
    """Fetch everything that is to be imported, and make HEAD what it is there. SourceRefused, TooLarge.

    Killed half-way it leaves a repository that the next call goes on with.
    """
    env = talking(protocol, {"transfer.unpackLimit": "1", **config})
    served = [f"--upload-pack={_SERVED_BY}"] if protocol == "file" else []

    def asking(*_: object) -> None:
        progress("asking the source", 0, 0)

    told = _run(source, ["ls-remote", *served, "--symref", "--", url, "HEAD"], env, asking, limit)
    options = ["--progress", "--prune", "--no-tags", "--no-write-fetch-head", *served]
    _run(source, ["fetch", *options, "--", url, *REFSPECS], env, progress, limit)
    if head := _head(source, told):
        source.run("symbolic-ref", "HEAD", head)


def listed(folder: Path, url: str, config: Mapping[str, str]) -> dict[str, bytes]:
    """The branches, tags and notes of a repository elsewhere by name, with their SHA-1s. SourceRefused.

    `folder` is any repository here.
    """
    families = [spec.partition(":")[2] for spec in REFSPECS]
    env = talking(url.partition(":")[0], config)
    ended = watched(folder, ["ls-remote", "--", url, *families], env, seconds=_LISTING_SECONDS)
    if ended.code:
        raise SourceRefused(said=last_words(ended.err))
    if len(ended.out) >= _LONGEST_LIST:
        raise SourceRefused(said="It lists more refs than this forge takes.")
    rows = (line.partition(b"\t") for line in ended.out.splitlines())
    return {os.fsdecode(name): bytes.fromhex(sha1.decode()) for sha1, _, name in rows if b"^{}" not in name}


def talking(protocol: str, config: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child that talks by one protocol, configured so."""
    allowed = {"protocol.allow": "never", f"protocol.{protocol}.allow": "always", **config}
    # Configuration through the environment: a command line is everybody's to read.
    env = environment(GIT_ASKPASS="true", GIT_CONFIG_COUNT=str(len(allowed)))
    for number, (name, value) in enumerate(allowed.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def _head(source: Source, told: bytes) -> str | None:
    """The branch that HEAD is there. Bundles and old servers tell its commit only: then one that has it."""
    named = re.search(rb"^ref: (refs/heads/\S+)\tHEAD$", told, re.MULTILINE)
    if named:
        return os.fsdecode(named[1])
    commit = re.search(rb"^([0-9a-f]{40})\tHEAD$", told, re.MULTILINE)
    sha1 = bytes.fromhex(commit[1].decode()) if commit else None
    there = [name for name, held in source.refs().items() if held == sha1 and name.startswith("refs/heads/")]
    likely = [name for name in ("refs/heads/main", "refs/heads/master") if name in there]
    return next(iter([*likely, *there]), None)


def _run(
    source: Source, arguments: list[str], env: Mapping[str, str], progress: Progress, limit: int
) -> bytes:
    ended = watched(source.folder, arguments, env, progress, limit=limit)
    if ended.code:
        raise SourceRefused(said=last_words(ended.err))
    return ended.out


def watched(
    folder: Path,
    arguments: list[str],
    env: Mapping[str, str],
    progress: Progress = lambda *_: None,
    *,
    limit: int | None = None,
    seconds: float | None = None,
) -> Ended:
    """Run git on a repository to its end, telling how far it is. TooLarge when the folder grows beyond
    `limit` bytes, SourceRefused when it takes longer than `seconds`.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            git_command(folder, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=dict(env),
            start_new_session=True,
        )
        try:
            _watch(child, folder, err.fileno(), progress, limit, seconds)
        except BaseException:
            # Its helpers are in its group, so none of them stays behind.
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        out.seek(0)
        err.seek(max(0, err.seek(0, os.SEEK_END) - 4000))
        return Ended(child.returncode, out.read(_LONGEST_LIST), err.read())


def _watch(
    child: "subprocess.Popen[bytes]",
    folder: Path,
    err: int,
    progress: Progress,
    limit: int | None,
    seconds: float | None,
) -> None:
    began = measured = time.monotonic()
    while True:
        try:
            child.wait(_LOOK)
            return
        except subprocess.TimeoutExpired:
            pass
        size = os.fstat(err).st_size
        told = _PROGRESS.findall(os.pread(err, 400, max(0, size - 400)))
        what, done, total = told[-1] if told else (b"", b"0", b"0")
        progress(what.decode().strip().lower(), int(done), int(total))
        if seconds is not None and time.monotonic() - began > seconds:
            raise SourceRefused(said=f"It took longer than {seconds / 60:.0f} minutes.")
        if limit is not None and time.monotonic() - measured > _MEASURE:
            measured = time.monotonic()
            if _size(folder) > limit:
                raise TooLarge(limit=limit >> 20)


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total
