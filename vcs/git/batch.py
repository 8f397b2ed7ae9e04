"""One child of git for many questions about objects: `cat-file --batch-command`.

Questions go out a few at a time and their answers are read before the next, so that neither side ever
waits for the other with a full pipe.
"""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO

from vcs.git.process import GitFailed, GitMissing, environment, git_command

__all__ = ["Batch"]

_AT_ONCE = 256


class Batch:
    """Started with the first question and ended by `close`; for one thread."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._child: subprocess.Popen[bytes] | None = None

    def sizes(self, sha1s: Iterable[bytes]) -> dict[bytes, tuple[bytes, int]]:
        """Type and size of each of these objects that is there."""
        found = {}
        for some in _few(sha1s):
            out = self._ask(b"info", some)
            for sha1 in some:
                if head := _head(out):
                    found[sha1] = head
        return found

    def contents(self, sha1s: Iterable[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
        """Type and bytes of each of these objects that is there."""
        found = {}
        for some in _few(sha1s):
            out = self._ask(b"contents", some)
            for sha1 in some:
                if head := _head(out):
                    word, size = head
                    found[sha1] = (word, out.read(size))
                    out.read(1)
        return found

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            assert child.stdin is not None and child.stdout is not None
            child.kill()
            with suppress(BrokenPipeError):
                child.stdin.close()
            child.stdout.close()
            child.wait()

    def _ask(self, word: bytes, sha1s: Sequence[bytes]) -> IO[bytes]:
        child = self._child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(b"".join(b"%s %s\n" % (word, sha1.hex().encode()) for sha1 in sha1s))
            child.stdin.flush()
        except BrokenPipeError:
            raise GitFailed(command="cat-file", problem="it ended by itself") from None
        return child.stdout

    def _start(self) -> subprocess.Popen[bytes]:
        command = git_command(self._repository, "cat-file", "--batch-command")
        quiet = {"stderr": subprocess.DEVNULL, "env": environment(GIT_NO_REPLACE_OBJECTS="1")}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        try:
            child = subprocess.Popen(command, **pipes, **quiet)  # type: ignore[call-overload]
        except FileNotFoundError as error:
            raise GitMissing from error
        return child  # type: ignore[no-any-return]


def _few(sha1s: Iterable[bytes]) -> Iterator[list[bytes]]:
    left = iter(sha1s)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def _head(out: IO[bytes]) -> tuple[bytes, int] | None:
    """Type and size from the line before an object; None when it is missing."""
    words = out.readline().split()
    if len(words) == 2 and words[1] == b"missing":
        return None
    if len(words) != 3:
        raise GitFailed(command="cat-file", problem="it ended by itself")
    return words[1], int(words[2])
