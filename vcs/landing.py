"""Landing: whoever comes first leads, decides what waits in order, and swaps HEAD once.

The swap is the only moment at which a landing happens, and the log is the only witness: a
landing is recognised by its id in the records, never by what a swap answered. Two leaders
at once are safe, one of them loses and decides again; the lock only makes that rare.

Callers say which permits still hold (`still_wanted`, asked after HEAD was read) and lend a
lock that keeps two processes from leading at once.
"""

import copy
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from vcs import faults
from vcs.deciding import Asked, Landed, MissingObjects, Overlapping, Plan, Proposal, TooManyFiles, folded
from vcs.errors import InvalidInput, MicelioError
from vcs.errors import Kind as ErrorKind
from vcs.index import RecordRow
from vcs.live import with_lists
from vcs.log import Head, HeadState, Record, SegmentRef, segment_key
from vcs.objects import EMPTY_TREE, Entry, Kind, Object
from vcs.paths import quote
from vcs.pushes import Push
from vcs.repository import Change, Repository, fence, summary_object
from vcs.segments import BIG_BLOB
from vcs.staging import StagedFile
from vcs.store import Missing, utc_now
from vcs.swap import Pause, Unanswered, fence_head, swap_patiently

__all__ = [
    "Batcher",
    "Landed",
    "LandingTaken",
    "LandingUnknown",
    "Limits",
    "MissingObjects",
    "Overlap",
    "PathConflict",
    "PermitGone",
    "ProjectNotOpen",
    "Proposal",
    "Push",
    "fence",
]


@dataclass(frozen=True, slots=True)
class Overlap:
    """A path that this landing and the trunk both changed, and where the trunk did."""

    path: bytes
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None
    position: int | None = None
    landing: str | None = None
    session: str | None = None

    def told(self) -> dict[str, object]:
        """The overlap as plain data, its path as text (`vcs.paths`)."""
        sides = {"base": self.base, "ours": self.ours, "theirs": self.theirs}
        entries = {
            side: entry and {"mode": entry.mode.decode("ascii"), "id": entry.id}
            for side, entry in sides.items()
        }
        changed = {"position": self.position, "landing": self.landing, "session": self.session}
        return {"path": quote(self.path), **entries, **changed}


class PathConflict(MicelioError):
    """Others changed the same paths since this session's base; `overlaps` tells each of them."""

    kind = ErrorKind.CONFLICT
    code = "landing.conflict"
    message = "{paths} changed on the trunk since this work began{by}. Bring it up to date and land again."

    def __init__(self, overlaps: Sequence[Overlap]) -> None:
        self.overlaps = tuple(overlaps)
        shown = ", ".join(quote(overlap.path) for overlap in overlaps[:3])
        more = len(overlaps) - 3
        last = max(
            (o for o in overlaps if o.position is not None), key=lambda o: o.position or 0, default=None
        )
        by = f", last in landing {last.landing or '?'} at position {last.position}" if last else ""
        paths = f"{shown} and {more} more" if more > 0 else shown
        super().__init__(paths=paths, by=by, conflicts=[overlap.told() for overlap in overlaps])


class LandingUnknown(MicelioError):
    """Whether it landed will be known when its permit is settled; the same landing id may be sent again."""

    kind = ErrorKind.UNAVAILABLE
    code = "landing.unknown"
    message = "Nobody knows yet whether landing {landing} happened. Ask again in a minute with the same id."


class LandingTaken(MicelioError):
    """This landing id belongs to somebody else's landing."""

    kind = ErrorKind.CONFLICT
    code = "landing.taken"
    message = "The landing id {landing} was used for another landing already. Make a new one."


class ProjectNotOpen(MicelioError):
    """The project takes no landings just now, or never again."""

    kind = ErrorKind.CONFLICT
    code = "project.not_open"
    message = "This project is {state}, so nothing can land in it."


