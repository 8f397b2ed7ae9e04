"""Fifty clients that nobody knows, in a process of their own: `python -m tests.bench.crawlers HOW`.

HOW is JSON: `port`, `addresses`, `seconds`, `clients`, and `rate`, answers a second of all together, or null
for as many as there are. Each client has an address of its own, which the forge believes since we are its
proxy; a client that is refused comes again when it was told to. Prints how often which status was answered.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from typing import Any


async def crawl(how: dict[str, Any]) -> Counter[str]:
    """Ask until the time is over."""
    told: Counter[str] = Counter()
    until = time.monotonic() + how["seconds"]
    await asyncio.gather(*(_client(how, number, until, told) for number in range(how["clients"])))
    return told


async def _client(how: dict[str, Any], number: int, until: float, told: Counter[str]) -> None:
    chance = random.Random(number)
    every = how["clients"] / how["rate"] if how["rate"] else 0.0
    after = time.monotonic() + chance.random() * every
    while True:
        if (wait := after - time.monotonic()) > 0:
            await asyncio.sleep(max(0.0, min(wait, until - time.monotonic())))
        if time.monotonic() >= until:
            return
        after += every
        try:
            asking = _asked(how["port"], chance.choice(how["addresses"]), number)
            status, retry = await asyncio.wait_for(asking, until - time.monotonic())
        except TimeoutError:
            return
        told[status] += 1
        if retry:
            after = max(after, time.monotonic() + retry)


async def _asked(port: int, address: str, number: int) -> tuple[str, int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        writer.write(f"{head}X-Forwarded-For: 198.51.100.{number + 1}\r\nAccept: */*\r\n\r\n".encode())
        status, retry = (await reader.readline()).split()[1].decode(), 0
        while (line := await reader.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            retry = int(value) if name.lower() == "retry-after" else retry
        while await reader.read(1 << 16):
            pass
    finally:
        writer.close()
    return status, retry


if __name__ == "__main__":
    print(json.dumps(asyncio.run(crawl(json.loads(sys.argv[1])))))
