"""Other people's git: libgit2, dulwich and isomorphic-git clone what git clones, and the last one pushes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pygit2
import pytest
from dulwich import porcelain
from dulwich.client import HttpGitClient

from tests.backend.doors.git.pushes import Desk

CLIENTS = Path(__file__).parent / "clients"
BUN = Path(sys.executable).parent / "bun"


@pytest.fixture(scope="module")
def isomorphic(tmp_path_factory):
    """A folder with isomorphic-git in it, as the lock file names it."""
    folder = tmp_path_factory.mktemp("clients")
    for path in CLIENTS.iterdir():
        shutil.copy(path, folder)
    done = subprocess.run(
        [BUN, "install", "--frozen-lockfile"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_libgit2_clones(place, tmp_path):
    token = place.world.tokens["grace"]
    callbacks = pygit2.RemoteCallbacks(credentials=pygit2.UserPass("grace", token))
    for project, options in (("open", {}), ("secret", {"callbacks": callbacks})):
        made = pygit2.clone_repository(place.of(project), tmp_path / project, **options)

        walked = [str(commit.id) for commit in made.walk(made.head.target)]
        assert walked == place.shas(project)[::-1]
        assert (tmp_path / project / "README.md").is_file()
    with pytest.raises(pygit2.GitError):
        pygit2.clone_repository(place.of("secret"), tmp_path / "refused")


def test_libgit2_clones_without_history(place, tmp_path):
    made = pygit2.clone_repository(place.of("open"), tmp_path / "shallow", depth=1)

    assert [str(commit.id) for commit in made.walk(made.head.target)] == place.shas("open")[-1:]


def test_dulwich_clones_and_lists(place, tmp_path):
    with porcelain.clone(place.of("open"), tmp_path / "a", errstream=porcelain.NoneStream()) as made:
        assert made.head().decode() == place.shas("open")[-1]
        walked = [entry.commit.id.decode() for entry in made.get_walker()]
        assert walked == place.shas("open")[::-1]
    token = place.world.tokens["ada"]
    listed = HttpGitClient(place.url, username="x-token", password=token).get_refs(b"/acme/secret")

    assert listed.refs[b"refs/heads/main"].decode() == place.shas("secret")[-1]


def test_isomorphic_git_clones(place, isomorphic, tmp_path):
    token = place.world.tokens["grace"]
    for project, words in (("open", []), ("secret", ["grace", token])):
        command = [BUN, "clone.mjs", place.of(project), str(tmp_path / project), *words]
        done = subprocess.run(command, cwd=isomorphic, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == place.shas(project)[::-1]
        assert (tmp_path / project / "README.md").is_file()


def test_isomorphic_git_pushes_a_landing_and_a_branch(desk: Desk, isomorphic, tmp_path):
    token = desk.place.world.tokens["grace"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([BUN, *words], cwd=isomorphic, capture_output=True, text=True, check=False)

    folder = str(tmp_path / "clone")
    cloned = run("clone.mjs", desk.place.of(desk.project), folder)
    assert cloned.returncode == 0, cloned.stderr
    refused = run("push.mjs", folder, "refs/heads/main", "grace", "mic_wrong")
    before = desk.refs()
    landed = run("push.mjs", folder, "refs/heads/main", "grace", token)
    beside = run("push.mjs", folder, "refs/heads/from-js", "grace", token)

    assert refused.returncode != 0 and "HTTP Error: 401" in refused.stderr
    assert before["refs/heads/main"] not in (landed.stdout.strip(), "")
    assert landed.returncode == beside.returncode == 0, landed.stderr + beside.stderr
    assert desk.place.shas(desk.project)[-1] == landed.stdout.strip()
    assert desk.refs()["refs/heads/from-js"] == beside.stdout.strip()
