"""One import up to its proof, by a process that does nothing else: `python -m tests.bench.importing REPO`"""

import json
import os
import resource
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from vcs.git.ingest import Ingest, Ledger
from vcs.git.proving import Prover
from vcs.git.source import Source
from vcs.local import LocalStore
from vcs.log import segment_key


def processor() -> float:
    """Seconds of processor time of this process and its children so far."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def run(folder: Path) -> dict[str, float]:
    """Stage and prove a repository in a store of its own; `memory` is ours and the proof's process's."""
    source = Source(folder)
    tips = sorted(set(source.refs().values()))
    with (
        tempfile.TemporaryDirectory(prefix="micelio-bench-") as work,
        closing(LocalStore(Path(work) / "store")) as store,
        closing(Ledger(Path(work) / "ledger.db")) as ledger,
    ):
        before, began = processor(), time.perf_counter()
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
        used = processor() - before
    memory = _peak(os.getpid()) + max(highest)
    return {"staging": staging, "took": took, "processor": used, "memory": memory, "objects": objects}


def _peak(pid: int) -> float:
    """The most memory a process had so far, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]))))
