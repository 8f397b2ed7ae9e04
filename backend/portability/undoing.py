"""Undoing: an import that is not to be leaves nothing behind.

Until the landing nothing was changed, so there are only files to delete, and the project if it was
there for the import alone. A finished import is taken back by moving its refs to where they stood.
"""

import shutil
from collections.abc import Sequence

from sqlmodel import col, delete, select

from backend.core.context import Context
from backend.core.errors import Conflict
from backend.portability.models import Import, ImportFile, ImportState
from backend.portability.service import changed
from backend.projects import code, creating, projection
from backend.projects.deleting import erase_code
from backend.projects.models import Project, ProjectState
from backend.sessions import permits
from backend.sessions.landing import batcher
from backend.sessions.models import WorkSession
from vcs.collection import collect_files
from vcs.lists import RefChange
from vcs.log import RecordKind
from vcs.objects import new_id
from vcs.pushes import Push
from vcs.store import Missing


def undo(ctx: Context, row: Import, *, keep_project: bool = False) -> None:
    """Delete what a running import staged, its folder, and the project that was there only for it."""
    with ctx.transaction(write=False) as tx:
        query = select(ImportFile).where(ImportFile.import_id == row.id)
        files = [file for file in tx.db.exec(query).all() if not (keep_project and file.bundle)]
        project = tx.db.get(Project, row.project_id)
    if project is not None:
        discard(ctx, project, [file.key for file in files])
    with ctx.transaction() as tx:
        tx.db.exec(delete(ImportFile).where(col(ImportFile.key).in_([file.key for file in files])))
        if keep_project:
            found = tx.db.exec(select(Import).where(Import.id == row.id).with_for_update()).one()
            changed(tx, found, objects=0)
            return
    shutil.rmtree(ctx.forge.settings.data / "imports" / row.id, ignore_errors=True)
    if row.begins and project is not None and project.state is ProjectState.IMPORTING:
        erase_project(ctx, project)


def discard(ctx: Context, project: Project, keys: Sequence[str]) -> None:
    """Delete files that no log names."""
    store = ctx.forge.store
    if not keys:
        return
    try:
        collect_files(store, project.pool, project.id, keys)
    except Missing:
        # The project has no log yet, so nobody can name a file of it.
        for key in keys:
            store.delete(key)


def erase_project(ctx: Context, project: Project) -> None:
    """Take a project away that nobody but an import has touched: log, files, copies, rows."""
    erase_code(ctx, project)
    with ctx.transaction() as tx:
        permits.forget_project(tx, project.id)
        creating.take_away(tx, project.id)


def take_back(ctx: Context, id: str) -> None:
    """Undo a finished import. What was changed since stays, and then nothing is taken back."""
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Import, id)
        project = tx.db.get(Project, row.project_id) if row else None
    if row is None or project is None or row.state is not ImportState.DONE:
        return
    problem = _why_not(ctx, row, project)
    if not problem:
        if row.begins:
            erase_project(ctx, project)
        else:
            problem = _move_back(ctx, row, project)
    with ctx.transaction() as tx:
        found = tx.db.exec(select(Import).where(Import.id == id).with_for_update()).one()
        state = ImportState.DONE if problem else ImportState.ROLLED_BACK
        changed(tx, found, state=state, problem=problem, doing="")


def _why_not(ctx: Context, row: Import, project: Project) -> str:
    """Why an import cannot be taken back; empty when it can."""
    head = code.repository(ctx.forge, project.id, project.pool).catch_up()
    if row.begins:
        with ctx.transaction(write=False) as tx:
            busy = tx.db.exec(select(WorkSession.id).where(WorkSession.project_id == project.id)).first()
            forked = tx.db.exec(select(Project.id).where(Project.forked_from == project.id)).first()
        if busy or forked or row.sequence is None or head.sequence != row.sequence:
            return "Work was done in the project since the import, so it stays."
        return ""
    if any(here == head.trunk and old != new for _, here, old, new in row.heads):
        return "The import moved the default branch, whose positions never go back."
    return ""


def _move_back(ctx: Context, row: Import, project: Project) -> str:
    repository = code.repository(ctx.forge, project.id, project.pool)
    now = repository.refs()
    moves = [(here, old, new) for _, here, old, new in row.heads if old != new]
    if any(now.get(here) != new for here, _, new in moves):
        return "A ref that the import brought was moved since, so nothing is taken back."
    landing = new_id()
    with ctx.transaction() as tx:
        permits.give(tx, landing, project.id, row.requested_by)
    push = Push(
        landing=landing,
        actor=row.requested_by,
        summary={"goal": f"Take back the import of {row.source}", "source": "import", "import": row.id},
        kind=RecordKind.REFS,
        refs=[RefChange(here, new, old) for here, old, new in moves],
    )
    try:
        if moves:
            with permits.renewed(ctx.forge, landing):
                batcher(ctx.forge, project.id, project.pool).land(push)
    except Conflict as refusal:
        return refusal.sentence
    finally:
        with ctx.transaction() as tx:
            permits.withdraw(tx, landing)
    projection.catch_up(ctx.forge, project.id)
    return ""
