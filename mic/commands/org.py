"""`mic org`: organizations."""

from argparse import ArgumentParser, Namespace

from mic import parsing, render
from mic.answers import all_pages, as_dict
from mic.commands import project, team
from mic.here import Here
from vcs.wire import organizations_pb2 as o

EXAMPLE = 'example:\n  mic org create acme --name "Acme"'


def add_arguments(parser: ArgumentParser) -> None:
    """The verbs of organizations."""
    verbs = parsing.subcommands(parser)
    create = parsing.verb(verbs, "create", run_create, 'mic org create acme --name "Acme"')
    create.add_argument("handle", metavar="HANDLE", help="its name in addresses")
    create.add_argument("--name", default="", help="its name for people")
    create.add_argument("--description", default="", help="one line about it")
    parsing.verb(verbs, "list", run_list, "mic org list")
    rename = parsing.verb(verbs, "rename", run_rename, "mic org rename acme acme-labs")
    rename.add_argument("organization", metavar="ORG", help="which organization")
    rename.add_argument("handle", metavar="HANDLE", help="its handle from now on")
    members = parsing.verb(verbs, "members", run_members, "mic org members acme")
    members.add_argument("organization", metavar="ORG", help="whose members")
    projects = parsing.verb(verbs, "projects", project.run_list, "mic org projects acme")
    projects.add_argument("organization", metavar="ORG", help="whose projects")
    team.add_to_org(verbs)


def run_create(here: Here, args: Namespace) -> None:
    """Create an organization that you own"""
    client = here.signed_in()
    made = client.organizations.CreateOrganization(
        o.CreateOrganizationRequest(handle=args.handle, name=args.name, description=args.description)
    )
    if here.json:
        return render.as_json(as_dict(made))
    render.line(f"Created organization {made.handle}.")
    render.line(made.url)


def run_list(here: Here, args: Namespace) -> None:
    """List the organizations you belong to"""
    client = here.signed_in()
    found = all_pages(client.organizations.ListOrganizations, o.ListOrganizationsRequest)
    if here.json:
        return render.as_json({"items": [as_dict(each) for each in found]})
    width = max((len(each.handle) for each in found), default=0)
    for each in found:
        personal = ", personal" if each.personal else ""
        render.line(f"{each.handle:<{width}}  {each.name or each.handle}  ({each.role}{personal})")


def run_rename(here: Here, args: Namespace) -> None:
    """Give an organization another handle"""
    client = here.signed_in()
    found = client.organizations.RenameOrganization(
        o.RenameOrganizationRequest(organization_handle=args.organization, handle=args.handle)
    )
    if here.json:
        return render.as_json(as_dict(found))
    render.line(f"Renamed {args.organization} to {found.handle}. The old addresses lead there.")
    render.line(found.url)


def run_members(here: Here, args: Namespace) -> None:
    """List who belongs to an organization, for its members"""
    client = here.signed_in()
    named = {"organization_handle": args.organization}
    found = all_pages(client.organizations.ListMembers, o.ListMembersRequest, **named)
    team.list_people(here, found)
