import os
import subprocess

import pytest

from backend.core.context import SYSTEM
from backend.instance.first_start import host_checkout
from backend.projects.service import get_project, list_projects
from backend.sessions.service import list_sessions
from tests.backend.workbench import Workbench
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
def bench(forge):
    return Workbench(forge, "micelio/micelio")


WANTED = {b"README.md": b"# Micelio\n", b"run": b"#!/bin/sh\n", b"link": b"README.md", b"d/empty": b""}


def test_a_new_forge_hosts_its_checkout_once(bench, stranger, checkout):
    assert host_checkout(bench.forge, checkout) is True

    shown = bench.run(stranger, get_project, **bench.where)
    assert (shown.visibility, shown.position) == ("public", 1)
    assert bench.tree(stranger) == WANTED
    (checkout / "README.md").write_text("changed\n")
    assert host_checkout(bench.forge, checkout) is False
    assert bench.tree(stranger) == WANTED


def test_other_projects_beside_it_do_not_make_it_come_again(bench, checkout):
    host_checkout(bench.forge, checkout)
    bench.on("micelio/another").create(SYSTEM)

    with bench.restarted() as again:
        assert host_checkout(again.forge, checkout) is False
        assert len(again.run(SYSTEM, list_projects, organization="micelio").items) == 2


def test_without_a_checkout_or_files_there_is_nothing_to_host(bench, tmp_path):
    assert host_checkout(bench.forge, tmp_path) is False
    (tmp_path / ".git").mkdir()
    assert host_checkout(bench.forge, tmp_path) is False, "git says that this is no repository"


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    "point", ["landing.staged", "landing.permitted", "landing.after_swap", "landing.after_catch_up"]
)
def test_a_first_start_that_died_is_finished_by_the_next(bench, stranger, checkout, point):
    def die():
        faults.disarm()
        raise Died

    faults.arm(point, die)
    with pytest.raises(Died):
        host_checkout(bench.forge, checkout)

    with bench.restarted() as again:
        host_checkout(again.forge, checkout)
        assert again.run(stranger, get_project, **again.where).position == 1
        assert again.tree(stranger) == WANTED
        open_ones = [
            each for each in again.run(SYSTEM, list_sessions, **again.where).items if each.status == "active"
        ]
        assert len(open_ones) == (point == "landing.permitted"), "the sweeper will give it back"
