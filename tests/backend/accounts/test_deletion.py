"""Deleting an account: refused while something would be left alone, and final."""

import pytest
from sqlmodel import select

from backend.accounts import deletion, devices, service
from backend.accounts.handles import HandleTaken
from backend.accounts.identity import of_token
from backend.accounts.models import Account
from backend.accounts.people import new_account
from backend.accounts.recovery import WrongPassword
from backend.accounts.sign_in import SignInFailed, sign_in
from backend.core.errors import Forbidden, InvalidInput, NotFound, WrongCredentials
from backend.organizations import service as organizations
from backend.projects.service import create_project
from tests.forges import PASSWORD


def delete(invoke, actor, **changes):
    return invoke(
        actor, deletion.delete_current_user, **{"handle": actor.handle, "password": PASSWORD, **changes}
    )


def test_everything_that_was_theirs_is_gone_and_the_handle_stays_taken(
    forge, invoke, as_system, letters, acme, ada, grace, stranger, audited
):
    token = invoke(grace, service.create_access_token, name="ci", scopes=["project:read"]).token
    invoke(grace, service.update_current_user, bio="Compilers.", links=["https://grace.example.org"])

    gone = delete(invoke, grace)

    assert (gone.handle, "stays reserved" in gone.kept) == ("grace", True)
    for refused, attempt in (
        (SignInFailed, lambda: sign_in(forge, stranger, who="grace", password=PASSWORD)),
        (SignInFailed, lambda: sign_in(forge, stranger, who="grace@example.org", password=PASSWORD)),
        (WrongCredentials, lambda: of_token(forge, token, stranger)),
        (NotFound, lambda: invoke(stranger, service.get_account, handle="grace")),
        (NotFound, lambda: invoke(stranger, organizations.get_organization, organization="grace")),
        (
            organizations.NotAMember,
            lambda: invoke(
                ada, organizations.update_member, organization="acme", handle="grace", role="admin"
            ),
        ),
    ):
        with pytest.raises(refused):
            attempt()
    with pytest.raises(HandleTaken), as_system.transaction() as ctx:
        new_account(ctx, handle="grace", email="other@example.org")
    assert [m.handle for m in invoke(ada, organizations.list_members, organization="acme").items] == ["ada"]
    with forge.db.transaction(write=False) as db:
        row = db.exec(select(Account).where(Account.handle == "grace")).one()
        assert (row.name, row.password_hash, row.links) == ("", "", [])
        assert "example.org" not in row.email
    assert letters()[-1].to == "grace@example.org"
    assert audited("account.deleted") == [("grace", "browser", "grace", {})]
    # The address may be used again.
    with as_system.transaction() as ctx:
        new_account(ctx, handle="hopper", email="grace@example.org")


def test_the_last_owner_of_an_organization_makes_another_first(invoke, acme, ada, grace):
    with pytest.raises(deletion.StillOwned) as refusal:
        delete(invoke, ada)
    assert refusal.value.sentence == (
        "You are the last owner of acme. Make another member an owner there first."
    )

    invoke(ada, organizations.update_member, organization="acme", handle="grace", role="owner")
    delete(invoke, ada)
    assert invoke(grace, organizations.get_organization, organization="acme").role == "owner"


def test_whoever_owns_projects_deals_with_them_first(invoke, ada):
    invoke(ada, create_project, organization="ada", project="notes")

    with pytest.raises(deletion.StillOwned) as refusal:
        delete(invoke, ada)
    assert "You own ada/notes" in refusal.value.sentence


def test_somebody_always_runs_the_instance(invoke, margaret, arrive):
    with pytest.raises(deletion.StillOwned) as refusal:
        delete(invoke, margaret)
    assert "last administrator" in refusal.value.sentence

    arrive("hedy", admin=True)
    delete(invoke, margaret)


def test_it_takes_the_handle_the_password_and_a_browser(invoke, with_token, ada):
    with pytest.raises(InvalidInput):
        delete(invoke, ada, handle="grace")
    with pytest.raises(WrongPassword):
        delete(invoke, ada, password="a guess of hers")
    with pytest.raises(Forbidden):
        delete(invoke, with_token(ada, "user"))
    assert invoke(ada, devices.list_devices).items
