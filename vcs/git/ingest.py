"""Ingest: every object of a git repository becomes one of ours, staged in segments, with flat memory.

An object can be written once the ids of all that it names are known. So blobs go first, then
trees from the deepest folders up, then commits from their roots, tags last; an object that
comes too early waits for the one it lacks. What is where is kept in a file on disk (`Ledger`),
never in memory, and says after a crash what is done already: an object counts once the
segment that holds it is in the store and the caller has written down its name.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from vcs import faults
from vcs.git.ledger import Ledger, Live
from vcs.git.source import Long, MissingFromSource, Objects, Source
from vcs.git.translate import from_git
from vcs.git.twins import SHA1, NoTwin, Renamer, Twins
from vcs.log import Measured, SegmentRef
from vcs.objects import EMPTY_TREE, Kind, raw_id
from vcs.reading import EMPTY_TREE_SHA1
from vcs.segments import BIG_BLOB, Columns, SegmentWriter, write_blob_segment

__all__ = ["Ingest", "Ledger", "Staged"]

STORED = 8 << 20
_PLAIN = 256 << 20
_ENTRIES = 12_000
_PARTS = 12
_FEWEST = 2_000
_LEAST = 16 << 20
_REMEMBERED = 100_000
_IN_FLIGHT = 8
_GROUP = 1 << 20
_GROUPED = 1_000
_NEVER = 1 << 62
# In the order they can be written.
_KINDS = (Kind.BLOB, Kind.TREE, Kind.COMMIT, Kind.TAG)


@dataclass(frozen=True, slots=True)
class Staged:
    """A segment that is in the store now: its name there, and how many objects it holds."""

    ref: SegmentRef
    objects: int


class _Ids:
    """From SHA-1 to id: what was met lately in memory, everything else on disk."""

    def __init__(self, ledger: Ledger, live: Live) -> None:
        self._ledger = ledger
        self._live = live
        self._twins = Twins(_REMEMBERED, self._older)
        self._twins.add(EMPTY_TREE_SHA1, bytes.fromhex(EMPTY_TREE))
        self._renamer = Renamer(self._twins, SHA1)
        # Written, but in no finished segment: the ledger must not know them yet.
        self._unfinished: dict[bytes, bytes] = {}
        self._twins.dropped = not ledger.is_new

    def add(self, sha1: bytes, id: bytes) -> None:
        self._unfinished[sha1] = id
        self._twins.add(sha1, id)

    def add_all(self, sha1s: Sequence[bytes], ids: Sequence[bytes]) -> None:
        self._unfinished.update(zip(sha1s, ids, strict=True))
        self._twins.add_all(sha1s, ids)

    def finished(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        self._ledger.know(pairs)
        for sha1, _ in pairs:
            self._unfinished.pop(sha1, None)

    def forget(self) -> None:
        """Let go of what was in memory: they hold each other, so nobody would for a while."""
        self._twins.forget()
        self._unfinished = {}

    def translated(self, kind: Kind, content: bytes) -> tuple[Kind, bytes]:
        """Our form of one of git's objects; NoTwin when it names one that is not written yet."""
        if kind is Kind.BLOB:
            return kind, content
        ours = self._renamer.rename(kind, content)
        if ours is not None:
            return kind, ours
        object = from_git(kind.word.encode(), content, lambda sha1: self._twins.one(sha1).hex())
        return object.kind, object.content

    def _older(self, sha1s: Sequence[bytes]) -> dict[bytes, bytes]:
        held = {sha1: self._unfinished[sha1] for sha1 in sha1s if sha1 in self._unfinished}
        if self._twins.dropped and (rest := [sha1 for sha1 in sha1s if sha1 not in held]):
            held |= self._ledger.ids_of(rest)
        if rest := [sha1 for sha1 in sha1s if sha1 not in held]:
            held |= {sha1: bytes.fromhex(id) for sha1, id in self._live(rest).items()}
        return held


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
        self._waiting: dict[bytes, list[tuple[bytes, Kind, int]]] = {}

    def run(self, tips: Sequence[bytes], without: Sequence[bytes] = ()) -> None:
        """Stage all that the tips reach and neither `without` nor the project has. Again after a crash it
        goes on. What `still_wanted` raises stops it, between two segments.
        """
        self._ledger.fill(self._source, tips, without, self._live)
        self._writer.start(*self._ledger.sizes())
        try:
            for kind in _KINDS:
                self._read(kind)
            self._settle(self._writer.finish())
        finally:
            self._writer.stop()
            self._ids.forget()
        if self._waiting:
            missing = min(self._waiting)
            raise MissingFromSource(sha1=missing.hex())

    def _read(self, kind: Kind) -> None:
        shown = "--batch=%(objectname) %(objectsize) %(rest)"
        caching = {"core.deltaBaseCacheLimit": "256m"}
        requests = self._ledger.requests(kind)
        with self._source.child("cat-file", "--buffer", shown, feed=requests, config=caching) as batch:
            for printed in Objects(batch.out, most=_GROUPED, long=BIG_BLOB if kind is Kind.BLOB else _NEVER):
                if isinstance(printed, Long):
                    self._big(printed)
                elif kind is Kind.BLOB:
                    self._blobs(*printed)
                else:
                    for sha1, hint, content in zip(*printed, strict=True):
                        self._take(sha1, kind, content, hint)

    def _blobs(self, sha1s: list[bytes], hints: list[int], contents: list[bytes]) -> None:
        """Write many blobs, which name nothing that could be missing."""
        ids = [sha256(b"blob %d\0%b" % (len(each), each)).digest() for each in contents]
        self._ids.add_all(sha1s, ids)
        self._writer.add_all(Columns(ids, sha1s, [Kind.BLOB] * len(ids), hints, contents))
        if ready := self._writer.taken():
            self._settle(ready)

    def _take(self, sha1: bytes, kind: Kind, content: bytes, hint: int) -> None:
        """Write one object, and then those that waited for it."""
        if not self._write(sha1, kind, content, hint):
            return
        freed = self._waiting.pop(sha1, None) if self._waiting else None
        while freed:
            early, kind, hint = freed.pop()
            if self._write(early, kind, self._ask(early), hint):
                freed += self._waiting.pop(early, [])

    def _write(self, sha1: bytes, kind: Kind, content: bytes, hint: int) -> bool:
        """Write one object; False when it has to wait for another."""
        try:
            ours, content = self._ids.translated(kind, content)
        except NoTwin as needed:
            self._waiting.setdefault(needed.id, []).append((sha1, kind, hint))
            return False
        id = raw_id(ours, content)
        self._ids.add(sha1, id)
        if self._writer.add(id, sha1, ours, hint, content) and (ready := self._writer.taken()):
            self._settle(ready)
        return True

    def _ask(self, sha1: bytes) -> bytes:
        """An object that was read too early, once more. Rare, so a git of its own is good enough."""
        printed = self._source.run("cat-file", "--batch", input=sha1.hex().encode() + b"\n")
        header, _, rest = printed.partition(b"\n")
        return rest[: int(header.split(b" ")[2])]

    def _big(self, blob: Long) -> None:
        staged, id = self._writer.put_big(blob.pieces, blob.size, blob.hint)
        self._ids.add(blob.sha1, bytes.fromhex(id))
        self._settle([(staged, [(blob.sha1, bytes.fromhex(id))])])

    def _settle(self, ready: "Sequence[_Ready]") -> None:
        """Write down finished segments, then count their objects."""
        for staged, pairs in ready:
            faults.reach("import.segment_written")
            self._finished(staged)
            self._ids.finished(pairs)
        self._still_wanted()


