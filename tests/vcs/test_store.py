import multiprocessing
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.vcs.children import ANEW
from vcs.errors import StoreFailed
from vcs.local import LARGEST_ROW, LocalStore
from vcs.s3 import S3Store
from vcs.sealed import Keyring, SealedStore
from vcs.store import ABSENT, Exists, Lost, MemoryStore, Missing, Swapped, head_key
from vcs.tiered import TieredStore

POOL, PROJECT = "pool", "project"
LARGE = bytes(range(256)) * 8192


@pytest.fixture(params=["memory", "local", "s3", "tiered", "sealed", "sealed on disk", "sealed in tiers"])
def store(request, tmp_path):
    """Each store in turn: what one promises, all keep."""
    made = make(request.param, request, tmp_path)
    yield made
    made.close()


def make(name, request, folder):
    """A store by name; servers run only for those that need them."""
    if name.startswith("sealed"):
        inner = {"sealed": "memory", "sealed on disk": "local", "sealed in tiers": "tiered"}[name]
        return SealedStore(make(inner, request, folder), Keyring(b"k" * 32))
    if name == "memory":
        return MemoryStore()
    if name == "local":
        return LocalStore(folder / "store")
    bucket = S3Store(request.getfixturevalue("bucket"))
    return bucket if name == "s3" else TieredStore(bucket, folder / "cache")


class WithoutConditions:
    """What a store promises that leans on no condition of its server."""

    @pytest.mark.parametrize("body", [b"", b"small", b"x" * LARGEST_ROW, b"x" * (LARGEST_ROW + 1), LARGE])
    def test_a_file_comes_back_as_it_was_put(self, store, body):
        store.put("a/b", [body[:10], body[10:]])

        assert store.get("a/b") == body
        assert [(listed.key, listed.size) for listed in store.list("a/")] == [("a/b", len(body))]

    @pytest.mark.parametrize("body", [b"0123456789", LARGE])
    def test_ranges_give_what_there_is(self, store, body):
        store.put("a", [body])

        assert store.get("a", 3) == body[3:]
        assert store.get("a", 3, 4) == body[3:7]
        assert store.get("a", 3, 0) == b""
        assert store.get("a", len(body) - 1, 100) == body[-1:]
        assert store.get("a", len(body)) == b""
        assert store.get("a", len(body) + 5, 5) == b""
        for start, length in [(-1, None), (0, -1)]:
            with pytest.raises(ValueError):
                store.get("a", start, length)

    def test_missing_things_are_named(self, store):
        with pytest.raises(Missing) as refusal:
            store.get("a/b")
        assert refusal.value.details == {"key": "a/b"}
        with pytest.raises(Missing) as refusal:
            store.read_head(POOL, PROJECT)
        assert refusal.value.details == {"key": head_key(POOL, PROJECT)}

    @pytest.mark.parametrize("body", [b"small", LARGE])
    def test_deleting_twice_is_fine(self, store, body):
        store.put("a/b", [body])
        store.delete("a/b")
        store.delete("a/b")

        with pytest.raises(Missing):
            store.get("a/b")
        assert list(store.list("")) == []

    @pytest.mark.parametrize(
        "key", ["", "/a", "a/", "a//b", "a/../b", "..", ".a", "a b", "a\n", "ä", "a" * 1001]
    )
    def test_keys_that_are_no_safe_file_names_are_refused(self, store, key):
        for attempt in (lambda: store.put(key, [b""]), lambda: store.get(key), lambda: store.delete(key)):
            with pytest.raises(ValueError):
                attempt()

    def test_only_a_swap_writes_a_head(self, store):
        with pytest.raises(ValueError, match="only a swap"):
            store.put(head_key(POOL, PROJECT), [b"body"])
        with pytest.raises(ValueError, match="only a swap"):
            store.swap_head(POOL, PROJECT, ABSENT, b"body", {head_key(POOL, "other"): b"body"})

    def test_names_are_listed_in_order_with_heads_and_by_prefix(self, store):
        for key, body in {"b/2": b"x", "b/10": LARGE, "b/1": b"", "c": b"x", "b1": b"x"}.items():
            store.put(key, [body])
        store.swap_head("b", PROJECT, ABSENT, b"body")

        assert [listed.key for listed in store.list("b/")] == ["b/1", "b/10", "b/2"]
        assert [listed.key for listed in store.list("b")] == ["b/1", "b/10", "b/2", "b1"]
        assert [listed.key for listed in store.list("pools/b/heads/")] == ["pools/b/heads/project"]
        assert len(list(store.list(""))) == 6

    def test_a_head_moves_from_absent_and_then_from_its_version(self, store):
        first = store.swap_head(POOL, PROJECT, ABSENT, b"one")
        assert isinstance(first, Swapped)
        assert store.read_head(POOL, PROJECT) == (b"one", first.version)

        second = store.swap_head(POOL, PROJECT, first.version, b"two")
        assert isinstance(second, Swapped)
        assert store.read_head(POOL, PROJECT) == (b"two", second.version)
        assert store.get(head_key(POOL, PROJECT)) == b"two"

    def test_files_are_there_when_the_head_is(self, store):
        store.swap_head(POOL, PROJECT, ABSENT, b"one", {"a": b"", "b": b"small", "c": LARGE})

        assert (store.get("a"), store.get("b"), store.get("c")) == (b"", b"small", LARGE)

    def test_a_put_that_breaks_off_leaves_no_name(self, store):
        def broken():
            yield LARGE
            raise RuntimeError("the client went away")

        with pytest.raises(RuntimeError):
            store.put("a", broken())
        assert list(store.list("")) == []
        store.put("a", [b"later"])
        assert store.get("a") == b"later"

    def test_projects_and_pools_have_heads_of_their_own(self, store):
        store.swap_head(POOL, PROJECT, ABSENT, b"one")
        store.swap_head(POOL, "other", ABSENT, b"two")
        store.swap_head("other", PROJECT, ABSENT, b"three")

        assert store.read_head(POOL, PROJECT)[0] == b"one"
        assert store.read_head(POOL, "other")[0] == b"two"
        assert store.read_head("other", PROJECT)[0] == b"three"

    def test_a_closed_store_opens_again(self, store):
        store.put("a", [b"x"])
        store.close()

        assert store.get("a") == b"x"


