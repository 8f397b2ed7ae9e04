"""What happens to sessions by the clock and after they landed."""

import json

import zstandard

from backend.core.context import Context
from backend.core.jobs import every, on
from backend.core.operations import Mode
from backend.projects.models import Project
from backend.sessions import landing, live
from backend.sessions.landing import SessionLanded
from backend.sessions.models import WorkSession
from vcs.log import archive_key


@every(seconds=30, mode=Mode.STEPS)
def settle_old_permits(ctx: Context) -> None:
    """Settle permits whose landing nobody finished."""
    landing.sweep(ctx.forge)


@on(SessionLanded, queue="archive", mode=Mode.STEPS)
def archive_session_events(ctx: Context, fact: SessionLanded) -> None:
    """Put the events of a landed session into the store, beside its code, as zstd of JSON lines."""
    with ctx.transaction(write=False) as tx:
        found, project = tx.db.get(WorkSession, fact.session), tx.db.get(Project, fact.project)
        if found is None or project is None:
            return
        rows = live.events_after(tx, found.id, 0, found.events)
        # In the order people wrote it: a forge that comes back from its store says it so again.
        lines = [json.dumps(live.shown(row).model_dump(mode="json")) for row in rows]
    body = zstandard.compress("".join(line + "\n" for line in lines).encode())
    # One archive per landed session: the same fact met again finds it there.
    if not any(ctx.forge.store.list(f"archives/{fact.project}/{fact.session}/")):
        ctx.forge.store.put(archive_key(fact.project, fact.session), [body])
