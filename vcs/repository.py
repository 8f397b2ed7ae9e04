"""A repository: one project's log, read through this node's index.

Readers take what the index knows and read HEAD only on a miss, so they are as new as the
last catch-up; whoever needs a newer state calls `catch_up` first. Nothing in here moves
HEAD, except `create` and `fence`. Several threads share one repository.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from vcs.errors import CorruptObject, MalformedObject, MicelioError
from vcs.errors import Kind as ErrorKind
from vcs.git.translate import git_sha1
from vcs.index import Index, IndexDamaged, Located, Source
from vcs.log import Checkpoint, Head, Measured, Record, RecordKind, SegmentRef, head_key, segment_key
from vcs.objects import EMPTY_TREE, Kind, Object, canonical_json, format_time, parse_tag
from vcs.reading import EMPTY_TREE_SHA1, ErasedObject, FrameCache, Reader, TreeCache, content_at
from vcs.segments import (
    BIG_BLOB,
    NO_SHA1,
    read_footer,
    segment_chunks,
    spanned,
    write_blob_segment,
    write_segment,
)
from vcs.staging import StagedFiles, StagedReader, with_sha1s
from vcs.store import ABSENT, Get, Missing, Store, from_origin
from vcs.swap import fence_head, swap_patiently

__all__ = [
    "AmbiguousRef",
    "Change",
    "ProjectExists",
    "Repository",
    "Resolved",
    "UnknownRef",
    "fence",
    "summary_object",
]

_STAGED_SEGMENT = 8 << 20
_HEALED_SECONDS = 60.0
_HEALING_SECONDS = 20.0
"""How long who reads works at an index; the rest is left to a job."""


class UnknownRef(MicelioError):
    """Nothing has this name."""

    kind = ErrorKind.NOT_FOUND
    code = "ref.unknown"
    message = "There is no position, branch, tag or commit called {ref}."


class AmbiguousRef(MicelioError):
    """Several commits begin like this."""

    kind = ErrorKind.INVALID
    code = "ref.ambiguous"
    message = "More than one commit begins with {ref}; give more of its digits."


class ProjectExists(MicelioError):
    """The pool has a project of this id already."""

    kind = ErrorKind.CONFLICT
    code = "project.exists"
    message = "The store already has a project {project}."


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a ref stands for. Position 0 has the empty tree and no commit; `position` is None for
    commits that are not on the trunk.
    """

    commit: str | None
    tree: str
    position: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """Where a path last changed on the trunk."""

    position: int
    commit: str
    landing: str | None
    session: str | None


