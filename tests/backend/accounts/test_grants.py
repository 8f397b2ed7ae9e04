"""Programs that are let in by a code: RFC 8628, refreshing with reuse detection, RFC 7009, metadata."""

from dataclasses import replace

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from sqlmodel import select

from backend.accounts import devices, grants, service
from backend.accounts.deletion import delete_current_user
from backend.accounts.identity import of_token
from backend.accounts.models import AccessToken, DeviceGrant, RefreshToken, TokenFamily
from backend.core import jobs
from backend.core.context import Context
from backend.core.errors import Forbidden, RateLimited, WrongCredentials
from backend.core.operations import SCOPES
from backend.doors.oauth import DEVICE_CODE
from tests.forges import PASSWORD

MIC = "mic/0.1.0 (build-3; Linux)"


class Program:
    """A program that asks to be let in."""

    def __init__(self, site, forge, **asked: str) -> None:
        self.site, self.forge, self.asked = site, forge, {"client_id": "mic", **asked}
        site.headers["user-agent"] = MIC

    def ask(self):
        self.codes = self.site.post("/oauth/device/code", data=self.asked).json()
        return self.codes["user_code"]

    def poll(self, **changes: str):
        form = {"client_id": "mic", "grant_type": DEVICE_CODE, "device_code": self.codes["device_code"]}
        return self.site.post("/oauth/token", data={**form, **changes})

    def refresh(self, token: str, key: str = "", **changes: str):
        form = {"client_id": "mic", "grant_type": "refresh_token", "refresh_token": token, **changes}
        return self.site.post("/oauth/token", data=form, headers={"idempotency-key": key} if key else {})


@pytest.fixture
def program(site, forge):
    return Program(site, forge)


@pytest.fixture
def let_in(program, invoke, ada):
    """The tokens of a program that ada let in."""
    invoke(ada, grants.approve_device_request, user_code=program.ask())
    return program.poll().json()


def test_a_program_is_let_in_by_its_code(forge, program, invoke, ada, stranger, letters, audited):
    code = program.ask()
    assert program.codes["verification_uri"] == "http://testserver/device"
    assert program.codes["verification_uri_complete"] == f"http://testserver/device?user_code={code}"
    assert program.poll().json()["error"] == "authorization_pending"

    asked = invoke(ada, grants.get_device_request, user_code=code.lower().replace("-", " "))
    assert (asked.client, asked.name, asked.address) == (
        "mic, the command line",
        "mic on build-3",
        "192.0.2.99",
    )
    assert asked.scopes == sorted(set(SCOPES) - {"admin"})
    invoke(ada, grants.approve_device_request, user_code=code)
    forge.clock.advance(seconds=3)
    tokens = program.poll()

    assert tokens.headers["cache-control"] == "no-store"
    given = tokens.json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 900)
    actor = of_token(forge, given["access_token"], stranger)
    assert (actor.handle, actor.admin, actor.scopes) == ("ada", False, frozenset(asked.scopes))
    assert program.poll().json()["error"] == "invalid_grant", "a code gives tokens once"
    newest = invoke(ada, devices.list_devices).items[0]
    assert (newest.kind, newest.name) == ("program", "mic on build-3")
    assert letters()[-1].subject == "New sign-in to localhost: mic on build-3"
    assert audited("device.let_in")[0][0] == "ada"
    assert invoke(ada, service.list_access_tokens).items == [], "its tokens are not listed one by one"


def test_no_code_is_kept_as_it_is(forge, program, let_in):
    code = program.codes["user_code"]
    secrets = [code, code.replace("-", ""), *(let_in[name] for name in ("access_token", "refresh_token"))]
    secrets.append(program.codes["device_code"])
    with forge.db.transaction(write=False) as db:
        rows = [*db.exec(select(DeviceGrant)), *db.exec(select(RefreshToken)), *db.exec(select(AccessToken))]
    kept = " ".join(row.model_dump_json() for row in rows)

    assert not [secret for secret in secrets if secret in kept]


def test_asking_too_often_slows_a_program_down(forge, program, clock):
    program.ask()
    assert program.poll().json()["error"] == "authorization_pending"
    clock.advance(seconds=2)
    assert program.poll().json()["error"] == "slow_down"
    clock.advance(seconds=7)
    assert program.poll().json()["error"] == "slow_down", "five seconds more from then on"
    clock.advance(seconds=13)
    assert program.poll().json()["error"] == "authorization_pending"


def test_a_code_ends_after_fifteen_minutes(program, invoke, clock, ada):
    code = program.ask()
    clock.advance(minutes=15)

    assert program.poll().json()["error"] == "expired_token"
    with pytest.raises(grants.UnknownCode):
        invoke(ada, grants.approve_device_request, user_code=code)


