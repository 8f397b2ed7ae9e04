"""Permits of landings that belong to no session: imports, mirrors and what takes them back.

A permit is given in the transaction that asked whether its landing may happen, and is all that
the log asks for before it appends. Taken away in time, the landing does not happen.
"""

from datetime import timedelta

from sqlmodel import col, delete

from backend.core.context import Context
from backend.sessions.models import Permit


def give(ctx: Context, landing: str, project: str, actor: str | None, patience: timedelta) -> None:
    """Give leave to append one landing, or more time for it."""
    permit = ctx.db.get(Permit, landing)
    if permit is None:
        permit = Permit(landing=landing, project_id=project, actor_id=actor, expires_at=ctx.now())
    permit.expires_at = ctx.now() + patience
    ctx.db.add(permit)


def withdraw(ctx: Context, landing: str) -> None:
    """Take the leave back; what the log has by now stays."""
    ctx.db.exec(delete(Permit).where(col(Permit.landing) == landing))


def forget_project(ctx: Context, project: str) -> None:
    """Take every leave of a project back that goes away."""
    ctx.db.exec(delete(Permit).where(col(Permit.project_id) == project))
