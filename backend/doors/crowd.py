"""The crowd: what strangers crawl takes turns, and while members are about it takes what they leave.

Python makes one page at a time, so whoever crawls histories and archives makes everybody wait. For strangers
such pages are made one after the other, whoever has had least of late first: who reads a diff now and then
goes before those who ask for everything, and is not held back. While somebody who is signed in was there a
moment ago, all the others together get a small share of the time. Who finds the queue full is told so at
once, which costs next to nothing.

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
    turn: asyncio.Future[None]


@dataclass
class Turn:
    """One stranger's turn."""

    crowd: "Crowd"
    address: str
    began: float
    over: bool = False

    def end(self, cost: float = 0.0) -> None:
        """Let the next one in; ending it again changes nothing."""
        if not self.over:
            self.over = True
            self.crowd.ended(self.address, _now() - self.began + cost)


class Crowd:
    """The strangers in front of one web process. Lives on its event loop."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._busy = False
        self._came = 0
        self._left = IN_HAND
        self._counted = 0.0
        self._members = -math.inf
        self._had: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._later: asyncio.TimerHandle | None = None

    def member(self) -> None:
        """Somebody who is signed in was answered."""
        self._members = _now()

    async def turn(self, address: str) -> "Turn":
        """Wait for one's turn; whoever comes after waits until it is ended.

        Raises Crowded where too many wait already.
        """
        await self._admitted(address)
        return Turn(self, address, _now())

    def ended(self, address: str, took: float) -> None:
        """A turn of this length is over."""
        self._refill()
        self._left -= took
        self._remember(address, took)
        self._busy = False
        self._next()

    async def _admitted(self, address: str) -> None:
        if len(self._waiting) >= MOST_WAITING:
            raise Crowded(retry_after=max(2, math.ceil(self._pause() + len(self._waiting) / 8)))
        self._came += 1
        mine = _Waiting(address, self._came, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if self._later is not None and self._of(address) <= OWN:
            self._later.cancel()
            self._later = None
        self._next()
        try:
            await mine.turn
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            else:
                self._busy = False
                self._next()
            raise

    def _next(self) -> None:
        """Let the next one in, now or when it is time."""
        if self._busy or not self._waiting or self._later is not None:
            return
        self._refill()
        first = min(self._waiting, key=lambda each: (self._of(each.address), each.number))
        if self._of(first.address) > OWN and (pause := self._pause()):
            self._later = asyncio.get_running_loop().call_later(pause, self._woken)
            return
        self._waiting.remove(first)
        self._busy = True
        first.turn.set_result(None)

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
