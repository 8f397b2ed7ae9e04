import asyncio
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from sqlmodel import select

from backend.core.errors import InvalidInput
from backend.organizations.models import Membership
from backend.organizations.service import remove_member
from backend.projects.deleting import delete_project
from backend.sessions import stream
from backend.sessions.live import append_session_events
from backend.sessions.stream import Tails, Watcher, cursor_of, follow, read_cursor

CHECKOUT = Path(__file__).parents[3]
PATIENCE = 60


@pytest.fixture
def session(bench, ada):
    return bench.start(ada).id


@pytest.fixture
def say(bench, ada):
    def say(session, count):
        for start in range(0, count, 100):
            events = [
                {"kind": "output", "body": {"number": n}} for n in range(start, min(count, start + 100))
            ]
            bench.run(ada, append_session_events, session=session, events=events)

    return say


class Connection:
    """One reader of a stream: what came, split as a browser does."""

    def __init__(self, forge, actor, cursors, *, several=False):
        self.watcher = Watcher(forge, actor, dict(cursors))
        self._lines = follow(self.watcher, several=several)
        self._waiting = []

    async def next(self):
        """The next message as (name, id, data), comments and retry left out."""
        while not self._waiting:
            chunk = await asyncio.wait_for(anext(self._lines), PATIENCE)
            for block in chunk.decode().split("\n\n"):
                fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
                if block.startswith(":"):
                    self._waiting.append(("comment", "", block))
                elif "data" in fields:
                    name = fields.get("event", "message")
                    self._waiting.append((name, fields.get("id", ""), json.loads(fields["data"])))
        return self._waiting.pop(0)

    async def close(self):
        await self._lines.aclose()


async def taken(connection, count):
    return [await connection.next() for _ in range(count)]


def test_events_come_in_order_with_their_sequence_as_id(bench, ada, session, say):
    async def watch():
        reader = Connection(bench.forge, ada, {session: 0})
        first = await taken(reader, 1)
        await asyncio.to_thread(say, session, 5)
        rest = await taken(reader, 5)
        await reader.close()
        return first + rest

    came = asyncio.run(watch())
    assert [id for _, id, _ in came] == ["1", "2", "3", "4", "5", "6"]
    assert [data["kind"] for _, _, data in came] == ["prompt"] + ["output"] * 5


def test_a_reader_comes_back_where_it_was(bench, ada, session, say):
    say(session, 20)

    async def watch():
        reader = Connection(bench.forge, ada, {session: 15})
        came = await taken(reader, 6)
        await reader.close()
        return [int(id) for _, id, _ in came]

    assert asyncio.run(watch()) == list(range(16, 22))


def test_a_reader_far_behind_loses_nothing_of_a_burst(bench, ada, session, say):
    say(session, 500)

    async def watch():
        near, far = (Connection(bench.forge, ada, {session: at}) for at in (495, 100))
        await taken(near, 6)
        await taken(far, 10)
        await asyncio.to_thread(say, session, 700)
        ids = [int(id) for _, id, _ in await taken(near, 700)]
        late = [int(id) for _, id, _ in await taken(far, 1091)]
        await near.close()
        await far.close()
        return ids, late

    ids, late = asyncio.run(watch())
    assert ids == list(range(502, 1202)) and late == list(range(111, 1202))


def test_the_tail_of_a_session_is_forgotten_with_its_last_reader(bench, ada, session):
    async def watch():
        reader = Connection(bench.forge, ada, {session: 0})
        await reader.next()
        held = bench.forge.part(Tails, Tails)
        assert held.of(session)
        await reader.close()
        with pytest.raises(KeyError):
            held.of(session)

    asyncio.run(watch())


