"""The two protocols as explicit-state models: every interleaving of their steps is tried.

Landing: two writers and a sweeper against a store that may lose answers and apply swaps
late. Collecting: a fork, a compaction, a writer that takes over a staged file and a
collector that may crash. Both are safe as specified, and each shortcut is shown to break
them, so that nobody takes one later because it looked harmless.
"""

from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

import pytest


def explore(start, steps: Callable[[object], Iterator[object]], problems: Callable[[object], set[str]]):
    """How many states can be reached, and the problems of the first state that has any."""
    seen = {start}
    pending = deque([start])
    while pending:
        state = pending.popleft()
        if found := problems(state):
            return len(seen), found
        for following in steps(state):
            if following not in seen:
                seen.add(following)
                pending.append(following)
    return len(seen), set()


class Shortcut(StrEnum):
    """What somebody might leave out of landing."""

    OWN_MARK = "recognises its landing by its own mark in HEAD"
    NO_PERMIT = "asks no permit, and reports failure when its tries end"
    NO_TAKEOVER = "the sweeper fences without taking the permit over"
    NO_FENCE = "the sweeper may look without a fence"


class Writer(NamedTuple):
    at: str = "read"
    version: int = 0
    log: tuple[int, ...] = ()
    tries: int = 0


class Landing(NamedTuple):
    """HEAD (version, log, who swapped last), swaps on their way, writers, writer 0's permit, a sweeper."""

    version: int = 0
    log: tuple[int, ...] = ()
    mark: tuple | None = None
    sent: frozenset = frozenset()
    writers: tuple[Writer, Writer] = (Writer(), Writer())
    permit: str = "open"
    sweeper: str = "idle"


TRIES = 2


def with_writer(state, number, **changes):
    writers = list(state.writers)
    writers[number] = writers[number]._replace(**changes)
    return state._replace(writers=tuple(writers))


def writer_steps(state, number, shortcut):
    me = state.writers[number]
    if me.at == "read":
        if shortcut is not Shortcut.OWN_MARK and number in state.log:
            yield with_writer(state, number, at="landed", version=0, log=())
        else:
            following = "send" if shortcut in (Shortcut.OWN_MARK, Shortcut.NO_PERMIT) else "permit"
            yield with_writer(state, number, at=following, version=state.version, log=state.log)
    elif me.at == "permit":
        held = number != 0 or state.permit == "open"
        yield with_writer(state, number, at="send" if held else "unknown")
    elif me.at == "send":
        swap = (number, me.tries, me.version, (*me.log, number))
        yield with_writer(state, number, at="wait")._replace(sent=state.sent | {swap})
    elif me.at == "wait":
        yield with_writer(state, number, at="resolve")
    elif me.at == "resolve":
        mine = (
            bool(state.mark) and state.mark[0] == number
            if shortcut is Shortcut.OWN_MARK
            else number in state.log
        )
        if mine:
            yield with_writer(state, number, at="landed", version=0, log=())
        elif me.tries + 1 < TRIES:
            yield with_writer(state, number, at="read", version=0, log=(), tries=me.tries + 1)
        else:
            unsure = shortcut not in (Shortcut.OWN_MARK, Shortcut.NO_PERMIT)
            yield with_writer(state, number, at="unknown" if unsure else "failed", version=0, log=())


def store_steps(state):
    """The store answers, or applies or refuses without an answer, whenever it likes."""
    for swap in state.sent:
        number, tries, version, log = swap
        rest = state._replace(sent=state.sent - {swap})
        listening = state.writers[number].at == "wait" and state.writers[number].tries == tries
        if version == state.version:
            moved = rest._replace(version=version + 1, log=log, mark=(number, tries))
            yield moved
            if listening:
                yield with_writer(moved, number, at="landed", version=0, log=())
        else:
            yield rest
            if listening:
                yield with_writer(rest, number, at="resolve")


def sweeper_steps(state, shortcut):
    if state.sweeper == "idle" and shortcut not in (Shortcut.OWN_MARK, Shortcut.NO_PERMIT):
        permit = state.permit if shortcut is Shortcut.NO_TAKEOVER else "recovering"
        yield state._replace(permit=permit, sweeper="fence")
    elif state.sweeper == "fence":
        yield state._replace(version=state.version + 1, mark=("fence", 0), sweeper="look")
        if shortcut is Shortcut.NO_FENCE:
            yield state._replace(sweeper="look")
    elif state.sweeper == "look":
        yield state._replace(sweeper="landed" if 0 in state.log else "failed")
    elif state.sweeper in ("landed", "failed"):
        yield state._replace(permit=state.sweeper, sweeper="off")


def landing_problems(state):
    problems = set()
    for number, writer in enumerate(state.writers):
        if state.log.count(number) > 1:
            problems.add("landed twice")
        if writer.at == "failed" and number in state.log:
            problems.add("reported failed, but landed")
        if writer.at == "landed" and number not in state.log:
            problems.add("reported landed, but lost")
    if state.permit == "failed" and 0 in state.log:
        problems.add("settled as failed, but landed")
    return problems


