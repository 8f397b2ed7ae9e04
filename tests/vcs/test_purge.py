"""Purge: a secret leaves history, forks and the store, and the chain still verifies."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.vcs.logs import AT, World, proposal
from tests.vcs.test_repository import append, following
from vcs import faults
from vcs.compaction import compact
from vcs.doctor import verify
from vcs.errors import InvalidInput, StoreFailed
from vcs.forks import fork_project
from vcs.landing import Batcher, MissingObjects, ProjectNotOpen
from vcs.local import LocalStore
from vcs.log import HeadState, Record, RecordKind, RefChange
from vcs.objects import Commit, Entry, Kind, Object, encode_commit, encode_tree, new_id, parse_commit
from vcs.purge import purge
from vcs.reading import ErasedObject
from vcs.repository import Repository
from vcs.segments import frames_of, read_footer, read_object
from vcs.store import MemoryStore

SECRET = b"password = hunter2\n"
SECRET_ID = Object.of(Kind.BLOB, SECRET).id


@pytest.fixture
def world(tmp_path):
    """Six landings; the secret is there from the second on, at two paths, and gone in the sixth."""
    world = World(MemoryStore(), tmp_path)
    land(world.main, {b"README": b"hello\n"})
    land(world.main, {b"conf/prod.env": SECRET, b"conf/dev.env": b"x"})
    land(world.main, {b"src/a": b"1"})
    land(world.main, {b"copy": SECRET})
    land(world.main, {b"src/a": b"2"})
    land(world.main, {b"conf/prod.env": None, b"copy": None})
    return world


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


class Killed(BaseException):
    pass


def kill():
    raise Killed


def land(repository, files):
    base = repository.catch_up().main
    batcher = Batcher(repository, still_wanted=set, clock=lambda: AT, host="micelio.test")
    return batcher.land(proposal(repository, base, files))


def opener(world):
    """As the backend would open repositories: one for each project."""
    known = {world.project: world.main}

    def open_repository(project):
        if project not in known:
            known[project] = Repository(world.store, world.project, project, world.folder / f"{project}.db")
        return known[project]

    return open_repository


def run(world, ids=(SECRET_ID,), **options):
    options = {"actor": None, "at": AT + timedelta(hours=1), **options}
    return purge(world.store, world.project, opener(world), ids=ids, **options)


def found(world, project=None):
    return [f for f in verify(world.store, world.project, project or world.project) if not f.information]


def files_at(repository, position):
    tree = repository.commit(repository.commit_at(position)).tree
    return {path: repository.read(entry.id, Kind.BLOB) for path, entry in repository.walk(tree)}


def stored(store, content):
    """The files that hold these bytes as an object or inside of one."""
    for listed in store.list(""):
        if not listed.key.endswith(".seg"):
            continue

        def read(start, length, key=listed.key):
            return store.get(key, start, length)

        footer = read_footer(read, listed.size, listed.key)
        plain_of = frames_of(read, footer, listed.key)
        if any(content in read_object(plain_of, entry) for entry in footer.entries):
            yield listed.key


def test_an_erased_file_is_a_notice_wherever_it_stood(world):
    before = [world.main.commit_at(n) for n in range(7)]

    report = run(world)

    (purged,) = report.projects
    assert (purged.moved, purged.project) == (5, world.project)
    assert SECRET_ID in purged.erased and set(before[2:]) <= purged.erased
    notice = b"The content of this file was erased on 2026-01-02.\n"
    assert files_at(world.main, 1) == {b"README": b"hello\n"}
    assert files_at(world.main, 4) == {
        b"README": b"hello\n",
        b"conf/prod.env": notice,
        b"conf/dev.env": b"x",
        b"src/a": b"1",
        b"copy": notice,
    }
    assert world.main.commit_at(1) == before[1]
    assert world.main.head().state is HeadState.OPEN and world.main.head().position == 6
    assert list(stored(world.store, SECRET)) == []
    assert (report.kept, report.unreached) == ((), ()) and report.deleted == purged.files
    assert found(world) == []


def test_commits_keep_order_authors_times_and_messages(world):
    before = [world.main.commit(world.main.commit_at(n)) for n in range(1, 7)]

    run(world)

    after = [world.main.commit(world.main.commit_at(n)) for n in range(1, 7)]
    assert [replace(c, tree="", parents=()) for c in after] == [
        replace(c, tree="", parents=()) for c in before
    ]
    parents = [world.main.commit_at(n) for n in range(1, 6)]
    assert [commit.parents for commit in after] == [(), *((parent,) for parent in parents)]


def test_what_was_erased_says_by_whom_and_when(world):
    old, actor = world.main.commit_at(3), new_id()

    run(world, actor=actor)

    for id in (SECRET_ID, old):
        for repository in (world.main, world.node()):
            with pytest.raises(ErasedObject) as error:
                repository.read(id)
            assert (
                error.value.sentence == f"Object {id} was erased on 2026-01-02T04:04:05.000000Z by {actor}."
            )


def test_every_node_finds_the_same_after_it(world):
    behind = world.node()
    behind.catch_up()
    behind.read(SECRET_ID)

    run(world)

    head = behind.catch_up()
    fresh = world.node()
    assert fresh.catch_up() == head == world.main.head()
    for repository in (behind, fresh):
        assert [repository.commit_at(n) for n in range(7)] == [world.main.commit_at(n) for n in range(7)]
        with pytest.raises(ErasedObject):
            repository.read(SECRET_ID)


def test_the_record_lists_what_moved_and_landing_goes_on(world):
    old = [world.main.commit_at(n) for n in range(7)]

    run(world)

    _, _, record = list(world.main.records())[-1]
    assert (record.kind, record.positions) == (RecordKind.PURGE, None)
    assert record.trunk == (old[6], world.main.head().main)
    assert land(world.main, {b"next": b"x"}).position == 7
    assert found(world) == []
    with pytest.raises(MissingObjects):
        world.batcher().land(replace(proposal(world.main, None, {b"late": b"x"}), base=old[5]))


def test_a_path_is_removed_with_folders_that_it_leaves_empty(world):
    report = run(world, ids=(), paths=[b"conf", b"not/there"])

    assert files_at(world.main, 4) == {b"README": b"hello\n", b"src/a": b"1", b"copy": SECRET}
    (purged,) = report.projects
    assert SECRET_ID not in purged.erased  # it still stands at `copy`
    assert Object.of(Kind.BLOB, b"x").id in purged.erased
    assert found(world) == []

    run(world, ids=(), paths=[b"copy"])

    assert files_at(world.main, 4) == {b"README": b"hello\n", b"src/a": b"1"}
    assert list(stored(world.store, SECRET)) == []
    assert found(world) == []


def test_branches_and_tags_follow_and_signatures_are_left_out(world):
    work = world.main.commit(world.main.commit_at(3))
    signed = Object.of(
        Kind.COMMIT, encode_commit(replace(work, headers=((b"gpgsig", b"-----BEGIN\nabc"), (b"x", b"y"))))
    )
    tag = Object.of(
        Kind.TAG, b"object %s\ntype commit\ntag v1\ntagger A <a@b> 1 +0000\n\nv1\n" % signed.id.encode()
    )
    changes = (
        RefChange("refs/heads/work", None, signed.id),
        RefChange("refs/tags/v1", None, tag.id),
        RefChange("refs/tags/first", None, world.main.commit_at(1)),
        RefChange("refs/tags/blob", None, SECRET_ID),
    )
    append(world, following(world, RecordKind.REFS, refs=changes), [signed, tag])
    world.main.catch_up()

    (purged,) = run(world).projects

    refs = world.main.refs()
    commit = world.main.commit(refs["refs/heads/work"])
    assert commit.headers == ((b"x", b"y"),)
    assert world.main.resolve("v1").commit == refs["refs/heads/work"]
    assert refs["refs/tags/first"] == world.main.commit_at(1)
    assert b"erased" in world.main.read(refs["refs/tags/blob"])
    assert {tag.id, signed.id} <= purged.erased
    assert found(world) == []


def test_positions_of_one_push_move_together(world):
    commits, tree = [], None
    parent = world.main.head().main
    objects = []
    for number in range(3):
        content = SECRET if number == 1 else b"%d" % number
        blob = Object.of(Kind.BLOB, content)
        tree = Object.of(Kind.TREE, encode_tree([Entry(b"120000", b"link", blob.id)]))
        made = Commit(tree.id, (parent,), b"A <a@b> 1 +0000", b"A <a@b> 1 +0000", b"m\n")
        commits.append(Object.of(Kind.COMMIT, encode_commit(made)))
        objects += [blob, tree, commits[-1]]
        parent = commits[-1].id
    head = world.main.head()
    record = following(world, RecordKind.PUSH, trunk=(head.main, parent), positions=(7, 9))
    append(world, record, objects, main=parent, position=9)
    assert [world.main.catch_up() and world.main.commit_at(n) for n in (7, 8, 9)] == [c.id for c in commits]

    run(world)

    for repository in (world.main, world.node()):
        repository.catch_up()
        chain = [repository.commit_at(n) for n in range(1, 10)]
        assert [repository.commit(commit).parents for commit in chain] == [
            (),
            *((parent,) for parent in chain[:-1]),
        ]
    (entry,) = world.main.tree(world.main.commit(world.main.commit_at(8)).tree)
    assert (entry.mode, entry.name) == (b"100644", b"link")
    assert found(world) == []


def test_words_are_erased_without_rewriting_anything(world):
    before = world.main.head()
    row = world.main.index.record_at(2)
    summary = Record.decode(world.main.read(row.id), row.id).summary

    (purged,) = run(world, ids=[summary]).projects

    head = world.main.head()
    assert (head.main, head.sequence) == (before.main, before.sequence + 1)
    assert (purged.moved, purged.erased) == (0, frozenset({summary}))
    with pytest.raises(ErasedObject):
        world.main.read(summary)
    assert found(world) == []


def test_a_second_purge_moves_what_the_first_had_moved(world):
    run(world)
    between = world.main.commit_at(5)

    (purged,) = run(world, ids=[Object.of(Kind.BLOB, b"1").id]).projects

    assert purged.moved == 4 and between in purged.erased
    for repository in (world.main, world.node()):
        repository.catch_up()
        chain = [repository.commit_at(n) for n in range(1, 7)]
        assert [repository.commit(commit).parents for commit in chain[1:]] == [(c,) for c in chain[:-1]]
    assert found(world) == []


def test_forks_are_purged_too_with_what_they_inherited(world):
    child = new_id()
    fork_project(world.main, child, actor=None, summary={}, at=AT)
    mine = opener(world)(child)
    land(mine, {b"own": SECRET + b"", b"more": b"x"})

    report = run(world)

    assert [purged.project for purged in report.projects] == [world.project, child]
    assert list(stored(world.store, SECRET)) == []
    mine.catch_up()
    assert [mine.commit_at(n) for n in range(7)] == [world.main.commit_at(n) for n in range(7)]
    assert b"erased" in files_at(mine, 7)[b"own"]
    assert found(world) == [] and found(world, child) == []


def test_a_purge_of_one_project_tells_which_others_still_hold_it(world):
    child = new_id()
    fork_project(world.main, child, actor=None, summary={}, at=AT)

    report = run(world, project=world.project)

    assert [purged.project for purged in report.projects] == [world.project]
    assert report.unreached == (child,) and report.kept != ()
    assert list(stored(world.store, SECRET)) != []
    assert found(world) == [] and found(world, child) == []

    again = run(world)
    assert [purged.project for purged in again.projects] == [child]
    assert again.kept == () and list(stored(world.store, SECRET)) == []
    assert found(world) == [] and found(world, child) == []


def dying_fork(world, child):
    """A fork that read its parent just now; called, its HEAD arrives and it dies before its second look."""
    behind = world.node()
    behind.catch_up()
    head = behind.remembered()
    behind.current = lambda: head

    def arrive():
        faults.disarm()
        faults.arm("fork.made", kill)
        with pytest.raises(Killed):
            fork_project(behind, child, actor=None, summary={}, at=AT)
        faults.disarm()

    return arrive


def test_a_fork_whose_head_arrives_late_is_purged_and_can_still_be_taken_up(world):
    child = new_id()
    # When all HEADs were listed.
    faults.arm("purge.written", dying_fork(world, child))

    report = run(world)

    assert [purged.project for purged in report.projects] == [world.project, child]
    assert report.unreached == () and list(stored(world.store, SECRET)) == []
    assert found(world, child) == []
    made = fork_project(world.main, child, actor=None, summary={}, at=AT)
    assert made.position == 6 and found(world, child) == []


def test_a_fork_that_died_naming_deleted_files_stops_no_purge_and_can_be_taken_up(world):
    child = new_id()
    faults.arm("collection.deleted", dying_fork(world, child))
    run(world)
    assert found(world, child) != [], "its files were deleted before its HEAD arrived"

    again = run(world, paths=[b"src/a"])

    assert [purged.project for purged in again.projects] == [world.project]
    assert again.kept == () and list(stored(world.store, SECRET)) == []
    made = fork_project(world.main, child, actor=None, summary={}, at=AT)
    assert made.position == 6 and found(world, child) == []


def test_compacted_and_staged_files_lose_it_as_well(world):
    for number in range(20):
        land(world.main, {b"n": b"%d" % number})
    compact(world.main)
    world.main.stage([Object.of(Kind.BLOB, SECRET)])

    run(world)

    assert list(stored(world.store, SECRET)) == []
    assert found(world) == []
    assert compact(world.main) is None


@pytest.mark.parametrize("point", ["purge.frozen", "purge.written", "purge.swapped", "collection.deleted"])
def test_killed_anywhere_the_same_purge_finishes(world, point):
    child = new_id()
    fork_project(world.main, child, actor=None, summary={}, at=AT)
    faults.arm(point, kill)
    with pytest.raises(Killed):
        run(world)
    faults.disarm()
    early = point in ("purge.frozen", "purge.written")
    assert (world.main.head().state is HeadState.FROZEN) is early
    if early:
        with pytest.raises(ProjectNotOpen):
            land(world.main, {b"x": b"y"})

    run(world)

    assert list(stored(world.store, SECRET)) == []
    assert {repository.catch_up().state for repository in map(opener(world), (world.project, child))} == {
        HeadState.OPEN
    }
    assert len([record for _, _, record in world.main.records() if record.kind is RecordKind.PURGE]) == 1
    assert found(world) == [] and found(world, child) == []


def test_the_local_store_holds_no_byte_of_it_on_disk(tmp_path):
    store = LocalStore(tmp_path / "store")
    world = World(store, tmp_path)
    land(world.main, {b"README": b"hello\n"})
    key = random.Random(1).randbytes(20_000)  # too random to be stored otherwise than as it is
    land(world.main, {b"secret": key})

    def on_disk():
        paths = (path for path in (tmp_path / "store").rglob("*") if path.is_file())
        return any(key[9_000:9_100] in path.read_bytes() for path in paths)

    assert on_disk()
    run(world, ids=[Object.of(Kind.BLOB, key).id])

    assert not on_disk()
    assert found(world) == []
    store.close()


def test_a_purge_that_fails_opens_the_project_again(world):
    def fail():
        raise StoreFailed(problem="the disk is full")

    faults.arm("purge.written", fail)
    with pytest.raises(StoreFailed):
        run(world)
    faults.disarm()

    assert land(world.main, {b"x": b"y"}).position == 7
    assert found(world) == []


def test_only_files_and_summaries_can_be_erased(world):
    with pytest.raises(InvalidInput):
        run(world, ids=[world.main.commit_at(2)])

    assert world.main.head().state is HeadState.OPEN


def test_a_purge_of_what_is_not_there_changes_nothing(world):
    before = world.main.head()

    assert run(world, ids=["1" * 64]).projects == ()
    assert run(world, ids=(), paths=[b"nowhere"]).projects == ()

    assert world.main.head().record == before.record
    assert land(world.main, {b"x": b"y"}).position == 7


def test_a_landing_on_its_way_loses_against_a_freeze(world):
    asked = proposal(world.main, world.main.head().main, {b"late": b"x"})
    frozen = []

    def freezing(landings):
        if not frozen:
            head, version = world.main.current()
            frozen.append(head)
            body = head.renewed(state=HeadState.FROZEN).encode()
            world.store.swap_head(world.project, world.project, version, body)
        return set(landings)

    with pytest.raises(ProjectNotOpen):
        world.batcher(still_wanted=freezing).land(asked)
    assert parse_commit(world.main.read(world.main.head().main)).parents
