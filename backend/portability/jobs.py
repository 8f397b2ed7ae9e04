"""What happens to imports by themselves."""

from backend.core.context import Context
from backend.core.jobs import on
from backend.core.operations import Mode
from backend.portability import running, undoing
from backend.portability.service import ImportRequested, ImportRollbackRequested


@on(ImportRequested, queue="imports", attempts=3, mode=Mode.STEPS)
def run_requested_import(ctx: Context, fact: ImportRequested) -> None:
    """Import what somebody asked for, or go on with it."""
    running.run_import(ctx, fact.import_id)


@on(ImportRollbackRequested, queue="imports", attempts=3, mode=Mode.STEPS)
def take_import_back(ctx: Context, fact: ImportRollbackRequested) -> None:
    """Undo a finished import."""
    undoing.take_back(ctx, fact.import_id)
