"""How soon an event that was appended has reached each of 200 watchers, and whether all arrive."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.bench.figures import Figure, percentile
from tests.bench.stage import Served, Stage

WATCHERS = 200
EVENTS = 50
PAUSE = 0.1
PATIENCE = 30.0


def measure(stage: Stage) -> Iterator[Figure]:
    """The 95th percentile over all watchers and events, and what was lost or doubled."""
    served = stage.served
    ask = {"project": "micelio/micelio", "goal": "Be watched"}
    session = served.api("POST", "/api/v1/sessions", ask)["id"]
    delays, wrong = asyncio.run(_watch(served, session))
    served.api("POST", f"/api/v1/sessions/{session}/abandon", {})
    yield Figure("watchers.p95", percentile(delays, 95) * 1000, "ms", at_most=250)
    yield Figure("watchers.lost_or_doubled", wrong, "events", at_most=0)


async def _watch(served: Served, session: str) -> tuple[list[float], int]:
    address = f"/api/v1/sessions/{session}/events/stream?after=1"
    streams = [await _open(served, address) for _ in range(WATCHERS)]
    seen: list[list[tuple[int, float]]] = [[] for _ in streams]
    following = [
        asyncio.create_task(_follow(reader, arrived))
        for (reader, _), arrived in zip(streams, seen, strict=True)
    ]
    for number in range(EVENTS):
        body = {"kind": "progress", "body": {"text": f"Step {number} of {EVENTS}"}}
        await asyncio.to_thread(served.api, "POST", f"/api/v1/sessions/{session}/events", body)
        await asyncio.sleep(PAUSE)
    await asyncio.wait(following, timeout=PATIENCE)
    for task in following:
        task.cancel()
    for _, writer in streams:
        writer.close()
    expected = set(range(2, EVENTS + 2))
    wrong = 0
    for arrived in seen:
        counts = Counter(sequence for sequence, _ in arrived)
        wrong += len(expected - set(counts)) + sum(count - 1 for count in counts.values())
    return [delay for arrived in seen for _, delay in arrived], wrong


async def _open(served: Served, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    ask = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {served.token}\r\n\r\n"
    writer.write(ask.encode())
    status = await reader.readline()
    assert b" 200 " in status, status
    return reader, writer


async def _follow(reader: asyncio.StreamReader, arrived: list[tuple[int, float]]) -> None:
    """Note sequences as they arrive, each with the seconds since the forge stored the event."""
    while len(arrived) < EVENTS:
        line = await reader.readline()
        if line.startswith(b"data: "):
            now = datetime.now(UTC)
            event = json.loads(line.removeprefix(b"data: "))
            stored = datetime.fromisoformat(event["time"])
            arrived.append((event["sequence"], (now - stored).total_seconds()))
