"""Upkeep: what git finds afterwards, beside whom it runs, and what it may take away."""

import threading
from time import time

import pytest

from tests.vcs import logs
from tests.vcs.git.test_projection import is_right, several
from tests.vcs.logs import World
from vcs import faults
from vcs.git import upkeep
from vcs.git.process import run_git
from vcs.git.projection import GitProjection
from vcs.store import MemoryStore


@pytest.fixture
def world(tmp_path):
    made = World(MemoryStore(), tmp_path)
    yield made
    faults.disarm()


@pytest.fixture
def shown(world, tmp_path):
    return GitProjection(tmp_path / "git" / world.project, world.main)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(upkeep, "PACKS", 4)


def one_by_one(world, shown, count, base=None):
    """Landings, each with a pack of its own."""
    for _ in range(count):
        base = several(world, 1, base)[-1]
        shown.catch_up()
    return base


def packs(shown):
    return list(shown.path.glob("objects/pack/*.pack"))


def test_nothing_is_due_without_a_repository_or_a_landing(world, shown):
    assert not upkeep.is_due(shown)
    shown.catch_up()

    assert upkeep.maintain(shown) is None


def test_many_packs_become_few_with_bitmaps_and_a_commit_graph(world, shown):
    last = one_by_one(world, shown, 3)
    assert upkeep.maintain(shown).after == 1
    one_by_one(world, shown, 6, last)
    assert len(packs(shown)) == 7
    done = upkeep.maintain(shown)

    assert done.before == 7
    assert done.after <= 2
    assert not upkeep.is_due(shown)
    assert list(shown.path.glob("objects/pack/multi-pack-index-*.bitmap"))
    assert list(shown.path.glob("objects/info/commit-graphs/*.graph"))
    is_right(world, shown)


def test_packs_of_ours_get_deltas_once(world, shown):
    several(world, 8)
    text = b"".join(b"line %d of a text that stays much the same\n" % n for n in range(500))
    base = world.main.head().main
    for number in range(5):
        base = logs.proposal(world.main, base, {b"long": text + b"%d\n" % number})
        base = world.batcher().land(base).commit
    shown.catch_up()
    before = sum(path.stat().st_size for path in packs(shown))
    upkeep.maintain(shown)

    assert sum(path.stat().st_size for path in packs(shown)) < before / 2
    is_right(world, shown)


@pytest.mark.parametrize("point", [point for point in faults.POINTS if point.startswith("upkeep.")])
def test_upkeep_that_is_killed_leaves_all_in_place_and_is_due_again(world, shown, point):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    last = one_by_one(world, shown, 3)
    logs.move_refs(world.main, {"refs/heads/side": last})
    logs.move_refs(world.main, {"refs/heads/side": None})
    one_by_one(world, shown, 3, last)
    faults.arm(point, kill)
    with pytest.raises(Killed):
        upkeep.maintain(shown)
    faults.disarm()
    assert upkeep.is_due(shown)
    is_right(world, shown)
    upkeep.maintain(shown)

    assert not upkeep.is_due(shown)
    is_right(world, shown)


def test_landings_go_on_while_it_works(world, shown):
    last = one_by_one(world, shown, 6)
    reached, go_on = threading.Event(), threading.Event()

    def pause():
        reached.set()
        assert go_on.wait(30)

    faults.arm("upkeep.repacked", pause)
    working = threading.Thread(target=upkeep.maintain, args=(shown,))
    working.start()
    assert reached.wait(30)
    one_by_one(world, shown, 2, last)
    is_right(world, shown)
    assert upkeep.maintain(shown) is None
    go_on.set()
    working.join()

    is_right(world, shown)


def test_what_is_left_behind_stays_for_a_week_and_comes_back_when_asked_for(world, shown):
    last = one_by_one(world, shown, 2)
    tip, objects = logs.commit({b"aside": b"for a while\n"}, last)
    logs.move_refs(world.main, {"refs/heads/side": tip}, objects)
    shown.catch_up()
    sha1 = world.main.sha1_of(tip).hex()
    now = time()
    upkeep.maintain(shown, now=now)
    logs.move_refs(world.main, {"refs/heads/side": None})
    shown.catch_up()

    for day in (30, 31, 36):
        done = upkeep.maintain(shown, now=now + day * 86400)
        assert (done is not None) == (day == 30)
        assert there(shown, sha1)
    assert upkeep.maintain(shown, now=now + 38 * 86400).swept
    assert not there(shown, sha1)
    repository = shown.path.stat().st_ino
    one_by_one(world, shown, 1, last)
    is_right(world, shown)
    assert shown.path.stat().st_ino == repository

    logs.move_refs(world.main, {"refs/heads/side": tip})
    is_right(world, shown)
    assert there(shown, sha1)


def test_a_ref_that_reaches_what_is_just_going_gets_it_back(world, shown):
    last = one_by_one(world, shown, 2)
    tip, objects = logs.commit({b"aside": b"for a while\n"}, last)
    logs.move_refs(world.main, {"refs/heads/side": tip}, objects)
    logs.move_refs(world.main, {"refs/heads/side": None})
    shown.catch_up()
    now = time()
    upkeep.maintain(shown, now=now)

    def come_back():
        faults.disarm()
        logs.move_refs(world.main, {"refs/heads/side": tip})
        with shown.alone():
            # As if it had been looked at before it was gone.
            shown.note(pruned=False)
        shown.catch_up()

    faults.arm("upkeep.swept", come_back)
    upkeep.maintain(shown, now=now + 8 * 86400)

    is_right(world, shown)


def there(shown, sha1):
    return run_git(shown.path, "cat-file", "-e", sha1, allow=(0, 1, 128)).returncode == 0
