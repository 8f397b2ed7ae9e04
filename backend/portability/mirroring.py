"""An attempt of a mirror, from the clock to its result.

A timer sees in SQL which mirrors are due: by their interval, or, for push mirrors, because the log went
on since they were brought up to date. So landings do not wait for mirrors, many landings make one
push, and no lost fact leaves a mirror behind. What goes wrong is a sentence in the mirror's row; after an
attempt that did not get through, the next ones come in growing pauses.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import and_, col, or_, select

from backend.core.context import Context
from backend.core.errors import MicelioError
from backend.portability import mirrors, pulling, pushing
from backend.portability.models import Direction, Mirror, MirrorState
from backend.portability.outcomes import Outcome
from backend.projects.models import Cursor, Project, ProjectState
from vcs import faults
from vcs.errors import Kind

BREATH = timedelta(seconds=30)
"""A push mirror is pushed to once in this time at the most, however much lands."""
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(days=1)
LOST = timedelta(hours=6)
"""After this time an attempt that nobody ended is asked for again; one that still runs goes on alone."""
AT_ONCE = 500

BROKEN = "Something went wrong in the forge itself; its log says what."

log = logging.getLogger(__name__)


def state_what_is_due(ctx: Context) -> None:
    """Tell the worker of each mirror whose time has come; nothing is read but SQL."""
    for row in _due(ctx):
        mirrors.due(ctx, row)


def some_are_due(ctx: Context) -> bool:
    """Whether there is anything to tell: asked often, so nobody's writing waits for it."""
    with ctx.transaction(write=False) as tx:
        return bool(_due(tx))


def _due(ctx: Context) -> Sequence[Mirror]:
    moved = and_(
        Mirror.direction == Direction.PUSH,
        Mirror.failures == 0,
        col(Cursor.sequence) > col(Mirror.sequence),
        or_(col(Mirror.last_attempt_at).is_(None), col(Mirror.last_attempt_at) <= ctx.now() - BREATH),
    )
    at_rest = or_(
        col(Mirror.state).not_in([MirrorState.WAITING, MirrorState.RUNNING]),
        col(Mirror.asked_at) <= ctx.now() - LOST,
    )
    query = (
        select(Mirror)
        .join(Project, col(Project.id) == col(Mirror.project_id))
        .outerjoin(Cursor, (col(Cursor.project) == col(Mirror.project_id)) & (col(Cursor.name) == "landings"))
        .where(
            Project.state == ProjectState.READY,
            ~col(Project.archived),
            ~col(Mirror.paused),
            at_rest,
            or_(col(Mirror.next_at) <= ctx.now(), moved),
        )
    )
    return ctx.db.exec(query.order_by(col(Mirror.next_at)).limit(AT_ONCE)).all()


def run_mirror(ctx: Context, id: str) -> None:
    """One attempt of a mirror, to its end. Only one process makes it at a time."""
    with ctx.forge.db.try_lock(f"mirror:{id}") as mine:
        if not mine:
            return
        begun = _begin(ctx, id)
        if begun is None:
            return
        row, project = begun
        faults.reach("mirror.begun")
        try:
            outcome = _attempt(ctx, row, project)
        except MicelioError as error:
            if error.kind is Kind.CORRUPT:
                log.exception("mirror %s failed", id)
            outcome = Outcome(problem=error.sentence, through=False)
        except Exception:
            _end(ctx, id, Outcome(problem=BROKEN, through=False))
            raise
        faults.reach("mirror.tried")
        _end(ctx, id, outcome)


def _begin(ctx: Context, id: str) -> tuple[Mirror, Project] | None:
    """The mirror and its project, if an attempt is wanted."""
    with ctx.transaction() as tx:
        row = tx.db.exec(select(Mirror).where(Mirror.id == id).with_for_update()).first()
        project = tx.db.get(Project, row.project_id) if row else None
        if row is None or project is None or row.paused:
            return None
        if project.state is not ProjectState.READY or project.archived:
            # It rests; the timer finds it again when the project is back.
            row.state = MirrorState.FAILED if row.problem else MirrorState.DONE
            tx.db.add(row)
            return None
        row.state, row.last_attempt_at = MirrorState.RUNNING, tx.now()
        tx.db.add(row)
        tx.ring(f"project:{project.id}")
        return row, project


def _attempt(ctx: Context, row: Mirror, project: Project) -> Outcome:
    return (pulling.pull if row.direction is Direction.PULL else pushing.push)(ctx, row, project)


def _end(ctx: Context, id: str, outcome: Outcome) -> None:
    with ctx.transaction() as tx:
        row = tx.db.exec(select(Mirror).where(Mirror.id == id).with_for_update()).first()
        if row is None:
            return
        failed = bool(outcome.problem)
        row.state = MirrorState.FAILED if failed else MirrorState.DONE
        row.result, row.problem = outcome.result, outcome.problem
        row.refused = [list(each) for each in outcome.refused]
        row.seen = outcome.seen
        row.sequence = max(row.sequence, outcome.sequence)
        row.failures = 0 if outcome.through else row.failures + 1
        if not failed:
            row.last_success_at = tx.now()
        row.next_at = tx.now() + _pause(row)
        tx.db.add(row)
        tx.ring(f"project:{row.project_id}")


def _pause(row: Mirror) -> timedelta:
    """Until the next attempt: the interval, or a pause that doubles with each failure."""
    if not row.failures:
        return timedelta(minutes=row.minutes)
    return min(FIRST_RETRY * 2 ** min(row.failures - 1, 20), LONGEST_RETRY)
