"""The doctor names each thing that can be wrong with a log."""

import pytest

from tests.vcs.logs import AT, World, proposal
from vcs.doctor import verify
from vcs.log import Condemned, Record, RecordKind, RefChange, SegmentRef, segment_key
from vcs.objects import Kind, Object, new_id
from vcs.segments import NO_SHA1, read_footer, write_segment
from vcs.store import MemoryStore


@pytest.fixture
def world(tmp_path):
    world = World(MemoryStore(), tmp_path)
    commit = None
    for number in range(3):
        asked = proposal(world.main, commit, {b"a": b"%d" % number, b"d/%d" % number: b"text"})
        commit = world.batcher().land(asked).commit
    return world


def codes(world):
    return {fault.code for fault in world.faults()}


def rewrite(world, key, body):
    world.store.delete(key)
    world.store.put(key, [body])


def swap_in(world, head, files=None):
    _, version = world.main.read_head()
    world.store.swap_head(world.project, world.project, version, head.encode(), files or {})


def segment_of(world, number):
    ref = world.main.head().tail[number]
    body = world.store.get(ref.key)
    return ref, body, read_footer(lambda start, length: body[start : start + length], len(body), ref.key)


def rewritten(world, number, change):
    """One live segment with its rows changed, and HEAD naming it as if it had always been so."""
    ref, _, footer = segment_of(world, number)
    rows = [(Object(e.kind, e.id, world.main.read(e.id)), e.sha1, 0) for e in footer.entries]
    body = write_segment(change(rows))
    rewrite(world, ref.key, body)
    head = world.main.head()
    tail = tuple(SegmentRef.of(ref.key, body) if each.key == ref.key else each for each in head.tail)
    swap_in(world, head.renewed(tail=tail))


def following(world, **fields):
    """A record appended by hand, whatever it says."""
    head = world.main.head()
    values = {"kind": RecordKind.REFS, "previous": head.record, "at": AT, "sequence": head.sequence + 1}
    record = Record(project=world.project, **{**values, **fields}).to_object()
    body = write_segment([(record, NO_SHA1, 0)])
    key = segment_key(world.project, world.project)
    tail = (*head.tail, SegmentRef.of(key, body))
    swap_in(world, head.renewed(sequence=head.sequence + 1, record=record.id, tail=tail), {key: body})


def test_a_sound_log_has_no_fault(world):
    assert list(verify(world.store, world.project, world.project)) == []


def test_a_project_that_is_not_there_is_a_fault(world):
    assert [fault.code for fault in verify(world.store, world.project, new_id())] == ["head.missing"]


def test_a_head_that_cannot_be_read_is_named(world):
    _, version = world.main.read_head()
    world.store.swap_head(world.project, world.project, version, b"{}")

    assert codes(world) == {"head.malformed"}


def test_a_live_file_that_is_gone_is_named_with_what_it_held(world):
    ref, _, _ = segment_of(world, 2)
    world.store.delete(ref.key)

    faults = world.faults()

    assert ("file.missing", ref.key) in {(fault.code, fault.subject) for fault in faults}
    assert {"object.missing", "record.missing"} <= codes(world)


@pytest.mark.parametrize("at", [0, 12, -100, -70, -1])
def test_a_flipped_byte_is_found_wherever_it_is(world, at):
    ref, body, _ = segment_of(world, 1)
    changed = bytearray(body)
    changed[at] ^= 0x10
    rewrite(world, ref.key, bytes(changed))

    assert "file.damaged" in codes(world)


def test_an_object_that_is_not_what_its_id_says_is_named(world):
    def change(rows):
        return [
            (Object(made.kind, made.id, b"other" if made.content == b"text" else made.content), sha1, hint)
            for made, sha1, hint in rows
        ]

    rewritten(world, 1, change)

    assert {(fault.code, fault.subject) for fault in world.faults()} == {
        ("object.corrupt", Object.of(Kind.BLOB, b"text").id)
    }


def test_a_wrong_sha1_is_named(world):
    def change(rows):
        return [(made, b"\1" * 20 if made.content == b"text" else sha1, hint) for made, sha1, hint in rows]

    rewritten(world, 1, change)

    assert "object.wrong_sha1" in codes(world)


def test_an_object_that_something_names_and_nobody_has_is_missing(world):
    rewritten(world, 3, lambda rows: [row for row in rows if row[0].content != b"2"])

    assert codes(world) == {"object.missing"}


def test_a_condemned_live_file_is_named(world):
    head = world.main.head()
    body = head.renewed(tail=head.tail[1:], condemned=(Condemned(head.tail[0].key, AT),)).encode()
    # `encode` refuses to write it, so this is a HEAD that somebody else damaged.
    ref, following = head.tail[0], head.tail[1].key
    live = f'"tail":[["{ref.key}",{ref.size},"{ref.sha256}"],["{following}'
    wrong = body.replace(f'"tail":[["{following}'.encode(), live.encode())
    _, version = world.main.read_head()
    world.store.swap_head(world.project, world.project, version, wrong)

    assert codes(world) == {"head.condemns_live"}


def test_files_in_no_live_set_are_information(world):
    (key,) = world.main.stage([Object.of(Kind.BLOB, b"staged")])

    (fault,) = verify(world.store, world.project, world.project)

    assert (fault.code, fault.subject, fault.information) == ("file.unlisted", key, True)


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("record.refs", {"refs": (RefChange("refs/heads/x", "1" * 64, None),)}),
        ("record.time", {"at": AT.replace(year=2020)}),
        ("record.trunk", {"kind": RecordKind.PUSH, "trunk": (None, "1" * 64), "positions": (4, 4)}),
        ("record.positions", {"kind": RecordKind.PUSH, "trunk": (None, "1" * 64), "positions": (9, 9)}),
        ("head.main", {"kind": RecordKind.PUSH, "trunk": (None, "1" * 64), "positions": (4, 4)}),
        ("record.sequence", {"sequence": 9}),
        ("object.missing", {"summary": "1" * 64}),
    ],
)
def test_a_record_that_does_not_follow_is_named(world, code, fields):
    following(world, **fields)

    assert code in codes(world)


def test_a_landing_that_is_there_twice_is_named(world):
    landing = world.main.index.record_at(1).landing
    following(world, landing=landing)

    assert codes(world) == {"record.repeated_landing"}


def test_a_chain_that_ends_nowhere_is_named(world):
    following(world, previous="1" * 64)

    assert "record.missing" in codes(world)
