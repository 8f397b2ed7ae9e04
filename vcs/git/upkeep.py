"""Upkeep of a projection: few packs, good deltas, bitmaps, a commit-graph, packed refs.

It goes on beside readers and beside catching up: git takes packs away only once others hold what is
in them. Killed at any time it leaves a repository that is right, and is due again.

What no ref reaches any more is kept for a week. Objects that were left behind are stamped with the
time of the first upkeep that met them, whatever the age of their pack, and go with the first that
meets them a week later. A ref that comes to reach them while they go is looked at afterwards.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

from vcs import disk, faults
from vcs.git.packs import PackFolder
from vcs.git.process import run_git
from vcs.git.projection import GitProjection
from vcs.git.refs import clear_locks, pack_refs

__all__ = ["PACKS", "WEEK", "Kept", "is_due", "left_alone", "maintain"]

PACKS = 50
"""So many packs are worth a repack: finding an object asks each of them."""
WEEK = 7 * 24 * 3600
_OLD = 24 * 3600
_CONFIG = {
    "pack.threads": "1",
    "pack.windowMemory": "256m",
    "pack.writeBitmapHashCache": "true",
    "repack.updateServerInfo": "false",
    "core.multiPackIndex": "true",
}


@dataclass(frozen=True)
class Kept:
    """What upkeep found and left: packs before and after, and whether it looked for what was left behind."""

    before: int = 0
    after: int = 0
    swept: bool = False


def is_due(shown: GitProjection, now: float | None = None) -> bool:
    """Whether upkeep would change anything; reads a few names only."""
    if shown.noted("sequence") is None:
        return False
    packs = PackFolder(shown.path / "objects/pack").names()
    fresh = not shown.noted("whole") and shown.noted("position") > 0
    return len(packs) > PACKS or fresh or shown.noted("mending") or _sweep_due(shown, now or time())


def left_alone(shown: GitProjection) -> int:
    """How many packs there are when they are so many that upkeep should have come long ago; else 0."""
    count = len(PackFolder(shown.path / "objects/pack").names())
    return count if count > 4 * PACKS else 0


def maintain(shown: GitProjection, *, now: float | None = None) -> Kept | None:
    """Do what is due; None when nothing was, or when somebody on this node is at it.

    GitFailed when the repository went away meanwhile; it is made again when it is asked for.
    """
    now = now or time()
    shown.folder.parent.mkdir(parents=True, exist_ok=True)
    with disk.only_one(shown.folder.with_name(f"{shown.folder.name}.upkeep.lock")) as mine:
        if not mine or not is_due(shown, now):
            return None
        with shown.alone():
            pack_refs(shown.path)
            if not shown.note(mending=True, loose=0):
                return None
        folder = PackFolder(shown.path / "objects/pack")
        before = len(folder.names())
        sweep = _sweep_due(shown, now)
        faults.reach("upkeep.begun")
        if sweep:
            if not _sweep(shown, now):
                return Kept(before, 0, swept=True)
        elif not shown.noted("whole"):
            # Packs that we wrote hold no deltas, and git does not look for any inside of one pack.
            _repack(shown.path, "-a", "-f")
        else:
            _repack(shown.path, "--geometric=2")
        faults.reach("upkeep.repacked")
        run_git(
            shown.path, "commit-graph", "write", "--reachable", "--changed-paths", "--split", "--no-progress"
        )
        with shown.alone():
            shown.note(mending=False, whole=True)
        return Kept(before, len(folder.names()), sweep)


def _repack(path: Path, *how: str) -> None:
    # A child that was killed leaves drafts, which nothing else removes.
    for draft in path.glob("objects/pack/.tmp-*"):
        if draft.stat().st_mtime < time() - _OLD:
            draft.unlink(missing_ok=True)
    run_git(path, "repack", "-d", "-q", *how, "--write-midx", "--write-bitmap-index", config=_CONFIG)


def _write_graph(path: Path, how: str) -> None:
    run_git(path, "commit-graph", "write", "--reachable", "--changed-paths", how, "--no-progress")


def _sweep_due(shown: GitProjection, now: float) -> bool:
    """Whether something was left behind that has no stamp yet, or whose week is over."""
    if shown.noted("left"):
        return True
    return any(path.stat().st_mtime < now - WEEK for path in _stamps(shown))


def _stamps(shown: GitProjection) -> list[Path]:
    return list(shown.path.glob("objects/pack/*.mtimes"))


def _sweep(shown: GitProjection, now: float) -> bool:
    """Stamp what was left behind, drop what was stamped a week ago; False when a new ref wanted that."""
    # What goes must not be in the graph any more.
    _write_graph(shown.path, "--split=replace")
    with shown.alone():
        before = _tips(shown.path)
        shown.note(left=False, pruned=shown.noted("pruned") or bool(_stamps(shown)))
    for pack in shown.path.glob("objects/pack/*.pack"):
        if not pack.with_suffix(".mtimes").exists():
            with suppress(FileNotFoundError):
                os.utime(pack, (now, now))
    how = () if shown.noted("whole") else ("-f",)
    expired = f"--cruft-expiration={int(now - WEEK)}"
    _repack(shown.path, "-a", "--cruft", expired, *how)
    # The next look is a week from now, however git dated the file.
    for stamp in _stamps(shown):
        os.utime(stamp, (now, now))
    faults.reach("upkeep.swept")
    with shown.alone():
        clear_locks(shown.path)
        if shown.reaches_all(known=before):
            return True
        shown.forget()
        return False


def _tips(path: Path) -> list[str]:
    return run_git(path, "for-each-ref", "--format=%(objectname)").stdout.decode().split()
