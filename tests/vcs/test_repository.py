import hashlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vcs.logs import AT, World, proposal
from vcs.errors import CorruptObject, MalformedObject
from vcs.git.translate import git_sha1
from vcs.lists import encode_erased_list
from vcs.log import Checkpoint, Record, RecordKind, RefChange, SegmentRef, checkpoint_key, segment_key
from vcs.objects import EMPTY_TREE, Kind, Object, new_id
from vcs.reading import ErasedObject, FrameCache
from vcs.repository import AmbiguousRef, ProjectExists, Repository, UnknownRef
from vcs.segments import NO_SHA1, write_segment
from vcs.staging import with_sha1s
from vcs.store import MemoryStore, Swapped


@pytest.fixture
def world(tmp_path):
    return World(MemoryStore(), tmp_path)


def land(world, base, files, **options):
    return world.batcher().land(proposal(world.main, base, files, **options))


@pytest.fixture
def three(world):
    """A project with three landings."""
    commits = [None]
    for number in range(3):
        commits.append(land(world, commits[-1], {b"a": b"%d" % number, b"d/%d" % number: b"x"}).commit)
    return commits


def append(world, record, objects=(), **changes):
    """Swap in one record as it is, with the objects that it needs."""
    head, version = world.main.current()
    made = record.to_object()
    plain = [(each, sha1, 0) for each, sha1 in with_sha1s(list(objects), world.main.sha1_of)]
    body = write_segment([*plain, (made, NO_SHA1, 0)])
    key = segment_key(world.project, world.project)
    tail = changes.pop("tail", (*head.tail, SegmentRef.of(key, body)))
    moved = head.renewed(sequence=record.sequence, record=made.id, tail=tail, **changes)
    result = world.store.swap_head(world.project, world.project, version, moved.encode(), {key: body})
    assert isinstance(result, Swapped)


def following(world, kind, **fields):
    """A record that follows the last one."""
    head = world.main.catch_up()
    return Record(
        kind=kind, project=world.project, sequence=head.sequence + 1, previous=head.record, at=AT, **fields
    )


def test_a_new_project_is_empty_at_position_0(world):
    assert world.main.catch_up().position == 0
    for ref in ("HEAD", "main", "refs/heads/main", "@0", "@-0"):
        resolved = world.main.resolve(ref)
        assert (resolved.commit, resolved.tree, resolved.position) == (None, EMPTY_TREE, 0)
    assert world.main.tree(EMPTY_TREE) == () and world.main.read(EMPTY_TREE) == b""
    assert [record.kind for _, _, record in world.main.records()] == [RecordKind.CREATE]
    assert world.main.refs() == {}


def test_creating_a_project_again_takes_the_empty_one_and_refuses_one_with_a_history(world, tmp_path):
    def create(path):
        return Repository.create(world.store, world.project, tmp_path / path, actor=None, summary={}, at=AT)

    assert create("again.db").catch_up() == world.main.catch_up()
    land(world, None, {b"a": b"1"})
    with pytest.raises(ProjectExists):
        create("late.db")


def test_positions_and_commits_are_found_by_every_name(world, three):
    main = world.main
    assert [main.resolve(f"@{n}").commit for n in range(4)] == three
    assert [main.resolve(f"@-{n}").commit for n in range(4)] == three[::-1]
    assert main.resolve("refs/landings/2").commit == three[2]
    assert [main.position_of(commit) for commit in three[1:]] == [1, 2, 3]
    assert main.resolve(three[2][:12]) == main.resolve("@2")
    assert main.resolve(main.sha1_of(three[2]).hex()[:10]) == main.resolve("@2")
    assert main.refs() == {"refs/heads/main": three[3]}


@pytest.mark.parametrize(
    "ref", ["@4", "@-4", "nothing", "", "refs/heads/other", "0000000000", "@", "@x", "HEAD~1"]
)
def test_what_is_not_there_is_an_unknown_ref(world, three, ref):
    with pytest.raises(UnknownRef):
        world.main.resolve(ref)


def test_too_few_digits_are_ambiguous(world):
    seen = {}
    for number in range(2000):
        made = Object.of(Kind.COMMIT, b"tree %s\n\n%d" % (EMPTY_TREE.encode(), number))
        if made.id[:4] in seen:
            break
        seen[made.id[:4]] = made
    twins = [seen[made.id[:4]], made]
    refs = tuple(RefChange(f"refs/heads/{n}", None, twin.id) for n, twin in enumerate(twins))
    append(world, following(world, RecordKind.REFS, refs=refs), twins)
    world.main.catch_up()

    with pytest.raises(AmbiguousRef):
        world.main.resolve(made.id[:4])
    assert world.main.resolve(made.id[:20]).commit == made.id


