"""Segments: one immutable file per batch, its objects in zstd frames and an index at its end.

    "MICSEG1\\n" · frames · footer · trailer

Each frame decodes alone; an object begins somewhere in a frame and runs on into the next
ones when it is longer than the rest. The trailer says where the footer is and what it
hashes to, the footer where every frame and every object is. Frames carry zstd's checksum,
but what vouches for an object is only ever its id, checked on each read.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, repeat
from typing import NamedTuple, Self, overload

import zstandard

from vcs.errors import CorruptObject, MalformedObject
from vcs.objects import Hasher, Kind, Object, check_id

__all__ = [
    "BIG_BLOB",
    "COMPACTED_FRAME",
    "FRAME",
    "LARGEST_BLOB",
    "NO_SHA1",
    "PACKED_FRAME",
    "BlobSegment",
    "Columns",
    "Entries",
    "Footer",
    "Frame",
    "IndexEntry",
    "SegmentWriter",
    "check_segment",
    "each_frame",
    "entry_of",
    "frames_of",
    "name_hash",
    "object_chunks",
    "pack_frames",
    "pieces_from",
    "read_footer",
    "read_frame",
    "read_object",
    "segment_chunks",
    "spanned",
    "unpack_frames",
    "write_blob_segment",
    "write_segment",
]

FRAME = 1 << 20
COMPACTED_FRAME = 8 << 20
BIG_BLOB = 4 << 20
LARGEST_BLOB = 5 << 30
NO_SHA1 = bytes(20)

_MAGIC = b"MICSEG1\n"
_END = b"MICSEGE\n"
_TRAILER = struct.Struct(">QQQ32s8s")
_COUNT = struct.Struct(">I")
_FRAME = struct.Struct(">QII")
PACKED_FRAME = _FRAME.size
"""Bytes of one frame as footers and indexes keep it."""
_ENTRY = struct.Struct(">32s20sBIIIQ")
_LEVEL = 3
# Enough for the footer of most segments, so that one read finds trailer and footer.
_TAIL_GUESS = 64 << 10
_WITHOUT_SHA1 = frozenset({Kind.RECORD, Kind.LIST})
_KINDS = frozenset(map(int, Kind))

Read = Callable[[int, int], bytes]
Row = tuple[bytes, bytes, int, int, int, int, int]
"""An entry as it is stored: raw id, SHA-1, kind, hint, frame, offset and length."""


class Columns(NamedTuple):
    """Many objects, one list for each of their properties: a list costs less than a tuple for each object."""

    ids: list[bytes]
    sha1s: list[bytes]
    kinds: list[Kind]
    hints: list[int]
    contents: list[bytes]


class IndexEntry(NamedTuple):
    """Where one object is: `offset` counts plain bytes from the beginning of frame `frame`."""

    id: str
    sha1: bytes
    kind: Kind
    hint: int
    frame: int
    offset: int
    length: int


class Frame(NamedTuple):
    """One zstd frame: where it begins in the file, its stored and its plain length."""

    offset: int
    stored: int
    plain: int


def pack_frames(frames: Iterable[Frame]) -> bytes:
    """Where frames are, one after the other, as footers and indexes keep it."""
    return b"".join(_FRAME.pack(*frame) for frame in frames)


def unpack_frames(packed: bytes) -> tuple[Frame, ...]:
    """The frames that `pack_frames` packed."""
    return tuple(each_frame(packed))


def each_frame(packed: bytes) -> Iterator[Frame]:
    """The same frames one by one."""
    return map(Frame._make, _FRAME.iter_unpack(packed))


def spanned(frames: Iterable[Frame], entry: IndexEntry) -> tuple[Frame, ...]:
    """The frames an object lies in; `frames` begin with its first one."""
    found: list[Frame] = []
    left = entry.offset + entry.length
    for frame in frames:
        if left <= 0:
            break
        found.append(frame)
        left -= frame.plain
    return tuple(found)


class Entries(Sequence[IndexEntry]):
    """The entries of a footer, sorted by id: kept as they are stored, and made when asked for.

    A large import has hundreds of thousands of them, so what is remembered of each is its 73 bytes.
    """

    __slots__ = ("_packed",)

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    @overload
    def __getitem__(self, at: int) -> IndexEntry: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[IndexEntry]: ...

    def __getitem__(self, at: int | slice) -> IndexEntry | Sequence[IndexEntry]:
        if isinstance(at, slice):
            return tuple(self)[at]
        number = at + len(self) if at < 0 else at
        if not 0 <= number < len(self):
            raise IndexError(at)
        return entry_of(_ENTRY.unpack_from(self._packed, number * _ENTRY.size))

    def __len__(self) -> int:
        return len(self._packed) // _ENTRY.size

    def __iter__(self) -> Iterator[IndexEntry]:
        return map(entry_of, _ENTRY.iter_unpack(self._packed))

    def __eq__(self, other: object) -> bool:
        return self._packed == other._packed if isinstance(other, Entries) else tuple(self) == other

    def __hash__(self) -> int:
        return hash(self._packed)

    @property
    def stored(self) -> int:
        """Bytes they take, in memory too."""
        return len(self._packed)

    def rows(self) -> Iterator[Row]:
        """The same entries with their ids as bytes and their kinds as numbers, for whoever needs all."""
        return _ENTRY.iter_unpack(self._packed)

    def find(self, id: bytes) -> IndexEntry | None:
        """The entry of an id, None when there is none."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            at = middle * _ENTRY.size
            if self._packed[at : at + 32] < id:
                low = middle + 1
            else:
                high = middle
        at = low * _ENTRY.size
        return self[low] if self._packed[at : at + 32] == id else None