def test_no_means_no(program, invoke, ada):
    code = program.ask()
    invoke(ada, grants.deny_device_request, user_code=code)

    assert program.poll().json()["error"] == "access_denied"
    with pytest.raises(grants.UnknownCode):
        invoke(ada, grants.approve_device_request, user_code=code)


def test_only_a_person_at_a_browser_lets_programs_in(program, invoke, with_token, ada):
    code = program.ask()
    with pytest.raises(Forbidden):
        invoke(with_token(ada, "user"), grants.approve_device_request, user_code=code)


def test_nobody_lets_in_what_may_do_more_than_they(forge, site, invoke, ada, margaret, stranger):
    program = Program(site, forge, scope="admin project:read")
    with pytest.raises(Forbidden):
        invoke(ada, grants.approve_device_request, user_code=program.ask())
    invoke(margaret, grants.approve_device_request, user_code=program.codes["user_code"])

    actor = of_token(forge, program.poll().json()["access_token"], stranger)
    assert (actor.admin, actor.scopes) == (True, frozenset({"admin", "project:read"}))


def test_codes_are_not_guessed(program, invoke, ada, site):
    for _ in range(10):
        with pytest.raises(grants.UnknownCode):
            invoke(ada, grants.get_device_request, user_code="BBBB-BBBB")
    with pytest.raises(RateLimited):
        invoke(ada, grants.get_device_request, user_code=program.ask())
    for _ in range(9):
        program.ask()
    limited = site.post("/oauth/device/code", data={"client_id": "mic"})
    assert (limited.status_code, limited.json()["error"]) == (429, "slow_down")
    assert int(limited.headers["retry-after"]) > 0


def test_access_tokens_live_for_a_quarter_of_an_hour_and_are_refreshed(
    forge, program, let_in, clock, stranger
):
    clock.advance(minutes=15)
    with pytest.raises(WrongCredentials):
        of_token(forge, let_in["access_token"], stranger)

    fresh = program.refresh(let_in["refresh_token"]).json()

    assert fresh["refresh_token"] != let_in["refresh_token"]
    assert of_token(forge, fresh["access_token"], stranger).handle == "ada"


def test_a_refresh_token_that_comes_twice_ends_the_family(
    forge, program, let_in, invoke, ada, stranger, audited
):
    fresh = program.refresh(let_in["refresh_token"]).json()

    assert program.refresh(let_in["refresh_token"]).json()["error"] == "invalid_grant"

    with pytest.raises(WrongCredentials):
        of_token(forge, fresh["access_token"], stranger)
    assert program.refresh(fresh["refresh_token"]).json()["error"] == "invalid_grant"
    assert [d.kind for d in invoke(ada, devices.list_devices).items] == ["browser"]
    assert [row[2] for row in audited("family.reused")] == ["ada"]


def test_an_answer_that_got_lost_is_given_again_to_who_asked(forge, program, let_in, stranger, clock):
    first = program.refresh(let_in["refresh_token"], key="one").json()
    clock.advance(seconds=20)
    again = program.refresh(let_in["refresh_token"], key="one").json()

    assert again == {**first, "expires_in": 880}
    assert of_token(forge, again["access_token"], stranger).handle == "ada"
    later = program.refresh(first["refresh_token"], key="two").json()
    assert "access_token" in later
    # Once the next token was used the first request is over: whoever repeats it is somebody else.
    assert program.refresh(let_in["refresh_token"], key="one").json()["error"] == "invalid_grant"
    with pytest.raises(WrongCredentials):
        of_token(forge, later["access_token"], stranger)


