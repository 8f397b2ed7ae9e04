"""Purge: what an operator erases is gone at every door, and everything else still stands."""

import argparse
import io
from contextlib import closing
from dataclasses import replace

import pytest

from backend.core import jobs
from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import InvalidInput, MicelioError, NotFound
from backend.doors import manage
from backend.doors.problems import status_of
from backend.instance import doctor
from backend.projects.erasing import erase_from_project
from backend.projects.forks import fork_project
from backend.projects.landings import get_landing, get_landing_diff, list_landings
from backend.projects.service import get_project, resolve_ref
from backend.projects.tree import get_file, get_tree
from backend.sessions.files import get_session_diff
from backend.sessions.live import add_session_note, list_session_events
from backend.sessions.service import get_session
from tests.backend.workbench import Workbench
from vcs import faults
from vcs.objects import Kind, Object
from vcs.reading import ErasedObject
from vcs.repository import Repository
from vcs.segments import frames_of, read_footer, read_object

SECRET = b"password = hunter2\n"
SECRET_ID = Object.of(Kind.BLOB, SECRET).id
NOTICE = b"The content of this file was erased on 2026-03-01.\n"


class Killed(BaseException):
    pass


def kill():
    raise Killed


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


@pytest.fixture
def leaked(bench, ada):
    """acme/notes where a secret landed second, was talked about, and was copied third."""
    bench.landed(ada, {"README": b"hello\n", "conf/a": b"a\n"})
    session = bench.start(ada, goal="Put hunter2 into the configuration").id
    bench.run(ada, add_session_note, session=session, content="It is hunter2.")
    bench.push(ada, session, {"conf/env": SECRET})
    bench.land(ada, session, summary="hunter2 is in.")
    bench.landed(ada, {"copy": SECRET, "conf/a": b"b\n"})
    jobs.drain(bench.forge)
    return bench


def erase(bench, **what):
    done = erase_from_project(Context(bench.forge, SYSTEM), **bench.where, **what)
    jobs.drain(bench.forge)
    return done


def found(forge):
    return [f"{finding.project}: {finding.sentence}" for finding in doctor.examine(forge) if finding.fault]


def differing(forge):
    return [finding.sentence for finding in doctor.rebuild(forge) if finding.fault]


def stored(store, content):
    """The files of the store that hold these bytes."""
    for listed in list(store.list("pools/")):
        if listed.key.endswith(".seg"):

            def read(start, length, key=listed.key):
                return store.get(key, start, length)

            footer = read_footer(read, listed.size, listed.key)
            plain_of = frames_of(read, footer, listed.key)
            if any(content in read_object(plain_of, entry) for entry in footer.entries):
                yield listed.key


def test_a_blob_is_a_notice_wherever_it_stood(leaked, ada, audited):
    done = erase(leaked, blobs=[SECRET_ID], reason="it was a password")

    assert [one.address for one in done.projects] == ["acme/notes"] and done.unreached == ()
    assert leaked.tree(ada) == {
        b"README": b"hello\n",
        b"conf/a": b"b\n",
        b"conf/env": NOTICE,
        b"copy": NOTICE,
    }
    assert list(stored(leaked.forge.store, SECRET)) == []
    assert audited("project.purge")[0][2:] == (
        "acme/notes",
        {
            "paths": [],
            "blobs": [SECRET_ID],
            "summaries": [],
            "reason": "it was a password",
            "only": False,
        },
    )
    assert found(leaked.forge) == [] and differing(leaked.forge) == []


def test_a_path_is_gone_from_every_position(leaked, ada):
    erase(leaked, paths=["conf"])

    assert leaked.tree(ada) == {b"README": b"hello\n", b"copy": SECRET}
    tree = leaked.run(ada, get_tree, **leaked.where, ref="@1", path="")
    assert [entry.name for entry in tree.entries] == ["README"]
    assert [one.files for one in leaked.run(ada, list_landings, **leaked.where).items] == [1, 0, 1]
    assert found(leaked.forge) == [] and differing(leaked.forge) == []