class PermitGone(MicelioError):
    """The permit of this landing ran out or was taken over before it could land."""

    kind = ErrorKind.CONFLICT
    code = "landing.permit_gone"
    message = "The time to land {landing} ran out. Look at the session and land it again."


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one batch takes, and how often it tries."""

    landings: int = 64
    size: int = 16 << 20
    files: int = 48
    rounds: int = 8


# Longer new objects go to the store before the landing waits in line.
_LONGEST_IN_BATCH = 1 << 20
_MOST_SHA1S = 16_000
"""SHA-1s a batcher remembers, 4 MB at the most: of what the trees name that were landed on lately."""
_MOST_LOOKED_UP = 50


@dataclass(eq=False, slots=True)
class _Ticket:
    """One landing waiting in line, and what became of it."""

    proposal: Asked
    summary: Object
    size: int
    staged: Sequence[StagedFile]
    landed: Landed | None = None
    refused: BaseException | None = None
    doubtful: bool = False
    done: bool = field(default=False)

    def settle(self, outcome: Landed | BaseException) -> None:
        if isinstance(outcome, Landed):
            self.landed = outcome
        else:
            self.refused = outcome
        self.done = True


class _End(Enum):
    """How a round ended: all settled, HEAD moved on under the swap, or to be looked at again."""

    SETTLED = "settled"
    LOST = "lost"
    STALE = "stale"


class Batcher:
    """The line in front of one project, in one process. It holds nothing that matters."""

    def __init__(
        self,
        repository: Repository,
        *,
        still_wanted: Callable[[Sequence[str]], set[str]],
        lock: Callable[[], AbstractContextManager[object]] = nullcontext,
        clock: Callable[[], datetime] = utc_now,
        limits: Limits | None = None,
        host: str = "localhost",
        pause: Pause = time.sleep,
        tell: Callable[[str, int], None] = lambda what, times: None,
        last_changes: Callable[[Sequence[bytes]], Mapping[bytes, Change]] | None = None,
    ) -> None:
        """`tell` is called with what is worth counting: swaps `lost` to somebody else and swaps `won`,
        and how many `landed` by these. `last_changes` knows where paths last changed; without it a
        refusal looks back through the trunk, position by position.
        """
        self._repository = repository
        self._still_wanted = still_wanted
        self._lock = lock
        self._clock = clock
        self.limits = limits or Limits()
        self._host = host
        self._pause = pause
        self._tell = tell
        self._last_changes = last_changes
        self._turn = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._leading = False
        self._sha1s: dict[str, bytes] = {}
        self._doubted: set[str] = set()

    def land(self, proposal: Asked) -> Landed:
        """Wait in line and land. The same landing id, or the same revision of a session, met again
        gets the answer it had.

        Raises PathConflict, RefsMoved, NotFastForward, MissingObjects, ProjectNotOpen, PermitGone or
        LandingTaken when it did not land, LandingUnknown when nobody can tell yet; StoreFailed means
        that nothing happened, so a landing that was asked for before has to say so (`Proposal.again`).
        """
        ticket = self._ticket(proposal)
        with self._turn:
            self._waiting.append(ticket)
        while self._become_leader(ticket):
            try:
                self._lead(ticket)
            finally:
                self._step_down(ticket)
        return self._outcome(ticket)

    def _ticket(self, proposal: Asked) -> _Ticket:
        try:
            summary = summary_object(proposal.summary)
        except ValueError as error:
            raise InvalidInput(problem=f"The summary cannot be stored: {error}.") from error
        objects, keys = list(proposal.objects), list(proposal.staged)
        size = sum(len(object.content) for object in objects)
        if size > _LONGEST_IN_BATCH or any(len(object.content) >= BIG_BLOB for object in objects):
            keys += self._repository.stage(objects, hints=proposal.hints, staged=self._present(keys))
            objects, size = [], 0
        staged = [self._repository.staged.get(key) for key in self._present(keys)]
        doubtful = proposal.again or proposal.landing in self._doubted
        prepared = replace(proposal, objects=objects, staged=keys)
        return _Ticket(prepared, summary, size, staged, doubtful=doubtful)

    def _present(self, keys: Sequence[str]) -> list[str]:
        """The staged files that are there; what is not is found out by what the landing then lacks."""
        present: list[str] = []
        for key in keys:
            with suppress(Missing):
                self._repository.staged.get(key)
                present.append(key)
        return present

    def _become_leader(self, ticket: _Ticket) -> bool:
        """Wait until the ticket is done (False) or it is this thread's turn to lead (True)."""
        with self._turn:
            while self._leading and not ticket.done:
                self._turn.wait()
            if ticket.done:
                return False
            self._leading = True
            return True

    def _step_down(self, ticket: _Ticket) -> None:
        with self._turn:
            self._leading = False
            # Still in line only when leading failed before this landing was looked at.
            with suppress(ValueError):
                self._waiting.remove(ticket)
            self._turn.notify_all()

    def _lead(self, ticket: _Ticket) -> None:
        while not ticket.done:
            with self._lock():
                batch = self._take()
                try:
                    self._settle(batch)
                finally:
                    with self._turn:
                        self._turn.notify_all()

    def _take(self) -> list[_Ticket]:
        """The first in line, as many as one batch holds; a landing that is there twice waits once more."""
        batch: list[_Ticket] = []
        size = files = 0
        with self._turn:
            for ticket in self._waiting:
                size += ticket.size
                files += len(ticket.staged)
                full = size > self.limits.size or files > self.limits.files
                if batch and (full or len(batch) == self.limits.landings):
                    break
                if not any(_same(ticket.proposal, other.proposal) for other in batch):
                    batch.append(ticket)
            self._waiting = [ticket for ticket in self._waiting if ticket not in batch]
        return batch

    def _settle(self, batch: list[_Ticket]) -> None:
        """See every landing of the batch through, or back into the line."""
        try:
            self._land_batch(batch)
        except Unanswered:
            self._settle_rest(batch, lambda ticket: LandingUnknown(landing=ticket.proposal.landing))
        except MicelioError as error:
            failed = error
            self._settle_rest(batch, lambda ticket: self._failure(ticket, failed))
        except BaseException:
            # This thread is being stopped, wherever it was: the others must not wait for it.
            self._settle_rest(batch, lambda ticket: LandingUnknown(landing=ticket.proposal.landing))
            raise

    def _failure(self, ticket: _Ticket, error: MicelioError) -> BaseException:
        """The store's refusal, unless an earlier swap of this landing may still be on its way."""
        if ticket.doubtful:
            return LandingUnknown(landing=ticket.proposal.landing)
        return copy.copy(error)

    def _settle_rest(self, batch: list[_Ticket], outcome: Callable[[_Ticket], BaseException]) -> None:
        for ticket in batch:
            if not ticket.done:
                ticket.settle(outcome(ticket))

    def _land_batch(self, batch: list[_Ticket]) -> None:
        """Go round until every landing is settled; each round begins with what HEAD says then."""
        fresh, lost = False, 0
        while True:
            try:
                end = self._round(batch, fresh=fresh, only_look=lost == self.limits.rounds)
            except MicelioError as error:
                # "Nothing was changed" is only true while no swap was sent.
                if lost:
                    raise Unanswered from error
                raise
            if end is _End.SETTLED:
                return
            fresh = True
            lost += end is _End.LOST

    def _round(self, batch: list[_Ticket], *, fresh: bool, only_look: bool) -> "_End":
        head, version = self._repository.current() if fresh else self._repository.remembered()
        pending = self._unanswered(batch)
        if not pending:
            return _End.SETTLED
        if only_look:
            raise Unanswered
        # What is not open has nothing to be decided against: a tombstone has no objects.
        plan = self._plan(head) if head.state is HeadState.OPEN else None
        outcomes = self._decide(plan, pending) if plan else [_not_open(head) for _ in pending]
        if not fresh and _is_refusal(outcomes) and self._repository.read_head()[1] != version:
            return _End.STALE
        faults.reach("landing.decided")
        for outcome in outcomes:
            if isinstance(outcome, TooManyFiles):
                # `_take` lets such a landing go alone.
                self._join(head, version, outcome.files)
                return _End.STALE
        if self._fenced(pending, outcomes):
            return _End.STALE
        if plan and plan.landed and not self._append(plan, version):
            return _End.LOST
        for ticket, outcome in zip(pending, outcomes, strict=True):
            ticket.settle(outcome)
        return _End.SETTLED

    def _fenced(self, pending: list[_Ticket], outcomes: Sequence[Landed | BaseException]) -> bool:
        """Before a landing is refused whose earlier swap may still be on its way, make that swap dead."""
        doubted = [
            ticket
            for ticket, outcome in zip(pending, outcomes, strict=True)
            if ticket.doubtful and not isinstance(outcome, Landed | PermitGone)
        ]
        if doubted:
            fence_head(self._repository.store, self._repository.pool, self._repository.project, self._pause)
        for ticket in doubted:
            ticket.doubtful = False
        return bool(doubted)

    def _unanswered(self, batch: list[_Ticket]) -> list[_Ticket]:
        """Those that no record answers yet; the others are settled by their record."""
        pending: list[_Ticket] = []
        for ticket in batch:
            proposal = ticket.proposal
            if ticket.done:
                continue
            row = self._repository.index.record_of(proposal.landing, proposal.session, proposal.revision)
            if row is None:
                pending.append(ticket)
            else:
                ticket.settle(self._answer(proposal, row))
        return pending

    def _answer(self, proposal: Asked, row: RecordRow) -> Landed | BaseException:
        repository = self._repository
        record = Record.decode(repository.read(row.id, Kind.RECORD), row.id)
        theirs = (record.session, record.actor)
        if row.landing == proposal.landing and theirs != (proposal.session, proposal.actor):
            return LandingTaken(landing=proposal.landing)
        landing = record.landing or proposal.landing
        first, position = record.positions or (None, repository.index.position_at(row.sequence))
        commit = repository.commit_at(position)
        if commit is None:
            return Landed(landing, position, row.sequence, row.id, None, EMPTY_TREE, row.at, first)
        tree = repository.commit(commit).tree
        return Landed(landing, position, row.sequence, row.id, commit, tree, row.at, first)

    def _plan(self, head: Head) -> Plan:
        if len(self._sha1s) > _MOST_SHA1S:
            self._sha1s.clear()
        return Plan(self._repository, head, self._clock(), self._host, self._sha1s)

    def _decide(self, plan: Plan, pending: list[_Ticket]) -> list[Landed | BaseException]:
        """What becomes of each; one that cannot be decided does not hold up the others."""
        wanted = self._still_wanted([ticket.proposal.landing for ticket in pending])
        outcomes: list[Landed | BaseException] = []
        for ticket in pending:
            if ticket.proposal.landing not in wanted:
                outcomes.append(PermitGone(landing=ticket.proposal.landing))
                continue
            try:
                landed = plan.decide(ticket.proposal, ticket.summary, ticket.staged, self.limits.files)
                outcomes.append(landed)
            except Exception as error:
                # Not hidden: whoever asked for this landing gets it raised.
                outcomes.append(error)
        return outcomes

    def _append(self, plan: Plan, version: str) -> bool:
        """Write and swap; False when HEAD has moved on, by whomever."""
        repository = self._repository
        key = segment_key(repository.pool, repository.project)
        head, files = plan.next_head(key)
        if not self._swap(head, version, files):
            self._tell("lost", 1)
            return False
        self._tell("won", 1)
        self._tell("landed", len(plan.landed))
        # Whoever asks next what this batch changed need not read it back.
        repository.keep_trees(plan.trees)
        return True

    def _swap(self, head: Head, version: str, files: dict[str, bytes]) -> bool:
        repository = self._repository
        long = {key: body for key, body in files.items() if len(body) > _LONGEST_IN_BATCH}
        for key, body in long.items():
            repository.store.put(key, [body])
        short = {key: body for key, body in files.items() if key not in long}
        faults.reach("landing.files_written")
        encoded = head.encode()
        faults.reach("landing.before_swap")
        swapped = swap_patiently(repository.store, head, encoded, version, short, self._pause)
        if swapped is None:
            return False
        faults.reach("landing.after_swap")
        # It has happened. If the index cannot follow just now, the next reader makes it.
        with suppress(MicelioError):
            repository.adopt(encoded, swapped, after=version, files=files)
        return True

    def _join(self, head: Head, version: str, ahead: Sequence[SegmentRef]) -> None:
        """Take long staged files into the live set before their landing, which has too many of them."""
        room, files, listed = folded(self._repository, head, self.limits.files + 1)
        room, listing = with_lists(room, listed)
        joining = list(ahead[: self.limits.files])
        self._swap(room.renewed(tail=(*room.tail, *joining)), version, files | listing)

    def _outcome(self, ticket: _Ticket) -> Landed:
        if ticket.landed is not None:
            self._doubted.discard(ticket.proposal.landing)
            return ticket.landed
        if isinstance(ticket.refused, Overlapping):
            self._doubted.discard(ticket.proposal.landing)
            raise self._conflict(ticket.refused)
        refused = ticket.refused or LandingUnknown(landing=ticket.proposal.landing)
        if isinstance(refused, LandingUnknown):
            self._doubted.add(ticket.proposal.landing)
        elif not ticket.doubtful:
            # Whatever swap was on its way is dead now.
            self._doubted.discard(ticket.proposal.landing)
        raise refused

    def _conflict(self, found: Overlapping) -> PathConflict:
        """The refusal with the landing that changed each path, looked up by the one that was refused."""
        changes = self._changes([conflict.path for conflict in found.conflicts], found.position)
        overlaps: list[Overlap] = []
        for conflict in found.conflicts:
            sides = (conflict.path, conflict.base, conflict.ours, conflict.theirs)
            change = changes.get(conflict.path)
            if change is None:
                overlaps.append(Overlap(*sides))
            else:
                overlaps.append(Overlap(*sides, change.position, change.landing, change.session))
        return PathConflict(overlaps)

    def _changes(self, paths: Sequence[bytes], position: int) -> Mapping[bytes, Change]:
        """Where each of the paths last changed, as far as that can be found."""
        if self._last_changes is not None:
            return self._last_changes(paths)
        found = {path: self._repository.last_change(path, at=position) for path in paths[:_MOST_LOOKED_UP]}
        return {path: change for path, change in found.items() if change is not None}


def _not_open(head: Head) -> ProjectNotOpen:
    return ProjectNotOpen(state=head.state.value)


def _same(first: Asked, second: Asked) -> bool:
    """Whether two landings are the same one, sent twice."""
    if first.landing == second.landing:
        return True
    return first.session is not None and (first.session, first.revision) == (second.session, second.revision)


def _is_refusal(outcomes: Sequence[Landed | BaseException]) -> bool:
    """Whether something was refused by what HEAD says, which may have changed meanwhile."""
    return any(not isinstance(outcome, Landed | PermitGone | TooManyFiles) for outcome in outcomes)