class Repository(Reader):
    """One project on this node. Opening it reads nothing; `catch_up` and misses read HEAD."""

    def __init__(
        self,
        store: Store,
        pool: str,
        project: str,
        index_path: Path,
        *,
        frames: FrameCache | None = None,
        trees: TreeCache | None = None,
    ) -> None:
        super().__init__(store, frames or FrameCache(), trees, project)
        self.pool = pool
        self.project = project
        self.index = Index(index_path, head_key(pool, project))
        self.staged = StagedFiles(store, pool, project)
        self._healing = threading.Lock()
        self._healed_until = 0.0

    @classmethod
    def create(
        cls,
        store: Store,
        project: str,
        index_path: Path,
        *,
        actor: str | None,
        summary: Mapping[str, Any],
        at: datetime,
        trunk: str = "refs/heads/main",
    ) -> Self:
        """Write record 0 of a new project, which founds a pool of its own. Asked again after a crash
        for a project that has nothing but its record 0, it takes that one; else ProjectExists.
        """
        told = summary_object(summary)
        record = Record(
            kind=RecordKind.CREATE,
            project=project,
            sequence=0,
            previous=None,
            at=at,
            actor=actor,
            summary=told.id,
        ).to_object()
        body = write_segment([(told, git_sha1(told.kind, told.content, _no_ids), 0), (record, NO_SHA1, 0)])
        key = segment_key(project, project)
        tail = (SegmentRef.of(key, body),)
        head = Head(project=project, pool=project, sequence=0, record=record.id, trunk=trunk, tail=tail)
        swapped = swap_patiently(store, head, head.encode(), ABSENT, {key: body})
        repository = cls(store, project, project, index_path)
        if swapped is None and repository.catch_up().sequence > 0:
            raise ProjectExists(project=project)
        return repository

    def close(self) -> None:
        """Close the index; the store is its owner's affair."""
        self.index.close()

    def read_head(self) -> tuple[bytes, str]:
        """HEAD's bytes and version, from the store."""
        return self.store.read_head(self.pool, self.project)

    def head(self) -> Head:
        """HEAD as the store has it now; the index is left as it is."""
        return Head.decode(self.read_head()[0], head_key(self.pool, self.project))

    def catch_up(self, *, most: float | None = None) -> Head:
        """Read HEAD, bring the index to it, and return it; IndexFilling when that has not been possible
        within `most` seconds, or while another process of this node is at it.
        """
        return self.current(most=most)[0]

    def current(self, *, most: float | None = None) -> tuple[Head, str]:
        """As `catch_up`, with HEAD's version."""
        return self._patiently(partial(self.index.catch_up, most=most))

    def _patiently(self, bring: Callable[[Source], tuple[Head, str]]) -> tuple[Head, str]:
        for last in (False, False, True):
            try:
                return bring(self)
            except Missing as error:
                # A file that compaction replaced between reading HEAD and reading it.
                if last or error.details["key"] == head_key(self.pool, self.project):
                    raise
        raise AssertionError("unreachable")

    def rebuild_index(self, *, most: float | None = None) -> Head:
        """Fill the index again from the log, or go on with that where it was left, and return the HEAD it
        stands for then; IndexFilling as for `catch_up`.
        """
        try:
            return self._patiently(partial(self.index.rebuild, most=most))[0]
        except IndexDamaged:
            # The old file; it is empty by now.
            return self._patiently(partial(self.index.rebuild, most=most))[0]

    def heal(self, id: str) -> bool:
        """Fill the index again when it is at fault for an object that could not be read."""
        located = self.index.locate(id)
        return (located is None or self._is_misplaced(located)) and self.make_index_anew()

    def make_index_anew(self) -> bool:
        """Fill the index again because something contradicts the log; False when that was tried just now."""
        now = time.monotonic()
        with self._healing:
            if now < self._healed_until:
                return False
            self._healed_until = now + _HEALED_SECONDS
        self.rebuild_index(most=_HEALING_SECONDS)
        return True

    def _is_misplaced(self, located: Located) -> bool:
        """Whether the index says another place than the file it names does, or names one that is not live."""
        try:
            ref = next((ref for ref in self.live() if ref.key == located.key), None)
            if ref is None:
                return True
            footer = read_footer(partial(self.read_file, ref.key), ref.size, ref.key)
        except (CorruptObject, MalformedObject, Missing):
            # It is the store that is damaged.
            return False
        entry = footer.find(located.entry.id)
        if entry is None:
            return True
        frames = spanned(footer.frames[entry.frame :], entry)
        return Located(ref.key, entry._replace(hint=0), frames) != located

    def live(self) -> list[SegmentRef]:
        """The live segments by HEAD as it is now, oldest first; Missing and CorruptObject."""
        head = self.head()
        if head.checkpoint is None:
            return list(head.tail)
        ref = head.checkpoint
        return [*Checkpoint.decode(self.read_file(ref.key, 0, None), ref).segments, *head.tail]

    def remembered(self, *, most: float | None = None) -> tuple[Head, str]:
        """The HEAD the index stands for, which may be behind; an empty index catches up."""
        return self.index.head() or self.current(most=most)

    def adopt(self, body: bytes, version: str, *, after: str, files: Mapping[str, bytes]) -> None:
        """Bring the index to a HEAD just swapped in after version `after`, with the files written."""
        self.index.adopt(body, version, after=after, source=_Written(self, files))

    def read_file(self, key: str, start: int, length: int | None) -> bytes:
        """A part of an immutable file, as the origin has it: what the index says is believed later."""
        return from_origin(self.store)(key, start, length)

    def content(self, located: Located) -> bytes:
        """An object from where it is."""
        return content_at(self.store, self.frames, located)

    def forget(self) -> None:
        """Drop what was parsed and decoded: the index begins from nothing, after a purge too."""
        self._trees.clear(self.project)
        self.frames.clear(f"pools/{self.pool}/files/")

    def locate(self, id: str) -> Located | None:
        """Where a live object is."""
        return self.index.locate(id)

    def refresh(self) -> None:
        """Catch up."""
        self.current()

    def missing(self, id: str) -> MicelioError:
        """ErasedObject for what a purge took out, else CorruptObject."""
        erased = self.index.erased(id)
        if erased is None:
            return super().missing(id)
        row = self.index.record_at(erased.sequence)
        record = Record.decode(self.read(row.id, Kind.RECORD), row.id) if row else None
        at, actor = (format_time(record.at), record.actor) if record else ("?", None)
        return ErasedObject(id=id, at=at, actor=actor or "an operator")

    def id_of_sha1(self, sha1: bytes) -> str | None:
        """The id of the live object that git calls this."""
        return EMPTY_TREE if sha1 == EMPTY_TREE_SHA1 else self.index.id_of(sha1)

    def commit_at(self, position: int) -> str | None:
        """The commit of a position; None for 0, UnknownRef for what is not there yet."""
        if position == 0:
            return None
        found = self.index.position(position)
        if found is None:
            raise UnknownRef(ref=f"@{position}")
        return found.commit

    def position_of(self, commit: str) -> int | None:
        """The position that has this commit, None when it is not one of the trunk's."""
        return self.index.position_of(commit)

    def refs(self) -> dict[str, str]:
        """The current refs by full name, the trunk's first when it has a commit."""
        head, _ = self.remembered()
        trunk = {head.trunk: head.main} if head.main else {}
        return trunk | self.index.refs()

    def records(self, after: int = -1) -> Iterator[tuple[int, str, Record]]:
        """The records after a sequence, oldest first: sequence, id and content."""
        while rows := self.index.records(after, 100):
            for row in rows:
                yield row.sequence, row.id, Record.decode(self.read(row.id, Kind.RECORD), row.id)
            after = rows[-1].sequence

    def resolve(self, ref: str) -> Resolved:
        """What `@N`, `@-N`, `HEAD`, a branch, a tag, a full ref name or the first digits of a commit
        (ours or git's) stands for. UnknownRef and AmbiguousRef.
        """
        head, _ = self.remembered()
        if match := _POSITION.match(ref):
            position = head.position - int(match[2]) if match[1] else int(match[2])
            if position < 0 or position > head.position:
                raise UnknownRef(ref=ref)
            return self._resolved(self.commit_at(position), position)
        if ref in ("HEAD", head.trunk, head.trunk.removeprefix("refs/heads/")):
            return self._resolved(head.main, head.position)
        if match := _LANDING_REF.match(ref):
            return self._resolved(self.commit_at(int(match[1])), int(match[1]))
        refs = self.index.refs()
        for name in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}"):
            if name in refs:
                commit = self._peeled(refs[name], ref)
                return self._resolved(commit, self.position_of(commit))
        if not _PREFIX.match(ref):
            raise UnknownRef(ref=ref)
        found = self.index.commits_beginning(ref)
        if len(found) > 1:
            raise AmbiguousRef(ref=ref)
        if not found:
            raise UnknownRef(ref=ref)
        return self._resolved(found[0], self.position_of(found[0]))

    def _resolved(self, commit: str | None, position: int | None) -> Resolved:
        return Resolved(commit, self.commit(commit).tree if commit else EMPTY_TREE, position)

    def _peeled(self, id: str, ref: str) -> str:
        """The commit a ref leads to through annotated tags."""
        kind = self.kind(id)
        while kind is Kind.TAG:
            id = parse_tag(self.read(id, Kind.TAG)).target
            kind = self.kind(id)
        if kind is not Kind.COMMIT:
            raise UnknownRef(ref=ref)
        return id

    def last_change(self, path: bytes, *, at: int | None = None, most: int = 10_000) -> Change | None:
        """The last position up to `at` (default: HEAD's) at which what is at a path changed.

        Looks back position by position, `most` of them; None when none of them changed it.
        """
        position = self.remembered()[0].position if at is None else at
        if position == 0:
            return None
        commit = self.commit_at(position)
        entry = self._entry_in(commit, path)
        for here in range(position, max(0, position - most), -1):
            before = self.commit_at(here - 1)
            earlier = self._entry_in(before, path)
            if earlier != entry and commit is not None:
                found = self.index.position(here)
                row = self.index.record_at(found.sequence) if found else None
                return Change(here, commit, row.landing if row else None, row.session if row else None)
            commit, entry = before, earlier
        return None

    def _entry_in(self, commit: str | None, path: bytes) -> Any:
        return self.entry(self.commit(commit).tree, path) if commit else None

    def stage(
        self, objects: Iterable[Object], *, hints: Mapping[str, int] = {}, staged: Sequence[str] = ()
    ) -> list[str]:
        """Store new objects ahead of their landing, seen by nobody who does not name the keys that come
        back. `hints` are `segments.name_hash` of their paths by id; `staged` are keys of earlier
        stagings whose objects these name.
        """
        reader = self.with_staged(staged)
        keys: list[str] = []
        group: list[tuple[Object, bytes, int]] = []
        size = 0
        for object, sha1 in with_sha1s(list(objects), reader.sha1_of):
            hint = hints.get(object.id, 0)
            if object.kind is Kind.BLOB and len(object.content) >= BIG_BLOB:
                keys.append(self.stage_blob([object.content], len(object.content), hint=hint)[0])
                continue
            if size + len(object.content) > _STAGED_SEGMENT and group:
                keys.append(self._stage_group(group))
                group, size = [], 0
            group.append((object, sha1, hint))
            size += len(object.content)
        if group:
            keys.append(self._stage_group(group))
        return keys

    def _stage_group(self, group: Iterable[tuple[Object, bytes, int]]) -> str:
        return self._stage_file(segment_chunks(group)).key

    def stage_blob(self, chunks: Iterable[bytes], length: int, *, hint: int = 0) -> tuple[str, str]:
        """Store one blob that arrives in pieces, with flat memory; its key and its id.

        MalformedObject when more or fewer than `length` bytes come; then nothing is stored.
        """
        segment = write_blob_segment(chunks, length, hint)
        return self._stage_file(segment).key, segment.entry.id

    def _stage_file(self, chunks: Iterable[bytes]) -> SegmentRef:
        key = segment_key(self.pool, self.project)
        measured = Measured(key, chunks)
        self.store.put(key, measured)
        self.staged.keep(measured.ref)
        return measured.ref

    def with_staged(self, keys: Sequence[str]) -> StagedReader:
        """A reader that also sees the objects of these staged files; Missing when one is gone."""
        return StagedReader(self, [self.staged.get(key) for key in keys])


