"""Where tests write: into memory, where a machine offers that with room enough.

Most tests make a database, a store and an index, sync them as the product does, and throw them away a second
later; on a disk all of them wait for it.
"""

import os
import tempfile
from contextlib import suppress

MEMORY = "/dev/shm"
ROOM = 4 << 30


def write_to_memory() -> None:
    """Temporary files of this process and of all that it starts go there, unless TMPDIR says where.

    Not where programs may not run: tests start some that they wrote.
    """
    with suppress(OSError):
        found = os.statvfs(MEMORY)
        fits = found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC
        if fits and "TMPDIR" not in os.environ:
            os.environ["TMPDIR"] = MEMORY
            tempfile.tempdir = None
