"""Proving: what was staged gives back the repository it came from, SHA-1 by SHA-1.

Every staged object is read from the store again, checked against its id, turned into git's
form and hashed as git would. What the repository lists and what comes out must be the same
set; nothing the ingest remembered is believed. The comparing itself is done by a process of its own
(`comparing`), so that a segment is proved while the next ones are being written.
"""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import vcs
from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.git.ledger import Ledger
from vcs.git.process import environment
from vcs.log import SegmentRef
from vcs.segments import NO_SHA1
from vcs.store import Get

__all__ = ["NotIdentical", "Prover", "ProverGone", "prove"]

_SENT = 32 << 20
"""Longer files are asked for in parts, so that nobody holds a whole one."""
_REMEMBERED = 100_000
_PATIENCE = 0.2


class NotIdentical(MicelioError):
    """What was stored would not give back the repository it was read from."""

    kind = ErrorKind.CORRUPT
    code = "import.not_identical"
    message = "The import is not identical to its source: {problem}. Nothing was changed; start it again."


class ProverGone(MicelioError):
    """The process that compared ended, and nobody had told it to."""

    kind = ErrorKind.UNAVAILABLE
    code = "import.prover_gone"
    message = (
        "The comparison of SHA-1s ended too early ({problem}). Is the machine short of memory? "
        "Nothing was changed; start the import again."
    )


Live = Callable[[Sequence[str]], dict[str, bytes]]
"""SHA-1s of objects that the project had before, by id."""


class Prover:
    """Compares segments with what a ledger lists, in the order they are added: objects after all that
    they name. Close it, whatever happens; what was added and not proved then, is not proved.
    """

    def __init__(self, ledger: Path, read: Get, *, live: Live = lambda ids: {}) -> None:
        self._read = read
        self._live = live
        self._added: queue.SimpleQueue[SegmentRef | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._failed: BaseException | None = None
        self._proved = 0
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vcs.git.comparing", str(ledger), str(_REMEMBERED)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(PYTHONPATH=str(Path(vcs.__path__[0]).parent)),
        )
        self._thread = threading.Thread(target=self._run, name="proving", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process that compares."""
        return self._process.pid

    def add(self, ref: SegmentRef) -> None:
        """Have a segment compared soon. Raises what went wrong with one before."""
        self._raise()
        self._added.put(ref)

    def finish(self, proved: Callable[[int], None] = lambda count: None) -> int:
        """Wait until all is compared; how many objects came back. `proved` is told how many they are so
        far, several times a second, and may raise to stop. NotIdentical, ProverGone.
        """
        self._added.put(None)
        while not self._ended.wait(_PATIENCE):
            proved(self._proved)
        self._raise()
        return self._proved

    def close(self) -> None:
        """End it, whatever it is at."""
        self._process.kill()
        self._added.put(None)
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        self._process.wait()

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        try:
            while (ref := self._added.get()) is not None:
                self._compare(ref)
            self._say(b"{}\n")
            self._proved = self._answer(None)
        except BaseException as error:
            self._failed = error
        finally:
            self._ended.set()

    def _compare(self, ref: SegmentRef) -> None:
        sent = self._read(ref.key, 0, ref.size) if ref.size <= _SENT else b""
        request = {"segment": ref.key, "size": ref.size, "sent": len(sent)}
        self._say(json.dumps(request).encode() + b"\n" + sent)
        self._proved = self._answer(ref)

    def _answer(self, ref: SegmentRef | None) -> int:
        """What it says at last, after the questions it has."""
        while True:
            line = self._line()
            word, _, rest = line.rstrip(b"\n").partition(b" ")
            if word == b"done":
                return int(rest)
            if word == b"no":
                raise NotIdentical(problem=rest.decode().rstrip("."))
            if word == b"sha1s":
                self._say(self._sha1s(int(rest)))
            else:
                assert word == b"read" and ref is not None
                start, length = map(int, rest.split())
                self._say(self._read(ref.key, start, length))

    def _sha1s(self, count: int) -> bytes:
        assert self._process.stdout is not None
        raw = self._process.stdout.read(32 * count)
        ids = [raw[at : at + 32].hex() for at in range(0, len(raw), 32)]
        found = self._live(ids)
        return b"".join([found.get(id, NO_SHA1) for id in ids])

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._gone()
        return line

    def _say(self, words: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(words)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None

    def _gone(self) -> ProverGone:
        return ProverGone(problem=f"its exit code is {self._process.wait()}")


def prove(
    ledger: Ledger,
    segments: Iterable[SegmentRef],
    read: Get,
    *,
    live: Live = lambda ids: {},
    proved: Callable[[int], None] = lambda count: None,
) -> int:
    """Compare all that is staged with what the source lists; how many objects came back identical.

    As a `Prover` that is given all of them at once.
    """
    with Prover(ledger.path, read, live=live) as prover:
        for ref in segments:
            prover.add(ref)
        return prover.finish(proved)