def test_a_refresh_token_ends_after_seven_days_without_use(program, let_in, clock):
    clock.advance(days=6)
    fresh = program.refresh(let_in["refresh_token"]).json()
    clock.advance(days=7)

    assert program.refresh(fresh["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_new_password_and_signing_out_end_programs(forge, program, let_in, invoke, ada, stranger):
    invoke(ada, service.change_password, current=PASSWORD, new="lichen eats the north wall")

    with pytest.raises(WrongCredentials):
        of_token(forge, let_in["access_token"], stranger)
    assert program.refresh(let_in["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_program_is_signed_out_among_the_devices(forge, let_in, invoke, ada, mallory, stranger):
    (family,) = (d for d in invoke(ada, devices.list_devices).items if d.kind == "program")
    invoke(ada, devices.revoke_device, device_id=family.id)

    with pytest.raises(WrongCredentials):
        of_token(forge, let_in["access_token"], stranger)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_a_program_signs_itself_out(forge, site, program, let_in, stranger, which, audited):
    answer = site.post("/oauth/revoke", data={"client_id": "mic", "token": let_in[which]})

    assert (answer.status_code, answer.json()) == (200, {})
    assert [row[2] for row in audited("device.signed_out")] == ["ada"]
    with pytest.raises(WrongCredentials):
        of_token(forge, let_in["access_token"], stranger)
    assert program.refresh(let_in["refresh_token"]).json()["error"] == "invalid_grant"
    unknown = site.post("/oauth/revoke", data={"client_id": "mic", "token": "nothing"})
    assert (unknown.status_code, unknown.json()) == (200, {})


@pytest.mark.parametrize(
    ("path", "form", "status", "error"),
    [
        ("/oauth/device/code", {}, 400, "invalid_request"),
        ("/oauth/device/code", {"client_id": "<b>"}, 401, "invalid_client"),
        ("/oauth/device/code", {"client_id": "mic", "scope": "everything"}, 400, "invalid_scope"),
        ("/oauth/token", {"client_id": "mic", "grant_type": "password"}, 400, "unsupported_grant_type"),
        ("/oauth/token", {"client_id": "mic", "grant_type": DEVICE_CODE}, 400, "invalid_request"),
        (
            "/oauth/token",
            {"client_id": "mic", "grant_type": "refresh_token", "refresh_token": "x"},
            400,
            "invalid_grant",
        ),
        ("/oauth/revoke", {"client_id": "mic"}, 400, "invalid_request"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_oauth(site, path, form, status, error):
    answer = site.post(path, data=form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"].endswith(".")
    assert answer.headers["cache-control"] == "no-store"


def test_another_client_cannot_use_its_codes_or_tokens(program, let_in):
    assert program.refresh(let_in["refresh_token"], client_id="other").json()["error"] == "invalid_grant"
    program.ask()
    assert program.poll(client_id="other").json()["error"] == "invalid_grant"


def test_the_two_documents_say_where_everything_is(forge, site):
    forge.settings = replace(forge.settings, url="https://forge.example.org")
    server = site.send("GET", "/.well-known/oauth-authorization-server").json()
    resource = site.send("GET", "/.well-known/oauth-protected-resource").json()

    # It knows no server without an authorization endpoint, which device codes do not need.
    pretended = {
        "authorization_endpoint": "https://forge.example.org/x",
        "response_types_supported": ["code"],
    }
    described = AuthorizationServerMetadata({**server, **pretended})
    described.validate()
    assert server["device_authorization_endpoint"] == "https://forge.example.org/oauth/device/code"
    assert DEVICE_CODE in server["grant_types_supported"]
    assert resource["authorization_servers"] == [server["issuer"]] == ["https://forge.example.org"]


def test_a_picture_is_the_same_for_the_same_handle_and_asks_nobody(site, ada):
    drawn = {
        handle: site.send("GET", f"/avatars/{handle}.svg") for handle in ("ada", "ADA", "grace", "nobody")
    }

    assert {answer.headers["content-type"] for answer in drawn.values()} == {"image/svg+xml"}
    assert drawn["ada"].text == drawn["ADA"].text != drawn["grace"].text
    assert "immutable" in drawn["nobody"].headers["cache-control"]
    assert "http" not in drawn["ada"].text.replace("http://www.w3.org/2000/svg", "")


def test_where_an_account_is_gone_nobody_is_let_in(forge, program, invoke, ada, as_system):
    code = program.ask()
    invoke(ada, grants.approve_device_request, user_code=code)
    invoke(ada, delete_current_user, handle="ada", password=PASSWORD)
    assert program.poll().json()["error"] == "invalid_grant"
    with Context(forge, ada).transaction(write=False) as ctx:
        assert ctx.db.exec(select(DeviceGrant)).all() == []


def test_ways_in_that_ended_are_forgotten_a_month_later(forge, program, let_in, invoke, ada, clock):
    invoke(ada, devices.sign_out_everywhere)
    tidy = jobs.timers()["accounts.jobs.forget_ended_sign_ins"]
    tables = (TokenFamily, RefreshToken, AccessToken, DeviceGrant)

    def left():
        with forge.db.transaction(write=False) as db:
            return [len(db.exec(select(table)).all()) for table in tables]

    clock.advance(days=29)
    jobs.run_timer(forge, tidy)
    assert left() == [1, 1, 1, 1]
    clock.advance(days=2)
    jobs.run_timer(forge, tidy)
    assert left() == [0, 0, 0, 0]
