"""Collection: what nobody uses goes, in steps that may stop anywhere; what anybody uses stays."""

from datetime import timedelta

import pytest

from tests.vcs.logs import AT, World, proposal
from vcs import faults
from vcs.collection import Collected, collect, collect_files
from vcs.compaction import compact
from vcs.doctor import verify
from vcs.errors import MicelioError
from vcs.forks import delete_project, fork_project
from vcs.landing import MissingObjects
from vcs.log import HeadState
from vcs.objects import Kind, Object, new_id
from vcs.repository import Repository
from vcs.store import MemoryStore


class Clock:
    """The store's clock, which tests turn."""

    def __init__(self):
        self.now = AT

    def __call__(self):
        return self.now

    def turn(self, **how):
        self.now += timedelta(**how)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def world(clock, tmp_path):
    return World(MemoryStore(clock), tmp_path)


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


def run(world, named=(), project=None):
    return collect(world.store, world.project, project or world.project, named=lambda: set(named))


def stage(world, text):
    (key,) = world.main.stage([Object.of(Kind.BLOB, text)])
    return key


def there(world, key):
    return any(listed.key == key for listed in world.store.list(key))


def land_many(world, count):
    for number in range(count):
        asked = proposal(world.main, world.main.catch_up().main, {b"%d" % number: b"text"})
        world.batcher().land(asked)


def fork(world):
    child = new_id()
    fork_project(world.main, child, actor=None, summary={}, at=AT)
    return child


def faults_of(world, project):
    return [f for f in verify(world.store, world.project, project) if not f.information]


def test_an_orphan_is_condemned_after_a_day_and_deleted_an_hour_later(world, clock):
    key = stage(world, b"orphan")
    clock.turn(hours=23)
    assert run(world) == Collected() and there(world, key)

    clock.turn(hours=1)
    assert run(world) == Collected(condemned=1, waiting=1) and there(world, key)
    clock.turn(minutes=59)
    assert run(world) == Collected(waiting=1) and there(world, key)

    clock.turn(minutes=1)
    assert run(world) == Collected(deleted=1) and not there(world, key)
    assert world.main.head().condemned == ()
    assert run(world) == Collected()
    assert world.faults() == []


def test_a_clock_that_is_set_back_makes_nothing_old(world, clock):
    young = stage(world, b"young")
    clock.turn(hours=-30)
    younger = stage(world, b"younger")
    assert run(world) == Collected()
    clock.turn(hours=23)
    assert run(world) == Collected()

    # Condemned names, too, are as old as the clock says now.
    clock.turn(hours=31)
    assert run(world).condemned == 2
    clock.turn(hours=-5)
    assert run(world).deleted == 0
    assert there(world, young) and there(world, younger)
    clock.turn(hours=6)
    assert run(world).deleted == 2


def test_what_open_sessions_name_is_kept_however_old(world, clock):
    key = stage(world, b"work in progress")
    clock.turn(days=400)

    assert run(world, named=[key]) == Collected()
    assert there(world, key)


def test_live_files_and_checkpoints_stay_for_ever(world, clock):
    land_many(world, 70)
    before = {listed.key for listed in world.store.list("")}
    clock.turn(days=400)

    assert run(world).condemned == 0
    assert before == {listed.key for listed in world.store.list("")}


def test_a_landing_does_not_take_over_what_is_condemned(world, clock):
    files = {b"a": b"content" * 300_000}
    asked = proposal(world.main, None, files)
    keys = world.main.stage([made for made in asked.objects if made.kind is Kind.BLOB])
    trees = [made for made in asked.objects if made.kind is Kind.TREE]
    clock.turn(days=1)
    run(world)

    with pytest.raises(MissingObjects):
        world.batcher().land(proposal(world.main, None, files, objects=trees, staged=keys))

    assert world.batcher().land(asked).position == 1


def test_inputs_of_a_compaction_go_an_hour_after_it(world, clock):
    land_many(world, 20)
    inputs = [ref.key for ref in world.main.head().tail]
    compact(world.main)
    clock.turn(hours=1)

    assert run(world).deleted == 21
    assert not any(there(world, key) for key in inputs)
    assert world.faults() == []


