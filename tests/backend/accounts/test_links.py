from urllib.parse import parse_qs, urlsplit

import pytest

from backend.accounts import devices, service
from backend.accounts.identity import of_cookie, of_token
from backend.accounts.links import OtherAccount, WrongLink, create_admin, first_admin_link
from backend.accounts.passwords import WeakPassword
from backend.accounts.sign_in import sign_in, sign_in_by_link, sign_in_first
from backend.organizations.service import found_organization, list_organizations
from tests.forges import PASSWORD

FIRST = {"handle": "margaret", "email": "margaret@example.org", "password": PASSWORD}


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def test_the_first_administrator_comes_by_the_link_of_the_last_start(forge, stranger, audited):
    first, second = first_admin_link(forge), first_admin_link(forge)

    with pytest.raises(WrongLink):
        sign_in_first(forge, stranger, token=token_of(first), **FIRST)
    actor = of_cookie(forge, sign_in_first(forge, stranger, token=token_of(second), **FIRST), stranger)

    assert first.startswith("http://localhost:4000/welcome?token=")
    assert (actor.handle, actor.admin) == ("margaret", True)
    assert first_admin_link(forge) is None
    assert audited("sign_in") == [("margaret", "browser", "margaret", {"how": "first link"})]
    with pytest.raises(WrongLink):
        sign_in_first(forge, stranger, token=token_of(second), **{**FIRST, "handle": "eve"})


def test_a_refused_form_leaves_the_first_link_as_it_was(forge, stranger):
    token = token_of(first_admin_link(forge))

    with pytest.raises(WeakPassword):
        sign_in_first(forge, stranger, token=token, **{**FIRST, "password": "password1234"})

    assert sign_in_first(forge, stranger, token=token, **FIRST)


def test_the_first_administrator_owns_what_was_there_before_anybody(forge, as_system, stranger, invoke):
    with as_system.transaction() as ctx:
        found_organization(ctx, handle="micelio", name="Micelio")
    token = token_of(first_admin_link(forge))

    actor = of_cookie(forge, sign_in_first(forge, stranger, token=token, **FIRST), stranger)

    mine = {o.handle: o.role for o in invoke(actor, list_organizations).items}
    assert mine == {"margaret": "owner", "micelio": "owner"}


def test_a_sign_in_link_works_once_and_for_three_days(forge, invoke, clock, margaret, ada, stranger):
    token = token_of(invoke(margaret, service.create_sign_in_link, handle="ada").link)

    assert of_cookie(forge, sign_in_by_link(forge, stranger, token=token), stranger).id == ada.id
    with pytest.raises(WrongLink):
        sign_in_by_link(forge, stranger, token=token)

    late = token_of(invoke(margaret, service.create_sign_in_link, handle="ada").link)
    clock.advance(days=3)
    with pytest.raises(WrongLink):
        sign_in_by_link(forge, stranger, token=late)


def test_a_newer_sign_in_link_replaces_the_one_before(forge, invoke, margaret, ada, stranger):
    old = token_of(invoke(margaret, service.create_sign_in_link, handle="ada").link)
    new = token_of(invoke(margaret, service.create_sign_in_link, handle="ada").link)

    with pytest.raises(WrongLink):
        sign_in_by_link(forge, stranger, token=old)
    assert sign_in_by_link(forge, stranger, token=new)


def test_a_link_lets_a_forgotten_password_be_chosen_anew(forge, invoke, margaret, ada, stranger):
    token = token_of(invoke(margaret, service.create_sign_in_link, handle="ada").link)

    with pytest.raises(WeakPassword):
        sign_in_by_link(forge, stranger, token=token, password="ada ada ada ada")
    sign_in_by_link(forge, stranger, token=token, password="lichen eats the north wall")

    assert sign_in(forge, stranger, who="ada", password="lichen eats the north wall")
    assert not any(b.id == ada.browser_id for b in invoke(ada, devices.list_devices).items)


def test_one_kind_of_link_does_not_open_the_other(forge, invoke, margaret, ada, stranger):
    token = token_of(invoke(margaret, service.create_sign_in_link, handle="ada").link)

    with pytest.raises(WrongLink):
        sign_in_first(forge, stranger, token=token, **FIRST)


def test_operators_make_administrators_at_the_terminal(forge, stranger):
    made = create_admin(forge, email="Margaret@example.org", handle="margaret", token=True)

    actor = of_token(forge, made.token, stranger)
    assert actor.admin
    assert "user" in actor.scopes
    assert of_cookie(forge, sign_in_by_link(forge, stranger, token=token_of(made.link)), stranger).admin
    assert first_admin_link(forge) is None


def test_an_existing_account_becomes_one_when_the_address_is_right(forge, ada, stranger):
    with pytest.raises(OtherAccount):
        create_admin(forge, email="eve@example.org", handle="ada")

    made = create_admin(forge, email="ada@example.org", handle="ada")

    assert made.token is None
    assert of_cookie(forge, sign_in_by_link(forge, stranger, token=token_of(made.link)), stranger).admin
