"""PostgreSQL takes no changes, or has no room: whoever asks is refused by name, and it goes on later."""

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from backend.core.config import Settings
from backend.core.errors import DiskFull, MicelioError, ReadOnly
from backend.instance import doctor
from backend.sessions import landing
from backend.sessions.live import append_session_events
from backend.sessions.service import get_session
from tests.disks import SmallDisk, mounted
from vcs.objects import new_id

KEPT = {b"kept": b"as it was\n"}
SAID = {"kind": "progress", "body": {"text": "x" * 200_000}}

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


class Server:
    """The server as its superuser, who can take a database's writing or its room away."""

    def __init__(self, address, disk):
        self._address, _, self._name = address.rpartition("/")
        self._disk = disk

    def tell(self, *statements, at="postgres"):
        with psycopg.connect(f"{self._address}/{at}", autocommit=True) as admin:
            for statement in statements:
                admin.execute(statement.format(self._name))

    @contextmanager
    def read_only(self, forge):
        """As a standby is, or a server whose operator has taken writing away."""
        self.tell("ALTER DATABASE {0} SET default_transaction_read_only = on")
        forge.db.engine.dispose()
        try:
            yield
        finally:
            self.tell("ALTER DATABASE {0} RESET default_transaction_read_only")
            forge.db.engine.dispose()

    @contextmanager
    def full(self, forge):
        """Its small disk is full; where none can be mounted, what it says then when a row comes."""
        if isinstance(self._disk, SmallDisk):
            with self._disk.full():
                yield
            return
        refuse = (
            "BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END"
        )
        self.tell(
            f"CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $${refuse}$$", at=self._name
        )
        tables = ("session_events", "permits")
        made = [
            f"CREATE TRIGGER no_room BEFORE INSERT ON {table} EXECUTE FUNCTION no_room()" for table in tables
        ]
        self.tell(*made, at=self._name)
        try:
            yield
        finally:
            self.tell("DROP FUNCTION no_room() CASCADE", at=self._name)


@pytest.fixture
def server(database, sweeper):
    """The database on a disk of its own, if this machine lets us have one."""
    # It moves only while nobody is connected.
    sweeper.close()
    with ExitStack() as over:
        folder = Path(tempfile.mkdtemp(prefix="micelio-pg-"))
        over.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        disk = over.enter_context(mounted(folder / "disk"))
        server = Server(database, disk)
        if isinstance(disk, SmallDisk):
            place = disk.folder / "tables"
            place.mkdir()
            shutil.chown(place, "postgres", "postgres")
            server.tell(
                f"CREATE TABLESPACE small LOCATION '{place}'", "ALTER DATABASE {0} SET TABLESPACE small"
            )
            over.callback(
                server.tell, "ALTER DATABASE {0} SET TABLESPACE pg_default", "DROP TABLESPACE small"
            )
        over.callback(sweeper.close)
        yield server


@pytest.fixture
def settings(tmp_path, database, server):
    environ = {"MICELIO_DATA": str(tmp_path / "data"), "DATABASE_URL": database, "SECRET_KEY_BASE": "x"}
    return Settings.from_environ(environ)


@pytest.fixture
def at_work(bench, ada):
    bench.landed(ada, KEPT)
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"new\n"})
    return session


def test_a_database_that_takes_no_changes_is_read_and_refuses_by_name(bench, ada, server, at_work):
    id = new_id()
    with server.read_only(bench.forge):
        for work in (
            lambda: bench.run(ada, append_session_events, session=at_work, events=[SAID]),
            lambda: bench.land(ada, at_work, landing=id),
        ):
            with pytest.raises(ReadOnly, match="the database does not take changes"):
                work()
        assert bench.run(ada, get_session, session=at_work).status == "active"
        assert bench.tree(ada) == KEPT

    assert bench.land(ada, at_work, landing=id).position == 2
    assert [one.sentence for one in doctor.examine(bench.forge) if one.fault] == []


def test_a_full_database_refuses_words_and_landings_until_there_is_room(bench, ada, server, clock, at_work):
    id = new_id()
    with server.full(bench.forge):
        with pytest.raises(DiskFull, match=r"The disk that holds the database is full\. Nothing"):
            for _ in range(200):
                # Pages that are there already still have room for a few rows.
                bench.run(ada, append_session_events, session=at_work, events=[SAID])
        try:
            bench.land(ada, at_work, landing=id)
        except MicelioError as refusal:
            assert "the database is full" in refusal.sentence
        assert bench.tree(ada) in (KEPT, {**KEPT, b"a": b"new\n"})

    clock.advance(seconds=landing.PERMIT.total_seconds() + 1)
    landing.sweep(bench.forge)
    assert bench.land(ada, at_work, landing=id).position == 2
    assert bench.tree(ada) == {**KEPT, b"a": b"new\n"}
    assert [one.sentence for one in doctor.examine(bench.forge) if one.fault] == []