class _Written:
    """A source for the index that has the files just written at hand."""

    def __init__(self, repository: Repository, files: Mapping[str, bytes]) -> None:
        self._repository = repository
        self._files = files

    def read_head(self) -> tuple[bytes, str]:
        return self._repository.read_head()

    def read_file(self, key: str, start: int, length: int | None) -> bytes:
        return self.get_from_origin(key, start, length)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        return self._part(self._repository.store.get, key, start, length)

    def get_from_origin(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        return self._part(from_origin(self._repository.store), key, start, length)

    def _part(self, read: Get, key: str, start: int, length: int | None) -> bytes:
        if key not in self._files:
            return read(key, start, length)
        return self._files[key][start : None if length is None else start + length]

    def content(self, located: Located) -> bytes:
        return content_at(self, self._repository.frames, located)

    def forget(self) -> None:
        self._repository.forget()


_POSITION = re.compile(r"@(-?)([0-9]{1,15})\Z", re.ASCII)
_LANDING_REF = re.compile(r"refs/landings/([0-9]{1,15})\Z", re.ASCII)
_PREFIX = re.compile(r"[0-9a-f]{4,64}\Z", re.ASCII)


def summary_object(summary: Mapping[str, Any]) -> Object:
    """The blob that a record names as its summary; salted, so that nobody can guess an erased one by
    its id. ValueError for what canonical JSON cannot hold.
    """
    return Object.of(Kind.BLOB, canonical_json({"salt": os.urandom(16).hex(), **summary}))


def _no_ids(id: str) -> bytes:
    raise ValueError(f"a blob names no object, but was asked for {id}")


def fence(repository: Repository) -> Head:
    """Make every swap begun before this die, and return HEAD as it is then, with the index at it.

    The sweeper calls this after it took over a permit: what is not in the log now never will be.
    """
    fence_head(repository.store, repository.pool, repository.project)
    return repository.catch_up()
