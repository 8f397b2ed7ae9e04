"""`mic clone`: a project as a workspace."""

import os
import shutil
from argparse import ArgumentParser, Namespace

from mic import address, checkout, files, render
from mic.errors import Usage
from mic.here import Here
from mic.workspace import Workspace

EXAMPLE = "example:\n  mic clone https://forge.example.org/acme/notes"


def add_arguments(parser: ArgumentParser) -> None:
    """What to clone, and where to."""
    parser.add_argument("url", metavar="URL", help="https://host/org/project, or org/project")
    parser.add_argument("directory", nargs="?", metavar="DIR", help="the folder to make; the project's name")
    parser.add_argument(
        "--ref", default="", help='what to stand on: "@12", a branch or tag; the newest landing'
    )


def run(here: Here, args: Namespace) -> None:
    """Get a project as a workspace"""
    where = address.clone_url(args.url)
    root = os.path.abspath(os.path.join(here.folder, args.directory or where.project))
    existed = os.path.isdir(root)
    if os.path.lexists(root) and (not existed or os.listdir(root)):
        raise Usage(
            problem=f"{root} is there already and not an empty folder. Give another: mic clone URL DIR"
        )
    client = here.client(where.instance)
    tree = checkout.tree(client, where.organization, where.project, args.ref)
    files.check_names(tree.items)
    index = tree.index()
    url = f"{client.instance}/{tree.project.organization}/{tree.project.handle}"
    try:
        workspace = Workspace.create(root, checkout.settings_of(url, tree.project), index)
        workspace.index = index
        checkout.fill(workspace, client, tree.project.id)
    except BaseException:
        # Nothing half is left behind; what was an empty folder is one again.
        _emptied(root, keep=existed)
        raise
    if here.json:
        return render.as_json(
            {
                "directory": root,
                "project": f"{tree.project.organization}/{tree.project.handle}",
                "position": tree.position if tree.position >= 0 else None,
                "commit": tree.commit or None,
                "files": len(tree.items),
            }
        )
    at = f" at position {tree.position}" if tree.position >= 0 else f" at {args.ref}"
    many = render.count(len(tree.items), "file")
    name = f"{tree.project.organization}/{tree.project.handle}"
    render.line(f"Cloned {name}{at} into {os.path.relpath(root, here.folder)} ({many}).")


def _emptied(root: str, *, keep: bool) -> None:
    for name in os.listdir(root) if os.path.isdir(root) else ():
        whole = os.path.join(root, name)
        if os.path.isdir(whole) and not os.path.islink(whole):
            shutil.rmtree(whole, ignore_errors=True)
        else:
            os.unlink(whole)
    if not keep and os.path.isdir(root):
        os.rmdir(root)
