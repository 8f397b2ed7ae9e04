"""Inviting and answering: nobody belongs anywhere without having said yes, once, in time, by themselves."""

from dataclasses import replace
from threading import Barrier, Thread

import pytest
from sqlmodel import select

from backend.accounts import addresses, deletion
from backend.accounts.browsers import COOKIE
from backend.accounts.identity import of_cookie
from backend.accounts.people import BadEmail
from backend.core import jobs
from backend.core.config import Signup
from backend.core.errors import Conflict, Forbidden, NotFound, RateLimited, Unauthenticated
from backend.invitations import answering, service
from backend.invitations.answering import InvitationOver
from backend.invitations.models import TeamInvitation
from backend.organizations.closing import NotEmpty, delete_organization
from backend.organizations.service import get_organization, list_members, remove_member, update_member
from backend.projects.collaborators import list_collaborators
from backend.projects.deleting import delete_project
from backend.projects.service import get_project
from backend.search.service import search_forge
from tests.forges import PASSWORD


@pytest.fixture
def invite(invoke, acme, ada):
    """Invite somebody to acme as ada; what she is told."""

    def invite(invitee, by=ada, **more):
        return invoke(by, service.invite_member, organization="acme", invitee=invitee, **more)

    return invite


@pytest.fixture
def accept(invoke):
    def accept(who, invitation):
        return invoke(who, answering.accept_team_invitation, invitation_id=invitation.id)

    return accept


@pytest.fixture
def mine(invoke):
    """What somebody is invited to."""

    def mine(who):
        return invoke(who, answering.list_my_invitations).items

    return mine


def roles(invoke, who):
    return {m.handle: m.role.value for m in invoke(who, list_members, organization="acme").items}


def rows(forge):
    with forge.db.transaction(write=False) as db:
        return db.exec(select(TeamInvitation)).all()


def test_somebody_invited_by_handle_sees_who_asks_and_says_yes(
    invoke, invite, accept, mine, letters, ada, mallory, audited, forge
):
    made = invite("Mallory", role="admin")

    assert (made.invitee, made.role, made.invited_by, made.state) == ("mallory", "admin", "ada", "waiting")
    assert (made.expires_at - made.created_at).days == 7
    assert "mallory" not in roles(invoke, ada), "nobody belongs before they said yes"
    (letter,) = letters()
    assert (letter.to, letter.subject) == ("mallory@example.org", "ada invites you to acme on localhost")
    assert f"/invite/{made.id}?token=" in letter.body and "as an admin" in " ".join(letter.body.split())
    (shown,) = mine(mallory)
    assert (shown.organization_name, shown.role, shown.invited_by_name) == ("Acme", "admin", "Ada")

    accept(mallory, made)

    assert roles(invoke, mallory) == {"ada": "owner", "grace": "member", "mallory": "admin"}
    assert (mine(mallory), rows(forge)) == ([], [])
    sent = [("ada", "browser", "acme", {"invitee": "mallory", "role": "admin"})]
    assert audited("invitation.sent") == sent
    added = {"member": "mallory", "role": "admin", "invited_by": "ada"}
    assert audited("member.added") == [("mallory", "browser", "acme", added)]


def test_an_invitation_is_answered_once(invoke, invite, accept, mallory):
    made = invite("mallory")
    accept(mallory, made)

    for again in (answering.accept_team_invitation, answering.decline_team_invitation):
        with pytest.raises(InvitationOver):
            invoke(mallory, again, invitation_id=made.id)


def test_of_two_tabs_that_accept_at_once_one_does(invoke, invite, accept, ada, mallory):
    made, together, ended = invite("mallory"), Barrier(2), []

    def press() -> None:
        together.wait()
        try:
            ended.append(accept(mallory, made).role)
        except InvitationOver:
            ended.append("over")

    threads = [Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ended) == ["member", "over"]
    assert roles(invoke, ada)["mallory"] == "member"


def test_declined_it_is_gone_and_one_may_be_asked_again(invoke, invite, mine, clock, ada, mallory, audited):
    made = invite("mallory")
    invoke(mallory, answering.decline_team_invitation, invitation_id=made.id)

    assert mine(mallory) == []
    assert audited("invitation.declined") == [("mallory", "browser", "acme", {"role": "member"})]
    assert invite("mallory").id != made.id


