"""Projects with code in them, and a client that asks as anybody."""

from collections.abc import Callable, Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from httpx import ASGITransport, AsyncClient, Response

from backend.core.operations import invoke, operations
from backend.doors.routes import own_app
from tests.backend.workbench import bench  # noqa: F401


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def get(forge, portal) -> Callable[..., Response]:
    """Ask as a stranger, or as somebody with a token."""
    client = AsyncClient(transport=ASGITransport(own_app(forge)), base_url="http://forge.test")

    def get(address: str, actor=None, **headers: str) -> Response:
        if actor is not None:
            asked = {"name": "test", "scopes": ["project:read", "session:read", "org:read"]}
            made = invoke(forge, actor, operations()["create_access_token"], asked)
            headers["authorization"] = f"Bearer {made.token}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def ask() -> Response:
            return await client.get(address, headers=named)

        return portal.call(ask)

    return get
