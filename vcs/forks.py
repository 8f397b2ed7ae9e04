"""Forks and deletion: a project that begins where another stands, and one that ends.

A fork copies nothing. It gets a checkpoint that names its parent's files, and its chain goes
on from the parent's last record. Between reading the parent and writing the child's HEAD
some of those files may have been condemned, so the parent is read again: from the moment
that the child's HEAD is there and its files are still the parent's, the pool's collector
sees them used. Until then the child does not count as made.

A deleted project leaves its HEAD behind as a tombstone, so that its name never comes back
and landings on their way lose.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from time import sleep
from typing import Any

from vcs import faults
from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.git.translate import git_sha1
from vcs.landing import ProjectNotOpen
from vcs.live import HeadNeverRests, fold, live_segments, own_prefix, read_live
from vcs.log import (
    Condemned,
    Head,
    HeadState,
    Record,
    RecordKind,
    SegmentRef,
    head_key,
    segment_key,
)
from vcs.objects import Kind, Object
from vcs.repository import ProjectExists, Repository, summary_object
from vcs.segments import NO_SHA1, frames_of, read_footer, read_object, write_segment
from vcs.store import ABSENT, Missing, Store, from_origin
from vcs.swap import Pause, swap_patiently

__all__ = ["ParentGone", "delete_project", "fork_project"]

_ROUNDS = 64


class ParentGone(MicelioError):
    """The project was deleted while it was being forked."""

    kind = ErrorKind.CONFLICT
    code = "fork.parent_gone"
    message = "The project {project} is gone, so it cannot be forked."


def fork_project(
    parent: Repository,
    child: str,
    *,
    actor: str | None,
    summary: Mapping[str, Any],
    at: datetime,
    pause: Pause = sleep,
) -> Head:
    """Make the project `child` out of the parent as it stands, in the parent's pool, and return its HEAD.

    Asked again after a crash it takes up a child that has nothing but its fork record. Raises
    ProjectExists when there is more, ParentGone and ProjectNotOpen when the parent is deleted or
    being purged; the child, if it was begun, is a tombstone then and its id is used up.
    """
    forking = _Fork(parent, child, summary_object(summary), actor, at, pause)
    for _ in range(_ROUNDS):
        made = forking.make()
        if made is not None and forking.still_stands(made):
            return made
    raise HeadNeverRests(project=parent.project)


class _Fork:
    def __init__(
        self, parent: Repository, child: str, told: Object, actor: str | None, at: datetime, pause: Pause
    ) -> None:
        self.parent = parent
        self.store = parent.store
        self.child = child
        self.told = told
        self.actor = actor
        self.at = at
        self.pause = pause
        self.inherited: tuple[SegmentRef, ...] = ()

    def make(self) -> Head | None:
        """The child's HEAD as it was swapped in; None when somebody else was faster, or the parent was."""
        try:
            head, version = self.parent.current()
            self.inherited = live_segments(self.store, head)
        except Missing as error:
            if error.details["key"] == head_key(self.parent.pool, self.parent.project):
                raise ParentGone(project=self.parent.project) from error
            return None
        if head.state is not HeadState.OPEN:
            if head.state is HeadState.DELETED:
                # A first HEAD that is still on its way must not arrive and keep its parent's files.
                self._drop(head)
            self._refuse(head)
        expected, replaced = self._begun()
        following, files = self._first_head(head, replaced)
        if self.parent.index.version() != version:
            # Another thread brought the index on: what was read from it is of a later state.
            return None
        swapped = swap_patiently(self.store, following, following.encode(), expected, files, self.pause)
        faults.reach("fork.made")
        return following if swapped is not None else None

    def _begun(self) -> tuple[str | None, tuple[Condemned, ...]]:
        """The version of a child that was begun before, and what its HEAD condemns."""
        try:
            head, version, segments = read_live(self.store, self.parent.pool, self.child)
            record = _first_record(self.store, head, segments)
        except Missing:
            return ABSENT, ()
        before = self.parent.index.record_at(record.sequence - 1) if record is not None else None
        if record is None or before is None or before.id != record.previous:
            raise ProjectExists(project=self.child)
        return version, head.condemned

    def _first_head(self, head: Head, condemned: tuple[Condemned, ...]) -> tuple[Head, dict[str, bytes]]:
        last = self.parent.index.record_at(head.sequence)
        record = Record(
            kind=RecordKind.FORK,
            project=self.child,
            sequence=head.sequence + 1,
            previous=head.record,
            at=max(self.at, last.at) if last else self.at,
            actor=self.actor,
            summary=self.told.id,
        ).to_object()
        as_parent, files, lists = fold(self.parent, head.renewed(project=self.child), self.inherited)
        told = (self.told, git_sha1(self.told.kind, self.told.content, _no_ids), 0)
        body = write_segment([told, *((each, NO_SHA1, 0) for each in lists), (record, NO_SHA1, 0)])
        key = segment_key(head.pool, self.child)
        first = as_parent.renewed(
            sequence=head.sequence + 1,
            record=record.id,
            tail=(SegmentRef.of(key, body),),
            condemned=condemned,
        )
        return first, {**files, key: body}

    def still_stands(self, made: Head) -> bool:
        """The second reading: whether all that the child inherited is still the parent's.

        A parent that only landed meanwhile has lost nothing, and the child is then its parent as
        it was a moment ago. Anything less and the child has to be written anew.
        """
        try:
            head, _, live = read_live(self.store, self.parent.pool, self.parent.project)
        except Missing as error:
            delete_project(self.store, self.parent.pool, self.child, pause=self.pause)
            raise ParentGone(project=self.parent.project) from error
        if head.state is not HeadState.OPEN:
            self._drop(head)
            self._refuse(head)
        return {ref.key for ref in live}.issuperset(ref.key for ref in self.inherited)

    def _refuse(self, head: Head) -> None:
        if head.state is HeadState.DELETED:
            raise ParentGone(project=self.parent.project)
        raise ProjectNotOpen(state=head.state.value)

    def _drop(self, head: Head) -> None:
        """Leave a tombstone where the child is, or would be."""
        pool = self.parent.pool
        bare = head.renewed(
            project=self.child, state=HeadState.DELETED, tail=(), checkpoint=None, condemned=()
        )
        try:
            delete_project(self.store, pool, self.child, pause=self.pause)
        except Missing:
            if swap_patiently(self.store, bare, bare.encode(), ABSENT, {}, self.pause) is None:
                delete_project(self.store, pool, self.child, pause=self.pause)


