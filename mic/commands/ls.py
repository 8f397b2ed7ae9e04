"""`mic ls`: the files of the base, or of a ref."""

import os
from argparse import ArgumentParser, Namespace

from mic import at, render, scan
from mic.errors import NoSuchPath
from mic.files import Item
from mic.here import Here

EXAMPLE = "examples:\n  mic ls src\n  mic ls -r @3:"


def add_arguments(parser: ArgumentParser) -> None:
    """Which folder, and how much of it."""
    parser.add_argument("path", nargs="?", default=".", metavar="[REF:]PATH", help="a folder; this one")
    parser.add_argument("-r", dest="recursive", action="store_true", help="with everything below")
    parser.add_argument("-l", dest="long", action="store_true", help="with mode, size and id")


def run(here: Here, args: Namespace) -> None:
    """List files of the base"""
    ref, path = at.split(here, args.path)
    items = at.listing(here, ref)
    prefix = os.fsencode(path) + b"/" if path else b""
    found = [item for item in items if item.path.startswith(prefix) or item.path == prefix[:-1]]
    if not found and prefix:
        raise NoSuchPath(path=path, where=ref or "the base")
    if not args.recursive:
        found = _folded(found, prefix)
    if here.json:
        return render.as_json({"items": [_told(item) for item in found]})
    width = max((len(str(item.size)) for item in found), default=0)
    for item in found:
        name = render.path(os.fsdecode(item.path[len(prefix) :] or item.path))
        name += "/" if item.mode == 0o40000 else "@" if item.mode == scan.LINK else ""
        if args.long:
            size = "-" if item.mode == 0o40000 else str(item.size)
            render.line(f"{item.mode:06o} {size:>{width}} {item.id[:12] or '-':<12} {name}")
        else:
            render.line(name)


def _folded(items: list[Item], prefix: bytes) -> list[Item]:
    """Files of a folder itself, and the folders in it; folders first."""
    files: list[Item] = []
    folders: dict[bytes, Item] = {}
    for item in items:
        name, slash, _ = item.path[len(prefix) :].partition(b"/")
        if slash:
            folders.setdefault(name, Item(prefix + name, 0o40000, "", 0))
        else:
            files.append(item)
    return [*sorted(folders.values()), *sorted(files)]


def _told(item: Item) -> dict[str, object]:
    folder = item.mode == 0o40000
    return {
        "path": render.path(os.fsdecode(item.path)),
        "mode": f"{item.mode:o}",
        "id": item.id or None,
        "size": None if folder else item.size,
    }
