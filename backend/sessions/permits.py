"""Permits of landings that belong to no session, and permits of landings that take long.

A permit is given in the transaction that asked whether its landing may happen, and is all that
the log asks for before it appends. Taken away in time, the landing does not happen. None is given
for longer than `PERMIT`: the sweeper takes one that holds longer for a leftover of a clock that was
set back. So who needs more time renews, and who died meanwhile is found out within half a minute.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from sqlmodel import col, delete, update

from backend.core.context import SYSTEM, Context, Forge
from backend.sessions.landing import PERMIT
from backend.sessions.models import Permit, PermitState

RENEW_SECONDS = PERMIT.total_seconds() / 3

log = logging.getLogger(__name__)


def give(ctx: Context, landing: str, project: str, actor: str | None) -> None:
    """Give leave to append one landing, or give it anew."""
    permit = ctx.db.get(Permit, landing)
    if permit is None:
        permit = Permit(landing=landing, project_id=project, actor_id=actor, expires_at=ctx.now())
    # One that is being settled is open again: whoever settles it then leaves it alone.
    permit.state = PermitState.OPEN
    permit.expires_at = ctx.now() + PERMIT
    ctx.db.add(permit)


@contextmanager
def renewed(forge: Forge, landing: str) -> Iterator[None]:
    """Give the landing more time again and again while this is open, as long as nobody took its permit."""
    over = Event()

    def renew() -> None:
        while not over.wait(RENEW_SECONDS):
            try:
                if not _more_time(forge, landing):
                    return
            except Exception:
                # The next try comes before the permit runs out.
                log.exception("the permit of landing %s could not be renewed", landing)

    thread = Thread(target=renew, name=f"permit-{landing}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _more_time(forge: Forge, landing: str) -> bool:
    """Whether the permit is there and nobody settles it; it then holds for as long as a new one."""
    with Context(forge, SYSTEM).transaction() as tx:
        claim = (
            update(Permit)
            .where(col(Permit.landing) == landing, col(Permit.state) == PermitState.OPEN)
            .values(expires_at=tx.now() + PERMIT)
        )
        return tx.db.exec(claim).rowcount == 1


def withdraw(ctx: Context, landing: str) -> None:
    """Take the leave back; what the log has by now stays."""
    ctx.db.exec(delete(Permit).where(col(Permit.landing) == landing))


def forget_project(ctx: Context, project: str) -> None:
    """Take every leave of a project back that goes away."""
    ctx.db.exec(delete(Permit).where(col(Permit.project_id) == project))
    ctx.db.flush()
