"""What fifty crawling strangers cost somebody who is signed in: when a page of theirs begins to come.

The crawlers live in a process of their own and ask for histories, diffs, raw files and archives as fast as
they are answered, or come again when they are told to. Clients and forge share the processors, so the crowd
is compared with as many clients that ask for a small file as often as the crawlers were answered. Both
alternate, and the middle of seven ratios counts, since a machine is not the same for a minute.
"""

import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from statistics import median
from time import perf_counter

from tests.bench.every_page import brought, grown, signed_in
from tests.bench.figures import Figure, percentile
from tests.bench.stage import CHECKOUT, Served, Stage

LANDINGS = 600
CLIENTS = 50
TURNS = 7
SECONDS = 10.0
REST = 0.05
"""Seconds between a member's pages: they read, a little."""

SMALL = ("/favicon.ico",)
MEMBERS = ("/bench/grown", "/", f"/bench/grown/landings/{LANDINGS - 5}")


def measure(stage: Stage) -> Iterator[Figure]:
    """The ratio that counts, and what it is made of."""
    served = Served(stage.folder(), IMPORT_PRIVATE="yes", TRUSTED_PROXIES="127.0.0.0/8")
    served.start()
    try:
        history = stage.folder() / "history"
        grown(history, LANDINGS)
        brought(served, history, LANDINGS)
        cookie = signed_in(served)
        for address in MEMBERS:
            _first_byte(served, address, cookie)
        alone = list(_pages(served, cookie, SECONDS / 2))
        turns: list[tuple[float, float]] = []
        told: Counter[str] = Counter()
        for _ in range(TURNS):
            crowded, answers = _beside(served, cookie, _expensive(), None)
            beside, _ = _beside(served, cookie, SMALL, max(1.0, answers.total() / SECONDS))
            turns.append((crowded, beside))
            told += answers
    finally:
        served.stop()
    seconds = TURNS * SECONDS
    yield Figure("fair.alone.p95", percentile(alone, 95) * 1000, "ms")
    yield Figure("fair.beside_small_files.p95", median(beside for _, beside in turns) * 1000, "ms")
    yield Figure("fair.beside_crawlers.p95", median(crowded for crowded, _ in turns) * 1000, "ms")
    yield Figure("fair.crawled", told["200"] / seconds, "1/s")
    yield Figure("fair.refused", told["429"] / seconds, "1/s")
    ratio = median(crowded / beside for crowded, beside in turns)
    yield Figure("fair.crawlers_to_small_files", ratio, "x", at_most=1.2)


def _expensive() -> tuple[str, ...]:
    place, landings = "/bench/grown", range(2, LANDINGS, 7)
    return (
        *(f"{place}/landings?below={n}" for n in landings),
        *(f"/_fragments{place}/landings/{n}/diff" for n in landings),
        *(f"{place}/raw/@{n}/src/m1/f1.py" for n in landings),
        *(f"{place}/archive/@{n}.tar.gz" for n in landings),
    )


def _beside(
    served: Served, cookie: str, addresses: Sequence[str], rate: float | None
) -> tuple[float, Counter[str]]:
    """The p95 of a member beside a crowd, and what the crowd was answered."""
    how = {
        "port": served.port,
        "addresses": addresses,
        "seconds": SECONDS,
        "clients": CLIENTS,
        "rate": rate,
    }
    command = [sys.executable, "-m", "tests.bench.crawlers", json.dumps(how)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as crowd:
        # The first seconds are those of the process, and of what strangers have in hand.
        for _ in _pages(served, cookie, SECONDS / 4):
            pass
        times = list(_pages(served, cookie, SECONDS * 5 / 8))
        assert crowd.stdout is not None
        told = crowd.stdout.read()
    return percentile(times, 95), Counter(json.loads(told))


def _pages(served: Served, cookie: str, seconds: float) -> Iterator[float]:
    until, number = perf_counter() + seconds, 0
    while perf_counter() < until:
        yield _first_byte(served, MEMBERS[number % len(MEMBERS)], cookie)
        number += 1
        time.sleep(REST)


def _first_byte(served: Served, address: str, cookie: str) -> float:
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)) as connection:
        started = perf_counter()
        connection.request("GET", address, headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        took = perf_counter() - started
        answer.read()
    assert answer.status == 200, f"{address} answered {answer.status}"
    return took
