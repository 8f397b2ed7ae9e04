"""Making an account: open, by invitation, or not at all; and no address is anybody's before it is proven."""

from dataclasses import replace

import pytest
from sqlmodel import select

from backend.accounts import service, signing_up
from backend.accounts.browsers import COOKIE
from backend.accounts.handles import HandleTaken
from backend.accounts.identity import of_cookie
from backend.accounts.models import Account
from backend.accounts.passwords import WeakPassword
from backend.accounts.people import BadEmail, account_called
from backend.accounts.sign_in import sign_in
from backend.core.config import Signup
from backend.core.context import Context
from backend.core.errors import Conflict, Forbidden, NotFound, RateLimited
from tests.forges import PASSWORD

EVE = {"handle": "eve", "email": "eve@example.org", "password": PASSWORD, "name": "Eve"}


def accounts(forge):
    with forge.db.transaction(write=False) as db:
        return sorted(db.exec(select(Account.handle)).all())


def test_a_confirmed_address_makes_the_account_and_signs_it_in(
    forge, site, open_signup, letters, stranger, audited
):
    assert site.submit("/auth/sign-up", **EVE) == "/sent"
    (letter,) = letters()
    assert (letter.to, letter.subject) == ("eve@example.org", "Confirm your address for localhost")
    assert accounts(forge) == [], "nobody is made before"

    answer = site.post("/auth/confirm", data={"token": letter.token})

    eve = of_cookie(forge, answer.cookies[COOKIE], stranger)
    assert (eve.handle, eve.name, eve.admin) == ("eve", "Eve", False)
    assert sign_in(forge, stranger, who="eve", password=PASSWORD)
    assert site.submit("/auth/confirm", token=letter.token).endswith("error=link.invalid")
    assert [row[3]["how"] for row in audited("sign_in")] == ["sign-up", "password"]


def test_whether_an_address_has_an_account_is_told_to_its_owner_alone(
    invoke, open_signup, letters, stranger, ada
):
    taken = invoke(stranger, signing_up.sign_up, **{**EVE, "email": "Ada@example.org"})
    free = invoke(stranger, signing_up.sign_up, **{**EVE, "email": "bob@example.org"})

    assert taken.message.replace("ada@", "bob@") == free.message
    to_ada, to_bob = letters()
    assert (to_ada.to, to_ada.subject) == ("ada@example.org", "You have an account on localhost already")
    assert "token=" not in to_ada.body
    assert to_bob.subject.startswith("Confirm")


def test_a_handle_that_was_taken_meanwhile_is_chosen_anew(
    forge, site, open_signup, letters, arrive, stranger
):
    site.submit("/auth/sign-up", **EVE)
    (letter,) = letters()
    arrive("eve2")
    with Context(forge, stranger).transaction() as ctx:
        ctx.db.exec(select(Account)).all()
    site.submit("/auth/sign-up", **{**EVE, "email": "other@example.org"})
    site.submit("/auth/confirm", token=letters()[-1].token)

    refused = site.submit("/auth/confirm", token=letter.token)
    assert refused == f"/confirm?token={letter.token}&error=handle.taken"
    site.submit("/auth/confirm", token=letter.token, handle="evelyn")

    assert accounts(forge) == ["eve", "eve2", "evelyn"]


def test_open_sign_up_asks_for_a_good_password_and_a_free_handle(invoke, open_signup, stranger, ada):
    for wrong, error in (
        ({"password": ""}, WeakPassword),
        ({"handle": "Ada"}, HandleTaken),
        ({"email": "nowhere"}, BadEmail),
    ):
        with pytest.raises(error):
            invoke(stranger, signing_up.sign_up, **{**EVE, **wrong})


def test_asking_often_fills_nobodys_mailbox(invoke, open_signup, letters, stranger, clock):
    for _ in range(10):
        invoke(stranger, signing_up.sign_up, **EVE)
    with pytest.raises(RateLimited):
        invoke(stranger, signing_up.sign_up, **EVE)
    assert len(letters()) == 1


def test_a_link_to_confirm_ends_after_three_days(site, open_signup, letters, clock):
    site.submit("/auth/sign-up", **EVE)
    (letter,) = letters()
    clock.advance(days=3)

    assert site.submit("/auth/confirm", token=letter.token).endswith("error=link.invalid")


@pytest.mark.parametrize("mode", [Signup.INVITE, Signup.CLOSED])
def test_nobody_signs_up_by_themselves_where_it_is_not_open(forge, invoke, stranger, mode):
    forge.settings = replace(forge.settings, signup=mode)
    with pytest.raises(signing_up.SignUpClosed):
        invoke(stranger, signing_up.sign_up, **EVE)


def test_an_invitation_makes_an_account_once(forge, invoke, site, letters, margaret, stranger, audited):
    made = invoke(margaret, signing_up.create_invitation, email="Eve@example.org")
    (letter,) = letters()
    assert (letter.to, letter.subject) == ("eve@example.org", "margaret invites you to localhost")
    assert made.link.endswith(letter.token)
    assert [i.email for i in invoke(margaret, signing_up.list_invitations).items] == ["eve@example.org"]

    weak = site.submit("/auth/sign-up", token=letter.token, handle="eve", password="short")
    answer = site.post("/auth/sign-up", data={"token": letter.token, "handle": "eve", "password": PASSWORD})

    assert weak == f"/signup?token={letter.token}&handle=eve&error=password.short"
    assert of_cookie(forge, answer.cookies[COOKIE], stranger).handle == "eve"
    assert audited("invitation.accepted")[0][2] == "margaret"
    assert invoke(margaret, signing_up.list_invitations).items == []
    assert "link.invalid" in site.submit("/auth/sign-up", token=letter.token, handle="eva", password=PASSWORD)


def test_an_invitation_can_be_taken_back(invoke, site, letters, margaret):
    made = invoke(margaret, signing_up.create_invitation, email="eve@example.org")
    invoke(margaret, signing_up.revoke_invitation, invitation_id=made.id)

    (letter,) = letters()
    assert "link.invalid" in site.submit("/auth/sign-up", token=letter.token, handle="eve", password=PASSWORD)
    with pytest.raises(NotFound):
        invoke(margaret, signing_up.revoke_invitation, invitation_id=made.id)


def test_only_administrators_invite_and_nobody_where_it_is_closed(forge, invoke, ada, margaret):
    with pytest.raises(Forbidden):
        invoke(ada, signing_up.create_invitation, email="eve@example.org")
    with pytest.raises(Conflict) as refusal:
        invoke(margaret, signing_up.create_invitation, email="ada@example.org")
    assert "has an account here already: ada" in refusal.value.sentence
    forge.settings = replace(forge.settings, signup=Signup.CLOSED)
    with pytest.raises(Conflict):
        invoke(margaret, signing_up.create_invitation, email="eve@example.org")


def test_a_form_reads_its_own_kind_of_link_only(forge, invoke, site, letters, margaret, ada):
    invitation = invoke(margaret, signing_up.create_invitation, email="eve@example.org").link
    sign_in_link = invoke(margaret, service.create_sign_in_link, handle="ada").link
    for form, link in (
        ("/auth/confirm", invitation),
        ("/auth/reset", sign_in_link),
        ("/auth/link", invitation),
        ("/auth/sign-up", sign_in_link),
    ):
        token = link.partition("token=")[2]
        assert "link.invalid" in site.submit(form, token=token, handle="eve", password=PASSWORD)
    with Context(forge, ada).transaction(write=False) as ctx:
        assert account_called(ctx, "eve") is None
