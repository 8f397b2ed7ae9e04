"""Collection: files that nobody needs any more are deleted, in steps that may stop anywhere.

A name is condemned in its owner's HEAD first: from then on no landing takes the file over.
Then the HEADs of the whole pool are read again, because a fork may have taken it over
before; what any of them uses is spared. Only then files vanish, an hour after they were
condemned, for readers that still look at an older HEAD. Whoever finds condemned names goes
on at the second reading, so a crash leaves nothing to repair.

Ages are by the store's clock alone; a deleted project's files have no age to reach.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import sleep

from vcs import faults
from vcs.live import HeadNeverRests, own_prefix, read_live, used_in_pool
from vcs.log import CONDEMNED_LIMIT, Condemned, Head, HeadState, SegmentRef, head_key
from vcs.store import Listed, Store
from vcs.swap import Pause, fence_head, swap_patiently

__all__ = ["GRACE", "YOUNG", "Collected", "collect", "collect_files"]

YOUNG = timedelta(hours=24)
GRACE = timedelta(hours=1)

_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collection did; `waiting` names are condemned and not yet deleted."""

    condemned: int = 0
    spared: int = 0
    deleted: int = 0
    waiting: int = 0


def collect(
    store: Store, pool: str, project: str, *, named: Callable[[], Collection[str]], pause: Pause = sleep
) -> Collected:
    """Condemn this project's own unused files and delete those condemned long enough. `named` gives the
    keys that open sessions and running imports still name; it is asked after HEAD was read.

    A frozen project is left alone. Of a deleted one everything goes at once that no fork uses.
    """
    return _Collection(store, pool, project, named, pause).run()


def collect_files(
    store: Store, pool: str, project: str, keys: Iterable[str], *, pause: Pause = sleep
) -> Collected:
    """Delete these files of a project now, as far as no HEAD of the pool uses them; for a purge."""
    return _Collection(store, pool, project, tuple, pause, only=frozenset(keys)).run()


class _Collection:
    def __init__(
        self,
        store: Store,
        pool: str,
        project: str,
        named: Callable[[], Collection[str]],
        pause: Pause,
        only: frozenset[str] | None = None,
    ) -> None:
        self.store = store
        self.pool = pool
        self.project = project
        self.named = named
        self.pause = pause
        self.only = only
        self.total = Collected()

    def run(self) -> Collected:
        head, _, live = read_live(self.store, self.pool, self.project)
        if head.state is HeadState.FROZEN:
            return self.total
        patient = self.only is None and head.state is not HeadState.DELETED
        if not head.condemned and not self._unused(head, live):
            return self.total
        # HEAD as the store dates it now: the one clock that all its names were dated by.
        fence_head(self.store, self.pool, self.project, self.pause)
        (dated,) = self.store.list(head_key(self.pool, self.project))
        now = dated.at
        while True:
            before = self.total
            head = self._condemn(now, now - YOUNG if patient else None)
            faults.reach("collection.condemned")
            if head.condemned:
                self._delete(head, now - GRACE if patient else None)
            if patient or self.total == before:
                return self.total

    def _unused(self, head: Head, live: Iterable[SegmentRef]) -> list[Listed]:
        """Own files that no HEAD of the pool uses, nobody names, and that are not condemned yet."""
        # Listed before the HEADs are read: what was written since then may be about to become live.
        listed = list(self.store.list(own_prefix(self.pool, self.project)))
        # The pool's HEADs are read after ours, which may move on meanwhile; then the swap is lost.
        known = {name.key for name in head.condemned} | {ref.key for ref in live}
        found = [each for each in listed if each.key not in known and self._wanted(each.key)]
        if not found:
            return []
        spared = used_in_pool(self.store, self.pool) | set(self.named())
        return [each for each in found if each.key not in spared]

    def _wanted(self, key: str) -> bool:
        return self.only is None or key in self.only

    def _condemn(self, now: datetime, until: datetime | None) -> Head:
        """Condemn what is unused and old enough, as much as there is room for; HEAD with all condemned."""
        for _ in range(_ROUNDS):
            head, version, live = read_live(self.store, self.pool, self.project)
            if head.state is HeadState.FROZEN:
                return head.renewed(condemned=())
            old = [each for each in self._unused(head, live) if until is None or each.at <= until]
            names = [Condemned(each.key, now) for each in old[: CONDEMNED_LIMIT - len(head.condemned)]]
            if not names:
                return head
            following = head.renewed(condemned=(*head.condemned, *names))
            if self._swap(following, version):
                self.total = replace(self.total, condemned=self.total.condemned + len(names))
                return following
        raise HeadNeverRests(project=self.project)

    def _delete(self, head: Head, until: datetime | None) -> None:
        """List the pool's HEADs again, delete what is due and unused, and clear both from HEAD."""
        used = used_in_pool(self.store, self.pool)
        spared = [name.key for name in head.condemned if name.key in used]
        unused = [name for name in head.condemned if name.key not in used]
        due = [name.key for name in unused if until is None or name.at <= until]
        for key in due:
            self.store.delete(key)
            faults.reach("collection.deleted")
        if due or spared:
            self._clear({*due, *spared})
        waiting = len(head.condemned) - len(due) - len(spared)
        done = self.total
        self.total = replace(
            done, spared=done.spared + len(spared), deleted=done.deleted + len(due), waiting=waiting
        )

    def _clear(self, names: set[str]) -> None:
        for _ in range(_ROUNDS):
            head, version, _ = read_live(self.store, self.pool, self.project)
            left = tuple(name for name in head.condemned if name.key not in names)
            if len(left) == len(head.condemned) or self._swap(head.renewed(condemned=left), version):
                return
        raise HeadNeverRests(project=self.project)

    def _swap(self, head: Head, version: str) -> bool:
        return swap_patiently(self.store, head, head.encode(), version, {}, self.pause) is not None
