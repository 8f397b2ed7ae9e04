import json
from datetime import UTC, datetime

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.vcs.samples import IDS, cut, flipped
from vcs.errors import CorruptObject, MalformedObject
from vcs.fields import UnknownFormat, decode_ref, encode_ref
from vcs.log import (
    Checkpoint,
    Condemned,
    Head,
    HeadState,
    Measured,
    Record,
    RecordKind,
    RefChange,
    SegmentRef,
    archive_key,
    checkpoint_key,
    head_key,
    segment_key,
)
from vcs.objects import EMPTY_BLOB, EMPTY_TREE, Kind, canonical_json, new_id, object_id

PROJECT, POOL = new_id(), new_id()
NOON = datetime(2026, 1, 2, 12, 0, 0, 1, tzinfo=UTC)

UUIDS = st.uuids().map(str)
COUNTS = st.integers(0, 2**53 - 1)
TIMES = st.datetimes(timezones=st.just(UTC))
# Names of any bytes but zero, the way git allows them, as vcs holds them.
REF_NAMES = (
    st.binary(min_size=1, max_size=12)
    .filter(lambda name: b"\0" not in name)
    .map(lambda name: "refs/heads/" + name.decode("utf-8", "surrogateescape"))
)
MAYBE_IDS = st.none() | IDS
FILES = st.builds(SegmentRef, st.builds(segment_key, UUIDS, UUIDS), COUNTS, IDS)
CONDEMNED = st.builds(Condemned, st.builds(segment_key, UUIDS, UUIDS), TIMES)
EXTRA = st.dictionaries(st.sampled_from(["later", "z"]), st.none() | st.text(max_size=4), max_size=2)


@st.composite
def heads(draw):
    position = draw(st.integers(0, 10**6))
    return Head(
        project=draw(UUIDS),
        pool=draw(UUIDS),
        state=draw(st.sampled_from(HeadState)),
        sequence=draw(COUNTS),
        record=draw(IDS),
        position=position,
        trunk=draw(REF_NAMES),
        main=draw(IDS) if position else None,
        checkpoint=draw(st.none() | FILES),
        tail=tuple(draw(st.lists(FILES, max_size=3))),
        condemned=tuple(draw(st.lists(CONDEMNED, max_size=3))),
        extra=draw(EXTRA),
    )


@st.composite
def records(draw):
    kind = draw(st.sampled_from(RecordKind))
    created, purge = kind is RecordKind.CREATE, kind is RecordKind.PURGE
    trunk = draw(st.none() | st.tuples(MAYBE_IDS, MAYBE_IDS))
    first = draw(st.integers(1, 1000))
    changes = st.lists(
        st.builds(RefChange, REF_NAMES, MAYBE_IDS, MAYBE_IDS), max_size=3, unique_by=lambda c: c.name
    )
    return Record(
        kind=kind,
        project=draw(UUIDS),
        sequence=0 if created else draw(st.integers(1, 10**6)),
        previous=None if created else draw(IDS),
        at=draw(TIMES),
        landing=draw(st.none() | UUIDS),
        session=draw(st.none() | UUIDS),
        revision=draw(st.none() | COUNTS),
        actor=draw(st.none() | UUIDS),
        trunk=trunk,
        positions=(first, first + draw(st.integers(0, 5))) if trunk and not purge else None,
        refs=draw(changes.map(tuple) | IDS),
        summary=draw(MAYBE_IDS),
        erased=draw(MAYBE_IDS) if purge else None,
        moved=draw(MAYBE_IDS) if purge else None,
        trunk_name=draw(st.none() | st.tuples(REF_NAMES, REF_NAMES)),
        extra=draw(EXTRA),
    )


CHECKPOINTS = st.builds(
    Checkpoint,
    project=UUIDS,
    sequence=COUNTS,
    record=IDS,
    refs=IDS,
    segments=st.lists(FILES, max_size=4).map(tuple),
    extra=EXTRA,
)


def sample_head(**changes):
    return Head(
        project=PROJECT,
        pool=POOL,
        sequence=7,
        record=EMPTY_BLOB,
        position=3,
        main=EMPTY_TREE,
        tail=(SegmentRef.of(segment_key(POOL, PROJECT), b"x"),),
    ).renewed(**changes)


def sample_record(**changes):
    fields = {"kind": RecordKind.LAND, "project": PROJECT, "sequence": 1, "previous": EMPTY_BLOB, "at": NOON}
    return Record(**{**fields, **changes})


