import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.vcs.logs import AT, World, proposal
from vcs import faults
from vcs.errors import Kind as ErrorKind
from vcs.errors import StoreFailed
from vcs.landing import (
    LandingTaken,
    Limits,
    MissingObjects,
    PathConflict,
    PermitGone,
    ProjectNotOpen,
    fence,
)
from vcs.log import Condemned, HeadState, Record
from vcs.objects import EMPTY_TREE, Kind, Object, new_id, parse_commit
from vcs.repository import Repository
from vcs.store import MemoryStore


class CountingStore(MemoryStore):
    """Counts swaps, and can hold them up until a test lets go."""

    def __init__(self):
        super().__init__()
        self.swaps = 0
        self.gate = threading.Event()
        self.gate.set()

    def swap_head(self, *arguments, **options):
        self.gate.wait()
        self.swaps += 1
        return super().swap_head(*arguments, **options)


@pytest.fixture
def store():
    return CountingStore()


@pytest.fixture
def world(store, tmp_path):
    return World(store, tmp_path)


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


def land(world, base, files, **options):
    return world.batcher().land(proposal(world.main, base, files, **options))


def swap_in(world, **changes):
    """What another process does to HEAD behind this one's back."""
    head = world.main.head()
    _, version = world.main.read_head()
    world.store.swap_head(world.project, world.project, version, head.renewed(**changes).encode())


def test_the_first_landing_is_position_1_and_its_files_are_there(world):
    landed = land(world, None, {b"README": b"hello\n", b"src/a b": b""})

    assert (landed.position, landed.sequence, landed.at) == (1, 1, AT)
    assert world.files(landed.commit) == {b"README": b"hello\n", b"src/a b": b""}
    assert world.main.resolve("HEAD").commit == landed.commit
    assert world.faults() == []


def test_a_commit_is_a_function_of_the_landing_and_its_time(world):
    landed = land(world, None, {b"a": b"1"})

    commit = parse_commit(world.main.read(landed.commit, Kind.COMMIT))
    second = int(AT.timestamp())
    assert commit.author == b"Ada <ada@example.org> %d +0000" % second
    assert commit.committer == b"Micelio <noreply@micelio.test> %d +0000" % second
    assert (commit.parents, commit.message) == ((), b"what changed\n")


def test_a_landing_over_a_moved_head_keeps_what_others_changed(world):
    base = land(world, None, {b"a": b"1", b"b": b"1"}).commit
    land(world, base, {b"a": b"2"})

    landed = land(world, base, {b"b": b"2", b"c": b"3"})

    assert world.files(landed.commit) == {b"a": b"2", b"b": b"2", b"c": b"3"}
    assert world.main.commit(landed.commit).parents == (world.main.commit_at(2),)
    assert world.faults() == []


def test_a_conflict_tells_each_path_with_the_landing_that_changed_it(world):
    base = land(world, None, {b"a": b"1", b"d/b": b"1", b"c": b"1"}).commit
    theirs = land(world, base, {b"d/b": b"theirs"})
    land(world, theirs.commit, {b"c": b"other"})

    with pytest.raises(PathConflict) as refusal:
        land(world, base, {b"a": b"ours", b"d/b": b"ours"})

    assert (refusal.value.kind, refusal.value.code) == (ErrorKind.CONFLICT, "landing.conflict")
    (overlap,) = refusal.value.overlaps
    assert (overlap.path, overlap.position, overlap.landing) == (b"d/b", 2, theirs.landing)
    contents = [world.main.read(entry.id) for entry in (overlap.base, overlap.theirs)]
    assert contents == [b"1", b"theirs"]
    assert overlap.ours.id == Object.of(Kind.BLOB, b"ours").id
    assert "d/b changed" in refusal.value.sentence and theirs.landing in refusal.value.sentence
    assert refusal.value.details["conflicts"][0]["path"] == "d/b"
    assert world.main.catch_up().position == 3


