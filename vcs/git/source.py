"""A source: a git repository on this disk, read through git itself and never trusted.

Its children see no replacements and no grafts: what the repository's own folder says about
those is somebody's view of the history, and an import wants the history.
"""

import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.git.process import GitMissing, environment, git_command
from vcs.objects import Kind

__all__ = [
    "KINDS",
    "Child",
    "Listed",
    "Long",
    "MissingFromSource",
    "Objects",
    "Source",
    "SourceRefused",
    "last_words",
    "run_source_git",
]

_UNTOUCHED = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null/none",
    "GIT_ASKPASS": "true",
    "GIT_LFS_SKIP_SMUDGE": "1",
}
# A repository's own configuration could name programs to run.
_HARMLESS = {"core.fsmonitor": "false", "core.hooksPath": "/dev/null"}
# What old histories have and every large forge takes: told by fsck, and no reason to refuse.
TOLERATED = (
    "badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "duplicateEntries", "emptyName",
    "extraHeaderEntry", "fullPathname", "gitattributesBlob", "gitattributesLarge", "gitattributesLineLength",
    "gitmodulesBlob", "gitmodulesLarge", "gitmodulesName", "gitmodulesParse", "gitmodulesPath",
    "gitmodulesSymlink", "gitmodulesUpdate", "gitmodulesUrl", "hasDot", "hasDotdot", "hasDotgit",
    "missingAuthor", "missingCommitter", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail", "missingTaggerEntry", "multipleAuthors", "nulInCommit",
    "nullSha1", "treeNotSorted", "zeroPaddedDate", "zeroPaddedFilemode",
)  # fmt: skip


KINDS = {kind.word.encode(): kind for kind in (Kind.BLOB, Kind.TREE, Kind.COMMIT, Kind.TAG)}


_LINES = 1 << 18
_CHUNK = 1 << 20


class SourceRefused(MicelioError):
    """git could not read the source, in its own words."""

    kind = ErrorKind.INVALID
    code = "import.source"
    message = "The source could not be read: {said}"


class MissingFromSource(MicelioError):
    """A repository names an object that it does not have."""

    kind = ErrorKind.INVALID
    code = "git.missing_object"
    message = "The repository names the object {sha1}, but does not have it. Clone it whole, then try again."


