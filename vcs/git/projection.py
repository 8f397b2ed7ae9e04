"""The projection: a bare git repository that says what the log says, for git to serve.

A folder holds `main.git` and, in the file `sequence`, up to where in the log it goes. Catching up
happens under a lock beside the folder: packs first, then refs, then `sequence`, so a crash leaves
nothing worse than work to repeat. Nothing in the folder is true by itself: deleted, damaged, or older
than a purge, it is made again from the log. Readers take no lock.

Objects come by segment: what a live file holds that was not live before is written into one pack.
That holds as long as nothing leaves the repository by itself; once unreachable objects were pruned,
what a new ref reaches is looked at before the ref is written.
"""

import fcntl
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vcs import faults
from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.git.copying import copy_segments
from vcs.git.packs import PackFolder, PackWriter
from vcs.git.process import GitFailed, run_git
from vcs.git.refs import merge_packed, pack_refs, point_head, update_refs, write_packed
from vcs.lists import decode_changes_list
from vcs.live import live_segments
from vcs.log import Head, HeadState, SegmentRef
from vcs.objects import Kind, new_id
from vcs.reading import EMPTY_TREE_SHA1
from vcs.repository import Repository
from vcs.store import Missing

__all__ = ["MAIN", "GitProjection", "ProjectGone", "Stamp", "lay_out"]

