"""Waiting for files to be saved: inotify on Linux, looking around elsewhere.

Either only says *that* something may have changed; what did is the scan's answer.
"""

import ctypes
import os
import select
import struct
import sys
import time
from collections.abc import Iterable
from typing import Protocol

SETTLE_SECONDS = 0.05
LOOK_SECONDS = 0.3

# From <sys/inotify.h>.
_CREATE, _MODIFY, _ATTRIB, _CLOSE_WRITE = 0x100, 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _DELETE = 0x40, 0x80, 0x200
_MASK = _CREATE | _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _DELETE
_ONLYDIR, _DONT_FOLLOW = 0x1000000, 0x2000000
_EVENT = struct.Struct("iIII")


class Watcher(Protocol):
    """Tells when to look again."""

    def wait(self, folders: Iterable[str]) -> None:
        """Come back soon after anything in these folders changed, or now and then."""


def watcher() -> Watcher:
    """The best there is on this system."""
    if sys.platform == "linux":
        try:
            return Inotify()
        except OSError:
            pass
    return Looking()


class Looking:
    """Comes back every now and then."""

    def wait(self, folders: Iterable[str]) -> None:
        """Wait a moment; folders do not matter."""
        time.sleep(LOOK_SECONDS)


class Inotify:
    """The kernel tells (inotify(7)). OSError when it gives no more watches."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._watched: set[str] = set()
        self._blind = False

    def wait(self, folders: Iterable[str]) -> None:
        """Wait for an event, then until none came for a moment."""
        if self._watch(folders):
            # Something may have happened in a folder before it was watched.
            return
        select.select([self._fd], [], [], LOOK_SECONDS if self._blind else None)
        settled = time.monotonic() + 4 * SETTLE_SECONDS
        while self._drained() and time.monotonic() < settled:
            select.select([self._fd], [], [], SETTLE_SECONDS)

    def _watch(self, folders: Iterable[str]) -> bool:
        new = set(folders) - self._watched
        for folder in new:
            found = self._libc.inotify_add_watch(
                self._fd, os.fsencode(folder), ctypes.c_uint32(_MASK | _ONLYDIR | _DONT_FOLLOW)
            )
            if found < 0 and ctypes.get_errno() == 28:  # ENOSPC: the limit of watches
                self._blind = True
        self._watched |= new
        return bool(new)

    def _drained(self) -> bool:
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return False
        # A folder that was removed and made again needs a new watch: forget all, ask again.
        at = 0
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            if mask & (0x8000 | 0x40000000):  # IN_IGNORED, IN_ISDIR
                self._watched.clear()
            at += _EVENT.size + length
        return bool(data)

    def _checked(self, result: int) -> int:
        if result < 0:
            raise OSError(ctypes.get_errno(), "inotify is not there")
        return result
