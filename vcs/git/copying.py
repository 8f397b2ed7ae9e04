"""Copying: objects of the log into packs of a git repository, translated on the way.

Segments are read front to back, each frame once, whatever they weigh: what is held is a frame, one
object, and the SHA-1s that were looked up lately. A pack takes the objects of many small segments
and ends when it has enough of them, so memory is bounded however long the history is.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

from vcs.git.packs import PackFolder, PackWriter
from vcs.git.translate import ids_in, raw_parts, to_git
from vcs.index import Located
from vcs.log import SegmentRef
from vcs.objects import EMPTY_TREE, Kind
from vcs.reading import EMPTY_TREE_SHA1, FrameCache, content_at
from vcs.repository import Repository
from vcs.segments import BIG_BLOB, NO_SHA1, Frame, IndexEntry, entry_of, read_footer, spanned

__all__ = ["copy_segments"]

_PACK_OBJECTS = 200_000
_PACK_BYTES = 1 << 30
_REMEMBERED = 100_000
_FRAMES = 24 << 20


def copy_segments(repository: Repository, segments: Sequence[SegmentRef], folder: PackFolder) -> int:
    """Write what these segments hold for git, and `folder` does not yet, into packs there.

    Returns how many objects. Missing when a segment is not in the store any more.
    """
    copied = 0
    for group in _groups(repository, segments, folder):
        with PackWriter(folder.folder, sum(len(entries) for _, _, entries in group)) as writer:
            sha1s = _Sha1s(repository)
            for key, frames, entries in group:
                sha1s.remember(entries)
                _copy(repository, key, frames, entries, sha1s, writer)
            if len(writer):
                writer.finish()
            copied += len(writer)
    return copied


_Listed = tuple[str, tuple[Frame, ...], list[IndexEntry]]


def _groups(
    repository: Repository, segments: Iterable[SegmentRef], folder: PackFolder
) -> Iterator[list[_Listed]]:
    """Segments with those of their objects that are git's and not there yet, as many as fit one pack."""
    group: list[_Listed] = []
    objects = size = 0
    for ref in segments:
        footer = read_footer(partial(repository.read_file, ref.key), ref.size, ref.key)
        # Looked at as they are stored: after an import nearly all of a million are there.
        rows = (row for row in footer.entries.rows() if row[1] != NO_SHA1 and row[1] not in folder)
        entries = [entry_of(row) for row in rows]
        if group and (objects + len(entries) > _PACK_OBJECTS or size + ref.size > _PACK_BYTES):
            yield group
            group, objects, size = [], 0, 0
        if entries:
            group.append((ref.key, footer.frames, entries))
            objects, size = objects + len(entries), size + ref.size
    if group:
        yield group


def _copy(
    repository: Repository,
    key: str,
    frames: tuple[Frame, ...],
    entries: list[IndexEntry],
    sha1s: "_Sha1s",
    writer: PackWriter,
) -> None:
    cache = FrameCache(_FRAMES)
    for entry in sorted(entries, key=lambda entry: (entry.frame, entry.offset)):
        if entry.sha1 in writer:
            continue
        if entry.kind is Kind.BLOB and entry.length >= BIG_BLOB:
            writer.add_chunks(Kind.BLOB, entry.length, repository.chunks(entry.id), entry.sha1)
            continue
        located = Located(key, entry, spanned(islice(frames, entry.frame, None), entry))
        content = content_at(repository.store, cache, located)
        sha1s.look_up(ids_in(entry.kind, content))
        plain = to_git(entry.kind, content, sha1s.of)
        kind = raw_parts(content)[0] if entry.kind is Kind.RAW else entry.kind
        writer.add(kind, plain, entry.sha1)


class _Sha1s:
    """SHA-1s by id: those seen lately, asked of the index many at a time."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def remember(self, entries: Iterable[IndexEntry]) -> None:
        """What a segment says itself need not be asked."""
        self._known.update((entry.id, entry.sha1) for entry in entries)

    def look_up(self, ids: Sequence[str]) -> None:
        """Ask for all that is not known; what is asked for now outlives what was asked for earlier."""
        for id in ids:
            if id in self._known:
                self._known.move_to_end(id)
        missing = [id for id in ids if id not in self._known and id != EMPTY_TREE]
        self._known.update(self._repository.index.sha1s_of(missing) if missing else {})
        while len(self._known) > _REMEMBERED + len(ids):
            self._known.popitem(last=False)

    def of(self, id: str) -> bytes:
        """The SHA-1 of an object that another one names."""
        if id == EMPTY_TREE:
            return EMPTY_TREE_SHA1
        found = self._known.get(id)
        return found if found is not None else self._repository.sha1_of(id)
