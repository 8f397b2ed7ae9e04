"""Remotes: what the forge has goes elsewhere with the SHA-1s it has, and what is elsewhere is brought."""

import os

import pytest

from mic import remotes
from mic.errors import Usage
from tests.backend.portability.imports import refs_of
from tests.git_servers import elsewhere
from tests.mic.test_guides import repository
from vcs.git.process import run_git


def test_the_trunk_goes_to_a_remote_over_http_with_the_sha1s_it_was_imported_with(as_ada, tmp_path):
    source = tmp_path / "source"
    repository(source)
    as_ada.ok("import", "git", str(source), "acme/taken", "--visibility", "private")
    here = cloned(as_ada, "acme/taken")
    (tmp_path / "hub").mkdir()
    copy = tmp_path / "hub" / "copy.git"
    run_git(copy, "init", "-q", "--bare")

    with elsewhere(tmp_path / "hub") as there:
        here.ok("remote", "add", "github", f"{there.url}/copy.git")
        told = here.ok("push", "github", "--json").json
        here.ok("push", "github", "refs/tags/*:refs/tags/*")
        here.ok("fetch", "--all")
        again = here.ok("push", "github", "--json").json

    was = refs_of(source / ".git")
    assert told == {"name": "github", "refs": [{"ref": "refs/heads/main", "change": "new"}]}
    wanted = {ref for ref in was if ref == "refs/heads/main" or ref.startswith("refs/tags/")}
    assert refs_of(copy) == {ref: was[ref] for ref in wanted}
    shown = here.ok("remote", "show", "github", "--json").json["refs"]
    assert set(shown) == wanted and all(run_git(copy, "cat-file", "-e", sha1) for sha1 in shown.values())
    assert again == {"name": "github", "refs": []}


def test_who_is_asked_for_credentials_and_has_none_is_told_so_with_exit_4(notes, tmp_path, monkeypatch):
    # The git of whoever runs the tests may know credentials.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_ASKPASS", raising=False)
    monkeypatch.delenv("SSH_ASKPASS", raising=False)
    run_git(tmp_path / "locked.git", "init", "-q", "--bare")
    with elsewhere(tmp_path) as there:
        there.want("ada", "secret")
        notes.ok("remote", "add", "locked", f"{there.url}/locked.git")
        refused = notes("push", "locked", "--json")

    assert refused.code == 4
    assert refused.json["error"]["code"] == "mic.remote_locked"


def test_a_remote_that_does_not_answer_is_exit_6_and_nothing_changed(notes):
    notes.ok("remote", "add", "gone", "http://127.0.0.1:9/x.git")

    assert notes("fetch", "gone").code == 6
    assert notes("push", "gone").code == 6
    assert notes.ok("remote", "show", "gone", "--json").json["refs"] == {}


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c id", "ext::id", "-oProxyCommand=id", "--upload-pack=id", "s3://bucket/x", "x",
     "https://ada:pw@example.org/x.git", "", "a b:c"],
)  # fmt: skip
def test_what_is_no_address_of_a_git_repository_is_refused(url):
    with pytest.raises(Usage):
        remotes.address(url)


@pytest.mark.parametrize("refspec", ["--force", "-f", "--receive-pack=id", "a b", "", "a:b:c"])
def test_no_refspec_is_an_option(notes, tmp_path, refspec):
    run_git(tmp_path / "copy.git", "init", "-q", "--bare")
    notes.ok("remote", "add", "copy", str(tmp_path / "copy.git"))

    ran = notes("push", "copy", "--", refspec) if refspec else notes("push", "copy", ":")

    assert ran.code == 2
    assert refs_of(tmp_path / "copy.git") == {}


def cloned(shell, project):
    shell.ok("clone", project, "work")
    return shell.at("work")
