"""`mic project update|rename|transfer|archive|delete|restore`: what only admins and owners do."""

from argparse import ArgumentParser, Namespace
from typing import Any

from mic import address, parsing, render
from mic.answers import as_dict
from mic.client import Client
from mic.errors import Usage
from mic.here import Here
from vcs.wire import projects_pb2 as p

_CHOICES = {
    "visibility": (("public", "private"), "who sees it"),
    "who-may-propose": (("anyone", "members"), "who starts sessions in it, when it is public"),
    "session-visibility": (("anyone", "members"), "who reads the transcripts of open sessions"),
}
_TEXTS = {
    "name": "its name for people",
    "description": "one line about it",
    "website": "its address elsewhere",
}
_ON_OFF = {"archived": "read-only at every door", "protect-main-branch": "only admins land directly"}


def add_arguments(verbs: Any) -> None:
    """The verbs."""
    update = parsing.verb(verbs, "update", run_update, 'mic project update acme/notes --description "Shared"')
    _address(update)
    for name, about in _TEXTS.items():
        update.add_argument(f"--{name}", help=about)
    for name, (choices, about) in _CHOICES.items():
        update.add_argument(f"--{name}", choices=choices, help=about)
    for name, about in _ON_OFF.items():
        update.add_argument(f"--{name}", choices=("on", "off"), help=about)
    rename = parsing.verb(verbs, "rename", run_rename, "mic project rename acme/notes field-notes")
    _address(rename)
    rename.add_argument("handle", metavar="HANDLE", help="its handle from now on")
    transfer = parsing.verb(verbs, "transfer", run_transfer, "mic project transfer acme/notes compilers")
    _address(transfer)
    transfer.add_argument("into", metavar="ORG[/NAME]", help="whose it is from now on")
    archive = parsing.verb(verbs, "archive", run_archive, "mic project archive acme/notes")
    _address(archive)
    archive.add_argument("--undo", action="store_true", help="take it out of the archive again")
    delete = parsing.verb(verbs, "delete", run_delete, "mic project delete acme/notes --yes acme/notes")
    _address(delete)
    delete.add_argument("--yes", metavar="ORG/PROJECT", help="the address once more: yes, this one")
    restore = parsing.verb(verbs, "restore", run_restore, "mic project restore acme/notes")
    _address(restore)


def _address(verb: ArgumentParser) -> None:
    verb.add_argument("project", metavar="ORG/PROJECT", help="its address")


def run_update(here: Here, args: Namespace) -> None:
    """Change a project's settings"""
    given: dict[str, Any] = {}
    for name in (*_TEXTS, *_CHOICES, *_ON_OFF):
        value = getattr(args, name.replace("-", "_"))
        if value is not None:
            given[name.replace("-", "_")] = value == "on" if name in _ON_OFF else value
    if not given:
        raise Usage(problem="Say what to change: mic project update --help lists what there is.")
    _shown(here, _updated(here, args, given), "Updated")


def run_archive(here: Here, args: Namespace) -> None:
    """Make a project read-only"""
    found = _updated(here, args, {"archived": not args.undo})
    _shown(here, found, "Took out of the archive:" if args.undo else "Archived")


def run_rename(here: Here, args: Namespace) -> None:
    """Give a project another handle"""
    where, client = _signed_in(here, args)
    request = p.RenameProjectRequest(handle=args.handle, **_named(where))
    _moved(here, where, client.projects.RenameProject(request), "Renamed")


def run_transfer(here: Here, args: Namespace) -> None:
    """Give a project to another organization"""
    where, client = _signed_in(here, args)
    into, _, handle = args.into.partition("/")
    request = p.TransferProjectRequest(into=into, handle=handle or None, **_named(where))
    _moved(here, where, client.projects.TransferProject(request), "Transferred")


def run_delete(here: Here, args: Namespace) -> None:
    """Delete a project; its owners can restore it for 30 days"""
    where, client = _signed_in(here, args)
    if args.yes != where.name:
        raise Usage(
            problem=f"Nobody sees {where.name} any more once it is deleted. "
            f"If you mean it: mic project delete {where.name} --yes {where.name}"
        )
    gone = client.projects.DeleteProject(p.DeleteProjectRequest(**_named(where)))
    if here.json:
        return render.as_json(as_dict(gone))
    name = f"{gone.organization}/{gone.handle}"
    render.line(f"Deleted {name}. Until {gone.erased_at[:10]} it comes back with: mic project restore {name}")


def run_restore(here: Here, args: Namespace) -> None:
    """Bring a deleted project back"""
    where, client = _signed_in(here, args)
    _shown(here, client.projects.RestoreProject(p.RestoreProjectRequest(**_named(where))), "Restored")


def _signed_in(here: Here, args: Namespace) -> tuple[address.ProjectAddress, Client]:
    where = address.project(args.project)
    return where, here.signed_in(where.instance)


def _named(where: address.ProjectAddress) -> dict[str, str]:
    return {"organization_handle": where.organization, "project_handle": where.project}


def _updated(here: Here, args: Namespace, given: dict[str, Any]) -> p.ProjectResponse:
    where, client = _signed_in(here, args)
    found: p.ProjectResponse = client.projects.UpdateProject(
        p.UpdateProjectRequest(**{**_named(where), **given})
    )
    return found


def _shown(here: Here, found: p.ProjectResponse, did: str) -> None:
    if here.json:
        return render.as_json(as_dict(found))
    render.line(f"{did} {found.organization}/{found.handle}.")


def _moved(here: Here, old: address.ProjectAddress, found: p.ProjectResponse, did: str) -> None:
    if here.json:
        return render.as_json(as_dict(found))
    render.line(f"{did} {old.name} to {found.organization}/{found.handle}. The old address leads there.")
    render.line(found.url)
