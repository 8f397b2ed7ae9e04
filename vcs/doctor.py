"""The doctor of one log: reads everything, believes nothing, names every fault.

It uses no index and no cache, only the store. What it holds in memory is one line per
object, so even a large project can be looked at. It never writes.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

from vcs.collection import GRACE, YOUNG
from vcs.errors import CorruptObject, MalformedObject, MicelioError
from vcs.git.translate import git_sha1, ids_in, raw_ids
from vcs.index import FIRST_TRUNK
from vcs.lists import decode_changes_list, decode_erased_list, decode_moved_list, decode_refs_list
from vcs.live import own_prefix, used_in_pool
from vcs.log import Checkpoint, Head, HeadState, Record, RecordKind, SegmentRef, head_key
from vcs.objects import EMPTY_TREE, Kind, parse_commit
from vcs.reading import EMPTY_TREE_SHA1
from vcs.segments import (
    NO_SHA1,
    Footer,
    IndexEntry,
    frames_of,
    object_chunks,
    read_footer,
    read_object,
)
from vcs.store import Missing, Store, from_origin, utc_now

__all__ = ["Fault", "verify"]

_PIECE = 8 << 20
_KEPT = (Kind.RECORD, Kind.LIST, Kind.COMMIT)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as the log promises, or (`information`) merely worth knowing."""

    code: str
    subject: str
    problem: str
    information: bool = False


def verify(
    store: Store, pool: str, project: str, *, clock: Callable[[], datetime] = utc_now
) -> Iterator[Fault]:
    """Every fault of one project's log; nothing at all when it is sound. `clock` only tells how long
    files that nobody uses still have.
    """
    key = head_key(pool, project)
    try:
        head = Head.decode(store.read_head(pool, project)[0], key)
    except Missing:
        yield Fault("head.missing", key, "there is no HEAD")
        return
    except MicelioError as error:
        yield Fault("head.malformed", key, error.sentence)
        return
    examined = _Examination(store, head, clock())
    yield from examined.faults()


