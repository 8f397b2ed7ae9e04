"""Open sessions for git clients: `refs/sessions/<id>`, of those that the pages show to the same reader.

Who sees every open session of a project shares one repository with everybody else who does; who sees
only some, as the author of a proposal, has a repository of their own.
"""

import hashlib

from sqlmodel import col, select

from backend.accounts.models import Account
from backend.core.context import SYSTEM, Actor, Context, Forge
from backend.projects import git
from backend.projects.models import Project
from backend.sessions import access, content, files
from backend.sessions.models import SessionCommit, Status, WorkSession
from vcs.git.sessions import OpenWork, SessionsView


def show(forge: Forge, actor: Actor, project: Project) -> git.Shown:
    """A project's repository as this reader may have it, with all that any door has announced."""
    shown = git.show(forge, actor, project)
    with Context(forge, actor).transaction(write=False) as tx:
        versions = _open(tx, project)
        reader = "" if access.sees_all(tx, project) else actor.id or ""
    if not versions:
        return shown
    view = SessionsView(git.projection(forge, project), reader)
    stamp = view.show(versions, lambda id: _load(forge, id))
    return git.Shown(view.path, stamp)


def _open(ctx: Context, project: Project) -> dict[str, str]:
    """What each open session with files stands at that the reader may see, by id."""
    query = (
        select(WorkSession)
        .join(Project, col(Project.id) == col(WorkSession.project_id))
        .where(
            WorkSession.project_id == project.id,
            col(WorkSession.status).in_([Status.ACTIVE, Status.PENDING_REVIEW]),
            col(WorkSession.files) > 0,
            access.visible(ctx),
        )
    )
    return {found.id: _version(found) for found in ctx.db.exec(query)}


def _version(found: WorkSession) -> str:
    told = f"{found.revision}\0{found.base_commit}\0{found.author_id}\0{found.goal}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _load(forge: Forge, id: str) -> OpenWork:
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        found = tx.db.get_one(WorkSession, id)
        account = tx.db.get(Account, found.author_id) if found.author_id else None
        handle = account.handle if account else found.author_handle or SYSTEM.handle
        pushed = tx.db.exec(
            select(SessionCommit).where(SessionCommit.session_id == id, SessionCommit.number == 0)
        ).first()
        name = (account.name if account else found.author_name) or handle
        return OpenWork(
            base=found.base_commit,
            base_tree=found.base_tree,
            changes=files.changes_of(tx, id),
            staged=content.staged_keys(tx, id),
            author=(name, f"{handle}@users.noreply.{forge.settings.host}"),
            began=found.started_at,
            tip=pushed.sha1 if pushed else "",
            message=f"{found.goal.strip()}\n\nMicelio-Session: {found.id}\n".encode(),
        )
