"""Projects with code in them, and people who were let in to one of them."""

import pytest

from backend.accounts.models import Account
from backend.core.context import SYSTEM, Actor, Context
from backend.projects import access
from backend.projects.collaborators import join_project
from backend.projects.models import CollaboratorRole
from tests.backend.workbench import agent_of, bench  # noqa: F401


@pytest.fixture
def collaborators(forge, arrive):
    """Let somebody in to a project in a role: reader, writer or manager, who belong to nothing else."""
    known: dict[str, Actor] = {}

    def collaborator(role: str, address: str = "acme/plans") -> Actor:
        named = {"read": "reader", "write": "writer", "admin": "manager"}[role]
        actor = known.get(named) or known.setdefault(named, arrive(named))
        with Context(forge, SYSTEM).transaction() as ctx:
            found, _ = access.project(ctx, *address.split("/"))
            join_project(ctx, found, ctx.db.get(Account, actor.id), CollaboratorRole(role))
        return actor

    return collaborator
