"""Receiving: what `git push` sends, read and unpacked where nothing can come of it.

The envelope (commands, options) is ours to read; the pack is git's, and only after its header and
trailer make sense is a child started. It unpacks into a quarantine: a repository of its own that
borrows `main.git`'s objects and is deleted in the end, whatever happened. What is taken over leaves
it as objects in our form, by the way of `Received`.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.git.batch import Batch
from vcs.git.process import GitMissing, environment, git_command
from vcs.git.refs import is_ref_name
from vcs.git.scanning import PackRefused
from vcs.git.source import TOLERATED, Source, last_words
from vcs.git.unpacking import read_short
from vcs.objects import new_id

__all__ = [
    "CAPABILITIES",
    "Command",
    "MalformedPush",
    "Quarantine",
    "Request",
    "Verdict",
    "advertisement",
    "pkt_line",
    "quarantine",
    "read_request",
    "report",
]

CAPABILITIES = (
    "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta push-options "
    "object-format=sha1 agent=micelio"
)
FLUSH = b"0000"
_LONGEST = 65520
_COMMANDS = 100_000
_OPTIONS = 4 << 20
_BAND = 65515
_COMMAND = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]+)(?:\0([^\n]*))?\n?\Z")
_SHALLOW = re.compile(rb"shallow [0-9a-f]{40}\n?\Z")
_ZERO = bytes(20)
_PARENT = re.compile(rb"^parent ([0-9a-f]{40})$", re.MULTILINE)
FEW = 3_000
_SHORT = 1 << 20
SMALL = 4 << 20
"""So many objects and bytes of a push are held in memory."""
# What git lets nobody tolerate, and what not every git that we run on has heard of.
_NOT_TOLERATED = ("nulInHeader", "unterminatedHeader", "gitattributes")
# Address space and processor seconds of a git that unpacks; more for larger packs.
_MEMORY = 4 << 20
_SECONDS = 60


class MalformedPush(MicelioError):
    """The body is not what git sends when it pushes."""

    kind = ErrorKind.INVALID
    code = "git.malformed"
    message = "This is no push that could be read: {problem}."


@dataclass(frozen=True, slots=True)
class Command:
    """One ref that is to move: `old` None creates it, `new` None deletes it."""

    name: str
    old: bytes | None
    new: bytes | None


@dataclass(frozen=True, slots=True)
class Request:
    """A push as it was asked for. The pack begins at `pack_at` of the body; None when there is none."""

    commands: Sequence[Command] = ()
    capabilities: frozenset[str] = frozenset()
    options: Sequence[str] = ()
    pack_at: int | None = None

    @property
    def atomic(self) -> bool:
        """Whether all refs move or none."""
        return "atomic" in self.capabilities


@dataclass(slots=True)
class Verdict:
    """What became of one command: `refused` says why not; `became` is the ref that moved instead."""

    command: Command
    refused: str = ""
    became: str = ""


def advertisement(refs: Mapping[str, bytes]) -> bytes:
    """What `info/refs?service=git-receive-pack` answers."""
    lines = [b"%s %s" % (refs[name].hex().encode(), _encoded(name)) for name in sorted(refs, key=_encoded)]
    first, *rest = lines or [b"0" * 40 + b" capabilities^{}"]
    shown = [b"# service=git-receive-pack\n", None, first + b"\0" + CAPABILITIES.encode() + b"\n"]
    shown += [line + b"\n" for line in rest]
    return b"".join(FLUSH if line is None else pkt_line(line) for line in (*shown, None))


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def pkt_line(content: bytes) -> bytes:
    """A packet with its length before it."""
    return b"%04x%s" % (len(content) + 4, content)


def read_request(body: BinaryIO) -> Request:
    """The envelope of a push; MalformedPush. A body of nothing but a flush asks for nothing."""
    commands: list[Command] = []
    capabilities: frozenset[str] = frozenset()
    for line in _packets(body):
        if _SHALLOW.match(line):
            continue
        match = _COMMAND.match(line)
        if match is None:
            raise MalformedPush(problem=f"{_shown(line)} is no command")
        if match[4] is not None:
            if commands:
                raise MalformedPush(problem="only the first command names capabilities")
            capabilities = frozenset(match[4].decode("utf-8", "replace").split())
        commands.append(_command(match))
        if len(commands) > _COMMANDS:
            raise MalformedPush(problem=f"it moves more than {_COMMANDS} refs at once")
    _check(commands, capabilities)
    options: list[str] = []
    if commands and "push-options" in capabilities:
        options = [_option(line) for line in _packets(body)]
    at = body.tell()
    more = bool(body.read(1))
    wanted = any(command.new is not None for command in commands)
    if more and not wanted:
        raise MalformedPush(problem="a pack follows, but no command needs one")
    if wanted and not more:
        raise MalformedPush(problem="its pack is missing")
    return Request(commands, capabilities, options, at if more else None)


def _packets(body: BinaryIO) -> Iterator[bytes]:
    """The packets up to the next flush."""
    size = 0
    while True:
        head = body.read(4)
        if head == FLUSH:
            return
        try:
            length = int(head, 16) if len(head) == 4 and head.isalnum() else 0
        except ValueError:
            length = 0
        if not 4 < length <= _LONGEST:
            raise MalformedPush(problem="it is cut off" if len(head) < 4 else f"{_shown(head)} is no length")
        line = body.read(length - 4)
        size += length
        if len(line) < length - 4:
            raise MalformedPush(problem="it is cut off")
        if size > _OPTIONS + 200 * _COMMANDS:
            raise MalformedPush(problem="it is too long")
        yield line


def _shown(line: bytes) -> str:
    return ascii(line[:60].decode("latin-1"))


def _command(match: re.Match[bytes]) -> Command:
    old, new = bytes.fromhex(match[1].decode()), bytes.fromhex(match[2].decode())
    name = match[3].decode("utf-8", "surrogateescape")
    return Command(name, None if old == _ZERO else old, None if new == _ZERO else new)


def _check(commands: Sequence[Command], capabilities: frozenset[str]) -> None:
    seen: set[str] = set()
    for command in commands:
        if command.name in seen:
            raise MalformedPush(problem=f"{command.name} is to move twice")
        seen.add(command.name)
    formats = {each for each in capabilities if each.startswith("object-format=")}
    if formats - {"object-format=sha1"}:
        raise MalformedPush(problem="objects have SHA-1 names here")


def _option(line: bytes) -> str:
    text = line.removesuffix(b"\n").decode("utf-8", "replace")
    if any(ord(each) < 32 for each in text):
        raise MalformedPush(problem=f"the push option {_shown(line)} has a control character in it")
    return text


def report(
    request: Request, verdicts: Iterable[Verdict], *, unpack: str = "", told: Iterable[str] = ()
) -> bytes:
    """The answer to a push: `told` for people to read, and what became of each ref."""
    lines = [b"unpack %s\n" % (_line(unpack) if unpack else b"ok")]
    second = "report-status-v2" in request.capabilities
    for verdict in verdicts:
        name = _encoded(verdict.command.name)
        if verdict.refused:
            lines.append(b"ng %s %s\n" % (name, _line(verdict.refused)))
            continue
        lines.append(b"ok %s\n" % name)
        if second and verdict.became:
            lines.append(b"option refname %s\n" % _encoded(verdict.became))
            lines.append(b"option old-oid %s\n" % (verdict.command.old or _ZERO).hex().encode())
            lines.append(b"option new-oid %s\n" % (verdict.command.new or _ZERO).hex().encode())
    status = b"".join(map(pkt_line, lines)) + FLUSH
    if not request.capabilities & {"report-status", "report-status-v2"}:
        status = b""
    if "side-band-64k" not in request.capabilities:
        return status
    said = "".join(f"{line}\n" for line in told).encode("utf-8", "replace")
    return b"".join([*_banded(b"\2", said), *_banded(b"\1", status), FLUSH])


def _line(sentence: str) -> bytes:
    """A sentence that fits into one line of a report."""
    return " ".join(sentence.split())[:1000].encode("utf-8", "replace")


def _banded(band: bytes, content: bytes) -> Iterator[bytes]:
    return (pkt_line(band + content[at : at + _BAND]) for at in range(0, len(content), _BAND))


def is_pushable(name: str) -> bool:
    """Whether a client may ask for a ref of this name at all."""
    return is_ref_name(name) and len(name) <= 250


@dataclass
class Quarantine:
    """A repository that borrows another's objects and holds what a push brought."""

    folder: Path
    source: Source = field(init=False)
    objects: Batch = field(init=False)
    new: Mapping[bytes, tuple[bytes, bytes]] | None = field(init=False, default_factory=dict)
    """Type and bytes of what the push brought and the project had not; None when that is much."""

    def __post_init__(self) -> None:
        self.source = Source(self.folder)
        self.objects = Batch(self.folder)

    def look(self, known: Callable[[Sequence[bytes]], Mapping[bytes, object]]) -> None:
        """Read what was unpacked and is not `known` into `new`, if it is little."""
        self.new = {}
        # One pack, or none when nothing was sent.
        for index in self.folder.glob("objects/pack/*.idx"):
            sha1s = sha1s_of(index, FEW)
            if len(sha1s) > FEW:
                self.new = None
                return
            there = known(sha1s)
            wanted = [sha1 for sha1 in sha1s if sha1 not in there]
            self.new = read_short(index.with_suffix(".pack"), wanted, SMALL)

    def unpack(self, body: BinaryIO, start: int, size: int, limit: int) -> None:
        """Have git unpack what the body holds from `start` on, which was looked at; PackRefused."""
        if size > limit:
            raise PackRefused(problem=f"The pack has {size} bytes, and {limit} are the limit here.")
        body.seek(start)
        tolerated = [name for name in TOLERATED if not name.startswith(_NOT_TOLERATED)]
        strict = "--strict=" + ",".join(f"{name}=ignore" for name in tolerated)
        command = git_command(
            self.folder,
            "index-pack", "--stdin", "--fix-thin", strict, f"--max-input-size={limit}",
            # Nothing here is to outlive a crash. Starting a thread takes as long as a short pack.
            config={
                "pack.threads": "1" if size < _SHORT else "2",
                "core.bigFileThreshold": "64m",
                "core.fsync": "none",
            },
        )  # fmt: skip
        said = self._run(_bounded(command, size), body)
        if said is not None:
            raise PackRefused(problem=f"The pack cannot be used: {said}")

    def _run(self, command: Sequence[str], body: BinaryIO) -> str | None:
        """git's last words when it failed. What it reads is a file: it never waits for a client."""
        try:
            done = subprocess.run(
                command, stdin=body, capture_output=True, env=environment(), start_new_session=True
            )
        except FileNotFoundError as error:
            raise GitMissing from error
        if done.returncode == 0:
            return None
        if done.returncode < 0 or done.returncode > 128:
            return "it takes more time or memory to unpack than is allowed here."
        return last_words(done.stderr, 300)

    def is_descendant(self, old: bytes, new: bytes) -> bool:
        """Whether one commit descends from the other."""
        if self._leads(new, old):
            return True
        said = self.source.run("rev-list", "--count", "--max-count=1", old.hex(), f"^{new.hex()}")
        return said.strip() == b"0"

    def _leads(self, new: bytes, old: bytes) -> bool:
        """Whether the new commits alone lead from one to the other: nearly always, and no child is needed."""
        brought, left, seen = self.new or {}, [new], {new}
        while left:
            sha1 = left.pop()
            if sha1 == old:
                return True
            word, content = brought.get(sha1, (b"", b""))
            parents = parents_of(content) if word == b"commit" else []
            left += [each for each in parents if each not in seen]
            seen.update(parents)
        return False

    def kinds(self, sha1s: Iterable[bytes]) -> dict[bytes, bytes]:
        """What kinds of objects these are; those that are not here are left out."""
        brought = self.new or {}
        asked = list(sha1s)
        found = {sha1: brought[sha1][0] for sha1 in asked if sha1 in brought}
        missing = [sha1 for sha1 in asked if sha1 not in found]
        return found | {sha1: word for sha1, (word, _) in self.objects.sizes(missing).items()}

    def has(self, sha1: bytes) -> bytes | None:
        """What kind of object this is; None when it is not here."""
        return self.kinds([sha1]).get(sha1)

    def contents(self, sha1s: Sequence[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
        """Type and bytes of a few objects, as git has them."""
        brought = self.new or {}
        found = {sha1: brought[sha1] for sha1 in sha1s if sha1 in brought}
        return found | self.objects.contents(sha1 for sha1 in sha1s if sha1 not in found)


def parents_of(commit: bytes) -> list[bytes]:
    """The parents that a commit's header names."""
    head = commit.partition(b"\n\n")[0]
    return [bytes.fromhex(each.decode()) for each in _PARENT.findall(head)]


def sha1s_of(index: Path, most: int) -> list[bytes]:
    """What a pack's index lists; one more than `most` at the most. (git's gitformat-pack, version 2.)"""
    with open(index, "rb") as file:
        head = file.read(8 + 1024)
        count = min(int.from_bytes(head[-4:]), most + 1)
        names = file.read(20 * count)
    return [names[at : at + 20] for at in range(0, len(names), 20)]


def _bounded(command: Sequence[str], size: int) -> list[str]:
    """The command with limits: a small pack may unpack to more than any machine has."""
    seconds = _SECONDS + size // (1 << 20)
    limits = f'ulimit -t {seconds}; ulimit -v {_MEMORY} 2>/dev/null; exec "$@"'
    return ["/bin/sh", "-c", limits, "sh", *command]


@contextmanager
def quarantine(folder: Path, borrowed: Path) -> Iterator[Quarantine]:
    """A fresh quarantine beside nothing else, gone in the end."""
    place = folder / new_id()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in ("", "objects", "objects/info", "objects/pack", "refs"):
            (place / each).mkdir()
        (place / "HEAD").write_bytes(b"ref: refs/heads/main\n")
        alternates = str((borrowed / "objects").resolve()).encode() + b"\n"
        (place / "objects/info/alternates").write_bytes(alternates)
        held = Quarantine(place)
        try:
            yield held
        finally:
            held.objects.close()
    finally:
        shutil.rmtree(place, ignore_errors=True)