def test_landing_again_with_the_same_id_gets_the_same_answer(world):
    asked = proposal(world.main, None, {b"a": b"1"})

    first = world.batcher().land(asked)

    assert world.batcher().land(asked) == first
    assert world.batcher(world.node()).land(asked) == first
    assert world.main.catch_up().position == 1


def test_a_revision_lands_once_under_whatever_landing_id(world):
    session = new_id()
    first = land(world, None, {b"a": b"1"}, session=session, revision=3)

    again = land(world, None, {b"a": b"1"}, session=session, revision=3)

    assert again == first
    assert land(world, first.commit, {b"a": b"2"}, session=session, revision=4).position == 2


def test_a_landing_id_of_somebody_else_is_refused(world):
    first = land(world, None, {b"a": b"1"})

    with pytest.raises(LandingTaken):
        land(world, first.commit, {b"b": b"1"}, landing=first.landing)


def test_what_nobody_sent_is_named_and_nothing_lands(world):
    asked = proposal(world.main, None, {b"a": b"1", b"b": b"2"})
    unsent = {made.id for made in asked.objects if made.kind is Kind.BLOB}

    with pytest.raises(MissingObjects) as refusal:
        land(world, None, {b"a": b"1", b"b": b"2"}, objects=[o for o in asked.objects if o.id not in unsent])

    assert set(refusal.value.details["ids"]) == unsent
    assert world.main.catch_up().position == 0


def test_a_base_that_is_not_there_is_a_missing_object(world):
    with pytest.raises(MissingObjects) as refusal:
        world.batcher().land(replace(proposal(world.main, None, {b"a": b"1"}), base="0" * 64))

    assert refusal.value.details["ids"] == ["0" * 64]


def test_a_refusal_by_a_remembered_head_is_decided_again_on_a_fresh_one(world):
    other = world.node()
    base = land(world, None, {b"a": b"1"}).commit
    other.catch_up()
    moved = land(world, base, {b"a": b"2"}).commit

    # This node knows neither the commit nor its tree before it reads HEAD.
    landed = world.batcher(other).land(proposal(world.main, moved, {b"a": b"3"}))

    assert landed.position == 3


def test_a_permit_that_is_gone_drops_the_landing_without_a_decision(world):
    asked = [proposal(world.main, None, {b"a": b"1"}), proposal(world.main, None, {b"b": b"1"})]
    batcher = world.batcher(still_wanted=lambda landings: set(landings) - {asked[0].landing})

    with pytest.raises(PermitGone):
        batcher.land(asked[0])

    assert batcher.land(asked[1]).position == 1


def test_permits_are_looked_at_after_head_was_read(world):
    asked = proposal(world.main, None, {b"a": b"1"})
    permits = {asked.landing}

    def sweep():
        permits.clear()
        fence(world.main)

    def still_wanted(landings):
        answer = set(landings) & permits
        sweep()
        return answer

    with pytest.raises(PermitGone):
        world.batcher(still_wanted=still_wanted).land(asked)

    assert world.main.catch_up().position == 0


@pytest.mark.parametrize("state", [HeadState.FROZEN, HeadState.DELETED])
def test_a_project_that_is_not_open_takes_nothing(world, state):
    swap_in(world, state=state)

    with pytest.raises(ProjectNotOpen):
        land(world, None, {b"a": b"1"})


def test_time_never_goes_back_in_the_log(world):
    first = land(world, None, {b"a": b"1"})
    late = world.batcher(clock=lambda: AT - timedelta(hours=1))

    second = late.land(proposal(world.main, first.commit, {b"b": b"1"}))

    assert second.at == first.at


