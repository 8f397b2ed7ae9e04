"""One tab of a browser, as far as the server knows it: the live socket and the state it is told."""

import json
from time import monotonic
from typing import Any
from uuid import uuid4

from simple_websocket import Client

PROTOCOL = "0.10.1"
STATE = "reflex___state____state"
PATIENCE = 60


class Tab:
    """A tab keeps its token when its socket goes; `values` is what one of its states is by now."""

    def __init__(self, origin: str, path: str, slugs: dict[str, str], state: str) -> None:
        self.token = str(uuid4())
        self.values: dict[str, Any] = {}
        self.arrived = False
        self._origin = origin
        self._state = state
        self._router = {"pathname": path, "asPath": path, "query": slugs}
        self._socket: Client | None = None

    def connect(self, server: str) -> None:
        """Open the live socket at a server."""
        headers = {"Origin": self._origin}
        address = server.replace("http://", "ws://")
        query = f"token={self.token}&EIO=4&transport=websocket"
        self._socket = Client.connect(f"{address}/_event/?{query}", subprotocols=[PROTOCOL], headers=headers)
        assert str(self._receive()).startswith("0")
        self._socket.send(f"40/_event,{json.dumps({'token': self.token})}")

    def load(self) -> None:
        """Arrive at the page, wholly: a socket that goes earlier has it loaded anew by the next event."""
        self.fire(f"{STATE}.hydrate_and_load")
        until = monotonic() + PATIENCE
        while not self.arrived:
            assert monotonic() < until, f"the page was never loaded: {self.values}"
            self._take()

    def fire(self, handler: str, **payload: Any) -> None:
        """Have a handler run."""
        event = {
            "name": handler if "." in handler else f"{self._state}.{handler}",
            "payload": payload,
            "router_data": self._router,
            "token": self.token,
        }
        assert self._socket is not None
        self._socket.send(f"42/_event,{json.dumps(['event', event])}")

    def value(self, name: str, wanted: Any) -> Any:
        """What a variable is, once it is what is wanted."""
        until = monotonic() + PATIENCE
        while self.values.get(name) != wanted:
            assert monotonic() < until, f"{name} never became {wanted!r}: {self.values}"
            self._take()
        return wanted

    def close(self) -> None:
        """Close the socket."""
        assert self._socket is not None
        self._socket.close()

    def _take(self) -> None:
        text = str(self._receive())
        if text.startswith("2"):
            assert self._socket is not None
            self._socket.send("3")
        elif text.startswith("42/_event,"):
            name, update = json.loads(text.removeprefix("42/_event,"))
            if name == "event":
                whole = (update.get("delta") or {}).get(STATE, {})
                self.arrived = whole.get("is_hydrated_rx_state_", self.arrived)
                told = (update.get("delta") or {}).get(self._state, {})
                self.values |= {key.removesuffix("_rx_state_"): value for key, value in told.items()}

    def _receive(self) -> Any:
        assert self._socket is not None
        text = self._socket.receive(PATIENCE)
        assert text is not None, f"the server said nothing for {PATIENCE} s; the state is {self.values}"
        return text
