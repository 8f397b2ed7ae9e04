"""What became of all that was promised: the ledger held against the log, its rows and the watchers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta

from sqlmodel import col, select

import backend.doors.catalogue  # noqa: F401  who follows the log
from backend.core.config import Settings
from backend.core.context import SYSTEM, Context, Forge, utc_now
from backend.instance import doctor
from backend.organizations.models import Organization
from backend.projects import code
from backend.projects.models import Landing, Project
from backend.sessions import landing
from backend.sessions.models import Permit, SessionEvent
from tests.soak.agents import Ledger
from tests.soak.doors import ORGANIZATION, PROJECT
from tests.soak.watching import Watched
from vcs.objects import Kind, Object


@dataclass
class Verdict:
    """What is wrong, a sentence each, by what was promised."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    events_lost: list[str] = field(default_factory=list)
    events_doubled: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    positions: int = 0
    unanswered: int = 0
    """Landings that were asked for and never answered, and how many of them happened all the same."""
    unanswered_landed: int = 0

    @property
    def wrong(self) -> list[str]:
        """Everything that must not be."""
        return [
            *self.lost,
            *self.doubled,
            *self.events_lost,
            *self.events_doubled,
            *self.faults,
        ]


def judge(environment: Mapping[str, str], ledger: Ledger, seen: Sequence[Watched]) -> Verdict:
    """Look at a forge that nobody serves any more. Permits are settled first, as a worker would."""
    verdict = Verdict()
    later = utc_now() + timedelta(minutes=2)
    with closing(Forge.open(Settings.from_environ(environment), clock=lambda: later)) as forge:
        landing.sweep(forge)
        with Context(forge, SYSTEM).transaction(write=False) as tx:
            project = tx.db.exec(
                select(Project)
                .join(Organization, col(Organization.id) == col(Project.organization_id))
                .where(Organization.handle == ORGANIZATION, Project.handle == PROJECT)
            ).one()
            repository = code.reader(tx, project)
            rows = tx.db.exec(select(Landing).where(Landing.project == project.id)).all()
            stored = {
                (session, sequence)
                for session, sequence in tx.db.exec(select(SessionEvent.session_id, SessionEvent.sequence))
            }
            open_permits = tx.db.exec(select(Permit)).all()
        in_log = [
            (record.landing, record.session, record.positions[1])
            for _, _, record in repository.records()
            if record.positions
        ]
        _landings(verdict, ledger, in_log)
        if sorted((row.landing, row.session, row.position) for row in rows) != sorted(in_log):
            verdict.lost.append("the rows of landings are not those of the log")
        head = repository.head()
        if head.main is not None:
            there = dict(repository.walk(repository.commit(head.main).tree))
            _contents(verdict, ledger, {path.decode(): entry.id for path, entry in there.items()})
        verdict.faults += [f"permit of {permit.landing} was never settled" for permit in open_permits]
        verdict.faults += [one.sentence for one in doctor.examine(forge) if one.fault]
    _events(verdict, ledger, seen, stored)
    return verdict


def _landings(verdict: Verdict, ledger: Ledger, in_log: Sequence[tuple[str | None, str | None, int]]) -> None:
    found = {landing: (session, position) for landing, session, position in in_log}
    for name, session, position in ledger.landed:
        if found.get(name) != (session, position):
            verdict.lost.append(f"landing {name} was told {position} and the log has {found.get(name)}")
    for what in (0, 1):
        for name, times in Counter(entry[what] for entry in in_log).items():
            if times > 1:
                verdict.doubled.append(f"{name} landed {times} times")
    verdict.positions = len(in_log)
    if sorted(position for _, _, position in in_log) != list(range(1, len(in_log) + 1)):
        verdict.lost.append("positions have holes")
    verdict.lost += [f"{landing} was refused and landed" for landing in ledger.refused if landing in found]
    answered = {landing for landing, _, _ in ledger.landed} | set(ledger.refused)
    unanswered = ledger.asked.keys() - answered
    verdict.unanswered = len(unanswered)
    verdict.unanswered_landed = len(unanswered & found.keys())
    strange = found.keys() - ledger.asked.keys()
    verdict.doubled += [f"nobody asked for landing {landing}" for landing in strange]


def _contents(verdict: Verdict, ledger: Ledger, there: Mapping[str, str]) -> None:
    """Every file of an acknowledged landing is at HEAD with its bytes; "last" may be one landing newer."""
    for path, content in ledger.contents.items():
        if path.endswith("/last"):
            newer = b"%d\n" % (int(content) + 1)
            allowed = {Object.of(Kind.BLOB, text).id for text in (content, newer)}
        else:
            allowed = {Object.of(Kind.BLOB, content).id}
        if there.get(path) not in allowed:
            verdict.lost.append(f"{path} is not what landed")


def _events(verdict: Verdict, ledger: Ledger, seen: Sequence[Watched], stored: set[tuple[str, int]]) -> None:
    for session, sequences in ledger.told.items():
        if len(set(sequences)) != len(sequences):
            verdict.events_doubled.append(f"two events of {session} have one sequence")
        for sequence in sequences:
            if (session, sequence) not in stored:
                verdict.events_lost.append(f"event {sequence} of {session} is not stored")
    for watched in seen:
        verdict.events_lost += _not_seen(watched, ledger)
        doubled = [one for one, times in Counter(watched.sequences).items() if times > 1]
        verdict.events_doubled += [f"a watcher of {watched.session} saw {one} twice" for one in doubled]


def _not_seen(watched: Watched, ledger: Ledger) -> Iterator[str]:
    reached = watched.sequences[-1] if watched.sequences else 0
    # A session that never ended is watched as far as its agent was answered.
    until = max([reached, *ledger.told.get(watched.session, [])])
    for sequence in sorted(set(range(1, until + 1)) - set(watched.sequences)):
        yield f"a watcher of {watched.session} never saw {sequence}"
    if watched.sequences != sorted(watched.sequences):
        yield f"a watcher of {watched.session} saw events out of order"
