"""Deciding: what a batch of landings makes of HEAD, one after the other, before anything is written.

Each landing is decided against the state that the ones before it made. What it needs must
be in the live set, among its own objects or in its staged files; everything it adds is
walked from its tree, so the live set stays closed: what is in it reaches only what is in it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vcs.conflicts import Conflict, merge
from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.git.translate import ids_in
from vcs.live import fold, live_segments
from vcs.log import TAIL_LIMIT, Head, Record, RecordKind, SegmentRef
from vcs.objects import (
    EMPTY_TREE,
    Commit,
    Entry,
    Kind,
    Object,
    encode_commit,
    parse_commit,
    parse_tree,
    signature,
)
from vcs.reading import content_at
from vcs.repository import Repository
from vcs.segments import NO_SHA1, IndexEntry, name_hash, write_segment
from vcs.staging import StagedFile, StagedReader, with_sha1s
from vcs.store import Missing

__all__ = [
    "Landed",
    "MissingObjects",
    "Overlapping",
    "Plan",
    "Proposal",
    "Sha1Taken",
    "TooManyFiles",
    "WrongKind",
]

# Staged files of up to so many plain bytes are copied into the batch's segment, others join the tail.
SMALL_FILE = 1 << 20


class MissingObjects(MicelioError):
    """A landing names objects that nobody sent; `ids` are to be sent, then it may be tried again."""

    kind = ErrorKind.INVALID
    code = "objects.missing"
    message = "{count} objects that this landing needs are not here, {first} first; send them and land again."

    def __init__(self, ids: Iterable[str]) -> None:
        missing = sorted(set(ids))
        super().__init__(ids=missing, count=len(missing), first=missing[0])


class WrongKind(MicelioError):
    """A tree names an object as something that it is not."""

    kind = ErrorKind.INVALID
    code = "objects.wrong_kind"
    message = "The object {id} stands where a {expected} belongs, but it is a {found}."


class Sha1Taken(MicelioError):
    """git would give this object the name of another one."""

    kind = ErrorKind.INVALID
    code = "object.sha1_collision"
    message = "The object {id} has the SHA-1 {sha1}, which another object here has already."


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What wants to land: `tree` is the session's whole tree, made on top of commit `base`.

    New objects come along in `objects` or are in the `staged` files; `hints` are
    `segments.name_hash` of their paths. `author` is name and e-mail; `summary` what people read
    about it (canonical JSON values only); `message` is the whole commit message.

    `again` says that this landing was asked for before, perhaps in another process: a swap of then
    may still be on its way, so a failing store no longer means that nothing happens.
    """

    landing: str
    session: str | None
    revision: int | None
    actor: str | None
    base: str | None
    tree: str
    author: tuple[str, str]
    message: bytes
    summary: Mapping[str, Any]
    objects: Sequence[Object] = ()
    staged: Sequence[str] = ()
    hints: Mapping[str, int] = field(default_factory=dict)
    kind: RecordKind = RecordKind.LAND
    again: bool = False


@dataclass(frozen=True, slots=True)
class Landed:
    """A landing that has happened: its position, its record in the log, its commit and tree."""

    landing: str
    position: int
    sequence: int
    record: str
    commit: str
    tree: str
    at: datetime


class Overlapping(Exception):
    """Paths that changed on both sides; `position` is where the other side stood."""

    def __init__(self, conflicts: Sequence[Conflict], position: int) -> None:
        self.conflicts = conflicts
        self.position = position


class TooManyFiles(Exception):
    """One landing has more long staged files than a swap can take; some must join the tail before."""

    def __init__(self, files: Sequence[SegmentRef]) -> None:
        self.files = files


@dataclass(slots=True)
class _Needs:
    """What one landing adds to the live set."""

    objects: dict[str, Object] = field(default_factory=dict)
    files: dict[str, StagedFile] = field(default_factory=dict)
    hints: dict[str, int] = field(default_factory=dict)


