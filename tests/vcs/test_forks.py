"""Forks: they copy nothing, go on by themselves, and outlive their parent."""

import pytest

from tests.vcs.logs import AT, World, proposal
from vcs import faults
from vcs.collection import collect
from vcs.compaction import compact
from vcs.doctor import verify
from vcs.forks import ParentGone, delete_project, fork_project
from vcs.landing import Batcher, ProjectNotOpen
from vcs.live import live_segments
from vcs.log import HeadState, RecordKind, RefChange
from vcs.objects import Kind, Object, new_id
from vcs.repository import ProjectExists, Repository
from vcs.store import MemoryStore, Missing


@pytest.fixture
def world(store, tmp_path):
    world = World(store, tmp_path)
    for number in range(3):
        land(world.main, {b"a": b"%d" % number, b"d/%d" % number: b"text"})
    return world


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


def land(repository, files):
    base = repository.catch_up().main
    batcher = Batcher(repository, still_wanted=set, clock=lambda: AT, host="micelio.test")
    return batcher.land(proposal(repository, base, files))


def fork(world, child=None, parent=None):
    child = child or new_id()
    head = fork_project(parent or world.main, child, actor=new_id(), summary={"name": "mine"}, at=AT)
    return Repository(world.store, head.pool, child, world.folder / f"{new_id()}.db")


def found(repository):
    return [f for f in verify(repository.store, repository.pool, repository.project) if not f.information]


def files(repository):
    head = repository.catch_up()
    tree = repository.commit(head.main).tree
    return {path: repository.read(entry.id, Kind.BLOB) for path, entry in repository.walk(tree)}


def refuse_swap(world, **changes):
    head, version = world.main.current()
    swapped = head.renewed(**changes).encode()
    world.store.swap_head(world.project, world.project, version, swapped)


def test_a_fork_begins_where_its_parent_stands(world):
    child = fork(world)

    head = child.catch_up()
    parent = world.main.head()
    assert (head.project, head.pool) == (child.project, world.project)
    assert (head.main, head.position, head.sequence) == (parent.main, 3, parent.sequence + 1)
    assert [child.commit_at(n) for n in range(4)] == [world.main.commit_at(n) for n in range(4)]
    record = list(child.records())[-1][2]
    assert (record.kind, record.previous, record.project) == (RecordKind.FORK, parent.record, child.project)
    assert files(child) == files(world.main)
    assert found(child) == [] and world.faults() == []


def test_a_fork_and_its_parent_go_their_own_ways(world):
    child = fork(world)

    here = land(child, {b"a": b"child"})
    there = land(world.main, {b"a": b"parent"})

    assert (here.position, there.position) == (4, 4)
    assert files(child)[b"a"] == b"child" and files(world.main)[b"a"] == b"parent"
    assert found(child) == [] and world.faults() == []
    fresh = Repository(child.store, child.pool, child.project, world.folder / "fresh.db")
    assert [row.id for row in fresh_rows(fresh)] == [row.id for row in fresh_rows(child)]


def fresh_rows(repository):
    repository.catch_up()
    return repository.index.records(-1, 100)


def test_a_fork_of_a_fork_goes_on_through_both(world):
    child = fork(world)
    land(child, {b"b": b"1"})
    grandchild = fork(world, parent=child)
    land(grandchild, {b"c": b"1"})

    assert grandchild.catch_up().pool == world.project
    kinds = [record.kind.value for _, _, record in grandchild.records()]
    assert kinds == ["create", "land", "land", "land", "fork", "land", "fork", "land"]
    assert found(grandchild) == []


def test_a_fork_of_ten_thousand_files_adds_a_few_kilobytes(tmp_path):
    world = World(MemoryStore(), tmp_path)
    land(world.main, {b"dir%d/file%d" % (n % 100, n): b"text %d" % n for n in range(10_000)})
    for number in range(100):
        land(world.main, {b"dir1/file1": b"%d" % number})
    before = sum(listed.size for listed in world.store.list(""))

    child = fork(world)

    added = sum(listed.size for listed in world.store.list("")) - before
    assert added < 64 << 10
    assert child.catch_up().position == 101
    assert len(list(child.walk(child.commit(child.head().main).tree))) == 10_000


def test_refs_are_inherited(world):
    from tests.vcs.test_repository import append, following

    commit = world.main.commit_at(2)
    changes = (RefChange("refs/heads/work", None, commit),)
    append(world, following(world, RecordKind.REFS, refs=changes))

    child = fork(world)
    child.catch_up()

    assert child.resolve("work").commit == commit
    assert found(child) == []


