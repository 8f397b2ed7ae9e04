"""The store: immutable files under keys, and one mutable HEAD per project.

A file is written once and its name is never used again. HEAD moves by compare-and-swap,
and that swap is the only commit point of a project: the files given with it are durable
before it moves. An exception out of `swap_head` means that HEAD certainly did not move;
`Unknown` means that it may have, or still may, and the caller repeats the *same bytes*
until the store answers or HEAD has another version.
"""

import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, runtime_checkable

from vcs.errors import Kind, MicelioError

__all__ = [
    "ABSENT",
    "Copies",
    "Exists",
    "Get",
    "Listed",
    "Lost",
    "MemoryStore",
    "Missing",
    "Store",
    "SwapResult",
    "Swapped",
    "Unknown",
    "check_key",
    "from_origin",
    "head_key",
    "is_head_key",
]

ABSENT: Final = None


@dataclass(frozen=True, slots=True)
class Swapped:
    """HEAD moved; it has this version now. A version never comes twice."""

    version: str


@dataclass(frozen=True, slots=True)
class Lost:
    """HEAD has another version than expected, so nothing moved."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer came: HEAD moved, or not, or still will."""

    problem: str = ""


SwapResult = Swapped | Lost | Unknown


class Exists(MicelioError):
    """A file of this name was written before; names are never used again."""

    kind = Kind.CONFLICT
    code = "store.exists"
    message = "The store already has a file {key}."

    def __init__(self, key: str) -> None:
        super().__init__(key=key)


class Missing(MicelioError):
    """Nothing is stored under this key (any more)."""

    kind = Kind.NOT_FOUND
    code = "store.missing"
    message = "The store has nothing under {key}."

    def __init__(self, key: str) -> None:
        super().__init__(key=key)


@dataclass(frozen=True, slots=True)
class Listed:
    """One stored name; `at` is when it was written, by the store's clock."""

    key: str
    size: int
    at: datetime


class Store(Protocol):
    """What every store promises; several threads and processes use one at once."""

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Create a file, durable on return; Exists when the name was taken."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start`, as many as there are up to `length`; Missing."""

    def delete(self, key: str) -> None:
        """Remove a file, every version of it; fine when it is not there."""

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every name that begins with this text, HEADs too, sorted. For collector, doctor and backup."""

    def read_head(self, pool: str, project: str) -> tuple[bytes, str]:
        """HEAD's bytes and version; Missing when the pool has no such project."""

    def swap_head(
        self, pool: str, project: str, expected: str | None, body: bytes, files: Mapping[str, bytes] = {}
    ) -> SwapResult:
        """Move HEAD if it still has the version `expected` (ABSENT: if there is none).

        `files` are durable before HEAD moves. One that is there already with the same bytes is
        taken for an earlier try of this swap; with other bytes it is Exists.
        """

    def close(self) -> None:
        """Let go of files and connections; using the store again opens new ones."""


@runtime_checkable
class Copies(Protocol):
    """A store that keeps copies of files on this machine."""

    def forget(self, prefix: str) -> None:
        """Drop the copies of files whose keys begin like this."""


class Get(Protocol):
    """How a part of a file is read."""

    def __call__(self, key: str, start: int = 0, length: int | None = None, /) -> bytes:
        """As `Store.get`."""


class _Files(Protocol):
    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes: ...


def from_origin(files: _Files) -> Get:
    """The way around copies: for bytes that failed a check, and to learn that a file exists now.

    A store that may answer `get` from copies, which can be damaged or outlive the file, has a
    `get_from_origin` that does not.
    """
    # Not by `isinstance`, which takes longer than a look into SQLite does.
    around: Get | None = getattr(files, "get_from_origin", None)
    return around or files.get


_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*\Z")
_HEAD_KEY = re.compile(r"pools/[^/]+/heads/[^/]+\Z")


def check_key(key: str) -> str:
    """The key itself; ValueError unless it is safe to be a file name and a URL path."""
    if not _KEY.match(key) or len(key) > 1000:
        raise ValueError(f"{key!r} is no store key")
    return key


def head_key(pool: str, project: str) -> str:
    """Where a project's HEAD lives."""
    return check_key(f"pools/{pool}/heads/{project}")


def is_head_key(key: str) -> bool:
    """Whether a HEAD lives under this key, which `put` therefore refuses."""
    return _HEAD_KEY.match(key) is not None


def check_file_key(key: str) -> str:
    """The key itself; ValueError unless an immutable file may be written there."""
    if is_head_key(check_key(key)):
        raise ValueError(f"{key} is a HEAD, which only a swap may write")
    return key


def check_range(start: int, length: int | None) -> None:
    """Raise ValueError unless a read may ask for this range."""
    if start < 0 or (length is not None and length < 0):
        raise ValueError(f"no file has a range from {start} of length {length}")


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Kept:
    body: bytes
    at: datetime
    version: str = ""


class MemoryStore:
    """A store that lives and dies with its process; for tests and dry runs."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Create a file; Exists when the name was taken."""
        check_file_key(key)
        body = b"".join(chunks)
        with self._lock:
            if key in self._kept:
                raise Exists(key)
            self._kept[key] = _Kept(body, self._clock())

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start`, as many as there are up to `length`; Missing."""
        check_range(start, length)
        kept = self._kept.get(check_key(key))
        if kept is None:
            raise Missing(key)
        return kept.body[start : None if length is None else start + length]

    def delete(self, key: str) -> None:
        """Remove a file; fine when it is not there."""
        with self._lock:
            self._kept.pop(check_key(key), None)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every name that begins with this text, HEADs too, sorted."""
        with self._lock:
            found = [(key, self._kept[key]) for key in sorted(self._kept) if key.startswith(prefix)]
        return iter([Listed(key, len(kept.body), kept.at) for key, kept in found])

    def read_head(self, pool: str, project: str) -> tuple[bytes, str]:
        """HEAD's bytes and version; Missing."""
        key = head_key(pool, project)
        kept = self._kept.get(key)
        if kept is None:
            raise Missing(key)
        return kept.body, kept.version

    def swap_head(
        self, pool: str, project: str, expected: str | None, body: bytes, files: Mapping[str, bytes] = {}
    ) -> SwapResult:
        """Move HEAD and keep its files in one step."""
        key = head_key(pool, project)
        for name in files:
            check_file_key(name)
        with self._lock:
            kept = self._kept.get(key)
            if (kept.version if kept else ABSENT) != expected:
                return Lost()
            for name, content in files.items():
                if name in self._kept and self._kept[name].body != content:
                    raise Exists(name)
            now = self._clock()
            for name, content in files.items():
                self._kept.setdefault(name, _Kept(bytes(content), now))
            self._kept[key] = _Kept(bytes(body), now, uuid.uuid4().hex)
            return Swapped(self._kept[key].version)

    def close(self) -> None:
        """Nothing to let go of: what was stored stays."""