class TestEveryStore(WithoutConditions):
    """What `vcs.store.Store` promises, on each store that we have."""

    @pytest.mark.parametrize("first", [b"small", LARGE])
    @pytest.mark.parametrize("second", [b"small", b"other", LARGE])
    def test_a_name_is_used_once(self, store, first, second):
        store.put("a/b", [first])

        with pytest.raises(Exists) as refusal:
            store.put("a/b", [second])
        assert refusal.value.details == {"key": "a/b"}
        assert store.get("a/b") == first

    def test_a_stale_swap_is_lost(self, store):
        first = store.swap_head(POOL, PROJECT, ABSENT, b"one")
        store.swap_head(POOL, PROJECT, first.version, b"two")

        for expected in (ABSENT, first.version, '"another"'):
            assert store.swap_head(POOL, PROJECT, expected, b"three", {"a": b"x", "b": LARGE}) == Lost()
        assert store.read_head(POOL, PROJECT)[0] == b"two"

    def test_a_version_never_comes_twice(self, store):
        # HEADs differ by their nonce, so their bodies never come twice either.
        versions = [store.swap_head(POOL, PROJECT, ABSENT, b"first").version]
        for nonce in range(10):
            versions.append(store.swap_head(POOL, PROJECT, versions[-1], b"%d" % nonce).version)
        store.delete(head_key(POOL, PROJECT))
        versions.append(store.swap_head(POOL, PROJECT, ABSENT, b"last").version)

        assert len(set(versions)) == len(versions)

    def test_a_swap_may_be_repeated_with_the_files_that_an_earlier_try_left(self, store):
        store.put("a", [b"small"])
        store.put("b", [LARGE])

        assert isinstance(
            store.swap_head(POOL, PROJECT, ABSENT, b"one", {"a": b"small", "b": LARGE}), Swapped
        )

    @pytest.mark.parametrize("there", [b"small", LARGE])
    @pytest.mark.parametrize("given", [b"SMALL", LARGE[::-1]])
    def test_a_swap_with_a_name_that_holds_other_bytes_changes_nothing(self, store, there, given):
        store.put("a", [there])

        with pytest.raises(Exists):
            store.swap_head(POOL, PROJECT, ABSENT, b"one", {"a": given, "b": b"x"})
        assert store.get("a") == there
        assert [listed.key for listed in store.list("")] == ["a"]

    def test_threads_never_lose_an_update(self, store):
        times = 25 if isinstance(store, (MemoryStore, LocalStore)) else 3
        threads = [threading.Thread(target=count_up, args=(store, name, times)) for name in "abcdefgh"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        check_counted(store, "abcdefgh", times)


@pytest.mark.parametrize("name", ["memory", "local", "sealed", "sealed on disk"])
def test_a_swap_in_one_transaction_leaves_nothing_when_it_is_lost(name, request, tmp_path):
    store = make(name, request, tmp_path)
    first = store.swap_head(POOL, PROJECT, ABSENT, b"one")
    store.swap_head(POOL, PROJECT, first.version, b"two")

    assert store.swap_head(POOL, PROJECT, first.version, b"three", {"a": b"x", "b": LARGE}) == Lost()
    assert [listed.key for listed in store.list("")] == [head_key(POOL, PROJECT)]
    store.close()


@pytest.mark.parametrize("name", ["memory", "local"])
def test_a_store_that_numbers_its_swaps_tells_equal_bodies_apart(name, request, tmp_path):
    store = make(name, request, tmp_path)
    versions = [store.swap_head(POOL, PROJECT, ABSENT, b"same").version]
    for _ in range(20):
        versions.append(store.swap_head(POOL, PROJECT, versions[-1], b"same").version)
    store.delete(head_key(POOL, PROJECT))
    versions.append(store.swap_head(POOL, PROJECT, ABSENT, b"same").version)

    assert len(set(versions)) == len(versions)
    store.close()


def count_up(store, name, times):
    """Add to a chain of files again and again, whose end HEAD names; each file says who wrote it."""
    for number in range(times):
        while True:
            try:
                end, version = store.read_head(POOL, PROJECT)
            except Missing:
                end, version = b"", ABSENT
            # What a lost swap wrote may stay, so a name is never tried twice.
            key = f"from/{uuid.uuid4().hex}"
            said = b"%s %d %s" % (name.encode(), number, end)
            if isinstance(store.swap_head(POOL, PROJECT, version, key.encode(), {key: said}), Swapped):
                break


def check_counted(store, names, times):
    said = []
    end = store.read_head(POOL, PROJECT)[0]
    while end:
        name, number, end = store.get(end.decode()).split(b" ")
        said.append((name.decode(), int(number)))
    assert sorted(said) == [(name, number) for name in names for number in range(times)]


def count_up_in_a_process(folder, name, times):
    count_up(LocalStore(folder), name, times)


@pytest.mark.parametrize("start", ["anew", "fork"])
def test_processes_that_share_a_folder_never_lose_an_update(tmp_path, start):
    # A forked child inherits its parent's open store, and opens its own connection.
    store = LocalStore(tmp_path / "store")
    store.put("before", [b"x"])
    context = ANEW if start == "anew" else multiprocessing.get_context("fork")
    processes = [
        context.Process(target=count_up_in_a_process, args=(tmp_path / "store", name, 15))
        for name in "abcdefgh"
    ]
    if start == "fork":
        processes = [context.Process(target=count_up, args=(store, name, 15)) for name in "abcdefgh"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * 8
    check_counted(store, "abcdefgh", 15)
    store.close()


@pytest.mark.parametrize("make", [lambda path, clock: MemoryStore(clock), LocalStore])
def test_ages_are_told_by_the_clock_of_the_store(tmp_path, make):
    now = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    store = make(tmp_path / "store", lambda: now)
    store.put("small", [b"x"])
    store.put("large", [LARGE])
    store.swap_head(POOL, PROJECT, ABSENT, b"one")
    now += timedelta(days=1)
    store.put("younger", [b"x"])

    ages = {listed.key: now - listed.at for listed in store.list("")}
    assert ages.pop("younger") == timedelta(0)
    assert set(ages.values()) == {timedelta(days=1)}
    store.close()


def test_two_open_stores_see_each_other(tmp_path):
    one, two = LocalStore(tmp_path / "store"), LocalStore(tmp_path / "store")
    swapped = one.swap_head(POOL, PROJECT, ABSENT, b"one", {"a": b"x", "b": LARGE})

    assert two.read_head(POOL, PROJECT) == (b"one", swapped.version)
    assert (two.get("a"), two.get("b")) == (b"x", LARGE)
    assert two.swap_head(POOL, PROJECT, ABSENT, b"two") == Lost()
    one.close()
    two.close()


def test_a_folder_that_cannot_be_made_is_a_failed_store(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StoreFailed, match="Nothing was changed"):
        LocalStore(tmp_path / "file" / "store")
