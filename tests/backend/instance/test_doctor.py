import argparse
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from sqlmodel import select

from backend.core import jobs
from backend.core.context import SYSTEM, Context
from backend.doors import manage
from backend.instance import doctor
from backend.projects import code
from backend.projects.models import Cursor, Landing, PathLatest, Ref
from backend.projects.service import get_project
from backend.sessions.models import Permit, StagedFile, WorkSession
from vcs.log import Head


@pytest.fixture
def worked(bench, ada):
    """acme/notes after three landings, with archives, and a session under way."""
    for number in range(3):
        bench.landed(ada, {f"f{number}": b"%d\n" % number, "shared": b"%d\n" % number})
    bench.push(ada, bench.start(ada).id, {"draft": b"draft\n"})
    jobs.drain(bench.forge)
    return bench


@pytest.fixture
def project(worked, ada):
    return worked.run(ada, get_project, **worked.where).id


def faults(bench):
    """What a process that has just started finds wrong."""
    with bench.restarted() as fresh:
        return [f"{found.project}: {found.sentence}" for found in doctor.examine(fresh.forge) if found.fault]


def head_of(bench, project):
    return Head.decode(bench.forge.store.read_head(project, project)[0])


@pytest.fixture
def rewrite(worked):
    """Change a file behind the store's back, as a failing disk does."""

    def rewrite(key, change):
        with closing(sqlite3.connect(worked.forge.settings.storage_path / "store.db")) as db, db:
            for table in ("files", "heads"):
                row = db.execute(f"select body from {table} where key = ?", (key,)).fetchone()
                if row is not None:
                    db.execute(f"update {table} set body = ? where key = ?", (change(row[0]), key))

    return rewrite


def flipped(at):
    def change(body):
        where = len(body) // 2 if at is None else at
        return body[:where] + bytes([body[where] ^ 1]) + body[where + 1 :]

    return change


def test_a_sound_forge_has_no_faults(worked):
    assert faults(worked) == []


@pytest.mark.parametrize("at", [0, 20, None, -1])
def test_a_flipped_byte_is_found_and_its_file_named(worked, project, rewrite, at):
    key = head_of(worked, project).tail[1].key
    rewrite(key, flipped(at))

    found = faults(worked)
    assert any(key in sentence for sentence in found)
    assert all(sentence.startswith("acme/notes: ") for sentence in found)


def test_a_deleted_segment_is_found_and_named(worked, project):
    key = head_of(worked, project).tail[1].key
    worked.forge.store.delete(key)

    assert any(key in sentence for sentence in faults(worked))


def test_a_damaged_head_is_found_and_the_rest_still_looked_at(worked, project, rewrite, clock, ada):
    with Context(worked.forge, SYSTEM).transaction() as tx:
        tx.db.add(permit(project, clock.now - timedelta(hours=1)))
    rewrite(f"pools/{project}/heads/{project}", flipped(30))

    found = "\n".join(faults(worked))
    assert f"pools/{project}/heads/{project}" in found and "never settled" in found


def permit(project, expires_at):
    return Permit(landing="0" * 36, project_id=project, expires_at=expires_at)


def test_a_moved_cursor_is_found(worked, project):
    with Context(worked.forge, SYSTEM).transaction() as tx:
        tx.db.get(Cursor, (project, "paths")).record = "0" * 64

    (sentence,) = faults(worked)
    assert "the cursor paths stands on record 3, which is not in the log" in sentence


def test_a_forgotten_permit_is_found_after_five_minutes(worked, project, clock):
    with Context(worked.forge, SYSTEM).transaction() as tx:
        tx.db.add(permit(project, clock.now))
    assert faults(worked) == []
    clock.advance(minutes=6)

    (sentence,) = faults(worked)
    assert "the permit of landing 0000" in sentence


def test_a_session_that_waits_for_a_permit_nobody_has_is_found(worked):
    with Context(worked.forge, SYSTEM).transaction() as tx:
        found = tx.db.exec(select(WorkSession).where(WorkSession.status == "active")).one()
        found.landing = True

    (sentence,) = faults(worked)
    assert f"session {found.id} is said to be landing" in sentence


def test_staged_content_and_archives_that_are_gone_or_cut_are_found(worked, project, rewrite):
    with worked.forge.db.transaction(write=False) as db:
        staged = db.exec(select(StagedFile)).one()
    worked.forge.store.delete(staged.key)
    archive = next(iter(worked.forge.store.list(f"archives/{project}/"))).key
    rewrite(archive, lambda body: body[: len(body) // 2])

    found = "\n".join(faults(worked))
    assert staged.key in found and archive in found


def rows(bench, project):
    with bench.forge.db.transaction(write=False) as db:
        dumps = []
        for model in (Landing, PathLatest, Ref, Cursor):
            table = model.__table__
            query = select(table).where(table.c.project == project).order_by(*table.primary_key.columns)
            dumps.append([tuple(row) for row in db.execute(query)])
        sessions = select(WorkSession.__table__).order_by(WorkSession.__table__.c.id)
        return [*dumps, [tuple(row) for row in db.execute(sessions)]]


def test_every_projection_comes_out_the_same_when_it_is_made_anew(worked, project):
    before = rows(worked, project)
    with Context(worked.forge, SYSTEM).transaction(write=False) as tx:
        facts = tx.db.connection().exec_driver_sql("SELECT count(*) FROM facts").scalar()
    with worked.restarted() as fresh:
        found = list(doctor.rebuild(fresh.forge))

    assert [finding.sentence for finding in found if finding.fault] == []
    assert rows(worked, project) == before
    with Context(worked.forge, SYSTEM).transaction(write=False) as tx:
        assert tx.db.connection().exec_driver_sql("SELECT count(*) FROM facts").scalar() == facts
        assert code.reader(tx, tx.db.get(code.Project, project)).has(before[0][0][2])
    assert all(before), "there was something to make anew"


def test_rows_that_were_tampered_with_are_told_and_put_right(worked, project):
    before = rows(worked, project)
    with Context(worked.forge, SYSTEM).transaction() as tx:
        tx.db.get(Landing, (project, 2)).goal = "Something else"
    with worked.restarted() as fresh:
        found = [finding.sentence for finding in doctor.rebuild(fresh.forge) if finding.fault]

    assert found == ["the rows of landings came out different from what they were"]
    assert rows(worked, project) == before


@pytest.mark.parametrize("words", [["doctor"], ["doctor", "--rebuild"]])
def test_the_command_prints_each_finding_and_fails_for_a_fault(
    worked, project, clock, capsys, monkeypatch, words
):
    # A process of its own would ask the real clock and the real environment.
    monkeypatch.setattr(manage, "_check_schema", lambda args, face: None)
    monkeypatch.setattr(manage, "_forge", lambda settings: worked.restarted_forge())
    args = argparse.Namespace(rebuild="--rebuild" in words, lifeline=1)

    assert manage._doctor(args, worked.forge.settings, None) == 0
    assert "Everything is in order." in capsys.readouterr().out
    with Context(worked.forge, SYSTEM).transaction() as tx:
        tx.db.add(permit(project, clock.now - timedelta(hours=1)))
    assert manage._doctor(args, worked.forge.settings, None) == 1
    said = capsys.readouterr().out
    assert "FAULT  acme/notes: the permit of landing" in said and "1 faults found" in said