def test_expired_revoked_lapsed_and_other_peoples_are_one_refusal(
    invoke, invite, accept, clock, ada, grace, mallory, arrive, letters
):
    eve, refusals = arrive("eve"), []

    def refused(who, id):
        for operation in (
            answering.get_team_invitation,
            answering.accept_team_invitation,
            answering.decline_team_invitation,
        ):
            with pytest.raises(InvitationOver) as refusal:
                invoke(who, operation, invitation_id=id)
            refusals.append((refusal.value.sentence, refusal.value.details))

    made = invite("mallory")
    refused(eve, made.id)
    refused(eve, "01a00000-0000-7000-8000-000000000000")
    clock.advance(days=7)
    refused(mallory, made.id)
    made = invite("mallory")
    invoke(ada, service.revoke_team_invitation, invitation_id=made.id)
    refused(mallory, made.id)
    invoke(ada, update_member, organization="acme", handle="grace", role="admin")
    made = invite("mallory", by=grace)
    invoke(ada, remove_member, organization="acme", handle="grace")
    refused(mallory, made.id)

    assert len(set(map(str, refusals))) == 1
    (listed,) = invoke(ada, service.list_member_invitations, organization="acme").items
    assert listed.state == "lapsed"
    clock.advance(minutes=2)
    assert invoke(ada, service.resend_team_invitation, invitation_id=made.id).state == "waiting"
    accept(mallory, made)
    assert roles(invoke, mallory)["mallory"] == "member"


def test_sent_again_the_old_link_stops_and_seven_days_begin(
    invoke, invite, clock, letters, ada, stranger, audited
):
    made = invite("eve@example.org")
    (first,) = letters()
    with pytest.raises(service.TooSoon):
        invoke(ada, service.resend_team_invitation, invitation_id=made.id)
    clock.advance(days=8)
    assert invoke(ada, service.list_member_invitations, organization="acme").items[0].state == "expired"
    again = invoke(ada, service.resend_team_invitation, invitation_id=made.id)
    (second,) = letters()

    assert (again.state, (again.expires_at - clock.now).days) == ("waiting", 7)
    seen = {"invitation_id": made.id}
    assert invoke(stranger, answering.get_team_invitation, **seen, token=second.token).role == "member"
    with pytest.raises(InvitationOver):
        invoke(stranger, answering.get_team_invitation, **seen, token=first.token)
    assert audited("invitation.resent") == [("ada", "browser", "acme", {"invitee": "eve@example.org"})]


def test_inviting_the_same_person_again_replaces_role_and_link(
    invoke, invite, clock, forge, ada, mine, mallory
):
    first = invite("mallory")
    with pytest.raises(service.TooSoon):
        invite("mallory", role="admin")
    clock.advance(minutes=1)
    second = invite("mallory", role="admin")

    assert first.id == second.id
    assert [each.role for each in mine(mallory)] == ["admin"]


def test_an_address_is_the_same_in_any_case_and_finds_its_account(
    invite, accept, mine, invoke, mallory, arrive
):
    made = invite(" Mallory@Example.ORG ")

    assert made.invitee == "mallory@example.org", "what is told does not say whose address it is"
    assert [each.id for each in mine(mallory)] == [made.id]
    assert mine(arrive("eve")) == []
    accept(mallory, made)
    assert roles(invoke, mallory)["mallory"] == "member"


def test_inviting_an_address_says_nothing_about_who_has_it(invite, invoke, grace, letters):
    told = [invite(f"{who}@example.org") for who in ("grace", "mallory", "nobody")]

    alike = [each.model_dump(exclude={"id", "invitee"}) for each in told]
    assert alike[0] == alike[1] == alike[2]
    assert [each.to for each in letters()] == [each.invitee for each in told]


def test_the_link_survives_signing_up_where_sign_up_is_by_invitation(
    forge, invite, invoke, site, letters, stranger, mine, accept, audited
):
    made = invite("Eve@example.org")
    token = letters()[0].token
    seen = invoke(stranger, answering.get_team_invitation, invitation_id=made.id, token=token)
    assert (seen.yours, seen.signup) == (False, True)
    next_path = f"/invite/{made.id}"
    fields = {"token": token, "handle": "eve", "next": next_path}
    back = site.submit("/auth/sign-up", **fields, password="short")
    assert back.startswith("/signup?") and "next=%2Finvite" in back and "token=" in back

    answer = site.post("/auth/sign-up", data={**fields, "password": PASSWORD})

    assert answer.headers["location"] == next_path
    eve = of_cookie(forge, answer.cookies[COOKIE], stranger)
    assert audited("invitation.accepted") == [("eve", "browser", "ada", {})]
    accept(eve, mine(eve)[0])
    assert roles(invoke, eve)["eve"] == "member"
    assert site.submit("/auth/sign-up", token=token, handle="eve2", password=PASSWORD).endswith(
        "error=link.invalid"
    )


