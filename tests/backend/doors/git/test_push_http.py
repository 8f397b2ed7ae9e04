"""Pushes as HTTP sees them, other clients than git, and pushes that end in the middle."""

import gzip
import socket
from base64 import b64encode
from urllib.parse import urlsplit

import httpx
import pygit2
import pytest
from dulwich import porcelain
from sqlmodel import select

from backend.projects.git import git_path
from backend.sessions.landing import sweep
from backend.sessions.models import Permit
from tests.backend.doors.git.conftest import until
from tests.backend.doors.git.packs import BLOB, ZERO, Maker, envelope, pack, sha1_of
from tests.backend.doors.git.pushes import Desk, state
from vcs import faults
from vcs.git.projection import MAIN

TYPE = {"Content-Type": "application/x-git-receive-pack-request"}


@pytest.fixture(autouse=True)
def harmless():
    yield
    faults.disarm()


def address(desk: Desk) -> str:
    return f"{desk.place.url}/acme/{desk.project}/git-receive-pack"


def signed(desk: Desk, person: str = "grace") -> tuple[str, str]:
    return person, desk.place.world.tokens[person]


def whole(desk: Desk, name: bytes = b"refs/heads/made") -> tuple[bytes, str]:
    """The body of a push of one commit, and its SHA-1."""
    maker = Maker(1, desk.tip())
    entries, new = maker.commit()
    return maker.push(new, name=name) + pack(entries), new.decode()


def test_a_client_may_ask_first_whether_it_may(desk: Desk):
    asked = httpx.post(address(desk), content=b"0000", headers=TYPE, auth=signed(desk))
    refused = httpx.post(address(desk), content=b"0000", headers=TYPE)

    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-type"] == "application/x-git-receive-pack-result"
    assert asked.headers["cache-control"] == "no-cache, max-age=0, must-revalidate"
    assert refused.status_code == 401 and "www-authenticate" in refused.headers


def test_a_client_that_waits_for_100_continue_is_told_to_go_on_or_refused_at_once(desk: Desk):
    body, sha1 = whole(desk, b"refs/heads/expected")
    where = urlsplit(address(desk))

    def ask(authorization: bytes) -> socket.socket:
        connection = socket.create_connection((where.hostname, where.port), timeout=30)
        connection.sendall(
            b"POST %s HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\n%s"
            b"Content-Type: application/x-git-receive-pack-request\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n"
            % (where.path.encode(), where.netloc.encode(), authorization, len(body))
        )
        return connection

    with ask(b"") as stranger:
        refused = stranger.recv(4096)
    basic = b64encode(":".join(signed(desk)).encode())
    with ask(b"Authorization: Basic %s\r\n" % basic) as connection:
        first = connection.recv(4096)
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))

    assert refused.startswith(b"HTTP/1.1 401 ")
    assert first.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK") and b"ok refs/heads/expected" in answer
    assert desk.refs()["refs/heads/expected"] == sha1


def test_bodies_may_be_zipped_and_come_in_pieces(desk: Desk):
    body, sha1 = whole(desk, b"refs/heads/zipped")
    zipped = httpx.post(
        address(desk),
        content=gzip.compress(body),
        headers=TYPE | {"Content-Encoding": "gzip"},
        auth=signed(desk),
    )
    pieces, _ = whole(desk, b"refs/heads/pieces")
    chunked = httpx.post(
        address(desk),
        content=(pieces[at : at + 7] for at in range(0, len(pieces), 7)),
        headers=TYPE,
        auth=signed(desk),
    )

    assert b"ok refs/heads/zipped" in zipped.content and b"ok refs/heads/pieces" in chunked.content
    refs = desk.refs()
    assert refs["refs/heads/zipped"] == refs["refs/heads/pieces"] == sha1


def test_after_the_answer_the_repository_follows_before_anybody_asks(desk: Desk):
    body, sha1 = whole(desk, b"refs/heads/followed")

    httpx.post(address(desk), content=body, headers=TYPE, auth=signed(desk)).raise_for_status()

    shown = git_path(desk.place.forge, desk.place.row(desk.project).id) / MAIN / "refs/heads/followed"
    assert until(lambda: shown.exists() and shown.read_text()).strip() == sha1


def test_long_pushes_probe_and_wait_to_be_asked_on(desk: Desk):
    desk.write({"big.bin": "".join(map(str, range(60_000)))})
    made = desk.commit("x.txt")

    said = desk.git(
        "-c", "http.postBuffer=1000", "-c", "http.expectContinue=true", "push", "origin", "main",
        at="work", GIT_CURL_VERBOSE="1", GIT_TRACE_CURL_NO_DATA="1",
    )  # fmt: skip

    assert said.code == 0, said.err
    assert "Transfer-Encoding: chunked" in said.err
    assert desk.place.shas(desk.project)[-1] == made


