"""What is damaged is found by whoever reads it and by the doctor, is named, and is never shown as something
else. What only repeats the log, a node's index, is mended on the way.

Each row of a table damages one file of a sound forge, looks, and puts it back.
"""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from backend.core.config import Settings
from backend.doors.routes import own_app
from backend.instance import doctor
from backend.projects import code
from backend.projects.service import get_project
from backend.sessions.landing import land_session
from backend.sessions.service import get_session
from tests.asgi import Asgi
from tests.backend.workbench import Workbench
from tests.vcs.buckets import KEY, SECRET, client, moto_server, new_bucket
from vcs.deciding import folded
from vcs.errors import MicelioError
from vcs.live import with_lists
from vcs.log import TAIL_LIMIT, head_key

SHARED = b"the last of it\n" * 40
OTHER = b"of an earlier landing\n"
SHARED_PATH, OTHER_PATH = "HEAD/shared", "@1/other"

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@dataclass(frozen=True)
class Row:
    """A file that is damaged, how, and what a reader gets of the newest file and of an earlier landing's."""

    subject: str
    damage: str
    shared: int
    other: int
    anew: bool = False
    """Whether the reader's node has no index yet."""


# A node that knows the project goes on showing it; one that does not has to read HEAD and checkpoint.
STORED = [
    Row("segment", "flipped", 500, 200),
    Row("segment", "truncated", 500, 200),
    Row("segment", "swapped", 500, 200),
    Row("segment", "gone", 500, 200),
    Row("head", "flipped", 200, 200),
    Row("checkpoint", "flipped", 200, 200),
    Row("head", "flipped", 500, 500, anew=True),
    Row("head", "truncated", 500, 500, anew=True),
    Row("head", "swapped", 500, 500, anew=True),
    Row("checkpoint", "flipped", 500, 500, anew=True),
    Row("checkpoint", "truncated", 500, 500, anew=True),
    Row("checkpoint", "swapped", 500, 500, anew=True),
]


