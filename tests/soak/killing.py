"""The killer: ends a process of the forge with SIGKILL now and then, and sees that it comes back.

The supervisor gives up on a process that ends five times within a minute, as it should; so a
round goes over the three of them in changing order, and a minute sees each at most four times.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

NAMES = ("web", "grpc", "worker")
BACK_SECONDS = 60.0
SETTLED_SECONDS = 4.0


@dataclass(frozen=True)
class Sample:
    """What all processes held at a moment, shared pages counted once."""

    at: float
    bytes: int


class Killer(threading.Thread):
    """Kills, looks whether what was killed is started again, and weighs what runs."""

    def __init__(self, supervisor: int, every: float, seed: int, stop: threading.Event) -> None:
        super().__init__(name="killer", daemon=True)
        self.killed: list[str] = []
        self.not_restarted: list[str] = []
        self.samples: list[Sample] = []
        self._supervisor = supervisor
        self._every = every
        self._random = Random(seed)
        self._stop_killing = stop
        self._begun = time.monotonic()
        self._changed = self._begun

    def run(self) -> None:
        while True:
            names = list(NAMES)
            self._random.shuffle(names)
            for name in names:
                until = time.monotonic() + self._random.uniform(0.7, 1.3) * self._every
                while time.monotonic() < until:
                    if self._stop_killing.wait(0.5):
                        return
                    self._weigh()
                self._kill(name)

    def _kill(self, name: str) -> None:
        child = children(self._supervisor).get(name)
        if child is None:
            self.not_restarted.append(name)
            return
        victim = self._random.choice(list(tree(child)))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        self.killed.append(name)
        until = time.monotonic() + BACK_SECONDS
        while children(self._supervisor).get(name) in (None, child):
            if time.monotonic() > until:
                self.not_restarted.append(name)
                return
            time.sleep(0.1)
        self._changed = time.monotonic()

    def _weigh(self) -> None:
        # A process that has just been started again says nothing about growth.
        now = time.monotonic()
        if now - self._changed > SETTLED_SECONDS:
            self.samples.append(Sample(now - self._begun, memory(self._supervisor)))


def children(supervisor: int) -> dict[str, int]:
    """The processes that a supervisor keeps running, by name."""
    found: dict[str, int] = {}
    for child in _children(supervisor):
        with suppress(OSError):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and len(words) > 2:
                found[words[-2].decode()] = child
    return {name: found[name] for name in NAMES if name in found}


def tree(process: int) -> list[int]:
    """A process and all that descend from it."""
    return [process, *(below for child in _children(process) for below in tree(child))]


def memory(process: int) -> int:
    """Bytes that a process and all below it hold, shared pages counted once (PSS)."""
    total = 0
    for one in tree(process):
        with suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def _children(process: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def slope(samples: list[Sample]) -> float:
    """Bytes a minute that memory grew by, least squares over the samples after the first fifth."""
    settled = samples[len(samples) // 5 :]
    if len(settled) < 2:
        return 0.0
    middle = sum(sample.at for sample in settled) / len(settled)
    mean = sum(sample.bytes for sample in settled) / len(settled)
    spread = sum((sample.at - middle) ** 2 for sample in settled)
    return 60 * sum((one.at - middle) * (one.bytes - mean) for one in settled) / spread if spread else 0.0
