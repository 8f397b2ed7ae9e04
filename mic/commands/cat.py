"""`mic cat`: a file as it is in the base, or at a ref."""

from argparse import ArgumentParser, Namespace

from mic import at, render
from mic.here import Here

EXAMPLE = "examples:\n  mic cat src/parser.py\n  mic cat @3:src/parser.py"


def add_arguments(parser: ArgumentParser) -> None:
    """Which file, and where."""
    parser.add_argument("path", metavar="[REF:]PATH", help="a file; without a ref as it is in the base")


def run(here: Here, args: Namespace) -> None:
    """Print a file of the base"""
    ref, path = at.split(here, args.path)
    item, pieces = at.content(here, ref, path)
    if here.json:
        from base64 import b64encode

        told = {"path": render.path(path), "mode": f"{item.mode:o}", "id": item.id, "size": item.size}
        return render.as_json({**told, "base64": b64encode(b"".join(pieces)).decode()})
    for piece in pieces:
        render.raw(piece)
