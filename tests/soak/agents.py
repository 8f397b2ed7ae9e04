"""Agents: each starts a session, tells what it does, pushes files and lands, again and again.

An agent asks until it is answered, with the same id, and writes into the ledger only what it was
answered. What it asked last and never heard of when the time is over stays "unanswered".
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from tests.soak.doors import Again, Door, Refused
from vcs.objects import new_id

Answer = TypeVar("Answer")

PAUSE, LONGEST_PAUSE = 0.2, 3.0
SHARED = 8
"""Files that several agents change, so that some landings are refused."""


@dataclass
class Ledger:
    """What the forge has promised, as those remember it who were told. Lists only grow."""

    landed: list[tuple[str, str, int]] = field(default_factory=list)
    """Landing, session and position of each acknowledged landing."""
    asked: dict[str, str] = field(default_factory=dict)
    """The session of each landing id that was ever sent."""
    refused: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    told: dict[str, list[int]] = field(default_factory=dict)
    """Sequences of the acknowledged events by session."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """What each agent's own files hold by its last acknowledged landing."""
    seconds: list[float] = field(default_factory=list)
    """From the first asking to the answer, of each landing."""
    asked_again: list[str] = field(default_factory=list)
    current: dict[int, str] = field(default_factory=dict)
    """The session each agent is in."""


class Agent(threading.Thread):
    """One agent at one door."""

    def __init__(
        self,
        number: int,
        open_door: Callable[[], Door],
        ledger: Ledger,
        stop: threading.Event,
        think: float,
        patience: float,
    ) -> None:
        super().__init__(name=f"agent{number}", daemon=True)
        self.failed: BaseException | None = None
        self._number = number
        self._open_door = open_door
        self._ledger = ledger
        self._stop_working = stop
        self._random = Random(number)
        self._think = think
        self._patience = patience
        self._round = 0

    def run(self) -> None:
        try:
            with closing(self._open_door()) as door:
                while not self._stop_working.is_set():
                    self._round += 1
                    self._work(door)
        except Again:
            # The time is over, and nobody answered the last question.
            pass
        except BaseException as error:
            self.failed = error
            raise

    def _work(self, door: Door) -> None:
        session = self._until_answered(lambda: door.start(f"Agent {self._number}, round {self._round}"))
        self._ledger.told[session] = []
        self._ledger.current[self._number] = session
        for word in ("plan", "work"):
            client_id = new_id()
            sequence = self._until_answered(lambda said=client_id, w=word: door.tell(session, said, w))
            self._ledger.told[session].append(sequence)
            self._rest()
        files = {
            f"agents/{self._number}/last": b"%d\n" % self._round,
            f"agents/{self._number}/{self._round}": self._random.randbytes(600),
        }
        wanted = dict(files)
        if self._random.random() < 0.2:
            wanted[f"shared/{self._random.randrange(SHARED)}"] = self._random.randbytes(20).hex().encode()
        self._until_answered(lambda: door.put(session, wanted))
        self._rest()
        self._land(door, session, files)

    def _land(self, door: Door, session: str, files: dict[str, bytes]) -> None:
        landing = new_id()
        self._ledger.asked[landing] = session
        started = time.monotonic()
        try:
            position = self._until_answered(lambda: door.land(session, landing))
        except Refused as refusal:
            explained = [one for one in refusal.details.get("paths", ()) if one["path"].startswith("shared/")]
            if refusal.code != "landing.conflict" or not explained:
                self._ledger.unexplained.append(str(refusal))
            self._ledger.refused.append(landing)
            self._until_answered(lambda: _abandoned(door, session))
            return
        self._ledger.seconds.append(time.monotonic() - started)
        self._ledger.landed.append((landing, session, position))
        self._ledger.contents.update(files)

    def _until_answered(self, ask: Callable[[], Answer]) -> Answer:
        until, pause = None, PAUSE
        while True:
            try:
                return ask()
            except Again as nobody:
                self._ledger.asked_again.append(str(nobody))
                if self._stop_working.is_set():
                    until = until or time.monotonic() + self._patience
                    if time.monotonic() > until:
                        raise
                time.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 1.5)

    def _rest(self) -> None:
        self._stop_working.wait(self._random.uniform(0.2, 1.8) * self._think)


def _abandoned(door: Door, session: str) -> None:
    """Give a session up, or see that an earlier try did, whose answer was lost."""
    try:
        door.abandon(session)
    except Refused as refusal:
        if refusal.code != "session.over":
            raise
