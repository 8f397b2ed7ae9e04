"""`mic clone`: a project as a workspace."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from mic import address, cloning, render
from mic.here import Here

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
    where = replace(where, instance=here.instance(where.instance))
    root = os.path.abspath(os.path.join(here.folder, args.directory or where.project))
    clone = cloning.Clone(root, where, args.ref)
    try:
        workspace = clone.run(here.client(where.instance), where)
    except BaseException:
        if cloning.kept(root):
            folder = os.path.relpath(root, here.folder)
            render.note(f"The clone ended early. The same command goes on with what came into {folder}.")
        raise
    position = workspace.index.position
    about = workspace.settings["project"]
    project = f"{about['organization']}/{about['handle']}"
    files = len(workspace.index.base())
    if here.json:
        return render.as_json(
            {
                "directory": root,
                "project": project,
                "position": position if position >= 0 else None,
                "commit": workspace.index.commit or None,
                "files": files,
            }
        )
    at = f" at position {position}" if position >= 0 else f" at {args.ref}"
    into = os.path.relpath(root, here.folder)
    render.line(f"Cloned {project}{at} into {into} ({render.count(files, 'file')}).")