def until(condition):
    """Wait for another thread, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


def in_one_batch(world, asked, **options):
    """Land all of these while the first swap is held up, so that the rest wait in one line."""
    batcher = world.batcher(**options)
    world.store.gate.clear()
    with ThreadPoolExecutor(len(asked) + 1) as threads:
        first = threads.submit(batcher.land, proposal(world.main, None, {b"first": b""}))
        until(lambda: batcher._leading and not batcher._waiting)
        waiting = []
        for one in asked:
            waiting.append(threads.submit(batcher.land, one))
            until(lambda: len(batcher._waiting) == len(waiting))
        swaps = world.store.swaps
        world.store.gate.set()
        first.result()
        outcomes = [future.exception() or future.result() for future in waiting]
        return outcomes, world.store.swaps - swaps - 1


def test_what_waits_lands_with_one_swap_in_the_order_it_came(world):
    asked = [proposal(world.main, None, {b"dir/%d" % number: b"x"}) for number in range(40)]

    outcomes, swaps = in_one_batch(world, asked)

    assert swaps == 1
    assert [landed.position for landed in outcomes] == list(range(2, 42))
    assert len({landed.record for landed in outcomes}) == 40
    assert world.faults() == []


def test_in_a_batch_the_first_wins_and_a_refusal_holds_up_nobody(world):
    asked = [proposal(world.main, None, {b"same": b"%d" % number}) for number in range(3)]
    broken = proposal(world.main, None, {b"x": b"y"}, objects=[])
    asked.insert(1, broken)
    asked.append(proposal(world.main, None, {b"own": b"z"}))

    outcomes, swaps = in_one_batch(world, asked)

    assert swaps == 1
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Landed",
        "MissingObjects",
        "PathConflict",
        "PathConflict",
        "Landed",
    ]
    assert outcomes[2].overlaps[0].landing == outcomes[0].landing
    assert world.files(world.main.catch_up().main) == {b"first": b"", b"same": b"0", b"own": b"z"}


def test_a_batch_takes_no_more_than_its_limits(world):
    asked = [proposal(world.main, None, {b"%d" % number: b"x" * 100}) for number in range(10)]

    _, swaps = in_one_batch(world, asked, limits=Limits(landings=4))

    assert swaps == 3
    assert world.faults() == []


def test_the_same_landing_sent_twice_at_once_lands_once(world):
    asked = proposal(world.main, None, {b"a": b"1"})

    outcomes, _ = in_one_batch(world, [asked, asked])

    assert outcomes[0] == outcomes[1]
    assert world.main.catch_up().position == 2


def test_a_tail_that_is_full_is_folded_into_a_checkpoint(world):
    commit = None
    for number in range(150):
        commit = land(world, commit, {b"%d" % (number % 7): b"%d" % number}).commit

    head = world.main.catch_up()
    assert head.position == 150
    assert head.checkpoint is not None and len(head.tail) <= 64
    fresh = world.node()
    assert fresh.catch_up() == head
    assert [fresh.commit_at(n) for n in range(151)] == [world.main.commit_at(n) for n in range(151)]
    assert world.faults() == []


def test_staged_objects_land_whether_short_or_long(world):
    short, long = b"short", bytes(range(256)) * 8000
    asked = proposal(world.main, None, {b"short": short, b"long": long})
    keys = world.main.stage([made for made in asked.objects if made.content == short])
    keys.append(world.main.stage_blob([long[:9999], long[9999:]], len(long))[0])
    trees = [made for made in asked.objects if made.kind is Kind.TREE]

    landed = land(world, None, {b"short": short, b"long": long}, objects=trees, staged=keys)

    assert world.files(landed.commit) == {b"short": short, b"long": long}
    live = {ref.key for ref in world.main.head().tail}
    assert keys[1] in live and keys[0] not in live
    assert world.faults() == []


def test_a_landing_longer_than_a_batch_is_staged_by_itself(world):
    files = {b"%d" % number: bytes([number]) * (3 << 20) for number in range(3)} | {b"big": b"b" * (5 << 20)}

    landed = land(world, None, files)

    assert world.files(landed.commit) == files
    assert world.faults() == []


def test_more_long_files_than_a_swap_takes_join_ahead(world):
    files = {b"%d" % number: bytes([number]) + b"\0" * (1 << 12) for number in range(9)}
    asked = proposal(world.main, None, files)
    keys = []
    for made in asked.objects:
        if made.kind is Kind.BLOB:
            keys += world.main.stage([made, Object.of(Kind.BLOB, os_random(made.content[0]))])
    trees = [made for made in asked.objects if made.kind is Kind.TREE]
    batcher = world.batcher(limits=Limits(files=4))

    landed = batcher.land(proposal(world.main, None, files, objects=trees, staged=keys))

    assert world.files(landed.commit) == files
    assert landed.position == 1
    assert world.faults() == []


def os_random(number):
    """A megabyte that does not compress, so that a staged file is a long one."""
    return random.Random(number).randbytes(1 << 20)


def test_staged_files_that_are_gone_or_condemned_are_missing_objects(world):
    content = os_random(1) + b"end"
    asked = proposal(world.main, None, {b"a": content})
    trees = [made for made in asked.objects if made.kind is Kind.TREE]
    (key,) = world.main.stage([Object.of(Kind.BLOB, content)])
    again = {"objects": trees, "staged": [key]}
    swap_in(world, condemned=(Condemned(key, AT),))

    with pytest.raises(MissingObjects):
        land(world, None, {b"a": content}, **again)
    swap_in(world, condemned=())
    world.store.delete(key)
    with pytest.raises(MissingObjects):
        land(world, None, {b"a": content}, **again)

    assert land(world, None, {b"a": content}).position == 1


def test_staged_objects_are_seen_by_their_session_only(world):
    made = Object.of(Kind.BLOB, b"not yet")
    keys = world.main.stage([made])

    assert not world.main.has(made.id)
    assert world.main.with_staged(keys).read(made.id) == b"not yet"
    assert not world.main.with_staged([]).has(made.id)


def test_a_landing_without_changes_is_a_commit_of_the_same_tree(world):
    landed = land(world, None, {})

    assert (landed.position, landed.tree) == (1, EMPTY_TREE)
    assert world.faults() == []


def test_a_store_that_certainly_refused_says_that_nothing_changed(world):
    def full():
        raise StoreFailed(problem="the disk is full")

    faults.arm("landing.before_swap", full)
    asked = proposal(world.main, None, {b"a": b"1"})

    with pytest.raises(StoreFailed):
        world.batcher().land(asked)

    faults.disarm()
    assert world.batcher().land(asked).position == 1


def test_a_leader_that_is_stopped_leaves_nobody_waiting(world):
    class Stopped(BaseException):
        pass

    def stop():
        raise Stopped

    batcher = world.batcher()
    asked = proposal(world.main, None, {b"a": b"1"})
    faults.arm("landing.after_swap", stop)
    with pytest.raises(Stopped):
        batcher.land(asked)
    faults.disarm()

    assert batcher.land(asked).position == 1
    assert batcher.land(proposal(world.main, None, {b"b": b"1"})).position == 2


def test_points_of_a_landing_are_reached_in_their_order(world):
    reached = []
    points = ("landing.decided", "landing.files_written", "landing.before_swap", "landing.after_swap")
    for point in points:
        faults.arm(point, lambda point=point: reached.append(point))

    land(world, None, {b"a": b"1"})

    assert tuple(reached) == points


def test_the_record_names_what_happened(world):
    asked = proposal(world.main, None, {b"a": b"1"}, summary={"goal": "ship", "decisions": ["yes"]})
    landed = world.batcher().land(asked)

    record = Record.decode(world.main.read(landed.record, Kind.RECORD), landed.record)

    assert (record.landing, record.session, record.actor) == (asked.landing, asked.session, asked.actor)
    assert (record.trunk, record.positions) == ((None, landed.commit), (1, 1))
    assert b'"goal":"ship"' in world.main.read(record.summary, Kind.BLOB)


def test_a_repository_found_in_the_store_is_the_same_on_any_node(world, tmp_path):
    commit = None
    for number in range(5):
        commit = land(world, commit, {b"%d" % number: b"x"}).commit

    other = Repository(world.store, world.project, world.project, tmp_path / "other.db")

    assert other.resolve("HEAD") == world.main.resolve("HEAD")
    assert list(other.records()) == list(world.main.records())
