"""Getting in without scripts: every form that leads to an account, filled in and sent as a browser does."""

from dataclasses import replace

import pytest

from backend.accounts.browsers import COOKIE
from backend.core.config import Signup
from tests.backend.accounts.conftest import Site, letters  # noqa: F401
from tests.micelio_app.test_plain import HOSTILE, Read

NEW = "lichen eats the north wall"


@pytest.fixture
def database(migrated_sqlite, tmp_path):
    """One database is enough: no SQL is tested here."""
    (tmp_path / "micelio.db").write_bytes(migrated_sqlite.read_bytes())
    return f"sqlite:///{tmp_path / 'micelio.db'}"


@pytest.fixture
def fill(bench, head_of):
    """Open a page, fill in the only form on it and send it: the answer."""
    site = Site(bench.forge)

    def fill(address, **typed):
        page = Read(head_of(address).body)
        (form,) = page.forms
        assert set(typed) <= set(page.fields), "there is a field for what is typed"
        return site.post(form["action"], data={**page.fields, **typed})

    return fill


@pytest.mark.parametrize(
    ("page", "action"),
    [
        ("/welcome", "/auth/first"),
        ("/link", "/auth/link"),
        ("/signup", "/auth/sign-up"),
        ("/confirm", "/auth/confirm"),
        ("/reset", "/auth/reset"),
    ],
)
def test_a_form_behind_a_link_carries_its_token_and_says_why_it_was_refused(bench, head_of, page, action):
    read = Read(head_of(f"{page}?token=s3cret&next=/acme/notes&error=handle.taken&handle={HOSTILE}").body)

    assert [form["action"] for form in read.forms] == [action]
    assert (read.fields["token"], read.fields["next"]) == ("s3cret", "/acme/notes")
    assert "This handle is taken." in read.text
    assert "script" not in read.tags


def test_a_form_never_goes_on_to_another_site(bench, head_of):
    assert "next" not in Read(head_of("/reset?token=x&next=//elsewhere.example.org").body).fields


def test_a_forgotten_password_is_replaced_by_forms_alone(fill, letters, ada):  # noqa: F811
    assert fill("/forgot", handle="ada").headers["location"] == "/sent"
    token = letters()[0].token

    refused = fill(f"/reset?token={token}", password="short").headers["location"]
    done = fill(refused, password=NEW)

    assert "error=password.short" in refused and token in refused
    assert done.cookies[COOKIE] and done.headers["location"] == "/"


def test_somebody_signs_up_and_confirms_by_forms_alone(bench, fill, head_of, letters):  # noqa: F811
    assert head_of("/signup").body.count("<form") == 0, "sign-up is by invitation"
    bench.forge.settings = replace(bench.forge.settings, signup=Signup.OPEN)

    filled = {"handle": "linus", "email": "linus@example.org", "password": NEW}
    assert fill("/signup", **filled).headers["location"] == "/sent"
    done = fill(f"/confirm?token={letters()[-1].token}")

    assert done.cookies[COOKIE]
