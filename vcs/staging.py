"""Staging: new objects go to the store ahead of their landing.

A staged segment belongs to nobody's log. Whoever knows its key sees its objects beside the
live ones; nobody else does, and they never count as present. A landing takes the whole
file over, or copies out of it what it needs.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from vcs.errors import InvalidInput, MicelioError
from vcs.git.translate import git_sha1
from vcs.index import Located
from vcs.log import SegmentRef
from vcs.objects import EMPTY_TREE, Entry, Kind, Object
from vcs.reading import EMPTY_TREE_SHA1, Reader
from vcs.segments import NO_SHA1, Footer, read_footer
from vcs.store import Missing, Store, from_origin

__all__ = ["StagedFile", "StagedFiles", "StagedReader", "with_sha1s"]

_REMEMBERED = 512
_REMEMBERED_BYTES = 8 << 20
"""What footers may take in memory: eight blobs of 5 GB, or the last 100,000 objects of an import."""
_FRAME_BYTES = 200
_PIECE = 8 << 20
_WITHOUT_SHA1 = (Kind.RECORD, Kind.LIST)

StagedFile = tuple[SegmentRef, Footer]


class StagedFiles:
    """What is in staged segments of one project, remembered for the last few hundred."""

    def __init__(self, store: Store, pool: str, project: str) -> None:
        # A copy proves neither that a file exists nor what HEAD will say of it.
        self._read = from_origin(store)
        self._prefix = f"pools/{pool}/files/{project}/"
        self._known: OrderedDict[str, StagedFile] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> StagedFile:
        """How HEAD would name this file, and its index; Missing when it is gone, InvalidInput when
        it is no staged segment of this project.
        """
        with self._lock:
            known = self._known.get(key)
        return known or self.keep(self._measured(key))

    def keep(self, ref: SegmentRef, footer: Footer | None = None) -> StagedFile:
        """Remember a file that was just written."""
        footer = footer or read_footer(partial(self._read, ref.key), ref.size, ref.key)
        with self._lock:
            if ref.key not in self._known:
                self._size += _weight(footer)
            self._known[ref.key] = (ref, footer)
            # The last one stays, however long it is: to forget it is to read the file once more.
            while len(self._known) > 1 and (len(self._known) > _REMEMBERED or self._size > _REMEMBERED_BYTES):
                self._size -= _weight(self._known.popitem(last=False)[1][1])
        return ref, footer

    def forget(self, keys: Iterable[str]) -> None:
        """Let go of what is known of files that have landed; asked for again they are read again."""
        with self._lock:
            for key in keys:
                known = self._known.pop(key, None)
                self._size -= _weight(known[1]) if known else 0

    def _measured(self, key: str) -> SegmentRef:
        if not key.startswith(self._prefix) or not key.endswith(".seg"):
            raise InvalidInput(problem=f"{key} is no staged file of this project.")
        hasher = hashlib.sha256()
        size = 0
        while piece := self._read(key, size, _PIECE):
            hasher.update(piece)
            size += len(piece)
        return SegmentRef(key, size, hasher.hexdigest())

    def exists(self, ref: SegmentRef) -> bool:
        """Whether the store still has the file, asked now."""
        try:
            return len(self._read(ref.key, max(0, ref.size - 1), 1)) == 1
        except Missing:
            return False


def _weight(footer: Footer) -> int:
    return footer.entries.stored + _FRAME_BYTES * len(footer.frames)


class StagedReader(Reader):
    """The live objects of a project, and those of some staged segments."""

    def __init__(self, live: Reader, files: Sequence[StagedFile]) -> None:
        super().__init__(live.store, live.frames)
        self._live = live
        self.files = files

    def locate(self, id: str) -> Located | None:
        """Where an object is, live ones first."""
        return self._live.locate(id) or self.locate_staged(id)

    def locate_staged(self, id: str) -> Located | None:
        """Where an object is among the staged ones."""
        for ref, footer in self.files:
            entry = footer.find(id)
            if entry is not None:
                return Located(ref.key, entry, footer.frames[entry.frame :])
        return None

    def tree(self, id: str) -> tuple[Entry, ...]:
        """The entries of a tree; a live one's from where everybody's are remembered."""
        known = self._live.kept_tree(id)
        if known is not None:
            return known
        return self._live.tree(id) if self._live.has(id) else super().tree(id)

    def refresh(self) -> None:
        """Catch up."""
        self._live.refresh()

    def heal(self, id: str) -> bool:
        """What the live reader can mend."""
        return self._live.heal(id)

    def missing(self, id: str) -> MicelioError:
        """The live reader's error."""
        return self._live.missing(id)


def with_sha1s(objects: Sequence[Object], sha1_of: Callable[[str], bytes]) -> Iterator[tuple[Object, bytes]]:
    """Each object with git's SHA-1 of it (NO_SHA1 for records and lists), those it names first.

    `sha1_of` is asked for what is not among the objects.
    """
    own = {object.id: object for object in objects}
    known: dict[str, bytes] = {EMPTY_TREE: EMPTY_TREE_SHA1}

    def look_up(id: str) -> bytes:
        if id not in known:
            if id in own:
                raise _NotYet(id)
            known[id] = sha1_of(id)
        return known[id]

    for first in own.values():
        pending = [first]
        while pending:
            object = pending[-1]
            try:
                sha1 = NO_SHA1
                if object.kind not in _WITHOUT_SHA1:
                    sha1 = known.get(object.id) or git_sha1(object.kind, object.content, look_up)
            except _NotYet as needed:
                pending.append(own[needed.id])
                continue
            pending.pop()
            if object.id not in known or object.id == EMPTY_TREE:
                known[object.id] = sha1
                yield object, sha1


class _NotYet(Exception):
    def __init__(self, id: str) -> None:
        self.id = id
