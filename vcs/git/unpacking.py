"""Unpacking: the objects of a short pack that git has checked, read without another child.

`index-pack` has been there before: every entry unpacks, every delta has its base in the pack, and the
index says where each object begins. What is left to look at is how much it would be: a delta of a few
bytes may make megabytes. (Formats: git's gitformat-pack.)
"""

import struct
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

__all__ = ["read_short"]

_NAMES = 8 + 4 * 256
_WORDS = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
_OFS_DELTA, _REF_DELTA = 6, 7


class _Entry(NamedTuple):
    """An entry as it stands in the pack: its type, the entry its delta is of, and its plain bytes."""

    type: int
    base: int | None
    plain: bytes


class _TooMuch(Exception):
    pass


def read_short(pack: Path, sha1s: Iterable[bytes], most: int) -> dict[bytes, tuple[bytes, bytes]] | None:
    """Type and bytes of these objects of a whole pack with its index beside it; None when the pack, or what
    has to be unpacked for them, has more than `most` bytes.
    """
    if pack.stat().st_size > most:
        return None
    reading = _Reading(pack.read_bytes(), pack.with_suffix(".idx").read_bytes(), most)
    try:
        return {sha1: reading.object(reading.starts[sha1]) for sha1 in sha1s}
    except _TooMuch:
        return None


class _Reading:
    """A pack in memory, and what was made of it so far, by where it begins."""

    def __init__(self, pack: bytes, index: bytes, most: int) -> None:
        (count,) = struct.unpack_from(">I", index, _NAMES - 4)
        names = [index[at : at + 20] for at in range(_NAMES, _NAMES + 20 * count, 20)]
        # After the names a checksum of four bytes for each. No offset in so short a pack needs 32 bits.
        starts = struct.unpack_from(f">{count}I", index, _NAMES + 24 * count)
        self.starts = dict(zip(names, starts, strict=True))
        self._ends = dict(pairwise([*sorted(starts), len(pack) - 20]))
        self._pack = memoryview(pack)
        self._left = most
        self._made: dict[int, tuple[bytes, bytes]] = {}

    def object(self, start: int) -> tuple[bytes, bytes]:
        """Type and bytes of the object that begins there. _TooMuch."""
        deltas: list[tuple[int, bytes]] = []
        at = start
        while at not in self._made:
            entry = self._entry(at)
            if entry.base is None:
                self._made[at] = _WORDS[entry.type], entry.plain
            else:
                deltas.append((at, entry.plain))
                at = entry.base
        for made, delta in reversed(deltas):
            word, base = self._made[at]
            self._take(_result_size(delta))
            self._made[made] = word, _applied(base, delta)
            at = made
        return self._made[start]

    def _entry(self, start: int) -> _Entry:
        pack, at = self._pack, start + 1
        byte = pack[start]
        type, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 128:
            byte = pack[at]
            size |= (byte & 127) << shift
            shift, at = shift + 7, at + 1
        base = None
        if type == _REF_DELTA:
            base, at = self.starts[bytes(pack[at : at + 20])], at + 20
        elif type == _OFS_DELTA:
            byte, at = pack[at], at + 1
            back = byte & 127
            while byte & 128:
                byte, at = pack[at], at + 1
                back = (back + 1 << 7) | byte & 127
            base = start - back
        self._take(size)
        return _Entry(type, base, zlib.decompress(pack[at : self._ends[start]], bufsize=size or 1))

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _TooMuch


def _result_size(delta: bytes) -> int:
    """How long what a delta makes is: the second of the two numbers it begins with."""
    at = size = shift = 0
    while delta[at] & 128:
        at += 1
    for byte in delta[at + 1 :]:
        size |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            break
    return size


def _applied(base: bytes, delta: bytes) -> bytes:
    # A tenth of a second, for the first push only.
    from dulwich.pack import apply_delta

    return b"".join(apply_delta(base, delta))
