"""`mic status` starts like a small program: nothing slow is imported, nobody is asked."""

import os
import subprocess
import sys
from time import perf_counter

import pytest

from mic import scan
from mic.index import Index
from mic.workspace import Workspace
from vcs.objects import EMPTY_TREE

SLOW = {
    "argparse", "asyncio", "dataclasses", "datetime", "google", "grpc", "http", "inspect", "multiprocessing",
    "pydantic", "rich", "socket", "sqlite3", "ssl", "subprocess", "threading", "tomllib", "vcs", "zlib",
    "zstandard",
}  # fmt: skip


@pytest.fixture
def workspace(tmp_path):
    """Ten thousand files in a hundred folders, and an open session."""
    root = str(tmp_path / "work")
    for folder in range(100):
        os.makedirs(f"{root}/{folder % 10}/{folder}")
        for number in range(100):
            with open(f"{root}/{folder % 10}/{folder}/{number}.py", "w") as file:
                file.write(f"print({number})\n")
    made = Workspace.create(root, {}, Index(1, "", EMPTY_TREE))
    index = made.index
    for change in scan.changes(root, index):
        index.put(
            change.path, (change.mode, bytes.fromhex(change.id), change.size, *index.get(change.path)[3:])
        )
    index.save(made.path("index"))
    made.keep_session({"short_id": "0a0a0a0a", "goal": "Try", "started_at": "2026-01-01T00:00:00.000000Z"})
    return root


def test_status_imports_nothing_slow(workspace):
    code = (
        "import sys; from mic.main import main; main(['status']); print(sorted(sys.modules), file=sys.stderr)"
    )
    bare = "import sys; print(sorted(sys.modules), file=sys.stderr)"
    loaded = modules(code, workspace) - modules(bare, workspace)

    assert {name.partition(".")[0] for name in loaded} & SLOW == set()


def modules(code, folder):
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=where, capture_output=True, text=True, check=True
    )
    return set(eval(ran.stderr))


def test_status_of_ten_thousand_files_takes_a_few_interpreter_starts(workspace):
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    def once(*command):
        before = perf_counter()
        subprocess.run(command, cwd=workspace, env=where, stdout=subprocess.DEVNULL, check=True)
        return perf_counter() - before

    program = ("-c", "from mic.main import main; main()", "status")
    once(sys.executable, *program)
    bare = status = 1.0
    for _ in range(60):
        bare = min(bare, once(sys.executable, "-c", "pass"))
        status = min(status, once(sys.executable, *program))
        # The target is 4, which `make bench` measures; here others may be using the machine.
        if status <= 6 * bare:
            return
    pytest.fail(f"{status * 1000:.0f} ms against {bare * 1000:.0f} ms")
