"""Checks left out on purpose: the simulation has to notice each of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest import mock

from greenlet import getcurrent

from tests.sim.world import World
from vcs import collection, landing
from vcs.deciding import Plan
from vcs.forks import _Fork
from vcs.index import Index
from vcs.staging import StagedFiles

__all__ = ["SHORTCUTS"]


@contextmanager
def no_adoption_check() -> Iterator[None]:
    """A landing takes a staged file over without asking whether it is condemned, or there."""
    made = Plan.__init__

    def blind(self: Plan, *arguments: object) -> None:
        made(self, *arguments)
        self._condemned = frozenset()

    with (
        mock.patch.object(Plan, "__init__", blind),
        mock.patch.object(StagedFiles, "exists", lambda *arguments: True),
    ):
        yield


def no_second_read() -> AbstractContextManager[object]:
    """A fork does not read its parent's HEAD again."""
    return mock.patch.object(_Fork, "still_stands", lambda *arguments: True)


@contextmanager
def no_second_listing() -> Iterator[None]:
    """The collector does not read the pool's HEADs again before it deletes."""
    delete, used_in_pool = collection._Collection._delete, collection.used_in_pool
    deleting: set[object] = set()

    def blind(self: collection._Collection, *arguments: object) -> None:
        deleting.add(getcurrent())
        try:
            delete(self, *arguments)
        finally:
            deleting.discard(getcurrent())

    def used(*arguments: object) -> set[str]:
        return set() if getcurrent() in deleting else used_in_pool(*arguments)

    with (
        mock.patch.object(collection._Collection, "_delete", blind),
        mock.patch.object(collection, "used_in_pool", used),
    ):
        yield


def no_fence() -> AbstractContextManager[object]:
    """The sweeper looks into the log without killing swaps that may still arrive."""
    return mock.patch.object(World, "fence", lambda self, repository: repository.catch_up())


def no_recognition() -> AbstractContextManager[object]:
    """A leader does not look for its landings in the log."""
    return mock.patch.object(Index, "record_of", _unless_swept(Index.record_of))


def _unless_swept(record_of: Callable[..., object]) -> Callable[..., object]:
    # The sweeper asks by landing alone; only the leader knows session and revision.
    return lambda self, landing, session, revision: (
        None if session is not None else record_of(self, landing, session, revision)
    )


def no_late_permits() -> AbstractContextManager[object]:
    """A leader asks for permits once and believes it in every round."""
    decide = landing.Batcher._decide

    def remembering(self: landing.Batcher, plan: Plan, pending: list[landing._Ticket]) -> object:
        known = self.__dict__.setdefault("_known", {})
        ask = self._still_wanted

        def asked(landings: list[str]) -> set[str]:
            new = [each for each in landings if each not in known]
            wanted = ask(new) if new else set()
            known.update((each, each in wanted) for each in new)
            return {each for each in landings if known[each]}

        self._still_wanted = asked
        try:
            return decide(self, plan, pending)
        finally:
            self._still_wanted = ask

    return mock.patch.object(landing.Batcher, "_decide", remembering)


SHORTCUTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "adoption check": no_adoption_check,
    "fork's second read": no_second_read,
    "collector's second listing": no_second_listing,
    "sweeper's fence": no_fence,
    "recognition by landing id": no_recognition,
    "permits after HEAD": no_late_permits,
}