@dataclass(frozen=True, slots=True)
class Footer:
    """A segment's index: frames in file order, entries sorted by id."""

    frames: tuple[Frame, ...]
    entries: Entries

    def find(self, id: str) -> IndexEntry | None:
        """The entry of an object, None when the segment does not hold it."""
        return self.entries.find(bytes.fromhex(id))


def name_hash(path: bytes) -> int:
    """git's pack name-hash (pack-objects.h): sorts like names by their last 16 characters."""
    number = 0
    for byte in path.translate(None, b" \t\n\r"):
        number = ((number >> 2) + (byte << 24)) & 0xFFFFFFFF
    return number


class SegmentWriter:
    """Makes a segment piece by piece: add objects, `take` what is ready, `finish` at last."""

    def __init__(self, *, frame_size: int = FRAME, level: int = _LEVEL) -> None:
        if not 0 < frame_size <= COMPACTED_FRAME:
            raise ValueError(f"frames have 1 to {COMPACTED_FRAME} bytes")
        self._frame_size = frame_size
        self._compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
        self._ready = bytearray(_MAGIC)
        self._at = len(_MAGIC)
        self._plain = bytearray()
        self._frames: list[Frame] = []
        # As they are stored, by raw id: a large import has millions of them.
        self._entries: dict[bytes, bytes] = {}
        self._holds_big_blob = False

    def add(self, object: Object, sha1: bytes, hint: int = 0) -> None:
        """Add an object with git's SHA-1 of it (NO_SHA1 for records and lists); twice is once."""
        if bytes.fromhex(object.id) in self._entries:
            return
        big = object.kind is Kind.BLOB and len(object.content) >= BIG_BLOB
        if self._entries and (big or self._holds_big_blob):
            raise ValueError(f"a blob of {BIG_BLOB} bytes or more needs a segment of its own")
        self._holds_big_blob = big
        frame, offset = len(self._frames), len(self._plain)
        self.write(object.content)
        self.enter(IndexEntry(object.id, sha1, object.kind, hint, frame, offset, len(object.content)))

    def extend(self, objects: "Columns") -> None:
        """Add many objects at once. None is there yet, and none is a big blob: whoever has so many of them
        knows.
        """
        ids, sha1s, kinds, hints, contents = objects
        if not ids:
            return
        lengths = list(map(len, contents))
        # All frames but the last are full, so a place says in which one it is.
        begin = len(self._frames) * self._frame_size + len(self._plain)
        starts = islice(accumulate(lengths, initial=begin), len(lengths))
        frames, offsets = zip(*map(divmod, starts, repeat(self._frame_size)), strict=True)
        packed = map(_ENTRY.pack, ids, sha1s, kinds, hints, frames, offsets, lengths)
        self._entries.update(zip(ids, packed, strict=True))
        self.write(b"".join(contents))

    def write(self, content: bytes) -> None:
        """Append plain bytes; whoever calls this enters them too."""
        rest = memoryview(content)
        while len(rest):
            room = self._frame_size - len(self._plain)
            self._plain += rest[:room]
            rest = rest[room:]
            if len(self._plain) == self._frame_size:
                self._end_frame()

    def enter(self, entry: IndexEntry) -> None:
        """Put an object, whose bytes were written, into the index."""
        if (entry.kind in _WITHOUT_SHA1) != (entry.sha1 == NO_SHA1) or len(entry.sha1) != 20:
            raise ValueError(f"{entry.kind.word} {entry.id} has a SHA-1 it should not have, or none")
        self._entries[bytes.fromhex(entry.id)] = _packed(entry)

    def take(self) -> bytes:
        """The file's bytes that became ready since the last call."""
        ready = bytes(self._ready)
        self._ready.clear()
        return ready

    def finish(self) -> bytes:
        """The rest of the file, with footer and trailer."""
        self._end_frame()
        plain = b"".join(
            [
                _COUNT.pack(len(self._frames)),
                pack_frames(self._frames),
                _COUNT.pack(len(self._entries)),
                *sorted(self._entries.values()),
            ]
        )
        stored = self._compressor.compress(plain)
        trailer = _TRAILER.pack(self._at, len(stored), len(plain), hashlib.sha256(plain).digest(), _END)
        return self.take() + stored + trailer

    def _end_frame(self) -> None:
        if not self._plain:
            return
        stored = self._compressor.compress(self._plain)
        self._frames.append(Frame(self._at, len(stored), len(self._plain)))
        self._ready += stored
        self._at += len(stored)
        self._plain.clear()


