import tracemalloc
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vcs.logs import World, proposal
from vcs.errors import MalformedObject, StoreFailed
from vcs.local import LocalStore
from vcs.sealed import CHUNK, MARK, Keyring, SealedStore, check_unsealed
from vcs.store import ABSENT, Exists, MemoryStore, Missing, Swapped, head_key
from vcs.tiered import TieredStore

KEYS = Keyring(b"k" * 32)
FILE = "pools/pool/files/project/one.seg"
LENGTHS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5]


def body(length):
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def sealed(inner, keys=KEYS):
    return SealedStore(inner, keys)


def stored(inner, key=FILE):
    return bytearray(inner.get(key))


def replace(inner, key, content):
    inner.delete(key)
    inner.put(key, [bytes(content)])


@pytest.mark.parametrize("length", LENGTHS)
def test_files_of_every_length_come_back_and_tell_their_plain_size(length):
    inner = MemoryStore()
    sealed(inner).put(FILE, [body(length)[:7], body(length)[7:]])

    assert sealed(inner).get(FILE) == body(length)
    assert [listed.size for listed in sealed(inner).list("")] == [length]


@given(st.sampled_from(LENGTHS), st.integers(0, 4 * CHUNK), st.one_of(st.none(), st.integers(0, 4 * CHUNK)))
@settings(max_examples=150, deadline=None)
def test_any_range_is_that_of_the_plain_bytes(length, start, wanted):
    store = sealed(MemoryStore())
    store.put(FILE, [body(length)])

    for _ in range(2):
        assert (
            store.get(FILE, start, wanted) == body(length)[start : None if wanted is None else start + wanted]
        )


def test_a_range_of_a_long_file_reads_little_more_than_itself():
    class Counting(MemoryStore):
        read = 0

        def get(self, key, start=0, length=None):
            found = super().get(key, start, length)
            self.read += len(found)
            return found

    inner = Counting()
    sealed(inner).put(FILE, [body(100 * CHUNK)])
    sealed(inner).get(FILE, 50 * CHUNK + 9, 10)

    assert inner.read < 2 * CHUNK


def test_nothing_plain_is_stored():
    inner = MemoryStore()
    store = sealed(inner)
    store.put(FILE, [b"a secret of some length"])
    store.swap_head("pool", "project", ABSENT, b"another secret", {"a": b"a third secret"})

    for listed in inner.list(""):
        assert b"secret" not in inner.get(listed.key)


def test_equal_streams_do_not_look_equal_and_a_swap_sent_again_does():
    inner = MemoryStore()
    store = sealed(inner)
    store.put("a", [b"same"])
    store.put("b", [b"same"])
    assert inner.get("a")[16:] != inner.get("b")[16:]

    assert isinstance(store.swap_head("pool", "project", ABSENT, b"one", {"c": b"same"}), Swapped)
    first = inner.get("c")
    inner.delete(head_key("pool", "project"))
    assert isinstance(store.swap_head("pool", "project", ABSENT, b"one", {"c": b"same"}), Swapped)
    assert inner.get("c") == first


@pytest.mark.parametrize("at", [0, 9, 20, 50, 48 + CHUNK, 48 + CHUNK + 16 + 100, -1])
def test_a_flipped_bit_is_found_wherever_it_is(at):
    inner = MemoryStore()
    sealed(inner).put(FILE, [body(3 * CHUNK)])
    damaged = stored(inner)
    damaged[at] ^= 1
    replace(inner, FILE, damaged)

    with pytest.raises(MalformedObject) as refusal:
        sealed(inner).get(FILE)
    assert refusal.value.details["name"] == FILE


@pytest.mark.parametrize("left", [0, 10, 48, 48 + 16, 48 + CHUNK + 16, 48 + 2 * (CHUNK + 16), -1])
def test_a_file_that_was_cut_short_never_reads_as_a_shorter_one(left):
    inner = MemoryStore()
    sealed(inner).put(FILE, [body(3 * CHUNK)])
    replace(inner, FILE, stored(inner)[:left])

    with pytest.raises(MalformedObject):
        sealed(inner).get(FILE)
    with pytest.raises(MalformedObject):
        sealed(inner).get(FILE, 0, 3 * CHUNK)


