from datetime import timedelta

import pytest
from sqlmodel import select

from backend.accounts import service
from backend.accounts.models import BrowserSession
from backend.accounts.sign_in import sign_in
from backend.core.callers import caller_address, own_origin
from backend.core.context import SYSTEM, Context, Via
from backend.core.errors import WrongCredentials
from backend.doors import identify
from tests.forges import PASSWORD


@pytest.fixture
def cookie(forge, ada, stranger) -> str:
    """The cookie of a browser that ada has just signed in at."""
    return sign_in(forge, stranger, who="ada", password=PASSWORD)


@pytest.fixture
def token(invoke, ada):
    return invoke(ada, service.create_access_token, name="laptop", scopes=["session:write"])


def test_a_token_is_its_owner_with_its_scopes(forge, ada, token):
    actor = identify.from_authorization(forge, f"bearer  {token.token} ", "192.0.2.1", "mic/1.0")

    assert (actor.id, actor.via, actor.scopes) == (ada.id, Via.TOKEN, {"session:write"})
    assert (actor.address, actor.user_agent, actor.token_id) == ("192.0.2.1", "mic/1.0", token.id)


@pytest.mark.parametrize("header", [None, "", "  "])
def test_no_header_is_a_stranger(forge, header):
    actor = identify.from_authorization(forge, header, "192.0.2.1", "curl")

    assert (actor.via, actor.signed_in, actor.address) == (Via.NOBODY, False, "192.0.2.1")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer mic_nonsense",
        "Bearer",
        "Bearer ",
        "Basic YWRhOng=",
        "mic_token",
        "Bearer x\udcff",
        "Bearer mic_é",
    ],
)
def test_a_wrong_token_is_refused_and_never_a_stranger(forge, header):
    with pytest.raises(WrongCredentials):
        identify.from_authorization(forge, header, "192.0.2.1", "curl")


def test_a_token_with_one_letter_changed_is_wrong(forge, token):
    changed = token.token[:-1] + ("A" if token.token[-1] != "A" else "B")

    with pytest.raises(WrongCredentials):
        identify.from_authorization(forge, f"Bearer {changed}", "", "")


def test_a_cookie_is_the_person_with_all_rights(forge, ada, cookie):
    actor = identify.from_cookie(forge, cookie, "192.0.2.1", "a browser")

    assert (actor.id, actor.via, actor.scopes) == (ada.id, Via.BROWSER, None)
    assert identify.browser_id(forge, f"theme=dark; micelio_session={cookie}; x=y") == actor.browser_id


@pytest.mark.parametrize(
    "spoil", [lambda c: "", lambda c: c[:-1], lambda c: c.partition(".")[0], lambda c: "a.b"]
)
def test_a_cookie_that_is_not_good_is_a_stranger(forge, cookie, spoil):
    assert identify.from_cookie(forge, spoil(cookie), "", "").via is Via.NOBODY
    assert identify.browser_id(forge, f"micelio_session={spoil(cookie)}") is None


def test_a_browser_session_lasts_30_days_from_when_it_was_last_seen(forge, clock, cookie):
    for _ in range(3):
        clock.advance(days=29)
        assert identify.from_cookie(forge, cookie, "", "").signed_in
    clock.advance(days=30)
    assert not identify.from_cookie(forge, cookie, "", "").signed_in


def test_seeing_a_browser_is_written_at_most_once_a_minute(forge, clock, cookie):
    def seen() -> object:
        identify.from_cookie(forge, cookie, "", "")
        with forge.db.transaction(write=False) as db:
            id = cookie.partition(".")[0]
            return db.exec(select(BrowserSession).where(BrowserSession.id == id)).one().seen_at

    start = clock.now
    clock.advance(seconds=59)
    assert seen() == start
    clock.advance(seconds=1)
    assert seen() == start + timedelta(minutes=1)


def test_the_socket_knows_a_browser_by_its_public_id(forge, ada, cookie):
    public = cookie.partition(".")[0]

    assert identify.from_browser_id(forge, public, "192.0.2.1", "a browser").id == ada.id
    assert not identify.from_browser_id(forge, cookie, "", "").signed_in
    assert not identify.from_browser_id(forge, None, "", "").signed_in


def test_an_actor_is_good_until_its_token_is_revoked(forge, invoke, ada, token):
    actor = identify.from_authorization(forge, f"Bearer {token.token}", "", "")
    with Context(forge, actor).transaction() as ctx:
        assert identify.still_good(ctx, actor) == actor

    invoke(ada, service.revoke_access_token, token_id=token.id)
    with Context(forge, actor).transaction() as ctx, pytest.raises(WrongCredentials):
        identify.still_good(ctx, actor)


def test_an_actor_is_good_until_its_browser_is_signed_out(forge, invoke, ada, clock):
    with Context(forge, ada).transaction() as ctx:
        assert identify.still_good(ctx, ada) == ada

    clock.advance(days=30)
    with Context(forge, ada).transaction() as ctx, pytest.raises(WrongCredentials):
        identify.still_good(ctx, ada)


def test_the_forge_and_strangers_have_no_credential_that_could_end(as_system, stranger):
    with as_system.transaction() as ctx:
        assert identify.still_good(ctx, SYSTEM) is SYSTEM
        assert identify.still_good(ctx, stranger) is stranger


@pytest.mark.parametrize(
    ("forwarded", "peer", "caller"),
    [
        ("", "203.0.113.9", "203.0.113.9"),
        ("198.51.100.1", "203.0.113.9", "203.0.113.9"),
        ("198.51.100.1", "10.0.0.1", "198.51.100.1"),
        ("1.1.1.1, 198.51.100.1", "10.0.0.1", "198.51.100.1"),
        ("1.1.1.1, 198.51.100.1, 10.0.0.2", "10.0.0.1", "198.51.100.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.1", "10.0.0.3"),
        ("198.51.100.1:4711", "10.0.0.1", "198.51.100.1"),
        ('"[2001:db8::7]:4711"', "10.0.0.1", "2001:db8::7"),
        ("198.51.100.1", "::ffff:10.0.0.1", "198.51.100.1"),
        ("198.51.100.1, nonsense", "10.0.0.1", "10.0.0.1"),
        ("198.51.100.1", "testclient", "testclient"),
    ],
)
def test_a_forwarded_address_counts_as_far_as_trusted_proxies_vouch(forwarded, peer, caller):
    assert caller_address(forwarded, peer, ["10.0.0.0/8"]) == caller


def test_nobody_is_trusted_by_default():
    assert caller_address("198.51.100.1", "10.0.0.1", []) == "10.0.0.1"


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        ("http://forge.local:4000", True),
        ("https://FORGE.local:4000", True),
        ("https://forge.example.org", True),
        ("http://forge.example.org", False),
        ("http://forge.local", False),
        ("http://forge.local:4000.evil.example", False),
        ("ftp://forge.local:4000", False),
        ("http://", False),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_is_ours_when_it_is_the_host_or_the_public_address(origin, ours):
    assert own_origin(origin, "forge.local:4000", "https://forge.example.org") is ours


def test_an_absent_host_makes_no_origin_ours():
    assert not own_origin("http://", "", "")
