"""The doctor holds the repository that git clients are shown against the log, and makes it anew."""

import shutil

import pytest

from backend.core.context import SYSTEM, Context
from backend.instance import doctor
from backend.projects import git
from backend.projects.models import Project
from backend.projects.service import get_project
from vcs.git.process import run_git


@pytest.fixture
def shown(bench, ada):
    """What acme/notes shows git clients after two landings."""
    for number in range(2):
        bench.landed(ada, {f"f{number}": b"%d\n" % number})
    id = bench.run(ada, get_project, **bench.where).id
    with Context(bench.forge, SYSTEM).transaction(write=False) as tx:
        project = tx.db.get(Project, id)
    return git.show(bench.forge, ada, project).path


def faults(bench):
    with bench.restarted() as fresh:
        return [found.sentence for found in doctor.examine(fresh.forge) if found.fault]


def rebuilt(bench):
    with bench.restarted() as fresh:
        return [found.sentence for found in doctor.rebuild(fresh.forge) if found.fault]


def move_a_ref(path):
    first = run_git(path, "rev-parse", "refs/landings/1").stdout.decode().strip()
    run_git(path, "update-ref", "refs/heads/main", first)
    return "refs/heads/main", "refs"


def add_a_ref(path):
    run_git(path, "update-ref", "refs/heads/stray", "refs/landings/1")
    return "refs/heads/stray", "refs"


def remove_a_pack(path):
    pack = max((path / "objects/pack").glob("*.pack"), key=lambda each: each.stat().st_size)
    pack.unlink()
    return pack.name, "SHA-1s"


def cut_a_pack(path):
    pack = max((path / "objects/pack").glob("*.pack"), key=lambda each: each.stat().st_size)
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:-30])
    # Its index, which is whole, says what it held.
    return pack.name, None


def add_an_object(path):
    made = run_git(path, "hash-object", "-w", "--stdin", input=b"nobody's\n").stdout.decode().strip()
    return made, "SHA-1s"


DAMAGE = [move_a_ref, add_a_ref, remove_a_pack, cut_a_pack, add_an_object]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_and_healed(bench, shown, damage):
    assert faults(bench) == []
    named, differs = damage(shown)

    (sentence,) = faults(bench)
    assert named in sentence and "`micelio doctor --rebuild`" in sentence
    assert faults(bench) == [sentence], "the doctor mends nothing by looking"

    healed = rebuilt(bench)
    came_out = f"the {differs} of its git repository came out different from what they were"
    assert healed == ([came_out] if differs else [])
    assert faults(bench) == [] and rebuilt(bench) == []
    refs = run_git(shown, "for-each-ref", "--format=%(refname)").stdout.split()
    assert refs == [b"refs/heads/main", b"refs/landings/1", b"refs/landings/2"]


def test_a_node_that_shows_git_nothing_yet_has_no_fault(bench, shown):
    shutil.rmtree(shown.parent)

    assert faults(bench) == [] == rebuilt(bench)
    assert not shown.exists()


def test_a_repository_that_is_behind_is_brought_on_and_judged(bench, shown, ada):
    bench.landed(ada, {"later": b"later\n"})

    assert faults(bench) == []


def test_a_repository_that_nobody_repacks_is_told_of_and_is_no_fault(bench, shown, monkeypatch):
    monkeypatch.setattr("vcs.git.upkeep.PACKS", 0)

    told = [found.sentence for found in doctor.examine(bench.forge) if not found.fault]

    assert any("should have been repacked" in sentence for sentence in told) and faults(bench) == []
