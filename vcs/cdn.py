"""A CDN in front of the store: plain GETs with a range, believed in nothing.

It is a faster copy and no authority. Whatever is not exactly what was asked for, and whatever it
does not have, is None: the caller goes to the origin. After some failures in a row, or once it
has given wrong bytes, it is left alone for a while.
"""

import http.client
import os
import re
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

__all__ = ["Cdn"]

_SECONDS = 5.0
_FAILURES = 3
_REST_SECONDS = 30.0
_DISTRUST_SECONDS = 600.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z", re.ASCII)


class Cdn:
    """The files below one address; several threads use it at once."""

    def __init__(
        self, base_url: str, *, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url!r} is no address of a CDN")
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._inherited: list[http.client.HTTPConnection] = []
        self._process = os.getpid()
        self._row = 0
        self._rests_until = 0.0
        self.failures = 0

    @property
    def resting(self) -> bool:
        """Whether it is not asked just now."""
        return self._clock() < self._rests_until

    def distrust(self) -> None:
        """Ask nothing of it for ten minutes: it gave bytes that were wrong."""
        with self._lock:
            self._rests_until = self._clock() + _DISTRUST_SECONDS

    def get(self, key: str, start: int, length: int) -> bytes | None:
        """The bytes from `start`, as many as there are up to `length`; None when the origin must say."""
        if self.resting:
            return None
        try:
            content, well = self._ask(key, start, length)
        except (OSError, http.client.HTTPException):
            content, well = None, False
        with self._lock:
            self._row = 0 if well else self._row + 1
            if not well:
                self.failures += 1
                if self._row >= _FAILURES:
                    self._row = 0
                    self._rests_until = max(self._rests_until, self._clock() + _REST_SECONDS)
        return content

    def _ask(self, key: str, start: int, length: int) -> tuple[bytes | None, bool]:
        """What it gave, and whether it works as a CDN should; not having a file is no failure."""
        connection = self._take_idle() or self._connect(self._host, self._port, timeout=self._seconds)
        keep = False
        try:
            headers = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
            connection.request("GET", f"{self._path}/{key}", headers=headers)
            response = connection.getresponse()
            # One byte more than asked for is enough to see that this is too much.
            content = response.read(length + 1)
            keep = response.isclosed() and not response.will_close
            if response.status in (403, 404, 410, 416):
                return None, True
            fits = _is_what_was_asked_for(response, content, start, length)
            return (content, True) if fits else (None, False)
        finally:
            if keep:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()

    def _take_idle(self) -> http.client.HTTPConnection | None:
        with self._lock:
            if self._process != os.getpid():
                # A forked child must not talk on its parent's connections, nor close them.
                self._inherited += self._idle
                self._idle = []
                self._process = os.getpid()
            return self._idle.pop() if self._idle else None

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _is_what_was_asked_for(
    response: http.client.HTTPResponse, content: bytes, start: int, length: int
) -> bool:
    if response.headers.get("Content-Encoding", "identity") != "identity" or len(content) > length:
        return False
    if response.status == 200:
        # It ignores ranges, which is fine for a file that is not longer than what we want.
        whole = response.headers.get("Content-Length")
        return start == 0 and response.isclosed() and whole in (None, str(len(content)))
    told = _CONTENT_RANGE.match(response.headers.get("Content-Range") or "")
    if response.status != 206 or told is None or told[3] == "*":
        return False
    first, last, size = int(told[1]), int(told[2]), int(told[3])
    return first == start and last == min(start + length, size) - 1 and len(content) == last - first + 1