def test_chunks_and_files_cannot_change_places():
    inner = MemoryStore()
    sealed(inner).put(FILE, [body(3 * CHUNK)])
    whole = stored(inner)
    size = CHUNK + 16
    replace(
        inner,
        FILE,
        whole[:48] + whole[48 + size : 48 + 2 * size] + whole[48 : 48 + size] + whole[48 + 2 * size :],
    )
    inner.put("another", [bytes(whole)])

    for key in (FILE, "another"):
        with pytest.raises(MalformedObject):
            sealed(inner).get(key)


def test_memory_stays_flat_however_long_a_file_is(tmp_path):
    block = body(1 << 20)
    with closing(sealed(LocalStore(tmp_path / "store"))) as store:
        tracemalloc.start()
        store.put(FILE, (block for _ in range(64)))
        for start in range(0, 64 << 20, 4 << 20):
            assert store.get(FILE, start, 1 << 20) == block
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 16 << 20


def test_a_new_key_seals_and_the_old_one_still_opens():
    inner = MemoryStore()
    old = sealed(inner)
    old.check()
    swapped = old.swap_head("pool", "project", ABSENT, b"one", {"a": b"first"})
    new = sealed(inner, Keyring(b"n" * 32, [b"k" * 32]))
    new.check()

    assert new.read_head("pool", "project") == (b"one", swapped.version)
    assert isinstance(new.swap_head("pool", "project", swapped.version, b"two", {"a": b"first"}), Swapped)
    assert new.get("a") == b"first"
    with pytest.raises(MalformedObject, match="ENCRYPTION_PREVIOUS_KEYS"):
        old.read_head("pool", "project")


def test_a_name_that_holds_other_bytes_is_refused():
    store = sealed(MemoryStore())
    store.put("a", [b"one"])

    with pytest.raises(Exists):
        store.swap_head("pool", "project", ABSENT, b"one", {"a": b"two"})
    with pytest.raises(Missing):
        store.read_head("pool", "project")


def test_the_wrong_key_is_told_at_the_start():
    inner = MemoryStore()
    sealed(inner).check()
    sealed(inner).check()

    with pytest.raises(StoreFailed, match="sealed with another key"):
        sealed(inner, Keyring(b"x" * 32)).check()
    with pytest.raises(StoreFailed, match="set ENCRYPTION_KEY"):
        check_unsealed(inner)
    check_unsealed(MemoryStore())


def test_a_store_with_plain_projects_is_not_sealed_over():
    inner = MemoryStore()
    inner.swap_head("pool", "project", ABSENT, b"one")

    with pytest.raises(StoreFailed, match="without ENCRYPTION_KEY"):
        sealed(inner).check()
    with pytest.raises(Missing):
        inner.get(MARK)
    with pytest.raises(MalformedObject, match="it is not sealed"):
        sealed(inner).read_head("pool", "project")


def test_wrong_copies_are_read_again_from_the_origin(tmp_path):
    inner = MemoryStore()
    tiered = TieredStore(inner, tmp_path / "cache")
    store = sealed(tiered)
    store.put(FILE, [body(3 * CHUNK)])
    right = stored(inner)
    damaged = bytearray(right)
    damaged[CHUNK * 2] ^= 1
    replace(inner, FILE, damaged)
    tiered.get(FILE)
    replace(inner, FILE, right)

    assert store.get(FILE) == body(3 * CHUNK)
    assert store.get(FILE) == body(3 * CHUNK)
    assert tiered.get(FILE) == right


def test_projects_live_in_a_sealed_store(tmp_path):
    with closing(sealed(LocalStore(tmp_path / "store"))) as store:
        world = World(store, tmp_path)
        world.batcher().land(proposal(world.main, None, {b"large": body(3 << 20), b"small": b"x"}))

        assert world.files(world.main.catch_up().main) == {b"large": body(3 << 20), b"small": b"x"}
        assert world.faults() == []


def test_a_key_of_another_length_is_none():
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(b"short")
