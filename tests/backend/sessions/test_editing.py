"""Editing what was read: previews that store nothing, and changes that only fit what was seen."""

from urllib.parse import urlencode

import anyio
import pytest
from httpx import ASGITransport, AsyncClient

from backend.core.errors import Forbidden, NotFound
from backend.core.operations import invoke, operations
from backend.doors.routes import own_app
from backend.invitations.answering import accept_team_invitation
from backend.invitations.service import invite_collaborator, invite_member
from backend.projects.tree import get_file
from backend.sessions.files import (
    FileChanged,
    delete_session_file,
    get_session_file,
    put_session_file,
    rename_session_file,
)
from backend.sessions.service import get_session
from vcs.objects import Kind, object_id

SCOPES = ["project:read", "session:read", "session:write"]


@pytest.fixture
def session(bench, ada):
    """A session on a project with a, d/b and d/e/c."""
    bench.landed(ada, {"a": b"a\n", "d/b": b"b\n", "d/e/c": b"c\n"})
    return bench.start(ada).id


@pytest.fixture
def call(forge):
    """Ask over HTTP as somebody with a token, or as a stranger."""

    def call(method, address, actor=None, body=b"", **query):
        headers = {}
        if actor is not None:
            made = invoke(
                forge, actor, operations()["create_access_token"], {"name": "test", "scopes": SCOPES}
            )
            headers["authorization"] = f"Bearer {made.token}"
        asked = f"{address}?{urlencode(query)}" if query else address

        async def ask():
            transport = ASGITransport(own_app(forge))
            async with AsyncClient(transport=transport, base_url="http://forge.test") as client:
                return await client.request(method, asked, headers=headers, content=body)

        return anyio.run(ask)

    return call


def id_of(text):
    return object_id(Kind.BLOB, text)


def put(bench, ada, session, path, text, seen):
    blob = bench.store(ada, session, text)
    return bench.run(ada, put_session_file, session=session, path=path, blob=blob, seen=seen)


def test_a_file_is_read_as_the_session_has_it(bench, ada, session):
    bench.push(ada, session, {"a": b"mine\n", "d/b": None})

    found = bench.run(ada, get_session_file, session=session, path="a")

    assert (found.text, found.id, found.mode, found.lines) == ("mine\n", id_of(b"mine\n"), "100644", 1)
    assert bench.run(ada, get_session_file, session=session, path="d/e/c").text == "c\n"
    for gone in ("d/b", "d", "nothing"):
        with pytest.raises(NotFound):
            bench.run(ada, get_session_file, session=session, path=gone)


def test_who_saw_the_newest_text_may_write_over_it(bench, ada, session):
    put(bench, ada, session, "a", b"one\n", id_of(b"a\n"))
    put(bench, ada, session, "a", b"two\n", id_of(b"one\n"))

    assert bench.run(ada, get_session_file, session=session, path="a").text == "two\n"


@pytest.mark.parametrize(
    ("path", "seen", "problem"),
    [
        ("a", b"older\n", "In this session a has other content now"),
        ("a", None, "In this session a exists already"),
        ("d", None, "In this session d is a folder"),
        ("a/below", None, "In this session a/below cannot be, because a is a file"),
        ("nothing", b"was here\n", "In this session nothing is gone"),
    ],
)
def test_what_was_changed_meanwhile_is_not_written_over(bench, ada, session, path, seen, problem):
    with pytest.raises(FileChanged) as refusal:
        put(bench, ada, session, path, b"mine\n", "none" if seen is None else id_of(seen))

    assert problem in refusal.value.sentence
    assert bench.push(ada, session, {}).files == 0


@pytest.mark.parametrize(
    ("invite", "role", "continues"),
    [
        (invite_member, "member", False),
        (invite_member, "admin", True),
        (invite_member, "owner", True),
        (invite_collaborator, "write", False),
        (invite_collaborator, "admin", True),
    ],
)
def test_an_admin_goes_on_in_somebody_elses_session_and_nobody_else_does(
    bench, ada, grace, mallory, invite, role, continues
):
    bench.landed(ada, {"a": b"a\n"})
    session = bench.start(grace).id
    bench.push(grace, session, {"a": b"grace\n"})
    where = bench.where if invite is invite_collaborator else {"organization": "acme"}
    asked = bench.run(ada, invite, **where, invitee="mallory", role=role)
    bench.run(mallory, accept_team_invitation, invitation_id=asked.id)

    seen = bench.run(mallory, get_session_file, session=session, path="a")
    assert seen.text == "grace\n" and "note" in bench.run(mallory, get_session, session=session).may
    assert ("change" in bench.run(mallory, get_session, session=session).may) is continues
    if continues:
        put(bench, mallory, session, "a", b"mallory\n", seen.id)
        assert bench.run(grace, get_session, session=session).author == "grace"
    else:
        with pytest.raises(Forbidden):
            put(bench, mallory, session, "a", b"mallory\n", seen.id)
    newest = "mallory\n" if continues else "grace\n"
    assert bench.run(grace, get_session_file, session=session, path="a").text == newest