class _Examination:
    def __init__(self, store: Store, head: Head, now: datetime) -> None:
        self.store = store
        self.now = now
        self.head = head
        self.checkpoint: Checkpoint | None = None
        self.entries: dict[str, IndexEntry] = {}
        self.named: dict[str, tuple[str, ...]] = {}
        self.named_by_sha1: dict[str, list[bytes]] = {}
        self.contents: dict[str, bytes] = {}
        self.records: list[tuple[str, Record]] = []
        self.erased: set[str] = set()
        self.unnamed: list[tuple[str, str]] = []
        self.commits: dict[int, str] = {}
        self._current_refs: dict[str, str] = {}

    def faults(self) -> Iterator[Fault]:
        if self.head.state is HeadState.DELETED:
            yield from self._left_over(set())
            return
        yield from self._checkpoint()
        live = [*(self.checkpoint.segments if self.checkpoint else ()), *self.head.tail]
        yield from self._names(live)
        footers = []
        for ref in live:
            found: list[Footer] = []
            yield from self._file(ref, found)
            footers += [(ref, footer) for footer in found]
        for ref, footer in footers:
            yield from self._objects(ref, footer)
        yield from self._chain()
        yield from self._reached()

    def _checkpoint(self) -> Iterator[Fault]:
        ref = self.head.checkpoint
        if ref is None:
            return
        try:
            self.checkpoint = Checkpoint.decode(from_origin(self.store)(ref.key), ref)
        except Missing:
            yield Fault("file.missing", ref.key, "the checkpoint is not in the store")
        except MicelioError as error:
            yield Fault("checkpoint.damaged", ref.key, error.sentence)

    def _names(self, live: list[SegmentRef]) -> Iterator[Fault]:
        """No live name is condemned or there twice; what is in no live set is told."""
        keys = {ref.key for ref in live} | ({self.head.checkpoint.key} if self.head.checkpoint else set())
        condemned = {name.key for name in self.head.condemned}
        for key in sorted(keys & condemned):
            yield Fault("head.condemns_live", key, "a live file is condemned")
        for first, second in pairwise(sorted(ref.key for ref in live)):
            if first == second:
                yield Fault("head.repeated_file", first, "the file is live twice")
        yield from self._left_over(keys)

    def _left_over(self, live: set[str]) -> Iterator[Fault]:
        """Own files in no live set, and how long they still have: they are no fault."""
        condemned = {name.key: name.at for name in self.head.condemned}
        found = [
            listed
            for listed in self.store.list(own_prefix(self.head.pool, self.head.project))
            if listed.key not in live
        ]
        used: set[str] = set()
        if found:
            with suppress(MicelioError):
                used = used_in_pool(self.store, self.head.pool)
        for listed in found:
            if listed.key in used:
                left = "a fork uses it"
            elif listed.key in condemned:
                left = f"condemned, {self._until(condemned[listed.key] + GRACE)}"
            elif self.head.state is HeadState.DELETED:
                left = "the collector may take it now"
            else:
                left = f"staged, or left by a crash; {self._until(listed.at + YOUNG)}"
            problem = f"{listed.size} bytes in no live set: {left}"
            yield Fault("file.unlisted", listed.key, problem, information=True)

    def _until(self, then: datetime) -> str:
        minutes = -((self.now - then) // timedelta(minutes=1))
        if minutes <= 0:
            return "the collector may take it now"
        return f"the collector may take it in {minutes // 60} h {minutes % 60} min unless it is used by then"

    def _file(self, ref: SegmentRef, found: list[Footer]) -> Iterator[Fault]:
        """Size, SHA-256 and footer of a live file."""
        hasher, size = hashlib.sha256(), 0
        try:
            while piece := from_origin(self.store)(ref.key, size, _PIECE):
                hasher.update(piece)
                size += len(piece)
            if (size, hasher.hexdigest()) != (ref.size, ref.sha256):
                problem = f"{size} bytes that are not the {ref.size} that were written"
                yield Fault("file.damaged", ref.key, problem)
            footer = read_footer(partial(from_origin(self.store), ref.key), ref.size, ref.key)
        except Missing:
            yield Fault("file.missing", ref.key, "a live file is not in the store")
            return
        except MicelioError as error:
            yield Fault("segment.damaged", ref.key, error.sentence)
            return
        self.entries.update((entry.id, entry) for entry in footer.entries)
        found.append(footer)

    def _objects(self, ref: SegmentRef, footer: Footer) -> Iterator[Fault]:
        """Each object against its id and its SHA-1, in file order so that each frame decodes once."""
        plain_of = frames_of(partial(from_origin(self.store), ref.key), footer, ref.key)
        for entry in sorted(footer.entries, key=lambda entry: (entry.frame, entry.offset)):
            try:
                sha1 = self._examined(plain_of, entry)
            except (CorruptObject, MalformedObject) as error:
                yield Fault("object.corrupt", entry.id, f"in {ref.key}: {error.sentence}")
                continue
            except _Unnamed as error:
                # Whether it was erased is known only when the records were read.
                self.unnamed.append((error.id, f"{entry.kind.word} {entry.id} names it"))
                continue
            if sha1 != entry.sha1:
                problem = f"in {ref.key}: git calls it {sha1.hex()}, the index {entry.sha1.hex()}"
                yield Fault("object.wrong_sha1", entry.id, problem)

    def _examined(self, plain_of: Callable[[int], bytes], entry: IndexEntry) -> bytes:
        if entry.kind is Kind.BLOB:
            hasher = hashlib.sha1(b"blob %d\0" % entry.length, usedforsecurity=False)
            for chunk in object_chunks(plain_of, entry):
                hasher.update(chunk)
            return hasher.digest()
        content = read_object(plain_of, entry)
        if entry.kind in _KEPT:
            self.contents[entry.id] = content
        if entry.kind in (Kind.RECORD, Kind.LIST):
            return NO_SHA1
        self.named[entry.id] = tuple(ids_in(entry.kind, content))
        if entry.kind is Kind.RAW:
            self.named_by_sha1[entry.id] = raw_ids(content)
        return git_sha1(entry.kind, content, self._sha1_of)

    def _sha1_of(self, id: str) -> bytes:
        if id == EMPTY_TREE:
            return EMPTY_TREE_SHA1
        if id not in self.entries:
            raise _Unnamed(id)
        return self.entries[id].sha1

    def _chain(self) -> Iterator[Fault]:
        """Records from HEAD's back to the first, then what they say, oldest first."""
        id: str | None = self.head.record
        sequence = self.head.sequence
        while id is not None:
            content = self.contents.get(id)
            if content is None:
                yield Fault("record.missing", id, f"the record of sequence {sequence} is not there")
                break
            try:
                record = Record.decode(content, id)
            except MicelioError as error:
                yield Fault("record.malformed", id, error.sentence)
                break
            if record.sequence != sequence:
                yield Fault(
                    "record.sequence", id, f"sequence {record.sequence} stands where {sequence} should"
                )
                break
            self.records.append((id, record))
            id, sequence = record.previous, sequence - 1
        self.records.reverse()
        yield from self._order()
        yield from self._trunk()
        yield from self._trunk_name()
        yield from self._refs()

    def _order(self) -> Iterator[Fault]:
        seen: dict[object, str] = {}
        for (_, before), (id, record) in pairwise(self.records):
            if record.at < before.at:
                yield Fault("record.time", id, "it is older than the record before it")
        for id, record in self.records:
            names: list[object] = [record.landing] if record.landing else []
            if record.session:
                names.append((record.session, record.revision))
            for name in names:
                if name in seen:
                    yield Fault("record.repeated_landing", id, f"record {seen[name]} has {name} already")
                seen[name] = id
            if record.kind is RecordKind.PURGE and record.erased:
                yield from self._noted_erased(id, record.erased)

    def _noted_erased(self, id: str, listed: str) -> Iterator[Fault]:
        content = self.contents.get(listed)
        if content is None:
            yield Fault("object.missing", listed, f"the list of what purge {id} erased")
        else:
            self.erased |= decode_erased_list(content, listed)

    def _trunk(self) -> Iterator[Fault]:
        """Positions follow each other, each trunk begins where the one before ended, HEAD has the last."""
        complete = bool(self.records) and self.records[0][1].previous is None
        main: str | None = None
        position = 0
        for number, (id, record) in enumerate(self.records):
            known = complete or number > 0
            if record.trunk is not None:
                if known and record.trunk[0] != main:
                    yield Fault(
                        "record.trunk", id, f"it moves the trunk from {record.trunk[0]}, which was at {main}"
                    )
                main = record.trunk[1]
                known = True
            if record.positions is not None:
                if complete and record.positions[0] != position + 1:
                    yield Fault("record.positions", id, f"position {record.positions[0]} follows {position}")
                position = record.positions[1]
        if complete and (self.head.main, self.head.position) != (main, position):
            problem = f"it has {self.head.main} at {self.head.position}, the log {main} at {position}"
            yield Fault("head.main", self.head.key, problem)

    def _trunk_name(self) -> Iterator[Fault]:
        """Each renaming begins with the name the trunk had, and HEAD has the last."""
        name = FIRST_TRUNK
        for id, record in self.records:
            if record.trunk_name is not None:
                if record.trunk_name[0] != name:
                    problem = f"it renames the trunk from {record.trunk_name[0]}, which was {name}"
                    yield Fault("record.trunk_name", id, problem)
                name = record.trunk_name[1]
            refs = () if isinstance(record.refs, str) else record.refs
            if name in {change.name for change in refs}:
                yield Fault("record.refs", id, f"it moves {name} like another ref, which is the trunk")
        if self.records and self.records[0][1].previous is None and self.head.trunk != name:
            problem = f"its trunk is {self.head.trunk}, the log says {name}"
            yield Fault("head.trunk", self.head.key, problem)

    def _refs(self) -> Iterator[Fault]:
        refs: dict[str, str] = {}
        for id, record in self.records:
            changes = record.refs
            if isinstance(changes, str):
                content = self.contents.get(changes)
                if content is None:
                    yield Fault("object.missing", changes, f"the list of refs that record {id} changed")
                    continue
                changes = decode_changes_list(content, changes)
            for change in changes:
                if refs.get(change.name) != change.old and record.kind is not RecordKind.FORK:
                    yield Fault("record.refs", id, f"it moves {change.name} from where it was not")
                if change.new is None:
                    refs.pop(change.name, None)
                else:
                    refs[change.name] = change.new
            if self.checkpoint is not None and self.checkpoint.sequence == record.sequence:
                yield from self._checkpoint_agrees(id, refs)
        self._current_refs = refs

    def _checkpoint_agrees(self, id: str, refs: dict[str, str]) -> Iterator[Fault]:
        checkpoint, ref = self.checkpoint, self.head.checkpoint
        if checkpoint is None or ref is None:
            return
        if checkpoint.record != id:
            yield Fault(
                "checkpoint.record", ref.key, f"it names record {checkpoint.record}, the chain has {id}"
            )
        content = self.contents.get(checkpoint.refs)
        if content is None:
            yield Fault("object.missing", checkpoint.refs, f"the refs list of checkpoint {ref.key}")
        elif decode_refs_list(content, checkpoint.refs) != refs:
            yield Fault("checkpoint.refs", ref.key, "its refs are not those of the records")

    def _reached(self) -> Iterator[Fault]:
        """I4: all that main, the refs and every position reach is there, or was erased."""
        for id, problem in self.unnamed:
            if id not in self.erased:
                yield Fault("object.missing", id, problem)
        pending = [(id, "a ref") for id in self._current_refs.values()]
        if self.head.main:
            pending.append((self.head.main, "HEAD"))
        pending += self._positions()
        pending += [(record.summary, f"record {id}") for id, record in self.records if record.summary]
        yield from self._reached_by_sha1()
        seen: set[str] = set()
        while pending:
            id, by = pending.pop()
            if id in seen or id == EMPTY_TREE:
                continue
            seen.add(id)
            if id not in self.entries and id not in self.erased:
                yield Fault("object.missing", id, f"it is in no live file, and {by} names it")
            pending += [(named, id) for named in self.named.get(id, ())]
        if self.head.position and self.commits.get(self.head.position, self.head.main) != self.head.main:
            yield Fault("head.main", self.head.key, "its last position has another commit")

    def _reached_by_sha1(self) -> Iterator[Fault]:
        """What objects name that are kept in git's own bytes: unless something was erased, it is there."""
        if not self.named_by_sha1 or self.erased:
            return
        there = {entry.sha1 for entry in self.entries.values()} | {EMPTY_TREE_SHA1}
        for id, sha1s in self.named_by_sha1.items():
            for sha1 in sha1s:
                if sha1 not in there:
                    yield Fault(
                        "object.missing", sha1.hex(), f"no live object has this SHA-1, and {id} names it"
                    )

    def _positions(self) -> Iterator[tuple[str, str]]:
        """The commit of each position as it is now, as far as they can be followed, and its record."""
        moved: dict[int, str] = {}
        for id, record in reversed(self.records):
            if record.moved is not None and record.moved in self.contents:
                changes = decode_moved_list(self.contents[record.moved], record.moved)
                moved = {position: new for position, (_, new) in changes.items()} | moved
            first, last = record.positions or (1, 0)
            commit = moved.get(last, record.trunk[1] if record.trunk else None)
            for position in range(last, first - 1, -1):
                if commit is None:
                    break
                self.commits[position] = commit
                yield commit, f"record {id}"
                content = self.contents.get(commit)
                commit = next(iter(parse_commit(content).parents), None) if content else None


class _Unnamed(Exception):
    def __init__(self, id: str) -> None:
        self.id = id
