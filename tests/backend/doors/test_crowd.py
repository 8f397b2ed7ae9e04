import asyncio

import pytest

from backend.doors import crowd
from backend.doors.crowd import Crowd, Crowded, cost_of, takes_turns


class Clock:
    """A loop's time that goes when it is told to; timers wait for it."""

    def __init__(self, loop):
        self.now, self.loop, self.timers = 1000.0, loop, []

    def call_later(self, wait, call):
        timer = asyncio.TimerHandle(self.now + wait, call, (), self.loop)
        self.timers.append(timer)
        return timer

    def pass_by(self, seconds):
        self.now += seconds
        due = [timer for timer in self.timers if timer.when() <= self.now]
        self.timers = [timer for timer in self.timers if timer.when() > self.now]
        for timer in due:
            if not timer.cancelled():
                self.loop.call_soon(timer._run)


@pytest.fixture
def clock(monkeypatch):
    loop = asyncio.new_event_loop()
    clock = Clock(loop)
    monkeypatch.setattr(loop, "time", lambda: clock.now)
    monkeypatch.setattr(loop, "call_later", clock.call_later)
    yield clock
    loop.close()


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_strangers_are_served_one_after_the_other(clock):
    async def story():
        strangers = Crowd()
        first = await strangers.turn("a")
        second = asyncio.ensure_future(strangers.turn("b"))
        await settle()
        assert not second.done()
        first.end()
        first.end()
        (await second).end()

    clock.loop.run_until_complete(story())


def test_whoever_had_least_goes_first(clock):
    async def story():
        strangers = Crowd()
        turn = await strangers.turn("crawler")
        clock.pass_by(0.9)
        again = asyncio.ensure_future(strangers.turn("crawler"))
        other = asyncio.ensure_future(strangers.turn("reader"))
        await settle()
        waiting = asyncio.ensure_future(strangers.turn("crawler"))
        await settle()
        turn.end()
        await settle()
        assert other.done() and not again.done()
        other.result().end()
        await settle()
        assert again.done() and not waiting.done()
        again.result().end()
        (await waiting).end()

    clock.loop.run_until_complete(story())


def test_while_members_are_about_strangers_take_a_small_share_of_the_time(clock):
    async def story():
        strangers, served = Crowd(), 0.0
        for _ in range(600):
            strangers.member()
            asked = asyncio.ensure_future(strangers.turn("crawler"))
            await settle()
            while not asked.done():
                clock.pass_by(0.25)
                strangers.member()
                await settle()
            clock.pass_by(0.1)
            served += 0.1
            asked.result().end()
        elapsed = clock.now - 1000
        assert served <= crowd.IN_HAND + 0.1 + elapsed * crowd.SHARE * 1.05

    clock.loop.run_until_complete(story())


def test_without_members_nobody_is_held_back(clock):
    async def story():
        strangers = Crowd()
        for _ in range(100):
            turn = await strangers.turn("crawler")
            clock.pass_by(1)
            turn.end()
        assert clock.now == 1100

    clock.loop.run_until_complete(story())


def test_a_long_queue_is_told_when_to_come_again(clock):
    async def story():
        strangers = Crowd()
        turn = await strangers.turn("a")
        waiting = [asyncio.ensure_future(strangers.turn(str(n))) for n in range(crowd.MOST_WAITING)]
        await settle()
        with pytest.raises(Crowded) as refused:
            await strangers.turn("late")
        assert refused.value.details["retry_after"] >= 2
        for each in waiting:
            each.cancel()
        await settle()
        turn.end()
        (await strangers.turn("late")).end()

    clock.loop.run_until_complete(story())


def test_who_leaves_on_their_turn_lets_the_next_one_in(clock):
    async def story():
        strangers = Crowd()
        turn = await strangers.turn("a")
        gone, next_one = (asyncio.ensure_future(strangers.turn(name)) for name in ("b", "c"))
        await settle()
        turn.end()
        gone.cancel()
        await settle()
        assert next_one.done()
        next_one.result().end()

    clock.loop.run_until_complete(story())


def test_who_leaves_while_the_next_one_is_let_in_stops_nobody(clock):
    async def story():
        strangers = Crowd()
        turn = await strangers.turn("a")
        gone, next_one = (asyncio.ensure_future(strangers.turn(name)) for name in ("b", "c"))
        await settle()
        gone.cancel()
        turn.end()
        await settle()
        assert next_one.done()
        next_one.result().end()

    clock.loop.run_until_complete(story())


def test_pages_that_take_long_keep_nobody_waiting_and_few_are_under_way(clock):
    async def story():
        strangers = Crowd()
        slow = [await strangers.turn("a")]
        for number in range(crowd.MOST_SLOW):
            waiting = asyncio.ensure_future(strangers.turn(f"b{number}"))
            await settle()
            assert not waiting.done()
            clock.pass_by(crowd.PATIENCE)
            await settle()
            slow.append(waiting.result())
        last = asyncio.ensure_future(strangers.turn("c"))
        clock.pass_by(crowd.PATIENCE)
        await settle()
        assert not last.done()
        slow[0].end()
        await settle()
        last.result().end()
        for turn in slow:
            turn.end()
        (await strangers.turn("d")).end()

    clock.loop.run_until_complete(story())


def test_who_reads_a_little_is_not_held_back_by_who_crawls(clock):
    async def story():
        strangers = Crowd()
        for _ in range(3):
            strangers.member()
            turn = await strangers.turn("crawler")
            clock.pass_by(1)
            turn.end()
        strangers.member()
        crawler = asyncio.ensure_future(strangers.turn("crawler"))
        await settle()
        reader = asyncio.ensure_future(strangers.turn("reader"))
        await settle()
        assert reader.done() and not crawler.done()
        reader.result().end()
        crawler.cancel()

    clock.loop.run_until_complete(story())


@pytest.mark.parametrize(
    "path",
    [
        "/acme/tools/landings",
        "/acme/tools/landings/4",
        "/acme/tools/raw/HEAD/a.py",
        "/acme/tools/archive/HEAD.zip",
        "/_fragments/acme/tools/landings/4/diff",
        "/_fragments/acme/tools/compare",
        "/api/v1/projects/acme/tools/landings",
        "/api/v1/projects/acme/tools/archive/HEAD.zip",
        "/search",
    ],
)
def test_histories_diffs_raw_files_and_archives_take_turns(path):
    assert takes_turns("GET", path)
    assert not takes_turns("POST", path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/signin",
        "/assets/index-abc.js",
        "/acme/tools",
        "/acme/tools/tree/HEAD/landings",
        "/_fragments/acme/tools/code/HEAD/landings/a.py",
        "/_fragments/sessions/01/changes",
        "/api/v1/health",
        "/api/v1/sessions/01/events/stream",
        "/api/v1/projects/acme/tools",
        "/acme/tools.git/info/refs",
        "/docs/guides/keys",
        "/orgs/acme/archive",
    ],
)
def test_other_pages_do_not(path):
    assert not takes_turns("GET", path)


def test_an_archive_costs_more_than_the_time_it_takes_here():
    assert cost_of("/acme/tools/archive/HEAD.zip") > cost_of("/acme/tools/raw/HEAD/a") == 0
