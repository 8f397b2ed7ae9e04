"""Reading objects: index, frame, decode, check the id. Every way to an object ends here.

What is not indexed, or whose file has gone, is looked for once more after reading HEAD:
compaction may have moved it. Bytes that do not match their id are fetched once more from
the origin. After that an error names the object; nothing that is missing is ever empty.

Decoded frames are kept in memory up to a number of bytes. They hold what files hold, which
never changes, so nothing in there can be stale.
"""

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from vcs import overlay
from vcs.errors import CorruptObject, MalformedObject, MicelioError
from vcs.errors import Kind as ErrorKind
from vcs.index import Located
from vcs.objects import EMPTY_TREE, Commit, Entry, Kind, parse_commit, parse_tree
from vcs.segments import BIG_BLOB, Frame, object_chunks, pieces_from, read_frame, read_object
from vcs.store import Get, Missing, Store, from_origin

__all__ = ["EMPTY_TREE_SHA1", "ErasedObject", "FrameCache", "Reader", "TreeCache", "content_at"]

EMPTY_TREE_SHA1 = bytes.fromhex("4b825dc642cb6eb9a060e54bf8d69288fbee4904")


class ErasedObject(MicelioError):
    """A purge took this object out of the log."""

    kind = ErrorKind.NOT_FOUND
    code = "object.erased"
    message = "Object {id} was erased on {at} by {actor}."


class Files(Protocol):
    """Where immutable files are read from: a store, or what is about to be in it."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start`; Missing."""


class FrameCache:
    """Decoded frames, the least recently used ones dropped; the projects of a process share one, so that
    its memory does not grow with their number.
    """

    def __init__(self, limit: int = 48 << 20) -> None:
        """`limit` in bytes: six frames of the largest kind, or the newest landings of a busy day."""
        self._limit = limit
        self._used = 0
        self._lock = threading.Lock()
        self._frames: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def get(self, store: Files, key: str, frame: Frame) -> bytes:
        """The plain bytes of a frame, from memory or from the store."""
        place = (key, frame.offset)
        with self._lock:
            plain = self._frames.get(place)
            if plain is not None:
                self._frames.move_to_end(place)
                return plain
        plain = read_frame(lambda start, length: store.get(key, start, length), frame, key)
        with self._lock:
            if place not in self._frames and len(plain) <= self._limit:
                self._frames[place] = plain
                self._used += len(plain)
            while self._used > self._limit:
                self._used -= len(self._frames.popitem(last=False)[1])
        return plain

    def drop(self, key: str) -> None:
        """Forget the frames of a file."""
        with self._lock:
            for place in [place for place in self._frames if place[0] == key]:
                self._used -= len(self._frames.pop(place))

    def clear(self, prefix: str) -> None:
        """Forget the frames of every file whose key begins so."""
        with self._lock:
            for place in [place for place in self._frames if place[0].startswith(prefix)]:
                self._used -= len(self._frames.pop(place))


class TreeCache:
    """Parsed trees, the least recently used ones dropped; the projects of a process share one.

    `owner` is the project whose tree it is: what one has, another may not have.
    """

    def __init__(self, limit: int = 16 << 20) -> None:
        """`limit` in bytes: the folders between the root and what lands, of projects of 100,000 files."""
        self._limit = limit // _ENTRY_BYTES
        self._used = 0
        self._lock = threading.Lock()
        self._trees: OrderedDict[tuple[str, str], tuple[Entry, ...]] = OrderedDict()

    def get(self, owner: str, id: str) -> tuple[Entry, ...] | None:
        """The entries of a tree, None when they are not remembered."""
        with self._lock:
            entries = self._trees.get((owner, id))
            if entries is not None:
                self._trees.move_to_end((owner, id))
            return entries

    def keep(self, owner: str, id: str, entries: tuple[Entry, ...]) -> None:
        """Remember a tree; at least the last one stays, however long it is."""
        with self._lock:
            if (owner, id) not in self._trees:
                self._trees[owner, id] = entries
                self._used += _weight(entries)
            while self._used > self._limit and len(self._trees) > 1:
                self._used -= _weight(self._trees.popitem(last=False)[1])

    def clear(self, owner: str) -> None:
        """Forget the trees of a project."""
        with self._lock:
            for place in [place for place in self._trees if place[0] == owner]:
                self._used -= _weight(self._trees.pop(place))


_ENTRY_BYTES = 320
"""What Python needs for an entry of a tree: a tuple with a mode, a short name and an id of 64 digits."""


def _weight(entries: tuple[Entry, ...]) -> int:
    """In entries; the place in the cache costs about as much as two."""
    return len(entries) + 2


