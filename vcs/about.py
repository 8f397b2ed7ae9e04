"""About: what a project is called and who may see it, told to its log.

The settings live elsewhere; the log keeps a copy in an erasable summary, so that a store alone
is enough to bring a project back. Such a record moves no ref and no position.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from time import sleep
from typing import Any

from vcs.deciding import folded
from vcs.errors import MicelioError
from vcs.git.translate import git_sha1
from vcs.landing import ProjectNotOpen
from vcs.live import HeadNeverRests
from vcs.log import Head, HeadState, Record, RecordKind, SegmentRef, segment_key
from vcs.repository import Repository, summary_object
from vcs.segments import NO_SHA1, write_segment
from vcs.store import Missing
from vcs.swap import Pause, swap_patiently

__all__ = ["append_about", "last_about"]

_ROUNDS = 64
_TOLD = (RecordKind.CREATE, RecordKind.ABOUT, RecordKind.FORK)


def append_about(
    repository: Repository,
    *,
    summary: Mapping[str, Any],
    actor: str | None,
    at: datetime,
    pause: Pause = sleep,
) -> Head:
    """Append a record of kind `about`, with landings going on, and return the HEAD that has it.

    Raises ProjectNotOpen while a purge is under way, and for a deleted project.
    """
    told = summary_object(summary)
    ours: tuple[int, str] | None = None
    for _ in range(_ROUNDS):
        head, version = repository.current()
        if ours is not None and _stands(repository, *ours):
            return head
        if head.state is not HeadState.OPEN:
            raise ProjectNotOpen(state=head.state.value)
        try:
            room, files, lists = folded(repository, head, 1)
        except Missing:
            # A compaction replaced the checkpoint, and it was collected meanwhile.
            continue
        last = repository.index.record_at(head.sequence)
        record = Record(
            kind=RecordKind.ABOUT,
            project=head.project,
            sequence=head.sequence + 1,
            previous=head.record,
            at=max(at, last.at) if last else at,
            actor=actor,
            summary=told.id,
        ).to_object()
        first = (told, git_sha1(told.kind, told.content, _no_ids), 0)
        body = write_segment([first, *((each, NO_SHA1, 0) for each in (*lists, record))])
        key = segment_key(head.pool, head.project)
        following = room.renewed(
            sequence=head.sequence + 1, record=record.id, tail=(*room.tail, SegmentRef.of(key, body))
        )
        encoded, files = following.encode(), {**files, key: body}
        swapped = swap_patiently(repository.store, following, encoded, version, files, pause)
        if swapped is not None:
            # If the index cannot follow just now, the next reader makes it.
            with suppress(MicelioError):
                repository.adopt(encoded, swapped, after=version, files=files)
            return following
        ours = (head.sequence + 1, record.id)
    raise HeadNeverRests(project=repository.project)


def last_about(repository: Repository) -> tuple[Record, Record] | None:
    """The project's own first record and the last that tells about it; None when it has neither.

    Looks at every record, so it is for bringing a project back and not for every day.
    """
    own = [
        record
        for _, _, record in repository.records()
        if record.project == repository.project and record.kind in _TOLD
    ]
    return (own[0], own[-1]) if own else None


def _stands(repository: Repository, sequence: int, id: str) -> bool:
    """Whether our swap happened although nobody said so."""
    row = repository.index.record_at(sequence)
    return row is not None and row.id == id


def _no_ids(id: str) -> bytes:
    raise ValueError(f"a blob names no object, but was asked for {id}")
