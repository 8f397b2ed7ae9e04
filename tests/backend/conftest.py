"""A made world, copies of it, and a loop for clients that are asynchronous."""

from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.backend.doors.worlds import Template, World, make_template


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Template:
    return make_template(tmp_path_factory.mktemp("template") / "data")


@pytest.fixture
def world(template, tmp_path) -> Iterator[World]:
    """A copy of the made world for one test."""
    with template.copied(tmp_path / "world") as world:
        yield world
