"""A real git repository, asked in batches: one process for many objects."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["Git"]

_ALONE = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "PATH": os.defpath,
    "HOME": os.devnull,
    "LC_ALL": "C",
}


class Git:
    """One repository in a folder of its own, out of reach of the person's configuration."""

    def __init__(self, folder: Path, object_format: str) -> None:
        self.folder = folder
        self._drafts = folder / "drafts"
        self._drafts.mkdir()
        self.run("init", "-q", "-b", "main", f"--object-format={object_format}")

    def run(self, *arguments: str, input: bytes = b"", **environment: str) -> bytes:
        """What git prints; fails the test with git's words when it refuses."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            input=input,
            capture_output=True,
            env={**_ALONE, **environment},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def ids(self, word: str, contents: Iterable[bytes], *, literally: bool = False) -> list[str]:
        """Write objects of one type and give git's ids; git refuses malformed ones unless `literally`."""
        paths = []
        for number, content in enumerate(contents):
            path = self._drafts / str(number)
            path.write_bytes(content)
            paths.append(path)
        if not paths:
            return []
        options = ["--literally"] if literally else []
        listed = "".join(f"{path}\n" for path in paths).encode()
        printed = self.run(
            "hash-object", "-w", "-t", word, "--no-filters", *options, "--stdin-paths", input=listed
        )
        return printed.decode().split()

    def trees(self, listings: Iterable[Iterable[tuple[bytes, bytes, bytes, str]]]) -> list[str]:
        """Ids of trees out of (mode, type, name, id) in any order, sorted by git itself."""
        records = []
        for listing in listings:
            records += [
                b"%s %s %s\t%s\0" % (mode, word, id.encode(), name) for mode, word, name, id in listing
            ]
            records.append(b"\0")
        return self.run("mktree", "--missing", "--batch", "-z", input=b"".join(records)).decode().split()

    def objects(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Every object of the repository: id, type, content."""
        printed = self.run("cat-file", "--batch-all-objects", "--batch", "--buffer")
        at = 0
        while at < len(printed):
            end = printed.index(b"\n", at)
            id, word, length = printed[at:end].split(b" ")
            at = end + 1
            yield id.decode(), word, printed[at : at + int(length)]
            at += int(length) + 1
