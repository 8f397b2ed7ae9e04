"""`mic fetch`: bring what remotes have."""

from argparse import ArgumentParser, Namespace
from typing import Any

from mic import git_credential, remotes, render
from mic.errors import Usage
from mic.here import Here

EXAMPLE = "examples:\n  mic fetch github\n  mic fetch --all"


def add_arguments(parser: ArgumentParser) -> None:
    """Which remote, or all."""
    parser.add_argument("name", nargs="?", metavar="REMOTE", help="a remote; origin when left out")
    parser.add_argument("--all", action="store_true", help="every remote")


def run(here: Here, args: Namespace) -> None:
    """Bring what remotes have into .mic/git"""
    if args.all and args.name:
        raise Usage(problem="Name one remote, or take --all, not both.")
    told: list[dict[str, Any]] = []
    with here.workspace as workspace:
        names = list(remotes.all_of(workspace)) if args.all else [args.name or remotes.ORIGIN]
        for name in names:
            moved = remotes.fetch(workspace, name, git_credential.called(insecure=bool(args.insecure)))
            told.append({"name": name, "refs": [vars_of(each) for each in moved]})
            if not here.json:
                show(name, moved)
    if here.json:
        render.as_json(told)


def show(name: str, moved: list[remotes.Moved]) -> None:
    """Lines for people: what moved, if anything did."""
    render.line(f"{name}: {render.count(len(moved), 'ref')} moved" if moved else f"{name}: nothing new")
    for each in moved:
        how = "new" if each.old is None else "gone" if each.new is None else "moved"
        render.line(f"  {how:<5}  {each.ref}")


def vars_of(moved: remotes.Moved) -> dict[str, str | None]:
    """The JSON of one ref."""
    how = "new" if moved.old is None else "gone" if moved.new is None else "moved"
    return {"ref": moved.ref, "change": how}
