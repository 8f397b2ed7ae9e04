"""Swapping HEAD without ever guessing.

A store may leave a swap unanswered. Then HEAD moved, or did not, or will when a delayed
request arrives; the same bytes are sent again until there is an answer or HEAD has another
version. Only that kills a swap for good, since a version never comes twice. Whether it was
this swap that moved HEAD is for the log to say: whoever gets None reads it and looks.
"""

import time
from collections.abc import Callable, Mapping

from vcs.errors import Kind, MicelioError
from vcs.log import Head
from vcs.store import ABSENT, Lost, Missing, Store, Swapped

__all__ = ["Pause", "Unanswered", "fence_head", "swap_patiently"]

_ATTEMPTS = 12
_FENCES = 64
_LONGEST_PAUSE = 1.0

Pause = Callable[[float], None]


class Unanswered(MicelioError):
    """The store did not say whether HEAD moved; asking the log later will tell."""

    kind = Kind.UNAVAILABLE
    code = "store.unanswered"
    message = (
        "The store does not answer, so nobody knows yet whether this was written. Ask again in a minute."
    )


def swap_patiently(
    store: Store,
    head: Head,
    body: bytes,
    expected: str | None,
    files: Mapping[str, bytes],
    pause: Pause = time.sleep,
) -> str | None:
    """HEAD's new version once `body`, the encoded `head`, is there; None when this swap is lost or dead,
    unless the log says otherwise.

    Raises Unanswered when the store stays silent. Any other error means that HEAD certainly did
    not move by this swap.
    """
    doubtful = False
    for attempt in range(_ATTEMPTS):
        try:
            result = store.swap_head(head.pool, head.project, expected, body, files)
        except MicelioError:
            # Certainly not moved by this request, but an earlier one may still be on its way.
            if not doubtful:
                raise
        else:
            if isinstance(result, Swapped):
                return result.version
            if isinstance(result, Lost):
                return None
        doubtful = True
        if _moved_on(store, head, expected):
            return None
        pause(min(0.01 * 2**attempt, _LONGEST_PAUSE))
    raise Unanswered


def _moved_on(store: Store, head: Head, expected: str | None) -> bool:
    try:
        return store.read_head(head.pool, head.project)[1] != expected
    except Missing:
        return expected is not ABSENT
    except MicelioError:
        return False


def fence_head(store: Store, pool: str, project: str, pause: Pause = time.sleep) -> str:
    """Give HEAD a new version and nothing else, so that every swap begun before is dead.

    Returns that version. Raises Unanswered when the store stays silent or HEAD never rests.
    """
    for _ in range(_FENCES):
        body, version = store.read_head(pool, project)
        head = Head.decode(body).renewed()
        swapped = swap_patiently(store, head, head.encode(), version, {}, pause)
        if swapped is not None:
            return swapped
    raise Unanswered
