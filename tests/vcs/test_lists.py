import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vcs.samples import IDS, cut, flipped
from vcs.errors import CorruptObject, MalformedObject
from vcs.lists import (
    RefChange,
    decode_changes_list,
    decode_erased_list,
    decode_moved_list,
    decode_refs_list,
    encode_changes_list,
    encode_erased_list,
    encode_moved_list,
    encode_refs_list,
)
from vcs.objects import EMPTY_BLOB, EMPTY_TREE, Kind, object_id

NAMES = st.text(min_size=1, max_size=8).map(lambda name: "refs/heads/" + name).filter(str.isprintable)
CHANGES = st.lists(
    st.builds(RefChange, NAMES, st.none() | IDS, st.none() | IDS), max_size=5, unique_by=lambda c: c.name
)

SAMPLES = [
    (
        encode_refs_list(
            {"refs/heads/a b": EMPTY_BLOB, "refs/tags/v1": EMPTY_TREE, "refs/tags/v2": EMPTY_TREE}
        ),
        decode_refs_list,
    ),
    (
        encode_changes_list(
            [RefChange("refs/heads/a", None, EMPTY_TREE), RefChange("refs/tags/v1", EMPTY_BLOB, None)]
        ),
        decode_changes_list,
    ),
    (encode_erased_list([EMPTY_TREE, EMPTY_BLOB]), decode_erased_list),
    (encode_moved_list({1: (EMPTY_BLOB, EMPTY_TREE), 12: (EMPTY_TREE, EMPTY_BLOB)}), decode_moved_list),
]


@given(st.dictionaries(NAMES, IDS, max_size=6))
def test_refs_come_back_and_are_sorted(refs):
    content = encode_refs_list(refs)

    assert decode_refs_list(content, object_id(Kind.LIST, content)) == refs
    assert content.splitlines() == sorted(content.splitlines())


@given(CHANGES)
def test_ref_changes_come_back(changes):
    assert set(decode_changes_list(encode_changes_list(changes))) == set(changes)


@given(st.sets(IDS, max_size=5))
def test_erased_ids_come_back(ids):
    assert decode_erased_list(encode_erased_list(ids)) == ids


@given(st.dictionaries(st.integers(1, 10**12 - 1), st.tuples(IDS, IDS), max_size=4))
def test_moved_positions_come_back(moved):
    assert decode_moved_list(encode_moved_list(moved)) == moved


def test_lines_are_spelled_as_the_format_says():
    assert SAMPLES[0][0].splitlines()[-1] == f"{EMPTY_TREE} refs/tags/v2".encode()
    assert f"{EMPTY_BLOB} refs/heads/a%20b\n".encode() in SAMPLES[0][0]
    assert SAMPLES[1][0].splitlines()[0] == f"refs/heads/a - {EMPTY_TREE}".encode()
    assert SAMPLES[3][0].splitlines()[0] == f"000000000001 {EMPTY_BLOB} {EMPTY_TREE}".encode()


@pytest.mark.parametrize(("content", "decode"), SAMPLES)
def test_damaged_lists_are_refused_by_their_id(content, decode):
    id = object_id(Kind.LIST, content)
    for damaged in (*cut(content), *flipped(content)):
        with pytest.raises(CorruptObject, match=id):
            decode(damaged, id)
        try:
            assert decode(damaged) != decode(content)
        except MalformedObject as error:
            assert object_id(Kind.LIST, damaged) in str(error)


@pytest.mark.parametrize(
    ("content", "decode"),
    [
        (f"{EMPTY_TREE} refs/heads/b\n{EMPTY_TREE} refs/heads/a\n".encode(), decode_refs_list),
        (f"{EMPTY_TREE} refs/heads/a\n{EMPTY_TREE} refs/heads/a\n".encode(), decode_refs_list),
        (f"{EMPTY_BLOB} refs/heads/a\n{EMPTY_TREE} refs/heads/a\n".encode(), decode_refs_list),
        (f"refs/heads/a - {EMPTY_BLOB}\nrefs/heads/a - {EMPTY_TREE}\n".encode(), decode_changes_list),
        (f"{EMPTY_TREE} refs/heads/a".encode(), decode_refs_list),
        (f"{EMPTY_TREE}\n".encode(), decode_refs_list),
        (f"1 {EMPTY_BLOB} {EMPTY_TREE}\n".encode(), decode_moved_list),
        (f"00000000000\xb2 {EMPTY_BLOB} {EMPTY_TREE}\n".encode("latin-1"), decode_moved_list),
    ],
)
def test_lists_that_nobody_would_write_are_refused(content, decode):
    with pytest.raises(MalformedObject, match="list"):
        decode(content)


@pytest.mark.parametrize("name", ["refs/landings/7", "refs/sessions/x"])
def test_derived_refs_are_never_stored(name):
    with pytest.raises(MalformedObject, match="never stores"):
        encode_refs_list({name: EMPTY_TREE})
    with pytest.raises(MalformedObject, match="never stores"):
        encode_changes_list([RefChange(name, None, EMPTY_TREE)])
