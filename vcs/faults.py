"""Fault points: named places where a test or a drill may stop the world.

`reach` does nothing until somebody arms its point, so production pays one dictionary
look-up. Points are declared here by name; reaching or arming any other is a mistake that
shows at once, so a drill cannot wait for a point that no longer exists.
"""

from collections.abc import Callable

__all__ = ["POINTS", "arm", "disarm", "reach"]

POINTS = (
    "store.file_written",
    "store.before_commit",
    "store.after_commit",
    "landing.staged",
    "landing.permitted",
    "landing.queued",
    "landing.decided",
    "landing.files_written",
    "landing.before_swap",
    "landing.after_swap",
    "landing.before_catch_up",
    "landing.after_catch_up",
    "compaction.written",
    "compaction.before_swap",
    "collection.condemned",
    "collection.deleted",
    "index.step",
    "index.filled",
    "index.taken_over",
    "fork.made",
    "purge.frozen",
    "purge.written",
    "purge.swapped",
    "projection.begun",
    "projection.packed",
    "projection.referred",
    "projection.made",
    "upkeep.begun",
    "upkeep.repacked",
    "upkeep.swept",
    "import.segment_written",
    "import.metadata",
    "import.git_data_clone",
    "import.validation",
    "import.landing",
    "import.permitted",
    "import.landed",
    "import.finalization",
    "rows.ahead",
    "mirror.begun",
    "mirror.pushing",
    "mirror.tried",
    "idempotency.releasing",
    "push.unpacked",
    "push.taken",
    "push.permitted",
    "push.landed",
)

_actions: dict[str, Callable[[], None] | None] = dict.fromkeys(POINTS)


def reach(name: str) -> None:
    """Say that execution is at this point; runs what was armed there, and lets it raise."""
    action = _actions[_declared(name)]
    if action is not None:
        action()


def arm(name: str, action: Callable[[], None]) -> None:
    """From now on run `action` whenever any thread of this process reaches the point."""
    _actions[_declared(name)] = action


def disarm(name: str | None = None) -> None:
    """Make a point harmless again, or all of them."""
    for point in POINTS if name is None else (_declared(name),):
        _actions[point] = None


def _declared(name: str) -> str:
    if name not in _actions:
        raise ValueError(f"no fault point is called {name}; vcs/faults.py declares them")
    return name
