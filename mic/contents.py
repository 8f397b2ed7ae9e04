"""Contents of blobs that a workspace keeps, so that diffs need no network.

Small ones are rows of `contents.db`, deflated; one of more than `BIG` bytes is a file of its
own in `objects/`. An id tells what its bytes are, so nothing is ever changed here.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from vcs.objects import Hasher, Kind

BIG = 1 << 20
CHUNK = 1 << 18


class Contents:
    """The store in one `.mic` folder. Use it as a context: what was added is kept at its end."""

    def __init__(self, folder: str) -> None:
        self.objects = Path(folder, "objects")
        self._db = sqlite3.connect(Path(folder, "contents.db"), isolation_level=None)
        self._db.execute("CREATE TABLE IF NOT EXISTS contents (id TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID")

    def __enter__(self) -> "Contents":
        self._db.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *_: object) -> None:
        with closing(self._db):
            # Even after a failure: whatever came is what its id says.
            self._db.execute("COMMIT")

    def has(self, id: str) -> bool:
        """Whether the content is here."""
        row = self._db.execute("SELECT 1 FROM contents WHERE id = ?", (id,)).fetchone()
        return row is not None or (self.objects / id).is_file()

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those that are not here, each once."""
        return [id for id in dict.fromkeys(ids) if not self.has(id)]

    def read(self, id: str) -> bytes | None:
        """The content, or None."""
        row = self._db.execute("SELECT data FROM contents WHERE id = ?", (id,)).fetchone()
        if row is not None:
            return zlib.decompress(row[0])
        try:
            return (self.objects / id).read_bytes()
        except FileNotFoundError:
            return None

    def pieces(self, id: str) -> Iterator[bytes]:
        """The content in pieces, for what may be large. KeyError when it is not here."""
        row = self._db.execute("SELECT data FROM contents WHERE id = ?", (id,)).fetchone()
        if row is not None:
            yield zlib.decompress(row[0])
            return
        try:
            with open(self.objects / id, "rb") as file:
                while piece := file.read(CHUNK):
                    yield piece
        except FileNotFoundError:
            raise KeyError(id) from None

    def keep(self, id: str, size: int, pieces: Iterable[bytes]) -> None:
        """Add a content; ValueError when its bytes are not what the id promises."""
        if size > BIG:
            return self._keep_file(id, size, pieces)
        content = b"".join(pieces)
        hasher = Hasher(Kind.BLOB, len(content))
        hasher.update(content)
        if hasher.hexdigest() != id:
            raise ValueError(f"the bytes that came are not {id}")
        deflated = zlib.compress(content, 1)
        self._db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (id, deflated))

    def _keep_file(self, id: str, size: int, pieces: Iterable[bytes]) -> None:
        self.objects.mkdir(exist_ok=True)
        draft = self.objects / f"{id}.{os.getpid()}"
        try:
            hasher = Hasher(Kind.BLOB, size)
            with open(draft, "wb") as file:
                for piece in pieces:
                    hasher.update(piece)
                    file.write(piece)
            if hasher.hexdigest() != id:
                raise ValueError(f"the bytes that came are not {id}")
            draft.replace(self.objects / id)
        finally:
            draft.unlink(missing_ok=True)
