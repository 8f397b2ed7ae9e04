"""`REF:PATH`: files where a workspace stands, and files at any ref of its project."""

import os
from collections.abc import Iterable

from mic import checkout, scan, transfer
from mic.errors import NoSuchPath
from mic.files import Item
from mic.here import Here


def split(here: Here, text: str) -> tuple[str, str]:
    """The ref, empty for the base, and the path from the root of the tree.

    After a ref the path counts from the root; without one from this folder. A file whose own
    name has a colon in it wins over a ref.
    """
    ref, colon, path = text.partition(":")
    if not colon or here.workspace.index.get(here.in_tree(text)) is not None:
        return "", here.in_tree(text)
    path = os.path.normpath(path) if path else ""
    return ref, "" if path == "." else path.lstrip("/")


def listing(here: Here, ref: str) -> list[Item]:
    """Every file of the base, or of a ref, by path."""
    if ref:
        where = here.project
        return checkout.tree(here.client(), where.organization, where.project, ref).items
    base = here.workspace.index.base()
    items = [Item(os.fsencode(path), r[0], r[1].hex(), r[2]) for path, r in base.items()]
    return sorted(items)


def content(here: Here, ref: str, path: str) -> tuple[Item, Iterable[bytes]]:
    """One file and its bytes. NoSuchPath when it is not there or a folder."""
    wanted = os.fsencode(path)
    item = next((item for item in listing(here, ref) if item.path == wanted), None)
    if item is None or item.mode == scan.MODULE:
        raise NoSuchPath(path=path or "the root folder", where=ref or "the base")
    kept = here.workspace.contents()
    if kept.has(item.id):
        return item, kept.pieces(item.id)
    project = str(here.workspace.settings.get("project", {}).get("id", ""))
    with here.workspace.contents() as filling:
        transfer.receive(here.client(), project, filling, [(item.id, item.size)])
    return item, kept.pieces(item.id)
