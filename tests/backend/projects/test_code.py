import pytest

from backend.core.errors import InvalidInput, NotFound
from backend.projects.landings import compare_refs, get_landing, get_landing_diff, list_landings
from backend.projects.service import resolve_ref
from backend.projects.tree import LARGEST_TEXT, get_file, get_tree, list_blobs
from vcs.objects import EMPTY_TREE


@pytest.fixture
def worked(bench, ada, grace):
    """Three landings: a and d/b; d/b again; c/d/e by grace."""
    bench.landed(ada, {"a": b"a\n", "d/b": b"b\n", "README.md": b"# Hi\n"}, goal="Begin")
    bench.landed(ada, {"d/b": b"better\n"}, goal="Better b", agent="codex")
    bench.landed(grace, {"c/d/e": b"e\n"}, goal="Go deep")
    return bench


def test_every_spelling_of_a_ref_leads_to_its_landing(worked, ada):
    def position(ref):
        return worked.run(ada, resolve_ref, **worked.where, ref=ref).position

    second = worked.run(ada, get_landing, **worked.where, position=2)
    for ref in ("@2", "@-1", second.commit, second.commit[:10], second.sha1[:10], second.session):
        assert position(ref) == 2, ref
    assert position(second.session[-8:]) == 2
    for ref in ("HEAD", "main", "refs/heads/main", "@3", "@-0"):
        assert position(ref) == 3, ref
    start = worked.run(ada, resolve_ref, **worked.where, ref="@0")
    assert (start.commit, start.tree, start.position) == (None, EMPTY_TREE, 0)


def test_refs_that_lead_nowhere_are_not_found(worked, ada):
    for ref in ("@4", "@-4", "nothing", "deadbeef", "@999999999999999", "@", "0" * 64, "a b", "\\"):
        with pytest.raises(NotFound):
            worked.run(ada, resolve_ref, **worked.where, ref=ref)


def test_an_empty_project_has_an_empty_tree(bench, ada):
    page = bench.run(ada, get_tree, **bench.where)

    assert (page.entries, page.readme, page.position, page.commit) == ([], None, 0, None)
    for ref in ("@1", "@-1"):
        with pytest.raises(NotFound):
            bench.run(ada, get_tree, **bench.where, ref=ref)


def test_a_folder_shows_folders_first_and_who_last_touched_what(worked, ada):
    page = worked.run(ada, get_tree, **worked.where)

    assert [(e.name, e.type, e.size, e.last.position) for e in page.entries] == [
        ("c", "folder", None, 3),
        ("d", "folder", None, 2),
        ("README.md", "file", 5, 1),
        ("a", "file", 2, 1),
    ]
    assert page.readme.path == "README.md"
    assert page.entries[1].last.goal == "Better b" and page.entries[1].last.by == "codex"
    below = worked.run(ada, get_tree, **worked.where, path="d/")
    assert [(e.path, e.last.position) for e in below.entries] == [("d/b", 2)]
    old = worked.run(ada, get_tree, **worked.where, ref="@1")
    assert [e.name for e in old.entries] == ["d", "README.md", "a"]
    assert old.entries[0].last is None, "what touched it last at that time is not known any more"
    for path in ("a", "nothing", "d/b"):
        with pytest.raises(NotFound):
            worked.run(ada, get_tree, **worked.where, path=path)


def test_a_file_is_shown_as_text_when_it_is_text(bench, ada):
    long = b"line of text\n" * (LARGEST_TEXT // 13 + 1000)
    contents = {"text": b"one\ntwo", "latin": b"caf\xe9\n", "binary": b"\x00\x01", "empty": b"", "long": long}
    bench.landed(ada, contents)

    def shown(path):
        page = bench.run(ada, get_file, **bench.where, path=path)
        return page.text, page.binary, page.lines, page.cut, page.size

    assert shown("text") == ("one\ntwo", False, 2, False, 7)
    assert shown("latin")[:2] == (None, True)
    assert shown("binary")[:3] == (None, True, 0)
    assert shown("empty") == ("", False, 0, False, 0)
    text, binary, lines, cut, size = shown("long")
    assert (binary, lines, cut, size) == (False, long.count(b"\n"), True, len(long))
    assert long.decode().startswith(text) and LARGEST_TEXT - 13 < len(text) <= LARGEST_TEXT
    for path in ("d", "nothing", "text/more"):
        with pytest.raises(NotFound):
            bench.run(ada, get_file, **bench.where, path=path)


def test_a_clone_gets_every_file_of_any_ref(worked, ada):
    assert [item.path for item in worked.run(ada, list_blobs, **worked.where).items] == [
        "README.md",
        "a",
        "c/d/e",
        "d/b",
    ]
    first = worked.run(ada, list_blobs, **worked.where, ref="@1")
    assert (first.position, [item.path for item in first.items]) == (1, ["README.md", "a", "d/b"])


def test_a_landing_tells_what_it_changed_and_its_diff_line_by_line(worked, ada):
    told = worked.run(ada, get_landing, **worked.where, position=2)
    assert [(c.path, c.status, c.additions, c.deletions) for c in told.changes] == [("d/b", "modified", 1, 1)]
    assert told.previous == worked.run(ada, get_landing, **worked.where, position=1).commit

    page = worked.run(ada, get_landing_diff, **worked.where, position=2)
    assert [(line.kind, line.text) for line in page.files[0].hunks[0].lines] == [("-", "b"), ("+", "better")]
    first = worked.run(ada, get_landing, **worked.where, position=1)
    assert (first.previous, first.files, first.additions) == (None, 3, 3)
    for position in (0, 4, -1, 1 << 31, 1 << 60):
        with pytest.raises(NotFound):
            worked.run(ada, get_landing, **worked.where, position=position)


def test_any_two_refs_can_be_compared(worked, ada):
    def paths(old, new, **more):
        return [
            file.path
            for file in worked.run(ada, compare_refs, **worked.where, old=old, new=new, **more).files
        ]

    assert paths("@1", "@3") == ["c/d/e", "d/b"]
    assert paths("@3", "@1", path="c") == ["c/d/e"]
    assert paths("@0", "HEAD") == ["README.md", "a", "c/d/e", "d/b"]
    assert paths("@2", "@-1") == []


def test_landings_are_listed_newest_first_page_by_page(worked, ada):
    first = worked.run(ada, list_landings, **worked.where, limit=2)
    second = worked.run(ada, list_landings, **worked.where, limit=2, cursor=first.next)

    assert [each.position for each in first.items + second.items] == [3, 2, 1] and second.next is None
    assert first.items[0].author_name == "Grace"
    assert [worked.run(ada, get_landing, **worked.where, position=3).goal] == ["Go deep"]
    assert worked.run(ada, list_landings, **worked.where, cursor="9" * 15).items[0].position == 3
    for cursor in ("²", "-1", "x", "9" * 16):
        with pytest.raises(InvalidInput):
            worked.run(ada, list_landings, **worked.where, cursor=cursor)


def test_a_process_that_slept_shows_what_another_has_announced(worked, ada):
    with worked.restarted() as other:
        assert other.tree(ada)[b"a"] == b"a\n"
        worked.landed(ada, {"a": b"new\n"})
        assert other.tree(ada)[b"a"] == b"new\n"
        assert other.landed(ada, {"a": b"newer\n"}).position == 5
        assert worked.tree(ada)[b"a"] == b"newer\n"
