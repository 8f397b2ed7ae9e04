"""Fixtures that every test may use, and what all of them rely on."""

from hypothesis import settings

pytest_plugins = ["tests.services", "tests.statements", "tests.forges", "tests.costs"]

# How long an example takes says as much about whoever else uses the machine: `make bench` measures.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
