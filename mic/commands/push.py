"""`mic push`: give a remote what the forge has."""

from argparse import ArgumentParser, Namespace

from mic import config, git_credential, remotes, render
from mic.commands.fetch import show, vars_of
from mic.errors import Usage
from mic.here import Here

EXAMPLE = "examples:\n  mic push github\n  mic push github main:backup"


def add_arguments(parser: ArgumentParser) -> None:
    """Where to, and what."""
    parser.add_argument("name", metavar="REMOTE", help="a remote that is not origin")
    parser.add_argument("refspec", nargs="?", metavar="REFSPEC", help="the trunk when left out")


def run(here: Here, args: Namespace) -> None:
    """Push the trunk as the forge has it to a remote"""
    if args.name == remotes.ORIGIN:
        raise Usage(
            problem="What goes to the forge lands in a session: mic session push. "
            "Name another remote to mirror to."
        )
    with here.workspace as workspace:
        remotes.url_of(workspace, args.name)
        remotes.fetch(workspace, remotes.ORIGIN, git_credential.called(insecure=bool(args.insecure)))
        refspec = args.refspec or config.get(workspace.settings, f"remote.{args.name}.push")
        refspec = str(refspec or remotes.trunk(workspace))
        moved = remotes.push(workspace, args.name, [refspec])
    if here.json:
        return render.as_json({"name": args.name, "refs": [vars_of(each) for each in moved]})
    show(args.name, moved)