def landing(shortcut=None):
    def steps(state):
        for number in (0, 1):
            yield from writer_steps(state, number, shortcut)
        yield from store_steps(state)
        yield from sweeper_steps(state, shortcut)

    return explore(Landing(), steps, landing_problems)


def test_landing_is_safe_as_specified():
    states, problems = landing()

    assert problems == set()
    assert states == 25_442


@pytest.mark.parametrize("shortcut", Shortcut)
def test_every_shortcut_in_landing_breaks_it(shortcut):
    assert landing(shortcut)[1]


class Check(StrEnum):
    """The three checks of collection; each is necessary."""

    ADOPTION = "a writer looks whether the file it takes over is condemned"
    SECOND_READ = "a fork reads its parent's HEAD again"
    SECOND_LISTING = "the collector lists the pool's HEADs again"


class Pool(NamedTuple):
    """A parent's HEAD, a fork's live set, the stored names, and where everybody is.

    S is live from the beginning, T is staged, C is what compaction makes of S, U what the
    writer uploads when it may not take T. Two crashes of the collector are tried.
    """

    version: int = 0
    live: frozenset = frozenset("S")
    condemned: frozenset = frozenset()
    stored: frozenset = frozenset("ST")
    child: frozenset | None = None
    fork: tuple = ("read", 0, frozenset())
    compaction: tuple = ("read", 0)
    writer: tuple = ("read", 0, "T")
    collector: tuple = ("pick", 0, frozenset())
    crashes: int = 0


def fork_steps(state, dropped):
    at, version, live = state.fork
    if at == "read":
        yield state._replace(fork=("make", state.version, state.live))
    elif at == "make":
        following = "done" if dropped is Check.SECOND_READ else "verify"
        yield state._replace(child=live, fork=(following, version, live))
    elif at == "verify":
        same = version == state.version
        yield state._replace(fork=("done", 0, live) if same else ("make", state.version, state.live))


def compaction_steps(state):
    at, version = state.compaction
    if at == "read" and "S" in state.live:
        yield state._replace(stored=state.stored | {"C"}, compaction=("swap", state.version))
    elif at == "swap" and version == state.version:
        live, condemned = state.live - {"S"} | {"C"}, state.condemned | {"S"}
        yield state._replace(version=version + 1, live=live, condemned=condemned, compaction=("done", 0))
    elif at == "swap":
        yield state._replace(compaction=("swap", state.version) if "S" in state.live else ("done", 0))


def adoption_steps(state, dropped):
    at, version, name = state.writer
    if at == "read":
        allowed = name not in state.condemned or dropped is Check.ADOPTION
        yield state._replace(writer=("check" if allowed else "upload", state.version, name))
    elif at == "check":
        yield state._replace(writer=("swap", version, name) if name in state.stored else ("upload", 0, name))
    elif at == "upload":
        yield state._replace(stored=state.stored | {"U"}, writer=("read", 0, "U"))
    elif at == "swap" and version == state.version:
        yield state._replace(version=version + 1, live=state.live | {name}, writer=("done", 0, name))
    elif at == "swap":
        yield state._replace(writer=("read", 0, name))


def collector_steps(state, dropped):
    at, version, names = state.collector
    if state.crashes == 3:
        return
    again = state._replace(crashes=state.crashes + 1, collector=("pick", 0, frozenset()))
    if at == "pick":
        # U and C are younger than a day.
        unused = state.stored - state.live - (state.child or frozenset()) - {"U", "C"}
        yield state._replace(collector=("condemn", state.version, unused))
        if state.condemned:
            yield state._replace(collector=("list", state.version, state.condemned))
    elif at == "condemn" and version == state.version:
        condemned = state.condemned | names
        yield state._replace(version=version + 1, condemned=condemned, collector=("list", 0, condemned))
    elif at == "condemn":
        yield state._replace(collector=("pick", 0, frozenset()))
    elif at == "list":
        spared = frozenset() if dropped is Check.SECOND_LISTING else state.child or frozenset()
        yield state._replace(collector=("delete", 0, names - spared))
    elif at == "delete":
        yield state._replace(stored=state.stored - names, collector=("clear", 0, names))
        yield again
    elif at == "clear":
        yield again._replace(version=state.version + 1, condemned=state.condemned - names)
        yield again


def pool_problems(state):
    problems = set()
    if not state.live <= state.stored:
        problems.add("a live file of the parent is gone")
    if state.fork[0] == "done" and not (state.child or frozenset()) <= state.stored:
        problems.add("a live file of the fork is gone")
    return problems


def collecting(dropped=None):
    def steps(state):
        yield from fork_steps(state, dropped)
        yield from compaction_steps(state)
        yield from adoption_steps(state, dropped)
        yield from collector_steps(state, dropped)

    return explore(Pool(), steps, pool_problems)


def test_collecting_is_safe_as_specified():
    states, problems = collecting()

    assert problems == set()
    assert states == 163_988


@pytest.mark.parametrize("dropped", Check)
def test_every_check_of_collecting_is_necessary(dropped):
    assert collecting(dropped)[1]
