"""What HTTP says around git: who may, in which headers, and what no git client would send."""

import gzip
import socket
import zlib
from base64 import b64encode
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest

from backend.accounts.identity import of_token
from backend.core.context import Actor
from backend.doors import git as door

ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
REQUEST = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}
LIST = b"0014command=ls-refs\n0001001bref-prefix refs/heads/\n0000"


def asked(place, project, *, user="", password="", service="git-upload-pack", method="GET", **headers):
    auth = (user, password) if user else None
    address = f"{place.url}/acme/{project}/info/refs"
    return httpx.request(method, address, params={"service": service}, auth=auth, headers=headers)


def listed(place, body=LIST, **headers):
    return httpx.post(f"{place.url}/acme/open/git-upload-pack", content=body, headers=REQUEST | headers)


def comparable(response):
    changing = ("x-request-id", "date")
    return (
        response.status_code,
        response.text,
        {k: v for k, v in response.headers.items() if k not in changing},
    )


def test_what_git_is_told_is_not_kept_by_anybody_on_the_way(place):
    answer = asked(place, "open")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == ADVERTISEMENT
    assert answer.headers["cache-control"] == "no-cache, max-age=0, must-revalidate"
    assert answer.headers["pragma"] == "no-cache"
    assert answer.headers["expires"] == "Fri, 01 Jan 1980 00:00:00 GMT"
    assert "etag" not in answer.headers

    assert answer.text.startswith("001e# service=git-upload-pack\n0000")
    head = asked(place, "open", method="HEAD")
    assert (head.status_code, head.headers["content-type"], head.content) == (200, ADVERTISEMENT, b"")


def test_strangers_learn_nothing_about_what_is_private(place):
    private, missing, elsewhere = (asked(place, name) for name in ("secret", "missing", "..%2Fopen"))

    assert comparable(private) == comparable(missing) == comparable(elsewhere)
    assert private.status_code == 401
    assert private.headers["www-authenticate"] == 'Basic realm="Micelio", charset="UTF-8"'


def test_credentials_without_access_are_not_found(place):
    token = place.world.tokens["mallory"]
    private, missing = (asked(place, name, user="mallory", password=token) for name in ("secret", "missing"))

    assert comparable(private) == comparable(missing)
    assert private.status_code == 404
    assert "www-authenticate" not in private.headers


@pytest.mark.parametrize("project", ["open", "secret", "missing"])
@pytest.mark.parametrize(("user", "token"), [("grace", "mic_wrong"), ("mallory", "grace's"), ("grace", "")])
def test_wrong_credentials_are_refused_whatever_is_asked_for(place, project, user, token):
    password = place.world.tokens["grace"] if token == "grace's" else token

    assert asked(place, project, user=user, password=password).status_code == 401


def test_credentials_that_cannot_be_read_are_refused(place):
    for header in ("Basic", "Basic !!!", "Basic " + b64encode(b"\xff:\xff").decode(), "Digest abc"):
        assert asked(place, "open", Authorization=header).status_code == 401, header


def test_a_token_that_may_not_read_projects_is_told_so(place):
    made = place.run("create_access_token", name="small", scopes=["session:read"])
    answer = asked(place, "secret", user="grace", password=made["token"])

    assert answer.status_code == 403
    assert "project:read" in answer.text


def test_a_browsers_cookie_opens_nothing_here(place):
    cookie = {"Cookie": f"micelio_session={place.world.names['cookie.grace']}"}

    assert asked(place, "secret", **cookie).status_code == 401


def test_old_clients_and_other_services_get_a_sentence(place):
    old = httpx.get(f"{place.url}/acme/open/info/refs")
    assert old.status_code == 403
    assert old.text.startswith("This server speaks git's smart HTTP protocol only.")
    assert httpx.get(f"{place.url}/acme/open.git/HEAD").status_code == 403
    assert httpx.get(f"{place.url}/acme/open.git/objects/info/packs").status_code == 403

    assert asked(place, "open", service="git-upload-archive").status_code == 403
    assert httpx.get(f"{place.url}/acme/open/git-upload-pack").status_code == 405


def test_a_body_may_come_compressed_or_in_pieces(place):
    plain = listed(place)
    assert plain.status_code == 200
    assert b"refs/heads/main" in plain.content

    def pieces():
        for at in range(0, len(LIST), 7):
            yield LIST[at : at + 7]

    assert listed(place, gzip.compress(LIST), **{"Content-Encoding": "gzip"}).content == plain.content
    assert listed(place, pieces()).content == plain.content


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(LIST, mtime=0)[:-5], {"Content-Encoding": "gzip"}, 400),
        (LIST, {"Content-Encoding": "br"}, 400),
        (LIST, {"Content-Type": "text/plain"}, 415),
        (gzip.compress(bytes(4 << 20), mtime=0), {"Content-Encoding": "gzip"}, 413),
    ],
)
def test_a_body_that_git_would_not_send_is_refused(place, body, headers, status):
    answer = listed(place, body, **headers)

    assert answer.status_code == status
    assert answer.text.endswith("\n")


def test_a_body_that_grows_too_much_is_not_unpacked_to_the_end(place, monkeypatch):
    monkeypatch.setattr(door, "BODY_LIMIT", 1000)
    monkeypatch.setattr(door.read_body, "__defaults__", (1000,))
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = squeeze.compress(bytes(range(256)) * 10) + squeeze.flush()

    assert listed(place, body, **{"Content-Encoding": "gzip"}).status_code == 413


def test_nonsense_is_answered_by_git_and_never_breaks_us(place):
    for body in (b"", b"0000", b"zzzz", b"0014command=ls-refs\n", b"ffff", b"0011command=nope0000"):
        answer = listed(place, body)
        assert answer.status_code in (200, 503), (body, answer.status_code)


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(place):
    where = urlsplit(place.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(
            b"POST /acme/open/git-upload-pack HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/x-git-upload-pack-request\r\nGit-Protocol: version=2\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (where.netloc.encode(), len(LIST))
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(LIST)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"refs/heads/main" in answer


def test_requests_are_counted_by_token_and_by_address(own):
    rates = own.forge.settings.rates
    key = f"git-token:{_token_id(own, 'grace')}"
    before = own.forge.left(key, rates.account)[0]
    asked(own, "open", user="grace", password=own.world.tokens["grace"])
    assert own.forge.left(key, rates.account)[0] == before - 1
    before = own.forge.left("address:127.0.0.1", rates.anonymous)[0]
    asked(own, "open", user="grace", password="mic_guess")
    asked(own, "open")

    assert own.forge.left("address:127.0.0.1", rates.anonymous)[0] == before - 2
    own.forge.settings = replace(own.forge.settings, rates=replace(rates, anonymous=3, account=2))
    for person, allowed in (("", 3), ("grace", 2)):
        token = own.world.tokens.get(person, "")
        told = [asked(own, "open", user=person, password=token) for _ in range(allowed + 1)]
        assert [answer.status_code for answer in told] == [200] * allowed + [429], person
        assert int(told[-1].headers["retry-after"]) > 0 and told[-1].text.endswith("\n")


def _token_id(place, person):
    return of_token(place.forge, place.world.tokens[person], Actor()).token_id
