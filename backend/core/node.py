"""The node: one machine or container of a forge, known by a name in its data folder.

What lies in that folder is seen by this node's processes only, so jobs about it go to its own
workers (`core.jobs.on(of_node=True)`). The name is made once and goes with the folder: with
another one this is another node, and nobody misses the old one. A copied folder needs a new name.
"""

import fcntl
import os

from backend.core.context import Forge
from vcs.objects import new_id


def node_name(forge: Forge) -> str:
    """The name of the node this process runs on, made by whoever asks first."""
    return forge.part("node name", lambda: _read_or_make(forge))


def _read_or_make(forge: Forge) -> str:
    forge.settings.data.mkdir(parents=True, exist_ok=True)
    with open(forge.settings.data / "node", "a+") as file:
        # Whoever comes second reads what the first has written.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if not (name := file.read().strip()):
            name = new_id()
            file.write(f"{name}\n")
            file.flush()
            os.fsync(file.fileno())
        return name
