"""A history goes in and comes out again: every ref and every object is what it was."""

from dataclasses import replace

import pytest

from tests.backend.portability.imports import dot_git, objects_of, refs_of
from tests.vcs.git.sources import generated, odd, real
from vcs.git.process import run_git


@pytest.mark.parametrize(
    "make", [odd, real, lambda folder: generated(folder, 21), lambda folder: generated(folder, 22)]
)
def test_import_then_export_gives_back_every_ref_and_object(as_ada, tmp_path, make):
    git = make(tmp_path / "source")
    without_views(git)

    as_ada.ok("import", "git", str(git.folder), "acme/taken")
    as_ada.ok("export", "git", "out.git", "--project", "acme/taken")

    out = as_ada.folder / "out.git"
    assert refs_of(out) == refs_of(dot_git(git))
    assert objects_of(out) == objects_of(dot_git(git))
    assert run_git(out, "symbolic-ref", "HEAD").stdout == run_git(dot_git(git), "symbolic-ref", "HEAD").stdout
    run_git(out, "fsck", "--connectivity-only")


def without_views(git):
    """A bundle is made by the git of whoever has the repository, with the grafts they have."""
    (dot_git(git) / "info/grafts").unlink(missing_ok=True)
    for name in git.run("for-each-ref", "--format=%(refname)", "refs/replace").decode().split():
        git.run("update-ref", "-d", name)


def test_an_address_is_imported_by_the_forge_and_told_as_json(as_ada, forge, tmp_path):
    from tests.git_servers import elsewhere

    forge.settings = replace(forge.settings, import_private=True)
    git = generated(tmp_path / "source", 23)
    with elsewhere(tmp_path) as there:
        told = as_ada.ok("import", "git", f"{there.url}/source/.git", "acme/far", "--json").json

    assert (told["state"], told["project"], told["source"]) == ("done", "far", f"{there.url}/source/.git")
    assert told["positions"] == int(git.run("rev-list", "--first-parent", "--count", "main"))


def test_a_project_without_a_commit_is_exported_as_an_empty_repository(as_ada):
    as_ada.ok("project", "create", "acme/bare")

    as_ada.ok("export", "git", "bare.git", "--project", "acme/bare")

    assert refs_of(as_ada.folder / "bare.git") == {}
    assert as_ada("export", "bundle", "bare.bundle", "--project", "acme/bare").code == 3


def test_a_bundle_is_sent_as_it_is(as_ada, tmp_path):
    git = generated(tmp_path / "source", 24)
    git.run("bundle", "create", "-q", str(as_ada.folder / "old.bundle"), "--all")

    as_ada.ok("import", "git", "old.bundle", "acme/bundled")
    as_ada.ok("export", "git", "out.git", "--project", "acme/bundled")

    assert refs_of(as_ada.folder / "out.git") == refs_of(dot_git(git))


def test_what_is_no_bundle_leaves_no_project(as_ada):
    as_ada.write("junk.bundle", b"# v2 git bundle\nnot one\n")

    refused = as_ada("import", "git", "junk.bundle", "acme/junk")

    assert refused.code == 1 and "could not be read" in refused.err
    assert as_ada("project", "show", "acme/junk").code == 5
