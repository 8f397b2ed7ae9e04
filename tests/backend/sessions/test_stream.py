import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from backend.core.errors import NotFound
from backend.projects.service import update_project
from backend.sessions import stream
from backend.sessions.live import append_session_events
from backend.sessions.stream import Watcher, follow

EVENTS = 120
WATCHERS = 24


@pytest.fixture
def session(bench, ada):
    return bench.start(ada).id


def write(bench, who, session, count, first=0):
    for number in range(first, first + count):
        event = {"kind": "progress", "body": {"text": f"step {number}"}}
        bench.run(who, append_session_events, session=session, events=[event])


def sequences(frames):
    return [json.loads(one.data)["sequence"] for one in frames]


def test_watchers_that_read_at_once_while_it_grows_each_see_every_event_once(bench, ada, session):
    def watch(_):
        watcher, seen = Watcher(bench.forge, ada, {session: 0}), []
        while len(seen) < EVENTS + 1:
            seen += sequences(watcher.read())
        return seen

    with (
        Watcher(bench.forge, ada, {session: 0}).tails().watched([session]),
        ThreadPoolExecutor(WATCHERS + 1) as pool,
    ):
        watching = [pool.submit(watch, number) for number in range(WATCHERS)]
        pool.submit(write, bench, ada, session, EVENTS).result()

        assert all(one.result() == list(range(1, EVENTS + 2)) for one in watching)


def test_what_was_stored_before_a_watcher_asked_is_in_its_answer(bench, ada, session):
    early, late = (Watcher(bench.forge, ada, {session: 0}) for _ in range(2))
    with early.tails().watched([session]):
        for number in range(20):
            write(bench, ada, session, 1, first=number)

            assert sequences(early.read())[-1] == sequences(late.read())[-1] == number + 2


def test_more_events_than_a_tail_holds_arrive_in_order(bench, ada, session, monkeypatch):
    monkeypatch.setattr(stream, "TAIL", 8)
    monkeypatch.setattr(stream, "BATCH", 5)
    watcher = Watcher(bench.forge, ada, {session: 0})
    with watcher.tails().watched([session]):
        seen = sequences(watcher.read())
        write(bench, ada, session, 40)
        while frames := watcher.read():
            seen += sequences(frames)

    assert seen == list(range(1, 42))


def test_a_stream_wakes_for_what_comes_while_it_waits(bench, ada, session):
    async def watched():
        arrived = b""
        async with aclosing(follow(Watcher(bench.forge, ada, {session: 1}), several=False)) as lines:
            assert await anext(lines) == b"retry: 1000\n\n"
            waiting = asyncio.ensure_future(anext(lines))
            await asyncio.to_thread(write, bench, ada, session, 3)
            async with asyncio.timeout(10):
                arrived = await waiting
                while arrived.count(b"id: ") < 3:
                    arrived += await anext(lines)
        return arrived

    arrived = asyncio.run(watched())

    assert [line for line in arrived.splitlines() if line.startswith(b"id: ")] == [
        b"id: 2",
        b"id: 3",
        b"id: 4",
    ]


def test_whoever_may_no_longer_see_it_is_told_when_asked_again(bench, ada, mallory, session, monkeypatch):
    monkeypatch.setattr(stream, "TRUSTED_FOR", 0.0)
    bench.run(ada, update_project, **bench.where, session_visibility="anyone")
    watcher = Watcher(bench.forge, mallory, {session: 0})
    with watcher.tails().watched([session]):
        assert sequences(watcher.read()) == [1]
        bench.run(ada, update_project, **bench.where, visibility="private")

        with pytest.raises(NotFound):
            watcher.read()
