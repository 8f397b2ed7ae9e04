import asyncio
import sqlite3
import threading
from contextlib import closing
from time import monotonic

import pytest

from backend.core.bell import Bell, SqliteWire

PATIENCE = 30.0


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "bell.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (n)")
    return str(path)


@pytest.fixture
def bell():
    bell = Bell()
    yield bell
    bell.close()


def commit(database):
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (1)")


def test_a_ring_wakes_the_waiter_of_its_topic(bell):
    with bell.listen("session:1") as ear:
        threading.Timer(0.01, bell.ring, ["session:1"]).start()

        assert ear.wait_blocking(PATIENCE)


def test_a_ring_between_reading_and_waiting_is_not_lost(bell):
    with bell.listen("facts") as ear:
        bell.ring("facts")

        assert ear.wait_blocking(0)
        assert not ear.wait_blocking(0), "one ring wakes once"


def test_a_ring_of_another_topic_wakes_nobody(bell):
    with bell.listen("session:1") as ear:
        bell.ring("session:2")

        assert not ear.wait_blocking(0.01)


def test_one_ear_hears_several_topics(bell):
    with bell.listen("session:1", "session:2") as ear:
        bell.ring("session:2")

        assert ear.wait_blocking(0)


def test_a_coroutine_is_woken_from_another_thread(bell):
    async def listen() -> bool:
        with bell.listen("session:1") as ear:
            threading.Timer(0.01, bell.ring, ["session:1"]).start()
            return await ear.wait(PATIENCE)

    assert asyncio.run(listen())


def test_waiting_ends_without_a_ring_when_its_time_is_over(bell):
    assert not asyncio.run(bell.wait(["session:1"], 0.01))
    assert not bell.wait_blocking(["session:1"], 0.01)


def test_a_waiter_that_was_cancelled_leaves_nothing_behind(bell):
    async def give_up() -> None:
        waiting = asyncio.ensure_future(bell.wait(["session:1"], PATIENCE))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(give_up())
    bell.ring("session:1")

    assert not bell._ears


def test_sqlite_wakes_listeners_when_another_connection_commits(database):
    with closing(Bell(SqliteWire(database))) as bell, bell.listen("session:1") as ear:
        assert ear.wait_blocking(PATIENCE), "everything may have changed before it first looked"
        started = monotonic()
        commit(database)

        assert ear.wait_blocking(PATIENCE)
        assert monotonic() - started < PATIENCE / 2


def test_a_commit_made_while_nobody_listened_is_noticed_by_the_next_listener(database):
    with closing(Bell(SqliteWire(database))) as bell:
        bell.wait_blocking(["session:1"], PATIENCE)
        commit(database)

        assert bell.wait_blocking(["session:1"], PATIENCE)


def test_a_missing_database_file_does_not_silence_the_bell(tmp_path):
    with (
        closing(Bell(SqliteWire(str(tmp_path / "missing" / "x.db")))) as bell,
        bell.listen("session:1") as ear,
    ):
        bell.ring("session:1")

        assert ear.wait_blocking(PATIENCE)


def test_the_other_process_is_woken_over_redis(redis_url):
    from backend.core.bell import RedisWire

    with closing(Bell(RedisWire(redis_url))) as here, closing(Bell(RedisWire(redis_url))) as there:
        assert_rings_across(here, there)


def test_the_other_process_is_woken_by_postgresql(postgres_url):
    from backend.core.bell import PostgresWire

    with (
        closing(Bell(PostgresWire(postgres_url))) as here,
        closing(Bell(PostgresWire(postgres_url))) as there,
    ):
        assert_rings_across(here, there)


def assert_rings_across(here: Bell, there: Bell) -> None:
    with there.listen("session:1") as ear:
        assert ear.wait_blocking(PATIENCE), "everything may have changed before it was connected"
        here.ring("session:1")
        assert ear.wait_blocking(PATIENCE)
        here.ring("session:2")
        assert not ear.wait_blocking(0.2)
