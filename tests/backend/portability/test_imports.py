"""A whole repository comes in identical; one that is stopped or fails leaves everything as it was."""

import os

import pytest

from backend.core.errors import Forbidden, MicelioError, NotFound
from backend.portability.models import ImportState
from backend.portability.service import cancel_import, rollback_import
from backend.projects.landings import list_landings
from backend.projects.service import get_project
from tests.backend.portability.imports import dot_git, objects_of, refs_of
from tests.vcs.git.sources import generated, odd
from tests.vcs.gits import Git
from vcs import faults
from vcs.git.process import run_git


def test_an_odd_history_comes_in_with_every_branch_tag_and_note(imports, operator, tmp_path):
    git = odd(tmp_path / "odd")

    ended = imports.done(operator, git.folder)

    repository = imports.repository()
    assert refs_of(repository) == refs_of(dot_git(git))
    assert objects_of(repository) == objects_of(dot_git(git))
    run_git(repository, "fsck", "--connectivity-only")
    assert run_git(repository, "symbolic-ref", "HEAD").stdout == b"refs/heads/trunk\n"
    first_parents = git.run(
        "rev-list",
        "--first-parent",
        "--count",
        "refs/heads/trunk",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_GRAFT_FILE="/dev/null/none",
    )
    assert ended.positions == int(first_parents) == 6
    assert ended.default_branch == "trunk"
    assert [stage.state for stage in ended.stages] == ["done"] * 5


def test_a_project_without_commits_can_be_imported(imports, operator, tmp_path):
    (tmp_path / "empty").mkdir()
    git = Git(tmp_path / "empty", "sha1")

    ended = imports.done(operator, git.folder)

    assert (ended.objects, ended.positions, ended.refs) == (0, 0, 0)
    assert imports.run(operator, get_project, organization="acme", project="taken").position == 0


def test_only_operators_name_folders_of_the_server(imports, ada, tmp_path):
    with pytest.raises(Forbidden):
        imports.ask(ada, tmp_path)


def test_a_project_is_nobodys_to_see_before_its_history_has_landed(imports, operator, tmp_path):
    git = generated(tmp_path / "made", 1)

    asked = imports.ask(operator, git.folder)

    with pytest.raises(NotFound):
        imports.run(operator, get_project, organization="acme", project="taken")
    imports.work()
    shown = imports.run(operator, get_project, organization="acme", project="taken")
    assert shown.position == imports.look(operator, asked).positions > 0


def test_the_same_history_gives_the_same_positions_wherever_it_is_imported(imports, operator, tmp_path):
    git = generated(tmp_path / "made", 2)

    for project in ("acme/one", "acme/two"):
        imports.done(operator, git.folder, project)

    rows = [
        [
            (row.position, row.commit)
            for row in imports.run(operator, list_landings, organization="acme", project=handle).items
        ]
        for handle in ("one", "two")
    ]
    assert rows[0] == rows[1] != []


class Killed(BaseException):
    """The worker died here."""


def killed():
    raise Killed


STAGES = ["import.metadata", "import.git_data_clone", "import.segment_written", "import.validation"]
STAGES += ["import.landing", "import.permitted", "landing.before_swap", "landing.after_swap"]
STAGES += ["import.landed", "import.finalization"]


@pytest.mark.parametrize("point", STAGES)
def test_a_worker_killed_anywhere_goes_on_where_it_was(imports, operator, tmp_path, point):
    git = generated(tmp_path / "made", 3)
    asked = imports.ask(operator, git.folder)
    faults.arm(point, killed)
    try:
        with pytest.raises(Killed):
            imports.work()
    finally:
        faults.disarm()

    with imports.restarted() as again:
        again.work()

        ended = again.look(operator, asked)
        assert (ended.state, ended.problem) == (ImportState.DONE, "")
        assert objects_of(again.repository()) == objects_of(dot_git(git))
        assert refs_of(again.repository()) == refs_of(dot_git(git))
        assert again.leftovers() == []


@pytest.mark.parametrize("point", STAGES[:6])
def test_an_import_cancelled_before_it_landed_leaves_no_trace(imports, operator, tmp_path, point):
    asked = imports.ask(operator, generated(tmp_path / "made", 4).folder)
    faults.arm(point, lambda: imports.cancel(operator, asked))
    try:
        imports.work()
    finally:
        faults.disarm()

    assert imports.look(operator, asked).state is ImportState.CANCELLED
    assert imports.leftovers() == []
    assert imports.files() == []
    with pytest.raises(NotFound):
        imports.run(operator, get_project, organization="acme", project="taken")
    assert imports.done(operator, generated(tmp_path / "other", 5).folder).state is ImportState.DONE


@pytest.mark.parametrize("point", STAGES[6:])
def test_a_cancel_that_comes_after_the_landing_is_too_late_and_says_so(imports, operator, tmp_path, point):
    asked = imports.ask(operator, generated(tmp_path / "made", 4).folder)
    faults.arm(point, lambda: imports.cancel(operator, asked))
    try:
        imports.work()
    finally:
        faults.disarm()

    assert imports.look(operator, asked).state is ImportState.DONE


