import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.disks import mounted
from vcs import faults
from vcs.errors import CorruptObject, DiskFull, StoreFailed
from vcs.local import LocalStore
from vcs.store import ABSENT, Exists, Missing, Swapped, head_key

POOL, PROJECT = "pool", "project"
LARGE = b"0123456789abcdef" * (1 << 17)


@pytest.fixture(autouse=True)
def _disarmed():
    yield
    faults.disarm()


def run_python(code, *arguments):
    """Run a story in a process of its own; its words and its exit status."""
    return subprocess.run(
        [sys.executable, "-c", STORY + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=os.getcwd(),
    )


STORY = """
import os, resource, signal, sys
from pathlib import Path
from vcs import faults
from vcs.errors import StoreFailed
from vcs.local import LocalStore
LARGE = b"0123456789abcdef" * (1 << 17)
folder = Path(sys.argv[1])
store = LocalStore(folder)
"""

KILLED = """
faults.arm(sys.argv[2], lambda: os.kill(os.getpid(), signal.SIGKILL))
version = store.read_head("pool", "project")[1]
store.swap_head("pool", "project", version, b"two", {"small": b"x", "large": LARGE})
"""


@pytest.mark.parametrize(
    ("point", "head", "files"),
    [
        ("store.file_written", b"one", {"large"}),
        ("store.before_commit", b"one", {"large"}),
        ("store.after_commit", b"two", {"large", "small"}),
    ],
)
def test_killed_anywhere_in_a_swap_the_store_is_whole(tmp_path, point, head, files):
    store = LocalStore(tmp_path / "store")
    store.swap_head(POOL, PROJECT, ABSENT, b"one")
    store.close()

    done = run_python(KILLED, tmp_path / "store", point)
    assert done.returncode == -signal.SIGKILL, done.stderr

    store = LocalStore(tmp_path / "store")
    body, version = store.read_head(POOL, PROJECT)
    assert body == head
    left = {listed.key for listed in store.list("")} - {head_key(POOL, PROJECT)}
    assert left == files
    assert store.get("large") == LARGE
    assert ("small" in files) == (left >= {"small"} and store.get("small") == b"x")

    again = store.swap_head(POOL, PROJECT, version, b"three", {"small": b"x", "large": LARGE})
    assert isinstance(again, Swapped)
    assert store.get("small") == b"x"
    store.close()


def test_killed_while_it_writes_a_file_no_name_is_left(tmp_path):
    code = """
def chunks():
    yield LARGE
    os.kill(os.getpid(), signal.SIGKILL)
store.put("large", chunks())
"""
    done = run_python(code, tmp_path / "store")
    assert done.returncode == -signal.SIGKILL, done.stderr

    store = LocalStore(tmp_path / "store")
    assert list(store.list("")) == []
    (draft,) = (tmp_path / "store" / "incoming").iterdir()
    store.close()

    two_days_ago = time.time() - 2 * 86400
    os.utime(draft, (two_days_ago, two_days_ago))
    LocalStore(tmp_path / "store").close()
    assert not draft.exists()


def test_an_error_before_the_commit_leaves_everything_as_it_was(local_store):
    def refuse():
        raise sqlite3.OperationalError("disk I/O error")

    faults.arm("store.before_commit", refuse)
    with pytest.raises(StoreFailed, match="disk I/O error"):
        local_store.swap_head(POOL, PROJECT, ABSENT, b"one", {"small": b"x"})
    faults.disarm()

    assert list(local_store.list("")) == []
    assert isinstance(local_store.swap_head(POOL, PROJECT, ABSENT, b"one", {"small": b"x"}), Swapped)


def test_a_commit_whose_write_fails_is_unknown_and_can_be_repeated(tmp_path):
    # The limit on file sizes is lowered just before the commit, so that its write is refused.
    code = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
first = store.swap_head("pool", "project", None, b"one")
longest = max(path.stat().st_size for path in folder.iterdir())
faults.arm("store.before_commit", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (longest, -1)))
bytes_given = b"two", {"small": b"x" * 100_000}
print(type(store.swap_head("pool", "project", first.version, *bytes_given)).__name__)
faults.disarm()
print(store.read_head("pool", "project")[0].decode())
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print(type(store.swap_head("pool", "project", first.version, *bytes_given)).__name__)
print(store.read_head("pool", "project")[0].decode(), len(store.get("small")))
"""
    done = run_python(code, tmp_path / "store")

    assert done.stdout.split() == ["Unknown", "one", "Swapped", "two", "100000"], done.stderr


def test_a_large_file_that_cannot_be_written_moves_nothing(tmp_path):
    code = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store.swap_head("pool", "project", None, b"one")
version = store.read_head("pool", "project")[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, -1))
try:
    store.swap_head("pool", "project", version, b"two", {"large": LARGE})
except StoreFailed as error:
    print(error)
print(store.read_head("pool", "project")[0].decode(), [listed.key for listed in store.list("")])
print(list((folder / "incoming").iterdir()))
"""
    done = run_python(code, tmp_path / "store")

    failed, state, drafts = done.stdout.splitlines()
    assert failed.startswith("The disk that holds the store is full. Nothing was changed")
    assert state == "one ['pools/pool/heads/project']"
    assert drafts == "[]"


