from dataclasses import replace
from http.cookies import SimpleCookie

import pytest

from backend.accounts.browsers import COOKIE
from backend.accounts.identity import of_cookie
from backend.accounts.links import first_admin_link
from backend.accounts.models import Account
from backend.accounts.passwords import Passwords
from backend.accounts.sign_in import SignInFailed, sign_in
from backend.accounts.web import local_path
from backend.core.context import Forge
from backend.core.errors import RateLimited
from tests.forges import PASSWORD


def cookie_of(answer):
    """The session cookie as it is set, beside that of the device."""
    (header,) = (text for text in answer.headers.get_list("set-cookie") if text.startswith(COOKIE))
    return SimpleCookie(header)[COOKIE]


def submit(site, path: str, headers=None, **fields: str):
    return site.post(path, data=fields, headers=headers)


def test_a_form_signs_in_with_a_cookie_that_scripts_cannot_see(forge, site, ada, stranger, audited):
    answer = submit(site, "/auth/sign-in", handle="Ada", password=PASSWORD, next="/acme/tea?tab=1")

    cookie = cookie_of(answer)
    assert (answer.status_code, answer.headers["location"]) == (303, "/acme/tea?tab=1")
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["path"], cookie["secure"]) == (
        True,
        "lax",
        "/",
        "",
    )
    assert of_cookie(forge, cookie.value, stranger).id == ada.id
    assert audited("sign_in") == [("ada", "browser", "ada", {"how": "password"})]


def test_the_cookie_is_secure_where_the_forge_is(forge, site, ada):
    forge.settings = replace(forge.settings, url="https://forge.example.org")

    answer = submit(site, "/auth/sign-in", handle="ada", password=PASSWORD)

    assert cookie_of(answer)["secure"] is True


def test_an_email_address_is_as_good_as_a_handle(site, ada):
    assert submit(site, "/auth/sign-in", handle="ADA@example.org", password=PASSWORD).status_code == 303


@pytest.mark.parametrize("who", ["ada", "nobody", "nobody@example.org", ""])
def test_a_wrong_password_and_an_unknown_account_look_alike(site, ada, who, audited):
    answer = submit(site, "/auth/sign-in", handle=who, password="<script>", next="/acme")

    assert answer.headers["location"] == "/signin?next=%2Facme&error=sign_in.wrong"
    assert "set-cookie" not in answer.headers
    assert [row[2] for row in audited("sign_in.failed")] == ["ada" if who == "ada" else ""]


def test_callers_that_speak_json_get_a_problem_instead(site, ada):
    wrong = site.post("/auth/sign-in", json={"handle": "ada", "password": "no"})
    right = site.post("/auth/sign-in", json={"handle": "ada", "password": PASSWORD, "next": "/acme"})

    assert wrong.json() == {"code": "sign_in.wrong"}
    assert right.json() == {"next": "/acme"}
    assert COOKIE in right.cookies


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://testserver.evil.example"])
@pytest.mark.parametrize(
    "path",
    [f"/auth/{form}" for form in ("sign-in", "sign-out", "first", "link", "sign-up", "confirm", "reset")],
)
def test_a_form_of_another_site_is_refused(forge, ada, site, path, origin):
    site.headers.pop("origin")

    answer = submit(
        site, path, headers={"origin": origin} if origin else None, handle="ada", password=PASSWORD
    )

    assert (answer.status_code, answer.json()) == (403, {"code": "origin.foreign"})
    assert "set-cookie" not in answer.headers


def test_the_public_address_is_an_origin_of_ours_behind_a_proxy(forge, site, ada):
    forge.settings = replace(forge.settings, url="https://forge.example.org")
    ours = {"origin": "https://forge.example.org"}

    assert submit(site, "/auth/sign-in", headers=ours, handle="ada", password=PASSWORD).status_code == 303


def test_signing_out_ends_the_session_and_clears_the_cookie(forge, site, ada, stranger, audited):
    cookie = submit(site, "/auth/sign-in", handle="ada", password=PASSWORD).cookies[COOKIE]
    answer = submit(site, "/auth/sign-out")

    assert not of_cookie(forge, cookie, stranger).signed_in
    assert cookie_of(answer).value == ""
    assert audited("sign_out") == [("ada", "browser", "ada", {})]


def test_the_first_administrator_signs_in_by_form(forge, site, stranger):
    token = first_admin_link(forge).partition("token=")[2]
    who = {"handle": "margaret", "email": "margaret@example.org"}

    weak = submit(site, "/auth/first", token=token, password="password1234", **who)
    good = submit(site, "/auth/first", token=token, password=PASSWORD, **who)
    again = submit(site, "/auth/first", token=token, password=PASSWORD, **who)

    kept = f"token={token}&handle=margaret&email=margaret%40example.org"
    assert weak.headers["location"] == f"/welcome?{kept}&error=password.common"
    assert good.headers["location"] == "/"
    assert of_cookie(forge, good.cookies[COOKIE], stranger).admin
    assert again.headers["location"] == f"/welcome?{kept}&error=link.invalid"


def test_a_used_up_link_goes_back_to_its_page(site):
    answer = submit(site, "/auth/link", token="nonsense")

    assert answer.headers["location"] == "/link?token=nonsense&error=link.invalid"


def test_guessing_is_slowed_for_an_account_at_an_address(site, ada, grace):
    for _ in range(10):
        submit(site, "/auth/sign-in", handle="ada", password="a guess of hers")

    limited = submit(site, "/auth/sign-in", handle="ada", password=PASSWORD)
    other = submit(site, "/auth/sign-in", handle="grace", password=PASSWORD)

    assert limited.headers["location"] == "/signin?error=rate.limited"
    assert other.headers["location"] == "/"


def test_guessing_from_one_address_at_every_account_is_slowed_too(forge, stranger):
    for number in range(100):
        with pytest.raises(SignInFailed):
            sign_in(forge, stranger, who=f"account{number}", password="a guess")

    with pytest.raises(RateLimited):
        sign_in(forge, stranger, who="another", password="a guess")


@pytest.mark.parametrize("path", ["/", "/acme", "/acme/tea/tree/main/a%20b?x=1&y=//z#L3"])
def test_a_path_of_ours_is_where_one_goes_next(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "acme",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "/auth/sign-out",
        "/" + "x" * 3000,
    ],
)
def test_nowhere_else(path):
    assert local_path(path) == "/"


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"handle=a%00b&password=x", b"&".join(b"a%d=1" % i for i in range(60)), b"x" * 20_000],
)
def test_a_form_that_cannot_be_read_is_refused(site, body):
    answer = site.post(
        "/auth/sign-in", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )

    assert answer.headers["location"] == "/signin?error=input.invalid"


@pytest.mark.parametrize("body", [b"[]", b'{"handle": 1}', b"{", b'{"handle": "\\ud800"}'])
def test_json_that_is_no_form_is_refused(site, body):
    answer = site.post("/auth/sign-in", content=body, headers={"content-type": "application/json"})

    assert answer.json() == {"code": "input.invalid"}


def test_a_hash_made_at_other_costs_is_made_again_at_the_next_sign_in(forge, settings, clock, ada, stranger):
    dearer = Forge.open(settings, clock=clock)
    dearer.part(Passwords, lambda: Passwords(time_cost=2, memory_cost=16, parallelism=1))
    sign_in(dearer, stranger, who="ada", password=PASSWORD)
    dearer.close()

    with forge.db.transaction(write=False) as db:
        assert "m=16,t=2" in db.get(Account, ada.id).password_hash