def _packed(entry: IndexEntry) -> bytes:
    id, sha1, kind, hint, frame, offset, length = entry
    return _ENTRY.pack(bytes.fromhex(id), sha1, kind, hint, frame, offset, length)


def write_segment(
    objects: Iterable[tuple[Object, bytes, int]], *, frame_size: int = FRAME, level: int = _LEVEL
) -> bytes:
    """A whole segment of (object, SHA-1, hint) in the order given."""
    return b"".join(segment_chunks(objects, frame_size=frame_size, level=level))


def segment_chunks(
    objects: Iterable[tuple[Object, bytes, int]], *, frame_size: int = FRAME, level: int = _LEVEL
) -> Iterator[bytes]:
    """The same segment in pieces, never holding more than a frame and one object."""
    writer = SegmentWriter(frame_size=frame_size, level=level)
    for object, sha1, hint in objects:
        writer.add(object, sha1, hint)
        ready = writer.take()
        if ready:
            yield ready
    yield writer.finish()


class BlobSegment:
    """A segment of one blob as an iterator of pieces; `entry` is known when it is exhausted."""

    def __init__(self, chunks: Iterable[bytes], length: int, hint: int) -> None:
        self._pieces = self._make(chunks, length, hint)
        self._entry: IndexEntry | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    @property
    def entry(self) -> IndexEntry:
        """The blob's id, SHA-1 and place; ValueError before the last piece was taken."""
        if self._entry is None:
            raise ValueError("a blob has no id before all of it was written")
        return self._entry

    def _make(self, chunks: Iterable[bytes], length: int, hint: int) -> Iterator[bytes]:
        writer = SegmentWriter()
        ours = Hasher(Kind.BLOB, length)
        gits = hashlib.sha1(b"blob %d\0" % length, usedforsecurity=False)
        for chunk in chunks:
            ours.update(chunk)
            gits.update(chunk)
            writer.write(chunk)
            ready = writer.take()
            if ready:
                yield ready
        entry = IndexEntry(ours.hexdigest(), gits.digest(), Kind.BLOB, hint, 0, 0, length)
        writer.enter(entry)
        last = writer.finish()
        self._entry = entry
        yield last