_Ready = tuple[Staged, Sequence[tuple[bytes, bytes]]]


class _Writer:
    """Makes segments in a thread of its own, so that packing and reading go on side by side."""

    def __init__(self, put: Callable[[str, Iterable[bytes]], None], new_key: Callable[[], str]) -> None:
        self._put = put
        self._new_key = new_key
        self._groups: queue.Queue[Columns | None] = queue.Queue(_IN_FLIGHT)
        self._ready: queue.SimpleQueue[_Ready] = queue.SimpleQueue()
        self._group = Columns([], [], [], [], [])
        self._size = 0
        self._entries = self._plain = 0
        self._failed: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="segments", daemon=True)

    def start(self, objects: int, size: int) -> None:
        """Begin with a repository of so many objects and bytes: of a small one the segments are shorter, so
        that the last of them, which is proved when all are written, is no large part of it.
        """
        self._entries = min(_ENTRIES, max(_FEWEST, objects // _PARTS))
        self._plain = min(_PLAIN, max(_LEAST, size // _PARTS))
        self._thread.start()

    def add(self, id: bytes, sha1: bytes, kind: Kind, hint: int, content: bytes) -> bool:
        """Take one object; whether it is time to look what became ready."""
        group = self._group
        group.ids.append(id)
        group.sha1s.append(sha1)
        group.kinds.append(kind)
        group.hints.append(hint)
        group.contents.append(content)
        self._size += len(content)
        if self._size < _GROUP and len(group.ids) < _GROUPED:
            return False
        self.flush()
        return True

    def add_all(self, objects: Columns) -> None:
        """Take many objects, which go on their way by themselves."""
        self.flush()
        self._send(objects)

    def flush(self) -> None:
        """Send on what was taken one by one."""
        if self._group.ids:
            self._send(self._group)
            self._group, self._size = Columns([], [], [], [], []), 0

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
        self.flush()
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

    def _send(self, group: Columns | None) -> None:
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

    def _segment(self, first: Columns) -> bool:
        """One segment; whether that was the last."""
        key = self._new_key()
        pairs: list[tuple[bytes, bytes]] = []
        ended: list[bool] = []
        measured = Measured(key, self._chunks(first, pairs, ended))
        self._put(key, measured)
        self._ready.put((Staged(measured.ref, len(pairs)), pairs))
        return bool(ended)

    def _chunks(self, first: Columns, pairs: list[tuple[bytes, bytes]], ended: list[bool]) -> Iterator[bytes]:
        writer = SegmentWriter()
        plain = stored = 0
        group: Columns | None = first
        while group is not None:
            if self._stopped:
                raise _Stopped
            writer.extend(group)
            pairs += zip(group.sha1s, group.ids, strict=True)
            plain += sum(map(len, group.contents))
            if piece := writer.take():
                stored += len(piece)
                yield piece
            if stored >= STORED or plain >= self._plain or len(pairs) >= self._entries:
                break
            group = self._groups.get()
        if group is None:
            ended.append(True)
        yield writer.finish()


class _Stopped(Exception):
    """Nobody wants this segment any more."""
