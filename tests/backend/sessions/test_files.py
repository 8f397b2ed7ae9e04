import pytest

from backend.core.context import SYSTEM, Context
from backend.core.errors import Forbidden, InvalidInput, InvalidPath, NotFound, ValidationFailed
from backend.projects.tree import get_file, list_blobs
from backend.sessions import content, files
from backend.sessions.files import BlobsMissing
from backend.sessions.live import list_session_events
from backend.sessions.service import get_session
from vcs.objects import Kind, Object, object_id
from vcs.paths import quote

ODD = (b"caf\xe9", b"line\nbreak", b"with space", b"back\\slash", "å/ß.txt".encode())


@pytest.fixture
def session(bench, ada):
    """A session on a project with a, d/b and d/e/c."""
    bench.landed(ada, {"a": b"a\n", "d/b": b"b\n", "d/e/c": b"c\n"})
    return bench.start(ada).id


def shape(detail):
    return {change.path: change.status for change in detail.changes}


def test_a_push_tells_what_changed_against_the_base(bench, ada, session):
    detail = bench.push(ada, session, {"a": b"a\nmore\n", "new": b"1\n2\n", "d/b": None})

    assert [(c.path, c.status, c.additions, c.deletions) for c in detail.changes] == [
        ("a", "modified", 1, 0),
        ("d/b", "deleted", 0, 1),
        ("new", "added", 2, 0),
    ]
    assert (detail.revision, detail.files, detail.additions, detail.deletions) == (1, 3, 3, 1)


def test_the_same_push_again_is_no_change(bench, ada, session):
    once = bench.push(ada, session, {"a": b"x"})

    assert bench.push(ada, session, {"a": b"x"}) == once


def test_an_incremental_push_leaves_other_changes_and_a_complete_one_takes_them_back(bench, ada, session):
    bench.push(ada, session, {"a": b"x", "new": b"n", "d/b": None})

    assert shape(bench.push(ada, session, {"other": b"o"})).keys() == {"a", "new", "d/b", "other"}
    assert shape(bench.push(ada, session, {"new": b"n"}, complete=True)) == {"new": "added"}
    assert bench.push(ada, session, {}, complete=True).files == 0


def test_a_path_that_is_back_at_its_base_is_no_change_any_more(bench, ada, session):
    bench.push(ada, session, {"a": b"x"})

    assert bench.push(ada, session, {"a": b"a\n"}).changes == []


def test_modes_links_and_empty_files_land_as_they_are(bench, ada, session):
    bench.push(ada, session, {"run": b"#!/bin/sh\n"}, mode="100755")
    bench.push(ada, session, {"link": b"../a"}, mode="120000")
    bench.push(ada, session, {"empty": b"", "a": b"a\n", "bin": b"\x00\xff"})
    bench.push(ada, session, {"a": b"a\n"}, mode="100755")
    bench.land(ada, session)
    modes = {item.path: (item.mode, item.size) for item in bench.run(ada, list_blobs, **bench.where).items}
    assert modes["run"] == ("100755", 10) and modes["link"] == ("120000", 4)
    assert modes["empty"] == ("100644", 0) and modes["a"] == ("100755", 2)


def test_odd_paths_come_back_byte_for_byte(bench, ada, session):
    bench.push(ada, session, {path: path for path in ODD})
    bench.land(ada, session)

    assert {path: text for path, text in bench.tree(ada).items() if path in ODD} == {p: p for p in ODD}
    for path in ODD:
        assert bench.run(ada, get_file, **bench.where, path=quote(path)).path == quote(path)


def test_paths_no_tree_may_hold_are_refused(bench, ada, session):
    blob = bench.store(ada, session, b"x")

    for path in ("/a", "a//b", ".git/config", "a/.GIT/x", "..", "a/../b", "a\\", "a\\x0"):
        with pytest.raises(InvalidPath):
            bench.run(ada, files.put_session_file, session=session, path=path, blob=blob)


def test_a_folder_gives_way_to_a_file_and_a_file_to_a_folder(bench, ada, session):
    detail = bench.push(ada, session, {"d": b"now a file\n", "a/x": b"now a folder\n"})
    assert shape(detail) == {
        "a": "deleted",
        "a/x": "added",
        "d": "added",
        "d/b": "deleted",
        "d/e/c": "deleted",
    }

    bench.push(ada, session, {"d/again": b"a folder after all\n"})
    bench.land(ada, session)
    assert bench.tree(ada) == {b"a/x": b"now a folder\n", b"d/again": b"a folder after all\n"}


