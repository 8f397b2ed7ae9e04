"""Compaction: many small segments become one, grouped by path, with landings going on meanwhile.

It merges and never drops: every object of its inputs is in its output. The smallest segments
are merged, and a larger one joins them once they are as much as it is (or a part of it that
the caller says), so an object is written again a few times in its life and no more.
The swap replaces the inputs if all of them are still live, and condemns them in the same
step; a fork that was reading them notices that its parent moved. Whoever is killed here
leaves a file in no live set, which the collector finds.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import sleep

from vcs import faults
from vcs.collection import collect_files
from vcs.errors import CorruptObject, MicelioError
from vcs.index import Located
from vcs.live import HeadNeverRests, fold, live_segments, own_prefix, with_lists
from vcs.log import CONDEMNED_LIMIT, Condemned, Head, HeadState, Measured, SegmentRef, segment_key
from vcs.objects import Object
from vcs.reading import FrameCache, content_at
from vcs.repository import Repository
from vcs.segments import BIG_BLOB, COMPACTED_FRAME, Footer, IndexEntry, read_footer, segment_chunks
from vcs.store import Missing, from_origin
from vcs.swap import Pause, swap_patiently

__all__ = ["LEAST", "Compacted", "compact", "settle"]

LEAST = 16

# What is longer stays as it is.
_LONG = 512 << 20
_MOST = 512
_LONGEST = 1 << 30
_LEVEL = 12
# A project that rests is worth more: what is new in it joins eight times as much, pressed harder as
# long as that takes seconds.
_SETTLED_LEAST = 2
_SETTLED_SHARE = 8
_SETTLED_LEVEL = 19
_SETTLED_HARD = 64 << 20
_FRAMES_IN_MEMORY = 128 << 20
_ROUNDS = 64

_Input = tuple[SegmentRef, Footer]
_Place = tuple[IndexEntry, SegmentRef, Footer]


@dataclass(frozen=True, slots=True)
class Compacted:
    """What one compaction did: how many segments it merged, into which, and their bytes then and now."""

    inputs: int
    output: str
    before: int
    after: int


def settle(repository: Repository) -> Compacted | None:
    """As `compact`, for a time when little happens: few segments are enough, and larger ones join."""
    return compact(repository, least=_SETTLED_LEAST, share=_SETTLED_SHARE, hard=_SETTLED_HARD)


def compact(
    repository: Repository,
    *,
    least: int = LEAST,
    share: int = 1,
    level: int = _LEVEL,
    hard: int = 0,
    pause: Pause = sleep,
) -> Compacted | None:
    """Merge the smallest segments, at least so many; one that is longer than all before it together
    joins up to `share` times their length. None when there are too few, or when another compaction
    was faster. Call it until it gives None. Up to `hard` bytes are pressed as hard as can be.

    Raises CorruptObject for an object that is not what its id says; then nothing was changed.
    """
    head, _ = repository.current()
    if head.state is not HeadState.OPEN:
        return None
    try:
        inputs = _due(repository, live_segments(repository.store, head), least, share)
        if not inputs:
            return None
        size = sum(ref.size for ref, _ in inputs)
        output = _merged(repository, inputs, _SETTLED_LEVEL if size <= hard else level)
    except Missing:
        # An input, or the checkpoint, was replaced meanwhile and collected.
        return None
    faults.reach("compaction.written")
    replaced = [ref for ref, _ in inputs]
    if not _swap_in(repository, replaced, output, pause):
        # Not only to be tidy: if a purge was what came first, the output holds what was erased.
        with suppress(MicelioError):
            collect_files(repository.store, repository.pool, repository.project, [output.key], pause=pause)
        return None
    return Compacted(len(inputs), output.key, sum(ref.size for ref in replaced), output.size)


def _due(repository: Repository, live: Sequence[SegmentRef], least: int, share: int) -> list[_Input]:
    """The own segments to merge, oldest first, each with its footer; none when there are too few."""
    prefix = own_prefix(repository.pool, repository.project)
    left = sorted((ref for ref in live if ref.key.startswith(prefix) and ref.size < _LONG), key=_size)
    footers: dict[str, Footer] = {}
    while True:
        chosen = _smallest(left, least, share)
        for ref in chosen:
            if ref.key not in footers:
                read = partial(from_origin(repository.store), ref.key)
                footers[ref.key] = read_footer(read, ref.size, ref.key)
        big = {ref.key for ref in chosen if _is_one_blob(footers[ref.key])}
        if not big:
            keys = {ref.key for ref in chosen}
            return [(ref, footers[ref.key]) for ref in live if ref.key in keys]
        left = [ref for ref in left if ref.key not in big]


def _smallest(refs: Sequence[SegmentRef], least: int, share: int) -> Sequence[SegmentRef]:
    """As many of these, which are sorted by size, as are worth merging."""
    total = count = 0
    for number, ref in enumerate(refs[:_MOST]):
        if total + ref.size > _LONGEST:
            break
        if ref.size <= share * total:
            count = number + 1
        total += ref.size
    return refs[:count] if count >= least else ()


def _size(ref: SegmentRef) -> int:
    return ref.size


def _is_one_blob(footer: Footer) -> bool:
    return len(footer.entries) == 1 and footer.entries[0].length >= BIG_BLOB


def _merged(repository: Repository, inputs: Sequence[_Input], level: int) -> SegmentRef:
    """Every object of the inputs, each checked against its id, in one new segment."""
    places = _places(inputs)
    key = segment_key(repository.pool, repository.project)
    objects = _objects(repository, places)
    measured = Measured(key, segment_chunks(objects, frame_size=COMPACTED_FRAME, level=level))
    repository.store.put(key, measured)
    ref = measured.ref
    written = read_footer(partial(from_origin(repository.store), key), ref.size, key)
    if {entry.id for entry in written.entries} != {entry.id for entry, _, _ in places}:
        raise CorruptObject(id=key, problem="it does not hold what it was made of")
    return ref


def _places(inputs: Sequence[_Input]) -> list[_Place]:
    """Where each object is read from, in the order to write them: by kind and path, newest first."""
    found: dict[str, tuple[tuple[int, ...], _Place]] = {}
    for age, (ref, footer) in enumerate(reversed(inputs)):
        for entry in footer.entries:
            order = (entry.kind, entry.hint, age, -entry.frame, -entry.offset)
            found.setdefault(entry.id, (order, (entry, ref, footer)))
    return [place for _, place in sorted(found.values(), key=lambda each: each[0])]


def _objects(repository: Repository, places: Iterable[_Place]) -> Iterator[tuple[Object, bytes, int]]:
    frames = FrameCache(_FRAMES_IN_MEMORY)
    for entry, ref, footer in places:
        located = Located(ref.key, entry, footer.frames[entry.frame :])
        content = content_at(repository.store, frames, located)
        yield Object(entry.kind, entry.id, content), entry.sha1, entry.hint


def _swap_in(repository: Repository, inputs: Sequence[SegmentRef], output: SegmentRef, pause: Pause) -> bool:
    """Put the output in the place of its inputs; False when one of these is not live any more."""
    store = repository.store
    written = next((listed.at for listed in store.list(output.key)), None)
    if written is None:
        return False
    for _ in range(_ROUNDS):
        head, version = repository.current()
        try:
            live = live_segments(store, head)
        except Missing:
            continue
        keys = {ref.key for ref in live}
        if output.key in keys:
            return True
        if head.state is not HeadState.OPEN or not keys.issuperset(ref.key for ref in inputs):
            return False
        if not _is_there(repository, head, output):
            return False
        replaced = [Condemned(ref.key, written) for ref in inputs]
        following, files = _following(repository, head, live, inputs, output)
        # Those there is no room for are found by the collector when they are a day old.
        room = CONDEMNED_LIMIT - len(head.condemned)
        following = following.renewed(condemned=(*head.condemned, *replaced[:room]))
        faults.reach("compaction.before_swap")
        if swap_patiently(store, following, following.encode(), version, files, pause) is not None:
            return True
    raise HeadNeverRests(project=repository.project)


def _is_there(repository: Repository, head: Head, output: SegmentRef) -> bool:
    """Whether the output may be made live: one that waited for a day may have been collected."""
    condemned = any(name.key == output.key for name in head.condemned)
    return not condemned and repository.staged.exists(output)


def _following(
    repository: Repository,
    head: Head,
    live: Sequence[SegmentRef],
    inputs: Sequence[SegmentRef],
    output: SegmentRef,
) -> tuple[Head, dict[str, bytes]]:
    """HEAD with a checkpoint of the live set as it is then, the output where its last input was."""
    gone = {ref.key for ref in inputs}
    segments: list[SegmentRef] = []
    for ref in live:
        if ref.key not in gone:
            segments.append(ref)
        elif ref.key == inputs[-1].key:
            segments.append(output)
    folded, files, lists = fold(repository, head, segments)
    folded, listing = with_lists(folded, lists)
    return folded, files | listing
