"""Answers of git children: written once at git's speed, read by as many as ask for the same.

What a child prints goes into an `Answer`, short ones in memory, longer ones in a file, and whoever
asked follows it as it grows. So a slow reader holds no child, identical requests share one, and what
is whole is kept for the next who asks the same, the least recently used thrown away first.

A key says everything the bytes depend on, so nothing kept is ever stale; what a purge erased is
dropped by project.
"""

import asyncio
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from vcs.git.process import GitRefused
from vcs.objects import new_id

__all__ = ["Answer", "Answers", "Waiter"]

CHUNK = 256 << 10
_SPILL = 1 << 20
_IN_MEMORY = 32 << 20


class Waiter:
    """Wakes one coroutine from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Let it go on."""
        with suppress(RuntimeError):  # its loop has ended, and with it whoever waited
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float | None = None) -> bool:
        """Until woken; False when that took too long."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Answer:
    """Bytes that one thread writes and any number of coroutines read while they come.

    `abandoned` is called when the last reader has left before the end.
    """

    def __init__(self, path: Path, abandoned: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self.abandoned = abandoned
        self.kept = False
        self.size = 0
        self.started = False
        self.done = False
        self.error: Exception | None = None
        self._lock = threading.Lock()
        self._memory = bytearray()
        self._file: int | None = None
        self._readers: set[Waiter] = set()
        self._joined = 0
        self._dying = False

    @classmethod
    def whole(cls, path: Path, size: int) -> "Answer":
        """One that a process before this one kept."""
        answer = cls(path)
        answer.size, answer.started, answer.done, answer.kept = size, True, True, True
        return answer

    @property
    def in_memory(self) -> bool:
        """Whether it is short enough to have no file."""
        return self.size <= _SPILL

    @property
    def wanted(self) -> bool:
        """Whether anybody still reads it."""
        return self._joined > 0

    def begin(self) -> None:
        """A child works on it now."""
        with self._lock:
            self.started = True
            self._wake()

    def write(self, part: bytes) -> None:
        """Append what the child printed."""
        with self._lock:
            if self._file is None and self.size + len(part) > _SPILL:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
                _write(self._file, bytes(self._memory))
                self._memory.clear()
            if self._file is None:
                self._memory += part
            else:
                _write(self._file, part)
            self.size += len(part)
            self._wake()

    def finish(self, error: Exception | None = None) -> None:
        """That was all; readers of one that failed get the error once they have read what there is."""
        with self._lock:
            self.started = self.done = True
            self.error = error
            self._wake()
        self._let_go()

    def keep(self, path: Path) -> None:
        """Give the file a name to stay under."""
        if self._file is not None or not self.in_memory:
            os.replace(self.path, path)
            self.path = path
        self.kept = True

    def join(self) -> bool:
        """Become a reader, to `leave` in the end; False when what was kept is not there any more."""
        with self._lock:
            if self._dying:
                return False
            if self.done and not self.in_memory and self._file is None:
                try:
                    self._file = os.open(self.path, os.O_RDONLY)
                except OSError:
                    return False
            self._joined += 1
        return True

    def leave(self) -> None:
        """Stop reading."""
        with self._lock:
            self._joined -= 1
            self._dying = not self._joined and not self.done
        if self._dying:
            self.abandoned()
        self._let_go()

    async def first(self, seconds: float) -> bool:
        """Wait until there is something to send or the end; False when no child began in that time.
        Raises what made it fail before the first byte.
        """
        waiter = self._watch()
        try:
            while not (self.size or self.done):
                if not await waiter.wait(None if self.started else seconds) and not self.started:
                    return False
            if self.error is not None and not self.size:
                raise self.error
            return True
        finally:
            self._readers.discard(waiter)

    async def chunks(self) -> AsyncIterator[bytes]:
        """All bytes in order, as they come; raises the error of one that failed. A refusal of git's is
        told by the bytes themselves.
        """
        waiter, at = self._watch(), 0
        try:
            while True:
                if at < self.size:
                    part = await self._read(at)
                    at += len(part)
                    yield part
                elif self.done:
                    if self.error is not None and not isinstance(self.error, GitRefused):
                        raise self.error
                    return
                else:
                    await waiter.wait()
        finally:
            self._readers.discard(waiter)

    async def _read(self, at: int) -> bytes:
        with self._lock:
            if self._file is None:
                return bytes(self._memory[at : at + CHUNK])
            file = self._file
        return await asyncio.to_thread(os.pread, file, CHUNK, at)

    def _watch(self) -> Waiter:
        waiter = Waiter()
        with self._lock:
            self._readers.add(waiter)
        return waiter

    def _wake(self) -> None:
        for waiter in tuple(self._readers):
            waiter.wake()

    def _let_go(self) -> None:
        with self._lock:
            if self._joined or not self.done:
                return
            if self._file is not None:
                os.close(self._file)
                self._file = None
                if not self.kept:
                    self.path.unlink(missing_ok=True)


def _write(file: int, part: bytes) -> None:
    left = memoryview(part)
    while left:
        left = left[os.write(file, left) :]


class Answers:
    """Answers by key: those being written, and the whole ones that fit into `limit` bytes of disk."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], Answer] = {}
        self._kept: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._disk = self._memory = 0
        self._take_over()

    def find(self, project: str, key: str) -> tuple[Answer, bool]:
        """The answer to a request, joined; True when it is new and somebody has to write it."""
        place = (project, key)
        with self._lock:
            if (known := self._join(place)) is not None:
                return known, False
            self._forget(place)
            answer = Answer(self.folder / project / f"{new_id()}.part")
            answer.join()
            self._running[place] = answer
            return answer, True

    def known(self, project: str, key: str) -> Answer | None:
        """The answer to a request that is kept or being written, joined; None when there is none."""
        with self._lock:
            return self._join((project, key))

    def settle(self, project: str, key: str, answer: Answer) -> None:
        """An answer has ended: keep it if it is whole."""
        place = (project, key)
        with self._lock:
            if self._running.get(place) is answer:
                del self._running[place]
            if answer.error is not None or answer.size > self.limit // 2:
                return
            with suppress(FileNotFoundError):
                answer.keep(self.folder / project / key)
                self._forget(place)
                self._add(place, answer)
                self._evict()

    def drop(self, project: str) -> None:
        """Forget everything about a project."""
        with self._lock:
            for place in [place for place in self._kept if place[0] == project]:
                self._forget(place)
            for place in [place for place in self._running if place[0] == project]:
                del self._running[place]
        shutil.rmtree(self.folder / project, ignore_errors=True)

    @property
    def bytes_on_disk(self) -> int:
        """How much is kept in files."""
        return self._disk

    def _join(self, place: tuple[str, str]) -> Answer | None:
        for answer in (self._running.get(place), self._kept.get(place)):
            if answer is not None and answer.error is None and answer.join():
                if place in self._kept:
                    self._kept.move_to_end(place)
                return answer
        return None

    def _take_over(self) -> None:
        """Know what processes before this one kept; unfinished files are nobody's."""
        found = []
        for path in self.folder.glob("*/*"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                if path.suffix == ".part" or stat.st_size <= _SPILL:
                    path.unlink()
                else:
                    found.append((stat.st_atime, stat.st_size, path))
        for _, size, path in sorted(found):
            self._add((path.parent.name, path.name), Answer.whole(path, size))
        self._evict()

    def _add(self, place: tuple[str, str], answer: Answer) -> None:
        self._kept[place] = answer
        if answer.in_memory:
            self._memory += answer.size
        else:
            self._disk += answer.size

    def _forget(self, place: tuple[str, str]) -> None:
        answer = self._kept.pop(place, None)
        if answer is None:
            return
        if answer.in_memory:
            self._memory -= answer.size
        else:
            self._disk -= answer.size
            answer.path.unlink(missing_ok=True)

    def _evict(self) -> None:
        for place in list(self._kept):
            if self._disk <= self.limit and self._memory <= _IN_MEMORY:
                return
            answer = self._kept[place]
            if (self._memory > _IN_MEMORY) if answer.in_memory else (self._disk > self.limit):
                self._forget(place)
