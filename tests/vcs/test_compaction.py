"""Compaction: many segments become one, nothing is lost, landings and readers go on."""

from datetime import timedelta
from random import Random

import pytest

from tests.vcs.gits import Git
from tests.vcs.histories import history
from tests.vcs.logs import AT, World, proposal
from vcs import faults
from vcs.collection import collect
from vcs.compaction import compact, settle
from vcs.errors import CorruptObject
from vcs.live import live_segments
from vcs.objects import Kind, Object
from vcs.reading import FrameCache
from vcs.segments import NO_SHA1, name_hash, write_segment
from vcs.store import MemoryStore


@pytest.fixture
def world(tmp_path):
    return World(MemoryStore(), tmp_path)


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


def land(world, files, node=None):
    repository = node or world.main
    base = repository.catch_up().main
    return world.batcher(repository).land(proposal(repository, base, files))


def land_many(world, count):
    return [land(world, {b"a": b"%d" % n, b"dir/%d" % n: b"text %d" % n}).commit for n in range(count)]


def live(world):
    return live_segments(world.store, world.main.head())


def test_small_segments_become_one_that_holds_the_same(world):
    commits = land_many(world, 70)
    before = {commit: world.files(commit) for commit in commits}

    done = compact(world.main)

    assert done is not None and done.inputs >= 70
    assert live(world)[0].key == done.output
    assert compact(world.main) is None
    assert {commit: world.files(commit) for commit in commits} == before
    fresh = world.node()
    assert fresh.catch_up() == world.main.head()
    assert [fresh.commit_at(n) for n in range(71)] == [None, *commits]
    assert world.faults() == []


def test_inputs_are_condemned_and_stay_until_they_are_collected(world):
    land_many(world, 20)
    inputs = {ref.key for ref in live(world)}

    compact(world.main)

    condemned = {name.key for name in world.main.head().condemned}
    assert condemned == inputs
    assert all(world.store.get(key, 0, 8) for key in inputs)


def test_more_inputs_than_can_be_condemned_are_replaced_all_the_same(world):
    land_many(world, 300)

    done = compact(world.main)

    assert done.inputs == 301
    assert len(world.main.head().condemned) == 256
    assert world.faults() == []


def test_few_segments_and_single_big_blobs_are_left_alone(world):
    land_many(world, 3)
    for number in range(17):
        content = bytes([number]) * (4 << 20)
        key, _ = world.main.stage_blob([content], len(content))
        blob = Object.of(Kind.BLOB, content)
        asked = proposal(world.main, world.main.catch_up().main, {b"big/%d" % number: content})
        trees = [made for made in asked.objects if made.id != blob.id]
        options = {"objects": trees, "staged": [key]}
        world.batcher().land(
            proposal(world.main, world.main.head().main, {b"big/%d" % number: content}, **options)
        )
    big = {ref.key for ref in live(world)}

    assert compact(world.main).inputs == 21
    kept = big & {ref.key for ref in live(world)}
    assert len(kept) == 17
    assert world.faults() == []


def test_a_long_segment_is_written_again_when_what_is_new_is_worth_it(world):
    rng = Random(1)
    land(world, {b"long": rng.randbytes(2_000_000)})
    long = max(live(world), key=lambda ref: ref.size).key

    land(world, {b"new": rng.randbytes(100_000)})
    while compact(world.main, least=2) or settle(world.main):
        pass
    assert long in {ref.key for ref in live(world)}

    land(world, {b"newer": rng.randbytes(300_000)})
    while compact(world.main, least=2):
        pass
    assert long in {ref.key for ref in live(world)}
    assert settle(world.main) is not None
    assert len(live(world)) == 1 and settle(world.main) is None
    assert world.faults() == []


def test_landings_go_on_while_segments_are_merged(world):
    land_many(world, 20)
    landed = []
    faults.arm("compaction.written", lambda: landed.append(land(world, {b"during": b"1"}, world.nodes[-1])))
    world.node()

    done = compact(world.main)

    assert done.inputs == 21
    assert world.files(world.main.catch_up().main)[b"during"] == b"1"
    assert world.main.catch_up().position == 21 == landed[0].position
    assert world.faults() == []


def test_a_swap_between_reading_and_swapping_makes_it_try_again(world):
    land_many(world, 20)
    landed = []

    def once():
        if not landed:
            landed.append(land(world, {b"during": b"1"}))

    faults.arm("compaction.before_swap", once)

    assert compact(world.main) is not None
    assert world.files(world.main.catch_up().main)[b"during"] == b"1"
    assert world.faults() == []


