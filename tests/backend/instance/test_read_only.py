"""A store that can only be read: everything is shown, landings are refused with a sentence, and
readiness says so without taking the readers away.
"""

from contextlib import closing

import pytest
import sqlmodel

from backend.core.config import Settings
from backend.core.context import Forge
from backend.core.errors import ReadOnly, StoreFailed
from backend.doors.routes import own_app
from backend.instance import doctor
from backend.sessions.models import Permit
from backend.sessions.service import get_session
from tests.asgi import Asgi
from tests.backend.workbench import Workbench
from tests.disks import read_only
from tests.vcs.buckets import KEY, SECRET, Line, moto_server, new_bucket

KEPT = {b"kept": b"as it was\n"}

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def moto():
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def kept_in(request):
    return getattr(request, "param", "local")


@pytest.fixture
def line(request, kept_in):
    """The way to the bucket, when there is one."""
    if kept_in == "local":
        yield None
        return
    with Line(request.getfixturevalue("moto")) as line:
        yield line


@pytest.fixture
def settings(request, tmp_path, database, line, kept_in):
    environ = {"MICELIO_DATA": str(tmp_path / "data"), "DATABASE_URL": database, "SECRET_KEY_BASE": "x"}
    if line is not None:
        bucket = line.bucket(new_bucket(request.getfixturevalue("moto")))
        environ |= {
            "STORAGE_BACKEND": kept_in,
            "S3_BUCKET": bucket.name,
            "S3_ENDPOINT_URL": bucket.endpoint,
            "S3_ACCESS_KEY_ID": KEY,
            "S3_SECRET_ACCESS_KEY": SECRET,
        }
    return Settings.from_environ(environ)


@pytest.fixture
def at_work(bench, ada):
    bench.landed(ada, KEPT)
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"new\n"})
    return session


def only_read(bench: Workbench, ada, session: str, refusal: type[Exception], sentence: str) -> None:
    """What holds while nothing can be written."""
    web = Asgi(own_app(bench.forge))
    assert bench.tree(ada) == KEPT
    assert web.get("/acme/notes/raw/HEAD/kept").text == "as it was\n"
    with pytest.raises(refusal, match=sentence):
        bench.land(ada, session)
    state = bench.run(ada, get_session, session=session)
    assert (state.status, state.landing) == ("active", False)
    with bench.forge.db.transaction(write=False) as db:
        assert db.exec(sqlmodel.select(Permit)).all() == []
    ready = web.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded"), ready.text
    told = ready.json()["checks"]
    assert told.pop("writing") != "ok" and set(told.values()) == {"ok"}
    assert [one.sentence for one in doctor.examine(bench.forge) if one.fault] == []


def test_a_folder_that_nobody_can_write_is_still_read(bench, ada, at_work, clock):
    bench.forge.close()
    with read_only(bench.forge.settings.storage_path), closing(bench.restarted_forge()) as forge:
        only_read(Workbench(forge), ada, at_work, ReadOnly, "can be read but not written just now: the store")

    with closing(Forge.open(bench.forge.settings, clock=clock)) as forge:
        assert Workbench(forge).land(ada, at_work).position == 2


@pytest.mark.parametrize("kept_in", ["s3", "tiered"], indirect=True)
def test_a_bucket_that_takes_no_puts_is_still_read(bench, ada, at_work, line):
    line.fate = lambda request: 403 if request.command in ("PUT", "POST") else "pass"
    only_read(bench, ada, at_work, StoreFailed, "does not let these credentials write to bucket")

    line.fate = lambda request: "pass"
    assert bench.land(ada, at_work).position == 2