def test_where_sign_up_is_closed_the_link_makes_no_account(forge, invite, invoke, site, letters, stranger):
    forge.settings = replace(forge.settings, signup=Signup.CLOSED)
    made = invite("eve@example.org")
    token = letters()[0].token

    assert not invoke(stranger, answering.get_team_invitation, invitation_id=made.id, token=token).signup
    assert site.submit("/auth/sign-up", token=token, handle="eve", password=PASSWORD).endswith(
        "error=sign_up.closed"
    )


def test_a_link_to_an_account_or_an_expired_one_makes_none(invite, site, letters, clock, mallory):
    invite("mallory")
    invite("mallory@example.org")
    invite("eve@example.org")
    to_account, to_address, to_eve = letters()
    for letter, code in ((to_account, "link.invalid"), (to_address, "email.taken")):
        back = site.submit("/auth/sign-up", token=letter.token, handle="eve", password=PASSWORD)
        assert back.endswith(f"error={code}")
    clock.advance(days=7)
    back = site.submit("/auth/sign-up", token=to_eve.token, handle="eve", password=PASSWORD)
    assert back.endswith("error=link.invalid")


def test_the_link_shows_but_does_not_let_somebody_else_in(invite, invoke, accept, letters, mallory, arrive):
    made = invite("eve@example.org")
    token = letters()[0].token

    seen = invoke(mallory, answering.get_team_invitation, invitation_id=made.id, token=token)
    assert (seen.yours, seen.signup) == (False, False)
    with pytest.raises(InvitationOver):
        accept(mallory, made)
    with pytest.raises(InvitationOver):
        invoke(mallory, answering.get_team_invitation, invitation_id=made.id, token="")


def test_the_secret_is_kept_as_a_hash_and_never_told_to_whoever_invites(invite, forge, letters):
    made = invite("eve@example.org")
    token = letters()[0].token

    assert token not in made.model_dump_json()
    assert token not in rows(forge)[0].model_dump_json()


def test_who_invites_whom(invoke, invite, ada, grace, mallory, stranger, agent_of):
    with pytest.raises(Forbidden):
        invite("mallory", by=grace)
    with pytest.raises(NotFound):
        invite("grace", by=mallory)
    with pytest.raises(Unauthenticated):
        invite("grace", by=stranger)
    invoke(ada, update_member, organization="acme", handle="grace", role="admin")
    with pytest.raises(Forbidden):
        invite("mallory", by=grace, role="owner")
    owner = invite("mallory", role="owner")
    with pytest.raises(service.AlreadyIn):
        invite("grace")
    with pytest.raises(service.NoSuchAccount):
        invite("nobody")
    with pytest.raises(BadEmail):
        invite("no@body@nowhere")
    agent = agent_of(ada)
    with pytest.raises(Forbidden):
        invite("mallory", by=replace(agent, scopes=None))
    for who in (mallory, replace(agent, scopes=None)):
        with pytest.raises((NotFound, Forbidden)):
            invoke(who, service.revoke_team_invitation, invitation_id=owner.id)
    assert invoke(grace, service.revoke_team_invitation, invitation_id=owner.id).role == "owner"


def test_only_owners_send_an_owners_invitation_again(invoke, invite, clock, ada, grace, mallory):
    invoke(ada, update_member, organization="acme", handle="grace", role="admin")
    made = invite("mallory", role="owner")
    clock.advance(minutes=2)

    with pytest.raises(Forbidden):
        invoke(grace, service.resend_team_invitation, invitation_id=made.id)


def test_whoever_is_in_already_keeps_the_stronger_role(invoke, invite, accept, mine, ada, grace):
    invoke(ada, update_member, organization="acme", handle="grace", role="admin")
    weaker = invite("grace@example.org")
    accept(grace, weaker)

    assert roles(invoke, ada)["grace"] == "admin"


def test_mail_is_not_a_weapon(invite, forge, monkeypatch, clock):
    monkeypatch.setattr(service, "MOST_WAITING", 3)
    for number in range(3):
        invite(f"eve{number}@example.org")
    with pytest.raises(Conflict) as refusal:
        invite("eve3@example.org")
    assert "3 invitations that nobody answered" in refusal.value.sentence
    with pytest.raises(RateLimited):
        for _ in range(service.MAILS_PER_MINUTE + 1):
            clock.advance(minutes=2)
            invite("eve0@example.org")


