"""What the index does by the clock: after an upgrade its rows are made here."""

from backend.core.context import Context
from backend.core.jobs import every
from backend.core.operations import Mode
from backend.search import index


@every(seconds=300, mode=Mode.STEPS)
def mend_search_index(ctx: Context) -> None:
    """Write what the index lacks and take out what is gone; of several workers one looks at a time."""
    with ctx.forge.db.try_lock("search-index") as mine:
        if mine:
            index.catch_up_all(ctx)
