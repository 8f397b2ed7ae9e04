"""What stands around every page of a project: the numbers on its tabs, and whether it is read-only.

Views take organization and project from the address (`ORG`, `PROJECT`), so the way back is on the
page before the State is.
"""

import reflex as rx

from backend.organizations import service as organizations
from backend.projects import service as operations
from micelio_app.state import AppState
from micelio_app.ui.links import slug

ORG = slug("org")
PROJECT = slug("project")
OWNER = rx.Var.create("/") + ORG
BASE = rx.Var.create("/") + ORG + "/" + PROJECT
"""Addresses of the owner's page and of the project's."""

ADDRESS = ORG + "/" + PROJECT


class OrganizationFrame(AppState):
    """The organization of the address, as far as its tabs tell: they are for those who belong to it."""

    inside: bool = False
    manages: bool = False

    @rx.event
    async def look(self):
        """Look again; every page of an organization begins with it."""
        found = await self.call(organizations.get_organization, organization=self.org)
        shared = not found.personal
        self.inside = shared and found.role is not None
        self.manages = shared and found.role in ("admin", "owner")


class ProjectFrame(AppState):
    """The project of the address, as far as its tabs tell."""

    trunk: str = "main"
    landings: int = 0
    open_sessions: int = 0
    archived: bool = False
    mirrored: bool = False
    settings: bool = False
    lands: bool = False
    proposes: bool = False

    @rx.event
    async def look(self):
        """Count again; every page of a project begins with it."""
        found = await self.call(operations.get_project, organization=self.org, project=self.project)
        self.trunk = found.default_branch
        self.landings, self.open_sessions = found.position, found.open_sessions
        self.archived, self.mirrored = found.archived, found.mirrored
        self.settings = "settings" in found.may
        self.lands, self.proposes = "land" in found.may, "propose" in found.may
