import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vcs.logs import Trees, blob
from vcs import overlay
from vcs.errors import InvalidPath
from vcs.objects import EMPTY_TREE, Entry, parse_tree
from vcs.overlay import Change

NAMES = st.sampled_from([b"a", b"b", b"a.b", b"a-b", b"\xff", b"new\nline"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
FILES = st.tuples(
    st.sampled_from([b"100644", b"100755", b"120000"]), st.sampled_from([blob(b"1"), blob(b"2")])
)


def without_collisions(files):
    """The files, less those that stand where another one needs a folder."""
    return {path: what for path, what in files.items() if not any(p.startswith(path + b"/") for p in files)}


TREES = st.dictionaries(PATHS, FILES, max_size=8).map(without_collisions)


def laid_over(files, changes):
    """What the overlay promises, on a plain dictionary."""
    latest = {change.path: change for change in changes}
    result = dict(files)
    for path, change in latest.items():
        if change.mode is None:
            result = {p: w for p, w in result.items() if p != path and not p.startswith(path + b"/")}
    written = {path: (change.mode, change.id) for path, change in latest.items() if change.mode is not None}
    for path in written:
        result = {
            p: w for p, w in result.items() if not p.startswith(path + b"/") and not path.startswith(p + b"/")
        }
    return result | written


CHANGES = st.lists(
    st.one_of(
        st.builds(lambda path, what: Change(path, *what), PATHS, FILES),
        st.builds(lambda path: Change(path, None, None), PATHS),
    ),
    max_size=8,
)


@given(TREES, CHANGES)
def test_changes_laid_over_a_tree_are_what_a_dictionary_of_paths_says(files, changes):
    trees = Trees()
    written = {change.path for change in {c.path: c for c in changes}.values() if change.mode is not None}
    root = trees.build(files)
    if any(path.startswith(other + b"/") for path in written for other in written):
        with pytest.raises(InvalidPath):
            overlay.apply(trees, root, changes)
        return

    parsed: dict[str, tuple[Entry, ...]] = {}
    made, objects = overlay.apply(trees, root, changes, parsed)
    trees.keep(objects)

    assert parsed == {each.id: parse_tree(each.content) for each in objects}
    assert trees.files(made) == laid_over(files, changes)
    assert made == trees.build(laid_over(files, changes))


@given(TREES)
def test_writing_what_is_there_already_makes_no_object(files):
    trees = Trees()
    root = trees.build(files)

    assert overlay.apply(trees, root, [Change(path, *what) for path, what in files.items()]) == (root, [])


@given(TREES)
def test_deleting_everything_leaves_the_empty_tree(files):
    trees = Trees()

    root, objects = overlay.apply(trees, trees.build(files), [Change(path, None, None) for path in files])

    assert (root, objects) == (EMPTY_TREE, [])


@given(TREES, PATHS)
def test_an_entry_is_found_by_its_path(files, path):
    trees = Trees()

    entry = overlay.entry_at(trees, trees.build(files), path)

    if path in files:
        assert entry is not None and (entry.mode, entry.id) == files[path]
    else:
        assert (entry is not None) == any(other.startswith(path + b"/") for other in files)


@given(TREES)
def test_walking_gives_every_file_in_the_order_of_bytes(files):
    trees = Trees()

    walked = list(overlay.walk(trees, trees.build(files)))

    assert [path for path, _ in walked] == sorted(files)
    assert {path: (entry.mode, entry.id) for path, entry in walked} == files


@pytest.mark.parametrize("path", [b"", b"/a", b"a//b", b"a/", b"a/../b", b"./a", b".git/config", b"x/.GIT"])
def test_a_path_no_tree_may_hold_is_refused(path):
    with pytest.raises(InvalidPath):
        overlay.apply(Trees(), EMPTY_TREE, [Change(path, b"100644", blob(b""))])


def test_a_mode_git_does_not_know_is_refused():
    with pytest.raises(InvalidPath):
        overlay.apply(Trees(), EMPTY_TREE, [Change(b"a", b"100600", blob(b""))])