def test_what_a_fork_uses_is_spared_until_the_fork_is_gone(world, clock):
    land_many(world, 20)
    inputs = [ref.key for ref in world.main.head().tail]
    child = fork(world)
    compact(world.main)
    clock.turn(days=3)

    assert run(world) == Collected(spared=21)
    assert all(there(world, key) for key in inputs)
    assert world.main.head().condemned == ()
    assert faults_of(world, child) == []

    delete_project(world.store, world.project, child)
    run(world)
    clock.turn(hours=1)
    assert run(world).deleted == 21
    assert not any(there(world, key) for key in inputs)


def test_a_deleted_project_keeps_what_its_forks_use_and_nothing_else(world):
    land_many(world, 3)
    child = fork(world)
    land_many(world, 3)
    stage(world, b"never landed")
    delete_project(world.store, world.project, world.project)

    run(world)

    own = f"pools/{world.project}/files/{world.project}/"
    assert len(list(world.store.list(own))) == 4
    assert faults_of(world, child) == []
    delete_project(world.store, world.project, child)
    run(world)
    run(world, project=child)
    assert [listed.key.split("/")[2] for listed in world.store.list("")] == ["heads", "heads"]


def test_more_than_fit_are_collected_in_turns(world, clock):
    for number in range(300):
        stage(world, b"%d" % number)
    clock.turn(days=1)

    first = run(world)
    clock.turn(hours=1)
    second = run(world)
    clock.turn(hours=1)
    third = run(world)

    assert (first.condemned, second.condemned, third.condemned) == (256, 0, 44)
    clock.turn(hours=1)
    assert second.deleted == 256 and run(world).deleted == 44


def test_a_frozen_project_is_left_alone(world, clock):
    key = stage(world, b"orphan")
    head, version = world.main.current()
    frozen = head.renewed(state=HeadState.FROZEN).encode()
    world.store.swap_head(world.project, world.project, version, frozen)
    clock.turn(days=9)

    assert run(world) == Collected()
    assert there(world, key) and world.main.read_head()[0] == frozen


@pytest.mark.parametrize("point", ["collection.condemned", "collection.deleted"])
def test_killed_anywhere_the_next_run_goes_on(world, clock, point):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    keys = [stage(world, b"%d" % number) for number in range(3)]
    clock.turn(days=1)
    run(world)
    clock.turn(hours=2)
    faults.arm(point, kill)
    with pytest.raises(Killed):
        run(world)
    faults.disarm()

    run(world)

    assert not any(there(world, key) for key in keys)
    assert world.main.head().condemned == ()
    assert world.faults() == []


def test_a_fork_made_between_condemning_and_the_second_listing_is_seen(world, clock):
    """The collector condemned a file that an unfinished fork had read about before."""
    land_many(world, 20)
    inputs = [ref.key for ref in world.main.head().tail]
    reader = Repository(world.store, world.project, world.project, world.folder / "reader.db")
    made = []

    def compacted():
        faults.disarm()
        compact(world.main)
        clock.turn(hours=2)
        run(world)
        made.append(True)

    # After the child's HEAD is written, before the parent is read again.
    faults.arm("fork.made", compacted)
    child = new_id()
    fork_project(reader, child, actor=None, summary={}, at=AT)

    assert made and not any(there(world, key) for key in inputs[:0])
    assert faults_of(world, child) == []


def test_files_can_be_collected_by_name_without_any_age(world):
    keys = [stage(world, b"a"), stage(world, b"b")]

    assert collect_files(world.store, world.project, world.project, keys[:1]).deleted == 1
    assert [there(world, key) for key in keys] == [False, True]


def test_the_doctor_says_how_long_an_orphan_still_has(world, clock):
    key = stage(world, b"orphan")
    clock.turn(hours=20, minutes=30)

    def told():
        (fault,) = verify(world.store, world.project, world.project, clock=clock)
        assert (fault.subject, fault.information) == (key, True)
        return fault.problem

    assert told().endswith(
        "left by a crash; the collector may take it in 3 h 30 min unless it is used by then"
    )
    clock.turn(hours=4)
    assert told().endswith("left by a crash; the collector may take it now")
    run(world)
    assert "condemned, the collector may take it in 1 h 0 min" in told()


def test_a_store_that_fails_half_way_leaves_nothing_to_repair(world, clock):
    class Failing(MicelioError):
        pass

    def fail():
        raise Failing

    key = stage(world, b"orphan")
    clock.turn(days=1)
    faults.arm("collection.condemned", fail)
    with pytest.raises(Failing):
        run(world)
    faults.disarm()
    clock.turn(hours=1)

    assert run(world).deleted == 1 and not there(world, key)
