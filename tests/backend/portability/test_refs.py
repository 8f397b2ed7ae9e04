"""Branches, tags and commits of an imported history, as people look for them."""

import pytest

from backend.core.errors import NotFound
from backend.projects.landings import list_landings
from backend.projects.refs import get_commit, list_refs
from tests.backend.portability.imports import dot_git, refs_of
from tests.vcs.git.sources import odd

WHERE = {"organization": "acme", "project": "taken"}


def test_refs_are_listed_and_odd_commits_read(imports, operator, tmp_path):
    git = odd(tmp_path / "odd")
    imports.done(operator, git.folder)

    listed = imports.run(operator, list_refs, **WHERE).items
    assert {item.full_name for item in listed} == set(refs_of(dot_git(git)))
    assert (listed[0].name, listed[0].default, listed[0].kind.value) == ("trunk", True, "branch")
    assert [item.kind.value for item in listed] == ["branch"] * 3 + ["tag"] * 6 + ["other"]

    def commit(ref):
        return imports.run(operator, get_commit, **WHERE, ref=ref)

    second = commit("nested")
    assert (second.author.name, second.subject) == ("Äé", "é")
    assert second.author.at.isoformat() == "1969-12-31T16:30:12-07:30"
    assert second.sha1 == git.run("rev-parse", "refs/tags/light").decode().strip()
    assert commit(second.sha1[:9]).id == second.id == commit(second.id).id
    assert second.position == 2

    root = commit(second.parents[0].sha1)
    assert (root.parents, root.author.name, root.author.at.year) == ([], "Nobody", 1969)
    merge = commit("café")
    assert (len(merge.parents), merge.subject) == (3, "three parents")
    assert commit(merge.parents[0].id).signed
    nameless = commit("@5")
    assert (nameless.author.name, nameless.author.at, nameless.subject) == ("", None, "no author, no date")
    with pytest.raises(NotFound):
        commit("straight-to-a-blob")
    with pytest.raises(NotFound):
        commit("0123456789")


def test_landings_of_an_imported_history_say_who_made_each_commit_and_when(imports, operator, tmp_path):
    imports.done(operator, odd(tmp_path / "odd").folder)

    rows = {row.position: row for row in imports.run(operator, list_landings, **WHERE).items}

    assert (rows[2].written_by, rows[2].written_at.isoformat()) == ("Äé", "1970-01-01T00:00:12+00:00")
    assert (rows[1].written_by, rows[1].written_at.year) == ("Nobody", 1969)
    assert (rows[5].written_by, rows[5].written_at) == ("", None), "its commit names nobody"
    assert {row.landed_at.year for row in rows.values()} == {imports.forge.clock().year}
