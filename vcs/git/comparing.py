"""Comparing: the process in which an import is read back, object by object, while more of it is staged.

It knows nothing but what it is sent, which are the files as the store gives them back, and the list of
what the source holds. Each object is checked against its id, turned into git's form with the SHA-1s
that came out before, and hashed as git would. An object comes after all that it names, so every
SHA-1 in use was proved itself, in here or when the project that has it was made.

It is asked on its standard input and answers on its output; where one of them ends, it ends. A request
is a line of JSON: `{"segment": KEY, "size": N, "sent": N}`, with as many bytes of the file after it, or
`{}` for the end. The answers are `sha1s N` and N ids, for which as many SHA-1s are sent, zeros for none;
`read START LENGTH`, for which those bytes of the file are sent; `done N` for N objects proved; or
`no SENTENCE`.
"""

import gc
import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from hashlib import sha256
from itertools import pairwise
from operator import itemgetter
from typing import IO

from vcs.errors import MicelioError
from vcs.git.translate import git_sha1
from vcs.git.twins import SHA1, SHA256, NoTwin, Renamer, Shelf, Twins
from vcs.objects import EMPTY_TREE, Kind, check_id
from vcs.reading import EMPTY_TREE_SHA1
from vcs.segments import NO_SHA1, IndexEntry, entry_of, frames_of, object_chunks, read_footer

__all__ = ["main"]


sha1 = partial(hashlib.sha1, usedforsecurity=False)
_BLOB = int(Kind.BLOB)
_KINDS = {int(kind): kind for kind in Kind}
_HEADERS = {kind: kind.word.encode() + b" %d\0" for kind in Kind}
_PLACE = itemgetter(4, 5)
_AT_ONCE = 200_000


class _Different(Exception):
    """Something did not come back as it was."""


