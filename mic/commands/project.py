"""`mic project`: projects, and making a folder one."""

import os
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from mic import address, checkout, parsing, render
from mic.answers import as_dict
from mic.client import Client
from mic.commands import project_settings as settings
from mic.commands import session as sessions
from mic.commands import team
from mic.errors import AlreadyAWorkspace, Usage
from mic.here import Here
from mic.index import Index
from mic.push import push
from mic.scan import Change, changes
from mic.workspace import Workspace
from vcs.wire import projects_pb2 as p
from vcs.wire import sessions_pb2 as s

EXAMPLE = 'example:\n  mic project create acme/notes --name "Notes" --init'


def add_arguments(parser: ArgumentParser) -> None:
    """The verbs of projects."""
    verbs = parsing.subcommands(parser)
    create = parsing.verb(verbs, "create", run_create, 'mic project create acme/notes --name "Notes" --init')
    create.add_argument("project", metavar="ORG/PROJECT", help="its address")
    create.add_argument("--name", default="", help="its name for people")
    create.add_argument("--description", default="", help="one line about it")
    create.add_argument("--visibility", choices=("public", "private"), help="who sees it")
    create.add_argument(
        "--init", action="store_true", help="make this folder its workspace and land the files in it"
    )
    create.add_argument("--fork", metavar="ORG/PROJECT", help="begin where that project stands")
    fork = parsing.verb(verbs, "fork", run_fork, "mic project fork acme/notes ada/my-notes")
    fork.add_argument("project", metavar="ORG/PROJECT", help="the project to fork")
    fork.add_argument(
        "into", nargs="?", metavar="ORG/NAME", help="where the fork is; your own organization when left out"
    )
    forks = parsing.verb(verbs, "forks", run_forks, "mic project forks acme/notes")
    forks.add_argument("project", nargs="?", metavar="ORG/PROJECT", help="the workspace's when left out")
    settings.add_arguments(verbs)
    team.add_to_project(verbs)
    listing = parsing.verb(verbs, "list", run_list, "mic project list acme")
    listing.add_argument("organization", nargs="?", metavar="ORG", help="only those of one organization")
    show = parsing.verb(verbs, "show", run_show, "mic project show acme/notes")
    show.add_argument("project", nargs="?", metavar="ORG/PROJECT", help="the workspace's when left out")


def run_create(here: Here, args: Namespace) -> None:
    """Create a project"""
    where = address.project(args.project)
    if args.fork:
        if args.init or args.name or args.description or args.visibility:
            raise Usage(problem="A fork has the name, visibility and files of what it is made of.")
        return _fork(here, address.project(args.fork), where.organization, where.project)
    if args.init and os.path.lexists(os.path.join(here.folder, ".mic")):
        raise AlreadyAWorkspace(folder=here.folder)
    client = here.signed_in(where.instance)
    made = client.projects.CreateProject(
        p.CreateProjectRequest(
            organization_handle=where.organization,
            project_handle=where.project,
            name=args.name,
            description=args.description,
            visibility=args.visibility or "private",
        )
    )
    landed = _init(here, client, made) if args.init else None
    if landed is not None:
        request = p.GetProjectRequest(organization_handle=made.organization, project_handle=made.handle)
        made = client.projects.GetProject(request)
    if here.json:
        return render.as_json(as_dict(made))
    render.line(f"Created {made.visibility} project {made.organization}/{made.handle}.")
    if landed is not None:
        render.line(f"Landed {render.count(landed.files, 'file')} at position {landed.position}.")
    elif args.init:
        render.line("This folder is its workspace now; it has no files yet.")
    render.line(made.url)


def run_fork(here: Here, args: Namespace) -> None:
    """Fork a project"""
    into = address.project(args.into) if args.into else None
    handles = (into.organization, into.project) if into else (None, None)
    _fork(here, address.project(args.project), *handles)


def _fork(here: Here, parent: address.ProjectAddress, into: str | None, handle: str | None) -> None:
    client = here.signed_in(parent.instance)
    made = client.projects.ForkProject(
        p.ForkProjectRequest(
            organization_handle=parent.organization,
            project_handle=parent.project,
            into=into,
            handle=handle,
        )
    )
    if here.json:
        return render.as_json(as_dict(made))
    render.line(f"Forked {parent.name} to {made.organization}/{made.handle}, at position {made.position}.")
    render.line(made.url)