@given(heads())
def test_heads_come_back_with_the_fields_of_a_newer_micelio(head):
    body = head.encode()

    assert Head.decode(body, head.key) == head
    assert Head.decode(body).encode() == body


@given(records())
def test_records_come_back_with_the_fields_of_a_newer_micelio(record):
    made = record.to_object()

    assert Record.decode(made.content, made.id) == record
    assert Record.decode(made.content).to_object() == made


@given(CHECKPOINTS)
def test_checkpoints_come_back_with_the_fields_of_a_newer_micelio(checkpoint):
    body = checkpoint.encode()

    assert Checkpoint.decode(body, SegmentRef.of("a.ckp", body)) == checkpoint


@given(REF_NAMES)
def test_ref_names_have_one_spelling_without_spaces(name):
    spelled = encode_ref(name)

    assert decode_ref(spelled) == name
    assert all("!" <= character <= "~" for character in spelled)


@pytest.mark.parametrize("text", ["", "a b", "%2", "%zz", "%41", "a%2f", "%c3%bc", "ü", "a%2F", "%21"])
def test_other_spellings_of_ref_names_are_refused(text):
    with pytest.raises(ValueError):
        decode_ref(text)


def test_stored_fields_are_named_and_spelled_as_the_format_says():
    head = sample_head(nonce="0" * 32, trunk="refs/heads/a b%ü", condemned=(Condemned("old.seg", NOON),))
    stored = json.loads(head.encode())
    (file,) = head.tail
    assert stored == {
        "format": 1,
        "project": PROJECT,
        "pool": POOL,
        "nonce": "0" * 32,
        "state": "open",
        "sequence": 7,
        "record": EMPTY_BLOB,
        "position": 3,
        "trunk": "refs/heads/a%20b%25%C3%BC",
        "main": EMPTY_TREE,
        "checkpoint": None,
        "tail": [[file.key, 1, file.sha256]],
        "condemned": [["old.seg", "2026-01-02T12:00:00.000001Z"]],
    }

    record = sample_record(
        refs=(RefChange("refs/tags/v 1", None, EMPTY_TREE),), trunk=(None, EMPTY_TREE), positions=(1, 2)
    )
    stored = json.loads(record.encode())
    assert stored.pop("refs") == [["refs/tags/v%201", None, EMPTY_TREE]]
    assert stored.pop("trunk") == [None, EMPTY_TREE]
    assert stored.pop("positions") == [1, 2]
    assert stored.pop("at") == "2026-01-02T12:00:00.000001Z"
    absent = ["landing", "session", "revision", "actor", "summary", "erased", "moved", "trunk_name"]
    assert stored == {
        "format": 1,
        "kind": "land",
        "project": PROJECT,
        "sequence": 1,
        "previous": EMPTY_BLOB,
        **dict.fromkeys(absent),
    }


def test_keys_are_where_the_format_says_and_never_twice():
    assert head_key(POOL, PROJECT) == f"pools/{POOL}/heads/{PROJECT}"
    for make, ending in [(segment_key, ".seg"), (checkpoint_key, ".ckp")]:
        key = make(POOL, PROJECT)
        assert key.startswith(f"pools/{POOL}/files/{PROJECT}/")
        assert key.endswith(ending)
        assert make(POOL, PROJECT) != key
    assert archive_key(PROJECT, POOL).startswith(f"archives/{PROJECT}/{POOL}/")


@pytest.mark.parametrize(
    ("content", "decode"),
    [
        (sample_head().encode(), Head.decode),
        (sample_record().encode(), Record.decode),
    ],
)
def test_an_unknown_format_is_refused_not_guessed(content, decode):
    with pytest.raises(UnknownFormat, match="Please upgrade"):
        decode(content.replace(b'"format":1', b'"format":2'))


def test_a_checkpoint_of_an_unknown_format_is_refused():
    plain = canonical_json({"format": 2})
    body = zstandard.ZstdCompressor().compress(plain)

    with pytest.raises(UnknownFormat, match=r"a\.ckp"):
        Checkpoint.decode(body, SegmentRef.of("a.ckp", body))


def test_a_damaged_head_is_refused_by_name_or_visibly_another():
    head = sample_head(condemned=(Condemned("old.seg", NOON),))
    body = head.encode()
    for damaged in cut(body):
        with pytest.raises(MalformedObject, match=head.key):
            Head.decode(damaged, head.key)
    for damaged in flipped(body):
        try:
            assert Head.decode(damaged, head.key) != head
        except MalformedObject as error:
            assert head.key in str(error)


