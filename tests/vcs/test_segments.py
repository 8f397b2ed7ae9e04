import hashlib
import struct
import subprocess
import sys

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vcs.samples import cut, flipped
from vcs.errors import CorruptObject, MalformedObject
from vcs.log import SegmentRef
from vcs.objects import EMPTY_BLOB, Kind, Object, object_id
from vcs.segments import (
    BIG_BLOB,
    COMPACTED_FRAME,
    NO_SHA1,
    Frame,
    IndexEntry,
    SegmentWriter,
    check_segment,
    frames_of,
    name_hash,
    object_chunks,
    read_footer,
    read_object,
    segment_chunks,
    write_blob_segment,
    write_segment,
)

KEY = "pools/p/files/q/a.seg"


def with_sha1(kind, content, hint=0):
    """An object as a writer takes it, under some SHA-1 of its own."""
    sha1 = NO_SHA1 if kind in (Kind.RECORD, Kind.LIST) else hashlib.sha1(content).digest()
    return Object.of(kind, content), sha1, hint


OBJECTS = st.lists(
    st.builds(with_sha1, st.sampled_from(Kind), st.binary(max_size=90), st.integers(0, 2**32 - 1)),
    max_size=12,
)


def reader(body):
    """What `read_footer` reads from: a file's ranges."""
    return lambda start, length: body[start : start + length]


def contents(body):
    """Every object of a segment, read and checked: id -> (kind, content)."""
    footer = check_segment(reader(body), len(body), KEY)
    plain_of = frames_of(reader(body), footer, KEY)
    return {entry.id: (entry.kind, read_object(plain_of, entry)) for entry in footer.entries}


@given(OBJECTS, st.sampled_from([1, 7, 64, 1 << 20]))
def test_objects_come_back_from_frames_of_any_size(objects, frame_size):
    body = write_segment(objects, frame_size=frame_size)

    assert contents(body) == {object.id: (object.kind, object.content) for object, _, _ in objects}
    footer = read_footer(reader(body), len(body), KEY)
    assert [entry.id for entry in footer.entries] == sorted({object.id for object, _, _ in objects})
    assert all(frame.plain <= frame_size for frame in footer.frames)
    for object, sha1, _ in objects:
        entry = footer.find(object.id)
        assert (entry.sha1, entry.length) == (sha1, len(object.content))
    assert footer.find("f" * 64) is None


@given(OBJECTS)
def test_pieces_make_the_same_file_as_the_whole(objects):
    assert b"".join(segment_chunks(objects, frame_size=32)) == write_segment(objects, frame_size=32)


def test_the_bytes_are_those_of_the_format():
    object, sha1, hint = with_sha1(Kind.TREE, b"tree bytes", name_hash(b"src"))
    body = write_segment([(object, sha1, hint)])

    assert body.startswith(b"MICSEG1\n")
    offset, stored, plain, digest, end = struct.unpack(">QQQ32s8s", body[-64:])
    assert end == b"MICSEGE\n"
    footer = zstandard.decompress(body[offset : offset + stored])
    assert (len(footer), hashlib.sha256(footer).digest()) == (plain, digest)
    frame = body[8:offset]
    assert zstandard.decompress(frame) == b"tree bytes"
    assert zstandard.get_frame_parameters(frame).has_checksum
    entry = bytes.fromhex(object.id) + sha1 + struct.pack(">BIIIQ", 2, hint, 0, 0, 10)
    assert footer == struct.pack(">IQIII", 1, 8, len(frame), 10, 1) + entry


def test_a_long_footer_takes_a_second_read():
    objects = [with_sha1(Kind.BLOB, hashlib.sha512(b"%d" % number).digest()) for number in range(1500)]
    body = write_segment(objects)
    reads = []

    def read(start, length):
        reads.append((start, length))
        return body[start : start + length]

    footer = read_footer(read, len(body), KEY)
    assert len(footer.entries) == 1500
    assert len(reads) == 2
    assert sum(length for _, length in reads) < len(body)


