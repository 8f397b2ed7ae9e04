"""Projects with code in them."""

from tests.backend.workbench import agent_of, bench  # noqa: F401
