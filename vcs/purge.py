"""Purge: a secret leaves history, and the chain still verifies.

Each affected project is frozen, so that nothing lands and nothing is forked from it. Its
history is written anew without what is erased, then every segment that held it, without it.
One swap puts all of that in place together with a record that lists what was erased and
which positions have new commits, and opens the project again. Then the old files are
deleted. Killed before the swap, a project stays frozen and nothing else happened; killed
after it, only files are left over. Asking for the same purge again finishes both.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import sleep

from vcs import faults
from vcs.collection import collect_files
from vcs.errors import InvalidInput, MicelioError
from vcs.lists import encode_changes_list, encode_erased_list, encode_moved_list, encode_refs_list
from vcs.live import HeadNeverRests, live_segments, own_prefix, read_live, read_pool, used_in_pool
from vcs.log import (
    CONDEMNED_LIMIT,
    INLINE_REFS,
    Checkpoint,
    Condemned,
    Head,
    HeadState,
    Measured,
    Record,
    RecordKind,
    RefChange,
    SegmentRef,
    checkpoint_key,
    segment_key,
)
from vcs.objects import Kind, Object, format_time
from vcs.repository import Repository
from vcs.rewriting import Rewriting, Written
from vcs.segments import (
    COMPACTED_FRAME,
    FRAME,
    NO_SHA1,
    Footer,
    frames_of,
    read_footer,
    read_object,
    segment_chunks,
    write_segment,
)
from vcs.store import Missing, Store, from_origin
from vcs.swap import Pause, swap_patiently

__all__ = ["PurgeReport", "Purged", "purge"]

_ROUNDS = 64
_GROUP = 8 << 20
_LATECOMERS = 4


@dataclass(frozen=True, slots=True)
class Purged:
    """What happened in one project: the purge's record, the ids it erased, how many positions have
    another commit now, and how many files were written anew.
    """

    project: str
    record: str
    erased: frozenset[str]
    moved: int
    files: int


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """Projects that were purged now, how many old files were deleted, and what still holds the bytes:
    files, and the projects of the pool that use them because this purge did not cover them.
    """

    projects: tuple[Purged, ...]
    deleted: int
    kept: tuple[str, ...]
    unreached: tuple[str, ...]


def purge(
    store: Store,
    pool: str,
    open_repository: Callable[[str], Repository],
    *,
    ids: Iterable[str] = (),
    paths: Iterable[bytes] = (),
    project: str | None = None,
    actor: str | None,
    at: datetime,
    pause: Pause = sleep,
) -> PurgeReport:
    """Erase blobs (files, or summaries of records) by id, and all that ever stood at these paths.

    Covers every project of the pool, or the one that is named. `open_repository` gives the
    repository of a project; it is used by this thread only while its project is frozen. When it
    raises, whatever is not done yet is as it was and open.
    """
    purging = _Purge(store, pool, open_repository, frozenset(ids), tuple(paths), actor, at, pause)
    done: list[Purged] = []
    for _ in range(_LATECOMERS):
        try:
            done += [purged for each in purging.freeze(project) if (purged := purging.rewrite(each))]
        except MicelioError:
            purging.thaw()
            raise
        faults.reach("purge.swapped")
        report = purging.sweep(done)
        # A fork on its way may get its first HEAD after all were listed, and may have another by now.
        if project is not None or not report.kept:
            break
    return report


@dataclass(frozen=True, slots=True)
class _Rewritten:
    """What is ready to be swapped in for one frozen HEAD."""

    record: Object
    fields: Mapping[str, object]
    files: Mapping[str, bytes]
    old: tuple[str, ...]
    purged: Purged


class _Purge:
    def __init__(
        self,
        store: Store,
        pool: str,
        open_repository: Callable[[str], Repository],
        ids: frozenset[str],
        paths: Sequence[bytes],
        actor: str | None,
        at: datetime,
        pause: Pause,
    ) -> None:
        self.store = store
        self.pool = pool
        self.open = open_repository
        self.ids = ids
        self.paths = paths
        self.actor = actor
        self.at = at
        self.pause = pause
        self.erased: set[str] = set(ids)
        self.frozen: list[str] = []
        told = b"The content of this file was erased on %s.\n" % format_time(at)[:10].encode()
        self.notice = Object.of(Kind.BLOB, told)

    def freeze(self, only: str | None) -> list[str]:
        """Freeze what may be affected, parents before their forks, those that appear meanwhile too."""
        self.frozen = []
        for head, _ in read_pool(self.store, self.pool):
            if head.state is HeadState.DELETED or only not in (None, head.project):
                continue
            repository = self.open(head.project)
            try:
                found = repository.catch_up()
            except Missing as error:
                if not self._is_inherited(error.details["key"], head.project):
                    raise
                # A fork that died before its second look names files that a purge deleted. It counts as
                # not made and is written anew when it is taken up; what it holds, `sweep` finds.
                continue
            self._check_kinds(repository)
            held = any(repository.index.kind_of(id) is not None for id in self.ids)
            # A frozen one was left by a purge that was killed, of whatever it was.
            if held or self.paths or found.state is HeadState.FROZEN:
                self._set_state(head.project, HeadState.FROZEN)
                self.frozen.append(head.project)
            self.erased |= repository.index.erased_ids()
        faults.reach("purge.frozen")
        return list(self.frozen)

    def _is_inherited(self, key: str, project: str) -> bool:
        files = f"pools/{self.pool}/files/"
        return key.startswith(files) and not key.startswith(own_prefix(self.pool, project))

    def _check_kinds(self, repository: Repository) -> None:
        for id in self.ids:
            if repository.index.kind_of(id) not in (None, Kind.BLOB):
                raise InvalidInput(problem=f"{id} is no file and no summary; only those can be erased")

    def _set_state(self, project: str, state: HeadState) -> None:
        for _ in range(_ROUNDS):
            head, version, _ = read_live(self.store, self.pool, project)
            if head.state in (state, HeadState.DELETED):
                return
            changed = head.renewed(state=state)
            if self._swap(changed, version, {}) is not None:
                return
        raise HeadNeverRests(project=project)

    def thaw(self) -> None:
        """Open again what is still frozen; a project the store gives no answer for stays frozen."""
        for project in self.frozen:
            with suppress(MicelioError):
                self._set_state(project, HeadState.OPEN)

    def rewrite(self, project: str) -> Purged | None:
        """Purge one frozen project and open it; None when it holds nothing of it (any more)."""
        repository = self.open(project)
        ready: _Ready | None = None
        for _ in range(_ROUNDS):
            head, version = repository.current()
            if head.state is HeadState.DELETED or _is_in_log(repository, ready):
                return ready[1].purged if ready is not None and ready[1] is not None else None
            if head.state is HeadState.OPEN:
                # Another purge was here first, or somebody lost patience with this one.
                self._set_state(project, HeadState.FROZEN)
                continue
            if ready is None or not _same_log(ready[0], head):
                try:
                    ready = head, self._rewritten(repository, head)
                except MicelioError:
                    if repository.head().state is not HeadState.DELETED:
                        raise
                    return None
                faults.reach("purge.written")
            rewritten = ready[1]
            if rewritten is None:
                self._set_state(project, HeadState.OPEN)
                return None
            condemned = [Condemned(key, self.at) for key in rewritten.old]
            room = CONDEMNED_LIMIT - len(head.condemned)
            following = head.renewed(
                **rewritten.fields, condemned=(*head.condemned, *condemned[: max(0, room)])
            )
            if self._swap(following, version, rewritten.files) is not None:
                repository.catch_up()
                return rewritten.purged
        raise HeadNeverRests(project=project)

    def _swap(self, head: Head, version: str, files: Mapping[str, bytes]) -> str | None:
        return swap_patiently(self.store, head, head.encode(), version, files, self.pause)

    def _rewritten(self, repository: Repository, head: Head) -> _Rewritten | None:
        output = _Output(repository)
        rewriting = Rewriting(repository, self.ids, self.paths, self.notice, output.add)
        rewriting.run()
        if not rewriting.erased:
            return None
        self.erased |= rewriting.erased
        live = live_segments(self.store, head)
        segments: list[SegmentRef] = []
        old: list[str] = []
        for ref in live:
            footer = read_footer(partial(from_origin(self.store), ref.key), ref.size, ref.key)
            if not any(entry.id in rewriting.erased for entry in footer.entries):
                segments.append(ref)
                continue
            old.append(ref.key)
            segments += self._without(repository, ref, footer, rewriting.erased)
        segments += output.finish()
        return self._assembled(repository, head, rewriting, segments, old)

    def _without(
        self, repository: Repository, ref: SegmentRef, footer: Footer, erased: frozenset[str]
    ) -> list[SegmentRef]:
        """The segment without these objects under a name of ours, unless nothing is left of it."""
        plain_of = frames_of(partial(from_origin(self.store), ref.key), footer, ref.key)
        kept = [entry for entry in footer.entries if entry.id not in erased]
        kept.sort(key=lambda entry: (entry.frame, entry.offset))
        if not kept:
            return []
        objects = (
            (Object(entry.kind, entry.id, read_object(plain_of, entry)), entry.sha1, entry.hint)
            for entry in kept
        )
        long = any(frame.plain > FRAME for frame in footer.frames)
        key = segment_key(repository.pool, repository.project)
        size = COMPACTED_FRAME if long else FRAME
        measured = Measured(key, segment_chunks(objects, frame_size=size))
        self.store.put(key, measured)
        return [measured.ref]

    def _assembled(
        self,
        repository: Repository,
        head: Head,
        rewriting: Rewriting,
        segments: list[SegmentRef],
        old: Sequence[str],
    ) -> _Rewritten:
        main = rewriting.becomes.get(head.main, head.main) if head.main else None
        refs = {name: (id, rewriting.any(id)) for name, id in repository.index.refs().items()}
        changes = tuple(RefChange(name, *both) for name, both in refs.items() if both[0] != both[1])
        moved = dict(_moved(repository, head, rewriting.becomes))
        lists = [Object.of(Kind.LIST, encode_erased_list(rewriting.erased))]
        lists.append(Object.of(Kind.LIST, encode_refs_list({name: new for name, (_, new) in refs.items()})))
        if moved:
            lists.append(Object.of(Kind.LIST, encode_moved_list(moved)))
        inline: tuple[RefChange, ...] | str = changes
        if len(changes) > INLINE_REFS:
            lists.append(Object.of(Kind.LIST, encode_changes_list(changes)))
            inline = lists[-1].id
        last = repository.index.record_at(head.sequence)
        record = Record(
            kind=RecordKind.PURGE,
            project=head.project,
            sequence=head.sequence + 1,
            previous=head.record,
            at=max(self.at, last.at) if last else self.at,
            actor=self.actor,
            trunk=(head.main, main) if main != head.main else None,
            refs=inline,
            erased=lists[0].id,
            moved=lists[2].id if moved else None,
        ).to_object()
        body = write_segment([(each, NO_SHA1, 0) for each in (*lists, record)])
        key = segment_key(head.pool, head.project)
        folded = Checkpoint(
            project=head.project,
            sequence=head.sequence + 1,
            record=record.id,
            refs=lists[1].id,
            segments=(*segments, SegmentRef.of(key, body)),
        ).encode()
        slot = checkpoint_key(head.pool, head.project)
        fields = {
            "state": HeadState.OPEN,
            "sequence": head.sequence + 1,
            "record": record.id,
            "main": main,
            "checkpoint": SegmentRef.of(slot, folded),
            "tail": (),
        }
        prefix = own_prefix(head.pool, head.project)
        purged = Purged(head.project, record.id, rewriting.erased, len(moved), len(old))
        own = tuple(each for each in old if each.startswith(prefix))
        return _Rewritten(record, fields, {key: body, slot: folded}, own, purged)

    def sweep(self, done: Sequence[Purged]) -> PurgeReport:
        """Delete every file of the pool that holds what is erased and is used by no HEAD."""
        held = dict(self._holding(self.ids.union(*(purged.erased for purged in done))))
        used = used_in_pool(self.store, self.pool)
        heads = {head.project for head, _ in read_pool(self.store, self.pool)}
        for owner in sorted(heads):
            prefix = own_prefix(self.pool, owner)
            keys = [key for key in held if key.startswith(prefix) and key not in used]
            if keys:
                collect_files(self.store, self.pool, owner, keys, pause=self.pause)
        left = {listed.key for listed in self.store.list(f"pools/{self.pool}/files/")}
        deleted = len(held.keys() - left)
        kept = tuple(sorted(key for key in held.keys() & left if held[key]))
        unreached = tuple(
            head.project
            for head, segments in read_pool(self.store, self.pool)
            if any(ref.key in kept for ref in segments)
        )
        return PurgeReport(tuple(done), deleted, kept, unreached)

    def _holding(self, now: frozenset[str]) -> Iterator[tuple[str, bool]]:
        """The files that hold something that was ever erased, and whether this purge is about it."""
        for listed in list(self.store.list(f"pools/{self.pool}/files/")):
            if not listed.key.endswith(".seg"):
                continue
            with suppress(MicelioError):
                footer = read_footer(partial(from_origin(self.store), listed.key), listed.size, listed.key)
                found = {entry.id for entry in footer.entries} & self.erased
                if found:
                    yield listed.key, not found.isdisjoint(now)


_Ready = tuple[Head, _Rewritten | None]


def _is_in_log(repository: Repository, ready: _Ready | None) -> bool:
    """Whether our swap happened although nobody said so."""
    if ready is None or ready[1] is None:
        return False
    row = repository.index.record_at(ready[0].sequence + 1)
    return row is not None and row.id == ready[1].record.id


def _same_log(first: Head, second: Head) -> bool:
    """Whether two HEADs differ in nonce and condemned names at most."""
    return first.renewed(nonce="", condemned=()) == second.renewed(nonce="", condemned=())


def _moved(
    repository: Repository, head: Head, becomes: Mapping[str, str]
) -> Iterator[tuple[int, tuple[str, str]]]:
    for position in range(1, head.position + 1):
        commit = repository.commit_at(position)
        if commit is not None and commit in becomes:
            yield position, (commit, becomes[commit])


class _Output:
    """New objects on their way into segments of a few megabytes."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._group: list[Written] = []
        self._size = 0
        self._written: list[SegmentRef] = []

    def add(self, written: Written) -> None:
        """Take one object."""
        self._group.append(written)
        self._size += len(written[0].content)
        if self._size > _GROUP:
            self._flush()

    def finish(self) -> list[SegmentRef]:
        """The segments that hold all of them."""
        self._flush()
        return self._written

    def _flush(self) -> None:
        if self._group:
            self._group.sort(key=lambda each: (each[0].kind, each[2]))
            key = segment_key(self._repository.pool, self._repository.project)
            measured = Measured(key, segment_chunks(self._group))
            self._repository.store.put(key, measured)
            self._written.append(measured.ref)
        self._group, self._size = [], 0
