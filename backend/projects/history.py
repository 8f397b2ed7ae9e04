"""What happened to a path: the landings that changed it, found by comparing trees.

There is no table of every path of every landing. `path_latest` says where to begin; from there
each landing's tree is compared with the one before it, down to the path and no further.
"""

from itertools import pairwise

from sqlmodel import col, select

from backend.core.context import Context
from backend.projects import code
from backend.projects.models import Cursor, Landing, PathLatest, Project
from vcs.objects import EMPTY_TREE, Entry
from vcs.overlay import TreeReader

COMPARED = 1000
"""Landings that one call compares at most."""


def changes_of(
    ctx: Context, project: Project, path: bytes, *, below: int, limit: int
) -> tuple[list[int], int | None]:
    """Positions below one that changed a file or folder, newest first, and the position to go on below.

    A page may have fewer than `limit`, or none, and still be followed by another.
    """
    reader = code.reader(ctx, project)
    newest = _newest(ctx, project, path, below)
    query = select(Landing.position, Landing.tree).where(Landing.project == project.id)
    query = query.where(col(Landing.position) <= newest).order_by(col(Landing.position).desc())
    rows = [*ctx.db.exec(query.limit(COMPARED + 1)).all()]
    if rows and rows[-1][0] == 1:
        rows.append((0, EMPTY_TREE))
    names = path.split(b"/")
    known: dict[tuple[str, int], Entry | None] = {}
    found: list[int] = []
    for (position, tree), (_, before) in pairwise(rows):
        if _entry(reader, tree, names, known) != _entry(reader, before, names, known):
            found.append(position)
            if len(found) == limit:
                break
    last = found[-1] if len(found) == limit else rows[-2][0] if len(rows) > 1 else 1
    return found, last if last > 1 else None


def _newest(ctx: Context, project: Project, path: bytes, below: int) -> int:
    """No landing after this one, and below that one, changed the path; 0 when none ever did."""
    stands = select(Cursor.name, Cursor.sequence).where(Cursor.project == project.id)
    sequences = dict(ctx.db.exec(stands).all())
    # The table of paths may be written a little after that of landings.
    if sequences.get("paths", -1) < sequences.get("landings", 0):
        return below - 1
    latest = ctx.db.get(PathLatest, (project.id, path))
    return min(below - 1, latest.position) if latest else 0


def _entry(
    reader: TreeReader, tree: str, names: list[bytes], known: dict[tuple[str, int], Entry | None]
) -> Entry | None:
    """The entry at a path; folders that are the same in many trees are looked into once."""
    if tree == EMPTY_TREE:
        return None
    key = tree, len(names)
    if key not in known:
        found = next((entry for entry in reader.tree(tree) if entry.name == names[0]), None)
        if found is not None and len(names) > 1:
            found = _entry(reader, found.id, names[1:], known) if found.is_tree else None
        known[key] = found
    return known[key]
