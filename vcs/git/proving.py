"""Proving: what was staged gives back the repository it came from, SHA-1 by SHA-1.

Every staged object is read from the store again, checked against its id, turned into git's
form and hashed as git would. What the repository lists and what comes out must be the same
set; nothing the ingest remembered is believed, except where to look.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial

from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.git.ingest import Ledger
from vcs.git.translate import git_sha1
from vcs.log import SegmentRef
from vcs.objects import EMPTY_TREE, Kind
from vcs.reading import EMPTY_TREE_SHA1
from vcs.segments import (
    BIG_BLOB,
    NO_SHA1,
    IndexEntry,
    frames_of,
    object_chunks,
    read_footer,
    read_object,
)
from vcs.store import Get

__all__ = ["NotIdentical", "prove"]

_REMEMBERED = 150_000
_TREE_ENTRY = re.compile(rb"([0-7]{1,7} [^\0]+\0)(.{32})", re.DOTALL)


class NotIdentical(MicelioError):
    """What was stored would not give back the repository it was read from."""

    kind = ErrorKind.CORRUPT
    code = "import.not_identical"
    message = "The import is not identical to its source: {problem}. Nothing was changed; start it again."


Live = Callable[[Sequence[str]], dict[str, bytes]]
"""SHA-1s of objects that the project had before, by id."""


def prove(
    ledger: Ledger,
    segments: Iterable[SegmentRef],
    read: Get,
    *,
    live: Live = lambda ids: {},
    proved: Callable[[int], None] = lambda count: None,
) -> int:
    """Compare all that is staged with what the source lists; how many objects came back identical.

    `proved` is told how many after each segment, and may raise to stop. Raises NotIdentical, CorruptObject.
    """
    sha1s = _Sha1s(ledger, live)
    total = 0
    with closing(_Seen(ledger)) as seen:
        for ref in segments:
            total += seen.add(_prove_segment(ref, read, sha1s))
            proved(total)
        seen.require_all()
    return total


def _prove_segment(ref: SegmentRef, read: Get, sha1s: "_Sha1s") -> Iterator[bytes]:
    footer = read_footer(partial(read, ref.key), ref.size, ref.key)
    plain_of = frames_of(partial(read, ref.key), footer, ref.key)
    for entry in sorted(footer.entries, key=lambda entry: (entry.frame, entry.offset)):
        if entry.sha1 == NO_SHA1:
            continue
        found = _sha1_of(plain_of, entry, sha1s)
        if found != entry.sha1:
            raise NotIdentical(problem=f"{entry.kind.word} {entry.sha1.hex()} comes back as {found.hex()}")
        yield found


def _sha1_of(plain_of: Callable[[int], bytes], entry: IndexEntry, sha1s: "_Sha1s") -> bytes:
    if entry.kind is Kind.BLOB and entry.length >= BIG_BLOB:
        hasher = hashlib.sha1(b"blob %d\0" % entry.length, usedforsecurity=False)
        for piece in object_chunks(plain_of, entry):
            hasher.update(piece)
        return hasher.digest()
    content = read_object(plain_of, entry)
    if entry.kind is Kind.TREE and b"160000 " not in content:
        return _tree_sha1(content, sha1s)
    return git_sha1(entry.kind, content, sha1s.one)


def _tree_sha1(content: bytes, sha1s: "_Sha1s") -> bytes:
    """git's SHA-1 of a tree without submodules; as `git_sha1`, in the short way that millions need."""
    found = _TREE_ENTRY.findall(content)
    if sum([len(head) for head, _ in found]) + 32 * len(found) != len(content):
        return git_sha1(Kind.TREE, content, sha1s.one)
    try:
        known = sha1s.lately
        plain = b"".join([head + known[id] for head, id in found])
    except KeyError:
        sha1s.fetch([id for _, id in found])
        known = sha1s.lately
        plain = b"".join([head + known[id] for head, id in found])
    return hashlib.sha1(b"tree %d\0%s" % (len(plain), plain), usedforsecurity=False).digest()


class _Sha1s:
    """From id to SHA-1, what was met lately in memory."""

    def __init__(self, ledger: Ledger, live: Live) -> None:
        self._ledger = ledger
        self._live = live
        self.lately: dict[bytes, bytes] = {bytes.fromhex(EMPTY_TREE): EMPTY_TREE_SHA1}
        ledger.index_ids()

    def one(self, id: str) -> bytes:
        raw = bytes.fromhex(id)
        if raw not in self.lately:
            self.fetch([raw])
        return self.lately[raw]

    def fetch(self, ids: Sequence[bytes]) -> None:
        """Have all of these in `lately`; NotIdentical when one is nowhere."""
        if len(self.lately) > _REMEMBERED:
            self.lately = {bytes.fromhex(EMPTY_TREE): EMPTY_TREE_SHA1}
        wanted = [id for id in ids if id not in self.lately]
        held = self._ledger.sha1s_of(wanted)
        absent = [id.hex() for id in wanted if id not in held]
        if absent:
            held |= {bytes.fromhex(id): sha1 for id, sha1 in self._live(absent).items()}
        self.lately |= held
        for id in wanted:
            if id not in self.lately:
                raise NotIdentical(problem=f"the object {id.hex()}, which it names, is not there")


class _Seen:
    """Which SHA-1s came back, beside the list of those that should."""

    def __init__(self, ledger: Ledger) -> None:
        self._db = ledger.db
        self._db.execute("create temp table seen (sha1 blob primary key) without rowid")

    def close(self) -> None:
        self._db.execute("drop table temp.seen")

    def add(self, sha1s: Iterable[bytes]) -> int:
        (before,) = self._db.execute("select count(*) from temp.seen").fetchone()
        self._db.executemany("insert or ignore into temp.seen (sha1) values (?)", ((each,) for each in sha1s))
        (after,) = self._db.execute("select count(*) from temp.seen").fetchone()
        return int(after) - int(before)

    def require_all(self) -> None:
        row = self._db.execute(
            "select sha1, count(*) from listed where sha1 not in (select sha1 from temp.seen)"
        ).fetchone()
        if row[1]:
            raise NotIdentical(problem=f"{row[1]} objects did not come back, {row[0].hex()} among them")