SAMPLE = [
    with_sha1(Kind.BLOB, b"hello hello hello\n", name_hash(b"greeting.txt")),
    with_sha1(Kind.TREE, b"\x01\x02tree bytes"),
    with_sha1(Kind.RECORD, b'{"format":1}'),
    with_sha1(Kind.BLOB, b""),
]


def test_a_cut_segment_is_refused_by_its_key():
    for damaged in cut(write_segment(SAMPLE, frame_size=20)):
        with pytest.raises(MalformedObject) as refusal:
            read_footer(reader(damaged), len(damaged), KEY)
        assert KEY in str(refusal.value)


def test_a_segment_shorter_than_it_should_be_is_refused_by_its_key():
    body = write_segment(SAMPLE, frame_size=20)
    for damaged in cut(body):
        with pytest.raises(MalformedObject) as refusal:
            read_footer(reader(damaged), len(body), KEY)
        assert KEY in str(refusal.value)


def test_a_flipped_bit_is_refused_by_name_or_changes_no_object():
    body = write_segment(SAMPLE, frame_size=20)
    ref, whole = SegmentRef.of(KEY, body), contents(body)
    for damaged in flipped(body):
        with pytest.raises(CorruptObject, match=KEY):
            ref.check(damaged)
        # zstd ignores a few bits of a frame; then the very same objects come out.
        try:
            assert contents(damaged) == whole
        except (MalformedObject, CorruptObject) as error:
            assert KEY in str(error) or any(id in str(error) for id in whole)


@pytest.mark.parametrize("damage", [lambda plain: plain[:-1], lambda plain: plain + b"x", lambda plain: b""])
def test_a_footer_that_hashes_right_and_reads_wrong_is_refused(damage):
    with pytest.raises(MalformedObject, match=KEY):
        body = refooted(write_segment(SAMPLE), damage)
        read_footer(reader(body), len(body), KEY)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (slice(4, 12), struct.pack(">Q", 9)),
        (slice(12, 16), struct.pack(">I", 1)),
        (slice(16, 20), struct.pack(">I", 0)),
        (slice(16, 20), struct.pack(">I", COMPACTED_FRAME + 1)),
        (slice(-73, -41), bytes(32)),
        (slice(-21, -20), b"\x08"),
        (slice(-21, -20), b"\x00"),
        (slice(-16, -12), struct.pack(">I", 5)),
        (slice(-12, -8), struct.pack(">I", 500)),
        (slice(-8, None), struct.pack(">Q", 500)),
    ],
)
def test_a_footer_that_points_astray_is_refused(field, value):
    def damage(plain):
        damaged = bytearray(plain)
        damaged[field] = value
        return bytes(damaged)

    objects = [each for each in SAMPLE if each[0].content]
    body = refooted(write_segment(objects), damage)
    with pytest.raises(MalformedObject, match=KEY):
        read_footer(reader(body), len(body), KEY)


def refooted(body, change):
    """The same frames under a changed footer whose lengths and hash are right."""
    offset, stored, _, _, end = struct.unpack(">QQQ32s8s", body[-64:])
    plain = change(zstandard.decompress(body[offset : offset + stored]))
    again = zstandard.ZstdCompressor(write_checksum=True).compress(plain)
    digest = hashlib.sha256(plain).digest()
    return body[:offset] + again + struct.pack(">QQQ32s8s", offset, len(again), len(plain), digest, end)


def test_an_object_under_a_wrong_id_is_never_given():
    body = write_segment([(Object(Kind.BLOB, EMPTY_BLOB, b"not empty"), bytes(19) + b"x", 0)])
    footer = read_footer(reader(body), len(body), KEY)
    plain_of = frames_of(reader(body), footer, KEY)

    for read in (read_object, lambda plain_of, entry: list(object_chunks(plain_of, entry))):
        with pytest.raises(CorruptObject, match=EMPTY_BLOB):
            read(plain_of, footer.entries[0])
    with pytest.raises(CorruptObject, match=EMPTY_BLOB):
        check_segment(reader(body), len(body), KEY)


def test_an_index_that_points_past_the_frames_names_the_object():
    body = write_segment(SAMPLE)
    footer = read_footer(reader(body), len(body), KEY)
    astray = IndexEntry("a" * 64, NO_SHA1, Kind.BLOB, 0, 0, 0, 10_000)

    with pytest.raises(CorruptObject, match="a" * 64):
        read_object(frames_of(reader(body), footer, KEY), astray)