def run_source_git(
    repository: Path,
    *arguments: str,
    input: bytes | None = None,
    config: Mapping[str, str] = {},
    timeout: float | None = None,
) -> bytes:
    """What git prints. SourceRefused with its last words when it refuses or takes longer than `timeout`."""
    try:
        done = subprocess.run(
            git_command(repository, *arguments, config={**_HARMLESS, **config}),
            env=environment(**_UNTOUCHED),
            input=b"" if input is None else input,
            capture_output=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise SourceRefused(said=f"git {arguments[0]} took longer than {timeout:.0f} seconds.") from None
    except FileNotFoundError as error:
        raise GitMissing from error
    if done.returncode:
        raise SourceRefused(said=last_words(done.stderr))
    return done.stdout


def last_words(stderr: bytes, most: int = 500) -> str:
    """What git said last, short enough for a sentence and without control characters."""
    text = stderr.decode("utf-8", "replace").strip()
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    said = " ".join(lines[-3:])[-most:] or "it said nothing."
    return "".join(each if each.isprintable() else " " for each in said)


class Listed(NamedTuple):
    """One object as the repository lists it; `path` is where it was met first, empty for commits."""

    sha1: bytes
    kind: Kind
    size: int
    path: bytes


class Source:
    """One repository, bare or the `.git` of a checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, input: bytes | None = None, timeout: float | None = None) -> bytes:
        """What git prints in this repository; SourceRefused."""
        return run_source_git(self.folder, *arguments, input=input, timeout=timeout)

    def refs(self) -> dict[str, bytes]:
        """Every ref by full name with the SHA-1 it holds, in order of the names."""
        printed = self.run("for-each-ref", "--format=%(objectname) %(refname)")
        found: dict[str, bytes] = {}
        for line in printed.splitlines():
            sha1, _, name = line.partition(b" ")
            found[name.decode("utf-8", "surrogateescape")] = bytes.fromhex(sha1.decode())
        return found

    def head(self) -> str | None:
        """The branch HEAD names, whether it is born or not; None when HEAD is detached."""
        try:
            return self.run("symbolic-ref", "-q", "HEAD").decode("utf-8", "surrogateescape").strip()
        except SourceRefused:
            return None

    def trunk(self) -> str | None:
        """The default branch: what HEAD names if that is born, else main, master, or the first branch."""
        branches = [name for name in self.refs() if name.startswith("refs/heads/")]
        wanted = (self.head(), "refs/heads/main", "refs/heads/master", *branches)
        return next((name for name in wanted if name in branches), None)

    @property
    def is_shallow(self) -> bool:
        """Whether a part of its history was never fetched."""
        return self.run("rev-parse", "--is-shallow-repository").strip() == b"true"

    def objects(self, tips: Iterable[bytes], without: Iterable[bytes] = ()) -> Generator[Listed, None, None]:
        """All that the tips reach and `without` does not: commits first, children before their parents,
        then trees before what is in them. SourceRefused when something is missing.
        """
        revisions = [b"%s\n" % tip.hex().encode() for tip in tips]
        revisions += [b"^%s\n" % tip.hex().encode() for tip in without]
        shown = "--batch-check=%(objecttype) %(objectsize) %(objectname) %(rest)"
        with (
            self.child("rev-list", "--objects", "--topo-order", "--stdin", feed=revisions) as listing,
            self.child("cat-file", "--buffer", shown, stdin=listing.out) as checked,
        ):
            # Thousands at a time: this is done for every object there is.
            while lines := checked.out.readlines(_LINES):
                for line in lines:
                    word, size, *rest = line[:-1].split(b" ", 3)
                    if len(rest) != 2:
                        raise SourceRefused(said=f"the object {word.decode()} is missing.")
                    sha1, path = rest
                    yield Listed(bytes.fromhex(sha1.decode()), KINDS[word], int(size), path)

    @contextmanager
    def child(
        self,
        *arguments: str,
        feed: Iterable[bytes] | None = None,
        stdin: IO[bytes] | None = None,
        config: Mapping[str, str] = {},
    ) -> "Iterator[Child]":
        """A running git; leaving the block waits for it, or ends it when the block raises. SourceRefused when
        it did not end well.
        """
        child = Child(git_command(self.folder, *arguments, config={**_HARMLESS, **config}), feed, stdin)
        try:
            yield child
        except BaseException:
            child.stop()
            raise
        child.finish()

    def has_ancestor(self, old: bytes, new: bytes) -> bool:
        """Whether commit `new` goes on from commit `old`."""
        try:
            self.run("merge-base", "--is-ancestor", old.hex(), new.hex())
        except SourceRefused:
            return False
        return True

    def check(self, *, borrows: bool = False, timeout: float | None = None) -> None:
        """`git fsck` of everything, but what it `borrows` from another repository; tolerant of what old
        histories are known to hold. SourceRefused.
        """
        tolerated = {f"fsck.{name}": "ignore" for name in TOLERATED}
        whole = "--no-full" if borrows else "--full"
        fsck = ("fsck", whole, "--no-dangling", "--no-progress", "--no-reflogs")
        run_source_git(self.folder, *fsck, config=tolerated, timeout=timeout)


class Long(NamedTuple):
    """A printed object that is not held in memory; all of its pieces are to be taken before the next one."""

    sha1: bytes
    hint: int
    size: int
    pieces: Iterator[bytes]


Printed = tuple[list[bytes], list[int], list[bytes]]
"""Objects as `cat-file` prints them: their SHA-1s, the hints that were asked with, and their bytes."""


class Objects:
    """What `git cat-file --batch` prints for requests of a SHA-1 and a hint each, many objects at a time.

    Taken apart a megabyte at a time: a call for each line and each object costs more than git does.
    """

    def __init__(self, out: IO[bytes], *, most: int, long: int) -> None:
        """`most` objects come together at the most; one of `long` bytes or more comes by itself."""
        self._out = out
        self._most = most
        self._long = long
        self._data = b""
        self._at = 0

    def __iter__(self) -> Iterator[Printed | Long]:
        while True:
            printed, needed = self._taken()
            if printed[0]:
                yield printed
            if isinstance(needed, Long):
                yield needed
            elif needed and not self._more(needed):
                return

    def _more(self, needed: int) -> bool:
        piece = self._out.read(max(needed, _CHUNK))
        self._data = self._data[self._at :] + piece
        self._at = 0
        return bool(piece)

    def _taken(self) -> tuple[Printed, int | Long]:
        """The objects that were read whole; then how many bytes are missing of the next one, 0 for none of
        it, or that one when it is long.
        """
        data, at = self._data, self._at
        sha1s: list[bytes] = []
        hints: list[int] = []
        contents: list[bytes] = []
        needed: int | Long = 1
        while (end := data.find(b"\n", at)) >= 0:
            digits, length, hint = data[at:end].split(b" ")
            start, size = end + 1, int(length)
            if size >= self._long:
                self._at = start
                long = Long(bytes.fromhex(digits.decode()), int(hint), size, self._pieces(size))
                return (sha1s, hints, contents), long
            after = start + size
            if after >= len(data):
                needed = after + 1 - len(data)
                break
            if len(sha1s) == self._most:
                needed = 0
                break
            sha1s.append(bytes.fromhex(digits.decode()))
            hints.append(int(hint))
            contents.append(data[start:after])
            at = after + 1
        self._at = at
        return (sha1s, hints, contents), needed

    def _pieces(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            if self._at == len(self._data) and not self._more(1):
                return
            piece = self._data[self._at : self._at + left]
            self._at += len(piece)
            left -= len(piece)
            yield piece
        if self._at < len(self._data) or self._more(1):
            self._at += 1


class Child:
    """A git that prints while it is fed; `out` is what it prints."""

    def __init__(
        self,
        command: Sequence[str],
        feed: Iterable[bytes] | None,
        stdin: IO[bytes] | None,
    ) -> None:
        # A file and not a pipe: nobody has to read it while the child runs. `_close` closes it.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if feed is not None else (stdin or subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(**_UNTOUCHED),
            bufsize=1 << 20,
        )
        assert self._process.stdout is not None
        self.out: IO[bytes] = self._process.stdout
        self._failed: BaseException | None = None
        self._feeder: threading.Thread | None = None
        if feed is not None:
            self._feeder = threading.Thread(target=self._feed, args=(feed,), daemon=True)
            self._feeder.start()

    def _feed(self, lines: Iterable[bytes]) -> None:
        into = self._process.stdin
        assert into is not None
        try:
            with into:
                for line in lines:
                    into.write(line)
        except BrokenPipeError:
            # It ended; why it did is what it said.
            pass
        except BaseException as error:
            self._failed = error
            self._process.kill()

    def stop(self) -> None:
        """End it now, whatever it is at."""
        self._process.kill()
        self._close()

    def finish(self) -> None:
        """Wait for its end; SourceRefused when that was no good one."""
        self._close()
        if self._failed is not None:
            raise self._failed
        # Whoever stopped reading early is no fault: git then ends by a broken pipe.
        if self._process.returncode not in (0, -13):
            raise SourceRefused(said=last_words(self._said))

    def _close(self) -> None:
        self.out.close()
        self._process.wait()
        if self._feeder is not None:
            self._feeder.join()
        self._errors.seek(0)
        self._said = self._errors.read()
        self._errors.close()
