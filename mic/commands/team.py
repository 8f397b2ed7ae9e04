"""`mic org invite …` and `mic project invite …`: who belongs to an organization, who works on a project."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from mic import address, parsing, render
from mic.answers import all_pages, as_dict
from mic.client import Client
from mic.errors import Usage
from mic.here import Here
from vcs.wire import invitations_pb2 as i
from vcs.wire import organizations_pb2 as o
from vcs.wire import projects_pb2 as p

_MEMBER = ("member", "admin", "owner")
_COLLABORATOR = ("read", "write", "admin")


def add_to_org(verbs: Any) -> None:
    """The verbs about members."""
    invite = parsing.verb(
        verbs, "invite", run_invite_member, "mic org invite acme grace@example.org --role admin"
    )
    invite.add_argument("organization", metavar="ORG", help="to which organization")
    invite.add_argument("invitee", metavar="WHO", help="a handle or an e-mail address")
    invite.add_argument("--role", choices=_MEMBER, default="member", help="member when left out")
    waiting = parsing.verb(
        verbs, "invitations", run_invitations, "mic org invitations acme --revoke grace@example.org"
    )
    waiting.add_argument(
        "organization", nargs="?", metavar="ORG[/PROJECT]", help="to which; those to you when left out"
    )
    one = waiting.add_mutually_exclusive_group()
    one.add_argument("--resend", metavar="WHO", help="mail it again, good for seven days from now")
    one.add_argument("--revoke", metavar="WHO", help="take it back")
    for name, run in (("accept", run_accept), ("decline", run_decline)):
        verb = parsing.verb(verbs, name, run, f"mic org {name} acme")
        verb.add_argument("place", metavar="ORG[/PROJECT]", help="what you are invited to")
    role = parsing.verb(verbs, "role", run_role, "mic org role acme grace admin")
    role.add_argument("organization", metavar="ORG", help="whose member")
    role.add_argument("handle", metavar="HANDLE", help="who")
    role.add_argument("role", choices=_MEMBER, help="as what from now on")
    remove = parsing.verb(verbs, "remove", run_remove_member, "mic org remove acme grace")
    remove.add_argument("organization", metavar="ORG", help="whose member")
    remove.add_argument("handle", metavar="HANDLE", help="who; yourself to leave")


def add_to_project(verbs: Any) -> None:
    """The verbs about collaborators."""
    invite = parsing.verb(
        verbs, "invite", run_invite_collaborator, "mic project invite acme/notes linus --role read"
    )
    invite.add_argument("project", metavar="ORG/PROJECT", help="to which project")
    invite.add_argument("invitee", metavar="WHO", help="a handle or an e-mail address")
    invite.add_argument("--role", choices=_COLLABORATOR, default="write", help="write when left out")
    people = parsing.verb(
        verbs, "collaborators", run_collaborators, "mic project collaborators acme/notes --remove linus"
    )
    people.add_argument("project", nargs="?", metavar="ORG/PROJECT", help="the workspace's when left out")
    change = people.add_mutually_exclusive_group()
    change.add_argument("--remove", metavar="HANDLE", help="end somebody's; yourself to leave")
    change.add_argument("--set", metavar="HANDLE=ROLE", help="read, write or admin from now on")


def run_invite_member(here: Here, args: Namespace) -> None:
    """Invite somebody to an organization"""
    client = here.signed_in()
    request = o.InviteMemberRequest(
        organization_handle=args.organization, invitee=args.invitee, role=args.role
    )
    _told(here, client.organizations.InviteMember(request), "Invited {0} to {1}")


def run_invite_collaborator(here: Here, args: Namespace) -> None:
    """Invite somebody to work on one project"""
    where = address.project(args.project)
    client = here.signed_in(where.instance)
    request = p.InviteCollaboratorRequest(
        organization_handle=where.organization,
        project_handle=where.project,
        invitee=args.invitee,
        role=args.role,
    )
    _told(here, client.projects.InviteCollaborator(request), "Invited {0} to {1}")


def run_invitations(here: Here, args: Namespace) -> None:
    """List invitations that nobody answered, or yours; send one again or take it back"""
    client = here.signed_in()
    if not args.organization:
        if args.resend or args.revoke:
            raise Usage(problem="Say whose invitation: mic org invitations ORG --revoke WHO.")
        mine = client.invitations.ListMyInvitations(i.ListMyInvitationsRequest()).items
        if here.json:
            return render.as_json({"items": [as_dict(each) for each in mine]})
        for each in mine:
            render.line(f"{_place(each)}  as {each.role}, from {each.invited_by}")
        return None if mine else render.line("No invitations.")
    found = _waiting(client, args.organization)
    if who := args.resend or args.revoke:
        request = i.ChangeTeamInvitationRequest(invitation_id=_to(found, who, args.organization).id)
        if args.resend:
            return _told(here, client.invitations.ResendTeamInvitation(request), "Invited {0} to {1} again")
        return _told(
            here,
            client.invitations.RevokeTeamInvitation(request),
            "{0} is invited to {1} no more",
            waits=False,
        )
    if here.json:
        return render.as_json({"items": [as_dict(each) for each in found]})
    width = max((len(each.invitee) for each in found), default=0)
    for each in found:
        render.line(f"{each.invitee:<{width}}  as {each.role}, from {each.invited_by}, {_until(each)}")
    return None if found else render.line("No invitations.")


def run_accept(here: Here, args: Namespace) -> None:
    """Accept an invitation"""
    client, request = _mine(here, args.place)
    said = client.invitations.AcceptTeamInvitation(request)
    if here.json:
        return render.as_json(as_dict(said))
    what = "work on" if said.project else "belong to"
    render.line(f"You {what} {_place(said)} now, as {said.role}.")


def run_decline(here: Here, args: Namespace) -> None:
    """Decline an invitation"""
    client, request = _mine(here, args.place)
    said = client.invitations.DeclineTeamInvitation(request)
    if here.json:
        return render.as_json(as_dict(said))
    render.line(f"Declined to join {_place(said)}.")


def run_role(here: Here, args: Namespace) -> None:
    """Give a member another role"""
    client = here.signed_in()
    request = o.UpdateMemberRequest(organization_handle=args.organization, handle=args.handle, role=args.role)
    member = client.organizations.UpdateMember(request)
    if here.json:
        return render.as_json(as_dict(member))
    render.line(f"{member.handle} is {member.role} of {member.organization} now.")


def run_remove_member(here: Here, args: Namespace) -> None:
    """Remove a member, or leave"""
    client = here.signed_in()
    request = o.RemoveMemberRequest(organization_handle=args.organization, handle=args.handle)
    member = client.organizations.RemoveMember(request)
    if here.json:
        return render.as_json(as_dict(member))
    render.line(f"{member.handle} belongs to {member.organization} no more.")


def run_collaborators(here: Here, args: Namespace) -> None:
    """List who works on a project from outside, or change that"""
    where = address.project(args.project) if args.project else here.project
    client = here.signed_in(where.instance if args.project else "")
    named = {"organization_handle": where.organization, "project_handle": where.project}
    if args.remove:
        gone = client.projects.RemoveCollaborator(p.RemoveCollaboratorRequest(handle=args.remove, **named))
        if here.json:
            return render.as_json(as_dict(gone))
        return render.line(f"{gone.handle} works on {where.name} no more.")
    if args.set:
        handle, _, role = args.set.partition("=")
        if role not in _COLLABORATOR:
            raise Usage(problem=f"Say it as HANDLE=ROLE, the role being {', '.join(_COLLABORATOR)}.")
        request = p.UpdateCollaboratorRequest(handle=handle, role=role, **named)
        changed = client.projects.UpdateCollaborator(request)
        if here.json:
            return render.as_json(as_dict(changed))
        return render.line(f"{changed.handle} works on {where.name} as {changed.role} now.")
    found = all_pages(client.projects.ListCollaborators, p.ListCollaboratorsRequest, **named)
    list_people(here, found)
    return None if found or here.json else render.line("No collaborators.")


def list_people(here: Here, found: Sequence[Any]) -> None:
    """Who belongs somewhere, each with a handle, a name and a role."""
    if here.json:
        return render.as_json({"items": [as_dict(each) for each in found]})
    width = max((len(each.handle) for each in found), default=0)
    for each in found:
        render.line(f"{each.handle:<{width}}  {each.name or each.handle}  ({each.role})")


def _waiting(client: Client, place: str) -> list[i.InviteResponse]:
    if "/" in place:
        where = address.project(place)
        asked = p.ListCollaboratorInvitationsRequest(
            organization_handle=where.organization, project_handle=where.project
        )
        return list(client.projects.ListCollaboratorInvitations(asked).items)
    request = o.ListMemberInvitationsRequest(organization_handle=place)
    return list(client.organizations.ListMemberInvitations(request).items)


def _to(found: list[i.InviteResponse], who: str, place: str) -> i.InviteResponse:
    for each in found:
        if each.invitee == who.strip().lower():
            return each
    raise Usage(problem=f"Nobody waits under {who}. mic org invitations {place} lists who does.")


def _mine(here: Here, place: str) -> tuple[Client, i.AnswerTeamInvitationRequest]:
    client = here.signed_in()
    for each in client.invitations.ListMyInvitations(i.ListMyInvitationsRequest()).items:
        if _place(each) == place.strip().lower():
            return client, i.AnswerTeamInvitationRequest(invitation_id=each.id)
    raise Usage(problem=f"You have no invitation to {place}. mic org invitations lists those you have.")


def _place(invitation: i.InviteResponse | i.MyInvitationResponse) -> str:
    project = f"/{invitation.project}" if invitation.project else ""
    return f"{invitation.organization}{project}"


def _until(invitation: i.InviteResponse) -> str:
    if invitation.state == "waiting":
        return f"until {invitation.expires_at[:10]}"
    return f"{invitation.state}: mic org invitations {_place(invitation)} --resend {invitation.invitee}"


def _told(here: Here, invitation: i.InviteResponse, deed: str, *, waits: bool = True) -> None:
    if here.json:
        return render.as_json(as_dict(invitation))
    said = deed.format(invitation.invitee, _place(invitation))
    until = f" as {invitation.role}. They may say yes until {invitation.expires_at[:10]}." if waits else "."
    render.line(f"{said}{until}")
