"""Contents of many files in one request: the first half of a push from a browser or with curl."""

import pytest
from anyio.from_thread import start_blocking_portal
from httpx import ASGITransport, AsyncClient

from backend.core.operations import invoke, operations
from backend.doors.routes import own_app
from backend.sessions import files, web


@pytest.fixture(scope="module")
def portal():
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def send(forge, portal):
    """Send files to a session as somebody, or as nobody."""
    client = AsyncClient(transport=ASGITransport(own_app(forge)), base_url="http://forge.test")

    def send(actor, session, contents, scopes=("session:write",), kind=None, **request):
        headers = {"content-type": kind} if kind else {}
        if actor is not None:
            asked = {"name": "test", "scopes": list(scopes)}
            made = invoke(forge, actor, operations()["create_access_token"], asked)
            headers["authorization"] = f"Bearer {made.token}"
        if "content" not in request:
            request["files"] = [("file", (str(n), content)) for n, content in enumerate(contents)]

        async def post():
            return await client.post(f"/api/v1/sessions/{session}/blobs", headers=headers, **request)

        return portal.call(post)

    return send


def test_contents_come_back_as_ids_in_their_order_and_can_be_pushed(bench, ada, send):
    session = bench.start(ada).id
    contents = [b"one\n", b"\0\xff binary", b"one\n", b""]

    answer = send(ada, session, contents)

    assert answer.status_code == 201
    ids = answer.json()["blobs"]
    assert len(ids) == 4 and ids[0] == ids[2]
    puts = [{"path": f"d/{n}", "blob": id, "mode": "100644"} for n, id in enumerate(ids)]
    bench.run(ada, files.push_session, session=session, files=puts)
    bench.land(ada, session)
    assert bench.tree(ada) == {b"d/%d" % n: content for n, content in enumerate(contents)}


def test_only_whoever_may_change_the_session_sends_contents(bench, ada, mallory, send):
    session = bench.start(ada).id

    assert send(None, session, [b"x"]).status_code == 401
    assert send(ada, session, [b"x"], scopes=["session:read"]).json()["code"] == "auth.forbidden"
    assert send(mallory, session, [b"x"]).status_code in (403, 404)
    assert send(mallory, "01a00000-0000-7000-8000-000000000000", [b"x"]).status_code == 404


def test_too_many_and_too_much_are_refused(bench, ada, send, monkeypatch):
    session = bench.start(ada).id
    many = send(ada, session, [b""] * (web.MOST_BLOBS + 1))
    assert many.status_code == 422 and "500" in many.json()["detail"]

    monkeypatch.setattr(web, "LARGEST_BATCH", 1000)
    much = send(ada, session, [b"x" * 2000])
    assert (much.status_code, much.json()["code"]) == (413, "file.too_large")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "multipart/form-data; boundary=x"])
def test_what_is_no_list_of_files_is_said_to_be_none(bench, ada, send, kind):
    session = bench.start(ada).id

    answer = send(ada, session, [], content=b"garbage", kind=kind)

    assert answer.status_code == 422
    assert "files" in answer.json()["detail"]
