"""Fixtures that every test may use, and what all of them rely on."""

import gc

from hypothesis import settings

from tests.places import write_to_memory

write_to_memory()

pytest_plugins = ["tests.services", "tests.statements", "tests.forges", "tests.costs"]

# How long an example takes says as much about whoever else uses the machine: `make bench` measures.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_collection_finish() -> None:
    """What was loaded by now stays: nobody looks for garbage in it again and again."""
    gc.collect()
    gc.freeze()
