"""Ingest: every object of a git repository becomes one of ours, staged in segments, with flat memory.

An object can be written once the ids of all that it names are known. So blobs go first, then
trees from the deepest folders up, then commits from their roots, tags last; an object that
comes too early waits for the one it lacks. What is where is kept in a file on disk (`Ledger`),
never in memory, and says after a crash what is done already: an object counts once the
segment that holds it is in the store and the caller has written down its name.
"""

import queue
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vcs import faults
from vcs.git.source import Child, MissingFromSource, Source
from vcs.git.translate import from_git
from vcs.log import Measured, SegmentRef
from vcs.objects import EMPTY_TREE, Kind, Object
from vcs.reading import EMPTY_TREE_SHA1
from vcs.segments import BIG_BLOB, SegmentWriter, name_hash, write_blob_segment

__all__ = ["Ingest", "Ledger", "Staged"]

STORED = 8 << 20
_PLAIN = 256 << 20
_ENTRIES = 24_000
_REMEMBERED = 150_000
_IN_FLIGHT = 24
_GROUP = 1 << 20
_PIECE = 1 << 20
_ROWS = 500
# In the order they can be written.
_KINDS = (Kind.BLOB, Kind.TREE, Kind.COMMIT, Kind.TAG)
_TREE_ENTRY = re.compile(rb"([0-7]{1,7} [^\0]+\0)(.{20})", re.DOTALL)

_SCHEMA = """
create table if not exists listed (seq integer primary key, sha1 blob not null, kind integer not null,
    size integer not null, depth integer not null, hint integer not null, path blob not null);
create table if not exists known (sha1 blob primary key, id blob not null) without rowid;
create table if not exists stages (name text primary key) without rowid;
"""

Live = Callable[[Sequence[bytes]], Mapping[bytes, str]]
"""Which of these SHA-1s the project has already, and under which ids."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A segment that is in the store now: its name there, and how many objects it holds."""

    ref: SegmentRef
    objects: int


class Ledger:
    """What a repository holds and what of it is staged, in one file that may be thrown away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.db = self._connect()
        self.db.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        db.execute("pragma journal_mode = wal")
        # Losing the last rows in a power cut means writing these objects once more.
        db.execute("pragma synchronous = off")
        db.execute("pragma cache_size = -24000")
        return db

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def fill(self, source: Source, tips: Iterable[bytes], without: Iterable[bytes], live: Live) -> int:
        """List what the tips reach, once; how many objects the project lacks."""
        if not self.db.execute("select 1 from stages where name = 'listed'").fetchone():
            self.db.execute("begin")
            self.db.execute("delete from listed")
            rows = enumerate(source.objects(tips, without))
            while some := list(islice(rows, _ROWS)):
                have = live([each.sha1 for _, each in some])
                self.db.executemany(
                    "insert or ignore into known (sha1, id) values (?, ?)",
                    [(sha1, bytes.fromhex(id)) for sha1, id in have.items()],
                )
                self.db.executemany(
                    "insert into listed (seq, sha1, kind, size, depth, hint, path) "
                    "values (?, ?, ?, ?, ?, ?, ?)",
                    [
                        (
                            seq,
                            each.sha1,
                            Kind.of_word(each.word),
                            each.size,
                            each.path.count(b"/") + 1 if each.path else 0,
                            name_hash(each.path),
                            each.path,
                        )
                        for seq, each in some
                        if each.sha1 not in have
                    ],
                )
            self.db.execute("insert into stages (name) values ('listed')")
            self.db.execute("commit")
        (count,) = self.db.execute("select count(*) from listed").fetchone()
        return int(count)

    @property
    def done(self) -> int:
        """How many of the listed objects are staged."""
        query = "select count(*) from listed where sha1 in (select sha1 from known)"
        return int(self.db.execute(query).fetchone()[0])

    def sizes(self) -> tuple[int, int]:
        """Objects listed, and their bytes."""
        count, size = self.db.execute("select count(*), coalesce(sum(size), 0) from listed").fetchone()
        return count, size

    def requests(self, kind: Kind) -> Iterator[bytes]:
        """Lines for `git cat-file`: the objects of a kind that are not staged, in the order to write them."""
        order = {
            # Versions of a file beside each other, the newest first, as their paths end: that packs well.
            Kind.BLOB: "hint, path, seq",
            # Deepest first; what still comes too early waits.
            Kind.TREE: "depth desc, hint, path, seq",
            Kind.COMMIT: "seq desc",
            Kind.TAG: "seq desc",
        }[kind]
        with closing(self._connect()) as db:
            query = (
                "select sha1, hint from listed where kind = ? and sha1 not in (select sha1 from known) "
                f"order by {order}"
            )
            for sha1, hint in db.execute(query, (kind,)):
                yield b"%s %d\n" % (sha1.hex().encode(), hint)

    def ids_of(self, sha1s: Sequence[bytes]) -> dict[bytes, bytes]:
        """The ids of those that are known."""
        found: dict[bytes, bytes] = {}
        for at in range(0, len(sha1s), _ROWS):
            some = sha1s[at : at + _ROWS]
            marks = ",".join("?" * len(some))
            found.update(self.db.execute(f"select sha1, id from known where sha1 in ({marks})", some))
        return found

    def index_ids(self) -> None:
        """Make `sha1s_of` quick, once all are known."""
        self.db.execute("create index if not exists known_by_id on known (id)")

    def sha1s_of(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """The SHA-1s of those ids that are known."""
        found: dict[bytes, bytes] = {}
        for at in range(0, len(ids), _ROWS):
            some = ids[at : at + _ROWS]
            marks = ",".join("?" * len(some))
            found.update(self.db.execute(f"select id, sha1 from known where id in ({marks})", some))
        return found

    def know(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember ids of objects that are in the store."""
        self.db.execute("begin")
        self.db.executemany("insert or replace into known (sha1, id) values (?, ?)", pairs)
        self.db.execute("commit")