def test_one_path_cannot_be_a_file_and_a_folder_at_once(bench, ada, session):
    with pytest.raises(ValidationFailed, match="file and a folder"):
        bench.push(ada, session, {"n": b"1", "n/m": b"2"})


def test_files_and_folders_are_deleted_and_renamed_by_name(bench, ada, session):
    gone = bench.run(ada, files.delete_session_file, session=session, path="d")
    assert shape(gone) == {"d/b": "deleted", "d/e/c": "deleted"}
    moved = bench.run(ada, files.rename_session_file, session=session, path="a", to="z")
    assert shape(moved) == {"a": "deleted", "d/b": "deleted", "d/e/c": "deleted", "z": "added"}

    for attempt in (
        lambda: bench.run(ada, files.delete_session_file, session=session, path="d"),
        lambda: bench.run(ada, files.rename_session_file, session=session, path="a", to="y"),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_content_that_was_not_sent_is_named(bench, ada, session):
    there, lacking = bench.store(ada, session, b"there"), object_id(Kind.BLOB, b"lacking")
    landed = object_id(Kind.BLOB, b"a\n")

    missing = bench.run(ada, files.missing_blobs, session=session, blobs=[lacking, there, landed, lacking])
    assert missing.blobs == [lacking]
    with pytest.raises(BlobsMissing) as refusal:
        bench.run(ada, files.put_session_file, session=session, path="x", blob=lacking)
    assert refusal.value.details["blobs"] == [lacking]


def test_a_folders_id_is_no_content(bench, ada, session):
    tree = bench.run(ada, get_session, session=session).base_tree

    with pytest.raises(ValidationFailed, match="is a tree"):
        bench.run(ada, files.put_session_file, session=session, path="x", blob=tree)


def test_content_that_arrives_damaged_is_refused(bench, ada, session):
    with pytest.raises(InvalidInput, match="damaged on the way"):
        content.store_content(bench.forge, ada, session, [b"x"], expected=object_id(Kind.BLOB, b"y"))


def test_what_one_session_staged_another_does_not_see(bench, ada, grace, session):
    blob = bench.store(ada, session, b"mine alone")
    other = bench.start(grace).id

    with pytest.raises(BlobsMissing):
        bench.run(grace, files.put_session_file, session=other, path="x", blob=blob)


def test_the_diff_is_against_the_base_and_may_be_narrowed(bench, ada, session):
    bench.push(ada, session, {"a": b"a\nmore\n", "d/b": b"B\n"})
    bench.landed(ada, {"a": b"moved on\n"})

    whole = bench.run(ada, files.get_session_diff, session=session)
    assert [(file.path, file.additions, file.deletions) for file in whole.files] == [
        ("a", 1, 0),
        ("d/b", 1, 1),
    ]
    assert [(line.kind, line.text) for line in whole.files[0].hunks[0].lines] == [(" ", "a"), ("+", "more")]
    folder = bench.run(ada, files.get_session_diff, session=session, path="d/")
    assert [file.path for file in folder.files] == ["d/b"]


def test_each_changed_file_is_an_event_and_a_long_push_says_how_many_more(bench, ada, session):
    puts = [{"path": f"f{n:04}", "blob": object_id(Kind.BLOB, b"a\n")} for n in range(600)]
    detail = bench.run(ada, files.push_session, session=session, files=puts, message="All of them")

    events = bench.run(ada, list_session_events, session=session, limit=1000).items
    assert [event.kind for event in events[:3]] == ["prompt", "checkpoint", "diff"]
    assert len(events) == 2 + files.EVENTS_PER_PUSH + 1 and detail.files == 600
    assert events[-1].body == {"text": "100 more files changed with them."}


def test_only_the_author_and_admins_change_a_session(bench, ada, grace, mallory, stranger):
    session = bench.start(grace).id
    bench.push(ada, session, {"by": b"an admin"})

    other = bench.start(ada).id
    with pytest.raises(Forbidden):
        bench.push(grace, other, {"a": b""})
    with pytest.raises(NotFound):
        bench.push(mallory, session, {"a": b""})


def test_many_blobs_are_stored_together(bench, ada, session):
    blobs = [Object.of(Kind.BLOB, b"%d" % n) for n in range(40)]
    content.store_objects(bench.forge, ada, session, [*blobs, blobs[0]])

    with Context(bench.forge, SYSTEM).transaction(write=False) as tx:
        assert len(content.staged_keys(tx, session)) == 1
