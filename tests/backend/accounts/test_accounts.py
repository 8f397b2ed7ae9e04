from dataclasses import replace

import pytest
from sqlmodel import select

from backend.accounts import devices, service
from backend.accounts.identity import of_browser, still_good
from backend.accounts.models import Handle
from backend.accounts.passwords import WeakPassword
from backend.accounts.people import EmailTaken, new_account
from backend.accounts.recovery import WrongPassword
from backend.accounts.sign_in import sign_in
from backend.core.context import Context
from backend.core.errors import Forbidden, NotFound, Unauthenticated, ValidationFailed, WrongCredentials
from backend.organizations.models import Membership, Organization, Role
from tests.forges import PASSWORD

NEW = "lichen eats the north wall"


def test_an_account_comes_with_its_handle_and_the_organization_it_owns(forge, ada):
    with forge.db.transaction(write=False) as db:
        own = db.exec(select(Organization).where(Organization.handle == "ada")).one()
        membership = db.get(Membership, (own.id, ada.id))

        assert db.get(Handle, "ada").owner_id == ada.id
    assert own.personal
    assert membership.role is Role.OWNER


def test_an_account_that_is_refused_leaves_nothing_behind(as_system, forge, ada):
    with pytest.raises(EmailTaken), as_system.transaction() as ctx:
        new_account(ctx, handle="countess", email="ADA@example.org")

    with forge.db.transaction(write=False) as db:
        assert db.get(Handle, "countess") is None
        assert db.exec(select(Organization).where(Organization.handle == "countess")).first() is None


def test_a_person_sees_everything_about_themselves(invoke, acme, grace):
    me = invoke(grace, service.get_current_user)

    assert (me.handle, me.email, me.scopes, me.admin) == ("grace", "grace@example.org", None, False)
    assert [(o.handle, o.role, o.personal) for o in me.organizations] == [
        ("acme", Role.MEMBER, False),
        ("grace", Role.OWNER, True),
    ]


def test_any_token_may_ask_whose_it_is(invoke, with_token, ada):
    me = invoke(with_token(ada, "session:write"), service.get_current_user)

    assert me.handle == "ada"
    assert me.scopes == ["session:write"]


def test_a_stranger_is_nobody(invoke, stranger):
    with pytest.raises(Unauthenticated):
        invoke(stranger, service.get_current_user)


def test_a_new_name_is_also_that_of_the_personal_organization(invoke, ada):
    me = invoke(ada, service.update_current_user, name=" Ada Lovelace ")

    assert me.name == "Ada Lovelace"
    assert me.organizations[0].name == "Ada Lovelace"


def test_a_token_needs_its_scope_to_change_an_account(invoke, with_token, ada):
    with pytest.raises(Forbidden):
        invoke(with_token(ada, "session:write"), service.update_current_user, name="Eve")


def test_changing_the_password_signs_out_every_other_browser(forge, invoke, ada, stranger, audited):
    other = sign_in(forge, stranger, who="ada", password=PASSWORD).partition(".")[0]

    left = invoke(ada, service.change_password, current=PASSWORD, new=NEW)

    assert [(browser.id, browser.current) for browser in left.items] == [(ada.browser_id, True)]
    assert not of_browser(forge, other, stranger).signed_in
    assert sign_in(forge, stranger, who="ada", password=NEW)
    assert audited("password.changed") == [("ada", "browser", "ada", {"how": "password", "ended": 1})]


def test_changing_the_password_takes_the_current_one(forge, invoke, ada, stranger, audited):
    with pytest.raises(WrongPassword):
        invoke(ada, service.change_password, current="a wrong password", new=NEW)

    assert sign_in(forge, stranger, who="ada", password=PASSWORD)
    assert audited("password.refused") == [("ada", "browser", "ada", {})]


def test_a_new_password_must_not_hold_what_others_know(invoke, grace):
    with pytest.raises(WeakPassword) as refusal:
        invoke(grace, service.change_password, current=PASSWORD, new="amazing grace how sweet")
    assert refusal.value.code == "password.personal"


def test_browsers_are_listed_and_revoked_by_their_owner_only(forge, invoke, ada, mallory, stranger):
    phone = replace(stranger, user_agent="a phone")
    sign_in(forge, phone, who="ada@example.org", password=PASSWORD)
    listed = invoke(ada, devices.list_devices).items
    there = next(browser for browser in listed if browser.user_agent == "a phone")

    with pytest.raises(NotFound):
        invoke(mallory, devices.revoke_device, device_id=there.id)
    left = invoke(ada, devices.revoke_device, device_id=there.id)

    assert [browser.id for browser in left.items] == [ada.browser_id]


def test_signing_out_everywhere_ends_this_browser_too(forge, invoke, ada):
    assert invoke(ada, devices.sign_out_everywhere).items == []

    with Context(forge, ada).transaction(write=False) as ctx, pytest.raises(WrongCredentials):
        still_good(ctx, ada)


def test_administrators_make_accounts_for_others_and_links_to_get_in(invoke, margaret):
    made = invoke(margaret, service.create_account, handle="Linus", email="linus@example.org")
    link = invoke(margaret, service.create_sign_in_link, handle="linus")

    assert made.handle == "linus"
    assert link.link.startswith("http://localhost:4000/link?token=")


def test_nobody_else_does(invoke, with_token, ada, margaret, stranger):
    who = {"handle": "linus", "email": "linus@example.org", "password": PASSWORD}

    with pytest.raises(Forbidden):
        invoke(ada, service.create_account, **who)
    with pytest.raises(Unauthenticated):
        invoke(stranger, service.create_account, **who)
    with pytest.raises(Forbidden):
        invoke(with_token(margaret, "user", "org:admin"), service.create_account, **who)
    with pytest.raises(Forbidden):
        invoke(ada, service.create_sign_in_link, handle="ada")


def test_what_people_say_of_themselves_is_public_and_their_address_is_not(invoke, ada, stranger):
    mine = ["https://ada.example.org", "https://notes.example.org/ada"]
    invoke(ada, service.update_current_user, bio=" Writes programs. ", links=[*mine, mine[0]])

    seen = invoke(stranger, service.get_account, handle="Ada")

    assert (seen.bio, seen.links, seen.name) == ("Writes programs.", mine, "Ada")
    assert seen.avatar_url == "http://localhost:4000/avatars/ada.svg"
    assert "example.org" not in seen.model_dump_json(exclude={"links"})


def test_nobody_is_found_by_their_address(invoke, ada, stranger):
    with pytest.raises(NotFound):
        invoke(stranger, service.get_account, handle="ada@example.org")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "http://a b", 'https://x"onclick', "ftp://x"])
def test_a_link_of_a_profile_is_an_address_of_the_web(invoke, ada, link):
    with pytest.raises(ValidationFailed):
        invoke(ada, service.update_current_user, links=[link])
