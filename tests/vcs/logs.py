"""Small worlds for tests of version control: trees in memory, and projects on a store."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vcs import overlay
from vcs.doctor import Fault, verify
from vcs.landing import Batcher, Proposal, Push
from vcs.lists import RefChange
from vcs.objects import (
    EMPTY_TREE,
    Commit,
    Entry,
    Kind,
    Object,
    encode_commit,
    encode_tree,
    new_id,
    object_id,
    parse_tree,
)
from vcs.repository import Repository
from vcs.store import Store

__all__ = ["AT", "Trees", "World", "blob", "commit", "move_refs", "proposal", "push"]


def blob(text: bytes) -> str:
    """The id of a file with this content."""
    return object_id(Kind.BLOB, text)


class Trees:
    """A tree reader over a dictionary, which also builds trees from whole paths."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {EMPTY_TREE: b""}

    def tree(self, id: str) -> tuple[Entry, ...]:
        return parse_tree(self.contents[id])

    def keep(self, objects: list[Object]) -> None:
        self.contents.update((made.id, made.content) for made in objects)

    def build(self, files: Mapping[bytes, tuple[bytes, str]]) -> str:
        """The tree with these files: path -> (mode, id)."""
        folders: dict[bytes, dict[bytes, tuple[bytes, str]]] = {}
        entries: list[Entry] = []
        for path, what in files.items():
            name, slash, rest = path.partition(b"/")
            if slash:
                folders.setdefault(name, {})[rest] = what
            else:
                entries.append(Entry(what[0], name, what[1]))
        entries += [Entry(b"40000", name, self.build(below)) for name, below in folders.items()]
        made = Object.of(Kind.TREE, encode_tree(entries))
        self.keep([made])
        return made.id

    def files(self, root: str, prefix: bytes = b"") -> dict[bytes, tuple[bytes, str]]:
        """All files of a tree by path, read independently of `vcs.overlay.walk`."""
        found: dict[bytes, tuple[bytes, str]] = {}
        for entry in self.tree(root):
            if entry.is_tree:
                found.update(self.files(entry.id, prefix + entry.name + b"/"))
            else:
                found[prefix + entry.name] = (entry.mode, entry.id)
        return found


AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class World:
    """One project on a store, with as many nodes as a test wants; everything is fixed but ids."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.project = new_id()
        self.main = Repository.create(
            store, self.project, folder / "first.db", actor=None, summary={"goal": "begin"}, at=AT
        )
        self.nodes: list[Repository] = [self.main]

    def node(self) -> Repository:
        """Another repository of the same project, as another machine would have it."""
        path = self.folder / f"node-{len(self.nodes)}.db"
        self.nodes.append(Repository(self.store, self.project, self.project, path))
        return self.nodes[-1]

    def batcher(self, repository: Repository | None = None, **options: Any) -> Batcher:
        """A batcher to which every landing is wanted, unless a test says otherwise."""
        options = {"still_wanted": set, "clock": lambda: AT, "host": "micelio.test", **options}
        return Batcher(repository or self.main, **options)

    def files(self, commit: str | None) -> dict[bytes, bytes]:
        """What is in a commit: path to content."""
        self.main.catch_up()
        if commit is None:
            return {}
        tree = self.main.commit(commit).tree
        return {path: self.main.read(entry.id, Kind.BLOB) for path, entry in self.main.walk(tree)}

    def faults(self) -> list[Fault]:
        """What the doctor finds, information left out."""
        return [fault for fault in verify(self.store, self.project, self.project) if not fault.information]


def proposal(
    repository: Repository, base: str | None, files: Mapping[bytes, bytes | None], **options: Any
) -> Proposal:
    """Files written (or deleted: None) on top of a base commit, as a session of its own."""
    objects: list[Object] = []
    changes: list[overlay.Change] = []
    for path, content in files.items():
        if content is None:
            changes.append(overlay.Change(path, None, None))
        else:
            made = Object.of(Kind.BLOB, content)
            objects.append(made)
            changes.append(overlay.Change(path, b"100644", made.id))
    root = repository.commit(base).tree if base else EMPTY_TREE
    tree, folders = overlay.apply(repository, root, changes)
    values = {
        "landing": new_id(),
        "session": new_id(),
        "revision": 1,
        "actor": new_id(),
        "base": base,
        "tree": tree,
        "author": ("Ada", "ada@example.org"),
        "message": b"what changed\n",
        "summary": {"goal": "what changed"},
        "objects": [*objects, *folders],
    }
    return Proposal(**{**values, **options})


def commit(
    files: Mapping[bytes, bytes],
    *parents: str,
    message: bytes = b"as it was written\n",
    at: int = 1_700_000_000,
) -> tuple[str, list[Object]]:
    """A commit of a tree with these files, made elsewhere, and all objects it needs, itself the last."""
    trees = Trees()
    blobs = {path: Object.of(Kind.BLOB, content) for path, content in files.items()}
    tree = trees.build({path: (b"100644", made.id) for path, made in blobs.items()})
    who = b"Grace <grace@example.org> %d -0330" % at
    made = Object.of(Kind.COMMIT, encode_commit(Commit(tree, parents, who, who, message)))
    folders = [Object(Kind.TREE, id, content) for id, content in trees.contents.items() if content]
    return made.id, [*blobs.values(), *folders, made]


def push(objects: Iterable[Object] = (), **options: Any) -> Push:
    """A push that brings these objects, by somebody of its own."""
    values = {"landing": new_id(), "actor": new_id(), "summary": {"goal": "pushed"}, "objects": [*objects]}
    return Push(**{**values, **options})


def move_refs(
    repository: Repository, changes: Mapping[str, str | None], objects: Iterable[Object] = ()
) -> None:
    """Branches, tags and notes moved, created and deleted (None) by a push, with what it brings."""
    repository.catch_up()
    before = repository.refs()
    refs = [RefChange(name, before.get(name), id) for name, id in changes.items()]
    batcher = Batcher(repository, still_wanted=set, clock=lambda: AT, host="micelio.test")
    batcher.land(push(objects, refs=refs))
    repository.catch_up()
