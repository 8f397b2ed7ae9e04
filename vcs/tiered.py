"""The tiered store: memory, then a folder on a fast disk, then a CDN, then the origin.

Only immutable files below `files/` are ever copied. HEADs, lists and everything that changes go
to the origin, and that something is missing is never remembered. Copies are blocks of one size,
the last of a file shorter. What is on disk carries a checksum of its own; what a CDN said is for
the reader to check, who comes back to `get_from_origin` when it is wrong. Then the copies of the
file are dropped, the CDN is left alone for a while, and both are counted.
"""

import hashlib
import os
import re
import shutil
import threading
import uuid
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import NamedTuple

from vcs.cdn import Cdn
from vcs.store import Listed, Missing, Store, Swapped, SwapResult, check_key, check_range, from_origin

__all__ = ["BLOCK", "DiskBlocks", "MemoryBlocks", "Met", "TieredStore"]

BLOCK = 1 << 20
MEMORY = 64 << 20
DISK = 10 << 30
_RUN = 8
_CACHED_KEY = re.compile(r"pools/[^/]+/files/.+\Z")
_DIGEST = hashlib.sha256().digest_size
_SECTOR = 4096


class Met(StrEnum):
    """What a tiered store counts: blocks by the tier that had them, and what went wrong on the way."""

    MEMORY = "memory"
    DISK = "disk"
    CDN = "cdn"
    ORIGIN = "origin"
    WRONG_DISK = "wrong_disk"
    WRONG_CDN = "wrong_cdn"
    FAILED_DISK = "failed_disk"
    FAILED_CDN = "failed_cdn"


class Place(NamedTuple):
    """One block of a file."""

    key: str
    number: int


