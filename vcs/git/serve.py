"""Serving fetches and archives: children of git on a projection, so many at a time as are allowed.

A request is read whole before a child starts, so a child never waits for a client: it reads a file
and writes an answer (`vcs.git.answers`). No more than `children` run at once; others wait in line,
and when the line is long or slow, whoever comes is told when to come again. When nobody reads an
answer any more its child is ended with everything it started.
"""

import contextlib
import hashlib
import logging
import os
import re
import select
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vcs.errors import Kind, MicelioError
from vcs.git.answers import CHUNK, Answer, Answers
from vcs.git.process import GitFailed, GitMissing, GitRefused, environment, git_command, git_version
from vcs.git.projection import Stamp

__all__ = ["GitServer", "Stamp", "TooBusy", "protocol_of"]

WAIT_SECONDS = 30.0
SILENCE_SECONDS = 300.0
_NORMALIZED = 1 << 20
_LANDINGS = "refs/landings"
# What is larger is copied through instead of being held in memory.
_ARCHIVING = {"core.bigFileThreshold": "1m"}

log = logging.getLogger(__name__)


class TooBusy(MicelioError):
    """As many git children run as this machine can bear, and enough wait already."""

    kind = Kind.UNAVAILABLE
    code = "git.busy"
    message = "Too many clones, fetches and archives are running here. Try again in {retry_after} s."


@dataclass(frozen=True)
class _Task:
    """One run of git: its command line, what it reads, what it sees, and what is said before it speaks."""

    name: str
    command: Sequence[str]
    body: bytes
    environment: Mapping[str, str]
    greeting: bytes = b""


