"""Appends events to a session from a process of its own, for test_stream.

Usage: python -m tests.backend.sessions.appender ACCOUNT COUNT SESSION..., the environment of the
forge as JSON on standard input. Events carry their number, session after session in turn.
"""

import json
import sys
from contextlib import closing

from backend.core.config import Settings
from backend.core.context import Actor, Forge, Via
from backend.sessions.live import append_session_events
from tests.backend.workbench import Workbench


def main() -> None:
    account, count, sessions = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    actor = Actor(via=Via.SYSTEM, id=account, handle="ada", scopes=None)
    with closing(Forge.open(Settings.from_environ(json.load(sys.stdin)))) as forge:
        bench = Workbench(forge)
        for number in range(count):
            events = [{"kind": "output", "body": {"number": number}}]
            bench.run(actor, append_session_events, session=sessions[number % len(sessions)], events=events)


if __name__ == "__main__":
    main()