def test_a_full_disk_refuses_and_keeps_what_was(tmp_path):
    with mounted(tmp_path / "disk") as disk:
        folder = disk.folder / "store"
        store = LocalStore(folder)
        first = store.swap_head(POOL, PROJECT, ABSENT, b"one", {"f/0": b"x" * 200_000})
        with disk.full():
            if not disk.whole:
                store.close()
            with pytest.raises(
                DiskFull, match=r"The disk that holds the store is full\. Nothing was changed"
            ):
                store.swap_head(POOL, PROJECT, first.version, b"two", {"f/1": b"x" * 200_000})
            with pytest.raises(DiskFull):
                store.put("large", [LARGE])
            assert store.read_head(POOL, PROJECT) == (b"one", first.version)
            assert [listed.key for listed in store.list("")] == ["f/0", head_key(POOL, PROJECT)]
            if not disk.whole:
                store.close()

        assert isinstance(store.swap_head(POOL, PROJECT, first.version, b"two", {"f/1": LARGE}), Swapped)
        assert list((folder / "incoming").iterdir()) == []
        store.close()


def test_a_damaged_head_is_named_not_believed(tmp_path):
    store = LocalStore(tmp_path / "store")
    store.swap_head(POOL, PROJECT, ABSENT, b'{"position":1}')
    with sqlite3.connect(tmp_path / "store" / "store.db") as db:
        db.execute("update heads set body = ?", (b'{"position":2}',))
    db.close()

    with pytest.raises(CorruptObject, match="pools/pool/heads/project"):
        store.read_head(POOL, PROJECT)
    store.close()


def test_a_store_of_a_newer_format_is_refused(tmp_path):
    LocalStore(tmp_path / "store").close()
    with sqlite3.connect(tmp_path / "store" / "store.db") as db:
        db.execute("pragma user_version = 2")
    db.close()

    with pytest.raises(StoreFailed, match="newer Micelio"):
        LocalStore(tmp_path / "store")


def test_large_files_are_plain_files_that_outlive_the_database_rows_of_nobody(tmp_path):
    store = LocalStore(tmp_path / "store")
    store.swap_head(POOL, PROJECT, ABSENT, b"one", {"pools/p/files/q/a.seg": LARGE, "small": b"x"})

    assert (tmp_path / "store/files/pools/p/files/q/a.seg").read_bytes() == LARGE
    assert list((tmp_path / "store/incoming").iterdir()) == []
    store.close()


def test_nothing_outside_of_the_folder_is_listed(local_store):
    for prefix in ("../", "/etc/", "a/../../"):
        with pytest.raises(ValueError):
            list(local_store.list(prefix))


def test_code_is_readable_for_its_owner_only(tmp_path, local_store):
    local_store.put("a/b", [LARGE])

    assert [(tmp_path / "store" / name).stat().st_mode & 0o077 for name in (".", "files", "files/a")] == [
        0,
        0,
        0,
    ]


def test_a_folder_of_names_is_not_a_file(local_store):
    local_store.put("a/b", [LARGE])

    with pytest.raises(Missing):
        local_store.get("a")
    local_store.delete("a")
    with pytest.raises(Exists):
        local_store.put("a", [LARGE])
    assert local_store.get("a/b") == LARGE


def test_fault_points_are_declared_before_they_are_used():
    for attempt in (
        lambda: faults.reach("store.nowhere"),
        lambda: faults.arm("store.nowhere", print),
        lambda: faults.disarm("store.nowhere"),
    ):
        with pytest.raises(ValueError, match=r"no fault point is called store\.nowhere"):
            attempt()
    for point in faults.POINTS:
        faults.reach(point)


def test_an_armed_point_acts_until_it_is_disarmed():
    reached = []
    faults.arm("landing.decided", lambda: reached.append("decided"))
    faults.reach("landing.decided")
    faults.reach("landing.staged")
    faults.disarm("landing.decided")
    faults.reach("landing.decided")

    assert reached == ["decided"]
