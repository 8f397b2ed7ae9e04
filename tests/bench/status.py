"""`mic status` in a workspace of ten thousand files, against an interpreter that does nothing."""

import hashlib
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.figures import Figure, spent
from tests.bench.stage import CHECKOUT, Stage

FILES = 10_000
RUNS = 21


def measure(stage: Stage) -> Iterator[Figure]:
    """The median of each, run in turns; processor time against processor time, so that neighbours do
    not decide it.
    """
    if not (CHECKOUT / "mic/commands/status.py").is_file():
        yield Figure("status.10k_files", None, "ms", at_most=60)
        return
    folder = stage.folder()
    _workspace(folder)
    mic = [str(Path(sys.executable).with_name("mic")), "status"]
    bare = [sys.executable, "-c", ""]
    for _ in range(2):
        _run(mic, folder)
        # A folder that changed just now is listed again the next time.
        time.sleep(2.2)
    _run(mic, folder)
    took = [(*_run(mic, folder), *_run(bare, folder)) for _ in range(RUNS)]
    status, processor, interpreter, bare_processor = map(statistics.median, zip(*took, strict=True))
    yield Figure("status.bare_interpreter", interpreter * 1000, "ms")
    yield Figure("status.10k_files", status * 1000, "ms", at_most=60)
    yield Figure("status.processor", processor * 1000, "ms")
    yield Figure("status.to_bare", processor / bare_processor, "x", at_most=4)


def _run(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Seconds, and seconds of processor time."""
    before = _spent_by_children()
    took = spent(lambda: subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL))
    return took, _spent_by_children() - before


def _spent_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _workspace(folder: Path) -> None:
    """As `mic clone` leaves one, read once by `mic status`."""
    from mic.index import UNSEEN, Index
    from mic.workspace import Workspace
    from tests.bench.writing import tree_of

    index = Index(1, "", "00" * 32)
    for path, data in tree_of(FILES).items():
        file = folder / os.fsdecode(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        id = hashlib.sha256(b"blob %d\0" % len(data) + data).digest()
        index.put(os.fsdecode(path), (0o100644, id, len(data), *UNSEEN))
    where = {"url": "http://127.0.0.1:1", "organization": "bench", "project": "bench"}
    Workspace.create(str(folder), where, index)