def _init(here: Here, client: Client, made: p.ProjectResponse) -> s.SessionResponse | None:
    """Make the folder the project's workspace and land its files through a session."""
    url = f"{client.instance}/{made.organization}/{made.handle}"
    index = Index(made.position, made.commit, made.tree)
    workspace = Workspace.create(here.folder, checkout.settings_of(url, made), index)
    found = _first_files(workspace)
    if not found:
        return None
    with workspace:
        session = client.sessions.StartSession(
            s.StartSessionRequest(
                organization_handle=made.organization,
                project_handle=made.handle,
                goal=f"Begin {made.name or made.handle}",
                base_position=made.position,
            )
        )
        sessions.keep(workspace, session)
        push(workspace, client, found, look=lambda: _first_files(workspace))
        landed: s.SessionResponse = client.sessions.LandSession(s.LandSessionRequest(session_id=session.id))
        checkout.advance(workspace, client, landed.position)
        workspace.close_session()
    return landed


def _first_files(workspace: Workspace) -> list[Change]:
    """Tracked files where git knows the folder; else all that no rule ignores."""
    found = changes(workspace.root, workspace.index)
    tracked = _tracked(workspace.root)
    return found if tracked is None else [change for change in found if change.path in tracked]


def _tracked(folder: str) -> set[str] | None:
    try:
        listed = subprocess.run(
            ["git", "-C", folder, "ls-files", "-z", "--cached"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return None
    return None if listed.returncode else {os.fsdecode(path) for path in listed.stdout.split(b"\0") if path}


def run_list(here: Here, args: Namespace) -> None:
    """List the projects you may see"""
    client = here.client()
    projects = client.projects

    def page(cursor: str) -> p.ListProjectsResponse:
        found: p.ListProjectsResponse
        if args.organization:
            asked = p.ListProjectsRequest(organization_handle=args.organization, cursor=cursor, limit=100)
            found = projects.ListProjects(asked)
        else:
            found = projects.ListAllProjects(p.ListAllProjectsRequest(cursor=cursor, limit=100))
        return found

    _show_all(here, page, "No projects.")


def run_forks(here: Here, args: Namespace) -> None:
    """List the forks of a project that you may see"""
    where = address.project(args.project) if args.project else here.project
    client = here.client(where.instance if args.project else "")

    def page(cursor: str) -> p.ListProjectsResponse:
        found: p.ListProjectsResponse = client.projects.ListForks(
            p.ListForksRequest(
                organization_handle=where.organization,
                project_handle=where.project,
                cursor=cursor,
                limit=100,
            )
        )
        return found

    _show_all(here, page, "No forks.")


def _show_all(here: Here, page: Callable[[str], p.ListProjectsResponse], none: str) -> None:
    """Every page of a list of projects, a line each."""
    found: list[p.ProjectResponse] = []
    cursor = ""
    while True:
        got = page(cursor)
        found += got.items
        cursor = got.next
        if not cursor:
            break
    if here.json:
        return render.as_json({"items": [as_dict(each) for each in found]})
    if not found:
        return render.line(none)
    width = max(len(f"{each.organization}/{each.handle}") for each in found)
    for each in found:
        name = f"{each.organization}/{each.handle}"
        about = f"  {each.description}" if each.description else ""
        render.line(f"{name:<{width}}  {each.visibility:<7}  @{each.position}{about}")


def run_show(here: Here, args: Namespace) -> None:
    """Show one project"""
    where = address.project(args.project) if args.project else here.project
    request = p.GetProjectRequest(organization_handle=where.organization, project_handle=where.project)
    client = here.client(where.instance if args.project else "")
    found = client.projects.GetProject(request)
    if here.json:
        return render.as_json(as_dict(found))
    render.line(f"{found.organization}/{found.handle}: {found.name or found.handle}")
    if found.description:
        render.line(found.description)
    if found.forked_from:
        render.line(f"Fork of: {found.forked_from}")
    if found.forks:
        render.line(f"Forks: {found.forks}")
    render.line(f"Visibility: {found.visibility}{', archived' if found.archived else ''}")
    render.line(f"Position: {found.position}")
    render.line(f"Open sessions: {found.open_sessions}")
    render.line(f"Page: {found.url}")
