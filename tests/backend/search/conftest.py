"""Projects, people and sessions to be found."""

from tests.backend.workbench import agent_of, bench  # noqa: F401