class Plan:
    """The state a batch is decided against, beginning with HEAD, and what is to be written."""

    def __init__(
        self, repository: Repository, head: Head, at: datetime, host: str, known_sha1s: dict[str, bytes]
    ) -> None:
        self._repository = repository
        self.head = head
        self._host = host
        last = repository.index.record_at(head.sequence)
        # A clock may run behind that of the node that landed last.
        self.at = max(at, last.at) if last else at
        self._main = head.main
        self._tree = repository.commit(head.main).tree if head.main else EMPTY_TREE
        self._position = head.position
        self._sequence = head.sequence
        self._record = head.record
        self._added: dict[str, Object] = {}
        self._written: list[tuple[Object, bytes, int]] = []
        self._files: dict[str, StagedFile] = {}
        self._sha1s = known_sha1s
        self._taken: dict[bytes, str] = {}
        self._kinds = _Kinds(repository)
        self._condemned = frozenset(name.key for name in head.condemned)
        self.landed: list[Landed] = []

    def decide(
        self, proposal: Proposal, summary: Object, staged: Sequence[StagedFile], most_files: int
    ) -> Landed:
        """Add one landing to the plan. When this raises, the plan is as it was before."""
        files = [file for file in staged if file[0].key not in self._condemned]
        reader = _Reader(self._repository, self._added, self._kinds, proposal.objects, files)
        base = self._base_tree(proposal.base)
        # First what the proposal itself names, so that all that is missing is told at once.
        needs = self._needs(reader, proposal.tree, base)
        merged = merge(reader, base, self._tree, proposal.tree)
        if merged.conflicts:
            raise Overlapping(merged.conflicts, self._position)
        if merged.tree != proposal.tree:
            reader.add(merged.objects)
            needs = self._needs(reader, merged.tree, self._tree)
        if len(self._files | needs.files) > most_files:
            raise TooManyFiles([ref for ref, _ in needs.files.values()])
        commit = self._commit(proposal, merged.tree)
        record = self._make_record(proposal, summary, commit)
        # They were found from the top; the other way round each comes after what it names.
        objects = [*reversed(needs.objects.values()), commit, summary, record]
        written = self._with_sha1s(objects, reader, {**needs.hints, **proposal.hints})
        self._check_sha1s(written, needs.files.values())
        return self._accept(proposal, written, needs, commit, record, merged.tree)

    def _base_tree(self, base: str | None) -> str:
        if base is None:
            return EMPTY_TREE
        made = self._added.get(base)
        if made is not None:
            return parse_commit(made.content).tree
        kind = self._kinds.of(base)
        if kind is None:
            raise MissingObjects([base])
        if kind is not Kind.COMMIT:
            raise WrongKind(id=base, expected=Kind.COMMIT.word, found=kind.word)
        return self._repository.commit(base).tree

    def _needs(self, reader: "_Reader", tree: str, known: str) -> _Needs:
        """All that a tree names and the live set lacks, `known` being a tree that is complete.

        Raises MissingObjects with everything that is nowhere, and WrongKind.
        """
        needs = _Needs()
        missing: list[str] = []
        pending: list[_Named] = [(tree, Kind.TREE, known, b"")]
        seen: set[str] = set()
        while pending:
            id, expected, other, path = pending.pop()
            if id in seen or id == EMPTY_TREE:
                continue
            seen.add(id)
            kind = self._place(reader, id, needs, pending)
            if kind is None:
                missing.append(id)
            elif expected is not None and kind not in (expected, Kind.RAW):
                raise WrongKind(id=id, expected=expected.word, found=kind.word)
            elif kind is Kind.TREE and reader.is_new(id):
                differing = list(_differing(reader.tree(id), reader.tree(other), path))
                self._kinds.learn([each for each, _, _, _ in differing])
                pending += differing
            elif kind in (Kind.COMMIT, Kind.TAG) and reader.is_new(id):
                pending += [(named, None, EMPTY_TREE, b"") for named in ids_in(kind, reader.content(id))]
            if id in needs.objects:
                needs.hints[id] = name_hash(path)
        if missing:
            raise MissingObjects(missing)
        return needs

    def _place(self, reader: "_Reader", id: str, needs: _Needs, pending: "list[_Named]") -> Kind | None:
        """Where an object comes from, noted in `needs`; its kind, None when it is nowhere."""
        made = reader.own.get(id)
        if made is not None:
            if self._kinds.of(id) is None:
                needs.objects[id] = made
            return made.kind
        if id in self._added:
            return self._added[id].kind
        kind = self._kinds.of(id)
        if kind is not None:
            return kind
        for _, footer in self._files.values():
            joining = footer.find(id)
            if joining is not None:
                return joining.kind
        found = reader.staged_file(id)
        if found is None:
            return None
        (ref, footer), entry = found
        if sum(frame.plain for frame in footer.frames) <= SMALL_FILE:
            needs.objects[id] = Object(entry.kind, id, reader.content(id))
        elif ref.key not in needs.files:
            if not self._repository.staged.exists(ref):
                return None
            needs.files[ref.key] = (ref, footer)
            # The whole file becomes live, so all that is named in it has to be there as well.
            named = (each for each in footer.entries if each.kind in (Kind.TREE, Kind.COMMIT, Kind.TAG))
            pending += [(each.id, each.kind, EMPTY_TREE, b"") for each in named]
        return entry.kind

    def _commit(self, proposal: Proposal, tree: str) -> Object:
        commit = Commit(
            tree=tree,
            parents=(self._main,) if self._main else (),
            author=signature(*proposal.author, self.at),
            committer=signature("Micelio", f"noreply@{self._host}", self.at),
            message=proposal.message,
        )
        return Object.of(Kind.COMMIT, encode_commit(commit))

    def _make_record(self, proposal: Proposal, summary: Object, commit: Object) -> Object:
        position = self._position + 1
        return Record(
            kind=proposal.kind,
            project=self.head.project,
            sequence=self._sequence + 1,
            previous=self._record,
            at=self.at,
            landing=proposal.landing,
            session=proposal.session,
            revision=proposal.revision,
            actor=proposal.actor,
            trunk=(self._main, commit.id),
            positions=(position, position),
            summary=summary.id,
        ).to_object()

    def _with_sha1s(
        self, objects: Sequence[Object], reader: "_Reader", hints: Mapping[str, int]
    ) -> list[tuple[Object, bytes, int]]:
        def sha1_of(id: str) -> bytes:
            sha1 = self._sha1s.get(id)
            if sha1 is None:
                sha1 = self._sha1s[id] = reader.sha1_of(id)
            return sha1

        return [(object, sha1, hints.get(object.id, 0)) for object, sha1 in with_sha1s(objects, sha1_of)]

    def _check_sha1s(self, written: Sequence[tuple[Object, bytes, int]], files: Iterable[StagedFile]) -> None:
        new = list(self._new_sha1s(written, files))
        live = self._repository.index.ids_of([sha1 for _, sha1 in new])
        for id, sha1 in new:
            if self._taken.get(sha1, id) != id or live.get(sha1, id) != id:
                raise Sha1Taken(id=id, sha1=sha1.hex())

    def _new_sha1s(
        self, written: Sequence[tuple[Object, bytes, int]], files: Iterable[StagedFile]
    ) -> Iterator[tuple[str, bytes]]:
        yield from ((object.id, sha1) for object, sha1, _ in written if sha1 != NO_SHA1)
        for _, footer in files:
            yield from ((entry.id, entry.sha1) for entry in footer.entries if entry.sha1 != NO_SHA1)

    def _accept(
        self,
        proposal: Proposal,
        written: list[tuple[Object, bytes, int]],
        needs: _Needs,
        commit: Object,
        record: Object,
        tree: str,
    ) -> Landed:
        self._written += written
        self._added.update((object.id, object) for object, _, _ in written)
        self._sha1s.update((object.id, sha1) for object, sha1, _ in written)
        self._taken.update((sha1, id) for id, sha1 in self._new_sha1s(written, needs.files.values()))
        self._files |= needs.files
        self._main, self._tree, self._record = commit.id, tree, record.id
        self._position += 1
        self._sequence += 1
        landed = Landed(proposal.landing, self._position, self._sequence, record.id, commit.id, tree, self.at)
        self.landed.append(landed)
        return landed

    def next_head(self, key: str) -> tuple[Head, dict[str, bytes]]:
        """HEAD after this batch, and the files to write with it: the batch's segment under `key`,
        and a checkpoint of the tail as it stands when there is no room left in it.
        """
        joining = [ref for ref, _ in self._files.values()]
        head, files, listed = folded(self._repository, self.head, len(joining) + 1)
        body = write_segment([*self._written, *((each, NO_SHA1, 0) for each in listed)])
        following = head.renewed(
            sequence=self._sequence,
            record=self._record,
            position=self._position,
            main=self._main,
            tail=(*head.tail, *joining, SegmentRef.of(key, body)),
        )
        return following, {**files, key: body}


