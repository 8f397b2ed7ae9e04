"""Twenty thousand bodies that no git sends: each is answered, none breaks anything, nothing is left."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from time import monotonic

from starlette.requests import Request

from backend.accounts.identity import of_token
from backend.core.context import Actor
from backend.core.errors import MicelioError
from backend.doors.git import SERVICES, Opened, refusal
from backend.organizations.models import Organization
from tests.backend.doors.git.packs import bodies
from tests.backend.doors.git.pushes import state

SEED = 20_261_128
BODIES = int(os.environ.get("FUZZ_BODIES", "20000"))
SECONDS = 5.0
HEADERS = [(b"content-type", b"application/x-git-receive-pack-request")]


def children() -> set[str]:
    """The processes that this one started and that are not gone."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set((task / "children").read_text().split())
    return found


async def ask(opened: Opened, body: bytes) -> tuple[int, bytes]:
    """One push as the door has it once it knows who asks; status and answer."""
    parts = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        return next(parts)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": HEADERS, "query_string": b""}
    try:
        response = await SERVICES["git-receive-pack"].serve(opened, Request(scope, receive))
    except MicelioError as error:
        response = refusal(error)
    return response.status_code, bytes(response.body)


async def ask_all(opened: Opened, tip: str) -> tuple[Counter[str], list[str]]:
    """What became of each sort of body, and what went wrong."""
    seen: Counter[str] = Counter()
    wrong = []
    for number, (kind, body) in enumerate(bodies(SEED, BODIES, tip)):
        # A machine that is busy with other things gets a second try.
        for again in (False, True):
            begun = monotonic()
            status, answer = await ask(opened, body)
            if monotonic() - begun < SECONDS:
                break
            if again:
                wrong.append(f"{kind} {number} took longer than {SECONDS} s")
        # Without a word about what the client understands, there is nothing to say.
        refused = status >= 400 or b"ng " in answer or answer in (b"", b"0000")
        if status >= 500 or not refused:
            wrong.append(f"{kind} {number} was answered {status} {answer[:200]!r}")
        seen[f"{kind} {'unpacked by git' if b'index-pack' in answer else status}"] += 1
    return seen, wrong


def test_whatever_is_pushed_is_answered_and_leaves_nothing(own):
    project = own.row("open")
    actor = of_token(own.forge, own.world.tokens["ada"], Actor())
    with own.forge.db.transaction(write=False) as db:
        owner = db.get(Organization, project.organization_id)
    opened = Opened(own.forge, actor, project, owner, 0)
    asyncio.run(ask(opened, b"0000"))
    before, running = state(own, "open"), children()

    seen, wrong = asyncio.run(ask_all(opened, own.shas("open")[-1]))

    assert not wrong, "\n".join(wrong[:10])
    assert sum(seen.values()) == BODIES
    assert state(own, "open") == before
    assert children() == running
