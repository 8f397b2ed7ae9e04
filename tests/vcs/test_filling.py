"""A long index is filled beside the one that is read: killed at any step, with landings going on."""

import random
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta

import pytest

from tests.vcs.logs import AT, World, lengthen, proposal
from vcs import disk, faults, filling
from vcs.compaction import compact
from vcs.filling import IndexFilling, beside, unfinished
from vcs.index_check import _EQUAL
from vcs.objects import Kind, Object
from vcs.purge import purge
from vcs.reading import ErasedObject
from vcs.store import MemoryStore

LANDINGS = 2000


class Killed(BaseException):
    """What no code of ours catches."""


class Steps:
    """Counts the steps of fillings, and kills whoever comes to one of these."""

    def __init__(self, *deadly):
        self.deadly = set(deadly)
        self.count = 0
        self.between = lambda: None
        faults.arm("index.step", self.reached)

    def reached(self):
        self.count += 1
        self.between()
        if self.count in self.deadly:
            raise Killed


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


@pytest.fixture
def world(tmp_path):
    return World(MemoryStore(), tmp_path)


@pytest.fixture
def commits(world):
    """A project of many landings, and its commits; the first node has followed them."""
    made = lengthen(world, LANDINGS)
    world.main.catch_up()
    return made


def land(world, files):
    base = world.main.catch_up().main
    return world.batcher().land(proposal(world.main, base, files))


def dump(repository):
    """What an index says, wherever objects may be."""
    tables = {**_EQUAL, "segments": "select key from segments order by key"}
    with closing(sqlite3.connect(repository.index._path)) as db:
        return {name: db.execute(query).fetchall() for name, query in tables.items()}


def killed_until_done(repository, bring, meanwhile=lambda: None):
    """Bring an index up as often as it takes; how often that was killed."""
    for kills in range(100):
        try:
            bring()
        except Killed:
            assert repository.index.version() is None or repository.has(repository.commit_at(1))
            meanwhile()
        else:
            return kills
    raise AssertionError("it never ends")


def test_from_nothing_it_becomes_what_following_made(world, commits):
    steps = Steps()
    node = world.node()

    assert node.catch_up() == world.main.head()

    assert steps.count > 3
    assert dump(node) == dump(world.main)
    assert not beside(node.index._path).exists()


def test_killed_at_every_step_it_goes_on_from_there(world, commits):
    steps = Steps()
    world.node().catch_up()
    whole = steps.count

    steps = Steps(*range(1, 100))
    node = world.node()
    kills = killed_until_done(node, node.catch_up, lambda: land(world, {b"during": b"%d" % steps.count}))

    assert kills == steps.count <= whole + 1, "no step was done twice"
    node.catch_up()
    assert dump(node) == dump(world.main)


@pytest.mark.parametrize("point", ["index.filled", "index.taken_over"])
def test_killed_around_the_take_over_nothing_is_filled_again(world, commits, point):
    steps = Steps()
    node = world.node()

    def kill():
        faults.disarm(point)
        raise Killed

    faults.arm(point, kill)
    with pytest.raises(Killed):
        node.catch_up()
    filled = steps.count
    land(world, {b"after": b"1"})

    node.rebuild_index()

    assert steps.count == filled
    assert dump(node) == dump(world.main)
    assert unfinished(node.index._path.parent) == []


def test_files_may_be_compacted_away_meanwhile(world, commits):
    node = world.node()
    steps = Steps(2)
    with pytest.raises(Killed):
        node.catch_up()
    while compact(world.main):
        pass
    used = {ref.key for ref in world.main.live()} | {world.main.head().checkpoint.key}
    for listed in world.store.list(f"pools/{world.project}/files/"):
        if listed.key not in used:
            world.store.delete(listed.key)

    node.catch_up()

    assert steps.count > 2
    world.main.catch_up()
    assert dump(node) == dump(world.main)


def test_readers_of_the_old_index_find_everything_while_it_is_rebuilt(world, commits):
    node, landed, missing, done = world.node(), list(commits), [], threading.Event()
    node.catch_up()

    def read():
        rng = random.Random(1)
        while not done.is_set():
            commit = rng.choice(landed)
            try:
                tree = node.commit(commit).tree
                node.read(node.tree(tree)[0].id, Kind.BLOB)
            except Exception as error:
                missing.append((commit, error))

    Steps().between = lambda: landed.append(land(world, {b"new": b"%d" % len(landed)}).commit)
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(2):
            node.rebuild_index()
    finally:
        done.set()
        for reader in readers:
            reader.join()

    assert missing == [] and len(landed) > len(commits) + 5
    node.catch_up()
    assert dump(node) == dump(world.main)


def test_a_purge_while_it_is_filled_leaves_nothing_of_before(world, commits):
    secret = Object.of(Kind.BLOB, b"text %d\n" % (LANDINGS - 20)).id
    node = world.node()
    Steps(3)
    with pytest.raises(Killed):
        node.catch_up()

    at = AT + timedelta(hours=1)
    purge(world.store, world.project, lambda project: world.main, ids=[secret], actor=None, at=at)
    # From here on every step is the last one once more: what the purge moved is known after a kill, too.
    Steps(*range(1, 100))
    killed_until_done(node, node.catch_up)

    world.main.catch_up()
    assert dump(node) == dump(world.main)
    with pytest.raises(ErasedObject):
        node.read(secret)


def test_a_filling_that_was_damaged_begins_anew(world, commits):
    node = world.node()
    Steps(3)
    with pytest.raises(Killed):
        node.catch_up()
    path = beside(node.index._path)
    path.write_bytes(b"no database" * 1000)

    node.catch_up()

    assert dump(node) == dump(world.main)


def test_who_cannot_wait_leaves_the_rest_to_others(world, commits, monkeypatch):
    node = world.node()
    with pytest.raises(IndexFilling) as refusal:
        node.catch_up(most=0)
    assert refusal.value.kind == "unavailable" and "try again" in refusal.value.sentence
    assert unfinished(node.index._path.parent) == [node.index._path.stem]

    monkeypatch.setattr(disk, "PATIENCE", 0.1)
    with filling.alone(beside(node.index._path)), pytest.raises(IndexFilling):
        assert unfinished(node.index._path.parent) == []
        node.catch_up()

    assert node.rebuild_index() == world.main.head()
    assert unfinished(node.index._path.parent) == []
