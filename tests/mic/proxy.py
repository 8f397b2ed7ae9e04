"""A wire that can be measured and cut."""

import asyncio
import threading
from contextlib import suppress


class Proxy:
    """A TCP proxy that counts what it passes on from the forge, and hangs up once when it is told to.

    Beyond `hold_at` bytes it passes nothing on, either way, until that is None.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.received = 0
        self.passed = 0
        self.hang_up_at: int | None = None
        self.hold_at: int | None = None
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._listening.wait(60)

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._closing.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_forge, to_forge = await asyncio.open_connection("127.0.0.1", self.target)
        ways = [self._pass(reader, to_forge, counts=False), self._pass(from_forge, writer, counts=True)]
        try:
            await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when="FIRST_COMPLETED")
        finally:
            for side in (writer, to_forge):
                side.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counts: bool) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                self.received += len(data) if counts else 0
                self.passed += len(data)
                if self.hang_up_at is not None and self.passed >= self.hang_up_at:
                    self.hang_up_at = None
                    return
                while self.held and not self._closing.is_set():
                    await asyncio.sleep(0.01)
                sink.write(data)
                await sink.drain()

    @property
    def held(self) -> bool:
        """Whether so much has come that nothing is passed on."""
        return self.hold_at is not None and self.passed >= self.hold_at

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(60)
