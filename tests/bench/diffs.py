"""Diffs of texts: hunks and counts of ours beside `git diff`, which starts a process for each."""

import random
import statistics
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure, spent
from tests.bench.stage import Stage
from vcs.diff import count_lines, diff_texts
from vcs.git.process import environment

TURNS = 9


def measure(stage: Stage) -> Iterator[Figure]:
    """A usual file, a long one with many edits, and two that have little but letters in common."""
    chance = random.Random(1)
    for name, lines, edits in (("usual", 300, 5), ("long", 10_000, 200)):
        old = [b"    x = %d\n" % chance.randrange(lines // 3) for _ in range(lines)]
        new = list(old)
        for _ in range(edits):
            new[chance.randrange(lines)] = b"    x = %d\n" % chance.randrange(lines // 3)
        yield from _beside_git(stage, name, b"".join(old), b"".join(new))
    hostile = [b"".join(b"%d\n" % chance.randrange(40) for _ in range(50_000)) for _ in range(2)]
    yield Figure("diffs.hostile.hunks", spent(partial(diff_texts, *hostile)), "s")


def _beside_git(stage: Stage, name: str, old: bytes, new: bytes) -> Iterator[Figure]:
    folder = stage.folder()
    (folder / "old").write_bytes(old)
    (folder / "new").write_bytes(new)
    ways = (partial(diff_texts, old, new), partial(count_lines, old, new), partial(_by_git, folder))
    turns = [[spent(way) for way in ways] for _ in range(TURNS)]
    hunks, counts, git = (statistics.median(times) for times in zip(*turns, strict=True))
    yield Figure(f"diffs.{name}.hunks", hunks * 1000, "ms")
    yield Figure(f"diffs.{name}.counts", counts * 1000, "ms")
    yield Figure(f"diffs.{name}.hunks.to_git", hunks / git, "x")


def _by_git(folder: Path) -> None:
    command = ["git", "diff", "--no-index", "--no-color", "old", "new"]
    done = subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 1