def test_rows_and_pages_follow(leaked, ada):
    before = leaked.run(ada, list_landings, **leaked.where).items
    erase(leaked, blobs=[SECRET_ID])

    after = leaked.run(ada, list_landings, **leaked.where).items
    assert [one.position for one in after] == [3, 2, 1]
    assert after[0].commit != before[0].commit and after[2] == before[2]
    project = leaked.run(ada, get_project, **leaked.where)
    assert (project.commit, project.tree) == (after[0].commit, after[0].tree)
    shown = leaked.run(ada, get_file, **leaked.where, ref="@2", path="conf/env")
    assert shown.text == NOTICE.decode()
    diff = leaked.run(ada, get_landing_diff, **leaked.where, position=2)
    assert "hunter2" not in diff.model_dump_json()
    assert leaked.landed(ada, {"more": b"x\n"}).position == 4
    assert found(leaked.forge) == [] and differing(leaked.forge) == []


def test_an_old_commit_says_when_and_by_whom_it_was_erased(leaked, ada):
    old = leaked.run(ada, get_landing, **leaked.where, position=2).commit
    erase(leaked, blobs=[SECRET_ID])

    with pytest.raises(ErasedObject, match=r"was erased on 2026-03-01.* by an operator") as refusal:
        leaked.run(ada, get_file, **leaked.where, ref=old, path="conf/env")
    assert (refusal.value.code, status_of(refusal.value)) == ("object.erased", 404)
    with pytest.raises(NotFound):
        leaked.run(ada, resolve_ref, **leaked.where, ref="0" * 64)


def test_forks_are_covered(leaked, ada, mallory):
    leaked.run(mallory, fork_project, **leaked.where)
    mine = leaked.on("mallory/notes")
    mine.landed(mallory, {"own": b"x\n"})

    done = erase(leaked, blobs=[SECRET_ID])

    assert {one.address for one in done.projects} == {"acme/notes", "mallory/notes"}
    assert mine.tree(mallory)[b"conf/env"] == NOTICE
    assert list(stored(leaked.forge.store, SECRET)) == []
    assert found(leaked.forge) == [] and differing(leaked.forge) == []


def test_a_fork_that_was_left_out_is_named_and_keeps_it(leaked, ada, mallory):
    leaked.run(mallory, fork_project, **leaked.where)
    mine = leaked.on("mallory/notes")

    done = erase(leaked, blobs=[SECRET_ID], only=True)

    assert done.unreached == ("mallory/notes",) and done.kept > 0
    assert mine.tree(mallory)[b"copy"] == SECRET
    assert leaked.tree(ada)[b"copy"] == NOTICE
    assert erase(mine, blobs=[SECRET_ID]).unreached == ()
    assert list(stored(leaked.forge.store, SECRET)) == []
    assert found(leaked.forge) == [] and differing(leaked.forge) == []


def test_a_fork_made_afterwards_inherits_what_is_left(leaked, ada, mallory):
    erase(leaked, blobs=[SECRET_ID])
    leaked.run(mallory, fork_project, **leaked.where)

    assert leaked.on("mallory/notes").tree(mallory)[b"copy"] == NOTICE
    assert found(leaked.forge) == [] and differing(leaked.forge) == []


def test_the_words_of_a_landing_are_erased_and_nothing_else(leaked, ada):
    session = leaked.run(ada, get_landing, **leaked.where, position=2).session
    before = leaked.run(ada, get_landing, **leaked.where, position=3)
    erase(leaked, positions=[2])

    landing = leaked.run(ada, get_landing, **leaked.where, position=2)
    assert (landing.goal, landing.summary, landing.author, landing.conversation) == (
        "(erased on 2026-03-01)",
        "",
        "",
        [],
    )
    assert leaked.run(ada, get_landing, **leaked.where, position=3).model_dump() == before.model_dump()
    shown = leaked.run(ada, get_session, session=session)
    events = leaked.run(ada, list_session_events, session=session)
    assert "hunter2" not in shown.model_dump_json() + events.model_dump_json()
    assert leaked.tree(ada)[b"copy"] == SECRET
    project = leaked.run(ada, get_project, **leaked.where).id
    assert list(leaked.forge.store.list(f"archives/{project}/{session}/")) == []
    assert found(leaked.forge) == [] and differing(leaked.forge) == []


