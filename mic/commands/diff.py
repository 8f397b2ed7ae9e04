"""`mic diff`: changed lines, exactly as git shows them."""

import os
from argparse import ArgumentParser, Namespace

from mic import compare, render
from mic.errors import NoSuchPath
from mic.here import Here

EXAMPLE = "examples:\n  mic diff src\n  mic diff @3..@5 --stat"


def add_arguments(parser: ArgumentParser) -> None:
    """What to compare and how to show it."""
    parser.add_argument("what", nargs="*", metavar="[A..B] PATH", help="two refs, then files and folders")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--patch", action="store_true", help="whole patch (default)")
    shape.add_argument("--stat", action="store_true", help="how much of each file changed")
    shape.add_argument("--name-only", action="store_true", help="names only")


def run(here: Here, args: Namespace) -> None:
    """Show changed lines"""
    workspace = here.workspace
    ends, names = _split(here, args.what)
    paths = [os.fsencode(here.in_tree(name)) for name in names]
    wanted = compare.within(paths)
    if ends is None:
        pairs = [pair for pair in compare.working(here, workspace) if wanted(pair.path)]
        for name, path in zip(names, paths, strict=True):
            known = os.path.lexists(workspace.file(os.fsdecode(path))) or any(
                compare.within([path])(os.fsencode(base)) for base in workspace.index.base()
            )
            if not known:
                raise NoSuchPath(path=name, where="this workspace")
    else:
        pairs = compare.refs(here, *ends, wanted)
    if here.json:
        return render.as_json(compare.as_values(pairs))
    if args.name_only:
        for pair in pairs:
            render.line(render.path(os.fsdecode(pair.path)))
    elif args.stat:
        compare.show_stat(pairs)
    else:
        compare.show_patch(pairs)


def _split(here: Here, what: list[str]) -> tuple[tuple[str, str] | None, list[str]]:
    """Refs apart from paths: the first word with two dots that names no file."""
    if what and ".." in what[0] and "/.." not in what[0] and not what[0].startswith(".."):
        older, _, newer = what[0].partition("..")
        if not os.path.lexists(os.path.join(here.folder, what[0])):
            return (older, newer or "HEAD"), what[1:]
    return None, what
