"""The projection against git itself: what git reads there is what the log says."""

import os
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.vcs import logs
from tests.vcs.logs import AT, World, proposal
from vcs import faults
from vcs.compaction import compact
from vcs.git.process import environment, run_git
from vcs.git.projection import GitProjection
from vcs.git.refs import is_ref_name
from vcs.objects import Commit as CommitObject
from vcs.objects import Kind, Object, encode_commit, signature
from vcs.purge import purge
from vcs.segments import BIG_BLOB
from vcs.store import MemoryStore


@pytest.fixture
def world(tmp_path):
    made = World(MemoryStore(), tmp_path)
    yield made
    faults.disarm()


@pytest.fixture
def shown(world, tmp_path):
    return GitProjection(tmp_path / "git" / world.project, world.main)


def land(world, base, files, **options):
    return world.batcher().land(proposal(world.main, base, files, **options))


def several(world, count, base=None):
    commits = [base]
    for number in range(count):
        files = {b"a": b"%d" % number, b"d/%d" % number: b"x" * number, b"d/e/f": b"%d\n" % (number // 3)}
        commits.append(land(world, commits[-1], files).commit)
    return commits


def refs_of(path: Path) -> dict[str, str]:
    printed = run_git(path, "for-each-ref", "--format=%(refname) %(objectname)").stdout.decode()
    return dict(line.split(" ") for line in printed.splitlines())


def refs_expected(world) -> dict[str, str]:
    world.main.catch_up()
    named = {name: world.main.sha1_of(id).hex() for name, id in world.main.refs().items()}
    head = world.main.head()
    for position in range(1, head.position + 1):
        commit = world.main.commit_at(position)
        named[f"refs/landings/{position}"] = world.main.sha1_of(commit).hex()
    return named


def is_right(world, shown) -> None:
    """Refs, HEAD, every object: git finds no fault and the same names."""
    shown.catch_up()
    assert refs_of(shown.path) == refs_expected(world)
    printed = run_git(shown.path, "fsck", "--full", "--strict", "--no-dangling").stdout
    assert printed == b""
    assert run_git(shown.path, "symbolic-ref", "HEAD").stdout.decode().strip() == world.main.head().trunk


def move_refs(world, changes, objects=()):
    logs.move_refs(world.main, changes, objects)


def test_an_empty_project_is_an_empty_repository_with_an_unborn_branch(world, shown):
    is_right(world, shown)

    assert refs_of(shown.path) == {}


def test_what_landed_before_and_after_is_shown(world, shown):
    commits = several(world, 3)
    is_right(world, shown)
    several(world, 4, commits[-1])

    is_right(world, shown)
    count = run_git(shown.path, "rev-list", "--count", "main").stdout
    assert int(count) == 7


def test_catching_up_writes_one_pack_however_many_landings_there_were(world, shown):
    commits = several(world, 2)
    shown.catch_up()
    before = set(os.listdir(shown.path / "objects/pack"))
    several(world, 9, commits[-1])
    is_right(world, shown)

    assert len(set(os.listdir(shown.path / "objects/pack")) - before) == 2


def test_nothing_is_written_when_nothing_happened(world, shown):
    several(world, 2)
    shown.catch_up()
    before = (shown.folder / "sequence").stat().st_ino
    shown.catch_up()

    assert (shown.folder / "sequence").stat().st_ino == before


def test_a_large_blob_and_an_empty_tree_are_shown(world, shown):
    first = land(world, None, {b"big": os.urandom(64) * (BIG_BLOB // 64 + 1), b"small": b""})
    is_right(world, shown)
    land(world, first.commit, {b"big": None, b"small": None})

    is_right(world, shown)


def test_branches_tags_and_notes_come_move_and_go(world, shown):
    commits = several(world, 3)
    shown.catch_up()
    move_refs(world, {"refs/heads/side": commits[1], "refs/tags/v1": commits[2], "refs/notes/x": commits[1]})
    is_right(world, shown)
    move_refs(world, {"refs/heads/side": commits[3], "refs/tags/v1": None})
    is_right(world, shown)
    move_refs(world, {"refs/heads/side": None, "refs/heads/side/deeper": commits[1]})
    is_right(world, shown)
    move_refs(world, {"refs/heads/side/deeper": None, "refs/heads/side": commits[2]})

    is_right(world, shown)


def test_thousands_of_refs_at_once_are_shown(world, shown, monkeypatch):
    monkeypatch.setattr("vcs.git.projection.LOOSE_LIMIT", 20)
    commits = several(world, 3)
    shown.catch_up()
    for start in (0, 30):
        move_refs(world, {f"refs/heads/b{n}": commits[1 + n % 3] for n in range(start, start + 30)})
        is_right(world, shown)
    move_refs(world, {f"refs/heads/b{n}": None for n in range(10, 40)})

    is_right(world, shown)
    assert not list((shown.path / "refs/heads").iterdir())


def test_names_that_git_refuses_are_no_names_here_either(world):
    ends = ["a", "a.b", "ä/b", "a..b", ".a", "a.lock", "a.lock/b", "a ", "a~1", "a@{1}", "@", "a/", "/a",
            "a.", "a\nb", "a\\b", "a*", "-a", "a[", "a?", "a:", "a^", "a\x7f"]  # fmt: skip
    for name in [f"refs/heads/{end}" for end in ends]:
        asked = subprocess.run(["git", "check-ref-format", name], env=environment(), check=False)
        assert is_ref_name(name) == (asked.returncode == 0), name


def test_a_deleted_folder_comes_back_as_it_was(world, shown):
    several(world, 3)
    shown.catch_up()
    before = refs_of(shown.path)
    shutil.rmtree(shown.folder)
    is_right(world, shown)

    assert refs_of(shown.path) == before


@pytest.mark.parametrize("lost", ["sequence", "main.git", "main.git/HEAD", "pack"])
def test_a_folder_that_lost_a_part_is_made_again(world, shown, lost):
    commits = several(world, 3)
    shown.catch_up()
    path = next(shown.path.glob("objects/pack/*.pack")) if lost == "pack" else shown.folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    several(world, 1, commits[-1])

    is_right(world, shown)


def test_a_pack_cut_short_by_a_power_cut_is_noticed(world, shown):
    several(world, 3)
    shown.catch_up()
    with shown.alone():
        shown._keep(replace(shown._state(), boot="before"))
    said = (shown.folder / "sequence").read_text()
    pack = max(shown.path.glob("objects/pack/*.pack"), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    os.truncate(pack, 20)
    (shown.folder / "sequence").write_text(said.replace(shown._state().boot, "before"))

    is_right(world, shown)


@pytest.mark.parametrize("point", [point for point in faults.POINTS if point.startswith("projection.")])
def test_a_crash_while_catching_up_costs_only_the_work(world, shown, point):
    class Stop(BaseException):
        pass

    def stop():
        raise Stop

    commits = several(world, 2)
    if point != "projection.made":
        shown.catch_up()
    move_refs(world, {"refs/heads/side": commits[1]})
    several(world, 2, commits[-1])
    faults.arm(point, stop)
    with pytest.raises(Stop):
        shown.catch_up()
    faults.disarm()

    is_right(world, shown)


def test_locks_that_a_killed_git_left_do_not_stay(world, shown):
    commits = several(world, 2)
    shown.catch_up()
    (shown.path / "packed-refs.lock").touch()
    (shown.path / "refs/heads/main.lock").touch()
    move_refs(world, {"refs/heads/side": commits[1]})
    move_refs(world, {"refs/heads/side": None})

    is_right(world, shown)


def test_compaction_beside_it_repeats_nothing(world, shown):
    commits = several(world, 10)
    shown.catch_up()
    several(world, 10, commits[-1])
    compact(world.main)
    is_right(world, shown)

    listed = run_git(shown.path, "cat-file", "--batch-all-objects", "--batch-check").stdout.splitlines()
    counted = run_git(shown.path, "count-objects", "-v").stdout.decode()
    assert f"in-pack: {len(listed)}\n" in counted


def test_a_purge_takes_the_repository_away_before_anything_is_shown_again(world, shown):
    several(world, 2)
    last = land(world, world.main.head().main, {b"secret": b"hunter2"})
    shown.catch_up()
    secret = run_git(shown.path, "rev-parse", "main:secret").stdout.decode().strip()
    purge(world.store, world.project, lambda id: world.main, ids=[], paths=[b"secret"], project=None,
          actor=None, at=AT)  # fmt: skip
    world.main.catch_up()
    is_right(world, shown)

    assert last.commit
    assert run_git(shown.path, "cat-file", "-e", secret, allow=(0, 1, 128)).returncode != 0
    assert not list(shown.folder.parent.glob("*-gone-*"))


def test_two_processes_catch_up_at_once(world, shown, tmp_path):
    commits = several(world, 3)
    others = [GitProjection(shown.folder, world.node()) for _ in range(4)]
    threads = [threading.Thread(target=node.catch_up) for node in (shown, *others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    is_right(world, shown)

    several(world, 2, commits[-1])
    for node in others:
        node.repository.catch_up()
        node.catch_up()
    is_right(world, shown)


def test_an_index_that_was_deleted_does_not_take_the_repository_back(world, shown, tmp_path):
    several(world, 3)
    shown.catch_up()
    again = GitProjection(shown.folder, world.node())
    again.catch_up()

    is_right(world, again)


def test_an_adopted_pack_is_not_written_again(world, shown, tmp_path):
    commits = several(world, 2)
    shown.catch_up()
    donor = GitProjection(tmp_path / "git/donor", world.main)
    several(world, 3, commits[-1])
    donor.catch_up()
    # The state before the landings is what the first one still shows; its packs come from the donor.
    before = set((shown.path / "objects/pack").iterdir())
    shown_now = shown._state()
    assert shown_now is not None
    with shown.alone():
        for pack in (donor.path / "objects/pack").glob("pack-*"):
            if not (shown.path / "objects/pack" / pack.name).exists():
                shutil.copy(pack, shown.path / "objects/pack" / pack.name)
        shown._keep(replace(shown_now, adopted=True))
    adopted = set((shown.path / "objects/pack").iterdir())
    is_right(world, shown)

    assert set((shown.path / "objects/pack").iterdir()) == adopted > before


def test_what_was_pruned_comes_back_when_a_ref_reaches_it_again(world, shown):
    commits = several(world, 2)
    stray = Object.of(
        Kind.COMMIT,
        encode_commit(
            CommitObject(
                tree=world.main.commit(commits[1]).tree,
                parents=(commits[1],),
                author=signature("Ada", "ada@example.org", AT),
                committer=signature("Ada", "ada@example.org", AT),
                message=b"aside\n",
            )
        ),
    )
    move_refs(world, {"refs/heads/side": stray.id}, [stray])
    shown.catch_up()
    move_refs(world, {"refs/heads/side": None})
    shown.catch_up()
    with shown.alone():
        run_git(shown.path, "repack", "-a", "-d", "-q")
        shown.note(pruned=True)
    gone = world.main.sha1_of(stray.id).hex()
    assert run_git(shown.path, "cat-file", "-e", gone, allow=(0, 1, 128)).returncode != 0
    move_refs(world, {"refs/heads/side": stray.id})

    is_right(world, shown)
