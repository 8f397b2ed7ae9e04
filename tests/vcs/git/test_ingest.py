"""Every object of a repository is staged once, comes back identical, and a crash costs a segment at most."""

import os
import signal
import threading
import tracemalloc
from functools import partial

import pytest

from tests.vcs.git.sources import generated, odd, reachable
from tests.vcs.gits import Git
from vcs import faults
from vcs.git import ingest as ingesting
from vcs.git import proving
from vcs.git.ingest import Ingest, Ledger, Staged
from vcs.git.proving import NotIdentical, Prover, ProverGone, prove
from vcs.git.source import Source, SourceRefused
from vcs.log import SegmentRef, segment_key
from vcs.objects import Object
from vcs.segments import check_segment, frames_of, read_footer, read_object, write_segment
from vcs.store import MemoryStore


class World:
    """A store, and what was staged in it."""

    def __init__(self, git, folder):
        folder.mkdir(exist_ok=True)
        self.source = Source(git.folder / ".git")
        self.store = MemoryStore()
        self.path = folder / "ledger.db"
        self.staged = []
        self.ledger = Ledger(self.path)

    def tips(self):
        return sorted(set(self.source.refs().values()))

    def run(self, also=lambda staged: None, **more):
        def finished(staged):
            self.staged.append(staged)
            also(staged)

        run = Ingest(
            self.source,
            self.ledger,
            put=self.store.put,
            new_key=lambda: segment_key("pool", "project"),
            finished=finished,
            **more,
        )
        run.run(self.tips())

    def entries(self):
        found = []
        for each in self.staged:
            found += check_segment(
                lambda start, length, key=each.ref.key: self.store.get(key, start, length),
                each.ref.size,
                each.ref.key,
            ).entries
        return found

    def prove(self, **more):
        return prove(self.ledger, [each.ref for each in self.staged], self.store.get, **more)


@pytest.fixture
def small_segments(monkeypatch):
    monkeypatch.setattr(ingesting, "_ENTRIES", 12)
    monkeypatch.setattr(ingesting, "_GROUPED", 1)
    monkeypatch.setattr(ingesting, "_IN_FLIGHT", 1)
    monkeypatch.setattr(ingesting, "_REMEMBERED", 20)
    monkeypatch.setattr(proving, "_REMEMBERED", 20)


def test_an_odd_history_is_staged_whole_and_comes_back_identical(tmp_path, small_segments):
    git = odd(tmp_path / "odd")
    world = World(git, tmp_path / "work")

    world.run()

    assert sorted(entry.sha1.hex() for entry in world.entries()) == sorted(reachable(git))
    assert world.prove() == len(reachable(git))


@pytest.mark.parametrize("seed", range(4))
def test_generated_histories_come_back_identical(tmp_path, seed, small_segments):
    git = generated(tmp_path / "made", seed)
    world = World(git, tmp_path / "work")

    world.run()

    assert sorted(entry.sha1.hex() for entry in world.entries()) == sorted(reachable(git))
    assert world.prove() == len(world.entries())


def test_a_repository_without_commits_has_nothing_to_stage(tmp_path):
    (tmp_path / "empty").mkdir()
    world = World(Git(tmp_path / "empty", "sha1"), tmp_path / "work")

    world.run()

    assert world.staged == [] and world.source.trunk() is None and world.prove() == 0


def test_the_trunk_is_what_head_names_or_the_most_likely_branch(tmp_path):
    git = odd(tmp_path / "odd")
    source = Source(git.folder / ".git")
    assert source.trunk() == "refs/heads/trunk"

    git.run("update-ref", "--no-deref", "HEAD", git.run("rev-parse", "refs/heads/side/line").decode().strip())
    assert source.head() is None and source.trunk() == "refs/heads/caf\N{LATIN SMALL LETTER E WITH ACUTE}"

    git.run("update-ref", "refs/heads/master", "refs/heads/trunk")
    assert source.trunk() == "refs/heads/master"


class Killed(BaseException):
    """The process died here."""


@pytest.mark.parametrize("survived", [1, 3, 6])
def test_after_a_crash_only_what_was_in_no_finished_segment_is_read_again(tmp_path, small_segments, survived):
    git = generated(tmp_path / "made", 11)
    world = World(git, tmp_path / "work")
    reached = []

    def die_later():
        reached.append(1)
        if len(reached) > survived:
            raise Killed

    faults.arm("import.segment_written", die_later)
    try:
        with pytest.raises(Killed):
            world.run()
    finally:
        faults.disarm()
    before = {entry.sha1 for entry in world.entries()}
    # What dies between the store and the ledger is staged twice, under another name; it is not lost.
    world.ledger.close()
    world.ledger = Ledger(world.path)

    world.run()

    entries = [entry.sha1 for entry in world.entries()]
    assert len(world.staged) > survived and before < set(entries)
    assert sorted(entries) == sorted(set(entries)), "nothing that was written down is staged again"
    assert world.prove() == len(reachable(git))


def test_whoever_is_not_wanted_any_more_stops_between_two_segments(tmp_path, small_segments):
    world = World(generated(tmp_path / "made", 5), tmp_path / "work")
    asked = []

    def cancelled():
        asked.append(1)
        if len(asked) == 2:
            raise Killed

    with pytest.raises(Killed):
        world.run(still_wanted=cancelled)

    assert 1 <= len(world.staged) < 20


