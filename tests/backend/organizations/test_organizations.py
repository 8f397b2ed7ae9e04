from threading import Barrier, Thread

import pytest

from backend.accounts.handles import HandleTaken
from backend.core.errors import Forbidden, MicelioError, NotFound, Unauthenticated, ValidationFailed
from backend.organizations import access
from backend.organizations.models import Role
from backend.organizations.service import (
    LastOwner,
    NotAMember,
    create_organization,
    get_organization,
    list_members,
    list_organizations,
    remove_member,
    update_member,
    update_organization,
)


def roles(invoke, actor) -> dict[str, str]:
    return {m.handle: m.role.value for m in invoke(actor, list_members, organization="acme").items}


def test_whoever_makes_an_organization_owns_it(invoke, ada, audited):
    made = invoke(ada, create_organization, handle="Initech", name="Initech Ltd", description="Paper.")

    assert (made.handle, made.role, made.personal) == ("initech", Role.OWNER, False)
    assert made.url == "http://localhost:4000/initech"
    assert audited("organization.created") == [("ada", "browser", "initech", {})]


@pytest.mark.parametrize("handle", ["acme", "grace", "api"])
def test_accounts_organizations_and_routes_share_one_name_space(invoke, acme, ada, handle):
    with pytest.raises(HandleTaken):
        invoke(ada, create_organization, handle=handle)


def test_strangers_make_none(invoke, stranger):
    with pytest.raises(Unauthenticated):
        invoke(stranger, create_organization, handle="initech")


def test_public_facts_are_for_everybody_and_say_ones_own_role(invoke, acme, ada, mallory, stranger):
    seen = [invoke(who, get_organization, organization="ACME") for who in (ada, mallory, stranger)]

    assert [(o.name, o.role) for o in seen] == [("Acme", Role.OWNER), ("Acme", None), ("Acme", None)]


def test_ones_organizations_are_listed_in_pages(invoke, acme, ada):
    first = invoke(ada, list_organizations, limit=1)
    second = invoke(ada, list_organizations, limit=1, cursor=first.next)

    assert [o.handle for o in (*first.items, *second.items)] == ["acme", "ada"]
    assert second.next is None


def test_admins_change_its_name_and_members_do_not(invoke, acme, ada, grace):
    with pytest.raises(Forbidden):
        invoke(grace, update_organization, organization="acme", name="Graceland")
    changed = invoke(ada, update_organization, organization="acme", description="Rockets.")

    assert (changed.name, changed.description) == ("Acme", "Rockets.")


def test_members_see_each_other(invoke, acme, grace):
    assert roles(invoke, grace) == {"ada": "owner", "grace": "member"}


@pytest.mark.parametrize(
    ("operation", "payload"),
    [
        (list_members, {}),
        (update_organization, {"name": "Mine"}),
        (update_member, {"handle": "grace", "role": "admin"}),
        (remove_member, {"handle": "grace"}),
    ],
)
def test_to_outsiders_members_are_as_good_as_missing(invoke, acme, mallory, operation, payload):
    refusals = []
    for organization in ("acme", "missing"):
        with pytest.raises(NotFound) as refusal:
            invoke(mallory, operation, organization=organization, **payload)
        refusals.append((refusal.value.sentence, refusal.value.details))

    assert refusals[0] == refusals[1]


def test_strangers_see_no_members_either(invoke, acme, stranger):
    with pytest.raises(NotFound):
        invoke(stranger, list_members, organization="acme")


def test_a_personal_organization_has_no_members_page(invoke, ada, grace):
    with pytest.raises(NotFound):
        invoke(ada, list_members, organization="ada")
    with pytest.raises(NotFound):
        invoke(ada, update_member, organization="ada", handle="grace", role="admin")


