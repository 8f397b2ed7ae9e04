"""The forge over HTTP: for whole files in and out, and for what is watched there.

Everything else is gRPC (`mic.client`). The same rule holds for the token: it goes out encrypted,
or to this machine, or where `--insecure` says so.
"""

import http.client
import json
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlsplit

from mic import __version__
from mic.address import is_loopback
from mic.client import Client
from mic.errors import NotSignedIn, Plaintext, Refused, Unreachable
from vcs.errors import Kind

PATIENCE = 120
_PIECE = 256 << 10
_KINDS = {
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    409: Kind.CONFLICT,
    429: Kind.EXHAUSTED,
    503: Kind.UNAVAILABLE,
}


class Rest:
    """The HTTP side of one forge, with the token of a client."""

    def __init__(self, client: Client, *, insecure: bool = False) -> None:
        self.instance = client.instance
        self._token = client.token
        parts = urlsplit(self.instance)
        self._host, self._port = parts.hostname or "", parts.port
        self._secure = parts.scheme == "https"
        if self._token and not self._secure and not insecure and not is_loopback(self._host):
            raise Plaintext(address=f"{self._host}:{self._port}")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that answers; Refused, NotSignedIn or Unreachable."""
        sent = None if body is None else json.dumps(body).encode()
        with self._answer(method, path, sent, {"Content-Type": "application/json"}) as answer:
            return json.loads(answer.read())

    def upload(self, path: str, file: IO[bytes]) -> Any:
        """Send a file as it is; the JSON that answers."""
        size = os.fstat(file.fileno()).st_size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with self._answer("POST", path, file, headers) as answer:
            return json.loads(answer.read())

    def download(self, path: str, into: IO[bytes]) -> int:
        """Receive a file; how many bytes it has. One that was cut off is Unreachable."""
        size = 0
        with self._answer("GET", path, None, {}) as answer:
            while piece := answer.read(_PIECE):
                into.write(piece)
                size += len(piece)
        return size

    def events(self, path: str) -> Iterator[Any]:
        """The data of server-sent events, until the forge says that there are no more."""
        with self._answer("GET", path, None, {"Accept": "text/event-stream"}) as answer:
            kind = ""
            while line := answer.readline():
                if line.startswith(b"event:"):
                    kind = line.partition(b":")[2].strip().decode()
                    if kind == "end":
                        return
                elif line.startswith(b"data:") and not kind:
                    yield json.loads(line.partition(b":")[2])

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=PATIENCE, blocksize=_PIECE)
        told = {"User-Agent": f"mic/{__version__}", **headers}
        if self._token:
            told["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, path, body, told)
            answer = connection.getresponse()
            if answer.status >= 300:
                raise self._refusal(answer)
            yield answer
        except ssl.SSLError as error:
            raise Unreachable(instance=self.instance, problem=error.reason or "TLS failed") from None
        except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
            problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(instance=self.instance, problem=problem.lower()) from None
        finally:
            connection.close()

    def _refusal(self, answer: http.client.HTTPResponse) -> Refused | NotSignedIn:
        if answer.status == 401 and not self._token:
            return NotSignedIn(instance=self.instance)
        kind = _KINDS.get(answer.status, Kind.INVALID if answer.status < 500 else Kind.CORRUPT)
        try:
            told = json.loads(answer.read(1 << 20))
            return Refused(told["detail"], kind, told["type"].rpartition("/")[2])
        except (ValueError, KeyError, TypeError, AttributeError):
            sentence = f"{self.instance} answered strangely: HTTP {answer.status}. Tell an operator."
            return Refused(sentence, kind, "mic.answer")
