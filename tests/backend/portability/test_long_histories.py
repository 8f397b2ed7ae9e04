"""Rows of a long history are written in parts and counted later, and say the same as those of a short one."""

import pytest
from sqlmodel import col, select

from backend.instance import doctor
from backend.portability.models import ImportState
from backend.projects import counting, projection
from backend.projects.landings import get_landing, list_landings
from backend.projects.models import Landing, PathLatest, Project
from tests.vcs.git.sources import generated
from vcs import faults


@pytest.fixture
def long(monkeypatch):
    """Histories are long from four positions on."""
    monkeypatch.setattr(projection, "MANY", 3)
    monkeypatch.setattr(projection, "PER_TRANSACTION", 2)
    yield
    faults.disarm()


def rows_of(imports, project="taken"):
    """Landings and paths as SQL has them, but for names and times that differ between two imports."""
    with imports.forge.db.transaction(write=False) as db:
        id = db.exec(select(Project.id).where(Project.handle == project)).one()
        landings = db.exec(select(Landing).where(Landing.project == id).order_by(col(Landing.position))).all()
        paths = db.exec(select(PathLatest).where(PathLatest.project == id)).all()
        same = ("position", "commit", "tree", "sha1", "goal", "files", "additions", "deletions", "written_by")
        return (
            [tuple(getattr(row, name) for name in same) for row in landings],
            sorted((row.path, row.position) for row in paths),
        )


def shown(imports, actor, project="taken"):
    where = {"organization": "acme", "project": project}
    listed = imports.run(actor, list_landings, **where, limit=100).items
    one = imports.run(actor, get_landing, **where, position=listed[0].position)
    assert (one.additions, one.deletions) == (listed[0].additions, listed[0].deletions)
    return [(row.position, row.additions, row.deletions) for row in listed]


def expected(imports, operator, git, monkeypatch):
    """What a project says whose rows were written at once."""
    with monkeypatch.context() as short:
        short.setattr(projection, "MANY", 1_000)
        short.setattr(projection, "PER_TRANSACTION", 500)
        imports.done(operator, git.folder, "acme/short")
    return rows_of(imports, "short"), shown(imports, operator, "short")


def test_a_long_history_has_the_rows_of_a_short_one(imports, operator, tmp_path, long, monkeypatch):
    git = generated(tmp_path / "made", 15)
    rows, numbers = expected(imports, operator, git, monkeypatch)
    assert len(rows[0]) > 4 and any(added for _, added, _ in numbers)

    imports.done(operator, git.folder)

    assert rows_of(imports) == rows
    assert shown(imports, operator) == numbers
    assert [finding for finding in doctor.rebuild(imports.forge) if finding.fault] == []
    assert rows_of(imports) == rows


def test_what_is_not_counted_yet_is_counted_for_whoever_asks(imports, operator, tmp_path, long, monkeypatch):
    git = generated(tmp_path / "made", 16)
    rows, numbers = expected(imports, operator, git, monkeypatch)
    imports.done(operator, git.folder)
    with imports.forge.db.transaction(write=True) as db:
        id = db.exec(select(Project.id).where(Project.handle == "taken")).one()
        for row in db.exec(select(Landing).where(Landing.project == id)).all():
            row.additions = row.deletions = counting.NOT_COUNTED

    assert shown(imports, operator) == numbers
    assert rows_of(imports) != rows
    assert counting.count_some(imports.forge, id, 1) > 0
    counting.count_all(imports.forge, id)
    assert rows_of(imports) == rows


def test_a_worker_killed_while_it_writes_a_long_history_goes_on(
    imports, operator, tmp_path, long, monkeypatch
):
    git = generated(tmp_path / "made", 15)
    rows, numbers = expected(imports, operator, git, monkeypatch)
    asked = imports.ask(operator, git.folder)

    def killed():
        raise KeyboardInterrupt

    faults.arm("rows.ahead", killed)
    with pytest.raises(KeyboardInterrupt):
        imports.work()
    faults.disarm()

    with imports.restarted() as again:
        again.work()

        assert again.look(operator, asked).state is ImportState.DONE
        assert (rows_of(again), shown(again, operator)) == (rows, numbers)
