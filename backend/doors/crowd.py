"""The crowd: what strangers crawl takes turns, and while members are about it takes what they leave.

Python makes one page at a time, so whoever crawls histories and archives makes everybody wait. For strangers
such pages are made one after the other, whoever has had least of late first: who reads a diff now and then
goes before those who ask for everything, and is not held back. While somebody who is signed in was there a
moment ago, all the others together get a small share of the time. Who finds the queue full is told so at
once, which costs next to nothing. A page that takes long, because it waits for a disk or a bucket, keeps
nobody else waiting: a few of them may be under way beside the one whose turn it is.

Members are never kept waiting here, and nothing here asks the database.
"""

import asyncio
import math
import re
from collections import OrderedDict
from dataclasses import dataclass

from backend.core.errors import RateLimited

SHARE = 0.05
"""The part of the time that strangers' pages may take while members are about."""

OWN = 0.1
"""Seconds that anybody may have had within the last minute or so and still goes at once."""

IN_HAND = 2.0
"""Seconds of work they may take at once after a quiet while."""

ABOUT = 5.0
"""Seconds after an answer that a member counts as being about."""

PATIENCE, MOST_SLOW = 1.0, 4
"""Seconds after which the next one is let in although a turn is not over, and how many such there may be."""

MOST_WAITING = 32
REMEMBERED = 4096
FORGETTING = 60.0
"""Seconds in which half of what somebody had is forgotten."""

ARCHIVE = 0.5
"""Seconds that an archive counts beside what it takes here: a child of git makes it."""

_DEAR = re.compile(
    r"/(?!_fragments/|api/|orgs/|admin/)[^/]+/[^/]+/(?:raw|archive|commit|landings)(?:/|$)"
    r"|/_fragments/[^/]+/[^/]+/(?:compare|landings)(?:/|$)"
    r"|/api/v1/projects/[^/]+/[^/]+/(?:archive|blobs|commits|compare|landings|paths)(?:/|$)"
    r"|(?:/api/v1)?/search$"
)
"""Histories, diffs, raw files and archives, and what else is cheap to ask for and dear to answer."""


class Crowded(RateLimited):
    """More people who are not signed in wait for pages than can be served soon."""

    code = "rate.crowded"
    message = "Many are reading here at once. Try again in {retry_after} s, or sign in."


@dataclass(eq=False)
class _Waiting:
    """Somebody's place."""

    address: str
    number: int
    turn: "asyncio.Future[Turn]"


@dataclass
class Turn:
    """One stranger's turn."""

    crowd: "Crowd"
    address: str
    began: float
    slow: bool = False
    over: bool = False

    def end(self, cost: float = 0.0) -> None:
        """Let the next one in; ending it again changes nothing."""
        if not self.over:
            self.over = True
            self.crowd.ended(self, _now() - self.began + cost)


class Crowd:
    """The strangers in front of one web process. Lives on its event loop."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._busy: Turn | None = None
        self._slow = 0
        self._came = 0
        self._left = IN_HAND
        self._counted = 0.0
        self._members = -math.inf
        self._had: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._later: asyncio.TimerHandle | None = None

    def member(self) -> None:
        """Somebody who is signed in was answered."""
        self._members = _now()

    async def turn(self, address: str) -> Turn:
        """Wait for one's turn; whoever comes after waits until it is ended.

        Raises Crowded where too many wait already.
        """
        if sum(not each.turn.done() for each in self._waiting) >= MOST_WAITING:
            raise Crowded(retry_after=max(2, math.ceil(self._pause() + len(self._waiting) / 8)))
        self._came += 1
        mine = _Waiting(address, self._came, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if self._later is not None and self._of(address) <= OWN:
            self._later.cancel()
            self._later = None
        self._next()
        try:
            return await mine.turn
        except asyncio.CancelledError:
            if not mine.turn.cancelled():
                mine.turn.result().end()
            raise

    def ended(self, turn: Turn, took: float) -> None:
        """A turn is over that took so long."""
        self._refill()
        self._left -= took
        self._remember(turn.address, took)
        if turn.slow:
            self._slow -= 1
            self._pass_on()
        else:
            self._busy = None
            self._next()

    def _next(self) -> None:
        """Let the next one in, now or when it is time. Who waits no more was cancelled."""
        self._waiting = [each for each in self._waiting if not each.turn.done()]
        if self._busy or not self._waiting or self._later is not None:
            return
        self._refill()
        first = min(self._waiting, key=lambda each: (self._of(each.address), each.number))
        if self._of(first.address) > OWN and (pause := self._pause()):
            self._later = asyncio.get_running_loop().call_later(pause, self._woken)
            return
        self._waiting.remove(first)
        self._busy = Turn(self, first.address, _now())
        asyncio.get_running_loop().call_later(PATIENCE, self._pass_on)
        first.turn.set_result(self._busy)

    def _pass_on(self) -> None:
        """Let the next one in beside whoever has had their turn for long."""
        slow = self._busy
        # A timer may come a little early.
        long = slow is not None and _now() - slow.began > PATIENCE * 0.9
        if slow is not None and long and self._slow < MOST_SLOW:
            slow.slow, self._busy = True, None
            self._slow += 1
            self._next()

    def _woken(self) -> None:
        self._later = None
        self._next()

    def _refill(self) -> None:
        now = _now()
        # Without members the time is nobody else's.
        gained = (now - self._counted) * SHARE if self._about(now) else IN_HAND - self._left
        self._left = min(IN_HAND, self._left + gained)
        self._counted = now

    def _pause(self) -> float:
        """Seconds until strangers may have time again. Members may go meanwhile, so it is looked at often."""
        return min(-self._left / SHARE, 1.0) if self._left < 0 and self._about(_now()) else 0.0

    def _about(self, now: float) -> bool:
        return now - self._members < ABOUT

    def _of(self, address: str) -> float:
        had, at = self._had.get(address, (0.0, 0.0))
        return had * 0.5 ** ((_now() - at) / FORGETTING)

    def _remember(self, address: str, took: float) -> None:
        self._had[address] = (self._of(address) + took, _now())
        self._had.move_to_end(address)
        if len(self._had) > REMEMBERED:
            self._had.popitem(last=False)


def takes_turns(method: str, path: str) -> bool:
    """Whether a stranger's request is made in turns: reading what is dear. Git has limits of its own."""
    return method in ("GET", "HEAD") and _DEAR.match(path) is not None


def cost_of(path: str) -> float:
    """Seconds that a page costs beside the time it takes here."""
    return ARCHIVE if "/archive/" in path else 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()
