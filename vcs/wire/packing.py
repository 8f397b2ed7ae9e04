"""Contents on the wire: small blobs packed together, pieces compressed where that helps.

What does not get smaller goes as it is. A frame says how long it will be, and whoever decodes
it looks at that first: no sender can make a receiver hold more than a chunk.
"""

from collections.abc import Iterable, Iterator

import zstandard

from vcs.wire import CHUNK

SMALL = 64 * 1024
"""Bytes of the largest blob that shares a message with others."""

PACK_BLOBS = 1000
"""Blobs in one message at most."""

_LEVEL = 1


class Squeezer:
    """Compresses pieces, for one thread."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)

    def __call__(self, piece: bytes) -> bytes | None:
        """The piece as one zstd frame, None when that saves less than a tenth."""
        squeezed = self._compressor.compress(piece)
        return squeezed if len(squeezed) * 10 < len(piece) * 9 else None


def unsqueezed(frame: bytes) -> bytes:
    """What a frame holds; ValueError when it is damaged, says no length, or more than a chunk."""
    try:
        length = zstandard.get_frame_parameters(frame).content_size
        if length > CHUNK:
            raise ValueError("a zstd frame holds more than a chunk")
        # Without `allow_extra_data=False` a frame could bring others that nobody measured.
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=CHUNK, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(f"a zstd frame cannot be decoded ({error})") from None


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that fit into a message."""
    for chunk in chunks:
        for at in range(0, len(chunk), CHUNK):
            yield chunk[at : at + CHUNK]


def split(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """The contents of a pack; ValueError when it does not hold exactly these."""
    contents: list[bytes] = []
    at = 0
    for size in sizes:
        contents.append(data[at : at + size])
        at += size
    if at != len(data):
        raise ValueError("a pack does not hold what its headers say")
    return contents
