"""Between a workspace and the forge: trees of the forge, keeping up with the trunk after a landing."""

from mic import files, scan, transfer
from mic.client import Client
from mic.files import Item
from mic.index import Index, Record
from mic.workspace import Workspace
from vcs.wire import projects_pb2 as p


class Tree:
    """A tree of the forge: what its ref points at, and every file in it."""

    def __init__(self, answer: p.TreeResponse) -> None:
        self.project = answer.project
        self.position = answer.position if answer.HasField("position") else -1
        self.commit = answer.commit
        self.id = answer.tree
        self.items = [Item(i.path, int(i.mode, 8), i.id, i.size) for i in answer.items]

    def index(self) -> Index:
        """The index of a workspace that stands on it."""
        return files.manifest(self.items, self.position, self.commit, self.id)


def tree(client: Client, organization: str, project: str, ref: str = "") -> Tree:
    """The tree at a ref of a project."""
    request = p.GetProjectTreeRequest(organization_handle=organization, project_handle=project, ref=ref)
    return Tree(client.tree(request))


def settings_of(url: str, project: p.ProjectResponse) -> dict[str, object]:
    """What `.mic/config` says of a project."""
    about = {"id": project.id, "organization": project.organization, "handle": project.handle}
    return {"remote": {"origin": {"url": url}}, "project": about}


def advance(workspace: Workspace, client: Client, position: int) -> list[str]:
    """Stand on a later position of the trunk: files that others changed are written, unless they
    differ from the old base here. Returns those: a landing of theirs and an edit of yours meet there.
    """
    here = {change.path: change for change in workspace.changes()}
    organization, project = _project(workspace)
    new = tree(client, organization, project, f"@{position}")
    old, index = workspace.index, new.index()
    base, before = index.base(), old.base()
    met: list[str] = []
    wanted: list[str] = []
    for path in sorted({*base, *before}):
        now, was = base.get(path), before.get(path)
        if now is not None and was is not None and now[:2] == was[:2]:
            index.put(path, (*now[:3], *was[3:]))
        elif (mine := here.get(path)) is None:
            wanted.append(path)
        elif now is not None and (mine.mode, mine.id) == (now[0], now[1].hex()):
            index.put(path, (*now[:3], *(old.get(path) or now)[3:]))
        elif now is not None or mine.mode:
            met.append(path)
    _keep_landed(workspace, client, new, base, here)
    met += _bring(workspace, index, base, wanted)
    for path in here:
        record = old.get(path)
        if path not in base and record is not None:
            index.put(path, (0, bytes(32), 0, *record[3:]))
    workspace.index = index
    index.save(workspace.path("index"))
    return met


def _keep_landed(
    workspace: Workspace, client: Client, new: Tree, base: dict[str, Record], here: dict[str, scan.Change]
) -> None:
    """Keep the contents of the new base: our own from disk, others' from the forge."""
    with workspace.contents() as contents:
        for path, change in here.items():
            record = base.get(path)
            if record is not None and change.id == record[1].hex() and not contents.has(change.id):
                pieces = files.pieces_of(workspace.file(path), change.mode)
                try:
                    contents.keep(change.id, change.size, pieces)
                except (ValueError, OSError):
                    # Changed or gone since it was looked at; the forge has it.
                    continue
        wanted = [(r[1].hex(), r[2]) for r in base.values() if r[0] != scan.MODULE]
        transfer.receive(client, new.project.id, contents, wanted)


def _bring(workspace: Workspace, index: Index, base: dict[str, Record], paths: list[str]) -> list[str]:
    """Make these paths as the new base has them; deletions first, so that folders make room.
    Returns those that something of yours is in the way of.
    """
    blocked: list[str] = []
    with workspace.contents() as contents:
        for path in [path for path in paths if path not in base]:
            files.remove(workspace.root, path)
        for path in paths:
            record = base.get(path)
            if record is not None and record[0] != scan.MODULE:
                id = record[1].hex()
                try:
                    now = files.write(workspace.root, path, record[0], contents.pieces(id))
                except FileExistsError:
                    blocked.append(path)
                else:
                    index.put(path, files.seen(record, id, now))
    return blocked


def _project(workspace: Workspace) -> tuple[str, str]:
    about = workspace.settings.get("project", {})
    return str(about.get("organization", "")), str(about.get("handle", ""))
