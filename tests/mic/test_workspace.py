"""A workspace alone: what changed is seen without network, quickly, and whatever the names."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mic import scan
from mic.contents import Contents
from mic.errors import Busy
from mic.files import Item, manifest, remove, write
from mic.index import UNSEEN, Index
from mic.workspace import Workspace
from vcs.errors import InvalidPath
from vcs.objects import EMPTY_TREE, Kind, object_id

NAMES = ["plain", "with space", "new\nline", os.fsdecode(b"caf\xe9"), "ünï", "deep/er/file", "-dash", "#hash"]


@pytest.fixture
def workspace(tmp_path):
    """A workspace whose base holds a file of every name."""
    root = tmp_path / "work"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, "utf-8", "surrogateescape")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("plain")
    index = Index(7, "", EMPTY_TREE)
    for change in scan.changes(str(root), index):
        record = index.get(change.path)
        index.put(change.path, (change.mode, bytes.fromhex(change.id), change.size, *record[3:]))
    return Workspace.create(str(root), {"remote": {"origin": {"url": "http://localhost:4000/a/b"}}}, index)


def told(workspace):
    return {change.path: change.status for change in Workspace(workspace.root).changes()}


def test_an_untouched_tree_has_no_changes(workspace):
    assert told(workspace) == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_seen_when_it_changes(workspace, name):
    with open(workspace.file(name), "ab") as file:
        file.write(b"more")
    assert told(workspace) == {name: "modified"}
    os.unlink(workspace.file(name))
    assert told(workspace) == {name: "deleted"}


def test_content_of_the_same_size_within_the_clock_of_the_kernel_is_seen(workspace):
    for content in ("aaaaa", "bbbbb", "ccccc"):
        with open(workspace.file("plain"), "w") as file:
            file.write(content)
        change = Workspace(workspace.root).changes()[0]
        assert change.id == object_id(Kind.BLOB, content.encode())


def test_modes_links_and_files_in_place_of_folders_are_told(workspace):
    os.chmod(workspace.file("run"), 0o644)
    os.unlink(workspace.file("link"))
    with open(workspace.file("link"), "w") as file:
        file.write("plain")
    os.unlink(workspace.file("plain"))
    os.symlink("run", workspace.file("plain"))
    subprocess.run(["rm", "-r", workspace.file("deep")], check=True)
    with open(workspace.file("deep"), "w") as file:
        file.write("a file now")

    assert told(workspace) == {
        "deep": "added",
        "deep/er/file": "deleted",
        "link": "type_changed",
        "plain": "type_changed",
        "run": "modified",
    }


def test_a_folder_that_became_a_link_to_itself_elsewhere_is_gone(workspace):
    os.rename(workspace.file("deep"), workspace.file("moved"))
    os.symlink("moved", workspace.file("deep"))

    assert told(workspace) == {"deep": "added", "deep/er/file": "deleted", "moved/er/file": "added"}


def test_what_was_hashed_once_is_not_read_again(workspace, monkeypatch):
    with open(workspace.file("plain"), "w") as file:
        file.write("changed")
    os.utime(workspace.file("plain"), ns=(1, time.time_ns() - 10**9))
    reads, read = [], scan.blob_id
    monkeypatch.setattr(scan, "blob_id", lambda *file: reads.append(file) or read(*file))
    changes, deadline = told(workspace), time.monotonic() + 5
    # Files as young as these are read until their times can be trusted.
    while reads and time.monotonic() < deadline:
        reads.clear()
        changes = told(workspace)

    assert changes == {"plain": "modified"}
    assert not reads


def test_two_processes_see_what_one_sees(workspace, monkeypatch):
    for number in range(60):
        os.makedirs(workspace.file(f"many/{number}"))
        for each in range(3):
            with open(workspace.file(f"many/{number}/{each}"), "w") as file:
                file.write(str(each))
    index = Workspace(workspace.root).index
    for change in scan.changes(workspace.root, index):
        index.put(
            change.path, (change.mode, bytes.fromhex(change.id), change.size, *index.get(change.path)[3:])
        )
    index.save(workspace.path("index"))
    for path in ("many/3/1", "many/55/2", "plain"):
        with open(workspace.file(path), "a") as file:
            file.write("more")
    alone = told(workspace)

    monkeypatch.setattr(scan, "WORTH_FORKING", 1)
    code = (
        "import sys, mic.scan, mic.workspace; mic.scan.WORTH_FORKING = 1; "
        "print([c.path for c in mic.workspace.Workspace(sys.argv[1]).changes()]); "
        "assert 'threading' not in sys.modules"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, workspace.root], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == str(sorted(alone))


@pytest.fixture
def listed(workspace):
    """The workspace once every folder of it was listed, long after anything in it changed."""
    os.makedirs(workspace.file("only/folders"), exist_ok=True)
    with open(workspace.file("only/folders/file"), "w") as file:
        file.write("deep")
    index = workspace.index
    for change in workspace.changes():
        record = index.get(change.path)
        index.put(change.path, (change.mode, bytes.fromhex(change.id), change.size, *record[3:]))
    index.save(workspace.path("index"))
    long_ago = time.time_ns() - 10**10
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scan, "YOUNG_NS", -1)
        patched.setattr(scan, "RACY_NS", 0)
        for folder, _, names in os.walk(workspace.root):
            if ".mic" not in folder:
                for name in names:
                    os.utime(os.path.join(folder, name), ns=(1, long_ago), follow_symlinks=False)
        for _ in range(3):
            assert told(workspace) == {}
    return workspace


def test_a_folder_that_was_listed_once_is_not_listed_again(listed, monkeypatch):
    def scandir(where):
        raise AssertionError("somebody listed a folder")

    monkeypatch.setattr(os, "scandir", scandir)

    assert told(listed) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda file: open(file("new"), "w").close(), {"new": "added"}),
        (lambda file: open(file("only/folders/new"), "w").close(), {"only/folders/new": "added"}),
        (lambda file: open(file("only/new"), "w").close(), {"only/new": "added"}),
        (lambda file: os.unlink(file("plain")), {"plain": "deleted"}),
        (lambda file: os.unlink(file("only/folders/file")), {"only/folders/file": "deleted"}),
        (lambda file: shutil.rmtree(file("only")), {"only/folders/file": "deleted"}),
        (
            lambda file: os.rename(file("only"), file("moved")),
            {"only/folders/file": "deleted", "moved/folders/file": "added"},
        ),
        (
            lambda file: (os.mkdir(file("empty")), os.mkdir(file("empty/below"))),
            {},
        ),
        (
            lambda file: (os.mkdir(file("a")), os.mkdir(file("a/b")), open(file("a/b/c"), "w").close()),
            {"a/b/c": "added"},
        ),
        (
            lambda file: os.replace(file("only/folders/file"), file("run")),
            {"only/folders/file": "deleted", "run": "modified"},
        ),
        (lambda file: os.chmod(file("plain"), 0o755), {"plain": "modified"}),
    ],
)
def test_what_comes_and_goes_is_seen_in_folders_that_were_listed(listed, change, expected):
    change(listed.file)

    assert told(listed) == expected
    assert told(listed) == expected


def test_a_file_that_leaves_the_base_is_seen_though_its_folder_is_as_it_was(listed):
    workspace = Workspace(listed.root)
    workspace.index.drop("plain")
    workspace.index.save(workspace.path("index"))

    assert told(workspace) == {"plain": "added"}


def test_a_look_never_undoes_what_another_command_wrote(workspace):
    looking = Workspace(workspace.root)
    looking.index.put("plain", (0o100644, bytes(32), 1, *UNSEEN))
    landed = Index(8, "", EMPTY_TREE)
    landed.save(workspace.path("index"))

    looking.save_index()

    assert Workspace(workspace.root).index.position == 8


def test_a_damaged_index_is_refused_at_every_length(workspace, tmp_path):
    whole = Path(workspace.path("index")).read_bytes()
    for length in range(len(whole)):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut off|no index|do not fit"):
            Index.load(str(cut))


def test_only_one_command_changes_a_workspace_at_a_time(workspace):
    with workspace, pytest.raises(Busy), Workspace(workspace.root):
        pass
    with Workspace(workspace.root):
        pass


@pytest.mark.parametrize(
    "path", [b"../out", b"/etc/passwd", b".git/hooks/x", b"a/../../b", b"", b"a\0b", b".GIT/x"]
)
def test_a_forge_cannot_name_paths_outside_of_the_tree(path):
    with pytest.raises(InvalidPath):
        manifest([Item(path, scan.REGULAR, "0" * 64, 0)], 1, "", EMPTY_TREE)


def test_files_are_never_written_or_removed_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    root = tmp_path / "work"
    root.mkdir()
    (root / "folder").symlink_to(outside)

    with pytest.raises(FileExistsError):
        write(str(root), "folder/file", scan.REGULAR, [b"theirs"])
    remove(str(root), "folder/file")

    assert (outside / "file").read_text() == "mine"


def test_a_folder_with_something_in_it_never_gives_way_to_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine").write_text("mine")

    with pytest.raises(FileExistsError):
        write(str(tmp_path), "folder", scan.REGULAR, [b"theirs"])

    assert os.listdir(tmp_path) == ["folder"]
    assert (tmp_path / "folder/mine").read_text() == "mine"


@pytest.mark.parametrize("size", [0, 5, 3 << 20])
def test_contents_come_back_and_are_checked(tmp_path, size):
    content = os.urandom(size)
    id = object_id(Kind.BLOB, content)
    with Contents(str(tmp_path)) as contents:
        contents.keep(id, size, [content[:2], content[2:]])
        with pytest.raises(ValueError, match="are not"):
            contents.keep("0" * 64, size, [content])
    kept = Contents(str(tmp_path))

    assert b"".join(kept.pieces(id)) == kept.read(id) == content
    assert kept.missing([id, "0" * 64]) == ["0" * 64]
    kept._db.close()


def test_blob_ids_are_the_ids_of_version_control(tmp_path):
    for content in (b"", b"text", os.urandom(3 << 20)):
        (tmp_path / "file").write_bytes(content)
        assert scan.blob_id(str(tmp_path / "file"), scan.REGULAR, 0) == object_id(Kind.BLOB, content)
    os.symlink(b"caf\xe9", os.fsencode(tmp_path / "link"))
    assert scan.blob_id(str(tmp_path / "link"), scan.LINK, 0) == object_id(Kind.BLOB, b"caf\xe9")


def test_a_link_that_no_disk_takes_is_refused_by_name_and_leaves_nothing(tmp_path):
    with pytest.raises(InvalidPath) as refusal:
        write(str(tmp_path), "docs/link", scan.LINK, [b"a\0", b"b"])

    assert "docs/link" in refusal.value.sentence and "NUL" in refusal.value.sentence
    assert list((tmp_path / "docs").iterdir()) == []