def test_a_fork_outlives_its_parent(world):
    child = fork(world)
    inherited = files(child)
    delete_project(world.store, world.project, world.project)
    collect(world.store, world.project, world.project, named=tuple)

    fresh = Repository(child.store, child.pool, child.project, world.folder / "fresh.db")

    assert files(fresh) == inherited
    assert land(fresh, {b"new": b"x"}).position == 4
    assert found(child) == []


def test_a_fork_never_compacts_what_it_inherited(world):
    for number in range(20):
        land(world.main, {b"%d" % number: b"x"})
    child = fork(world)
    inherited = {ref.key for ref in live_segments(child.store, child.head())}
    assert compact(child) is None
    for number in range(20):
        land(child, {b"%d" % number: b"y"})

    assert compact(child).inputs == 21

    assert inherited - {ref.key for ref in live_segments(child.store, child.head())} == {
        key for key in inherited if child.project in key
    }
    assert found(child) == [] and world.faults() == []


def test_asked_again_an_unused_fork_is_taken_up_and_a_used_one_is_refused(world):
    child = fork(world)
    land(world.main, {b"later": b"x"})

    again = fork(world, child.project)

    assert again.catch_up().position == 4 == child.catch_up().position
    assert files(child)[b"later"] == b"x"
    land(again, {b"own": b"x"})
    with pytest.raises(ProjectExists):
        fork(world, child.project)
    with pytest.raises(ProjectExists):
        fork(world, world.project)


def test_a_parent_that_lands_meanwhile_does_not_hold_up_its_fork(world):
    def landing():
        faults.disarm()
        land(world.main, {b"later": b"x"})

    other = world.node()
    faults.arm("fork.made", landing)
    child = fork(world, parent=other)

    assert child.catch_up().position == 3 and world.main.catch_up().position == 4
    assert found(child) == []


def test_a_parent_that_was_compacted_meanwhile_is_read_again(world):
    for number in range(20):
        land(world.main, {b"%d" % number: b"x"})
    other = world.node()

    def compacting():
        faults.disarm()
        compact(world.main)

    faults.arm("fork.made", compacting)
    child = fork(world, parent=other)

    live = {ref.key for ref in live_segments(child.store, child.head())}
    assert live.isdisjoint(name.key for name in world.main.head().condemned)
    assert found(child) == []


@pytest.mark.parametrize(("state", "error"), [("deleted", ParentGone), ("frozen", ProjectNotOpen)])
def test_a_parent_that_is_gone_or_being_purged_takes_its_fork_along(world, state, error):
    other = world.node()
    kept = {"tail": (), "checkpoint": None} if state == "deleted" else {}

    faults.arm("fork.made", lambda: refuse_swap(world, state=HeadState(state), **kept))
    child = new_id()
    with pytest.raises(error):
        fork(world, child, parent=other)
    faults.disarm()

    tombstone = Repository(world.store, world.project, child, world.folder / "tombstone.db").head()
    assert (tombstone.state, tombstone.tail, tombstone.checkpoint) == (HeadState.DELETED, (), None)
    late = new_id()
    with pytest.raises(error):
        fork(world, late, parent=world.node())
    heads = {listed.key.rpartition("/")[2] for listed in world.store.list(f"pools/{world.project}/heads/")}
    assert (late in heads) is (state == "deleted")  # where nothing may arrive any more


def test_killed_after_its_head_was_written_a_fork_is_finished_later(world):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    child = new_id()
    faults.arm("fork.made", kill)
    with pytest.raises(Killed):
        fork(world, child)
    faults.disarm()

    assert found(fork(world, child)) == []


def test_a_deleted_project_takes_no_landings_and_cannot_be_made_again(world):
    asked = proposal(world.main, world.main.head().main, {b"a": b"x"})

    tombstone = delete_project(world.store, world.project, world.project)

    assert delete_project(world.store, world.project, world.project) == tombstone
    with pytest.raises(ProjectNotOpen):
        world.batcher().land(asked)
    with pytest.raises(ProjectExists):
        Repository.create(
            world.store, world.project, world.folder / "again.db", actor=None, summary={}, at=AT
        )
    with pytest.raises(Missing):
        delete_project(world.store, world.project, new_id())
    assert len(tombstone.encode()) < 1024


def test_objects_staged_by_a_fork_are_its_own(world):
    child = fork(world)
    (key,) = child.stage([Object.of(Kind.BLOB, b"staged")])

    assert key.startswith(f"pools/{world.project}/files/{child.project}/")