def test_a_push_cut_in_the_middle_leaves_nothing(desk: Desk):
    body, _ = whole(desk)
    before = state(desk.place, desk.project)
    place = urlsplit(desk.place.url)
    login = b64encode(":".join(signed(desk)).encode())
    head = b"POST /acme/%s/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n" % (
        desk.project.encode(),
        login,
    )
    head += b"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: %d\r\n\r\n" % len(body)
    for sent in (len(body) // 2, len(body) - 1, 10):
        with socket.create_connection((place.hostname, place.port)) as wire:
            wire.sendall(head + body[:sent])
        until(lambda: not list((desk.place.forge.settings.data / "uploads").glob("*")))

    assert state(desk.place, desk.project) == before
    assert (
        b"ok refs/heads/made"
        in httpx.post(address(desk), content=body, headers=TYPE, auth=signed(desk)).content
    )


def test_bodies_that_are_none_are_refused_in_words(desk: Desk):
    before = state(desk.place, desk.project)
    for content, headers, status, told in (
        (b"", TYPE, 400, "cut off"),
        (b"zzzz", TYPE, 400, "is no length"),
        (b"0010hello, world0000", TYPE, 400, "is no"),
        (b"0000", {"Content-Type": "text/plain"}, 415, "application/x-git-receive-pack-request"),
        (b"junk", TYPE | {"Content-Encoding": "gzip"}, 400, "no gzip"),
        (gzip.compress(bytes(64 << 20)), TYPE | {"Content-Encoding": "gzip"}, 413, "more than"),
    ):
        answer = httpx.post(address(desk), content=content, headers=headers, auth=signed(desk), timeout=60)
        assert (answer.status_code, told in answer.text) == (status, True), (content[:20], answer.text)
    assert state(desk.place, desk.project) == before


def test_a_ref_that_is_not_there_is_deleted_as_git_does_it(desk: Desk):
    before = state(desk.place, desk.project)
    for old, told in ((ZERO, b"ok refs/heads/none"), (desk.tip().encode(), b"ng refs/heads/none ")):
        body = envelope([(old, ZERO, b"refs/heads/none")])
        answer = httpx.post(address(desk), content=body, headers=TYPE, auth=signed(desk))
        assert told in answer.content
    assert state(desk.place, desk.project) == before


def test_an_object_that_a_push_lacks_is_named(desk: Desk):
    before = state(desk.place, desk.project)
    maker = Maker(2, desk.tip())
    (_, *entries), new = maker.commit()
    body = maker.push(new) + pack(entries)
    answer = httpx.post(address(desk), content=body, headers=TYPE, auth=signed(desk))

    lacked = sha1_of(BLOB, b"%d\n" % Maker(2, "").rng.randrange(10**9)).hex().encode()
    assert b"ng refs/heads/fuzz" in answer.content and lacked in answer.content
    assert state(desk.place, desk.project) == before


def test_dulwich_pushes(desk: Desk):
    made = desk.commit("by-dulwich.txt")
    work = str(desk.git.home / "work")
    person, token = signed(desk)

    porcelain.push(
        work, address(desk).removesuffix("/git-receive-pack"), "main", username=person, password=token
    )

    assert desk.place.shas(desk.project)[-1] == made


def test_libgit2_pushes(desk: Desk):
    made = desk.commit("by-libgit2.txt")
    repository = pygit2.Repository(str(desk.git.home / "work"))
    callbacks = pygit2.RemoteCallbacks(credentials=pygit2.UserPass(*signed(desk)))

    repository.remotes["origin"].push(
        ["refs/heads/main", "+refs/heads/main:refs/heads/copy"], callbacks=callbacks
    )

    assert desk.place.shas(desk.project)[-1] == made == desk.refs()["refs/heads/copy"]


@pytest.mark.parametrize("point", [point for point in faults.POINTS if point.startswith("push.")])
def test_a_push_that_dies_happened_or_did_not(desk: Desk, point):
    made = desk.commit("x.txt")
    before = state(desk.place, desk.project)

    def die() -> None:
        raise SystemError("died here")

    faults.arm(point, die)
    ran = desk.run("push", "origin", "main")
    faults.disarm()

    assert ran.code != 0
    happened = point == "push.landed"
    forge = desk.place.forge
    with forge.db.transaction(write=True) as db:
        for permit in db.exec(select(Permit)).all():
            permit.expires_at = permit.expires_at.replace(year=2000)
            db.add(permit)
    sweep(forge)
    if happened:
        assert desk.place.shas(desk.project)[-1] == made
        assert desk.session()["status"] == "landed"
        assert state(desk.place, desk.project)["permits"] == []
    else:
        # What fences HEAD gives it another version, and nothing else.
        after = state(desk.place, desk.project)
        assert {**after, "head": None} == {**before, "head": None}
        assert desk.place.shas(desk.project)[-1] != made
        desk.push("origin", "main")
