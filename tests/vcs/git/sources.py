"""Repositories to import: ordinary ones, and what forty years of tools left in real ones."""

import random
import subprocess
from pathlib import Path

from tests.vcs.gits import Git

__all__ = ["generated", "odd", "reachable", "real"]

PERSON = b"Ada <ada@example.org>"


class _Maker:
    """Writes objects byte by byte, also those that git would not write."""

    def __init__(self, git: Git) -> None:
        self.git = git

    def blobs(self, *contents: bytes) -> list[str]:
        return self.git.ids("blob", contents)

    def tree(self, *entries: tuple[bytes, bytes, str]) -> str:
        lines = [mode + b" " + name + b"\0" + bytes.fromhex(id) for mode, name, id in entries]
        return self.git.ids("tree", [b"".join(lines)], literally=True)[0]

    def commit(
        self, tree: str, *parents: str, author: bytes = b"", rest: bytes = b"", message: bytes = b"m\n"
    ) -> str:
        lines = [b"tree " + tree.encode(), *(b"parent " + parent.encode() for parent in parents)]
        lines += [author or b"author " + PERSON + b" 1700000000 +0000"]
        lines += [b"committer " + PERSON + b" 1700000001 +0130"]
        return self.raw(b"\n".join(lines) + b"\n" + rest + b"\n" + message)

    def raw(self, commit: bytes) -> str:
        return self.git.ids("commit", [commit], literally=True)[0]

    def tag(self, kind: bytes, target: str, tagger: bytes = b"tagger " + PERSON + b" 1 +0000\n") -> str:
        body = b"object %s\ntype %s\ntag t\n%s\nx\n" % (target.encode(), kind, tagger)
        return self.git.ids("tag", [body], literally=True)[0]


def odd(folder: Path) -> Git:
    """A repository with everything in it that histories are known to hold and git still reads."""
    git = Git(_made(folder), "sha1")
    make = _Maker(git)
    trees = _odd_trees(make)
    refs = _odd_history(make, trees)
    for name, id in refs.items():
        git.run("update-ref", name, id)
    git.run("symbolic-ref", "HEAD", "refs/heads/trunk")
    # What somebody thinks of the history is not the history.
    git.run("replace", refs["refs/tags/light"], refs["refs/heads/side/line"])
    (git.folder / ".git/info").mkdir(exist_ok=True)
    (git.folder / ".git/info/grafts").write_text(f"{refs['refs/heads/trunk']}\n")
    return git


def _odd_trees(make: _Maker) -> dict[str, str]:
    lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"
    long = random.Random(7).randbytes((4 << 20) + 17)
    empty, one, two, pointer, binary, big = make.blobs(b"", b"one\n", b"two\n", lfs, b"\0\xff" * 9, long)
    elsewhere = "1234567890" * 4
    file, folder, link = b"100644", b"40000", b"120000"
    nothing = make.tree()
    inner = make.tree((file, b"a", one), (b"100664", b"group-writable", two))
    padded = make.tree((file, b"file", empty), (b"040000", b"sub", inner), (folder, b"void", nothing))
    names = make.tree(
        (file, b"Readme", one), (file, b"readme", two), (file, b"sp ace\n", one), (link, b"z\xff\xfe", two)
    )
    return {
        "nothing": nothing,
        "inner": inner,
        "padded": padded,
        "names": names,
        "unsorted": make.tree((file, b"b", one), (file, b"a", two)),
        "doubled": make.tree((file, b"same", one), (file, b"same", two)),
        "modules": make.tree(
            (file, b".gitmodules", one), (b"160000", b"lib", elsewhere), (b"0160000", b"old", elsewhere)
        ),
        "large": make.tree((b"100755", b"big", big), (file, b"bin", binary), (file, b"lfs", pointer)),
        # Its folders were met at the top before they are met below: a parent that comes too early.
        "moved": make.tree((folder, b"deep", padded), (folder, b"names", names)),
        "pointer": pointer,
        "binary": binary,
        "one": one,
    }