def write_blob_segment(chunks: Iterable[bytes], length: int, hint: int = 0) -> BlobSegment:
    """A segment of one blob that arrives in chunks, made with flat memory.

    The iterator raises MalformedObject at its end when more or fewer than `length` bytes came.
    """
    return BlobSegment(chunks, length, hint)


def read_footer(read: Read, size: int, name: str = "without a name") -> Footer:
    """The index of a segment of that size; MalformedObject names the segment.

    `read(start, length)` gives bytes of the file; one call is enough for most segments.
    """
    if size < len(_MAGIC) + _TRAILER.size:
        raise _malformed(name, f"{size} bytes are too few")
    start = max(0, size - _TAIL_GUESS)
    tail = _exactly(read, start, size - start, name)
    offset, stored, plain, digest, end = _TRAILER.unpack(tail[-_TRAILER.size :])
    if end != _END or offset < len(_MAGIC) or offset + stored + _TRAILER.size != size:
        raise _malformed(name, "its trailer is not one")
    if start == 0 and tail[: len(_MAGIC)] != _MAGIC:
        raise _malformed(name, "it does not begin like a segment")
    body = tail[offset - start : -_TRAILER.size] if offset >= start else _exactly(read, offset, stored, name)
    content = _decoded(body, plain, name, "footer")
    if hashlib.sha256(content).digest() != digest:
        raise _malformed(name, "its footer does not match its trailer")
    try:
        footer = _parse_footer(content)
    except (struct.error, ValueError) as error:
        raise _malformed(name, f"its footer cannot be read ({error})") from error
    _check_footer(footer, offset, name)
    return footer


def _exactly(read: Read, start: int, length: int, name: str) -> bytes:
    content = read(start, length)
    if len(content) != length:
        raise _malformed(name, f"it ends before byte {start + length}")
    return content


def _decoded(stored: bytes, plain: int, name: str, part: str) -> bytes:
    try:
        # Asked before decoding: a damaged length must not make us allocate it.
        if zstandard.get_frame_parameters(stored).content_size != plain:
            raise _malformed(name, f"its {part} has another length than it says")
        return zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _malformed(name, f"its {part} cannot be decoded ({error})") from error


def _parse_footer(content: bytes) -> Footer:
    (count,) = _COUNT.unpack_from(content, 0)
    middle = _COUNT.size + count * _FRAME.size
    (entries,) = _COUNT.unpack_from(content, middle)
    if len(content) != middle + _COUNT.size + entries * _ENTRY.size:
        raise ValueError("its length does not fit its counts")
    return Footer(
        unpack_frames(content[_COUNT.size : middle]),
        Entries(content[middle + _COUNT.size :]),
    )


def entry_of(row: Row) -> IndexEntry:
    """The entry that one of `Entries.rows` is."""
    id, sha1, kind, hint, frame, offset, length = row
    return IndexEntry(id.hex(), sha1, Kind(kind), hint, frame, offset, length)


def _check_footer(footer: Footer, end: int, name: str) -> None:
    at = len(_MAGIC)
    for frame in footer.frames:
        if frame.offset != at or not 0 < frame.plain <= COMPACTED_FRAME:
            raise _malformed(name, f"its frame at byte {frame.offset} is out of place")
        at += frame.stored
    if at != end:
        raise _malformed(name, "its frames do not end where its footer begins")
    starts = list(accumulate((frame.plain for frame in footer.frames), initial=0))
    before = b""
    for id, _, kind, _, number, offset, length in footer.entries.rows():
        if kind not in _KINDS:
            raise _malformed(name, f"its footer cannot be read (no kind has the number {kind})")
        if length:
            fits = number < len(footer.frames) and offset < footer.frames[number].plain
            if not fits or starts[number] + offset + length > starts[-1]:
                raise _malformed(name, f"its object {id.hex()} lies outside of its frames")
        if id <= before:
            raise _malformed(name, "its entries are not sorted")
        before = id


