from hypothesis import given
from hypothesis import strategies as st

from tests.vcs.logs import Trees, blob
from tests.vcs.test_overlay import FILES, PATHS, without_collisions
from vcs import conflicts
from vcs.objects import Entry, parse_tree

MODE = b"100644"


@st.composite
def three_sides(draw):
    """A base, and two sides that share some of their changes and not others."""
    base = draw(st.dictionaries(PATHS, FILES, max_size=8).map(without_collisions))

    def side():
        changed = dict(base)
        for path in draw(st.lists(PATHS, max_size=4)):
            changed.pop(path, None)
        changed |= draw(st.dictionaries(PATHS, FILES, max_size=4))
        return without_collisions(changed)

    return base, side(), side()


def merged_by_path(base, head, ours):
    """Brute force over whole paths: the merged files, or the set of paths that conflict."""
    merged, clashing = {}, set()
    for path in base.keys() | head.keys() | ours.keys():
        old, theirs, mine = base.get(path), head.get(path), ours.get(path)
        if theirs == mine or old == mine:
            result = theirs
        elif old == theirs:
            result = mine
        else:
            clashing.add(path)
            continue
        if result is not None:
            merged[path] = result
    for path in merged:
        parts = path.split(b"/")
        above = {b"/".join(parts[:depth]) for depth in range(1, len(parts))}
        clashing |= above & merged.keys()
    return merged, clashing


@given(three_sides())
def test_a_merge_is_what_comparing_every_path_says(sides):
    trees = Trees()
    base, head, ours = sides
    merged, clashing = merged_by_path(base, head, ours)

    result = conflicts.merge(trees, *map(trees.build, sides))

    assert result.parsed == {each.id: parse_tree(each.content) for each in result.objects}
    if not clashing:
        assert result.conflicts == []
        trees.keep(result.objects)
        assert trees.files(result.tree) == merged
        assert result.tree == trees.build(merged)
    else:
        found = {conflict.path for conflict in result.conflicts}
        assert found <= clashing
        # Where a file conflicts with a folder of that name, what is in the folder is not looked at further.
        assert all(
            any(path == f or path.startswith(f + b"/") or f.startswith(path + b"/") for f in found)
            for path in clashing
        )


@given(three_sides())
def test_a_merge_needs_no_tree_that_one_side_has_already(sides):
    trees = Trees()

    result = conflicts.merge(trees, *map(trees.build, sides))

    assert not {made.id for made in result.objects} & {trees.build(side) for side in sides[1:]}


def test_a_conflict_tells_all_three_sides():
    trees = Trees()
    base, head, ours = ({b"docs/a": (MODE, blob(text))} for text in (b"old", b"theirs", b"ours"))

    result = conflicts.merge(trees, trees.build(base), trees.build(head), trees.build(ours))

    entries = [Entry(MODE, b"a", blob(text)) for text in (b"old", b"ours", b"theirs")]
    assert result.conflicts == [conflicts.Conflict(b"docs/a", *entries)]


def test_two_sides_that_begin_the_same_folder_with_different_files_do_not_conflict():
    trees = Trees()
    head, ours = {b"docs/a": (MODE, blob(b"1"))}, {b"docs/b": (MODE, blob(b"2"))}

    result = conflicts.merge(trees, trees.build({}), trees.build(head), trees.build(ours))

    trees.keep(result.objects)
    assert result.conflicts == []
    assert trees.files(result.tree) == head | ours