class _Comparison:
    """What was proved so far, and whom to ask for the rest."""

    def __init__(self, listed: str, remembered: int, asked: IO[bytes], answers: IO[bytes]) -> None:
        self._listed = listed
        self._asked = asked
        self._answers = answers
        # A file of its own that nobody sees, on disk as soon as it is long.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("pragma cache_size = -16000")
        self._shelf = Shelf(self._db, "proved", id=SHA256, twin=SHA1)
        self._twins = Twins(remembered, self._older)
        self._twins.add(bytes.fromhex(EMPTY_TREE), EMPTY_TREE_SHA1)
        self._renamer = Renamer(self._twins, SHA256)
        # Of the segment at hand; the shelf has it when it is done.
        self._found: dict[bytes, bytes] = {}
        self.proved = 0

    def segment(self, key: str, size: int, sent: bytes) -> None:
        """Prove all that a file holds. _Different, MicelioError."""

        def read(start: int, length: int) -> bytes:
            if len(sent) == size:
                return sent[start : start + length]
            return self._ask(b"read %d %d\n" % (start, length), length)

        footer = read_footer(read, size, key)
        plain_of = frames_of(read, footer, key)
        found, recent = self._found, self._twins.recent
        at, plain = -1, b""
        for row in sorted(footer.entries.rows(), key=_PLACE):
            id, expected, number, _, frame, offset, length = row
            if expected == NO_SHA1:
                continue
            if frame != at and length:
                at, plain = frame, plain_of(frame)
            content = plain[offset : offset + length]
            if len(content) != length:
                came = self._long(entry_of(row), plain_of)
            elif number == _BLOB:
                stored = b"blob %d\0%b" % (length, content)
                came = sha1(stored).digest()
                if sha256(stored).digest() != id:
                    check_id(id.hex(), Kind.BLOB, content)
            else:
                came = self._sha1_of(id, _KINDS[number], content)
                recent = self._twins.recent
            if came != expected:
                raise _Different(f"{_KINDS[number].word} {expected.hex()} comes back as {came.hex()}")
            recent[id] = found[id] = came
        self._twins.settle()
        self._shelf.put(found.keys(), found.values())
        self.proved += len(found)
        found.clear()

    def _long(self, entry: IndexEntry, plain_of: Callable[[int], bytes]) -> bytes:
        """The SHA-1 of an object that lies in several frames."""
        pieces = object_chunks(plain_of, entry)
        if entry.kind is not Kind.BLOB:
            return self._sha1_of(bytes.fromhex(entry.id), entry.kind, b"".join(pieces))
        hasher = sha1(b"blob %d\0" % entry.length)
        for piece in pieces:
            hasher.update(piece)
        return hasher.digest()

    def _sha1_of(self, id: bytes, kind: Kind, content: bytes) -> bytes:
        header = _HEADERS[kind]
        stored = header % len(content) + content
        if sha256(stored).digest() != id:
            check_id(id.hex(), kind, content)
        if kind is Kind.BLOB:
            return sha1(stored).digest()
        try:
            plain = self._renamer.rename(kind, content)
            if plain is None:
                return git_sha1(kind, content, lambda id: self._twins.one(bytes.fromhex(id)))
        except NoTwin as error:
            raise _Different(f"the object {error.id.hex()}, which it names, is not there") from error
        return sha1(header % len(plain) + plain).digest()

    def _older(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        held = {id: self._found[id] for id in ids if id in self._found}
        if self._twins.dropped and (rest := [id for id in ids if id not in held]):
            held |= self._shelf.find(rest)
        if absent := [id for id in ids if id not in held]:
            came = self._ask(b"sha1s %d\n" % len(absent) + b"".join(absent), SHA1 * len(absent))
            sha1s = [came[at : at + SHA1] for at in range(0, len(came), SHA1)]
            held |= {id: sha1 for id, sha1 in zip(absent, sha1s, strict=True) if sha1 != NO_SHA1}
        return held

    def require_all(self) -> int:
        """How many of the listed objects came back. _Different unless all of them did."""
        self._twins.forget()
        self._db.execute("attach ? as ledger", (self._listed,))
        if self.proved <= _AT_ONCE:
            return self._require(self._sha1s("select sha1 from ledger.listed"), set(self._shelf.twins()))
        self._shelf.spread()
        parts = min(256, self.proved // _AT_ONCE + 1)
        limits = [bytes([256 * part // parts]) for part in range(parts)] + [b"\xff" * (SHA1 + 1)]
        total = 0
        for between in pairwise(limits):
            listed = self._sha1s("select sha1 from ledger.listed where sha1 >= ? and sha1 < ?", between)
            came = self._sha1s("select twin from proved where twin >= ? and twin < ?", between)
            total += self._require(listed, came)
        return total

    def _require(self, listed: set[bytes], came: set[bytes]) -> int:
        if missing := listed - came:
            first = min(missing).hex()
            raise _Different(f"{len(missing)} objects did not come back, {first} among them")
        return len(came)

    def _sha1s(self, query: str, between: tuple[bytes, ...] = ()) -> set[bytes]:
        return {sha1 for (sha1,) in self._db.execute(query, between)}

    def _ask(self, question: bytes, length: int) -> bytes:
        self._answers.write(question)
        self._answers.flush()
        return self._asked.read(length)

    def close(self) -> None:
        self._db.close()


def main() -> None:
    """Compare what comes in with the list in the ledger that the first argument names; the second says how
    many SHA-1s are remembered in memory, twice.
    """
    # Nothing here is in circles, and looking for those among so many ids takes its time.
    gc.disable()
    asked = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
    answers = os.fdopen(os.dup(1), "wb")
    with closing(_Comparison(sys.argv[1], int(sys.argv[2]), asked, answers)) as comparison:
        while line := asked.readline():
            request = json.loads(line)
            try:
                if request:
                    sent = asked.read(request["sent"])
                    comparison.segment(request["segment"], request["size"], sent)
                    answers.write(b"done %d\n" % comparison.proved)
                else:
                    answers.write(b"done %d\n" % comparison.require_all())
            except (_Different, MicelioError) as error:
                answers.write(b"no %s\n" % str(error).replace("\n", " ").encode())
            answers.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        # Nobody wants to know any more.
        sys.exit(1)