def test_open_sessions_lose_what_was_erased_and_go_on(leaked, ada):
    session = leaked.start(ada).id
    leaked.push(ada, session, {"mine": b"mine\n", "again": b"other secret\n"})
    other = Object.of(Kind.BLOB, b"other secret\n").id
    leaked.landed(ada, {"there": b"other secret\n"})

    erase(leaked, blobs=[SECRET_ID, other])

    shown = leaked.run(ada, get_session, session=session)
    assert [change.path for change in shown.changes] == ["mine"]
    assert leaked.run(ada, get_session_diff, session=session).files[0].path == "mine"
    said = leaked.run(ada, list_session_events, session=session).items[-1]
    assert said.kind == "error" and "again" in said.body["text"]
    assert leaked.land(ada, session).position == 5
    assert leaked.tree(ada)[b"mine"] == b"mine\n"
    assert found(leaked.forge) == []


@pytest.mark.parametrize("point", ["purge.frozen", "purge.written", "purge.swapped"])
def test_a_purge_that_died_is_finished_by_the_same_command(leaked, ada, point):
    faults.arm(point, kill)
    with pytest.raises(Killed):
        erase(leaked, blobs=[SECRET_ID])
    faults.disarm()

    with leaked.restarted() as fresh:
        erase(fresh, blobs=[SECRET_ID])
        assert fresh.tree(ada)[b"copy"] == NOTICE
        assert fresh.landed(ada, {"x": b"x\n"}).position == 4
        assert list(stored(fresh.forge.store, SECRET)) == []
        assert found(fresh.forge) == [] and differing(fresh.forge) == []


@pytest.mark.parametrize("node", ["same", "other"])
def test_another_process_serves_nothing_from_before_the_purge(leaked, ada, tmp_path, node):
    settings = leaked.forge.settings
    if node == "other":
        # The same store and database, an index and caches of its own.
        settings = replace(settings, data=tmp_path / "elsewhere", storage_path=settings.storage_path)
    old = leaked.run(ada, get_landing, **leaked.where, position=2)
    with closing(Forge.open(settings, clock=leaked.forge.clock)) as forge:
        other = Workbench(forge)
        assert other.tree(ada)[b"copy"] == SECRET
        assert other.run(ada, get_file, **other.where, path="copy").text == SECRET.decode()

        erase(leaked, blobs=[SECRET_ID])

        assert other.run(ada, get_file, **other.where, path="copy").text == NOTICE.decode()
        repository = next(parts[Repository] for parts in forge._projects.values())
        for id in (SECRET_ID, old.commit, old.tree):
            with pytest.raises(ErasedObject):
                repository.read(id)
        with pytest.raises(ErasedObject):
            repository.tree(old.tree)
        assert not any(SECRET in plain for plain in repository.frames._frames.values())
        assert other.landed(ada, {"x": b"x\n"}).position == 4


def test_nothing_is_erased_when_it_cannot_be_named(leaked):
    for what in ({}, {"blobs": ["xyz"]}, {"paths": [".."]}):
        with pytest.raises(MicelioError) as refusal:
            erase(leaked, **what)
        assert refusal.value.kind == "invalid"
    with pytest.raises(NotFound):
        erase(leaked, positions=[9])
    assert erase(leaked, blobs=["0" * 64]).projects == ()


def test_the_command_asks_says_what_it_did_and_what_it_cannot_reach(leaked, capsys, monkeypatch):
    monkeypatch.setattr(manage, "_check_schema", lambda args, face: None)
    monkeypatch.setattr(manage, "_forge", lambda settings: leaked.restarted_forge())
    asked = argparse.Namespace(
        project="acme/notes", path=["conf/env"], blob=[], summary=[], reason="", only=False, yes=False
    )
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(InvalidInput, match="--yes"):
        manage._purge(asked, leaked.forge.settings, None)
    asked.yes = True

    assert manage._purge(asked, leaked.forge.settings, None) == 0
    said = capsys.readouterr().out
    assert "acme/notes: " in said and "2 positions have new commits" in said
    for word in ("Clones", "Backups", "mirrors", "Events and archives"):
        assert word in said
