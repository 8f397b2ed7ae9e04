"""Contents of blobs that a workspace keeps, so that diffs need no network.

Small ones are rows of `contents.db`, compressed; one of more than `BIG` bytes is a file of its
own in `objects/`. An id tells what its bytes are, so nothing is ever changed here. What came of
a large one before its connection or its process ended stays as `{id}.part` and is gone on with.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import zstandard

from mic.errors import Busy
from vcs.objects import Hasher, Kind

BIG = 1 << 17
CHUNK = 1 << 18

# What a process that is killed may lose of what it received.
UNSAVED_BYTES = 1 << 20
UNSAVED_SECONDS = 0.25


class Contents:
    """The store in one `.mic` folder; threads may share it. Use it as a context: what was added is
    kept at its end, and most of it before.
    """

    def __init__(self, folder: str) -> None:
        self.objects = Path(folder, "objects")
        self._lock = threading.Lock()
        self._squeezer = zstandard.ZstdCompressor(level=1)
        self._unsaved = 0
        self._saved_at = 0.0
        self._db = sqlite3.connect(Path(folder, "contents.db"), isolation_level=None, check_same_thread=False)
        self._db.execute("CREATE TABLE IF NOT EXISTS contents (id TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID")

    def __enter__(self) -> "Contents":
        return self

    def __exit__(self, *_: object) -> None:
        with closing(self._db):
            # Even after a failure: whatever came is what its id says.
            self.save()

    def has(self, id: str) -> bool:
        """Whether the content is here."""
        return (
            self._row("SELECT 1 FROM contents WHERE id = ?", id) is not None or (self.objects / id).is_file()
        )

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those that are not here, each once."""
        return [id for id in dict.fromkeys(ids) if not self.has(id)]

    def begun(self, id: str) -> int:
        """How many bytes of a content are here that did not come whole yet."""
        try:
            return os.path.getsize(self._part(id))
        except FileNotFoundError:
            return 0

    def read(self, id: str) -> bytes | None:
        """The content, or None."""
        row = self._row("SELECT data FROM contents WHERE id = ?", id)
        if row is not None:
            return zstandard.decompress(row[0])
        try:
            return (self.objects / id).read_bytes()
        except FileNotFoundError:
            return None

    def pieces(self, id: str) -> Iterator[bytes]:
        """The content in pieces, for what may be large. KeyError when it is not here."""
        row = self._row("SELECT data FROM contents WHERE id = ?", id)
        if row is not None:
            yield zstandard.decompress(row[0])
            return
        try:
            with open(self.objects / id, "rb") as file:
                while piece := file.read(CHUNK):
                    yield piece
        except FileNotFoundError:
            raise KeyError(id) from None

    def keep(self, id: str, size: int, pieces: Iterable[bytes], start: int = 0) -> None:
        """Add a content; ValueError when its bytes are not what the id promises.

        `start` says how many bytes of a large one are here already (`begun`).
        """
        if size > BIG:
            return self._keep_file(id, size, pieces, start)
        content = b"".join(pieces)
        hasher = Hasher(Kind.BLOB, len(content))
        hasher.update(content)
        if hasher.hexdigest() != id:
            raise ValueError(f"the bytes that came are not {id}")
        with self._lock:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
                self._saved_at = time.monotonic()
            row = (id, self._squeezer.compress(content))
            self._db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", row)
            self._unsaved += len(row[1])
            due = self._unsaved > UNSAVED_BYTES or time.monotonic() - self._saved_at > UNSAVED_SECONDS
        if due:
            self.save()

    def save(self) -> None:
        """Make sure of what was added."""
        with self._lock:
            self._unsaved = 0
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def _keep_file(self, id: str, size: int, pieces: Iterable[bytes], start: int) -> None:
        self.objects.mkdir(exist_ok=True)
        part = self._part(id)
        with open(os.open(part, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy from None
            hasher = _hashed(file, size, start)
            file.truncate()
            for piece in pieces:
                hasher.update(piece)
                file.write(piece)
            file.flush()
            if hasher.hexdigest() != id:
                part.unlink()
                raise ValueError(f"the bytes that came are not {id}")
            part.replace(self.objects / id)

    def _part(self, id: str) -> Path:
        return self.objects / f"{id}.part"

    def _row(self, query: str, id: str) -> tuple[bytes] | None:
        with self._lock:
            row: tuple[bytes] | None = self._db.execute(query, (id,)).fetchone()
        return row


def _hashed(file: BinaryIO, size: int, start: int) -> Hasher:
    """The hash of what is there already; the file stands behind it then."""
    hasher = Hasher(Kind.BLOB, size)
    left = start
    while left and (piece := file.read(min(left, CHUNK))):
        hasher.update(piece)
        left -= len(piece)
    if left:
        raise ValueError("what was there of a content is gone")
    return hasher