def test_what_the_project_has_is_not_staged_again(tmp_path):
    git = generated(tmp_path / "made", 6)
    first = World(git, tmp_path / "first")
    first.run()
    have = {entry.sha1: entry.id for entry in first.entries()}
    git.run("fast-import", "--quiet", "--force", input=(
        b"commit refs/heads/main\ncommitter C <c@d> 9 +0000\ndata 1\nn\nfrom refs/heads/main^0\n"
        b"M 100644 inline new.txt\ndata 4\nnew\n\ndone\n"
    ))  # fmt: skip
    again = World(git, tmp_path / "again")

    again.run(live=lambda sha1s: {sha1: have[sha1] for sha1 in sha1s if sha1 in have})

    assert len(again.entries()) == 3
    ids = {id: sha1 for sha1, id in have.items()}
    assert again.prove(live=lambda wanted: {id: ids[id] for id in wanted if id in ids}) == 3


def test_a_repository_that_lacks_an_object_is_refused_in_gits_words(tmp_path):
    git = generated(tmp_path / "made", 7)
    blob = git.run("rev-parse", "main^{tree}").decode().strip()
    git.run("unpack-objects", "-q", input=_moved_pack(git))
    (git.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    world = World(git, tmp_path / "work")

    with pytest.raises(SourceRefused) as refusal:
        world.run()

    assert blob in refusal.value.sentence
    assert world.staged == []


def _moved_pack(git):
    (pack,) = (git.folder / ".git/objects/pack").glob("*.pack")
    body = pack.read_bytes()
    for each in list(pack.parent.iterdir()):
        each.unlink()
    return body


def other_sha1(rows):
    object, sha1, hint = rows[len(rows) // 2]
    rows[len(rows) // 2] = (object, bytes(19) + sha1[:1], hint)
    return rows


def other_content(rows):
    object, sha1, hint = rows[len(rows) // 2]
    rows[len(rows) // 2] = (Object.of(object.kind, object.content + b"100644 more\0" + bytes(32)), sha1, hint)
    return rows


@pytest.mark.parametrize("damaged", [other_sha1, other_content, lambda rows: rows[:-1]])
def test_damage_between_ingest_and_proof_is_found(tmp_path, damaged):
    world = World(generated(tmp_path / "made", 8), tmp_path / "work")
    world.run()
    (staged,) = world.staged
    read = partial(world.store.get, staged.ref.key)
    footer = read_footer(read, staged.ref.size)
    plain_of = frames_of(read, footer, "")
    rows = [
        (Object(entry.kind, entry.id, read_object(plain_of, entry)), entry.sha1, entry.hint)
        for entry in sorted(footer.entries, key=lambda entry: (entry.frame, entry.offset))
    ]
    body = write_segment(damaged(rows))
    world.store = MemoryStore()
    world.store.put(staged.ref.key, [body])
    world.staged = [Staged(SegmentRef.of(staged.ref.key, body), staged.objects)]

    with pytest.raises(NotIdentical):
        world.prove()


def test_a_proof_can_be_made_while_more_is_staged_and_in_little_memory(tmp_path, small_segments):
    git = generated(tmp_path / "made", 12)
    world = World(git, tmp_path / "work")
    with Prover(world.path, world.store.get) as prover:
        world.run(also=lambda staged: prover.add(staged.ref))

        assert prover.finish() == len(reachable(git))


def test_whoever_waits_for_a_proof_may_give_it_up_and_its_process_ends(tmp_path):
    world = World(generated(tmp_path / "made", 13), tmp_path / "work")
    world.run()
    asked = threading.Event()

    def slow(*part):
        asked.wait()
        return world.store.get(*part)

    def cancelled(count):
        asked.set()
        raise Killed

    with Prover(world.path, slow) as prover:
        prover.add(world.staged[0].ref)
        with pytest.raises(Killed):
            prover.finish(cancelled)

    with pytest.raises(ProcessLookupError):
        os.kill(prover.pid, 0)


def test_a_proof_whose_process_died_is_none(tmp_path):
    world = World(generated(tmp_path / "made", 14), tmp_path / "work")
    world.run()
    with Prover(world.path, world.store.get) as prover:
        os.kill(prover.pid, signal.SIGKILL)
        with pytest.raises(ProverGone):
            for _ in range(2):
                prover.add(world.staged[0].ref)
            prover.finish()


def test_an_object_that_was_not_staged_is_missed_by_the_proof(tmp_path):
    world = World(generated(tmp_path / "made", 9), tmp_path / "work")
    world.run()
    world.ledger.db.execute("insert into listed values (99999, zeroblob(20), 1, 0, 0, x'')")

    with pytest.raises(NotIdentical, match="1 objects did not come back"):
        world.prove()


def test_memory_stays_flat_however_long_a_blob_is(tmp_path):
    git = Git(_folder(tmp_path / "big"), "sha1")
    git.run("fast-import", "--quiet", input=(
        b"commit refs/heads/main\ncommitter C <c@d> 9 +0000\ndata 1\nn\nM 100644 inline big\n"
        b"data %d\n%s\ndone\n" % (40 << 20, bytes(40 << 20))
    ))  # fmt: skip
    world = World(git, tmp_path / "work")

    tracemalloc.start()
    try:
        world.run()
        assert world.prove() == 3
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def _folder(path):
    path.mkdir()
    return path