MAIN = "main.git"
LOOSE_LIMIT = 1000
_FORMAT = 1
_TRIES = 4
_LANDINGS = "refs/landings/"
_CONFIG = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
"""


class ProjectGone(MicelioError):
    """The log was ended: nothing is left to show."""

    kind = ErrorKind.NOT_FOUND
    code = "project.gone"
    message = "This project was deleted."


@dataclass(frozen=True)
class _State:
    """What `main.git` holds: up to which record, from which files, in which packs (sizes by name).

    `adopted`: packs came whole from elsewhere. What upkeep has to know: `whole`, it was repacked since
    it was made; `left`, a ref left something behind; `pruned`, that may be gone; `mending`, upkeep
    works on it and packs come and go.
    """

    sequence: int
    record: str
    purged: int
    trunk: str
    main: str | None
    position: int
    checkpoint: str | None
    segments: tuple[str, ...]
    packs: Mapping[str, int]
    loose: int = 0
    adopted: bool = False
    pruned: bool = False
    whole: bool = False
    left: bool = False
    mending: bool = False
    boot: str = ""
    format: int = _FORMAT


@dataclass(frozen=True)
class Stamp:
    """What answers out of a repository depend on: a project, up to which record it is shown, and its
    last purge. `variant` is what one group of readers sees and others do not, `also` what else changes
    for it.
    """

    project: str
    sequence: int
    record: str
    purged: int
    variant: str = ""
    also: str = ""

    @property
    def now(self) -> tuple[str, ...]:
        """For what changes with every record."""
        return (*self.lasting, str(self.sequence), self.record, self.also)

    @property
    def lasting(self) -> tuple[str, ...]:
        """For what follows from objects alone."""
        return (self.project, str(self.purged), self.variant)


@dataclass
class _Change:
    """What catching up has to write beside objects."""

    refs: dict[str, bytes | None] = field(default_factory=dict)
    trunk: str = ""
    main: bytes | None = None


class GitProjection:
    """The git repository of one project on this node; threads and processes share the folder."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder = folder
        self.repository = repository
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The bare repository that git serves; there after `catch_up`."""
        return self.folder / MAIN

    def catch_up(self) -> Head:
        """Bring the repository to the HEAD that the index stands for, and return that HEAD.

        Whoever needs a newer one catches the index up first. ProjectGone for a deleted project.
        """
        head = self._known_head()
        if head.state is not HeadState.DELETED and self._stands_for(self._state(), head):
            return head
        with self.alone():
            for left in reversed(range(_TRIES)):
                try:
                    return self._caught_up()
                except Missing:
                    # A file that compaction replaced since the index was brought to HEAD.
                    if not left:
                        raise
                    self.repository.catch_up()
                except (FileNotFoundError, NotADirectoryError, GitFailed):
                    # Somebody deletes the folder, or did a part of it: from nothing then.
                    if not left:
                        raise
                    self._drop()
        raise AssertionError("unreachable")

    def rebuild(self) -> Head:
        """Make the repository again from nothing."""
        with self.alone():
            self._drop()
        return self.catch_up()

    def drop(self) -> None:
        """Take the repository off the disk; it comes back when it is asked for."""
        with self.alone():
            self._drop()

    def adopt(self, packs: Iterable[Path]) -> None:
        """Move whole packs (`.pack` with the `.idx` beside it) into the repository, so that what they
        hold need not be written again once it has landed. Harmless when it never does.
        """
        self.catch_up()
        with self.alone():
            state = self._state()
            if state is None:
                return
            for pack in packs:
                for suffix in (".pack", ".idx"):
                    os.replace(pack.with_suffix(suffix), self._packs / f"{pack.stem}{suffix}")
            self._keep(replace(state, adopted=True))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one on this node that writes refs and `sequence`. Short work only."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder: whoever deletes the folder does not delete the lock.
        with self._lock, open(self.folder.with_name(f"{self.folder.name}.lock"), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def note(self, **changes: Any) -> bool:
        """Write down something that upkeep did (`pruned`, `whole`), while `alone`; packs are looked at
        again. False when there is no repository any more.
        """
        state = self._state()
        if state is None:
            return False
        self._keep(replace(state, **changes))
        return True

    def stamp(self) -> Stamp:
        """What the repository shows; ProjectGone when somebody has just taken it away."""
        state = self._state()
        if state is None:
            raise ProjectGone
        return Stamp(self.repository.project, state.sequence, state.record, state.purged)

    def forget(self) -> None:
        """As `drop`, for who is `alone` already."""
        self._drop()

    def lacking(self) -> list[str]:
        """The files that should be here and are not whole: what makes `catch_up` begin from nothing."""
        with self.alone():
            state = self._state()
            if state is None or self._intact(replace(state, boot="")):
                return []
            sizes = {path.stem: path.stat().st_size for path in self._packs.glob("*.pack")}
            packs = [f"{name}.pack" for name, size in state.packs.items() if sizes.get(name) != size]
            return packs or ["HEAD or its packs"]

    def noted(self, name: str) -> Any:
        """One field of what the repository holds; None when there is none."""
        state = self._state()
        return None if state is None else getattr(state, name)

    def _known_head(self) -> Head:
        head, _ = self.repository.remembered()
        state = self._state()
        if state is not None and state.sequence > head.sequence:
            # The index was deleted and stands for less than was shown before.
            head = self.repository.catch_up()
        return head

    def _caught_up(self) -> Head:
        head, state = self._known_head(), self._state()
        if head.state is HeadState.DELETED:
            self._drop()
            raise ProjectGone
        if not self._stands_for(state, head):
            self._bring_to(head, state)
        return head

    def _stands_for(self, state: _State | None, head: Head) -> bool:
        return (
            state is not None
            and (state.sequence, state.record) == (head.sequence, head.record)
            and self._intact(state)
        )

    def _intact(self, state: _State) -> bool:
        """Whether the files that `sequence` speaks of are there, whole ones after a power cut."""
        names = PackFolder(self._packs).names()
        if not (self.path / "HEAD").is_file() or not names:
            return False
        if state.mending:
            return True
        if not state.packs.keys() <= names:
            return False
        if state.boot == _boot():
            return True
        return all(
            (self._packs / f"{name}.pack").stat().st_size == size for name, size in state.packs.items()
        )

    def _bring_to(self, head: Head, state: _State | None) -> None:
        if state is None or not (self._intact(state) and self._follows(state, head)):
            self._drop()
            self._make(head)
            return
        faults.reach("projection.begun")
        known = set(state.segments)
        live = self._live(head, state)
        self._copy([ref for ref in live if ref.key not in known], self.path, known, live, state)
        faults.reach("projection.packed")
        change = self._changes(head, state)
        if state.pruned and not self._connected(change):
            self._drop()
            self._make(head)
            return
        if len(change.refs) > LOOSE_LIMIT:
            merge_packed(self.path, change.refs)
        else:
            update_refs(self.path, change.refs)
        if change.trunk != state.trunk:
            point_head(self.path, change.trunk)
        faults.reach("projection.referred")
        loose = state.loose + len(change.refs)
        if loose > LOOSE_LIMIT:
            pack_refs(self.path)
            loose = 0
        # What other refs than the trunk's pointed at before may be reached by nothing now.
        left = state.left or any(
            name != change.trunk and not name.startswith(_LANDINGS) for name in change.refs
        )
        self._keep(
            replace(
                self._state_of(head, live),
                loose=loose,
                left=left,
                pruned=state.pruned,
                whole=state.whole,
                mending=state.mending,
            )
        )

    def _follows(self, state: _State, head: Head) -> bool:
        """Whether the log goes on from where the repository stands, and nothing was erased since."""
        row = self.repository.index.record_at(state.sequence)
        return (
            row is not None
            and row.id == state.record
            and state.sequence <= head.sequence
            and state.purged == self.repository.index.last_purge()
        )

    def _make(self, head: Head) -> None:
        """Build the repository aside and put it in place whole."""
        draft = self.folder / f"draft-{new_id()}"
        try:
            lay_out(draft, head.trunk)
            live = self._live(head, None)
            # The log knows the empty tree without storing it; not every git client does.
            with PackWriter(draft / "objects/pack", 1) as pack:
                pack.add(Kind.TREE, b"", EMPTY_TREE_SHA1)
                pack.finish()
            self._copy(live, draft, set(), live, None)
            refs = {name: self.repository.sha1_of(id) for name, id in self.repository.refs().items()}
            refs |= {_landing(position): sha1 for position, sha1 in self.repository.index.positions(0)}
            write_packed(draft, refs)
            faults.reach("projection.made")
            os.replace(draft, self.path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._keep(self._state_of(head, live))

    def _live(self, head: Head, state: _State | None) -> Sequence[SegmentRef]:
        """The live files; of those before a checkpoint that is known already, only their names count."""
        key = head.checkpoint.key if head.checkpoint else None
        if state is None or state.checkpoint != key:
            return live_segments(self.repository.store, head)
        tail = {ref.key for ref in head.tail}
        return (*(SegmentRef(each, 0, "") for each in state.segments if each not in tail), *head.tail)

    def _copy(
        self,
        segments: Sequence[SegmentRef],
        path: Path,
        known: set[str],
        live: Sequence[SegmentRef],
        state: _State | None,
    ) -> None:
        """Write the objects of files that are new into packs."""
        folder = PackFolder(path / "objects/pack")
        # A compacted file repeats what older ones held, an adopted pack what is about to come.
        if state is not None and (state.adopted or known - {ref.key for ref in live}):
            folder.refresh()
        try:
            copy_segments(self.repository, segments, folder)
        finally:
            folder.close()

    def _changes(self, head: Head, state: _State) -> _Change:
        """The refs that moved since; the trunk's among them."""
        repository = self.repository
        names: set[str] = {head.trunk}
        for _, _, record in repository.records(state.sequence):
            refs = record.refs
            if isinstance(refs, str):
                refs = decode_changes_list(repository.read(refs, Kind.LIST), refs)
            names.update(change.name for change in refs)
            names.update(record.trunk_name or ())
        current = repository.refs()
        change = _Change(trunk=head.trunk, main=repository.sha1_of(head.main) if head.main else None)
        for name in sorted(names):
            change.refs[name] = repository.sha1_of(current[name]) if name in current else None
        if change.main == (bytes.fromhex(state.main) if state.main else None) and head.trunk == state.trunk:
            del change.refs[head.trunk]
        change.refs |= {_landing(at): sha1 for at, sha1 in repository.index.positions(state.position)}
        return change

    def _connected(self, change: _Change) -> bool:
        """Whether all that these refs reach is there."""
        wanted = {sha1.hex() for sha1 in change.refs.values() if sha1 is not None}
        return not wanted or self.reaches_all(wanted)

    def reaches_all(self, wanted: Iterable[str] = (), known: Iterable[str] = ()) -> bool:
        """Whether everything is there that `wanted` commits (or all refs) reach beyond what `known` ones
        (or all refs) do.
        """
        some, others = list(wanted), [f"^{each}" for each in known]
        told = "".join(f"{each}\n" for each in some + others).encode()
        rest = () if others else ("--not", "--all")
        command = ("rev-list", "--objects", "--quiet", *(() if some else ("--all",)), "--stdin", *rest)
        try:
            run_git(self.path, *command, input=told)
        except GitFailed:
            return False
        return True

    def _state_of(self, head: Head, live: Sequence[SegmentRef]) -> _State:
        main = self.repository.sha1_of(head.main).hex() if head.main else None
        return _State(
            sequence=head.sequence,
            record=head.record,
            purged=self.repository.index.last_purge(),
            trunk=head.trunk,
            main=main,
            position=head.position,
            checkpoint=head.checkpoint.key if head.checkpoint else None,
            segments=tuple(ref.key for ref in live),
            packs={},
        )

    @property
    def _packs(self) -> Path:
        return self.path / "objects/pack"

    @property
    def _sequence(self) -> Path:
        return self.folder / "sequence"

    def _state(self) -> _State | None:
        try:
            said = json.loads(self._sequence.read_bytes())
            if said["format"] != _FORMAT:
                return None
            return _State(**{**said, "segments": tuple(said["segments"])})
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
            return None

    def _keep(self, state: _State) -> None:
        """Write `sequence`, with the packs that are there now."""
        kept = replace(state, packs=PackFolder(self._packs).sizes(), boot=_boot())
        draft = self.folder / f"sequence-{new_id()}"
        # Its fields are plain data: `asdict` would copy the names of several hundred packs one by one.
        draft.write_text(json.dumps(vars(kept)))
        os.replace(draft, self._sequence)

    def _drop(self) -> None:
        """Away at once for new readers, then from the disk."""
        self._sequence.unlink(missing_ok=True)
        gone = self.folder.with_name(f"{self.folder.name}-gone-{new_id()}")
        with suppress(FileNotFoundError):
            os.replace(self.folder, gone)
        for each in self.folder.parent.glob(f"{self.folder.name}-gone-*"):
            shutil.rmtree(each, ignore_errors=True)


def _landing(position: int) -> str:
    return f"{_LANDINGS}{position}"


def lay_out(path: Path, trunk: str) -> None:
    """Make a bare repository without objects and refs."""
    for each in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
        (path / each).mkdir(parents=True)
    (path / "config").write_text(_CONFIG)
    point_head(path, trunk)


def _boot() -> str:
    """Another text after each start of the machine, where the system tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
