"""`mic diff` and `git diff` say the same."""

import random
import subprocess

import pytest

from mic.compare import Pair, Side
from vcs.objects import Kind, object_id

WORDS = [
    "alpha",
    "beta",
    "gamma",
    "def f():",
    "    return 1",
    "",
    "}",
    "{",
    "    x = 1",
    "class A:",
    "\t",
    "ä",
]


def pairs(count):
    """Texts as people change them: lines moved, doubled, dropped, with and without a last line end."""
    chance = random.Random(20260301)
    for _ in range(count):
        old = [chance.choice(WORDS) for _ in range(chance.randrange(0, 60))]
        new = list(old)
        for _ in range(chance.randrange(0, 8)):
            at = chance.randrange(len(new) + 1)
            kind = chance.randrange(4)
            if kind == 0:
                new[at:at] = [chance.choice(WORDS) for _ in range(chance.randrange(1, 5))]
            elif kind == 1:
                del new[at : at + chance.randrange(1, 4)]
            elif kind == 2:
                new[at:at] = new[at : at + 5]
            else:
                chance.shuffle(new[at : at + 3])
        ends = [chance.choice(["\n", "\n", ""]) for _ in range(2)]
        yield tuple(("\n".join(lines) + end).encode() for lines, end in zip((old, new), ends, strict=True))


def test_two_hundred_patches_are_gits_hunk_for_hunk(tmp_path):
    for number, (old, new) in enumerate(pairs(200)):
        (tmp_path / "old").write_bytes(old)
        (tmp_path / "new").write_bytes(new)
        theirs = subprocess.run(
            ["git", "diff", "--no-index", "--no-color", "old", "new"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        ).stdout
        assert hunks(patch(old, new)) == hunks(theirs), f"pair {number}"


def patch(old, new):
    sides = [Side(0o100644, object_id(Kind.BLOB, text), lambda text=text: text) for text in (old, new)]
    return Pair(b"file", *sides).patch()


def hunks(patch):
    at = patch.find(b"\n@@ ")
    return b"" if at < 0 else patch[at:]


@pytest.fixture
def checkout(notes):
    """The workspace and a git checkout of the same base, changed alike."""
    folder = notes.folder

    def git(*words):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "core.abbrev=12"]
        ran = subprocess.run(
            ["git", "--git-dir", str(folder.parent / "git"), "--work-tree", str(folder), *identity, *words],
            cwd=folder,
            capture_output=True,
            check=True,
        )
        return ran.stdout

    (folder / ".micignore").write_text(".micignore\n")
    git("init", "-q", "--object-format=sha256")
    (folder.parent / "git/info").mkdir(exist_ok=True)
    (folder.parent / "git/info/exclude").write_text(".mic/\n.micignore\n")
    git("add", "-A")
    git("commit", "-q", "-m", "base")
    notes.write("README.md", "# Notes\n\nOne.\nThree.\nFour.")
    notes.write("with space/ü.txt", "new\n")
    notes.write("bin", b"\0\1\2")
    (folder / "src/tool.py").unlink()
    (folder / "src/tool.py").symlink_to("../README.md")
    git("add", "-A", "-N")
    return notes, git


def test_patches_of_a_working_tree_are_gits_byte_for_byte(checkout):
    notes, git = checkout

    assert notes.ok("diff").raw == git("diff", "--no-renames", "--abbrev=12")
    assert notes.ok("diff", "--name-only").out == "README.md\nbin\nsrc/tool.py\nwith space/ü.txt\n"
    assert notes.ok("diff", "src").raw == git("diff", "--no-renames", "--abbrev=12", "--", "src")


def test_a_diffstat_counts_like_git(checkout):
    notes, git = checkout
    lines = notes.ok("diff", "--stat", "README.md").out.splitlines()

    assert lines == [" README.md | 2 +-", " 1 file changed, 1 insertion(+), 1 deletion(-)"]
    assert lines[1] == git("diff", "--shortstat", "--", "README.md").decode().rstrip()


def test_two_refs_are_compared_by_what_landed(notes):
    notes.ok("session", "start", "More")
    notes.write("README.md", "# Notes\n\nOne.\n")
    notes.write("src/more.py", "more\n")
    notes.ok("session", "land")

    assert notes.ok("diff", "@1..@2", "--name-only").out == "README.md\nsrc/more.py\n"
    assert "-Two.\n-Three.\n" in notes.ok("diff", "@1..", "README.md").out
    assert notes.ok("diff", "@2..@2").out == ""
    told = notes.ok("diff", "@1..@2", "--json").json["files"]
    assert [(each["status"], each["additions"], each["deletions"]) for each in told] == [
        ("modified", 0, 2),
        ("added", 1, 0),
    ]
