"""Small worlds for tests of version control: trees in memory, and projects on a store."""

from collections.abc import Mapping

from vcs.objects import EMPTY_TREE, Entry, Kind, Object, encode_tree, object_id, parse_tree

__all__ = ["Trees", "blob"]


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