def test_one_cursor_stands_for_several_sessions(bench, ada, say):
    sessions = [bench.start(ada).id for _ in range(3)]
    for session in sessions:
        say(session, 7)

    async def watch():
        seen, cursor, chance = [], dict.fromkeys(sessions, 0), Random(7)
        while len(seen) < 24:
            reader = Connection(bench.forge, ada, cursor, several=True)
            for _ in range(min(chance.randrange(1, 6), 24 - len(seen))):
                _, id, data = await reader.next()
                seen.append((data["session"], data["sequence"]))
            cursor = read_cursor(id)
            await reader.close()
        return seen

    seen = asyncio.run(watch())
    assert sorted(seen) == sorted((session, n) for session in sessions for n in range(1, 9))


def test_a_silent_stream_says_that_it_is_still_there(bench, ada, session, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT", 0.01)

    async def watch():
        reader = Connection(bench.forge, ada, {session: 1})
        came = await reader.next()
        await reader.close()
        return came

    assert asyncio.run(watch())[0] == "comment"


def test_who_may_no_longer_see_a_session_is_told_and_sent_nothing_more(
    bench, ada, grace, session, say, as_system, monkeypatch
):
    private = bench.on("acme/plans").start(ada).id

    def leave():
        with as_system.transaction() as tx:
            for row in tx.db.exec(select(Membership).where(Membership.account_id == grace.id)).all():
                tx.db.delete(row)

    async def watch():
        reader = Connection(bench.forge, grace, {private: 0})
        await reader.next()
        await asyncio.to_thread(leave)
        await asyncio.to_thread(say, private, 3)
        name, _, data = await reader.next()
        with pytest.raises(StopAsyncIteration):
            await reader.next()
        return name, data

    monkeypatch.setattr(stream, "TRUSTED_FOR", 0.0)
    assert asyncio.run(watch()) == ("gone", {"code": "not_found"})


@pytest.mark.parametrize("how", ["removed", "hidden"])
def test_a_silent_stream_ends_when_its_reader_may_see_it_no_longer(bench, ada, grace, how, monkeypatch):
    plans = bench.on("acme/plans")
    session = plans.start(ada).id

    def remove():
        if how == "removed":
            bench.run(ada, remove_member, organization="acme", handle="grace")
        else:
            bench.run(ada, delete_project, organization="acme", project="plans")

    async def watch():
        reader = Connection(bench.forge, grace, {session: 0})
        await reader.next()
        await asyncio.to_thread(remove)
        return await reader.next()

    # No heartbeat comes, and no event.
    monkeypatch.setattr(stream, "HEARTBEAT", 10 * PATIENCE)
    assert asyncio.run(watch())[0] == "gone"


def test_a_hundred_reconnects_lose_and_double_nothing_that_another_process_appends(bench, ada):
    sessions = [bench.start(ada).id for _ in range(2)]
    settings, count = bench.forge.settings, 400
    environ = {
        "MICELIO_DATA": str(settings.data),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY_BASE": settings.secret_key,
    }
    appender = subprocess.Popen(
        [sys.executable, "-m", "tests.backend.sessions.appender", ada.id, str(count), *sessions],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        text=True,
    )
    appender.stdin.write(json.dumps(environ))
    appender.stdin.close()

    async def watch():
        seen, cursor, connections = [], cursor_of(dict.fromkeys(sessions, 0)), 0
        while len(seen) < count + 2:
            reader = Connection(bench.forge, ada, read_cursor(cursor), several=True)
            connections += 1
            for _ in range(min(4, count + 2 - len(seen))):
                _, cursor, data = await reader.next()
                seen.append((data["session"], data["sequence"]))
            await reader.close()
        return seen, connections

    seen, connections = asyncio.run(watch())
    assert appender.wait(PATIENCE) == 0
    assert connections >= 100
    expected = [(session, n) for session in sessions for n in range(1, count // 2 + 2)]
    assert sorted(seen) == sorted(expected)
    for session in sessions:
        mine = [n for where, n in seen if where == session]
        assert mine == sorted(mine)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "²", "W10=", "eyJhIjogLTF9", "eyJhIjogMWUzMDB9", "W1tb" * 20_000]
)
def test_a_cursor_of_somebody_else_is_refused(text):
    with pytest.raises(InvalidInput):
        read_cursor(text)
