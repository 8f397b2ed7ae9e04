"""Watchers: each follows the session an agent is in, and comes back where it was when it is cut off."""

import asyncio
import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.soak.agents import Ledger

PAUSE, LONGEST_PAUSE = 0.2, 3.0


@dataclass
class Watched:
    """What one watcher saw of one session."""

    session: str
    sequences: list[int] = field(default_factory=list)
    ended: bool = False


class Watchers(threading.Thread):
    """All watchers, on one event loop of their own."""

    def __init__(self, count: int, port: int, token: str, ledger: Ledger, agents: int) -> None:
        super().__init__(name="watchers", daemon=True)
        self.seen: list[Watched] = []
        self.delays: list[float] = []
        self.reconnects = 0
        self._count = count
        self._port = port
        self._token = token
        self._ledger = ledger
        self._agents = agents
        self._closing = False
        self._last = False

    def finish(self, seconds: float) -> None:
        """Let everybody see the end of what they watch, for so long at most, then stop."""
        self._last = True
        self.join(seconds)
        self._closing = True
        self.join(10)

    def run(self) -> None:
        asyncio.run(self._watch_all())

    async def _watch_all(self) -> None:
        watching = [asyncio.create_task(self._watch(number)) for number in range(self._count)]
        while not self._closing and not all(task.done() for task in watching):
            await asyncio.sleep(PAUSE)
        for task in watching:
            task.cancel()
        for task in watching:
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self, number: int) -> None:
        before = None
        while True:
            session = self._ledger.current.get(number % self._agents)
            if session is None or session == before:
                if self._last:
                    return
                await asyncio.sleep(PAUSE)
                continue
            before = session
            watched = Watched(session)
            self.seen.append(watched)
            pause = PAUSE
            while not watched.ended:
                seen = len(watched.sequences)
                with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                    await self._follow(watched)
                if not watched.ended:
                    self.reconnects += 1
                    pause = PAUSE if len(watched.sequences) > seen else min(LONGEST_PAUSE, pause * 1.5)
                    await asyncio.sleep(pause)

    async def _follow(self, watched: Watched) -> None:
        """Read until the session ended or the line was cut."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            last = watched.sequences[-1] if watched.sequences else 0
            ask = (
                f"GET /api/v1/sessions/{watched.session}/events/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Last-Event-ID: {last}\r\nAuthorization: Bearer {self._token}\r\n\r\n"
            )
            writer.write(ask.encode())
            if b" 200 " not in await reader.readline():
                return
            while line := await asyncio.wait_for(reader.readline(), 30):
                if line.startswith(b"data: "):
                    event = json.loads(line.removeprefix(b"data: "))
                    self._note(watched, event)
                    if watched.ended:
                        return
        finally:
            writer.close()

    def _note(self, watched: Watched, event: dict) -> None:
        stored = datetime.fromisoformat(event["time"])
        self.delays.append((datetime.now(UTC) - stored).total_seconds())
        watched.sequences.append(event["sequence"])
        watched.ended = event["kind"] == "status" and event["body"].get("state") in ("landed", "abandoned")
