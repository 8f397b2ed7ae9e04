"""Scanning: whether a pack makes sense, before any child of ours looks at it.

Its header and the checksum at its end are looked at always. A short pack is walked through, entry by
entry: types, sizes, where deltas say their bases are, and that every entry unpacks to the size it
promises. What deltas make is for git to say. (Format: git's gitformat-pack.)
"""

import hashlib
import struct
import zlib
from typing import BinaryIO

from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError

__all__ = ["PackRefused", "check_pack"]

_MOST_OBJECTS = 50_000_000
_WALKED = 1 << 20
_UNPACKED = 64 << 20
# No deflate stream unpacks to more than 1032 times its length.
_RATIO = 1040
# What deltas make is held in memory.
_LONGEST_RESULT = 2 << 30
_OFS_DELTA, _REF_DELTA = 6, 7


class PackRefused(MicelioError):
    """The pack cannot be used, in git's words or ours."""

    kind = ErrorKind.INVALID
    code = "git.pack"
    message = "{problem}"


def check_pack(body: BinaryIO, start: int) -> int:
    """The length of a pack that makes sense, from `start` of the body on; PackRefused for any other."""
    body.seek(start)
    head = body.read(12)
    if len(head) < 12 or head[:4] != b"PACK":
        raise PackRefused(problem="What follows the commands is no pack.")
    version, count = struct.unpack(">II", head[4:])
    if version not in (2, 3) or count > _MOST_OBJECTS:
        raise PackRefused(problem=f"Packs of version {version} with {count} objects are not taken here.")
    hasher, size, held = hashlib.sha1(head, usedforsecurity=False), len(head), b""
    while piece := body.read(1 << 20):
        size += len(piece)
        held += piece
        hasher.update(held[:-20])
        held = held[-20:]
    if size < 32 or held != hasher.digest():
        raise PackRefused(problem="The pack is cut off or damaged: its checksum does not fit.")
    if size <= _WALKED:
        body.seek(start)
        _Walk(body.read(size)).go(count)
    return size


class _Walk:
    """One way through a short pack."""

    def __init__(self, pack: bytes) -> None:
        self.pack = pack
        self.end = len(pack) - 20
        self.at = 12
        self.starts: set[int] = set()
        self.unpacked = 0

    def go(self, count: int) -> None:
        """All entries; PackRefused."""
        for _ in range(count):
            self._entry()
            if self.unpacked > _UNPACKED:
                return
        if self.at != self.end:
            raise self._refused("there is more in it than it promises")

    def _refused(self, problem: str) -> PackRefused:
        return PackRefused(problem=f"The pack cannot be used: {problem} (at byte {self.at}).")

    def _byte(self) -> int:
        if self.at >= self.end:
            raise self._refused("it ends too early")
        self.at += 1
        return self.pack[self.at - 1]

    def _entry(self) -> None:
        start = self.at
        byte = self._byte()
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 128:
            byte = self._byte()
            size |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise self._refused("an object in it promises an impossible size")
        if kind == _OFS_DELTA:
            self._base(start)
        elif kind == _REF_DELTA:
            self.at += 20
        elif kind not in (1, 2, 3, 4):
            raise self._refused(f"there is no object type {kind}")
        content = self._unpack(size)
        if kind in (_OFS_DELTA, _REF_DELTA):
            self._delta(content)
        self.starts.add(start)

    def _base(self, start: int) -> None:
        byte = self._byte()
        offset = byte & 127
        while byte & 128:
            byte = self._byte()
            offset = (offset + 1 << 7) | byte & 127
            if offset > start:
                break
        if start - offset not in self.starts:
            raise self._refused("a delta in it has no base where it says")

    def _unpack(self, size: int) -> bytes:
        """The plain bytes of an entry; of a long one only the beginning."""
        left = self.end - self.at
        if left <= 0 or size > _RATIO * left + 64:
            raise self._refused("an object in it promises more than its bytes can hold")
        inflate = zlib.decompressobj()
        found, seen = b"", 0
        feed = memoryview(self.pack)[self.at : self.end]
        try:
            while not inflate.eof:
                piece = inflate.decompress(feed, 1 << 20)
                found = found or piece
                seen += len(piece)
                feed = memoryview(inflate.unconsumed_tail)
                if seen > size or (not piece and not feed and not inflate.eof):
                    break
        except zlib.error:
            raise self._refused("an object in it cannot be unpacked") from None
        if not inflate.eof or seen != size:
            raise self._refused("an object in it has another size than it promises")
        self.at = self.end - len(inflate.unused_data)
        self.unpacked += seen
        return found

    def _delta(self, content: bytes) -> None:
        """The sizes that a delta begins with."""
        at = 0
        for _ in range(2):
            size = shift = 0
            while True:
                if at >= len(content) or shift > 63:
                    raise self._refused("a delta in it is none")
                size |= (content[at] & 127) << shift
                shift += 7
                at += 1
                if not content[at - 1] & 128:
                    break
            if size > _LONGEST_RESULT:
                raise self._refused("a delta in it makes more than is allowed here")
