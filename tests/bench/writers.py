"""Writers of one project: a few threads up to very many, in batches or one by one, and 32 processes.

`writers.<store>.<database>.<writers>x<batch>` are landings a second of sessions that are ready, by so many
threads of one process. `writers.<store>.<database>.processes` are those of many processes that start
sessions, push and land through a web and a gRPC process; `retries` are swaps of HEAD lost per landing.

Only eight processes on the local store with SQLite are measured unless `ONLY=writers` asks for 32, and for
all stores and databases.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure, spent
from tests.bench.stage import CHECKOUT, Stage
from tests.bench.writing import Project, owner
from vcs.landing import Limits

WRITERS = (1, 8, 32, 128)
BATCHES = (1, 64)
STORES = ("local", "s3", "tiered")
DATABASES = ("sqlite", "postgresql")
LANDINGS = 128
ALL, LANDINGS_OF_EACH = 32, 50
SOME, LANDINGS_OF_SOME = 8, 10
FEW = 5
"""Landings of each process on moto, which answers one request at a time."""


def measure(stage: Stage) -> Iterator[Figure]:
    """The rates; 32 writers must bring at least half of what one does, and lose few swaps."""
    whole = stage.asked_for("writers")
    for store in STORES if whole else STORES[:1]:
        for database in DATABASES if whole else DATABASES[:1]:
            yield from _threads(stage, store, database)
            yield from _processes(stage, store, database, whole=whole)


def _threads(stage: Stage, store: str, database: str) -> Iterator[Figure]:
    name, alone = f"writers.{store}.{database}", 0.0
    project = Project(stage.forge(store=store, database=database))
    for batch in BATCHES:
        project.batcher.limits = Limits(landings=batch)
        for writers in WRITERS:
            folder = f"{batch}/{writers}"
            ready = [
                project.ready({f"{folder}/{number % 16}/{number}".encode(): b"%d" % number})
                for number in range(LANDINGS if writers > 1 else LANDINGS // 2)
            ]
            with ThreadPoolExecutor(writers) as pool:
                landing = partial(pool.map, project.land_session, ready)
                rate = len(ready) / spent(lambda landing=landing: list(landing()))
            alone = rate if writers == 1 else alone
            least = alone / 2 if (writers, batch) == (32, 64) else None
            yield Figure(f"{name}.{writers}x{batch}", rate, "/s", at_least=least)


def _processes(stage: Stage, store: str, database: str, *, whole: bool) -> Iterator[Figure]:
    environ = stage.environ(store=store, database=database)
    forge = stage.forge_of(environ)
    writers, landings = (ALL, LANDINGS_OF_EACH) if whole else (SOME, LANDINGS_OF_SOME)
    if store != "local":
        landings = FEW
    total = writers * landings
    job = {
        "environ": environ,
        "token": owner(forge),
        "writers": writers,
        "landings": landings,
        "doors": 1,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.backend.sessions.writers"],
        cwd=CHECKOUT,
        input=json.dumps(job) + "\n",
        text=True,
        check=True,
        stdout=subprocess.PIPE,
    )
    told = json.loads(done.stdout)
    if told["code"]:
        raise SystemExit("bench: a writer failed; what it said stands above.")
    name = f"writers.{store}.{database}"
    yield Figure(f"{name}.processes", total / told["seconds"], "/s")
    yield Figure(f"{name}.processor", told["processor"] / total * 1000, "ms")
    data = Path(environ["MICELIO_DATA"])
    retries = _counted(data, "lost") / _counted(data, "landed")
    yield Figure(f"{name}.retries", retries, "x", at_most=1)


def _counted(folder: Path, what: str) -> float:
    pattern = rf'^micelio_landings_total{{what="{what}"}} (\S+)$'
    texts = [path.read_text() for path in folder.glob("metrics-*")]
    return sum(float(number) for text in texts for number in re.findall(pattern, text, re.MULTILINE))