def test_admins_change_roles_and_members_do_not(invoke, acme, ada, grace, audited):
    with pytest.raises(Forbidden):
        invoke(grace, update_member, organization="acme", handle="grace", role="admin")
    invoke(ada, update_member, organization="acme", handle="Grace", role="admin")
    invoke(ada, update_member, organization="acme", handle="grace", role="admin")

    assert roles(invoke, grace) == {"ada": "owner", "grace": "admin"}
    assert audited("member.changed") == [("ada", "browser", "acme", {"member": "grace", "role": "admin"})]


def test_only_owners_make_and_unmake_owners(invoke, acme, ada, grace, mallory):
    invoke(ada, update_member, organization="acme", handle="grace", role="admin")

    for who, role in (("grace", "owner"), ("ada", "member")):
        with pytest.raises(Forbidden):
            invoke(grace, update_member, organization="acme", handle=who, role=role)
    with pytest.raises(Forbidden):
        invoke(grace, remove_member, organization="acme", handle="ada")
    invoke(ada, update_member, organization="acme", handle="grace", role="owner")
    invoke(grace, update_member, organization="acme", handle="ada", role="member")

    assert roles(invoke, ada) == {"ada": "member", "grace": "owner"}


def test_nobody_is_added_without_having_said_yes_and_no_handle_is_guessed(invoke, acme, ada, mallory):
    refusals = []
    for handle in ("mallory", "nobody"):
        for operation, more in ((update_member, {"role": "member"}), (remove_member, {})):
            with pytest.raises(NotAMember) as refusal:
                invoke(ada, operation, organization="acme", handle=handle, **more)
            refusals.append(refusal.value.sentence.replace(handle, "X"))

    assert set(refusals) == {"X is no member of acme. Invite them: mic org invite acme X."}
    with pytest.raises(ValidationFailed):
        invoke(ada, update_member, organization="acme", handle="ada", role="king")


def test_anybody_may_leave_but_the_last_owner(invoke, acme, ada, grace, audited):
    with pytest.raises(LastOwner):
        invoke(ada, remove_member, organization="acme", handle="ada")
    with pytest.raises(LastOwner):
        invoke(ada, update_member, organization="acme", handle="ada", role="admin")
    invoke(grace, remove_member, organization="acme", handle="grace")

    assert roles(invoke, ada) == {"ada": "owner"}
    assert audited("member.removed") == [("grace", "browser", "acme", {"member": "grace"})]


@pytest.mark.parametrize("how", ["leave", "step down", "unmake each other"])
def test_two_owners_who_go_at_once_do_not_both_go(invoke, acme, ada, grace, how):
    invoke(ada, update_member, organization="acme", handle="grace", role="owner")
    together, gone = Barrier(2), []

    def go(who, other) -> None:
        about = other if how == "unmake each other" else who
        operation, more = (remove_member, {}) if how == "leave" else (update_member, {"role": "member"})
        together.wait()
        try:
            gone.append(invoke(who, operation, organization="acme", handle=about.handle, **more))
        except MicelioError as error:
            # Whoever was unmade first unmakes nobody any more.
            assert error.code in ("organization.last_owner", "auth.forbidden")

    threads = [Thread(target=go, args=pair) for pair in ((ada, grace), (grace, ada))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(gone) == 1
    left = ada if gone[0].handle == "grace" else grace
    assert [role for role in roles(invoke, left).values() if role == "owner"] == ["owner"]


def test_a_token_needs_the_scope_and_one_bound_to_a_project_is_no_member(invoke, acme, with_token, ada):
    with pytest.raises(Forbidden):
        invoke(with_token(ada, "org:read"), update_organization, organization="acme", name="x")
    with pytest.raises(NotFound):
        invoke(
            with_token(ada, "org:admin", limits={"project": "one"}),
            update_organization,
            organization="acme",
            name="x",
        )


def test_the_forge_itself_may_do_anything(as_system, acme):
    with as_system.transaction(write=False) as ctx:
        assert access.organization(ctx, "acme", at_least=Role.OWNER)[1] is Role.OWNER
