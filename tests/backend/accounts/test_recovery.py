"""Forgotten passwords, other addresses, known devices: what the owner is told, and nobody else learns."""

import pytest
from sqlmodel import select

from backend.accounts import addresses, devices, recovery, service
from backend.accounts.browsers import COOKIE
from backend.accounts.identity import of_cookie, of_token
from backend.accounts.models import Account
from backend.accounts.recovery import WrongPassword
from backend.accounts.sign_in import SignInFailed, sign_in
from backend.core.errors import RateLimited, WrongCredentials
from tests.forges import PASSWORD

NEW = "lichen eats the north wall"


def email_of(forge, actor):
    with forge.db.transaction(write=False) as db:
        return db.exec(select(Account.email).where(Account.id == actor.id)).one()


@pytest.mark.parametrize("who", ["ada", "ADA@example.org"])
def test_a_mailed_link_lets_a_new_password_be_chosen(
    forge, invoke, site, letters, ada, stranger, who, audited
):
    assert site.submit("/auth/forgot", handle=who) == "/sent"
    (letter,) = letters()
    assert (letter.to, letter.subject) == ("ada@example.org", "Choose a new password for localhost")

    answer = site.post("/auth/reset", data={"token": letter.token, "password": NEW})

    assert of_cookie(forge, answer.cookies[COOKIE], stranger).id == ada.id
    assert sign_in(forge, stranger, who="ada", password=NEW)
    with pytest.raises(SignInFailed):
        sign_in(forge, stranger, who="ada", password=PASSWORD)
    assert "link.invalid" in site.submit("/auth/reset", token=letter.token, password=NEW)
    assert audited("password.changed")[0][3] == {"how": "link", "ended": 1}
    assert letters()[0].subject == "Your password on localhost was changed"


def test_the_answer_is_the_same_whether_there_is_an_account_or_not(invoke, letters, ada, stranger, audited):
    answers = {
        invoke(stranger, recovery.request_password_reset, handle=who).message
        for who in ("ada", "nobody", "ada@example.org", "nobody@example.org")
    }

    assert len(answers) == 1
    assert [letter.to for letter in letters()] == ["ada@example.org"], "and one link is enough"
    assert [row[2] for row in audited("password.forgotten")] == ["ada", "", "ada", ""]


def test_a_reset_link_ends_after_two_hours_and_when_the_password_is_changed_otherwise(
    invoke, site, letters, ada, stranger, clock
):
    invoke(stranger, recovery.request_password_reset, handle="ada")
    (late,) = letters()
    clock.advance(hours=2)
    assert "link.invalid" in site.submit("/auth/reset", token=late.token, password=NEW)

    invoke(stranger, recovery.request_password_reset, handle="ada")
    (unused,) = letters()
    invoke(ada, service.change_password, current=PASSWORD, new=NEW)
    assert "link.invalid" in site.submit("/auth/reset", token=unused.token, password="a heron in the reeds")


def test_asking_for_links_is_slowed(invoke, stranger):
    for _ in range(10):
        invoke(stranger, recovery.request_password_reset, handle="ada")
    with pytest.raises(RateLimited):
        invoke(stranger, recovery.request_password_reset, handle="ada")


def test_a_new_address_is_confirmed_there_and_told_to_both(forge, invoke, site, letters, ada, audited):
    invoke(ada, addresses.change_email, email="Lovelace@example.org", password=PASSWORD)
    old, new = letters()
    assert (old.to, old.subject) == ("ada@example.org", "Your address on localhost is about to change")
    assert "lovelace@example.org" in old.body and "token=" not in old.body
    assert (new.to, new.subject) == ("lovelace@example.org", "Confirm your new address for localhost")
    assert email_of(forge, ada) == "ada@example.org"

    assert site.submit("/auth/confirm", token=new.token) == "/settings?done=email"

    assert email_of(forge, ada) == "lovelace@example.org"
    assert [letter.to for letter in letters()] == ["ada@example.org", "lovelace@example.org"]
    assert audited("email.changed") == [("ada", "browser", "ada", {})]


def test_an_address_of_somebody_else_looks_like_any_other(forge, invoke, site, letters, ada, grace):
    theirs = invoke(ada, addresses.change_email, email="grace@example.org", password=PASSWORD)
    nobodys = invoke(ada, addresses.change_email, email="xxxxx@example.org", password=PASSWORD)

    assert theirs.message.replace("grace@", "xxxxx@") == nobodys.message
    to_ada, to_grace, *_ = letters()
    assert (to_ada.to, to_grace.to) == ("ada@example.org", "grace@example.org")
    assert to_grace.subject == "You have an account on localhost already"
    assert "token=" not in to_grace.body


def test_an_address_is_changed_by_who_knows_the_password(invoke, letters, ada):
    with pytest.raises(WrongPassword):
        invoke(ada, addresses.change_email, email="eve@example.org", password="a guess of hers")
    assert letters() == []


def test_a_browser_seen_for_the_first_time_is_told_by_mail_once(site, letters, ada):
    site.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    site.submit("/auth/sign-in", handle="ada", password=PASSWORD)
    (letter,) = letters()
    assert letter.subject == "New sign-in to localhost: Firefox on Linux"
    assert "192.0.2.99" in letter.body

    site.submit("/auth/sign-out")
    site.submit("/auth/sign-in", handle="ada", password=PASSWORD)
    assert letters() == []
    site.cookies.clear()
    site.submit("/auth/sign-in", handle="ada", password=PASSWORD)
    assert len(letters()) == 1


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("mic/0.1.0 (build-3; Linux)", "mic on build-3"),
        ("curl/8.5.0", "curl"),
        ("Click https://evil.example now", "Click"),
        ("\u202e<b>", "an unknown device"),
        ("", "an unknown device"),
    ],
)
def test_a_device_has_a_name_and_says_nothing_else(user_agent, name):
    assert devices.device_name(user_agent) == name


def test_signing_out_everywhere_leaves_tokens_that_people_made(forge, invoke, ada, stranger):
    made = invoke(ada, service.create_access_token, name="ci", scopes=["project:read"])
    assert invoke(ada, devices.sign_out_everywhere).items == []

    assert of_token(forge, made.token, stranger).id == ada.id
    with pytest.raises(WrongCredentials):
        of_token(forge, "mic_nothing", stranger)