def folded(repository: Repository, head: Head, coming: int) -> tuple[Head, dict[str, bytes], list[Object]]:
    """HEAD with room for that many more files. When its tail had to be folded into a checkpoint: also
    the checkpoint's file, and its refs list, which has to travel in a segment of the same swap.
    """
    if len(head.tail) + coming <= TAIL_LIMIT:
        return head, {}, []
    return fold(repository, head, live_segments(repository.store, head))


# An object that something names: the kind it should be, the tree that stands there otherwise, its path.
_Named = tuple[str, Kind | None, str, bytes]


def _differing(entries: Iterable[Entry], others: Iterable[Entry], folder: bytes) -> Iterator[_Named]:
    """What the entries name that the other tree does not have under the same name."""
    there = {entry.name: entry for entry in others}
    for entry in entries:
        other = there.get(entry.name)
        if other is not None and other.id == entry.id and other.mode == entry.mode:
            continue
        if not entry.is_gitlink:
            expected = Kind.TREE if entry.is_tree else Kind.BLOB
            tree = other.id if other is not None and other.is_tree else EMPTY_TREE
            yield entry.id, expected, tree, folder + b"/" + entry.name if folder else entry.name


class _Kinds:
    """The kinds of live objects, each asked of the index once in a round."""

    def __init__(self, repository: Repository) -> None:
        self._index = repository.index
        self._known: dict[str, Kind | None] = {}

    def of(self, id: str) -> Kind | None:
        """The kind of an object of the live set, None when it is not in it."""
        if id not in self._known:
            self._known[id] = self._index.kind_of(id)
        return self._known[id]

    def learn(self, ids: Iterable[str]) -> None:
        """Ask for many at once."""
        asked = [id for id in ids if id not in self._known]
        found = self._index.kinds_of(asked)
        self._known.update((id, found.get(id)) for id in asked)


