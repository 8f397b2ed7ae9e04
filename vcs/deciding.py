"""Deciding: what a batch of landings makes of HEAD, one after the other, before anything is written.

Each landing is decided against the state that the ones before it made. What it needs must
be in the live set, among its own objects or in its staged files; everything it adds is
walked from its tree, so the live set stays closed: what is in it reaches only what is in it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from vcs.conflicts import Conflict, merge
from vcs.errors import MalformedObject
from vcs.git.translate import ids_in
from vcs.index import Located
from vcs.lists import encode_changes_list
from vcs.live import fold, live_segments
from vcs.log import INLINE_REFS, TAIL_LIMIT, Head, Record, RecordKind, RefChange, SegmentRef
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
from vcs.pushes import (
    Incoming,
    Live,
    MissingObjects,
    NotFastForward,
    Push,
    RefBlocked,
    RefsMoved,
    TrunkNameTaken,
    WrongKind,
    is_ancestor,
    steps_between,
)
from vcs.reading import content_at
from vcs.repository import Repository
from vcs.segments import NO_SHA1, IndexEntry, name_hash, write_segment
from vcs.sha1s import Sha1s, Sha1Taken, Written
from vcs.staging import StagedFile, StagedReader, with_sha1s
from vcs.store import Missing

__all__ = [
    "Asked",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What wants to land: `tree` is the session's whole tree, made on top of commit `base`.

    New objects come along in `objects` or are in the `staged` files; `parsed` are the entries of
    trees among them, as far as whoever made them has them; `hints` are `segments.name_hash` of
    their paths. `author` is name and e-mail; `summary` what people read about it (canonical JSON
    values only); `message` is the whole commit message.

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
    parsed: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    kind: RecordKind = RecordKind.LAND
    again: bool = False


Asked = Proposal | Push
"""What a batch decides on."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A landing that has happened: the last of its positions, its record in the log, the trunk's commit
    and tree. `first` is the first of its positions; one that only moves other refs has none, and
    says where the trunk stood.
    """

    landing: str
    position: int
    sequence: int
    record: str
    commit: str | None
    tree: str
    at: datetime
    first: int | None


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


@dataclass(frozen=True, slots=True)
class _Step:
    """Where one landing leaves trunk and refs, and what its record says of that."""

    main: str | None
    tree: str
    trunk: tuple[str | None, str] | None = None
    positions: tuple[int, int] | None = None
    refs: tuple[RefChange, ...] = ()
    trunk_name: tuple[str, str] | None = None


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
        self._trunk = head.trunk
        self._tree = repository.commit(head.main).tree if head.main else EMPTY_TREE
        self._position = head.position
        self._sequence = head.sequence
        self._record = head.record
        self._added: dict[str, Object] = {}
        self._written: list[Written] = []
        self._files: dict[str, StagedFile] = {}
        self._sha1s = known_sha1s
        self._own_sha1s: dict[str, bytes] = {}
        self._taken = Sha1s(repository.index)
        self._refs: dict[str, str | None] = {}
        self._kinds = _Kinds(repository)
        self._condemned = frozenset(name.key for name in head.condemned)
        self.landed: list[Landed] = []
        self.trees: dict[str, tuple[Entry, ...]] = {}
        """The entries of trees that this batch adds, as far as deciding has read them."""

    def decide(self, asked: Asked, summary: Object, staged: Sequence[StagedFile], most_files: int) -> Landed:
        """Add one landing to the plan. When this raises, the plan is as it was before."""
        files = [file for file in staged if file[0].key not in self._condemned]
        joining = list(self._files.values())
        reader = _Reader(self._repository, self._added, self._kinds, asked.objects, files, joining)
        if isinstance(asked, Push):
            return self._decide_push(asked, summary, reader, files, most_files)
        return self._decide_tree(asked, summary, reader, most_files)

    def _decide_tree(self, proposal: Proposal, summary: Object, reader: "_Reader", most_files: int) -> Landed:
        reader.know(self.trees)
        reader.know(proposal.parsed)
        base = self._base_tree(proposal.base, reader)
        # First what the proposal itself names, so that all that is missing is told at once.
        needs = self._needs(reader, proposal.tree, base)
        merged = merge(reader, base, self._tree, proposal.tree)
        if merged.conflicts:
            raise Overlapping(merged.conflicts, self._position)
        if merged.tree != proposal.tree:
            reader.add(merged.objects)
            reader.know(merged.parsed)
            needs = self._needs(reader, merged.tree, self._tree)
        self._check_room(needs, most_files)
        commit = self._commit(proposal, merged.tree)
        step = _Step(
            main=commit.id,
            tree=merged.tree,
            trunk=(self._main, commit.id),
            positions=(self._position + 1, self._position + 1),
        )
        # They were found from the top; the other way round each comes after what it names.
        needs.objects = dict(reversed(needs.objects.items()))
        needs.objects[commit.id] = commit
        landed = self._take(proposal, summary, reader, needs, step)
        self.trees.update((id, reader.parsed[id]) for id in needs.objects.keys() & reader.parsed.keys())
        return landed

    def _decide_push(
        self,
        push: Push,
        summary: Object,
        reader: "_Reader",
        files: Sequence[StagedFile],
        most_files: int,
    ) -> Landed:
        self._check_refs(push)
        needs, incoming = self._needs_of_push(push, reader, files)
        moves = [push.trunk[1]] if push.trunk else []
        moves += [change.new for change in push.refs if change.new]
        self._check_targets(moves, push, incoming)
        incoming.examine(self._live(), names=not push.accept_names)
        self._check_room(needs, most_files)
        reader.take(incoming)
        step = self._step(push, reader)
        return self._take(push, summary, reader, needs, step)

    def _check_refs(self, push: Push) -> None:
        """Every ref stands where whoever moves it believes, and the trunk is none of them."""
        now = self._refs_now([change.name for change in push.refs])
        moved = [change.name for change in push.refs if now.get(change.name) != change.old]
        if push.trunk is not None and push.trunk[0] != self._main:
            moved.insert(0, self._trunk)
        name = push.trunk_name or self._trunk
        if any(change.name == name and change.new for change in push.refs):
            raise TrunkNameTaken(name=name)
        if name != self._trunk and self._refs_now([name]):
            raise TrunkNameTaken(name=name)
        if moved:
            raise RefsMoved(moved)
        self._check_folders(push, name)

    def _check_folders(self, push: Push, trunk: str) -> None:
        """No ref is a folder of another one's name."""
        gone = {change.name for change in push.refs if change.new is None}
        created = [change.name for change in push.refs if change.old is None and change.new]
        there = {trunk, *created, *(name for name, id in self._refs.items() if id)}
        if trunk != self._trunk or (push.trunk and push.trunk[0] is None):
            created.append(trunk)
        for name in created:
            above = [name[:at] for at, each in enumerate(name) if each == "/"]
            below = self._repository.index.refs_below(f"{name}/")
            near = {*self._refs_now(above), *below, *(set(above) & there)}
            near |= {other for other in there if other.startswith(f"{name}/")}
            for other in sorted(near - gone):
                if other not in self._refs or self._refs[other]:
                    raise RefBlocked(name=name, other=other)

    def _refs_now(self, names: Sequence[str]) -> dict[str, str]:
        found = self._repository.index.refs_named([name for name in names if name not in self._refs])
        found.update((name, id) for name in names if (id := self._refs.get(name)))
        return found

    def _needs_of_push(
        self, push: Push, reader: "_Reader", files: Sequence[StagedFile]
    ) -> tuple[_Needs, Incoming]:
        """What a push adds: what came along, small files copied, long ones taken whole."""
        needs = _Needs()
        own: list[Object] = list(push.objects)
        # What joined ahead of the rest is live by now.
        live = self._repository.index.files_among([ref.key for ref, _ in files])
        for ref, footer in files:
            if ref.key in live:
                continue
            if sum(frame.plain for frame in footer.frames) <= SMALL_FILE:
                own += [Object(entry.kind, entry.id, reader.content(entry.id)) for entry in footer.entries]
            elif not self._repository.staged.exists(ref):
                raise MissingObjects([footer.entries[0].id])
            else:
                needs.files[ref.key] = (ref, footer)
        incoming = Incoming(self._repository.store, own, list(needs.files.values()))
        self._kinds.learn(list(incoming.own))
        for id, object in incoming.own.items():
            if id not in self._added and self._kinds.of(id) is None:
                needs.objects[id] = object
        return needs, incoming

    def _check_targets(self, ids: Sequence[str], push: Push, incoming: Incoming) -> None:
        commits = {push.trunk[1]} if push.trunk else set()
        commits |= {change.new for change in push.refs if change.new and change.name[:11] == "refs/heads/"}
        missing = []
        for id in ids:
            kind = incoming.kind_of(id) or self._kind_here(id)
            if kind is None:
                missing.append(id)
            elif id in commits and kind is not Kind.COMMIT:
                raise WrongKind(id=id, expected=Kind.COMMIT.word, found=kind.word)
        if missing:
            raise MissingObjects(missing)

    def _kind_here(self, id: str) -> Kind | None:
        """What an object of the live set, or of the batch so far, is."""
        if id == EMPTY_TREE:
            return Kind.TREE
        return self._kinds_here([id]).get(id)

    def _kinds_here(self, ids: Sequence[str]) -> dict[str, Kind]:
        self._kinds.learn(ids)
        found: dict[str, Kind] = {}
        for id in ids:
            made = self._added.get(id)
            kind = made.kind if made else self._kinds.of(id)
            if kind is None:
                entries = (footer.find(id) for _, footer in self._files.values())
                kind = next((entry.kind for entry in entries if entry), None)
            if kind is not None:
                found[id] = kind
        return found

    def _live(self) -> Live:
        def sha1s(asked: Sequence[bytes]) -> set[bytes]:
            found = set(self._repository.index.ids_of(asked))
            found |= {sha1 for _, sha1, _ in self._written}
            for _, footer in self._files.values():
                found |= {row[1] for row in footer.entries.rows()} & set(asked)
            return found

        def sha1s_of(objects: Iterable[Object]) -> set[bytes]:
            return {sha1 for _, sha1 in with_sha1s(list(objects), self._repository.sha1_of)}

        return Live(self._kinds_here, sha1s, sha1s_of)

    def _step(self, push: Push, reader: "_Reader") -> "_Step":
        """Where a push leaves trunk and refs."""
        name = push.trunk_name if push.trunk_name != self._trunk else None
        step = _Step(
            main=self._main,
            tree=self._tree,
            refs=tuple(push.refs),
            trunk_name=(self._trunk, name) if name else None,
        )
        if push.trunk is None:
            return step
        old, new = push.trunk
        if old == new:
            return step
        if old is not None and not push.forced and not is_ancestor(old, new, reader.commit):
            raise NotFastForward(name=self._trunk.removeprefix("refs/heads/"))
        commit = reader.commit(new)
        assert commit is not None, "its kind was looked at"
        steps = steps_between(old, new, reader.commit)
        positions = (self._position + 1, self._position + steps)
        return replace(step, main=new, tree=commit.tree, trunk=push.trunk, positions=positions)

    def _check_room(self, needs: _Needs, most_files: int) -> None:
        if len(self._files | needs.files) > most_files:
            raise TooManyFiles([ref for ref, _ in needs.files.values()])

    def _take(self, asked: Asked, summary: Object, reader: "_Reader", needs: _Needs, step: "_Step") -> Landed:
        record, listed = self._make_record(asked, summary, step)
        objects = [*needs.objects.values(), summary, *listed, record]
        written = self._with_sha1s(objects, reader, {**needs.hints, **asked.hints})
        coming = self._taken.check(written, [footer for _, footer in needs.files.values()])
        self._taken.take(coming)
        return self._accept(asked, written, needs, step, record)

    def _base_tree(self, base: str | None, reader: "_Reader") -> str:
        if base is None:
            return EMPTY_TREE
        kind = self._kind_here(base)
        if kind is None:
            raise MissingObjects([base])
        commit = reader.commit(base) if kind is Kind.COMMIT else None
        if commit is None:
            raise WrongKind(id=base, expected=Kind.COMMIT.word, found=kind.word)
        return commit.tree

    def _needs(self, reader: "_Reader", tree: str, known: str) -> _Needs:
        """All that a tree names and the live set lacks, `known` being a tree that is complete.

        Raises MissingObjects with everything that is nowhere, and WrongKind.
        """
        needs = _Needs()
        missing: list[str] = []
        self._kinds.learn([*reader.own, known])
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
                self._kinds.learn([id for named in differing for id in (named[0], named[2])])
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

    def _make_record(self, asked: Asked, summary: Object, step: "_Step") -> tuple[Object, list[Object]]:
        """The record, and the list of refs it names when there are many of them."""
        refs: tuple[RefChange, ...] | str = step.refs
        listed: list[Object] = []
        if len(step.refs) > INLINE_REFS:
            listed.append(Object.of(Kind.LIST, encode_changes_list(step.refs)))
            refs = listed[0].id
        record = Record(
            kind=asked.kind,
            project=self.head.project,
            sequence=self._sequence + 1,
            previous=self._record,
            at=self.at,
            landing=asked.landing,
            session=asked.session,
            revision=asked.revision,
            actor=asked.actor,
            trunk=step.trunk,
            positions=step.positions,
            refs=refs,
            summary=summary.id,
            trunk_name=step.trunk_name,
        )
        return record.to_object(), listed

    def _with_sha1s(
        self, objects: Sequence[Object], reader: "_Reader", hints: Mapping[str, int]
    ) -> list[Written]:
        self._learn_sha1s(objects, reader)

        def sha1_of(id: str) -> bytes:
            sha1 = self._sha1s.get(id) or self._own_sha1s.get(id)
            if sha1 is None:
                known = self._own_sha1s if id == self._main else self._sha1s
                sha1 = known[id] = reader.sha1_of(id)
            return sha1

        return [(object, sha1, hints.get(object.id, 0)) for object, sha1 in with_sha1s(objects, sha1_of)]

    def _learn_sha1s(self, objects: Sequence[Object], reader: "_Reader") -> None:
        """Ask at once for the SHA-1s of all that new trees name beside what is new."""
        trees = [reader.parsed[object.id] for object in objects if object.id in reader.parsed]
        named = {entry.id for entries in trees for entry in entries}
        unknown = named - self._sha1s.keys() - {object.id for object in objects}
        self._sha1s.update(self._repository.index.sha1s_of(list(unknown)))

    def _accept(
        self, asked: Asked, written: list[Written], needs: _Needs, step: "_Step", record: Object
    ) -> Landed:
        self._written += written
        self._added.update((object.id, object) for object, _, _ in written)
        for each, sha1, _ in written:
            # Records, summaries and all commits but the last are named by no later landing's objects.
            named = each.id in needs.objects and each.kind is not Kind.COMMIT
            (self._sha1s if named else self._own_sha1s)[each.id] = sha1
        self._files |= needs.files
        self._main, self._tree, self._record = step.main, step.tree, record.id
        self._refs.update((change.name, change.new) for change in step.refs)
        self._trunk = step.trunk_name[1] if step.trunk_name else self._trunk
        first, self._position = step.positions or (None, self._position)
        self._sequence += 1
        landed = Landed(
            asked.landing,
            self._position,
            self._sequence,
            record.id,
            self._main,
            self._tree,
            self.at,
            first,
        )
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
            trunk=self._trunk,
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
        joining: Sequence[StagedFile],
    ) -> None:
        self._repository = repository
        self._added = added
        self._kinds = kinds
        self.own = {object.id: object for object in own}
        self._staged = StagedReader(repository, files)
        self._joining = StagedReader(repository, joining)
        self._incoming: Incoming | None = None
        self.parsed: dict[str, tuple[Entry, ...]] = {}

    def add(self, objects: Iterable[Object]) -> None:
        """Take objects that deciding itself made for the landing's own."""
        self.own.update((object.id, object) for object in objects)

    def know(self, trees: Mapping[str, tuple[Entry, ...]]) -> None:
        """Take the entries of trees as somebody has them who made or read them."""
        self.parsed.update(trees)

    def is_new(self, id: str) -> bool:
        """Whether what this object names has to be looked at: live objects name live ones."""
        known = id in self._added or self._kinds.of(id) is not None
        return not known and self._joining.locate_staged(id) is None

    def take(self, incoming: Incoming) -> None:
        """Know where each object of a push is."""
        self._incoming = incoming
        self.own = incoming.own

    def commit(self, id: str) -> Commit | None:
        """What a commit says; None for one that cannot be read, of which git's own bytes are kept."""
        with suppress(MalformedObject):
            return parse_commit(self.content(id))
        return None

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
        if id not in self.parsed:
            self.parsed[id] = parse_tree(self.content(id))
        return self.parsed[id]

    def content(self, id: str) -> bytes:
        """An object's bytes; MissingObjects when it is nowhere."""
        made = self.own.get(id) or self._added.get(id)
        if made is not None:
            return made.content
        located = self._located(id)
        if located is None:
            raise MissingObjects([id])
        try:
            return content_at(self._repository.store, self._repository.frames, located)
        except Missing as error:
            raise MissingObjects([id]) from error

    def _located(self, id: str) -> Located | None:
        file = self._incoming.file_of(id) if self._incoming else None
        if file is not None:
            entry = file[1].find(id)
            return entry and Located(file[0].key, entry, file[1].frames[entry.frame :])
        return (
            self._repository.locate(id) or self._staged.locate_staged(id) or self._joining.locate_staged(id)
        )

    def sha1_of(self, id: str) -> bytes:
        """git's SHA-1 of an object that is not among those to be written."""
        sha1 = self._repository.index.sha1_of(id)
        if sha1 is not None:
            return sha1
        located = self._staged.locate_staged(id) or self._joining.locate_staged(id)
        if located is None:
            raise MissingObjects([id])
        return located.entry.sha1