class MemoryBlocks:
    """The blocks used last, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._lock = threading.Lock()
        self._blocks: OrderedDict[Place, bytes] = OrderedDict()

    def get(self, place: Place) -> bytes | None:
        """A block, if it is here."""
        with self._lock:
            block = self._blocks.get(place)
            if block is not None:
                self._blocks.move_to_end(place)
            return block

    def keep(self, place: Place, block: bytes) -> None:
        """Keep a block, and let go of those used longest ago."""
        with self._lock:
            if place not in self._blocks and len(block) <= self._limit:
                self._blocks[place] = block
                self._used += len(block)
            while self._used > self._limit:
                self._used -= len(self._blocks.popitem(last=False)[1])

    def drop(self, prefix: str) -> None:
        """Forget the blocks of every file whose key begins like this."""
        with self._lock:
            for place in [place for place in self._blocks if place.key.startswith(prefix)]:
                self._used -= len(self._blocks.pop(place))


class DiskBlocks:
    """Blocks as files of one folder, which several processes of a machine share.

    Nothing is synced: a block is its checksum and its bytes, and what does not fit together after
    a power cut is not there. Whoever has written a sixteenth of the limit sweeps the oldest away.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        self._written = limit
        self.wrong = 0

    def get(self, place: Place) -> bytes | None:
        """A block, if it is here whole."""
        path = self._path(place)
        try:
            body = path.read_bytes()
            os.utime(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        block = body[_DIGEST:]
        if hashlib.sha256(block).digest() == body[:_DIGEST]:
            return block
        with self._lock:
            self.wrong += 1
        path.unlink(missing_ok=True)
        return None

    def keep(self, place: Place, block: bytes) -> None:
        """Keep a block; OSError when the disk does not take it."""
        path = self._path(place)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{uuid.uuid4().hex}.draft")
        try:
            draft.write_bytes(hashlib.sha256(block).digest() + block)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        with self._lock:
            self._written += _on_disk(len(block))
            due = self._written > self._limit // 16
            if due:
                self._written = 0
        if due:
            self._sweep()

    def _sweep(self) -> None:
        found = []
        for inside, _, names in os.walk(self._folder):
            for name in names:
                path = Path(inside) / name
                with suppress(FileNotFoundError):
                    facts = path.stat()
                    found.append((facts.st_mtime_ns, _on_disk(facts.st_size), path))
        used = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if used <= self._limit:
                break
            path.unlink(missing_ok=True)
            used -= size

    def drop(self, prefix: str) -> None:
        """Forget the blocks of every file whose key begins like this."""
        whole = self._folder / prefix
        if prefix.endswith("/"):
            shutil.rmtree(whole, ignore_errors=True)
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in whole.parent.iterdir():
                if path.name.startswith(f"{whole.name}@"):
                    path.unlink(missing_ok=True)

    def _path(self, place: Place) -> Path:
        # No key has an @, and each is a safe path.
        return self._folder / f"{place.key}@{place.number}"


def _on_disk(size: int) -> int:
    """What a small file takes up, its name included."""
    return -(-size // _SECTOR) * _SECTOR + _SECTOR // 4


class TieredStore:
    """An origin with copies of its immutable files in front; closing it closes the origin."""

    def __init__(
        self,
        origin: Store,
        folder: Path,
        cdn: Cdn | None = None,
        *,
        memory: int = MEMORY,
        disk: int = DISK,
    ) -> None:
        self._origin = origin
        self._memory = MemoryBlocks(memory)
        self._disk = DiskBlocks(folder, disk)
        self._cdn = cdn
        self._lock = threading.Lock()
        self._flights: dict[Place, Future[bytes]] = {}
        self._counted: Counter[Met] = Counter()

    @property
    def met(self) -> Mapping[Met, int]:
        """How often each tier answered and each fault was met since this store was opened."""
        with self._lock:
            counted = Counter(self._counted)
        counted[Met.WRONG_DISK] = self._disk.wrong
        counted[Met.FAILED_CDN] = self._cdn.failures if self._cdn else 0
        return {met: counted[met] for met in Met}

    def _count(self, met: Met, times: int = 1) -> None:
        with self._lock:
            self._counted[met] += times

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start`, from the nearest tier that has them; Missing."""
        check_range(start, length)
        if length == 0 or not _CACHED_KEY.match(check_key(key)):
            return self._origin.get(key, start, length)
        content = b"".join(self._blocks(key, start // BLOCK, _last_block(start, length)))
        skipped = start % BLOCK
        return content[skipped : None if length is None else skipped + length]

    def _blocks(self, key: str, first: int, last: int | None) -> Iterator[bytes]:
        """Blocks of a file in order, until the last one wanted or the end of the file."""
        for run in count(first, _RUN):
            if last is not None and run > last:
                return
            end = run + _RUN - 1 if last is None else min(run + _RUN - 1, last)
            for block in self._run(key, run, end):
                yield block
                if len(block) < BLOCK:
                    return

    def _run(self, key: str, first: int, last: int) -> list[bytes]:
        """A few neighbouring blocks, what is missing fetched once for everybody who waits for it."""
        found: list[bytes | Future[bytes]] = []
        mine: list[Place] = []
        for place in (Place(key, number) for number in range(first, last + 1)):
            block = self._kept(place)
            if block is None:
                with self._lock:
                    flight = self._flights.get(place)
                    if flight is None:
                        flight = self._flights[place] = Future()
                        mine.append(place)
                found.append(flight)
            else:
                found.append(block)
                if len(block) < BLOCK:
                    break
        self._fly(mine)
        return [block if isinstance(block, bytes) else block.result() for block in found]

    def _fly(self, places: list[Place]) -> None:
        """Bring the blocks that fell to us; whatever happens, nobody waits for them any longer."""
        try:
            for run in _neighbours(places):
                self._fetch(run)
        except BaseException as error:
            for place in places:
                if not self._flights[place].done():
                    self._flights[place].set_exception(error)
            raise
        finally:
            with self._lock:
                for place in places:
                    del self._flights[place]

    def _fetch(self, run: list[Place]) -> None:
        # Somebody may have landed these between our look and our turn.
        landed = [self._memory.get(place) for place in run]
        if None not in landed:
            for place, block in zip(run, landed, strict=True):
                self._flights[place].set_result(block or b"")
            return
        content = self._ask(run[0].key, run[0].number * BLOCK, len(run) * BLOCK)
        for nth, place in enumerate(run):
            block = content[nth * BLOCK : (nth + 1) * BLOCK]
            if block:
                self._keep(place, block)
            self._flights[place].set_result(block)

    def _ask(self, key: str, start: int, length: int) -> bytes:
        if self._cdn is not None:
            content = self._cdn.get(key, start, length)
            if content is not None:
                self._count(Met.CDN, -(-len(content) // BLOCK))
                return content
        content = self._origin.get(key, start, length)
        self._count(Met.ORIGIN, -(-len(content) // BLOCK))
        return content

    def _kept(self, place: Place) -> bytes | None:
        block = self._memory.get(place)
        if block is not None:
            self._count(Met.MEMORY)
            return block
        block = self._from_disk(place)
        if block is not None:
            self._count(Met.DISK)
            self._memory.keep(place, block)
        return block

    def _from_disk(self, place: Place) -> bytes | None:
        try:
            return self._disk.get(place)
        except OSError:
            self._count(Met.FAILED_DISK)
            return None

    def _keep(self, place: Place, block: bytes) -> None:
        self._memory.keep(place, block)
        try:
            self._disk.keep(place, block)
        except OSError:
            # A full or broken disk makes reads slower, never impossible.
            self._count(Met.FAILED_DISK)

    def get_from_origin(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """What the origin says. Copies that say otherwise are dropped, and the CDN rests for a while."""
        try:
            content = from_origin(self._origin)(key, start, length)
        except Missing:
            self.forget(key)
            raise
        ends = length is None or len(content) < length
        if _CACHED_KEY.match(key) and self._is_contradicted(key, start, content, ends=ends):
            self.forget(key)
            # What is on disk proves itself when it is read, so this came from elsewhere.
            if self._cdn is not None:
                self._count(Met.WRONG_CDN)
                self._cdn.distrust()
        return content

    def _is_contradicted(self, key: str, start: int, content: bytes, *, ends: bool) -> bool:
        """Whether a copy differs from a part of its file; `ends` says that the file has no more."""
        last = (start + max(len(content), 1) - 1) // BLOCK
        for number in range(start // BLOCK, last + 1):
            place = Place(key, number)
            block = self._memory.get(place) or self._from_disk(place)
            if block is not None:
                inside = max(0, start - number * BLOCK)
                there = content[max(0, number * BLOCK - start) :][: BLOCK - inside]
                end = None if ends and number == last else inside + len(there)
                if block[inside:end] != there:
                    return True
        return False

    def forget(self, prefix: str) -> None:
        """Drop every copy of the files whose keys begin like this, at any tier of this machine; a purge
        needs it, with the project's folder and a slash at its end.
        """
        self._memory.drop(prefix)
        try:
            self._disk.drop(prefix)
        except OSError:
            self._count(Met.FAILED_DISK)

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Create a file at the origin."""
        self._origin.put(key, chunks)

    def delete(self, key: str) -> None:
        """Remove a file at the origin, and its copies here."""
        self._origin.delete(key)
        self.forget(key)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every name at the origin that begins with this text."""
        return self._origin.list(prefix)

    def read_head(self, pool: str, project: str) -> tuple[bytes, str]:
        """HEAD as the origin has it now; Missing."""
        return self._origin.read_head(pool, project)

    def swap_head(
        self, pool: str, project: str, expected: str | None, body: bytes, files: Mapping[str, bytes] = {}
    ) -> SwapResult:
        """Move HEAD at the origin; the files that came with it are read soon, so they are kept here."""
        result = self._origin.swap_head(pool, project, expected, body, files)
        if isinstance(result, Swapped):
            for key, content in files.items():
                for number in range(-(-len(content) // BLOCK) if _CACHED_KEY.match(key) else 0):
                    self._keep(Place(key, number), bytes(content[number * BLOCK : (number + 1) * BLOCK]))
        return result

    def close(self) -> None:
        """Close the connections to CDN and origin; copies stay."""
        if self._cdn is not None:
            self._cdn.close()
        self._origin.close()


def _last_block(start: int, length: int | None) -> int | None:
    return None if length is None else (start + length - 1) // BLOCK


def _neighbours(places: Iterable[Place]) -> Iterator[list[Place]]:
    run: list[Place] = []
    for place in places:
        if run and place.number != run[-1].number + 1:
            yield run
            run = []
        run.append(place)
    if run:
        yield run
