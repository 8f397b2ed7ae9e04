"""What a log is told about its project, with landings going on."""

import pytest

from tests.vcs.logs import AT, World, proposal
from vcs.about import append_about, last_about
from vcs.compaction import compact
from vcs.forks import delete_project, fork_project
from vcs.landing import Batcher, ProjectNotOpen
from vcs.log import RecordKind
from vcs.objects import Kind, new_id, parse_canonical
from vcs.repository import Repository
from vcs.store import MemoryStore, Swapped, Unknown


@pytest.fixture
def world(store, tmp_path):
    world = World(store, tmp_path)
    land(world.main, {b"a": b"1"})
    return world


def land(repository, files):
    base = repository.catch_up().main
    batcher = Batcher(repository, still_wanted=set, clock=lambda: AT, host="micelio.test")
    return batcher.land(proposal(repository, base, files))


def tell(repository, name):
    return append_about(repository, summary={"name": name}, actor=None, at=AT)


def named(repository):
    repository.catch_up()
    _, last = last_about(repository)
    return parse_canonical(repository.read(last.summary, Kind.BLOB), "summary")["name"]


def test_the_log_is_told_and_nothing_else_moves(world):
    before = world.main.head()
    head = tell(world.main, "Notes")

    assert (head.sequence, head.position, head.main) == (before.sequence + 1, 1, before.main)
    node = world.node()
    assert named(node) == "Notes" and world.faults() == []
    assert land(node, {b"a": b"2"}).position == 2


def test_a_landing_that_comes_between_is_followed(world):
    node = world.node()
    node.catch_up()
    land(world.main, {b"b": b"2"})

    tell(node, "Later")

    assert named(world.main) == "Later" and world.faults() == []


def test_a_long_tail_is_folded(world):
    for number in range(70):
        tell(world.main, f"No. {number}")

    assert len(world.main.head().tail) <= 64
    while compact(world.main):
        pass
    assert named(world.node()) == "No. 69" and world.faults() == []


def test_a_deleted_project_is_told_nothing(world):
    delete_project(world.store, world.project, world.project)
    with pytest.raises(ProjectNotOpen):
        tell(world.main, "Gone")


def test_a_fork_is_about_itself(world):
    tell(world.main, "Parent")
    child = new_id()
    fork_project(world.main, child, actor=None, summary={"name": "Child"}, at=AT)
    fork = Repository(world.store, world.project, child, world.folder / "child.db")
    fork.catch_up()

    first, last = last_about(fork)
    assert (first.kind, last.kind, named(fork)) == (RecordKind.FORK, RecordKind.FORK, "Child")
    tell(fork, "Grown")
    assert (named(fork), named(world.main)) == ("Grown", "Parent")


class Silent(MemoryStore):
    """Does what it is asked once and does not say so."""

    quiet = False

    def swap_head(self, *args, **options):
        result = super().swap_head(*args, **options)
        if self.quiet and isinstance(result, Swapped):
            self.quiet = False
            return Unknown()
        return result


def test_a_swap_that_nobody_confirmed_is_not_done_twice(tmp_path):
    world = World(Silent(), tmp_path)
    world.store.quiet = True

    tell(world.main, "Once")

    assert world.main.head().sequence == 1 and named(world.main) == "Once"
