"""Imports on a whole forge, on both databases."""

from tests.backend.portability.imports import imports, operator  # noqa: F401
from tests.backend.workbench import agent_of, bench  # noqa: F401