def test_what_nobody_answered_is_forgotten_a_month_after_it_expired(invite, forge, clock):
    invite("eve@example.org")
    clock.advance(days=36)
    jobs.run_timer(forge, jobs.timers()["invitations.service.forget_unanswered_invitations"])
    assert len(rows(forge)) == 1
    clock.advance(days=2)
    jobs.run_timer(forge, jobs.timers()["invitations.service.forget_unanswered_invitations"])

    assert rows(forge) == []


def test_an_owner_is_left_whoever_goes_how(invoke, invite, accept, forge, ada, mallory):
    accept(mallory, invite("mallory", role="owner"))
    together, ended = Barrier(2), []

    def go(deed) -> None:
        together.wait()
        try:
            deed()
            ended.append("gone")
        except Conflict as refusal:
            ended.append(refusal.code)

    deeds = (
        lambda: invoke(ada, remove_member, organization="acme", handle="ada"),
        lambda: invoke(mallory, deletion.delete_current_user, handle="mallory", password=PASSWORD),
    )
    threads = [Thread(target=go, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ended.count("gone") == 1 and set(ended) <= {
        "gone",
        "organization.last_owner",
        "account.still_owns",
    }


def test_a_personal_organization_invites_nobody(invoke, ada, grace):
    with pytest.raises(NotFound):
        invoke(ada, service.invite_member, organization="ada", invitee="grace")


def test_with_the_account_go_its_invitations(invoke, invite, forge, letters, arrive):
    eve = arrive("eve")
    invite("eve")
    invite("eve@example.org")
    invoke(eve, deletion.delete_current_user, handle="eve", password=PASSWORD)

    assert rows(forge) == []


def test_a_changed_address_takes_its_invitations_along(invoke, invite, mine, forge, letters, site, arrive):
    eve = arrive("eve")
    invite("lovelace@example.org")
    assert mine(eve) == []
    letters()
    invoke(eve, addresses.change_email, email="Lovelace@example.org", password=PASSWORD)
    link = next(letter for letter in letters() if letter.to == "lovelace@example.org")
    site.submit("/auth/confirm", token=link.token)

    assert [each.role for each in mine(eve)] == ["member"]


def test_a_collaborator_comes_by_invitation_too(invoke, bench, ada, mallory, letters, audited, accept, mine):
    where = {"organization": "acme", "project": "plans"}
    with pytest.raises(NotFound):
        invoke(mallory, get_project, **where)
    made = invoke(ada, service.invite_collaborator, **where, invitee="mallory", role="read")

    (letter,) = letters()
    assert "to work on the project acme/plans" in letter.body and "as a reader" in " ".join(
        letter.body.split()
    )
    assert [(each.project, each.role) for each in mine(mallory)] == [("plans", "read")]
    with pytest.raises(NotFound):
        invoke(mallory, get_project, **where)
    accept(mallory, made)

    assert invoke(mallory, get_project, **where).may == ["read", "propose"]
    assert [c.handle for c in invoke(mallory, list_collaborators, **where).items] == ["mallory"]
    added = {"collaborator": "mallory", "role": "read", "invited_by": "ada"}
    assert audited("collaborator.added") == [("mallory", "browser", "acme/plans", added)]


def test_an_invitation_to_a_deleted_project_is_over(invoke, bench, ada, mallory, accept, mine):
    where = {"organization": "acme", "project": "plans"}
    made = invoke(ada, service.invite_collaborator, **where, invitee="mallory")
    invoke(ada, delete_project, **where)

    assert mine(mallory) == []
    with pytest.raises(InvitationOver):
        accept(mallory, made)


def test_an_organization_is_deleted_once_it_is_empty(
    invoke, bench, invite, mine, ada, grace, mallory, audited
):
    invite("mallory")
    with pytest.raises(NotEmpty) as refusal:
        invoke(ada, delete_organization, organization="acme", confirm="acme")
    assert "acme has projects: notes, plans." in refusal.value.sentence
    for project in ("notes", "plans"):
        invoke(ada, delete_project, organization="acme", project=project)
    with pytest.raises(Forbidden):
        invoke(grace, delete_organization, organization="acme", confirm="acme")
    assert [hit.address for hit in invoke(ada, search_forge, q="acme", kind="organization").items] == ["acme"]
    invoke(ada, delete_organization, organization="acme", confirm="Acme")
    assert invoke(ada, search_forge, q="acme", kind="organization").items == []

    assert mine(mallory) == []
    with pytest.raises(NotFound):
        invoke(ada, get_organization, organization="acme")
    assert audited("organization.deleted") == [("ada", "browser", "acme", {})]
