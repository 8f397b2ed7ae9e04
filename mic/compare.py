"""Diffs of workspaces and refs: pairs of contents, shown as git shows them."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mic import checkout, files, render, scan, transfer
from mic.here import Here
from mic.scan import Change
from mic.workspace import Workspace
from vcs.diff import FileDiff, Status, TreeChange, diff_texts, unified
from vcs.objects import Entry
from vcs.paths import quote


@dataclass(frozen=True)
class Side:
    """One side of a changed path."""

    mode: int
    id: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Pair:
    """A changed path with both sides; None where it does not exist."""

    path: bytes
    old: Side | None
    new: Side | None

    def tree_change(self) -> TreeChange:
        """The change as version control tells it."""
        entries = [
            Entry(b"%o" % side.mode, self.path.rpartition(b"/")[2], side.id) if side else None
            for side in (self.old, self.new)
        ]
        return TreeChange(self.path, self.status(), *entries)

    def status(self) -> Status:
        """What happened to the path."""
        if self.old is None:
            return Status.ADDED
        if self.new is None:
            return Status.DELETED
        if (self.old.mode == scan.LINK) != (self.new.mode == scan.LINK):
            return Status.TYPE_CHANGED
        return Status.MODIFIED

    def diff(self) -> FileDiff:
        """Its lines."""
        if self.old and self.new and self.old.id == self.new.id:
            return FileDiff()
        return diff_texts(self.old.read() if self.old else b"", self.new.read() if self.new else b"")

    def patch(self) -> bytes:
        """As `git diff` prints it. Git tells of a file that became a link in two parts, and so do we."""
        if self.status() is Status.TYPE_CHANGED:
            return Pair(self.path, self.old, None).patch() + Pair(self.path, None, self.new).patch()
        return unified(self.path, self.tree_change(), self.diff())


def working(here: Here, workspace: Workspace) -> list[Pair]:
    """The base against the working tree; contents that the workspace lacks come from the forge."""
    changes = workspace.changes()
    wanted = [(c.old_id, _size(workspace, c)) for c in changes if c.old_id and c.old_mode != scan.MODULE]
    contents = workspace.contents()
    if contents.missing(id for id, _ in wanted):
        with contents:
            project = str(workspace.settings.get("project", {}).get("id", ""))
            transfer.receive(here.client(), project, contents, wanted)
        contents = workspace.contents()

    def old(change: Change) -> Side | None:
        if not change.old_mode:
            return None
        return Side(change.old_mode, change.old_id, lambda: contents.read(change.old_id) or b"")

    def new(change: Change) -> Side | None:
        if not change.mode:
            return None
        whole = workspace.file(change.path)
        return Side(change.mode, change.id, lambda: b"".join(files.pieces_of(whole, change.mode)))

    return [Pair(os.fsencode(change.path), old(change), new(change)) for change in changes]


def _size(workspace: Workspace, change: Change) -> int:
    record = workspace.index.get(change.path)
    return record[2] if record else 0


def refs(here: Here, older: str, newer: str, wanted: Callable[[bytes], bool]) -> list[Pair]:
    """Two refs of the workspace's project."""
    where = here.project
    client = here.client()
    trees = [checkout.tree(client, where.organization, where.project, ref) for ref in (older, newer)]
    sides = [{item.path: item for item in tree.items if wanted(item.path)} for tree in trees]
    differing = [
        path
        for path in sorted({*sides[0], *sides[1]})
        if (a := sides[0].get(path)) is None
        or (b := sides[1].get(path)) is None
        or (a.mode, a.id) != (b.mode, b.id)
    ]
    items = [item for path in differing for side in sides if (item := side.get(path)) is not None]
    blobs = {item.id: item.size for item in items if item.mode != scan.MODULE}
    workspace = here.workspace
    with workspace.contents() as contents:
        transfer.receive(client, trees[0].project.id, contents, blobs.items())
    kept = workspace.contents()

    def side(item: files.Item | None) -> Side | None:
        if item is None:
            return None
        if item.mode == scan.MODULE:
            return Side(item.mode, item.id, lambda: b"Subproject commit %s\n" % item.id[:40].encode())
        return Side(item.mode, item.id, lambda: kept.read(item.id) or b"")

    return [Pair(path, side(sides[0].get(path)), side(sides[1].get(path))) for path in differing]


def within(paths: Iterable[bytes]) -> Callable[[bytes], bool]:
    """Whether a path is one of these or below one; everything when there are none."""
    kept = list(paths)
    if not kept or b"" in kept:
        return lambda path: True
    return lambda path: any(path == one or path.startswith(one + b"/") for one in kept)


def show_patch(pairs: Iterable[Pair]) -> None:
    """Write unified diffs, in colours when somebody watches."""
    for pair in pairs:
        patch = pair.patch()
        if render.coloured():
            patch = b"".join(_painted(patch))
        render.raw(patch)


def _painted(patch: bytes) -> Iterator[bytes]:
    in_hunk = False
    for line in patch.splitlines(keepends=True):
        if line.startswith(b"diff --git "):
            in_hunk = False
        in_hunk = in_hunk or line.startswith(b"@@")
        code = _PAINT.get(line[:1]) if in_hunk else b"1"
        text = line.rstrip(b"\n")
        yield b"\x1b[%sm%s\x1b[0m%s" % (code, text, line[len(text) :]) if code else line


_PAINT = {b"+": b"32", b"-": b"31", b"@": b"36"}


def show_stat(pairs: list[Pair]) -> None:
    """Write a diffstat: how much of each file changed, and of all."""
    diffs = [(pair, pair.diff()) for pair in pairs]
    names = [render.path(os.fsdecode(pair.path)) for pair in pairs]
    width = max(map(len, names), default=0)
    most = max((d.additions + d.deletions for _, d in diffs), default=0)
    digits, scale = len(str(most)), min(1.0, 40 / most if most else 1.0)
    for name, (_, diff) in zip(names, diffs, strict=True):
        if diff.binary:
            render.line(f" {name:<{width}} | {'Bin':>{digits}}")
            continue
        bars = [_bar(count, scale) for count in (diff.additions, diff.deletions)]
        drawn = render.colour("+" * bars[0], "added") + render.colour("-" * bars[1], "deleted")
        render.line(f" {name:<{width}} | {diff.additions + diff.deletions:>{digits}} {drawn}".rstrip())
    if pairs:
        from mic.commands.log import totals

        sums = sum(d.additions for _, d in diffs), sum(d.deletions for _, d in diffs)
        render.line(f" {totals(len(pairs), *sums)}")


def _bar(count: int, scale: float) -> int:
    return max(1, round(count * scale)) if count else 0


def as_values(pairs: list[Pair]) -> dict[str, object]:
    """The shape of `--json`: per path its status, ids, modes and counted lines."""
    told = []
    for pair in pairs:
        diff = pair.diff()
        told.append(
            {
                "path": quote(pair.path),
                "status": pair.status().value,
                "old_mode": f"{pair.old.mode:o}" if pair.old else None,
                "new_mode": f"{pair.new.mode:o}" if pair.new else None,
                "old": pair.old.id if pair.old else None,
                "new": pair.new.id if pair.new else None,
                "additions": diff.additions,
                "deletions": diff.deletions,
                "binary": diff.binary,
            }
        )
    return {"files": told}
