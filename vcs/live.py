"""The live set: which files a HEAD stands on, and which ones the HEADs of a pool use.

A project's live files are its checkpoint's segments and its tail. In a pool a file belongs
to the project that wrote it and lives as long as any HEAD uses it, a fork's as well.
"""

from collections.abc import Iterator, Sequence

from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.lists import encode_refs_list
from vcs.log import Checkpoint, Head, SegmentRef, checkpoint_key, head_key, segment_key
from vcs.objects import Kind, Object
from vcs.repository import Repository
from vcs.segments import NO_SHA1, write_segment
from vcs.store import Missing, Store, from_origin

__all__ = [
    "HeadNeverRests",
    "fold",
    "live_segments",
    "own_prefix",
    "read_live",
    "read_pool",
    "used_in_pool",
    "with_lists",
]

_READS = 8


class HeadNeverRests(MicelioError):
    """HEAD moved on each time something was to be swapped in."""

    kind = ErrorKind.UNAVAILABLE
    code = "store.busy"
    message = "Project {project} changes faster than this could be written. Nothing was changed; try again."


def own_prefix(pool: str, project: str) -> str:
    """What the names of all files begin with that a project wrote."""
    return f"pools/{pool}/files/{project}/"


def live_segments(store: Store, head: Head) -> tuple[SegmentRef, ...]:
    """The segments a HEAD stands on, oldest first; Missing when its checkpoint was replaced and is gone."""
    if head.checkpoint is None:
        return head.tail
    return (*Checkpoint.decode(from_origin(store)(head.checkpoint.key), head.checkpoint).segments, *head.tail)


def read_live(store: Store, pool: str, project: str) -> tuple[Head, str, tuple[SegmentRef, ...]]:
    """HEAD as it is now, its version and its live segments; Missing when there is no such project."""
    for left in reversed(range(_READS)):
        body, version = store.read_head(pool, project)
        head = Head.decode(body, head_key(pool, project))
        try:
            return head, version, live_segments(store, head)
        except Missing:
            if not left:
                raise
    raise AssertionError("unreachable")


def read_pool(store: Store, pool: str) -> Iterator[tuple[Head, tuple[SegmentRef, ...]]]:
    """Every HEAD of a pool with its live segments, tombstones too.

    Listing and reading is no snapshot. A fork takes files over from a HEAD that it reads again
    afterwards, so whoever wants to know what is used has to read a fork after its parent, and what
    appeared meanwhile as well. Ids grow with time: sorted by name, parents come first.
    """
    prefix = f"pools/{pool}/heads/"
    seen: set[str] = set()
    while True:
        found = [listed.key.removeprefix(prefix) for listed in store.list(prefix)]
        new = sorted(set(found) - seen)
        if not new:
            return
        seen.update(new)
        for project in new:
            head, _, segments = read_live(store, pool, project)
            yield head, segments


def used_in_pool(store: Store, pool: str) -> set[str]:
    """The names of all files that any HEAD of the pool uses, checkpoints among them."""
    used: set[str] = set()
    for head, segments in read_pool(store, pool):
        used.update(ref.key for ref in segments)
        if head.checkpoint is not None:
            used.add(head.checkpoint.key)
    return used


def fold(
    repository: Repository, head: Head, segments: Sequence[SegmentRef]
) -> tuple[Head, dict[str, bytes], list[Object]]:
    """HEAD with these segments folded into a new checkpoint and an empty tail, the checkpoint's file,
    and its refs list unless that is live already: it has to travel in a segment of the same swap.
    """
    refs = Object.of(Kind.LIST, encode_refs_list(repository.index.refs()))
    body = Checkpoint(
        project=head.project,
        sequence=head.sequence,
        record=head.record,
        refs=refs.id,
        segments=tuple(segments),
    ).encode()
    key = checkpoint_key(head.pool, head.project)
    folded = head.renewed(checkpoint=SegmentRef.of(key, body), tail=())
    return folded, {key: body}, [] if repository.index.kind_of(refs.id) else [refs]


def with_lists(head: Head, lists: Sequence[Object]) -> tuple[Head, dict[str, bytes]]:
    """HEAD with these lists in a segment of their own at the end of its tail, and that file."""
    if not lists:
        return head, {}
    body = write_segment([(each, NO_SHA1, 0) for each in lists])
    key = segment_key(head.pool, head.project)
    return head.renewed(tail=(*head.tail, SegmentRef.of(key, body))), {key: body}
