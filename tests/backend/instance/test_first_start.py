import os
import subprocess

import pytest

from backend.core.context import SYSTEM
from backend.instance.first_start import host_checkout
from backend.organizations.renaming import rename_organization
from backend.projects.landings import list_landings
from backend.projects.service import get_project, list_projects
from backend.sessions.service import list_sessions
from tests.backend.workbench import Workbench
from tests.vcs.gits import Git
from vcs import faults


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "README.md").write_text("# Micelio\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("README.md")
    (folder / "ignored").write_text("not tracked")
    (folder / "gone").write_text("deleted, but not from the index")
    os.makedirs(folder / "d")
    (folder / "d" / "empty").touch()
    for words in (["init", "-q"], ["add", "README.md", "run", "link", "gone", "d/empty"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    (folder / "gone").unlink()
    return folder


@pytest.fixture
def host(forge):
    return Workbench(forge, "micelio/micelio")


WANTED = {b"README.md": b"# Micelio\n", b"run": b"#!/bin/sh\n", b"link": b"README.md", b"d/empty": b""}


def test_a_new_forge_hosts_its_checkout_once(host, stranger, checkout):
    assert host_checkout(host.forge, checkout) is True

    shown = host.run(stranger, get_project, **host.where)
    assert (shown.visibility, shown.position) == ("public", 1)
    assert host.tree(stranger) == WANTED
    (checkout / "README.md").write_text("changed\n")
    assert host_checkout(host.forge, checkout) is False
    assert host.tree(stranger) == WANTED


def test_other_projects_beside_it_do_not_make_it_come_again(host, checkout):
    host_checkout(host.forge, checkout)
    host.on("micelio/another").create(SYSTEM)

    with host.restarted() as again:
        assert host_checkout(again.forge, checkout) is False
        assert len(again.run(SYSTEM, list_projects, organization="micelio").items) == 2
        again.run(SYSTEM, rename_organization, organization="micelio", handle="forest")
        assert host_checkout(again.forge, checkout) is False


def test_without_a_checkout_or_files_there_is_nothing_to_host(host, tmp_path):
    assert host_checkout(host.forge, tmp_path) is False
    (tmp_path / ".git").mkdir()
    assert host_checkout(host.forge, tmp_path) is False, "git says that this is no repository"


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    "point", ["landing.staged", "landing.permitted", "landing.after_swap", "landing.after_catch_up"]
)
def test_a_first_start_that_died_is_finished_by_the_next(host, stranger, checkout, point):
    def die():
        faults.disarm()
        raise Died

    faults.arm(point, die)
    with pytest.raises(Died):
        host_checkout(host.forge, checkout)

    with host.restarted() as again:
        host_checkout(again.forge, checkout)
        assert again.run(stranger, get_project, **again.where).position == 1
        assert again.tree(stranger) == WANTED
        open_ones = [
            each for each in again.run(SYSTEM, list_sessions, **again.where).items if each.status == "active"
        ]
        assert len(open_ones) == (point == "landing.permitted"), "the sweeper will give it back"


@pytest.fixture
def history(tmp_path):
    """A checkout with commits on its branch, one beside it, and a change that is not committed."""
    git = Git(_folder(tmp_path / "history"), "sha1")
    git.run("fast-import", "--quiet", input=(
        b"commit refs/heads/main\nmark :1\ncommitter A <a@b> 1000 +0000\ndata 5\nbegin\n"
        b"M 100644 inline README.md\ndata 4\none\n\n"
        b"commit refs/heads/main\nmark :2\ncommitter A <a@b> 2000 +0000\ndata 2\non\n"
        b"M 100644 inline README.md\ndata 4\ntwo\n\n"
        b"commit refs/heads/side\ncommitter A <a@b> 3000 +0000\ndata 4\nside\nfrom :1\n\ndone\n"
    ))  # fmt: skip
    git.run("read-tree", "main")
    (git.folder / "README.md").write_text("not committed\n")
    return git


def _folder(path):
    path.mkdir()
    return path


def test_a_checkout_with_commits_is_hosted_with_its_history(host, stranger, history):
    assert host_checkout(host.forge, history.folder) is True

    shown = host.run(stranger, get_project, **host.where)
    assert (shown.visibility, shown.position, shown.session_visibility) == ("public", 2, "anyone")
    assert host.tree(stranger) == {b"README.md": b"two\n"}
    landed = host.run(stranger, list_landings, **host.where).items
    assert [row.sha1 for row in landed] == history.run("rev-list", "main").decode().split()
    assert str(history.folder.parent) not in "".join(row.model_dump_json() for row in landed)
    assert host_checkout(host.forge, history.folder) is False


@pytest.mark.parametrize(
    "point", ["import.git_data_clone", "import.validation", "landing.after_swap", "import.landed"]
)
def test_a_first_import_that_died_is_finished_by_the_next_start(host, stranger, history, point):
    def die():
        faults.disarm()
        raise Died

    faults.arm(point, die)
    with pytest.raises(Died):
        host_checkout(host.forge, history.folder)

    with host.restarted() as again:
        host_checkout(again.forge, history.folder)
        assert again.run(stranger, get_project, **again.where).position == 2
        assert again.tree(stranger) == {b"README.md": b"two\n"}


def test_a_shallow_checkout_is_hosted_as_it_is(host, stranger, history, tmp_path):
    history.run("clone", "-q", "--depth", "1", f"file://{history.folder}", str(tmp_path / "shallow"))

    assert host_checkout(host.forge, tmp_path / "shallow") is True

    assert host.run(stranger, get_project, **host.where).position == 1
    assert host.tree(stranger) == {b"README.md": b"two\n"}


def test_a_linked_worktree_is_hosted_with_the_history_of_its_repository(host, stranger, history, tmp_path):
    history.run("worktree", "add", "-q", str(tmp_path / "linked"), "side")

    assert host_checkout(host.forge, tmp_path / "linked") is True

    assert host.run(stranger, get_project, **host.where).position == 2