def test_deletions_and_renames_fit_what_was_seen_too(bench, ada, session):
    for operation, more in ((delete_session_file, {}), (rename_session_file, {"to": "z"})):
        with pytest.raises(FileChanged):
            bench.run(ada, operation, session=session, path="a", seen=id_of(b"other\n"), **more)
    with pytest.raises(FileChanged, match="d/b exists already"):
        bench.run(ada, rename_session_file, session=session, path="a", to="d/b", seen=id_of(b"a\n"))

    bench.run(ada, rename_session_file, session=session, path="a", to="z", seen=id_of(b"a\n"))
    bench.run(ada, delete_session_file, session=session, path="z", seen=id_of(b"a\n"))
    bench.land(ada, session)

    assert sorted(bench.tree(ada)) == [b"d/b", b"d/e/c"]


def test_over_rest_the_blob_that_was_seen_is_in_the_query(bench, ada, session, call):
    address = f"/api/v1/sessions/{session}/files/a"

    refused = call("PUT", address, ada, b"mine\n", seen=id_of(b"other\n"))
    taken = call("PUT", address, ada, b"mine\n", seen=id_of(b"a\n"))

    assert (refused.status_code, refused.json()["code"]) == (409, "session.file_changed")
    assert taken.status_code == 200
    assert call("GET", address, ada).json()["text"] == "mine\n"
    assert call("PUT", address, ada, b"", sean="none").status_code == 422


def test_a_preview_shows_the_difference_and_stores_nothing(bench, ada, session, call):
    asked = {"path": "a", "was": "a", "position": 1}

    shown = call("POST", "/_fragments/acme/notes/edited", ada, b"a\nmore\n", **asked)

    assert shown.status_code == 200 and "more" in shown.text and 'class="code diff"' in shown.text
    same = call("POST", "/_fragments/acme/notes/edited", ada, b"a\n", **asked)
    assert "Nothing changed yet" in same.text
    moved = call("POST", "/_fragments/acme/notes/edited", ada, b"a\nmore\n", path="z", was="a", position=1)
    assert "Renamed" in moved.text and "more" in moved.text
    assert bench.run(ada, get_file, **bench.where, path="a").text == "a\n"
    assert bench.push(ada, session, {}).files == 0


def test_a_preview_for_a_session_starts_from_its_text(bench, ada, session, call):
    bench.push(ada, session, {"a": b"mine\n"})

    shown = call(
        "POST", "/_fragments/acme/notes/edited", ada, b"mine\nmore\n", path="a", was="a", session=session
    )

    assert "mine" in shown.text and 'class="src del"' not in shown.text


def test_a_preview_of_a_deletion_and_of_a_rename(bench, ada, session, call):
    gone = call("POST", "/_fragments/acme/notes/edited", ada, path="a", was="a", how="delete", position=1)
    moved = call("POST", "/_fragments/acme/notes/edited", ada, path="d/z", was="a", how="rename", position=1)
    taken = call("POST", "/_fragments/acme/notes/edited", ada, path="d/b", was="a", how="rename", position=1)

    assert 'class="src del"' in gone.text
    assert moved.text.startswith('<p class="notice"><b>Renamed</b>') and "z</span>" in moved.text
    assert (taken.status_code, "d/b exists already" in taken.text) == (409, True)


def test_previews_are_refused_in_a_sentence(bench, ada, mallory, session, call):
    address = "/_fragments/acme/notes/edited"

    bad = call("POST", address, ada, b"x", path="a//b", position=1)
    large = call("POST", address, ada, b"x" * ((1 << 20) + 1), path="a", position=1)
    private = call("POST", "/_fragments/acme/plans/edited", mallory, b"x", path="a")
    others = call("POST", address, mallory, b"x", path="a", session=session)

    assert (bad.status_code, "a name in it is empty" in bad.text) == (422, True)
    assert (large.status_code, "up to 1 MiB" in large.text) == (422, True)
    assert (private.status_code, others.status_code) == (404, 404)
    assert call("POST", address, None, b"x", path="a").status_code == 401