class _NotYet(Exception):
    """The object names one that is not written yet."""

    def __init__(self, sha1: bytes) -> None:
        self.sha1 = sha1


class _Ids:
    """From SHA-1 to id: what was met lately in memory, everything else on disk."""

    def __init__(self, ledger: Ledger, live: Live) -> None:
        self._ledger = ledger
        self._live = live
        self.lately: dict[bytes, bytes] = {EMPTY_TREE_SHA1: bytes.fromhex(EMPTY_TREE)}
        # Written, but in no finished segment: the ledger must not know them yet.
        self._unfinished: dict[bytes, bytes] = {}

    def __contains__(self, sha1: bytes) -> bool:
        return sha1 in self.lately or sha1 in self._unfinished

    def add(self, sha1: bytes, id: bytes) -> None:
        self.lately[sha1] = self._unfinished[sha1] = id

    def finished(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        self._ledger.know(pairs)
        for sha1, _ in pairs:
            self._unfinished.pop(sha1, None)

    def one(self, sha1: bytes) -> str:
        """The hex id of one object; _NotYet."""
        if sha1 not in self.lately:
            self.fetch([sha1])
        return self.lately[sha1].hex()

    def fetch(self, sha1s: Sequence[bytes]) -> None:
        """Have all of these in `lately`; _NotYet names the first that is nowhere."""
        wanted = [sha1 for sha1 in sha1s if sha1 not in self.lately]
        if len(self.lately) > _REMEMBERED:
            keep = {sha1: self.lately[sha1] for sha1 in sha1s if sha1 in self.lately}
            self.lately = {EMPTY_TREE_SHA1: bytes.fromhex(EMPTY_TREE), **keep}
        held = {sha1: self._unfinished[sha1] for sha1 in wanted if sha1 in self._unfinished}
        rest = [sha1 for sha1 in wanted if sha1 not in held]
        if rest:
            held |= self._ledger.ids_of(rest)
        absent = [sha1 for sha1 in rest if sha1 not in held]
        if absent:
            held |= {sha1: bytes.fromhex(id) for sha1, id in self._live(absent).items()}
        self.lately |= held
        for sha1 in absent:
            if sha1 not in held:
                raise _NotYet(sha1)


def translated(word: bytes, content: bytes, ids: _Ids) -> Object:
    """As `translate.from_git`, with a short way for the trees that nearly all are."""
    if word == b"tree" and b"160000 " not in content:
        found = _TREE_ENTRY.findall(content)
        if sum([len(head) for head, _ in found]) + 20 * len(found) == len(content):
            try:
                known = ids.lately
                return Object.of(Kind.TREE, b"".join([head + known[sha1] for head, sha1 in found]))
            except KeyError:
                ids.fetch([sha1 for _, sha1 in found])
                known = ids.lately
                return Object.of(Kind.TREE, b"".join([head + known[sha1] for head, sha1 in found]))
    return from_git(word, content, ids.one)


class Ingest:
    """One run over a source. `put` stores a file under a new name; `finished` writes down each segment
    that is in the store, before its objects count as staged.
    """

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        *,
        put: Callable[[str, Iterable[bytes]], None],
        new_key: Callable[[], str],
        finished: Callable[[Staged], None],
        live: Live = lambda sha1s: {},
        still_wanted: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._finished = finished
        self._live = live
        self._still_wanted = still_wanted
        self._ids = _Ids(ledger, live)
        self._writer = _Writer(put, new_key)
        self._waiting: dict[bytes, list[bytes]] = {}
        self._early: Child | None = None

    def run(self, tips: Sequence[bytes], without: Sequence[bytes] = ()) -> None:
        """Stage all that the tips reach and neither `without` nor the project has. Again after a crash it
        goes on. What `still_wanted` raises stops it, between two segments.
        """
        self._ledger.fill(self._source, tips, without, self._live)
        self._writer.start()
        try:
            for kind in _KINDS:
                self._read(kind)
            self._settle(self._writer.finish())
        finally:
            self._writer.stop()
        if self._waiting:
            missing = min(self._waiting)
            raise MissingFromSource(sha1=missing.hex())

    def _read(self, kind: Kind) -> None:
        shown = "--batch=%(objectname) %(objecttype) %(objectsize) %(rest)"
        caching = {"core.deltaBaseCacheLimit": "256m"}
        requests = self._ledger.requests(kind)
        with self._source.child("cat-file", "--buffer", shown, feed=requests, config=caching) as batch:
            out = batch.out
            while line := out.readline():
                sha1, word, size, hint = line.split(b" ")
                if kind is Kind.BLOB and int(size) >= BIG_BLOB:
                    self._big(bytes.fromhex(sha1.decode()), _pieces(batch, int(size)), int(size), int(hint))
                else:
                    self._take(bytes.fromhex(sha1.decode()), word, out.read(int(size)), int(hint))
                out.read(1)
                if ready := self._writer.taken():
                    self._settle(ready)

    def _take(self, sha1: bytes, word: bytes, content: bytes, hint: int) -> None:
        """Write one object, and then those that waited for it."""
        try:
            object = translated(word, content, self._ids)
        except _NotYet as needed:
            self._waiting.setdefault(needed.sha1, []).append(b"%s %d" % (sha1.hex().encode(), hint))
            return
        self._add(object, sha1, hint)
        freed = self._waiting.pop(sha1, None) if self._waiting else None
        while freed:
            request = freed.pop()
            early, word, content, hint = self._ask(request)
            try:
                object = translated(word, content, self._ids)
            except _NotYet as needed:
                self._waiting.setdefault(needed.sha1, []).append(request)
                continue
            self._add(object, early, hint)
            freed += self._waiting.pop(early, [])

    def _add(self, object: Object, sha1: bytes, hint: int) -> None:
        self._ids.add(sha1, bytes.fromhex(object.id))
        self._writer.add(object, sha1, hint)

    def _ask(self, request: bytes) -> tuple[bytes, bytes, bytes, int]:
        """An object that was read too early, once more. Rare, so a git of its own is good enough."""
        sha1, hint = request.split(b" ")
        printed = self._source.run("cat-file", "--batch", input=sha1 + b"\n")
        header, _, rest = printed.partition(b"\n")
        _, word, size = header.split(b" ")
        return bytes.fromhex(sha1.decode()), word, rest[: int(size)], int(hint)

    def _big(self, sha1: bytes, pieces: Iterator[bytes], size: int, hint: int) -> None:
        staged, id = self._writer.put_big(pieces, size, hint)
        self._ids.add(sha1, bytes.fromhex(id))
        self._settle([(staged, [(sha1, bytes.fromhex(id))])])

    def _settle(self, ready: "Sequence[_Ready]") -> None:
        """Write down finished segments, then count their objects."""
        for staged, pairs in ready:
            faults.reach("import.segment_written")
            self._finished(staged)
            self._ids.finished(pairs)
        self._still_wanted()


_Ready = tuple[Staged, Sequence[tuple[bytes, bytes]]]
_Item = tuple[Object, bytes, int]


def _pieces(batch: Child, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = batch.out.read(min(_PIECE, left))
        if not piece:
            return
        left -= len(piece)
        yield piece


class _Writer:
    """Makes segments in a thread of its own, so that packing and reading go on side by side."""

    def __init__(self, put: Callable[[str, Iterable[bytes]], None], new_key: Callable[[], str]) -> None:
        self._put = put
        self._new_key = new_key
        self._groups: queue.Queue[list[_Item] | None] = queue.Queue(_IN_FLIGHT)
        self._ready: queue.SimpleQueue[_Ready] = queue.SimpleQueue()
        self._group: list[_Item] = []
        self._size = 0
        self._failed: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="segments", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, object: Object, sha1: bytes, hint: int) -> None:
        self._group.append((object, sha1, hint))
        self._size += len(object.content)
        if self._size >= _GROUP or len(self._group) >= 1000:
            self._send(self._group)
            self._group, self._size = [], 0

    def put_big(self, pieces: Iterable[bytes], size: int, hint: int) -> tuple[Staged, str]:
        """Store one long blob, at once and by itself."""
        key = self._new_key()
        segment = write_blob_segment(pieces, size, hint)
        measured = Measured(key, segment)
        self._put(key, measured)
        return Staged(measured.ref, 1), segment.entry.id

    def taken(self) -> list[_Ready]:
        """The segments finished since the last call."""
        found: list[_Ready] = []
        while not self._ready.empty():
            found.append(self._ready.get())
        return found

    def finish(self) -> list[_Ready]:
        """Wait until everything is in the store."""
        if self._group:
            self._send(self._group)
            self._group = []
        self._send(None)
        self._thread.join()
        self._raise()
        return self.taken()

    def stop(self) -> None:
        """End the thread, whatever it is at; what is unfinished is in no segment."""
        self._stopped = True
        while self._thread.is_alive():
            try:
                self._groups.put(None, timeout=0.05)
            except queue.Full:
                continue
            self._thread.join(timeout=0.05)

    def _send(self, group: list[_Item] | None) -> None:
        while True:
            self._raise()
            try:
                self._groups.put(group, timeout=1.0)
                return
            except queue.Full:
                continue

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        try:
            while (first := self._groups.get()) is not None:
                if self._segment(first):
                    return
        except BaseException as error:
            self._failed = error
            # Whoever waits for room in the line looks again.
            while not self._stopped and self._groups.get() is not None:
                pass

    def _segment(self, first: list[_Item]) -> bool:
        """One segment; whether that was the last."""
        key = self._new_key()
        pairs: list[tuple[bytes, bytes]] = []
        ended: list[bool] = []
        measured = Measured(key, self._chunks(first, pairs, ended))
        self._put(key, measured)
        self._ready.put((Staged(measured.ref, len(pairs)), pairs))
        return bool(ended)

    def _chunks(
        self, first: list[_Item], pairs: list[tuple[bytes, bytes]], ended: list[bool]
    ) -> Iterator[bytes]:
        writer = SegmentWriter()
        plain = stored = 0
        group: list[_Item] | None = first
        while group is not None:
            if self._stopped:
                raise _Stopped
            for object, sha1, hint in group:
                writer.add(object, sha1, hint)
                pairs.append((sha1, bytes.fromhex(object.id)))
                plain += len(object.content)
            if piece := writer.take():
                stored += len(piece)
                yield piece
            if stored >= STORED or plain >= _PLAIN or len(pairs) >= _ENTRIES:
                break
            group = self._groups.get()
        if group is None:
            ended.append(True)
        yield writer.finish()


class _Stopped(Exception):
    """Nobody wants this segment any more."""