class _Reader:
    """What one landing may read: the live set, the batch so far, its own objects, its staged files.

    Never reads HEAD: what is not there now is missing.
    """

    def __init__(
        self,
        repository: Repository,
        added: Mapping[str, Object],
        kinds: _Kinds,
        own: Iterable[Object],
        files: Sequence[StagedFile],
    ) -> None:
        self._repository = repository
        self._added = added
        self._kinds = kinds
        self.own = {object.id: object for object in own}
        self._staged = StagedReader(repository, files)
        self._parsed: dict[str, tuple[Entry, ...]] = {}

    def add(self, objects: Iterable[Object]) -> None:
        """Take objects that deciding itself made for the landing's own."""
        self.own.update((object.id, object) for object in objects)

    def is_new(self, id: str) -> bool:
        """Whether what this object names has to be looked at: live objects name live ones."""
        return id not in self._added and self._kinds.of(id) is None

    def staged_file(self, id: str) -> tuple[StagedFile, IndexEntry] | None:
        """The staged file that has this object, and its entry there."""
        for file in self._staged.files:
            entry = file[1].find(id)
            if entry is not None:
                return file, entry
        return None

    def tree(self, id: str) -> tuple[Entry, ...]:
        """The entries of a tree; MissingObjects when it is nowhere."""
        if id == EMPTY_TREE:
            return ()
        made = self.own.get(id) or self._added.get(id)
        if made is None and self._kinds.of(id) is Kind.TREE:
            return self._repository.tree(id)
        if id not in self._parsed:
            self._parsed[id] = parse_tree(self.content(id))
        return self._parsed[id]

    def content(self, id: str) -> bytes:
        """An object's bytes; MissingObjects when it is nowhere."""
        made = self.own.get(id) or self._added.get(id)
        if made is not None:
            return made.content
        located = self._repository.locate(id) or self._staged.locate_staged(id)
        if located is None:
            raise MissingObjects([id])
        try:
            return content_at(self._repository.store, self._repository.frames, located)
        except Missing as error:
            raise MissingObjects([id]) from error

    def sha1_of(self, id: str) -> bytes:
        """git's SHA-1 of an object that is not among those to be written."""
        sha1 = self._repository.index.sha1_of(id)
        if sha1 is not None:
            return sha1
        located = self._staged.locate_staged(id)
        if located is None:
            raise MissingObjects([id])
        return located.entry.sha1
