"""Memory: what the C library keeps after many small objects are gone can be given back to the system.

It returns by itself only what lies at the end of its heap, and a long-lived object may lie behind
hundreds of freed megabytes.
"""

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """Return what is free to the system, where the C library can (glibc); some milliseconds."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