def test_an_empty_segment_is_one():
    body = write_segment([])

    assert check_segment(reader(body), len(body), KEY).entries == ()


def test_writers_refuse_what_the_format_does_not_hold():
    blob = with_sha1(Kind.BLOB, b"x")
    writer = SegmentWriter()
    with pytest.raises(ValueError, match="SHA-1"):
        writer.add(blob[0], NO_SHA1)
    with pytest.raises(ValueError, match="SHA-1"):
        writer.add(Object.of(Kind.RECORD, b"{}"), bytes(19) + b"x")
    with pytest.raises(ValueError, match="frames"):
        SegmentWriter(frame_size=COMPACTED_FRAME + 1)

    writer.add(*blob)
    with pytest.raises(ValueError, match="segment of its own"):
        writer.add(*with_sha1(Kind.BLOB, bytes(BIG_BLOB)))
    alone = SegmentWriter()
    alone.add(*with_sha1(Kind.BLOB, bytes(BIG_BLOB)))
    with pytest.raises(ValueError, match="segment of its own"):
        alone.add(*blob)


def test_a_big_blob_becomes_a_segment_with_its_ids():
    content = hashlib.shake_128(b"big").digest(BIG_BLOB + 3)
    segment = write_blob_segment(
        (content[at : at + 100_000] for at in range(0, len(content), 100_000)), len(content), 5
    )
    with pytest.raises(ValueError, match="before all of it was written"):
        _ = segment.entry
    body = b"".join(segment)

    assert segment.entry.id == object_id(Kind.BLOB, content)
    assert segment.entry.sha1 == hashlib.sha1(b"blob %d\0" % len(content) + content).digest()
    footer = check_segment(reader(body), len(body), KEY)
    assert footer.entries == (segment.entry,)
    assert [frame.plain for frame in footer.frames] == [1 << 20] * 4 + [3]
    assert isinstance(footer.frames[0], Frame)


@pytest.mark.parametrize("length", [9, 11])
def test_a_blob_of_another_length_than_announced_is_refused(length):
    with pytest.raises(MalformedObject, match="announced"):
        list(write_blob_segment([b"0123456789"], length))


FLAT = """
import hashlib, resource, sys
from pathlib import Path
from vcs.local import LocalStore
from vcs.log import Measured
from vcs.segments import frames_of, object_chunks, read_footer, write_blob_segment

def pieces():
    for number in range(int(sys.argv[2])):
        yield hashlib.shake_128(b"%d" % number).digest(1 << 20)

store = LocalStore(Path(sys.argv[1]))
segment = write_blob_segment(pieces(), int(sys.argv[2]) << 20)
measured = Measured("big.seg", segment)
store.put("big.seg", measured)
read = lambda start, length: store.get("big.seg", start, length)
footer = read_footer(read, measured.ref.size, "big.seg")
chunks = object_chunks(frames_of(read, footer, "big.seg"), segment.entry)
assert sum(map(len, chunks)) == int(sys.argv[2]) << 20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_big_blob_is_written_and_read_with_flat_memory(tmp_path):
    peaks = []
    for number, megabytes in enumerate([8, 96]):
        done = subprocess.run(
            [sys.executable, "-c", FLAT, tmp_path / str(number), str(megabytes)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) * (1 if sys.platform == "darwin" else 1024))

    assert peaks[1] - peaks[0] < 16 << 20


# Worked by hand from git's pack_name_hash (pack-objects.h).
@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"", 0),
        (b"a", 0x61000000),
        (b"ab", 0x7A400000),
        (b"a b\t\n", 0x7A400000),
        (b"\xff", 0xFF000000),
        (b"\xff\xff", 0x3EC00000),
    ],
)
def test_name_hashes_are_those_of_git(path, number):
    assert name_hash(path) == number


@settings(max_examples=20)
@given(st.binary(max_size=40))
def test_name_hashes_are_32_bits(path):
    assert 0 <= name_hash(path) < 2**32