def test_a_failed_import_says_why_and_leaves_no_trace(imports, operator, tmp_path):
    git = generated(tmp_path / "made", 6)
    (pack,) = (dot_git(git) / "objects/pack").glob("*.pack")
    pack.chmod(0o600)
    os.truncate(pack, 4000)

    asked = imports.ask(operator, git.folder)
    imports.work()

    ended = imports.look(operator, asked)
    assert ended.state is ImportState.FAILED and ended.problem
    assert imports.leftovers() == [] and imports.files() == []
    with pytest.raises(NotFound):
        imports.run(operator, get_project, organization="acme", project="taken")


def test_a_shallow_source_is_refused_with_a_sentence(imports, operator, tmp_path):
    git = generated(tmp_path / "made", 7)
    git.run("clone", "-q", "--depth", "1", f"file://{git.folder}", str(tmp_path / "shallow"))

    asked = imports.ask(operator, tmp_path / "shallow")
    imports.work()

    assert "shallow" in imports.look(operator, asked).problem


def test_a_project_with_landings_keeps_all_it_has_and_gets_new_branches(imports, operator, bench, tmp_path):
    bench.landed(operator, {"a.txt": b"ours\n"})
    before = refs_of(imports.repository("acme/notes"))
    git = odd(tmp_path / "odd")
    git.run("update-ref", "refs/heads/main", "refs/heads/trunk")

    ended = imports.done(operator, git.folder, "acme/notes")

    now = refs_of(imports.repository("acme/notes"))
    theirs = refs_of(dot_git(git))
    assert ended.positions == 0 and before.items() <= now.items()
    assert now == {
        **before,
        **{n: s for n, s in theirs.items() if n != "refs/heads/main"},
        "refs/heads/imported/main": theirs["refs/heads/main"],
    }
    assert objects_of(dot_git(git)) <= objects_of(imports.repository("acme/notes"))
    assert bench.tree(operator) == {b"a.txt": b"ours\n"}

    imports.run(operator, rollback_import, import_id=ended.id)
    imports.work()

    assert imports.look(operator, ended).state is ImportState.ROLLED_BACK
    assert refs_of(imports.repository("acme/notes")) == before


def test_a_cancelled_import_leaves_an_existing_project_exactly_as_it_was(imports, operator, bench, tmp_path):
    bench.landed(operator, {"a.txt": b"ours\n"})
    before = refs_of(imports.repository("acme/notes")), imports.files()
    asked = imports.ask(operator, generated(tmp_path / "made", 8).folder, "acme/notes")
    faults.arm("import.landing", lambda: imports.cancel(operator, asked))
    try:
        imports.work()
    finally:
        faults.disarm()

    assert imports.look(operator, asked).state is ImportState.CANCELLED
    assert (refs_of(imports.repository("acme/notes")), imports.files()) == before


def test_importing_again_fetches_and_moves_only_what_is_new(imports, operator, tmp_path):
    git = generated(tmp_path / "made", 9)
    first = imports.done(operator, git.folder)
    unchanged = imports.done(operator, git.folder)
    git.run("fast-import", "--quiet", "--force", input=(
        b"commit refs/heads/main\ncommitter C <c@d> 9 +0000\ndata 1\nn\nfrom refs/heads/main^0\n"
        b"M 100644 inline new.txt\ndata 4\nnew\n\n"
        b"commit refs/heads/b9\ncommitter C <c@d> 9 +0000\ndata 1\nx\nfrom refs/heads/main^0\n\ndone\n"
    ))  # fmt: skip

    again = imports.done(operator, git.folder)

    assert (unchanged.objects, unchanged.positions) == (0, 0)
    assert (again.objects, again.positions) == (4, 1)
    assert refs_of(imports.repository()) == refs_of(dot_git(git))
    assert (
        imports.run(operator, get_project, organization="acme", project="taken").position
        == first.positions + 1
    )


def test_a_new_projects_import_is_taken_back_while_nothing_was_done_there(imports, operator, bench, tmp_path):
    git = generated(tmp_path / "made", 10)
    before = imports.files()
    ended = imports.done(operator, git.folder)

    imports.run(operator, rollback_import, import_id=ended.id)
    imports.work()

    assert imports.look(operator, ended).state is ImportState.ROLLED_BACK
    assert imports.files() == before
    with pytest.raises(NotFound):
        imports.run(operator, get_project, organization="acme", project="taken")

    kept = imports.done(operator, git.folder)
    bench.on("acme/taken").start(operator)
    imports.run(operator, rollback_import, import_id=kept.id)
    imports.work()

    told = imports.look(operator, kept)
    assert told.state is ImportState.DONE and "Work was done" in told.problem


def test_one_import_at_a_time_goes_into_a_project(imports, operator, bench, tmp_path):
    asked = imports.ask(operator, generated(tmp_path / "made", 11).folder, "acme/notes")

    with pytest.raises(MicelioError) as refusal:
        imports.ask(operator, tmp_path, "acme/notes")

    assert refusal.value.code == "import.running" and asked.id in refusal.value.sentence


def test_others_neither_see_nor_stop_an_import(imports, operator, mallory, grace, bench, tmp_path):
    asked = imports.ask(operator, generated(tmp_path / "made", 12).folder, "acme/notes")

    for operation in (cancel_import, rollback_import):
        with pytest.raises(NotFound):
            imports.run(mallory, operation, import_id=asked.id)
    with pytest.raises(Forbidden):
        imports.run(grace, cancel_import, import_id=asked.id)
    assert imports.look(grace, asked).id == asked.id
    with pytest.raises(NotFound):
        imports.look(mallory, asked)
