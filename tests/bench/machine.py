"""What this machine gave the run: without it no absolute figure below can be read."""

import os
import statistics
import time
from collections.abc import Iterator

from tests.bench.figures import Figure, spent
from tests.bench.stage import Stage

WRITES = 50
BUSY_SECONDS = 1.0


def measure(stage: Stage) -> Iterator[Figure]:
    """One durable write of 8 KiB, and the share of a processor that a busy process gets."""
    with (stage.folder() / "file").open("wb", buffering=0) as file:
        took = [spent(lambda: (file.write(bytes(8192)), os.fsync(file))) for _ in range(WRITES)]
    yield Figure("machine.fsync", statistics.median(took) * 1000, "ms")
    started, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < BUSY_SECONDS:
        pass
    yield Figure("machine.processor_share", 100 * (time.process_time() - used) / BUSY_SECONDS, "%")