def content_at(store: Files, frames: FrameCache, located: Located) -> bytes:
    """An object's bytes from where it is, checked; wrong ones are read once more from the origin."""
    try:
        return read_object(_frame_reader(store, frames, located), located.entry)
    except (CorruptObject, MalformedObject):
        frames.drop(located.key)
        return read_object(_frame_reader(_Origin(from_origin(store)), frames, located), located.entry)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Files as the origin has them, whatever copies say."""

    get: Get


class _FrameReader(Protocol):
    def __call__(self, number: int, /) -> bytes: ...


def _frame_reader(store: Files, frames: FrameCache, located: Located) -> _FrameReader:
    first = located.entry.frame
    return lambda number: frames.get(store, located.key, located.frames[number - first])


def _pieces_of(frame_of: _FrameReader, located: Located, start: int) -> Iterator[bytes]:
    if not start:
        return object_chunks(frame_of, located.entry)
    return pieces_from(frame_of, located.entry, located.frames, start)


class Reader(ABC):
    """Objects of one project by id. Subclasses say where an object is and what to do on a miss."""

    def __init__(
        self, store: Store, frames: FrameCache, trees: TreeCache | None = None, owner: str = ""
    ) -> None:
        self.store = store
        self.frames = frames
        self._trees = trees or TreeCache()
        self._owner = owner

    @abstractmethod
    def locate(self, id: str) -> Located | None:
        """Where an object is as far as is known without reading HEAD."""

    @abstractmethod
    def refresh(self) -> None:
        """Read HEAD and catch up, because something was not where it should be."""

    def missing(self, id: str) -> MicelioError:
        """The error for an object that is nowhere."""
        return CorruptObject(id=id, problem="it is in no live file")

    def heal(self, id: str) -> bool:
        """Mend what may be wrong here and not in the store, when an object could not be read; False when
        there is nothing to mend, so that the error stands.
        """
        return False

    def read(self, id: str, kind: Kind | None = None) -> bytes:
        """An object's content; CorruptObject or ErasedObject when there is none, and CorruptObject when
        it is of another kind than asked for.
        """
        if id == EMPTY_TREE and kind in (None, Kind.TREE):
            return b""
        try:
            return self._read(id, kind)
        except (CorruptObject, MalformedObject):
            if not self.heal(id):
                raise
        return self._read(id, kind)

    def _read(self, id: str, kind: Kind | None) -> bytes:
        located = self._found(id, kind)
        try:
            return content_at(self.store, self.frames, located)
        except Missing:
            self.refresh()
        try:
            return content_at(self.store, self.frames, self._found(id, kind))
        except Missing as error:
            raise CorruptObject(id=id, problem=f"its file {error.details['key']} is gone") from error

    def _found(self, id: str, kind: Kind | None) -> Located:
        located = self.locate(id)
        if located is None:
            self.refresh()
            located = self.locate(id)
        if located is None:
            raise self.missing(id)
        if kind is not None and located.entry.kind is not kind:
            raise CorruptObject(id=id, problem=f"it is a {located.entry.kind.word}, not a {kind.word}")
        return located

    def chunks(self, id: str, start: int = 0) -> Iterator[bytes]:
        """A content in pieces, for what may be too long for memory, from a byte on. Only whoever takes
        every piece from the first byte learns that they are right: CorruptObject comes at the end.
        """
        located = self._found(id, None)
        if located.entry.length < BIG_BLOB:
            yield self.read(id)[start:]
            return
        sent = 0
        for again in (True, False):
            try:
                skip = sent
                for chunk in _pieces_of(self._uncached(located), located, start):
                    fresh = chunk[skip:] if skip else chunk
                    skip = max(0, skip - len(chunk))
                    sent += len(fresh)
                    if fresh:
                        yield fresh
                return
            except Missing as error:
                if not again:
                    raise CorruptObject(id=id, problem=f"its file {located.key} is gone") from error
                self.refresh()
                located = self._found(id, None)

    def _uncached(self, located: Located) -> _FrameReader:
        def read(number: int, /) -> bytes:
            frame = located.frames[number - located.entry.frame]
            try:
                return read_frame(partial(self.store.get, located.key), frame, located.key)
            except MalformedObject:
                return read_frame(partial(from_origin(self.store), located.key), frame, located.key)

        return read

    def size(self, id: str) -> int:
        """The length of a content in bytes."""
        return 0 if id == EMPTY_TREE else self._found(id, None).entry.length

    def kind(self, id: str) -> Kind:
        """What sort of object this is."""
        return Kind.TREE if id == EMPTY_TREE else self._found(id, None).entry.kind

    def has(self, id: str) -> bool:
        """Whether an object is there, as far as is known without reading HEAD."""
        return id == EMPTY_TREE or self.locate(id) is not None

    def sha1_of(self, id: str) -> bytes:
        """git's SHA-1 of an object, 20 bytes; of records and lists, 20 zeros."""
        return EMPTY_TREE_SHA1 if id == EMPTY_TREE else self._found(id, None).entry.sha1

    def tree(self, id: str) -> tuple[Entry, ...]:
        """The entries of a tree as they are stored."""
        if id == EMPTY_TREE:
            return ()
        entries = self._trees.get(self._owner, id)
        if entries is None:
            entries = parse_tree(self.read(id, Kind.TREE))
            self._trees.keep(self._owner, id, entries)
        return entries

    def kept_tree(self, id: str) -> tuple[Entry, ...] | None:
        """The entries of a tree of the live set that is remembered, without a look at where it is."""
        return self._trees.get(self._owner, id)

    def keep_trees(self, trees: Mapping[str, tuple[Entry, ...]]) -> None:
        """Remember the entries of trees that are in the live set now."""
        for id, entries in trees.items():
            self._trees.keep(self._owner, id, entries)

    def commit(self, id: str) -> Commit:
        """What a commit says."""
        return parse_commit(self.read(id, Kind.COMMIT))

    def entry(self, tree: str, path: bytes) -> Entry | None:
        """The entry at a path of a tree, None when nothing is there."""
        return overlay.entry_at(self, tree, path)

    def walk(self, tree: str) -> Iterator[tuple[bytes, Entry]]:
        """Every file, link and gitlink of a tree with its whole path, in the order of git's index."""
        return overlay.walk(self, tree)
