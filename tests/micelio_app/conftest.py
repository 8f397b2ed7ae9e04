"""Pages of a forge in this process, as readers without scripts get them."""

import asyncio
from collections.abc import Callable

import pytest

from backend.core.context import Actor
from backend.doors import identify
from micelio_app import state
from micelio_app.head import Head, head_for
from tests.backend.conftest import template  # noqa: F401
from tests.backend.workbench import bench  # noqa: F401


@pytest.fixture
def head_of(bench, monkeypatch) -> Callable[..., Head]:  # noqa: F811
    """The head of an address, as a stranger or somebody signed in gets it."""
    monkeypatch.setattr(state._Instance, "forge", bench.forge)
    monkeypatch.setattr(state._Instance, "identify", identify.from_browser_id)

    def head_of(path: str, actor: Actor | None = None) -> Head:
        path, _, query = path.partition("?")
        return asyncio.run(head_for(path, actor.browser_id if actor else None, query))

    return head_of