def _malformed(name: str, problem: str) -> MalformedObject:
    return MalformedObject(what="segment", name=name, problem=problem)


def read_frame(read: Read, frame: Frame, name: str) -> bytes:
    """A frame's plain bytes; MalformedObject names the segment."""
    stored = _exactly(read, frame.offset, frame.stored, name)
    return _decoded(stored, frame.plain, name, f"frame at byte {frame.offset}")


def frames_of(read: Read, footer: Footer, name: str) -> Callable[[int], bytes]:
    """A function from a frame's number to its plain bytes, which remembers the last one."""
    last: tuple[int, bytes] = (-1, b"")

    def plain_of(number: int) -> bytes:
        nonlocal last
        if last[0] != number:
            last = (number, read_frame(read, footer.frames[number], name))
        return last[1]

    return plain_of


def read_object(plain_of: Callable[[int], bytes], entry: IndexEntry) -> bytes:
    """An object's content; CorruptObject, naming it, unless the bytes are those of its id."""
    content = b"".join(_pieces(plain_of, entry))
    check_id(entry.id, entry.kind, content)
    return content


def object_chunks(plain_of: Callable[[int], bytes], entry: IndexEntry) -> Iterator[bytes]:
    """An object's content in pieces of a frame at most; `pieces_from` begins later.

    Only whoever takes every piece learns that they are right: CorruptObject comes at the end.
    """
    hasher = Hasher(entry.kind, entry.length)
    for piece in _pieces(plain_of, entry):
        hasher.update(piece)
        yield piece
    if hasher.hexdigest() != entry.id:
        raise CorruptObject(id=entry.id, problem="its bytes are not those of this id")


def pieces_from(
    plain_of: Callable[[int], bytes], entry: IndexEntry, frames: Iterable[Frame], start: int
) -> Iterator[bytes]:
    """An object's content from a byte on, unchecked: its id says nothing about a part. `frames` are
    those it lies in; the ones before `start` are not read.
    """
    number, offset, skip = entry.frame, entry.offset, min(start, entry.length)
    left = entry.length - skip
    for frame in frames:
        if skip < frame.plain - offset:
            break
        skip -= frame.plain - offset
        number, offset = number + 1, 0
    rest = entry._replace(frame=number, offset=offset + skip, length=left)
    return _pieces(plain_of, rest)


def _pieces(plain_of: Callable[[int], bytes], entry: IndexEntry) -> Iterator[bytes]:
    number, offset, left = entry.frame, entry.offset, entry.length
    while left:
        try:
            plain = plain_of(number)
        except (MalformedObject, IndexError) as error:
            raise CorruptObject(id=entry.id, problem=f"{error}") from error
        piece = plain[offset : offset + left]
        if not piece:
            raise CorruptObject(id=entry.id, problem=f"frame {number} ends before it begins")
        yield piece
        left -= len(piece)
        number, offset = number + 1, 0


def check_segment(read: Read, size: int, name: str) -> Footer:
    """Read everything: the magic, the footer, each frame and each object against its id.

    MalformedObject names the segment, CorruptObject the object.
    """
    footer = read_footer(read, size, name)
    if read(0, len(_MAGIC)) != _MAGIC:
        raise _malformed(name, "it does not begin like a segment")
    plain_of = frames_of(read, footer, name)
    for number in range(len(footer.frames)):
        plain_of(number)
    # In file order, so that every frame is decoded once more and not once per object.
    for entry in sorted(footer.entries, key=lambda entry: (entry.frame, entry.offset)):
        for _ in object_chunks(plain_of, entry):
            pass
    return footer