class GitServer:
    """Children of one process and what they answered."""

    def __init__(
        self, folder: Path, *, children: int | None = None, waiting: int | None = None, cache: int = 2 << 30
    ) -> None:
        cores = os.cpu_count() or 1
        self.children = children or 2 * cores
        self.waiting = waiting if waiting is not None else 32 * self.children
        self.answers = Answers(folder, cache)
        self._threads = min(2, cores)
        self._pool = ThreadPoolExecutor(self.children, thread_name_prefix="git")
        self._lock = threading.Lock()
        self._queued = 0
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def advertise(self, repository: Path, stamp: Stamp, *, protocol: int) -> Answer:
        """The answer to `info/refs?service=git-upload-pack`; to be left by the caller."""
        greeting = b"" if protocol == 2 else b"001e# service=git-upload-pack\n0000"
        task = self._upload_pack(repository, b"", protocol, ["--http-backend-info-refs"], greeting=greeting)
        return self._answer(stamp.project, _advertisement(stamp, repository.name, protocol), task)

    def upload_pack(self, repository: Path, stamp: Stamp, body: bytes, *, protocol: int) -> Answer:
        """The answer to a `git-upload-pack` request; to be left by the caller."""
        asked = _normalized(body)
        task = self._upload_pack(repository, body, protocol, [])
        parts = _pack(stamp, repository.name, protocol, final=_is_final(asked))
        return self._answer(stamp.project, parts, task, asked=b"".join(asked))

    def known(self, stamp: Stamp, name: str, body: bytes | None, *, protocol: int) -> Answer | None:
        """The answer to a request (None: to `info/refs`) out of the repository of that name, if it follows
        from objects alone and is kept or being written: then nothing has to be brought up to date for it.
        To be left by the caller.
        """
        if body is None:
            parts, asked, final = _advertisement(stamp, name, protocol), [b""], protocol == 2
        else:
            asked = _normalized(body)
            final = _is_final(asked)
            parts = _pack(stamp, name, protocol, final=final)
        return self.answers.known(stamp.project, _key(parts, b"".join(asked))) if final else None

    def archive(self, repository: Path, stamp: Stamp, commit: str, format: str, prefix: str) -> Answer:
        """The files of a commit (SHA-1) below the folder `prefix`, as `tar.gz` or `zip`; to be left by the
        caller. The same commit gives the same bytes: times are the commit's, attributes those of its tree.
        """
        command = git_command(
            repository, "archive", f"--format={format}", f"--prefix={prefix}/", commit, config=_ARCHIVING
        )
        # A zip has local times.
        task = _Task("archive", command, b"", environment(TZ="UTC"))
        return self._answer(stamp.project, ["archive", git_version(), commit, format, prefix], task)

    def _upload_pack(
        self, repository: Path, body: bytes, protocol: int, options: Sequence[str], *, greeting: bytes = b""
    ) -> "_Task":
        command = git_command(repository, config=self._config(protocol))
        # `upload-pack` takes the repository as its argument, not from `--git-dir`.
        command = [*command[:-2], "upload-pack", "--stateless-rpc", *options, str(repository)]
        told = {"GIT_PROTOCOL": f"version={protocol}"} if protocol else {}
        return _Task("upload-pack", command, body, environment(**told), greeting)

    @property
    def running(self) -> int:
        """How many children there are now."""
        return len(self._running)

    def close(self) -> None:
        """End every child."""
        self._closed = True
        with self._lock:
            running = tuple(self._running)
        for child in running:
            _kill(child)
        # What still waits is told so when its turn comes, which is now.
        self._pool.shutdown(wait=True)

    def _answer(self, project: str, parts: Sequence[str], task: "_Task", *, asked: bytes = b"") -> Answer:
        key = _key(parts, asked)
        answer, new = self.answers.find(project, key)
        if not new:
            return answer

        def work() -> None:
            with self._lock:
                self._queued -= 1
            error: Exception | None = None
            try:
                if not answer.wanted or self._closed:
                    raise GitFailed(command=task.name, problem="nobody waits for it any more")
                answer.begin()
                if task.greeting:
                    answer.write(task.greeting)
                self._run(task, answer)
            except Exception as failure:
                # The thread's edge: whoever reads the answer gets it.
                error = failure
            answer.finish(error)
            self.answers.settle(project, key, answer)

        with self._lock:
            busy = self._queued >= self.waiting
            self._queued += not busy
        if busy:
            failure = TooBusy(retry_after=_retry_after(self.waiting, self.children))
            answer.finish(failure)
            self.answers.settle(project, key, answer)
            answer.leave()
            raise failure
        self._pool.submit(work)
        return answer

    def _config(self, protocol: int) -> dict[str, str]:
        config = {
            "uploadpack.allowFilter": "true",
            # The same rule in every version: what is in the repository may be had by its name.
            "uploadpack.allowAnySHA1InWant": "true",
            "pack.threads": str(self._threads),
            "pack.windowMemory": "256m",
        }
        # Versions 0 and 1 list every ref to everybody; 2 asks for those it wants.
        return config if protocol == 2 else {**config, "transfer.hideRefs": _LANDINGS}

    def _run(self, task: "_Task", answer: Answer) -> None:
        with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
            asked.write(task.body)
            asked.seek(0)
            try:
                child = subprocess.Popen(
                    task.command,
                    stdin=asked,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    env=task.environment,
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise GitMissing from error
            with self._child(child, answer):
                for part in _printed(child, task.name):
                    answer.write(part)
                code = child.wait()
            if code:
                said.seek(0)
                told = said.read(4096).decode("utf-8", "replace").strip()
                log.info("git %s ended with %d: %s", task.name, code, told)
                speaks = task.name == "upload-pack" and code == 128 and answer.size
                raise (GitRefused if speaks else GitFailed)(
                    command=task.name, problem=told or f"exit code {code}"
                )

    @contextlib.contextmanager
    def _child(self, child: subprocess.Popen[bytes], answer: Answer) -> Iterator[None]:
        with self._lock:
            self._running.add(child)
        answer.abandoned = lambda: _kill(child)
        try:
            # Whoever left or closed before it could be found has not ended it.
            if self._closed or not answer.wanted:
                _kill(child)
            yield
        finally:
            answer.abandoned = _nothing
            _kill(child)
            child.wait()
            if child.stdout:
                child.stdout.close()
            with self._lock:
                self._running.discard(child)


def _advertisement(stamp: Stamp, name: str, protocol: int) -> list[str]:
    # What version 2 says first names no ref.
    return ["advertise", *(stamp.lasting if protocol == 2 else stamp.now), str(protocol), name]


def _pack(stamp: Stamp, name: str, protocol: int, *, final: bool) -> list[str]:
    return ["upload-pack", *(stamp.lasting if final else stamp.now), str(protocol), name]


def _key(parts: Sequence[str], asked: bytes) -> str:
    told = "\0".join(parts).encode()
    return hashlib.sha256(b"%d %s%s" % (len(told), told, asked)).hexdigest()


def protocol_of(header: str) -> int:
    """The newest version of git's protocol that a `Git-Protocol` header asks for."""
    versions = [int(found) for found in re.findall(r"(?:^|:)version=([0-2])(?=:|$)", header)]
    return max(versions, default=0)


def _printed(child: subprocess.Popen[bytes], name: str) -> Iterator[bytes]:
    assert child.stdout is not None
    file = child.stdout.fileno()
    while True:
        if not select.select([file], [], [], SILENCE_SECONDS)[0]:
            raise GitFailed(command=name, problem=f"it said nothing for {SILENCE_SECONDS:.0f} s")
        part = os.read(file, CHUNK)
        if not part:
            return
        yield part


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _nothing() -> None:
    return None


def _retry_after(waiting: int, children: int) -> int:
    return max(2, min(60, waiting // (2 * children)))


def _normalized(body: bytes) -> list[bytes]:
    """A request's lines without what names the client's program; the whole as it is when it is long."""
    if len(body) > _NORMALIZED:
        return [body]
    lines, at = [], 0
    while at + 4 <= len(body):
        try:
            length = int(body[at : at + 4], 16)
        except ValueError:
            return [body]
        line = body[at + 4 : at + length] if length > 4 else b""
        at += max(length, 4)
        if not line.startswith((b"agent=", b"session-id=")):
            lines.append(b"%04x" % length + _AGENT.sub(b"", line) if line else b"%04x" % length)
    return lines if at == len(body) else [body]


_AGENT = re.compile(rb" (?:agent|session-id)=[^ \n]*")


def _is_final(lines: Sequence[bytes]) -> bool:
    """Whether what comes back depends on objects alone: the client negotiates no more and names no ref."""
    told = [line[4:].rstrip(b"\n") for line in lines]
    by_name = any(line.startswith((b"deepen-not ", b"want-ref ")) for line in told)
    return b"done" in told and any(line.startswith(b"want ") for line in told) and not by_name