def test_of_two_compactions_one_gives_up_and_takes_its_file_away(world):
    land_many(world, 20)
    inputs = {ref.key for ref in live(world)}
    other = world.node()
    done = []

    def meanwhile():
        faults.disarm("compaction.written")
        done.append(compact(other))

    faults.arm("compaction.written", meanwhile)

    assert compact(world.main) is None
    assert done[0] is not None
    assert world.faults() == []
    used = {ref.key for ref in live(world)} | {world.main.head().checkpoint.key}
    assert {listed.key for listed in world.store.list(f"pools/{world.project}/files/")} <= used | inputs


@pytest.mark.parametrize("point", ["compaction.written", "compaction.before_swap", "store.before_commit"])
def test_killed_anywhere_nothing_has_changed(tmp_path, local_store, point):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    world = World(local_store, tmp_path)
    land_many(world, 20)
    before = world.main.read_head()
    faults.arm(point, kill)

    with pytest.raises(Killed):
        compact(world.main)

    faults.disarm()
    assert world.main.read_head() == before
    assert world.faults() == []
    assert compact(world.main) is not None
    assert world.faults() == []


def test_a_reader_with_an_old_index_finds_everything(world):
    commits = land_many(world, 20)
    behind = world.node()
    behind.catch_up()
    behind.frames = FrameCache()
    inputs = [ref.key for ref in live(world)]
    compact(world.main)
    for key in inputs:
        world.store.delete(key)

    for commit in commits:
        tree = behind.commit(commit).tree
        assert all(behind.read(entry.id) for _, entry in behind.walk(tree))


def test_a_damaged_object_is_named_and_nothing_is_merged(world):
    land_many(world, 20)
    ref = live(world)[7]
    located = world.main.index.record_at(7)
    content = b"x" * world.main.size(located.id)
    world.store.delete(ref.key)
    rows = [(Object(Kind.RECORD, located.id, content), NO_SHA1, 0)]
    body = write_segment(rows)
    world.store.put(ref.key, [body])
    head, version = world.main.head(), world.main.read_head()[1]
    tail = tuple(type(ref).of(ref.key, body) if each.key == ref.key else each for each in head.tail)
    world.store.swap_head(world.project, world.project, version, head.renewed(tail=tail).encode())
    world.main.frames = FrameCache()
    before = world.main.read_head()

    with pytest.raises(CorruptObject) as error:
        compact(world.main)

    assert error.value.details["id"] == located.id
    assert world.main.read_head() == before


def test_an_index_is_rebuilt_from_nothing_while_others_read_the_old_one(world):
    commits = land_many(world, 5)
    dump = [world.main.index.locate(commit) for commit in commits]

    class Killed(BaseException):
        pass

    def kill(*arguments):
        assert world.main.index.locate(commits[0]) == dump[0]
        raise Killed

    read, world.main.read_head = world.main.read_head, kill
    with pytest.raises(Killed):
        world.main.rebuild_index()
    world.main.read_head = read
    assert [world.main.index.locate(commit) for commit in commits] == dump

    assert world.main.rebuild_index() == world.main.head()
    assert [world.main.index.locate(commit) for commit in commits] == dump


def test_a_compacted_history_is_as_small_as_a_pack_of_git(tmp_path, capsys):
    now = [AT]
    world = World(MemoryStore(lambda: now[0]), tmp_path)
    batcher, base, stream = world.batcher(), None, []
    for number, written in enumerate(history(300)):
        hints = {Object.of(Kind.BLOB, text).id: name_hash(path) for path, text in written.items()}
        base = batcher.land(proposal(world.main, base, written, hints=hints)).commit
        stream.append(b"commit refs/heads/main\ncommitter A <a@b.org> %d +0000\ndata 0\n" % (number * 60))
        stream += [b"M 100644 inline %s\ndata %d\n%s\n" % (p, len(t), t) for p, t in written.items()]
    (tmp_path / "git").mkdir()
    git = Git(tmp_path / "git", "sha1")
    git.run("fast-import", "--quiet", input=b"".join(stream))
    git.run("repack", "-adfq", "--window=10", "--depth=50")
    (pack,) = (git.folder / ".git/objects/pack").glob("*.pack")
    before = stored(world)

    while compact(world.main) or settle(world.main):
        pass
    for _ in range(3):
        now[0] += timedelta(days=1)
        collect(world.store, world.project, world.project, named=tuple)

    after, ratio = stored(world), stored(world) / pack.stat().st_size
    with capsys.disabled():
        sizes = f"{before / 1e6:.2f} MB stored, then {after / 1e6:.2f}"
        print(f"\n  300 landings: {sizes}: {ratio:.3f} of git's pack")
    assert ratio <= 1.1
    assert world.faults() == []
    tree = git.run("rev-parse", "HEAD^{tree}").decode().strip()
    assert world.main.sha1_of(world.main.commit(base).tree).hex() == tree


def stored(world):
    """Every byte of the store."""
    return sum(listed.size for listed in world.store.list(""))
