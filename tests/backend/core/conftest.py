from contextlib import closing

import pytest

from backend.core.config import Settings
from backend.core.context import Forge
from backend.core.events import FactRow
from tests.backend.workbench import agent_of, bench  # noqa: F401


@pytest.fixture
def core_forge(tmp_path):
    """A forge with nothing but the core's own table of facts."""
    settings = Settings.from_environ({"MICELIO_DATA": str(tmp_path)})
    with closing(Forge.open(settings)) as forge:
        FactRow.__table__.create(forge.db.engine)
        yield forge
