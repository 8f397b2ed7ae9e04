"""Landings of one path: those that changed it, and no others."""

import pytest

from backend.projects import history
from backend.projects.landings import list_landings


@pytest.fixture
def lived(bench, ada):
    """A project in which paths came, went and came again."""
    for changes in (
        {"a": b"1\n", "src/x": b"1\n"},  # 1
        {"src/y": b"1\n"},
        {"src/x": b"2\n"},
        {"a": b"2\n"},
        {"src/x": None, "src/y": None},  # 5: the folder goes
        {"src": b"a file now\n"},
        {"src": None, "other": b"1\n"},
        {"src/x": b"2\n"},  # 8
    ):
        bench.landed(ada, changes)
    return bench


def positions(bench, actor, path, limit=50):
    """All of them, page by page."""
    found, cursor = [], ""
    while cursor is not None:
        page = bench.run(actor, list_landings, **bench.where, path=path, limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += [each.position for each in page.items]
        cursor = page.next
    return found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", [4, 1]),
        ("src/x", [8, 5, 3, 1]),
        ("src/y", [5, 2]),
        ("src", [8, 7, 6, 5, 3, 2, 1]),
        ("src/", [8, 7, 6, 5, 3, 2, 1]),
        ("other", [7]),
        ("missing", []),
        ("src/x/deeper", []),
        ("", [8, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_landings_of_a_path_are_those_that_changed_it(lived, ada, path, expected, monkeypatch):
    for limit in (1, 2, 50):
        assert positions(lived, ada, path, limit) == expected
    monkeypatch.setattr(history, "COMPARED", 2)
    assert positions(lived, ada, path) == expected


def test_a_path_is_found_while_its_row_is_not_written_yet(lived, ada, forge):
    from sqlmodel import delete

    from backend.projects.models import Cursor, PathLatest

    with forge.db.transaction(write=True) as db:
        db.exec(delete(PathLatest))
        db.exec(delete(Cursor).where(Cursor.name == "paths"))

    assert positions(lived, ada, "a") == [4, 1]
