"""An ASGI app asked in this process: one request at a time, one socket message, no server."""

import asyncio
from typing import Any

import httpx


class Asgi:
    """Asks an app like a browser with these headers would."""

    def __init__(self, app: Any, **headers: str) -> None:
        self.app = app
        self.headers = headers

    def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        """One request; redirects are not followed and bugs of the app are not hidden."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, path, headers=self.headers | headers)

        return asyncio.run(ask())

    def socket(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """What the app sends over a socket opened with these headers, until it is done."""
        sent: list[dict[str, Any]] = []
        pairs = {"host": "testserver"} | self.headers | headers
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": b"",
            "headers": [(k.lower().encode(), v.encode()) for k, v in pairs.items()],
            "subprotocols": [],
            "scheme": "ws",
        }

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        return sent
