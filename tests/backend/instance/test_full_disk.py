"""A disk is full: whoever asks is refused by name at every door, nothing is lost, and it goes on later."""

from contextlib import closing
from random import Random

import grpc
import pytest
import sqlmodel

from backend.accounts.service import create_access_token
from backend.core.config import Settings
from backend.core.context import Forge
from backend.core.errors import DiskFull
from backend.instance import doctor
from backend.instance.web import readiness
from backend.projects import code
from backend.projects.models import Project
from backend.sessions import landing
from backend.sessions.landing import LandedUnseen
from backend.sessions.live import append_session_events
from backend.sessions.models import Permit
from backend.sessions.service import get_session
from mic.client import Client
from mic.errors import exit_code
from tests.backend.doors.faces import Rest, problem_of, rpc_door
from tests.backend.doors.worlds import World
from tests.backend.workbench import Workbench
from tests.disks import mounted
from vcs.errors import MicelioError
from vcs.objects import new_id
from vcs.wire import sessions_pb2 as s
from vcs.wire import sessions_pb2_grpc

LONG = Random(1).randbytes(3 << 20)
KEPT = {b"kept": b"as it was\n"}

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def where(request):
    """What is on the small disk: the store, the database, the index, uploads."""
    return getattr(request, "param", "store")


@pytest.fixture
def disk(tmp_path):
    with mounted(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def settings(tmp_path, database, disk, where):
    environ = {"MICELIO_DATA": str(tmp_path / "data"), "DATABASE_URL": database, "SECRET_KEY_BASE": "x"}
    if where == "store":
        environ["STORAGE_LOCAL_PATH"] = str(disk.folder / "storage")
    if where in ("index", "uploads"):
        (tmp_path / "data").mkdir()
        (disk.folder / where).mkdir()
        (tmp_path / "data" / where).symlink_to(disk.folder / where)
    if where == "database":
        source = tmp_path / "micelio.db"
        (disk.folder / "micelio.db").write_bytes(source.read_bytes())
        environ["DATABASE_URL"] = f"sqlite:///{disk.folder / 'micelio.db'}"
    return Settings.from_environ(environ)


@pytest.fixture
def at_work(bench, ada):
    """A session that is ready to land, with one file that is in the way of nobody."""
    bench.landed(ada, KEPT)
    session = bench.start(ada).id
    bench.push(ada, session, {b"a": Random(2).randbytes(200_000)})
    return session


@pytest.fixture
def token(invoke, ada):
    scopes = ["project:read", "session:read", "session:write"]
    return invoke(ada, create_access_token, name="mic", scopes=scopes).token


def sound(bench: Workbench) -> None:
    """No permit is left open and the doctor has nothing to say."""
    with bench.forge.db.transaction(write=False) as db:
        assert db.exec(sqlmodel.select(Permit)).all() == []
    assert [one.sentence for one in doctor.examine(bench.forge) if one.fault] == []


def test_a_full_store_refuses_a_landing_and_takes_it_when_there_is_room(bench, ada, disk, at_work):
    id = new_id()
    with disk.full(bench.forge):
        with pytest.raises(DiskFull, match=r"The disk that holds the store is full\. Nothing was changed"):
            bench.land(ada, at_work, landing=id)
        state = bench.run(ada, get_session, session=at_work)
        assert (state.status, state.landing) == ("active", False)
        assert bench.tree(ada) == KEPT
        sound(bench)

    assert bench.land(ada, at_work, landing=id).position == 2
    assert set(bench.tree(ada)) == {b"a", b"kept"}
    sound(bench)


def test_every_door_says_that_the_disk_is_full(bench, ada, token, disk, at_work, portal):
    world = World(bench.forge, {}, {})
    rest = Rest(world, portal)
    with rpc_door(world) as door, disk.full(bench.forge):
        upload = rest.send("PUT", f"/api/v1/sessions/{at_work}/files/long", token, content=LONG)
        landed = rest.send("POST", f"/api/v1/sessions/{at_work}/land", token, json={})
        for answer in (upload, landed):
            assert (answer.status_code, answer.json()["code"]) == (503, "disk.full"), answer.text
            assert answer.json()["detail"].startswith("The disk that holds the store is full.")
        stub = sessions_pb2_grpc.SessionServiceStub(door.channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.LandSession(
                s.LandSessionRequest(session_id=at_work), metadata=[("authorization", f"Bearer {token}")]
            )
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert problem_of(refused.value)["code"] == "disk.full"
        told = Client("http://forge.test", token=token).refusal(refused.value)
        assert exit_code(told) == 6 and "is full" in told.sentence
        if disk.whole:
            assert "is full" in readiness(bench.forge)["writing"]

    again = rest.send("PUT", f"/api/v1/sessions/{at_work}/files/long", token, content=LONG)
    assert again.status_code == 200, again.text
    assert rest.send("POST", f"/api/v1/sessions/{at_work}/land", token, json={}).status_code == 200
    assert bench.tree(ada)[b"long"] == LONG
    sound(bench)


@pytest.mark.parametrize("where", ["uploads"], indirect=True)
def test_a_full_disk_of_uploads_is_named(bench, ada, disk, at_work):
    with disk.full(bench.forge), pytest.raises(DiskFull, match="The disk that holds uploads is full"):
        bench.store(ada, at_work, bytes(5 << 20))

    bench.push(ada, at_work, {"long": bytes(5 << 20)})
    assert bench.land(ada, at_work).position == 2


@pytest.mark.parametrize("where", ["index"], indirect=True)
def test_a_full_index_disk_loses_no_landing(bench, ada, disk, clock, at_work):
    id = new_id()
    with disk.full(bench.forge):
        try:
            bench.land(ada, at_work, landing=id)
        except LandedUnseen as refusal:
            assert "happened and is safe" in refusal.sentence and "the index is full" in refusal.sentence
        except DiskFull as refusal:
            assert "the index is full. Nothing was changed" in refusal.sentence
            assert code.repository(bench.forge, *_ids(bench)).head().position == 1

    clock.advance(seconds=landing.PERMIT.total_seconds() + 1)
    landing.sweep(bench.forge)
    assert bench.land(ada, at_work, landing=id).position == 2
    assert set(bench.tree(ada)) == {b"a", b"kept"}
    sound(bench)


@pytest.mark.parametrize("where", ["database"], indirect=True)
def test_a_full_database_disk_refuses_words_and_landings(bench, ada, disk, clock, at_work):
    said = {"kind": "progress", "body": {"text": "x" * 200_000}}
    id = new_id()
    with disk.full(bench.forge):
        with pytest.raises(DiskFull, match=r"The disk that holds the database is full\. Nothing was changed"):
            bench.run(ada, append_session_events, session=at_work, events=[said])
        try:
            bench.land(ada, at_work, landing=id)
        except MicelioError as refusal:
            assert "the database is full" in refusal.sentence
        assert bench.tree(ada) in (KEPT, {**KEPT, b"a": Random(2).randbytes(200_000)})

    with closing(Forge.open(bench.forge.settings, clock=clock)) as forge:
        fresh = Workbench(forge)
        clock.advance(seconds=landing.PERMIT.total_seconds() + 1)
        landing.sweep(forge)
        assert fresh.land(ada, at_work, landing=id).position == 2
        assert set(fresh.tree(ada)) == {b"a", b"kept"}
        sound(fresh)


def _ids(bench: Workbench) -> tuple[str, str]:
    with bench.forge.db.transaction(write=False) as db:
        row = db.exec(sqlmodel.select(Project).where(Project.handle == "notes")).one()
    return row.id, row.pool
