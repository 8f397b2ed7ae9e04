"""Small worlds for tests of version control: trees in memory, and projects on a store."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vcs import overlay
from vcs.doctor import Fault, verify
from vcs.landing import Batcher, Proposal, Push
from vcs.lists import RefChange
from vcs.log import Record, RecordKind, SegmentRef, segment_key
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
from vcs.segments import NO_SHA1, write_segment
from vcs.staging import with_sha1s
from vcs.store import Store, Swapped

__all__ = ["AT", "Trees", "World", "blob", "commit", "lengthen", "move_refs", "proposal", "push"]


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


def lengthen(world: World, landings: int, *, at_once: int = 100, at: datetime = AT) -> list[str]:
    """So many landings put straight into the log, `at_once` in a file, and their commits in order; every
    tenth one makes a branch, and another takes it away.
    """
    head, version = world.main.current()
    sequence, record, tip = head.sequence, head.record, head.main
    trees, commits = Trees(), []
    who = b"Ada <ada@example.org> 1700000000 +0000"
    files: dict[str, bytes] = {}
    tail = list(head.tail)
    for first in range(0, landings, at_once):
        objects, records = [], []
        for number in range(first, min(landings, first + at_once)):
            text = Object.of(Kind.BLOB, b"text %d\n" % (head.position + number))
            tree = trees.build({b"file": (b"100644", text.id)})
            parents = (tip,) if tip else ()
            made = Object.of(Kind.COMMIT, encode_commit(Commit(tree, parents, who, who, b"%d" % number)))
            branch = f"refs/heads/b{number // 10 % 3}"
            came = {1: (None, made.id), 6: (commits[-5] if len(commits) > 5 else None, None)}
            refs = [RefChange(branch, *came[number % 10])] if number % 10 in came else []
            said = Record(
                kind=RecordKind.LAND,
                project=world.project,
                sequence=sequence + 1,
                previous=record,
                at=at,
                landing=new_id(),
                session=new_id(),
                revision=1,
                trunk=(tip, made.id),
                positions=(head.position + number + 1,) * 2,
                refs=tuple(refs),
            ).to_object()
            objects += [text, Object(Kind.TREE, tree, trees.contents[tree]), made]
            records.append((said, NO_SHA1, 0))
            sequence, record, tip = sequence + 1, said.id, made.id
            commits.append(made.id)
        known = dict(files)

        def sha1_of(id: str, known: dict[str, bytes] = known) -> bytes:
            return known[id] if id in known else world.main.sha1_of(id)

        plain = [(each, sha1, 0) for each, sha1 in with_sha1s(objects, sha1_of)]
        files = {plain[-1][0].id: plain[-1][1]}
        body = write_segment([*plain, *records])
        key = segment_key(world.project, world.project)
        world.store.put(key, [body])
        tail.append(SegmentRef.of(key, body))
    moved = head.renewed(
        sequence=sequence, record=record, main=tip, position=head.position + landings, tail=tuple(tail)
    )
    result = world.store.swap_head(world.project, world.project, version, moved.encode())
    assert isinstance(result, Swapped)
    return commits
