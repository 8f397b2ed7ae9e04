"""What happens to imports and mirrors by themselves."""

from backend.core.context import Context
from backend.core.jobs import every, on
from backend.core.operations import Mode
from backend.portability import mirroring, mirrors, running, undoing
from backend.portability.mirrors import MirrorDue
from backend.portability.service import ImportRequested, ImportRollbackRequested
from backend.projects.deleting import ProjectErased


@on(ImportRequested, queue="imports", attempts=3, mode=Mode.STEPS)
def run_requested_import(ctx: Context, fact: ImportRequested) -> None:
    """Import what somebody asked for, or go on with it."""
    running.run_import(ctx, fact.import_id)


@on(ImportRollbackRequested, queue="imports", attempts=3, mode=Mode.STEPS)
def take_import_back(ctx: Context, fact: ImportRollbackRequested) -> None:
    """Undo a finished import."""
    undoing.take_back(ctx, fact.import_id)


@every(seconds=5, mode=Mode.STEPS)
def look_for_due_mirrors(ctx: Context) -> None:
    """State which mirrors are due; of several workers one looks at a time."""
    with ctx.forge.db.try_lock("look-for-mirrors") as mine:
        if mine and mirroring.some_are_due(ctx):
            with ctx.transaction() as tx:
                mirroring.state_what_is_due(tx)


@on(MirrorDue, queue="mirrors", attempts=3, mode=Mode.STEPS)
def attempt_mirror(ctx: Context, fact: MirrorDue) -> None:
    """Make an attempt of a mirror, or go on with it."""
    mirroring.run_mirror(ctx, fact.mirror_id)


@on(ProjectErased, queue="maintenance", attempts=8)
def take_away_mirrors(ctx: Context, fact: ProjectErased) -> None:
    """Delete the mirrors of an erased project, with their credentials."""
    mirrors.forget_project(ctx, fact.project)