def test_branches_and_annotated_tags_are_followed_to_their_commits(world, three):
    content = b"object %s\ntype commit\ntag v1\n\nfirst\n" % three[2].encode()
    tag = Object.of(Kind.TAG, content)
    changes = (RefChange("refs/heads/work", None, three[1]), RefChange("refs/tags/v1", None, tag.id))
    append(world, following(world, RecordKind.REFS, refs=changes), [tag])
    world.main.catch_up()

    assert world.main.resolve("work").position == 1
    assert world.main.resolve("v1").commit == three[2]
    assert world.main.refs() == {
        "refs/heads/main": three[3],
        "refs/heads/work": three[1],
        "refs/tags/v1": tag.id,
    }

    moved = (RefChange("refs/heads/work", three[1], None), RefChange("refs/tags/v1", tag.id, three[3]))
    append(world, following(world, RecordKind.REFS, refs=moved))
    assert world.node().catch_up() and world.main.catch_up()
    for repository in world.nodes:
        assert repository.refs() == {"refs/heads/main": three[3], "refs/tags/v1": three[3]}
    assert world.faults() == []


def test_the_last_change_of_a_path_names_position_and_landing(world, three):
    rows = {row.last: row for row in world.main.index.records(-1, 10)}
    for path, position in ((b"a", 3), (b"d/0", 1), (b"d/1", 2), (b"d", 3)):
        change = world.main.last_change(path)
        assert (change.position, change.commit) == (position, three[position])
        assert change.landing == rows[position].landing
    assert world.main.last_change(b"a", at=2).position == 2
    assert world.main.last_change(b"nothing") is None


def test_a_miss_reads_head_and_looks_once_more(world, three):
    other = world.node()
    other.catch_up()
    landed = land(world, three[3], {b"new": b"text"})

    assert not other.has(landed.commit)
    assert other.commit(landed.commit).tree == landed.tree
    assert other.remembered()[0].position == 4


def test_an_object_that_is_nowhere_is_named_and_never_empty(world):
    with pytest.raises(CorruptObject) as error:
        world.main.read("1" * 64)
    assert error.value.details["id"] == "1" * 64


def test_an_object_of_another_kind_is_refused(world, three):
    with pytest.raises(CorruptObject):
        world.main.read(three[1], Kind.TREE)


class FlippingStore(MemoryStore):
    """Gives damaged bytes of files for so many reads."""

    flips = 0

    def get(self, key, start=0, length=None):
        body = super().get(key, start, length)
        if self.flips and len(body) > 20:
            self.flips -= 1
            return body[:12] + bytes([body[12] ^ 1]) + body[13:]
        return body


def test_damaged_bytes_are_read_once_more_and_then_named(tmp_path):
    world = World(FlippingStore(), tmp_path)
    landed = land(world, None, {b"a": b"content " * 100})
    world.main.frames = FrameCache()

    world.store.flips = 1
    assert world.main.read(landed.commit)
    world.main.frames = FrameCache()
    world.store.flips = 9
    with pytest.raises(CorruptObject) as error:
        world.main.read(landed.commit)
    assert error.value.details["id"] == landed.commit


def test_a_file_that_is_gone_is_a_corrupt_object(world, three):
    entry = world.main.index.locate(three[1])
    world.store.delete(entry.key)
    world.main.frames = FrameCache()

    with pytest.raises(CorruptObject):
        world.main.read(three[1])


def compacted(world):
    """Merge all live segments into one, as compaction will."""
    head, version = world.main.current()
    rows = []
    for ref in head.tail:
        _, footer = world.main.staged.get(ref.key)
        for entry in footer.entries:
            rows.append((Object(entry.kind, entry.id, world.main.read(entry.id)), entry.sha1, 0))
    refs = Object.of(Kind.LIST, b"")
    body = write_segment([*rows, (refs, NO_SHA1, 0)])
    key, ckp = segment_key(world.project, world.project), checkpoint_key(world.project, world.project)
    checkpoint = Checkpoint(
        project=world.project,
        sequence=head.sequence,
        record=head.record,
        refs=refs.id,
        segments=(SegmentRef.of(key, body),),
    ).encode()
    moved = head.renewed(checkpoint=SegmentRef.of(ckp, checkpoint), tail=())
    files = {key: body, ckp: checkpoint}
    world.store.swap_head(world.project, world.project, version, moved.encode(), files)
    for ref in head.tail:
        world.store.delete(ref.key)


def test_what_was_compacted_away_is_found_again_through_head(world, three):
    other = world.node()
    other.catch_up()
    compacted(world)

    # This node's index still names files that are gone.
    other.frames = FrameCache()
    assert other.read(three[1], Kind.COMMIT) == world.main.read(three[1], Kind.COMMIT)
    assert len({other.index.locate(commit).key for commit in three[1:]}) == 1
    assert land(world, three[3], {b"more": b"1"}).position == 4
    assert world.faults() == []


