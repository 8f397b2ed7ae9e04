"""Several processes land on one project at once, for test_writers.

Usage: python -m tests.backend.sessions.writers ACCOUNT WRITERS LANDINGS, the environment of the
forge as JSON on standard input. Each process writes what became of its landings to a file of its
own in the data folder: path, content, and the position or null when it was refused.
"""

import json
import os
import sys
from pathlib import Path
from random import Random

from backend.core.config import Settings
from backend.core.context import Actor, Forge, Via
from backend.sessions.landing import LandingConflict
from tests.backend.workbench import Workbench

SHARED = 0.2


def write(forge: Forge, account: str, writer: int, landings: int) -> list[tuple[str, str, int | None]]:
    bench = Workbench(forge)
    # Identified before these processes began: browsers are not what is tried here.
    actor = Actor(via=Via.SYSTEM, id=account, handle="ada", name="Ada", scopes=None)
    chance, outcomes = Random(writer), []
    for number in range(landings):
        shared = chance.random() < SHARED
        path = f"shared/{chance.randrange(8)}" if shared else f"own/{writer}/{number}"
        text = f"{writer} {number}"
        session = bench.start(actor, f"Landing {text}").id
        bench.push(actor, session, {path: text.encode()})
        try:
            outcomes.append((path, text, bench.land(actor, session).position))
        except LandingConflict:
            outcomes.append((path, text, None))
    return outcomes


def main() -> None:
    account, writers, landings = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    settings = Settings.from_environ(json.load(sys.stdin))
    children = []
    for writer in range(writers):
        child = os.fork()
        if child:
            children.append(child)
            continue
        outcomes = write(Forge.open(settings), account, writer, landings)
        Path(settings.data, f"writer-{writer}.json").write_text(json.dumps(outcomes))
        os._exit(0)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(any(codes))


if __name__ == "__main__":
    main()
