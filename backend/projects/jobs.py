"""What happens to projects by the clock and after facts."""

import logging
from datetime import timedelta

from sqlmodel import col, select

from backend.core.context import Context
from backend.core.errors import MicelioError
from backend.core.jobs import every, on
from backend.core.operations import Mode
from backend.organizations.facts import OrganizationRenamed
from backend.projects import about, deleting, keeping, maintenance
from backend.projects.about import ProjectChanged
from backend.projects.counting import LinesUncounted, count_lines
from backend.projects.creating import finish_creating
from backend.projects.keeping import GitUpkeepDue
from backend.projects.maintenance import CollectionDue, CompactionDue, IndexDue
from backend.projects.models import Project, ProjectState

PATIENCE = timedelta(seconds=60)

log = logging.getLogger(__name__)


@every(seconds=60, mode=Mode.STEPS)
def finish_projects_left_creating(ctx: Context) -> None:
    """Begin the logs of projects and forks whose creation was interrupted."""
    with ctx.transaction(write=False) as tx:
        waiting = tx.db.exec(
            select(Project.id).where(
                Project.state == ProjectState.CREATING, col(Project.created_at) < tx.now() - PATIENCE
            )
        ).all()
    for id in waiting:
        try:
            finish_creating(ctx, id)
        except MicelioError:
            log.exception("project %s could not be begun", id)


@every(seconds=3600, mode=Mode.STEPS)
def erase_deleted_projects(ctx: Context) -> None:
    """Erase the projects that were deleted 30 days ago."""
    with ctx.transaction(write=False) as tx:
        due = deleting.due_for_erasing(tx)
    for id in due:
        try:
            deleting.erase(ctx, id)
        except MicelioError:
            log.exception("project %s could not be erased; it is tried again", id)


@every(seconds=60, mode=Mode.STEPS)
def look_for_maintenance(ctx: Context) -> None:
    """State what logs and stores are due for; of several workers one looks at a time."""
    with ctx.forge.db.try_lock("look-for-maintenance") as mine:
        if mine:
            with ctx.transaction() as tx:
                maintenance.state_what_is_due(tx)


@on(CompactionDue, queue="maintenance", attempts=3, mode=Mode.STEPS)
def compact_segments(ctx: Context, fact: CompactionDue) -> None:
    """Merge small segments of a project's log."""
    maintenance.compact_project(ctx, fact.project)


@on(CollectionDue, queue="maintenance", attempts=3, mode=Mode.STEPS)
def collect_unused_files(ctx: Context, fact: CollectionDue) -> None:
    """Take files that nobody uses out of the store."""
    maintenance.collect_project(ctx, fact.project)


@every(seconds=60, mode=Mode.STEPS)
def look_for_git_upkeep(ctx: Context) -> None:
    """State which git repositories of this node are due."""
    keeping.state_what_git_is_due(ctx)


@on(GitUpkeepDue, queue="git", attempts=3, mode=Mode.STEPS, of_node=True)
def repack_git_repository(ctx: Context, fact: GitUpkeepDue) -> None:
    """Repack a project's git repository on its node."""
    maintenance.keep_git(ctx, fact.project)


@every(seconds=10, mode=Mode.STEPS)
def look_for_half_made_indexes(ctx: Context) -> None:
    """State which indexes of this node were begun and not ended."""
    maintenance.state_what_indexes_are_due(ctx)


@on(IndexDue, queue="index", attempts=3, mode=Mode.STEPS, of_node=True)
def fill_half_made_index(ctx: Context, fact: IndexDue) -> None:
    """Fill an index to the end."""
    maintenance.fill_index(ctx, fact.project)


@on(LinesUncounted, queue="maintenance", attempts=3, mode=Mode.STEPS)
def count_changed_lines(ctx: Context, fact: LinesUncounted) -> None:
    """Count the lines that the landings of a long history changed."""
    count_lines(ctx, fact.project)


@on(OrganizationRenamed, queue="maintenance", attempts=8)
def state_what_changed_with_its_owner(ctx: Context, fact: OrganizationRenamed) -> None:
    """Each project's log is told whose it is, and nothing is kept that shows the old address."""
    for id in ctx.db.exec(select(Project.id).where(Project.organization_id == fact.organization)):
        ctx.emit(ProjectChanged(id, fact.actor))


@on(ProjectChanged, queue="maintenance", attempts=8, mode=Mode.STEPS)
def tell_log_about_settings(ctx: Context, fact: ProjectChanged) -> None:
    """Write a project's settings into its log."""
    about.tell_log(ctx, fact.project, actor=fact.actor)
