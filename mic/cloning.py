"""A clone that may be ended at any time and goes on when it is asked for again.

    .mic/clone.json      what is being cloned; there until it is done
    .mic/contents.db     what has been received (`mic.contents`)
    .mic/index.begun     what is being written; from then on the clone stands on this
    .mic/index           makes the folder a workspace, last of all

Until files are written a clone that goes on stands on the newest landing, like a new one. What
somebody put in the way meanwhile is theirs: it stays, and is a change of the workspace.
"""

import json
import os
import re

from mic import checkout, config, files, scan, transfer
from mic.address import ProjectAddress
from mic.client import Client
from mic.errors import Usage
from mic.index import Index
from mic.workspace import FOLDER, Workspace

BEGUN = "clone.json"
WRITING = "index.begun"


class Clone:
    """One clone into one folder; Usage when something else is there."""

    def __init__(self, root: str, where: ProjectAddress, ref: str) -> None:
        self.workspace = Workspace(root)
        self.about = {"from": where.url, "ref": ref}
        self.goes_on = os.path.lexists(root) and self._check()

    def run(self, client: Client, where: ProjectAddress) -> Workspace:
        """The workspace, once all of it is there. Nothing is left behind when the forge refuses it."""
        index = self._index_begun()
        if index is None:
            tree = checkout.tree(client, where.organization, where.project, self.about["ref"])
            files.check_names(tree.items)
            index = tree.index()
            url = f"{client.instance}/{tree.project.organization}/{tree.project.handle}"
            self._begin(checkout.settings_of(url, tree.project))
        with self.workspace as workspace:
            workspace.index = index
            project = str(workspace.settings["project"]["id"])
            base = index.base().values()
            with workspace.contents() as contents:
                wanted = [(r[1].hex(), r[2]) for r in base if r[0] != scan.MODULE]
                transfer.receive(client, project, contents, wanted)
            if not os.path.exists(workspace.path(WRITING)):
                index.save(workspace.path(WRITING))
            self._write()
            index.save(workspace.path("index"))
            for name in (WRITING, BEGUN):
                os.unlink(workspace.path(name))
        return workspace

    def _check(self) -> bool:
        root = self.workspace.root
        if os.path.isdir(root) and not os.listdir(root):
            return False
        try:
            with open(self.workspace.path(BEGUN), encoding="utf-8") as file:
                begun = json.load(file)
        except (OSError, ValueError):
            begun = None
        if begun is None or os.path.exists(self.workspace.path("index")):
            raise Usage(
                problem=f"{root} is there already and not an empty folder. Give another: mic clone URL DIR"
            )
        if begun != self.about:
            ref = f" at {begun['ref']}" if begun["ref"] else ""
            raise Usage(
                problem=f"{root} holds an unfinished clone of {begun['from']}{ref}. "
                "Finish that one, remove the folder, or give another: mic clone URL DIR"
            )
        return True

    def _index_begun(self) -> Index | None:
        try:
            return Index.load(self.workspace.path(WRITING))
        except (FileNotFoundError, ValueError):
            return None

    def _begin(self, settings: dict[str, object]) -> None:
        from pathlib import Path

        os.makedirs(self.workspace.path(), exist_ok=True)
        draft = self.workspace.path(f"{BEGUN}.{os.getpid()}")
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(self.about, file)
        os.replace(draft, self.workspace.path(BEGUN))
        config.write(Path(self.workspace.path("config")), settings)

    def _write(self) -> None:
        """Write every file of the index that is not there."""
        workspace, index = self.workspace, self.workspace.index
        swept = not self.goes_on
        with workspace.contents() as contents:
            for path, record in index.base().items():
                whole = workspace.file(path)
                if record[0] == scan.MODULE:
                    os.makedirs(whole, exist_ok=True)
                elif not self.goes_on or not os.path.lexists(whole):
                    if not swept:
                        _sweep(whole)
                        swept = True
                    id = record[1].hex()
                    now = files.write(workspace.root, path, record[0], contents.pieces(id))
                    index.put(path, files.seen(record, id, now))


def _sweep(whole: str) -> None:
    """Remove what a write that was killed left behind. Files are written in order, so it is next to
    the first that is missing.
    """
    folder, name = os.path.split(whole)
    if os.path.isdir(folder):
        for found in os.listdir(folder):
            if re.fullmatch(re.escape(name) + r"\.mic-\d+", found):
                os.unlink(os.path.join(folder, found))


def kept(root: str) -> bool:
    """Whether a clone that did not end well can go on in this folder."""
    return os.path.exists(os.path.join(root, FOLDER, BEGUN))