def test_a_damaged_record_is_refused_by_its_id():
    made = sample_record(trunk=(None, EMPTY_TREE), positions=(1, 1)).to_object()
    for damaged in (*cut(made.content), *flipped(made.content)):
        with pytest.raises(CorruptObject, match=made.id):
            Record.decode(damaged, made.id)
    for damaged in cut(made.content):
        with pytest.raises(MalformedObject):
            Record.decode(damaged)


def test_a_damaged_checkpoint_is_refused_by_its_key():
    checkpoint = Checkpoint(
        project=PROJECT, sequence=1, record=EMPTY_BLOB, refs=EMPTY_BLOB, segments=sample_head().tail
    )
    body = checkpoint.encode()
    ref = SegmentRef.of(checkpoint_key(POOL, PROJECT), body)
    for damaged in (*cut(body), *flipped(body)):
        with pytest.raises(CorruptObject, match=ref.key):
            Checkpoint.decode(damaged, ref)
    for damaged in cut(body):
        with pytest.raises(MalformedObject, match=ref.key):
            Checkpoint.decode(damaged, SegmentRef.of(ref.key, damaged))


def test_a_head_of_another_project_is_refused():
    with pytest.raises(MalformedObject, match="it is the HEAD of project"):
        Head.decode(sample_head().encode(), head_key(POOL, new_id()))


MANY = tuple(SegmentRef.of(segment_key(POOL, PROJECT), b"x") for _ in range(65))


@pytest.mark.parametrize(
    "changes",
    [
        {"tail": MANY},
        {"condemned": tuple(Condemned(f"{n}.seg", NOON) for n in range(257))},
        {"tail": MANY[:1], "condemned": (Condemned(MANY[0].key, NOON),)},
        {"checkpoint": MANY[0], "condemned": (Condemned(MANY[0].key, NOON),)},
        {"nonce": "short"},
        {"main": None},
        {"position": -1},
        {"project": "ada"},
        {"record": "abc"},
        {"extra": {"later": "x" * (64 << 10)}},
    ],
)
def test_no_head_is_written_that_breaks_a_limit_or_an_invariant(changes):
    with pytest.raises(MalformedObject, match="HEAD"):
        sample_head(**changes).encode()


def test_the_longest_head_fits_its_limit():
    head = sample_head(
        tail=MANY[:64],
        checkpoint=SegmentRef.of(checkpoint_key(POOL, PROJECT), b"x"),
        condemned=tuple(Condemned(segment_key(POOL, PROJECT), NOON) for _ in range(256)),
    )

    assert Head.decode(head.encode()) == head


def test_a_renewed_head_differs_even_when_nothing_changed():
    head = sample_head()

    assert head.renewed().encode() != head.encode()
    assert head.renewed(state=HeadState.FROZEN).state is HeadState.FROZEN


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": RecordKind.CREATE},
        {"previous": None},
        {"sequence": 0},
        {"positions": (1, 1)},
        {"trunk": (None, EMPTY_TREE), "positions": (0, 1)},
        {"trunk": (None, EMPTY_TREE), "positions": (2, 1)},
        {"kind": RecordKind.PURGE, "trunk": (None, EMPTY_TREE), "positions": (1, 1)},
        {"erased": EMPTY_BLOB},
        {"refs": (RefChange("refs/heads/a", None, EMPTY_TREE),) * 2},
        {"refs": (RefChange("refs/landings/1", None, EMPTY_TREE),)},
        {"refs": tuple(RefChange(f"refs/heads/{n}", None, EMPTY_TREE) for n in range(33))},
        {"actor": "ada"},
    ],
)
def test_no_record_is_written_that_contradicts_itself(changes):
    with pytest.raises(MalformedObject, match="record"):
        sample_record(**changes).encode()


def test_a_missing_field_is_named():
    stored = json.loads(sample_record().encode())
    del stored["actor"]

    with pytest.raises(MalformedObject, match="`actor` is missing"):
        Record.decode(canonical_json(stored))


def test_a_file_is_measured_on_its_way():
    measured = Measured("a.seg", [b"ab", b"c"])

    assert b"".join(measured) == b"abc"
    assert measured.ref == SegmentRef.of("a.seg", b"abc")
    measured.ref.check(b"abc")
    for wrong in (b"ab", b"abd"):
        with pytest.raises(CorruptObject, match=r"a\.seg"):
            measured.ref.check(wrong)


def test_a_record_is_an_object_of_its_own_type():
    made = sample_record().to_object()

    assert made.kind is Kind.RECORD
    assert made.id == object_id(Kind.RECORD, made.content)
