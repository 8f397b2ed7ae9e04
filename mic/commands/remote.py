"""`mic remote`: the other places that a project's history is in."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mic import config, parsing, remotes, render
from mic.errors import RemoteThere, Usage
from mic.here import Here
from mic.workspace import Workspace

EXAMPLE = "examples:\n  mic remote add github https://github.com/org/project.git\n  mic remote list"


def add_arguments(parser: ArgumentParser) -> None:
    """The verbs, and which remote."""
    verbs = parsing.subcommands(parser)
    parsing.verb(verbs, "list", run_list, "mic remote list")
    add = parsing.verb(verbs, "add", run_add, "mic remote add github https://github.com/org/project.git")
    remove = parsing.verb(verbs, "remove", run_remove, "mic remote remove github")
    show = parsing.verb(verbs, "show", run_show, "mic remote show github")
    rename = parsing.verb(verbs, "rename", run_rename, "mic remote rename github mirror")
    moved = parsing.verb(
        verbs, "set-url", run_set_url, "mic remote set-url github git@github.com:org/other.git"
    )
    for each in (add, remove, show, moved):
        each.add_argument("name", metavar="NAME", help="what the remote is called here")
    for each in (add, moved):
        each.add_argument("url", metavar="URL", help="the address of a git repository")
    rename.add_argument("name", metavar="OLD", help="what it is called")
    rename.add_argument("to", metavar="NEW", help="what it will be called")


def run_list(here: Here, args: Namespace) -> None:
    """List the remotes of this workspace"""
    found = remotes.all_of(here.workspace)
    if here.json:
        return render.as_json([{"name": name, "url": url} for name, url in found.items()])
    width = max(map(len, found), default=0)
    for name, url in found.items():
        render.line(f"{name:<{width}}  {url}")


def run_add(here: Here, args: Namespace) -> None:
    """Add a git repository as a remote"""
    name, url = remotes.named(args.name), remotes.address(args.url, here.folder)
    with here.workspace as workspace:
        _is_free(workspace, name)
        _put(workspace, name, {"url": url})
    _told(here, name, url, f"Added {name}. Fetch it: mic fetch {name}")


def run_remove(here: Here, args: Namespace) -> None:
    """Remove a remote, and what was fetched from it"""
    with here.workspace as workspace:
        url = _changeable(workspace, args.name)
        _put(workspace, args.name, None)
        remotes.forget(workspace, args.name)
    _told(here, args.name, url, f"Removed {args.name}.")


def run_show(here: Here, args: Namespace) -> None:
    """Show where a remote is and what was last fetched from it"""
    url = remotes.url_of(here.workspace, args.name)
    refs = remotes.refs_of(here.workspace, args.name)
    if here.json:
        return render.as_json({"name": args.name, "url": url, "refs": refs})
    render.line(f"{args.name}  {url}")
    for ref, sha1 in refs.items():
        render.line(f"  {sha1[:12]}  {ref}")


def run_rename(here: Here, args: Namespace) -> None:
    """Call a remote something else"""
    to = remotes.named(args.to)
    with here.workspace as workspace:
        url = _changeable(workspace, args.name)
        _is_free(workspace, to)
        _put(workspace, to, config.get(workspace.settings, f"remote.{args.name}"))
        _put(workspace, args.name, None)
        remotes.forget(workspace, args.name)
    _told(here, to, url, f"Renamed {args.name} to {to}. Fetch it again: mic fetch {to}")


def run_set_url(here: Here, args: Namespace) -> None:
    """Change where a remote is"""
    url = remotes.address(args.url, here.folder)
    with here.workspace as workspace:
        _changeable(workspace, args.name)
        _put(workspace, args.name, {**config.get(workspace.settings, f"remote.{args.name}"), "url": url})
    _told(here, args.name, url, f"{args.name} is at {url} from now on.")


def _changeable(workspace: Workspace, name: str) -> str:
    url = remotes.url_of(workspace, name)
    if name == remotes.ORIGIN:
        raise Usage(
            problem="origin is the project on the forge, and this workspace is made of it. Leave it be."
        )
    return url


def _is_free(workspace: Workspace, name: str) -> None:
    if name in remotes.all_of(workspace):
        raise RemoteThere(name=name)


def _put(workspace: Workspace, name: str, value: object) -> None:
    config.put(workspace.settings, f"remote.{name}", value)
    config.write(Path(workspace.path("config")), workspace.settings)


def _told(here: Here, name: str, url: str, sentence: str) -> None:
    if here.json:
        return render.as_json({"name": name, "url": url})
    render.line(sentence)