def test_an_index_that_is_damaged_or_foreign_is_made_anew(world, three, tmp_path):
    path = tmp_path / "damaged.db"
    path.write_bytes(b"this is no database" * 1000)
    damaged = Repository(world.store, world.project, world.project, path)
    assert damaged.resolve("HEAD") == world.main.resolve("HEAD")

    other = World(MemoryStore(), tmp_path / "elsewhere")
    other.project, other.main = world.project, None
    for listed in world.store.list("pools/"):
        if "/heads/" not in listed.key:
            other.store.put(listed.key, [world.store.get(listed.key)])
    # An older state of the same project, restored: its chain ends earlier.
    old = world.main.head().renewed(
        sequence=1, record=world.main.index.record_at(1).id, position=1, main=three[1]
    )
    other.store.swap_head(world.project, world.project, None, old.encode())
    restored = Repository(other.store, world.project, world.project, tmp_path / "damaged.db")
    assert restored.catch_up().position == 1
    assert restored.position_of(three[3]) is None
    assert restored.commit_at(1) == three[1]


def test_a_purge_makes_an_index_forget_and_tells_who_erased(world, three):
    blob = world.main.entry(world.main.resolve("@1").tree, b"d/0").id
    assert world.main.read(blob) == b"x"
    erased = Object.of(Kind.LIST, encode_erased_list([blob]))
    actor = new_id()
    head = world.main.catch_up()
    keep = []
    for ref in head.tail:
        _, footer = world.main.staged.get(ref.key)
        rows = [
            (Object(e.kind, e.id, world.main.read(e.id)), e.sha1, 0) for e in footer.entries if e.id != blob
        ]
        body = write_segment(rows)
        key = segment_key(world.project, world.project)
        world.store.put(key, [body])
        keep.append(SegmentRef.of(key, body))
    record = following(world, RecordKind.PURGE, erased=erased.id, actor=actor)
    made = record.to_object()
    body = write_segment([(erased, NO_SHA1, 0), (made, NO_SHA1, 0)])
    key = segment_key(world.project, world.project)
    moved = head.renewed(sequence=record.sequence, record=made.id, tail=(*keep, SegmentRef.of(key, body)))
    _, version = world.main.read_head()
    world.store.swap_head(world.project, world.project, version, moved.encode(), {key: body})
    world.main.catch_up()

    with pytest.raises(ErasedObject) as error:
        world.main.read(blob)
    assert actor in error.value.sentence
    assert world.main.commit_at(3) == three[3]
    assert world.faults() == []


def test_a_long_blob_streams_and_is_checked(world):
    long = bytes(range(256)) * 20_000
    key, id = world.main.stage_blob(iter([long[:100], long[100:]]), len(long))

    reader = world.main.with_staged([key])

    assert id == Object.of(Kind.BLOB, long).id
    assert reader.size(id) == len(long)
    assert hashlib.sha256(b"".join(reader.chunks(id))).digest() == hashlib.sha256(long).digest()
    assert max(map(len, reader.chunks(id))) <= 1 << 20
    with pytest.raises(MalformedObject):
        world.main.stage_blob([long], len(long) + 1)


def test_what_is_known_of_a_staged_file_is_let_go_and_read_again(world):
    (key,) = world.main.stage([Object.of(Kind.BLOB, b"staged")])
    known = world.main.staged.get(key)

    world.main.staged.forget([key, "another"])

    again = world.main.staged.get(key)
    assert again is not known
    assert again[0] == known[0]


def test_staged_trees_may_name_what_was_staged_before(world):
    asked = proposal(world.main, None, {b"d/a": b"1", b"d/b": b"2"})
    blobs = [made for made in asked.objects if made.kind is Kind.BLOB]
    trees = [made for made in asked.objects if made.kind is Kind.TREE]
    first = world.main.stage(blobs)
    second = world.main.stage(reversed(trees), staged=first)

    reader = world.main.with_staged([*first, *second])

    assert [path for path, _ in reader.walk(asked.tree)] == [b"d/a", b"d/b"]
    landed = world.batcher().land(
        proposal(world.main, None, {b"d/a": b"1", b"d/b": b"2"}, objects=[], staged=[*first, *second])
    )
    assert landed.tree == asked.tree
    assert world.faults() == []


@given(st.permutations(range(6)))
def test_sha1s_are_found_in_whatever_order_objects_come(order):
    objects = [Object.of(Kind.BLOB, b"x")]
    for _ in range(5):
        kind = b"40000" if objects[-1].kind is Kind.TREE else b"100644"
        objects.append(Object.of(Kind.TREE, kind + b" n\0" + bytes.fromhex(objects[-1].id)))

    found = dict(with_sha1s([objects[at] for at in order], {}.__getitem__))

    known = {object.id: sha1 for object, sha1 in found.items()}
    assert {object: git_sha1(object.kind, object.content, known.__getitem__) for object in objects} == found


def test_many_threads_read_while_others_land(world, three):
    failures, done = [], threading.Event()

    def read():
        while not done.is_set():
            try:
                resolved = world.main.resolve("HEAD")
                assert [world.main.read(entry.id) for _, entry in world.main.walk(resolved.tree)]
            except BaseException as error:
                failures.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    commit = three[3]
    for number in range(30):
        commit = land(world, commit, {b"a": b"%d" % number}).commit
    done.set()
    for reader in readers:
        reader.join()

    assert failures == []