def _odd_history(make: _Maker, trees: dict[str, str]) -> dict[str, str]:
    root = make.commit(trees["inner"], author=b"author Nobody <> -86400 +0000")
    other = make.commit(trees["nothing"], author=b"author a b c <x@y> 0 +9999", message=b"")
    latin = b"author \xc4\xe9 <l@1> 12 -0730"
    second = make.commit(
        trees["padded"], root, author=latin, rest=b"encoding ISO-8859-1\n", message=b"\xe9\n"
    )
    signature = b"gpgsig -----BEGIN-----\n line\n \n -----END-----\nx-odd\n"
    signed = make.commit(trees["names"], second, rest=signature)
    merge = make.commit(trees["moved"], signed, other, second, message=b"three parents\n\ntree deadbeef\n")
    unsorted = trees["unsorted"].encode()
    nameless = make.raw(b"tree %s\nparent %s\n\nno author, no date\n" % (unsorted, merge.encode()))
    last = make.commit(trees["modules"], nameless)
    old_tag = make.tag(b"commit", second, b"")
    return {
        "refs/heads/trunk": last,
        "refs/heads/side/line": make.commit(trees["doubled"], make.commit(trees["large"], root)),
        "refs/heads/caf\N{LATIN SMALL LETTER E WITH ACUTE}": merge,
        "refs/tags/nested": make.tag(b"tag", make.tag(b"tag", old_tag)),
        "refs/tags/light": second,
        "refs/tags/blob": make.tag(b"blob", trees["pointer"]),
        "refs/tags/tree": make.tag(b"tree", trees["inner"]),
        "refs/tags/straight-to-a-tree": trees["names"],
        "refs/tags/straight-to-a-blob": trees["binary"],
        "refs/notes/commits": make.commit(make.tree((b"100644", last.encode(), trees["one"]))),
    }


def generated(folder: Path, seed: int, commits: int = 60) -> Git:
    """A random history of that many commits, with merges, renames, deletions, branches and tags."""
    rng = random.Random(seed)
    git = Git(_made(folder), "sha1")
    out = [b"feature done\n"]
    marks: list[int] = []
    for mark in range(1, commits + 1):
        parents = (
            rng.sample(marks, min(len(marks), rng.choice([1, 1, 1, 2])))
            if marks and rng.random() < 0.95
            else []
        )
        branch = b"refs/heads/b%d" % rng.randrange(4) if mark < commits else b"refs/heads/main"
        message = rng.randbytes(rng.randrange(30)).replace(b"\0", b"")
        out.append(b"reset %s\n" % branch)
        out.append(b"commit %s\nmark :%d\n" % (branch, mark))
        out.append(
            b"author A%d <a@b> %d +0%d00\n" % (rng.randrange(9), rng.randrange(2**31), rng.randrange(10))
        )
        out.append(b"committer C <c@d> %d -0200\ndata %d\n%s\n" % (mark * 1000, len(message), message))
        for at, parent in enumerate(parents):
            out.append(b"%s :%d\n" % (b"merge" if at else b"from", parent))
        for _ in range(rng.randrange(1, 6)):
            path = b"/".join(b"%d" % rng.randrange(5) for _ in range(rng.randrange(1, 5))) + b".txt"
            content = (
                rng.randbytes(rng.randrange(400)) if rng.random() < 0.3 else b"line %d\n" % rng.randrange(20)
            )
            if rng.random() < 0.15:
                out.append(b"D %s\n" % path)
            else:
                mode = rng.choice([b"100644", b"100755", b"120000"])
                out.append(b"M %s inline %s\ndata %d\n%s\n" % (mode, path, len(content), content))
        marks.append(mark)
        if rng.random() < 0.1:
            out.append(b"tag v%d\nfrom :%d\ntagger T <t@t> 5 +0000\ndata 2\nv\n" % (mark, mark))
    out.append(b"done\n")
    git.run("fast-import", "--quiet", "--force", input=b"".join(out))
    return git


def real(folder: Path) -> Git:
    """The first eighty commits of what this is a checkout of; a generated history where it has no such."""
    checkout = str(Path(__file__).parents[3])
    command = ["git", "-C", checkout, "-c", "safe.directory=*", "rev-list", "--reverse", "HEAD"]
    commits = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    if len(commits) < 80:
        return generated(folder, 80)
    git = Git(_made(folder), "sha1")
    served = "--upload-pack=git -c safe.directory=* upload-pack"
    git.run("fetch", "-q", "--update-head-ok", served, checkout, f"{commits[79]}:refs/heads/main")
    return git


def reachable(git: Git) -> set[str]:
    """The SHA-1 of every object its refs reach."""
    printed = git.run(
        "rev-list",
        "--objects",
        "--all",
        "--no-object-names",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_GRAFT_FILE="/dev/null/none",
    )
    return set(printed.decode().split())


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
