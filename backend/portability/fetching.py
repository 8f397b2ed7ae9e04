"""Fetching: git brings a source's branches, tags and notes into a bare repository of the import's own.

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
from pathlib import Path

from vcs.git.process import environment, git_command
from vcs.git.source import Source, SourceRefused, last_words, run_source_git

REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+refs/notes/*:refs/notes/*")
_PROGRESS = re.compile(rb"([A-Za-z ]+):\s+\d+% \((\d+)/(\d+)\)")
_LOOK = 0.2
_MEASURE = 5.0

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
    allowed = {"protocol.allow": "never", f"protocol.{protocol}.allow": "always", "transfer.unpackLimit": "1"}
    secret = {**allowed, **config}
    # Configuration through the environment: a command line is everybody's to read.
    env = environment(GIT_ASKPASS="true", GIT_CONFIG_COUNT=str(len(secret)))
    for number, (name, value) in enumerate(secret.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    served = [f"--upload-pack={_SERVED_BY}"] if protocol == "file" else []
    told = _run(source, ["ls-remote", *served, "--symref", "--", url, "HEAD"], env, lambda *_: None, limit)
    options = ["--progress", "--prune", "--no-tags", "--no-write-fetch-head", *served]
    _run(source, ["fetch", *options, "--", url, *REFSPECS], env, progress, limit)
    if head := _head(source, told):
        source.run("symbolic-ref", "HEAD", head)


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
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            git_command(source.folder, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=dict(env),
            start_new_session=True,
        )
        try:
            _watch(child, source.folder, err.fileno(), progress, limit)
        except BaseException:
            # Its helpers are in its group, so none of them stays behind.
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        if child.returncode:
            err.seek(0)
            raise SourceRefused(said=last_words(err.read()[-4000:]))
        out.seek(0)
        return out.read(1 << 20)


def _watch(child: "subprocess.Popen[bytes]", folder: Path, err: int, progress: Progress, limit: int) -> None:
    measured = time.monotonic()
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
        if time.monotonic() - measured > _MEASURE:
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
