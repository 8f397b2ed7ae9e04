"""Shapes of what pages show of many projects and people at once."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field

from backend.accounts.schemas import AccountSummary
from backend.projects.schemas import LandingSummary, ProjectSummary
from backend.sessions.schemas import SessionSummary

HandleText = Annotated[str, Field(min_length=1, max_length=100)]
Cursor = Annotated[str, Field(max_length=100)]
Limit = Annotated[int, Field(ge=1, le=100)]


class Days(BaseModel):
    """How much landed on each day (UTC) from `since` until today; what lands in one go counts once."""

    since: date
    counts: list[int]


class ActiveProject(BaseModel):
    """A project and how much landed on it lately, day by day."""

    project: ProjectSummary
    landed: int
    days: Days


class Exploration(BaseModel):
    """What goes on here, as far as the asker may see it.

    `landed` are the projects with the most landings of the last 30 days, most first; `active` those where
    something landed last, newest first; `new` those made last; `live` the sessions that run now.
    """

    landed: list[ActiveProject]
    active: list[ActiveProject]
    new: list[ProjectSummary]
    live: list[SessionSummary]


class Desk(BaseModel):
    """What is the asker's: `waiting` are sessions of others that they may land or refuse, `running` their own
    open ones, `projects` those they work on, last landed first, `elsewhere` what else runs that they may
    see, `landed` what landed on their projects. `days` counts what they landed themselves; `week_landed`
    what landed on their projects in seven days, of which `week_by_agents` by agents.
    """

    waiting: list[SessionSummary]
    running: list[SessionSummary]
    elsewhere: list[SessionSummary]
    landed: list[LandingSummary]
    projects: list[ActiveProject]
    days: Days
    week_landed: int
    week_by_agents: int


class Affiliation(BaseModel):
    """An organization that somebody belongs to, and that the asker may know of."""

    handle: str
    name: str


class Profile(BaseModel):
    """A person: who they are, where the asker knows them from, and what they landed where the asker may look.

    Who belongs to an organization is known to its members only.
    """

    account: AccountSummary
    organizations: list[Affiliation]
    days: Days
    landed: int
