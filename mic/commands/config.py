"""`mic config`: settings of the workspace and of the person."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mic import config, render
from mic.errors import NoSuchPath, NotAWorkspace, Usage
from mic.here import Here

EXAMPLE = "examples:\n  mic config\n  mic config --global instance https://forge.example.org"


def add_arguments(parser: ArgumentParser) -> None:
    """Which setting, its new value, and where."""
    parser.add_argument("key", nargs="?", metavar="KEY", help="such as instance or remote.origin.url")
    parser.add_argument("value", nargs="?", metavar="VALUE", help="what to set it to")
    parser.add_argument("--unset", action="store_true", help="remove the setting")
    parser.add_argument("--global", dest="everywhere", action="store_true", help="yours, in every workspace")


def run(here: Here, args: Namespace) -> None:
    """Read and change settings"""
    workspace = here.workspace_if_any()
    own = Path(workspace.path("config")) if workspace else None
    everywhere = config.home() / "config.toml"
    if args.value is not None or args.unset:
        if args.key is None or (args.unset and args.value is not None):
            raise Usage(problem="Say which setting: mic config KEY VALUE, or mic config KEY --unset.")
        path = everywhere if args.everywhere else own
        if path is None:
            raise NotAWorkspace(f"{here.folder} is not in a workspace. Set it for all of them: --global")
        table = config.read(path)
        config.put(table, args.key, None if args.unset else args.value)
        return config.write(path, table)
    found = config.flat(config.read(everywhere))
    if own is not None and not args.everywhere:
        found |= config.flat(config.read(own))
    if args.key is not None:
        if args.key not in found:
            raise NoSuchPath(f"{args.key} is not set. See what is: mic config")
        found = {args.key: found[args.key]}
    if here.json:
        return render.as_json(found)
    for key, value in found.items():
        render.line(str(value) if args.key else f"{key} = {value}")
