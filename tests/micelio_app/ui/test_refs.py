from backend.projects.refs import RefItem, RefKind
from micelio_app.ui import refs


def item(name, kind=RefKind.BRANCH, *, default=False):
    full = f"refs/{'heads' if kind is RefKind.BRANCH else 'tags'}/{name}"
    return RefItem(name=name, full_name=full, kind=kind, target="0", default=default)


def test_branches_come_before_tags_and_a_doubled_name_stays_two():
    items = [item("main", default=True), item("v1"), item("v1", RefKind.TAG), item("v2", RefKind.TAG)]

    branches, tags = refs.groups_of(items, "HEAD")

    assert [(row.value, row.label) for row in branches.rows] == [("HEAD", "main"), ("v1", "v1")]
    assert [(row.value, row.label) for row in tags.rows] == [("refs/tags/v1", "v1"), ("v2", "v2")]


def test_what_is_shown_and_is_no_branch_stands_first():
    for shown, label in (("@3", "Landing #3"), ("0123456789", "0123456789")):
        first, *_ = refs.groups_of([item("main", default=True)], shown)
        assert [(row.value, row.label) for row in first.rows] == [(shown, label)]


def test_very_many_tags_leave_the_branches_and_say_how_many_more_there_are():
    items = [item("main", default=True), *(item(f"t{number}", RefKind.TAG) for number in range(200))]

    branches, tags = refs.groups_of(items, "HEAD")

    assert len(branches.rows) == 1 and (len(tags.rows), tags.more) == (refs.MOST, 50)
