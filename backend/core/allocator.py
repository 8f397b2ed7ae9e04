"""The C library's allocator, told how a server with many threads uses it.

glibc gives threads heaps of their own, eight for each core, and a heap keeps the most it ever held. With a
hundred threads that each needed a megabyte once, that is what a process grows by in its first hours. Python
takes its small objects elsewhere, and one thread allocates at a time, so two heaps are as fast. What is as
long as a piece of a blob comes from the system and goes back to it: a busy minute leaves no holes behind.
"""

import ctypes

__all__ = ["keep_small"]

_ARENA_MAX = -8
_MMAP_THRESHOLD = -3
"""M_ARENA_MAX and M_MMAP_THRESHOLD of malloc.h; naming the second keeps glibc from raising it by itself."""

HEAPS = 2
LONG = 1 << 18


def keep_small() -> bool:
    """Use few heaps from now on, before threads are started; False where the allocator is another one."""
    try:
        tell = ctypes.CDLL(None).mallopt
        return bool(tell(_ARENA_MAX, HEAPS)) and bool(tell(_MMAP_THRESHOLD, LONG))
    except (AttributeError, OSError):
        return False
