"""Packs: git's own files of objects, written and looked into without git.

A pack that we write holds whole objects only; deltas are the business of repacking. It is written
under a name that git takes for a draft and renamed when it is whole, the index after the pack, so
whoever reads beside us sees all of it or nothing. Nothing is flushed to disk: a projection is made
again from the log, and its owner notices after a power cut that a file is short.

Formats: git's gitformat-pack(5).
"""

import hashlib
import mmap
import os
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from vcs.errors import CorruptObject
from vcs.objects import Kind, new_id

__all__ = ["PackFolder", "PackWriter"]

_TYPES = {Kind.COMMIT: 1, Kind.TREE: 2, Kind.BLOB: 3, Kind.TAG: 4}
_HEADER = struct.Struct(">4sII")
_INDEX_MAGIC = b"\xfftOc\0\0\0\2"
_FANOUT = struct.Struct(">256I")
_LARGE = 1 << 31
_READ = 1 << 20


class PackWriter:
    """Writes one pack and its index into a folder; leaving the block early leaves no trace.

    `expected` is how many objects will come, as far as it is known: a wrong guess costs reading the
    file once more. An object that is in the pack already is not written again.
    """

    def __init__(self, folder: Path, expected: int = 0, *, level: int = 1) -> None:
        self._folder = folder
        self._draft = folder / f"tmp_pack_{new_id()}"
        self._expected = expected
        self._level = level
        self._entries: dict[bytes, tuple[int, int]] = {}
        self._at = self._crc = 0
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._file = open(self._draft, "w+b", buffering=1 << 18)  # noqa: SIM115 closed by __exit__
        self._put(_HEADER.pack(b"PACK", 2, expected))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        with suppress(FileNotFoundError):
            self._draft.unlink()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, sha1: bytes) -> bool:
        return sha1 in self._entries

    def add(self, kind: Kind, content: bytes, sha1: bytes) -> None:
        """Add an object; CorruptObject unless its bytes are those of this SHA-1."""
        self.add_chunks(kind, len(content), [content], sha1)

    def add_chunks(self, kind: Kind, length: int, chunks: Iterable[bytes], sha1: bytes) -> None:
        """The same for an object that comes in pieces."""
        if sha1 in self._entries:
            return
        start, self._crc = self._at, 0
        gits = hashlib.sha1(b"%s %d\0" % (kind.word.encode(), length), usedforsecurity=False)
        compress = zlib.compressobj(self._level)
        self._put(_entry_header(_TYPES[kind], length))
        for chunk in chunks:
            gits.update(chunk)
            self._put(compress.compress(chunk))
        self._put(compress.flush())
        if gits.digest() != sha1:
            raise CorruptObject(id=sha1.hex(), problem="git would call its bytes otherwise")
        self._entries[sha1] = (start, self._crc)

    def finish(self) -> Path:
        """Put pack and index in place and return the pack's path."""
        if len(self._entries) != self._expected:
            self._count_again()
        digest = self._hash.digest()
        self._file.write(digest)
        self._file.close()
        name = self._folder / f"pack-{digest.hex()}"
        index = self._draft.with_name(f"tmp_idx_{new_id()}")
        index.write_bytes(self._index(digest))
        for path in (self._draft, index):
            path.chmod(0o444)
        os.replace(self._draft, name.with_suffix(".pack"))
        os.replace(index, name.with_suffix(".idx"))
        return name.with_suffix(".pack")

    def _put(self, part: bytes) -> None:
        self._file.write(part)
        self._hash.update(part)
        self._crc = zlib.crc32(part, self._crc)
        self._at += len(part)

    def _count_again(self) -> None:
        self._file.seek(0)
        self._file.write(_HEADER.pack(b"PACK", 2, len(self._entries)))
        self._file.seek(0)
        self._hash = hashlib.sha1(usedforsecurity=False)
        while part := self._file.read(_READ):
            self._hash.update(part)
        self._file.seek(0, os.SEEK_END)

    def _index(self, pack: bytes) -> bytes:
        ordered = sorted(self._entries.items())
        counts = [0] * 256
        for sha1, _ in ordered:
            counts[sha1[0]] += 1
        total, fanout = 0, []
        for count in counts:
            total += count
            fanout.append(total)
        large = [offset for _, (offset, _) in ordered if offset >= _LARGE]
        numbers = {offset: _LARGE | number for number, offset in enumerate(large)}
        body = b"".join(
            [
                _INDEX_MAGIC,
                _FANOUT.pack(*fanout),
                *(sha1 for sha1, _ in ordered),
                struct.pack(f">{total}I", *(crc for _, (_, crc) in ordered)),
                struct.pack(f">{total}I", *(numbers.get(offset, offset) for _, (offset, _) in ordered)),
                struct.pack(f">{len(large)}Q", *large),
                pack,
            ]
        )
        return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _entry_header(number: int, length: int) -> bytes:
    first, length = number << 4 | length & 15, length >> 4
    made = bytearray()
    while length:
        made.append(first | 0x80)
        first, length = length & 0x7F, length >> 7
    made.append(first)
    return bytes(made)


class PackFolder:
    """Which objects the packs of a repository hold. Packs may come and go; indexes stay open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, _PackIndex] = {}

    def names(self) -> set[str]:
        """The packs that are whole, without suffix; empty when there is no folder."""
        try:
            found = set(os.listdir(self.folder))
        except FileNotFoundError:
            return set()
        return {name[:-4] for name in found if name.endswith(".idx") and name[:-3] + "pack" in found}

    def sizes(self) -> dict[str, int]:
        """The bytes of each pack that is whole, by name in order."""
        folder, found = str(self.folder), {}
        for name in sorted(self.names()):
            with suppress(FileNotFoundError):
                found[name] = os.stat(f"{folder}/{name}.pack").st_size
        return found

    def refresh(self) -> None:
        """Look at the packs that are there now."""
        names = self.names()
        for name in self._open.keys() - names:
            self._open.pop(name).close()
        for name in sorted(names - self._open.keys()):
            with suppress(FileNotFoundError):
                self._open[name] = _PackIndex(self.folder / f"{name}.idx")

    def __contains__(self, sha1: bytes) -> bool:
        return any(sha1 in index for index in self._open.values())

    def close(self) -> None:
        """Let go of the indexes."""
        for index in self._open.values():
            index.close()
        self._open.clear()


class _PackIndex:
    """One pack's index, searched where it lies."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._fanout = _FANOUT.unpack_from(self._bytes, len(_INDEX_MAGIC))

    def __contains__(self, sha1: bytes) -> bool:
        low = self._fanout[sha1[0] - 1] if sha1[0] else 0
        high = self._fanout[sha1[0]]
        start = len(_INDEX_MAGIC) + _FANOUT.size
        while low < high:
            middle = (low + high) // 2
            found = self._bytes[start + 20 * middle : start + 20 * middle + 20]
            if found == sha1:
                return True
            if found < sha1:
                low = middle + 1
            else:
                high = middle
        return False

    def close(self) -> None:
        self._bytes.close()
