"""What happens to projects by the clock."""

from datetime import timedelta

from sqlmodel import col, select

from backend.core.context import Context
from backend.core.jobs import every
from backend.core.operations import Mode
from backend.projects.models import Project, ProjectState
from backend.projects.service import finish_creating

PATIENCE = timedelta(seconds=60)


@every(seconds=60, mode=Mode.STEPS)
def finish_projects_left_creating(ctx: Context) -> None:
    """Write record 0 of projects whose creation was interrupted."""
    with ctx.transaction(write=False) as tx:
        waiting = tx.db.exec(
            select(Project.id).where(
                Project.state == ProjectState.CREATING, col(Project.created_at) < tx.now() - PATIENCE
            )
        ).all()
    for id in waiting:
        finish_creating(ctx, id)