def delete_project(store: Store, pool: str, project: str, *, pause: Pause = sleep) -> Head:
    """Leave nothing of a project but a tombstone, and return that; its files are the collector's.

    Fine when it is one already; Missing when there never was such a project.
    """
    for _ in range(_ROUNDS):
        body, version = store.read_head(pool, project)
        head = Head.decode(body, head_key(pool, project))
        if head.state is HeadState.DELETED:
            return head
        tombstone = head.renewed(state=HeadState.DELETED, tail=(), checkpoint=None)
        if swap_patiently(store, tombstone, tombstone.encode(), version, {}, pause) is not None:
            return tombstone
    raise HeadNeverRests(project=project)


def _first_record(store: Store, head: Head, segments: Iterable[SegmentRef]) -> Record | None:
    """The fork's first record when nothing followed it but purges of what it inherited."""
    if head.state is not HeadState.OPEN:
        return None
    prefix = own_prefix(head.pool, head.project)
    own = [ref for ref in segments if ref.key.startswith(prefix)]
    id: str | None = head.record
    while id is not None:
        record = _record_in(store, own, id)
        if record is None or record.project != head.project:
            return None
        if record.kind is RecordKind.FORK:
            return record
        if record.kind is not RecordKind.PURGE:
            return None
        id = record.previous
    return None


def _record_in(store: Store, segments: Iterable[SegmentRef], id: str) -> Record | None:
    for ref in segments:
        read = partial(from_origin(store), ref.key)
        footer = read_footer(read, ref.size, ref.key)
        entry = footer.find(id)
        if entry is not None and entry.kind is Kind.RECORD:
            return Record.decode(read_object(frames_of(read, footer, ref.key), entry), id)
    return None


def _no_ids(id: str) -> bytes:
    raise ValueError(f"a blob names no object, but was asked for {id}")
