"""Two nodes on one bucket with disks of their own: what one erases, the other's disk does not keep."""

import hashlib
import os
import shutil
import subprocess
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from backend.core.config import Settings
from backend.core.context import SYSTEM, Context, Forge
from backend.projects import access, code, git
from backend.projects.erasing import erase_from_project
from backend.projects.forgetting import Forgetter, forget_erased
from tests.backend.workbench import Workbench
from tests.vcs.buckets import KEY, SECRET, moto_server, new_bucket, patient
from vcs.errors import MicelioError, StoreFailed
from vcs.objects import Kind, Object

LEAKED = b"password = hunter2\n"
LEAKED_ID = Object.of(Kind.BLOB, LEAKED).id


@pytest.fixture
def database(migrated_sqlite, tmp_path):
    shutil.copyfile(migrated_sqlite, tmp_path / "micelio.db")
    return f"sqlite:///{tmp_path / 'micelio.db'}"


@pytest.fixture(scope="module")
def endpoint():
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def settings(endpoint, tmp_path, database):
    # Sealed: the seal must not hide that there are copies. Without one, test_tiered looks at the same.
    environ = {
        "MICELIO_DATA": str(tmp_path / "data"),
        "DATABASE_URL": database,
        "SECRET_KEY_BASE": "not a secret",
        "STORAGE_BACKEND": "tiered",
        "S3_BUCKET": new_bucket(endpoint).name,
        "S3_ENDPOINT_URL": endpoint,
        "S3_ACCESS_KEY_ID": KEY,
        "S3_SECRET_ACCESS_KEY": SECRET,
        "ENCRYPTION_KEY": "0f" * 32,
    }
    return Settings.from_environ(environ)


@contextmanager
def node(bench, folder):
    """Another node: the same database and bucket, and a data folder of its own."""
    settings = replace(bench.forge.settings, data=folder)
    with closing(Forge.open(settings, clock=bench.forge.clock)) as forge:
        yield Workbench(forge)


def copies(bench):
    """The pool's files of which this node's disk has blocks."""
    folder = bench.forge.settings.data / "cache" / "files"
    files = (Path(here, name) for here, _, names in os.walk(folder) for name in names if "@" in name)
    return {str(path.relative_to(folder)).partition("@")[0] for path in files}


def row_of(bench, ada):
    with Context(bench.forge, ada).transaction(write=False) as tx:
        return access.project(tx, *bench.where.values())[0]


def git_has(bench, ada, content):
    """Whether the repository that git clients get on this node has a blob; it is made when there is none."""
    row = row_of(bench, ada)
    folder = git.git_path(bench.forge, row.id)
    if not folder.exists():
        git.projection(bench.forge, row).catch_up()
    sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    asked = ["git", f"--git-dir={folder / 'main.git'}", "cat-file", "-e", sha1]
    return subprocess.run(asked, capture_output=True).returncode == 0


def leaked(bench, ada):
    bench.landed(ada, {"README": b"hello\n"})
    bench.landed(ada, {"env": LEAKED})
    return bench


def erase(bench):
    erase_from_project(Context(bench.forge, SYSTEM), **bench.where, blobs=[LEAKED_ID])


def test_a_node_that_nobody_asks_drops_its_copies_and_its_index_follows(bench, ada, tmp_path):
    leaked(bench, ada)
    with node(bench, tmp_path / "other") as other:
        assert other.tree(ada)[b"env"] == LEAKED
        assert git_has(other, ada, LEAKED)
        before = copies(other)
        assert before

        erase(bench)
        gone = before - {listed.key for listed in bench.forge.store.list("pools/")}
        assert gone and gone <= copies(other), "so far nobody told this node"

        assert forget_erased(other.forge) == 1
        assert not gone & copies(other)
        assert not git_has(other, ada, LEAKED), "the repository that git clients get was made again"
        row = row_of(other, ada)
        repository = code.repository(other.forge, row.id, row.pool)
        assert repository.remembered()[0].sequence == repository.current()[0].sequence
        assert not any(LEAKED in plain for plain in repository.frames._frames.values())
        assert not gone & {key for key in getattr(other.forge.store, "_seals", ())}
        assert forget_erased(other.forge) == 0, "once for each purge"
        assert b"erased" in other.tree(ada)[b"env"]


def test_a_node_started_after_the_purge_drops_what_its_disk_still_has(bench, ada, tmp_path):
    leaked(bench, ada)
    with node(bench, tmp_path / "other") as other:
        other.tree(ada)
        before = copies(other)
    erase(bench)
    gone = before - {listed.key for listed in bench.forge.store.list("pools/")}

    with node(bench, tmp_path / "other") as other, closing(Forgetter(other.forge, seconds=0.01)):
        patient(lambda: not gone & copies(other))


def test_a_store_that_does_not_answer_is_asked_again(bench, ada, tmp_path, monkeypatch):
    leaked(bench, ada)
    with node(bench, tmp_path / "other") as other:
        other.tree(ada)
        erase(bench)

        def down(*_):
            raise StoreFailed(problem="it is down")

        with monkeypatch.context() as broken:
            broken.setattr(other.forge.store, "read_head", down)
            assert forget_erased(other.forge) == 0
            with pytest.raises(MicelioError):
                other.forge.store.read_head("pool", "project")
        assert forget_erased(other.forge) == 1