class Folder:
    """Files and HEADs of a local store, behind its back."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.storage_path / "store.db"

    def read(self, key: str) -> bytes:
        with closing(sqlite3.connect(self._path)) as db:
            query = "select body from files where key = ?1 union all select body from heads where key = ?1"
            return bytes(db.execute(query, (key,)).fetchone()[0])

    def write(self, key: str, body: bytes, *, whole: bool) -> None:
        """`whole`: with the checksum that belongs to it, as somebody who moves files does."""
        with closing(sqlite3.connect(self._path)) as db, db:
            at = db.execute("select max(at) from files").fetchone()[0]
            row = (key, len(body), at, body)
            if db.execute("update heads set body = ? where key = ?", (body, key)).rowcount == 0:
                db.execute("insert or replace into files (key, size, at, body) values (?, ?, ?, ?)", row)
            elif whole:
                db.execute("update heads set sha256 = ? where key = ?", (hashlib.sha256(body).digest(), key))


class Bucket:
    """The same of a bucket."""

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket

    def read(self, key: str) -> bytes:
        return client(self._bucket).get_object(Bucket=self._bucket.name, Key=key)["Body"].read()

    def write(self, key: str, body: bytes, *, whole: bool) -> None:
        client(self._bucket).put_object(Bucket=self._bucket.name, Key=key, Body=body)


@pytest.fixture(scope="module")
def moto():
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(params=["local", "sealed", "s3"])
def kept_in(request):
    return request.param


@pytest.fixture
def bucket(request, kept_in):
    return new_bucket(request.getfixturevalue("moto")) if kept_in == "s3" else None


@pytest.fixture
def settings(tmp_path, database, kept_in, bucket):
    environ = {"MICELIO_DATA": str(tmp_path / "data"), "DATABASE_URL": database, "SECRET_KEY_BASE": "x"}
    if kept_in == "sealed":
        environ["ENCRYPTION_KEY"] = "0f" * 32
    if bucket is not None:
        environ |= {
            "STORAGE_BACKEND": "s3",
            "S3_BUCKET": bucket.name,
            "S3_ENDPOINT_URL": bucket.endpoint,
            "S3_ACCESS_KEY_ID": KEY,
            "S3_SECRET_ACCESS_KEY": SECRET,
        }
    return Settings.from_environ(environ)


@pytest.fixture
def behind(settings, bucket):
    return Folder(settings) if bucket is None else Bucket(bucket)


@pytest.fixture
def worked(bench, ada):
    """acme/notes with a checkpoint and two landings after it; acme/plans as well, for what is swapped."""
    for project in ("acme/notes", "acme/plans"):
        there = bench.on(project)
        there.landed(ada, {"other": OTHER})
        id = bench.run(ada, get_project, **there.where).id
        repository = code.repository(bench.forge, id, id)
        head, version = repository.current()
        head, files, listed = folded(repository, head, TAIL_LIMIT)
        head, more = with_lists(head, listed)
        repository.store.swap_head(id, id, version, head.encode(), files | more)
        # Not the same in both, or what is exchanged could be right all the same.
        there.landed(ada, {"shared": SHARED if project == "acme/notes" else b"of plans\n" * 60})
    return bench


def answers(bench: Workbench, path: str) -> tuple[int, str, bytes]:
    """What HTTP says of a file: status, code and bytes."""
    answer = Asgi(own_app(bench.forge)).get(f"/acme/notes/raw/{path}")
    problem = answer.headers["content-type"].startswith("application/problem")
    return answer.status_code, answer.json()["code"] if problem else "", answer.content


def found(bench: Workbench) -> str:
    with bench.restarted() as fresh:
        return "\n".join(one.sentence for one in doctor.examine(fresh.forge) if one.fault)


def flipped(body: bytes) -> bytes:
    # In a segment this is in the frames, in HEAD's JSON and in a checkpoint somewhere in their ids.
    at = len(body) // 4
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped": flipped,
    "truncated": lambda body: body[: len(body) // 2],
}


def test_damage_in_the_store_is_named_and_never_shown(worked, ada, behind, subtests):
    ids = [worked.run(ada, get_project, **worked.on(f"acme/{name}").where).id for name in ("notes", "plans")]
    heads = [code.repository(worked.forge, id, id).head() for id in ids]
    keys = {
        "segment": [head.tail[-1].key for head in heads],
        "head": [head_key(id, id) for id in ids],
        "checkpoint": [head.checkpoint.key for head in heads],
    }
    assert found(worked) == ""
    for row in STORED:
        if row.damage == "truncated" and not isinstance(behind, Folder):
            continue  # Cut short or flipped is the same to a bucket's reader.
        with subtests.test(row.subject, row=row):
            key, other = keys[row.subject]
            before, theirs = behind.read(key), behind.read(other)
            if row.damage == "gone":
                worked.forge.store.delete(key)
            else:
                damaged = DAMAGES.get(row.damage, lambda body, theirs=theirs: theirs)(before)
                behind.write(key, damaged, whole=row.damage == "swapped")
            try:
                look(worked, ids[0], row, key)
            finally:
                behind.write(key, before, whole=True)
    assert found(worked) == ""
    with worked.restarted() as fresh:
        assert answers(fresh, SHARED_PATH)[::2] == (200, SHARED)
        assert fresh.landed(ada, {"new": b"goes on\n"}).position == 3


def look(worked: Workbench, project: str, row: Row, key: str) -> None:
    if row.anew:
        code.index_path(worked.forge, project).unlink()
    with worked.restarted() as fresh:
        for path, status, content in ((SHARED_PATH, row.shared, SHARED), (OTHER_PATH, row.other, OTHER)):
            answered, problem, body = answers(fresh, path)
            assert answered == status, (path, body)
            assert body == content if status == 200 else problem.startswith("object."), (path, body)
    assert key in found(worked)


@pytest.mark.parametrize("kept_in", ["local"], indirect=True)
def test_a_landing_puts_a_sound_head_in_the_place_of_a_damaged_one_where_the_index_knows_it(
    worked, ada, behind
):
    id = worked.run(ada, get_project, **worked.where).id
    path, key = code.index_path(worked.forge, id), head_key(id, id)
    sessions = [worked.start(ada).id for _ in "ab"]
    for number, session in enumerate(sessions):
        worked.push(ada, session, {f"new{number}": b"new\n"})
    behind.write(key, flipped(behind.read(key)), whole=False)
    with worked.restarted() as fresh:
        assert fresh.land(ada, sessions[0]).position == 3
    assert found(worked) == ""

    before = behind.read(key)
    behind.write(key, flipped(before), whole=False)
    worked.forge.close()
    path.unlink()
    with worked.restarted() as fresh:
        with pytest.raises(MicelioError, match=key):
            fresh.run(ada, land_session, session=sessions[1])
        state = worked.run(ada, get_session, session=sessions[1])
        assert (state.status, state.landing) == ("active", False)
        behind.write(key, before, whole=True)
        assert fresh.land(ada, sessions[1]).position == 4


def garbage(path, other):
    body = bytearray(path.read_bytes())
    body[4096:] = b"\xa5" * (len(body) - 4096)
    path.write_bytes(body)


def cut(path, other):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def no_database(path, other):
    path.write_bytes(b"no database at all" * 1000)


def exchanged(path, other):
    path.write_bytes(other.read_bytes())


def statement(text):
    def run(path, other):
        with closing(sqlite3.connect(path)) as db, db:
            assert db.execute(text).rowcount

    return run


INDEXES = {
    "pages of garbage": garbage,
    "truncated": cut,
    "no database": no_database,
    "that of another project": exchanged,
    "objects at another place": statement("update objects set offset = offset + 1"),
    "objects of another kind": statement("update objects set kind = 3 - kind where kind in (1, 2)"),
    "objects in another file": statement("update objects set segment = (select max(no) from segments)"),
    "objects forgotten": statement("delete from objects"),
    "frames elsewhere": statement("update segments set frames = zeroblob(length(frames))"),
    "a wrong SHA-1": statement("update objects set sha1 = randomblob(20) where kind = 1"),
    "a position of another landing": statement("update positions set sequence = 0"),
    "a ref that is none": statement("insert into refs values ('refs/heads/x', zeroblob(32))"),
}
SILENT = ("a wrong SHA-1", "a position of another landing", "a ref that is none")
"""What no content contradicts: the doctor finds it."""


@pytest.mark.parametrize("kept_in", ["local"], indirect=True)
def test_a_damaged_index_is_mended_by_its_reader_or_by_the_doctor(worked, ada, subtests):
    ids = [worked.run(ada, get_project, **worked.on(f"acme/{name}").where).id for name in ("notes", "plans")]
    path, other = (code.index_path(worked.forge, id) for id in ids)
    worked.forge.close()
    sound = path.read_bytes()
    for name, damage in INDEXES.items():
        with subtests.test(name):
            path.write_bytes(sound)
            damage(path, other)
            with worked.restarted() as fresh:
                first = answers(fresh, SHARED_PATH)
                # An index that is no database any more costs one request, which says: try again.
                assert first[::2] == (200, SHARED) or first[:2] == (503, "index.damaged"), first
                assert answers(fresh, SHARED_PATH)[::2] == (200, SHARED)
                assert answers(fresh, OTHER_PATH)[::2] == (200, OTHER)
            if name not in SILENT:
                assert found(worked) == ""
            path.write_bytes(sound)
            damage(path, other)
            if name not in ("pages of garbage", "truncated", "no database", "that of another project"):
                assert "this node's index differs from the log" in found(worked)
            with worked.restarted() as fresh:
                assert [one.sentence for one in doctor.rebuild(fresh.forge) if one.fault] == []
            assert found(worked) == ""
