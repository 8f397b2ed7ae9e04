"""Imports: how fast a history is staged beside git reading it, how fast it is proved, in how much memory."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.bench.figures import Figure, spent
from tests.bench.git import histories
from tests.bench.stage import CHECKOUT, Stage
from vcs.git.ingest import Ingest, Ledger
from vcs.git.process import environment, git_command
from vcs.git.proving import Prover
from vcs.git.source import Source
from vcs.local import LocalStore
from vcs.log import segment_key

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
        processor = min(read for _, read, _ in turns) / min(run["processor"] for *_, run in turns)
        yield Figure(f"imports.{name}.processor", processor, "x")
        yield Figure(f"imports.{name}.memory", max(run["memory"] for *_, run in turns), "MB", at_most=300)


def _processor() -> float:
    """Seconds of processor time of this process and its children so far."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def _read_by_git(source: Source) -> tuple[float, float]:
    """Seconds git takes to read the same objects, and seconds of processor time."""
    listed = source.run("rev-list", "--objects", "--no-object-names", "--all")
    command = git_command(source.folder, "cat-file", "--batch", "--buffer")

    def read() -> None:
        subprocess.run(command, input=listed, stdout=subprocess.DEVNULL, env=environment(), check=True)

    before = _processor()
    took = spent(read)
    return took, _processor() - before


def _in_a_process(folder: Path) -> dict[str, float]:
    """One import up to its proof; its own memory is then the process's."""
    command = [sys.executable, "-m", "tests.bench.imports", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def run(folder: Path) -> dict[str, float]:
    """Stage and prove a repository in a store of its own; `memory` is ours and the proof's process's."""
    source = Source(folder)
    tips = sorted(set(source.refs().values()))
    with (
        tempfile.TemporaryDirectory(prefix="micelio-bench-") as work,
        closing(LocalStore(Path(work) / "store")) as store,
        closing(Ledger(Path(work) / "ledger.db")) as ledger,
    ):
        before, began = _processor(), time.perf_counter()
        with Prover(ledger.path, store.get) as prover:
            Ingest(
                source,
                ledger,
                put=store.put,
                new_key=lambda: segment_key("bench", "bench"),
                finished=lambda staged: prover.add(staged.ref),
            ).run(tips)
            staging = time.perf_counter() - began
            highest = [0.0]
            objects = prover.finish(lambda _: highest.append(_peak(prover.pid)))
            took = time.perf_counter() - began
        processor = _processor() - before
    memory = _peak(os.getpid()) + max(highest)
    return {"staging": staging, "took": took, "processor": processor, "memory": memory, "objects": objects}


def _peak(pid: int) -> float:
    """The most memory a process had so far, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]))))
