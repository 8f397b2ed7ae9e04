"""Imports: how fast a history is staged beside git reading it, how fast it is proved, in how much memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, spent
from tests.bench.git import histories
from tests.bench.importing import processor
from tests.bench.stage import CHECKOUT, Stage
from vcs.git.process import environment, git_command
from vcs.git.source import Source

MANY = 50_000
TURNS = 3


def measure(stage: Stage) -> Iterator[Figure]:
    """Each history by itself; git and we in turns, the best of each."""
    for name, path in histories(stage.folder()):
        source = Source(path if (path / "objects").is_dir() else path / ".git")
        commits = int(source.run("rev-list", "--count", "--all"))
        turns = [(*_read_by_git(source), _in_a_process(source.folder)) for _ in range(TURNS)]
        objects = turns[0][2]["objects"]
        git = objects / min(read for read, _, _ in turns)
        # Landing and rows come on top: what is missed here is missed by the whole import.
        ours = objects / min(run["took"] for *_, run in turns)
        yield Figure(f"imports.{name}.cat_file", git, "obj/s")
        yield Figure(f"imports.{name}.staging", objects / min(run["staging"] for *_, run in turns), "obj/s")
        yield Figure(
            f"imports.{name}.staged_and_proved", ours / git, "x", at_least=0.15 if commits >= MANY else 0.3
        )
        cheaper = min(read for _, read, _ in turns) / min(run["processor"] for *_, run in turns)
        yield Figure(f"imports.{name}.processor", cheaper, "x")
        yield Figure(f"imports.{name}.memory", max(run["memory"] for *_, run in turns), "MB", at_most=300)


def _read_by_git(source: Source) -> tuple[float, float]:
    """Seconds it takes to read the same objects with git and do nothing with them, and of processor time."""
    command = git_command(source.folder, "cat-file", "--batch", "--buffer")
    piece = bytearray(1 << 20)
    with tempfile.TemporaryFile() as listed:
        listed.write(source.run("rev-list", "--objects", "--no-object-names", "--all"))
        listed.seek(0)

        def read() -> None:
            with subprocess.Popen(
                command, stdin=listed, stdout=subprocess.PIPE, bufsize=0, env=environment()
            ) as git:
                while git.stdout.readinto(piece):
                    pass

        before = processor()
        took = spent(read)
    return took, processor() - before


def _in_a_process(folder: Path) -> dict[str, float]:
    """One import up to its proof; its own memory is then the process's."""
    command = [sys.executable, "-m", "tests.bench.importing", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told
