"""The index of a workspace: what it was cloned at, and what its files looked like when last read.

One small file, replaced whole, because reading ten thousand rows from a database takes longer
than a whole `mic status` may. It is laid out in columns, so that the scan reads only those it
compares. Numbers are 64 bits in this machine's order, of which the first says which that is:

    "mic index 2\\n    "
    1 · position · number of folders · number of files
    files of each folder
    size, mtime, ctime, inode of each file      when it was last read; see below
    mode, size of each file in the base         0 and 0 when it is only here
    id of each file in the base, 32 bytes each
    id of each file as last read, 32 bytes each
    commit and tree of the base, 32 bytes each
    path of each folder, name of each file, each ended by a zero byte

While size, times and inode of a file are as written, nobody reads it again. Its size is
written as -1 - size when it is known to differ from the base, or was not read yet: then it
equals nothing the kernel says, and a folder without such files is quickly seen to be quiet.

While times and inode of a folder are as written, it holds the files and folders named here and
nothing else, so nobody lists it again; zeros where something else is in it, or nobody looked.
Folders that only hold folders are named too.
"""

import os
from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAGIC = b"mic index 3\n    "
NOTHING = bytes(32)

# Base mode, base id, base size; id as last read, size, mtime and ctime in ns, inode then.
Record = tuple[int, bytes, int, bytes, int, int, int, int]
UNSEEN = (NOTHING, 0, 0, 0, 0)

# "" or a path that ends in "/" -> name -> record; names are as `os.fsdecode` gives them.
Folders = dict[str, dict[str, Record]]

# Mtime, ctime and inode of a folder.
Listed = tuple[int, int, int]


class Index:
    """Records by folder and name. `changed` says that it is worth saving again.

    `position` is -1 when the base is a ref off the trunk.
    """

    def __init__(self, position: int = 0, commit: str = "", tree: str = "") -> None:
        self.position = position
        self.commit = commit
        self.tree = tree
        self.known: Known | None = None
        self.changed = False
        self._folders: Folders | None = {"": {}}
        self._listed: dict[str, Listed] = {}
        self._came_from: tuple[int, int] | None = None

    @classmethod
    def load(cls, path: str) -> "Index":
        """Read the file; ValueError when it is damaged."""
        with open(path, "rb") as file:
            came_from = _version(os.fstat(file.fileno()))
            known = Known(file.read())
        index = cls(known.position, *known.base_ids())
        index.known = known
        index._folders = None
        index._came_from = came_from
        return index

    def is_from(self, path: str) -> bool:
        """Whether the file is still the one that was read or written, or gone."""
        try:
            return self._came_from == _version(os.stat(path))
        except FileNotFoundError:
            return True

    @property
    def folders(self) -> Folders:
        """Every record."""
        if self._folders is None:
            assert self.known is not None
            self._folders = self.known.by_folder(self.known.records())
            self._folders.setdefault("", {})
            self._listed = {**self.known.all_listed(), **self._listed}
        return self._folders

    def save(self, path: str) -> None:
        """Replace the file."""
        folders = _with_parents({folder: files for folder, files in self.folders.items() if files})
        records = [record for files in folders.values() for record in files.values()]
        numbers = [1, self.position, len(folders), len(records), *map(len, folders.values())]
        for folder in folders:
            numbers += self._listed.get(folder, (0, 0, 0))
        for mode, id, _, seen, size, *stamps in records:
            clean = mode and id == seen and stamps[2]
            numbers += [size if clean else -1 - size, *stamps]
        for record in records:
            numbers += [record[0], record[2]]
        names = [*folders, *(name for files in folders.values() for name in files), ""]
        draft = f"{path}.{os.getpid()}"
        with open(draft, "wb") as file:
            file.write(MAGIC)
            column = memoryview(bytearray(8 * len(numbers))).cast("q")
            for at, number in enumerate(numbers):
                column[at] = number
            file.write(column)
            file.writelines(record[1] for record in records)
            file.writelines(record[3] for record in records)
            file.write(bytes.fromhex(self.commit) or NOTHING)
            file.write(bytes.fromhex(self.tree))
            file.write(os.fsencode("\0".join(names)))
            file.flush()
            self._came_from = _version(os.fstat(file.fileno()))
        os.replace(draft, path)
        self.changed = False

    def get(self, path: str) -> Record | None:
        """The record of a path, or None."""
        folder, slash, name = path.rpartition("/")
        return self.folders.get(folder + slash, {}).get(name)

    def put(self, path: str, record: Record) -> None:
        """Set the record of a path."""
        folder, slash, name = path.rpartition("/")
        files = self.folders.setdefault(folder + slash, {})
        if name not in files:
            self._listed.pop(folder + slash, None)
        files[name] = record
        self.changed = True

    def drop(self, path: str) -> None:
        """Forget a path."""
        folder, slash, name = path.rpartition("/")
        if self.folders.get(folder + slash, {}).pop(name, None):
            self._listed.pop(folder + slash, None)
            self.changed = True

    def listed(self, folder: str, stamps: Listed) -> None:
        """Remember that a folder held what is named here and nothing else when it had these stamps."""
        self._listed[folder] = stamps
        self.changed = True

    def base(self) -> dict[str, Record]:
        """Records of all files of the base by path."""
        return {
            folder + name: record
            for folder, files in self.folders.items()
            for name, record in files.items()
            if record[0]
        }


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_mtime_ns


def _with_parents(folders: Folders) -> Folders:
    """The root and every folder that something is below, parents first."""
    whole: Folders = {"": {}}
    for folder in folders:
        above = []
        while folder not in whole:
            above.append(folder)
            folder = folder[: folder.rfind("/", 0, -1) + 1]
        whole.update((each, {}) for each in reversed(above))
    whole.update(folders)
    return whole


class Known:
    """The file as it was read: folders and names as lists, numbers still in their columns."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(MAGIC):
            raise ValueError("it is no index of this version")
        self.data = data
        numbers = memoryview(data)[len(MAGIC) : len(data) // 8 * 8].cast("q")
        if len(numbers) < 4:
            raise ValueError("it is cut off")
        order, self.position, folders, self.files = numbers[:4].tolist()
        if order != 1:
            raise ValueError("it was written by a machine of another kind")
        end = 4 + 4 * folders + 6 * self.files
        if min(folders, self.files) < 0 or end > len(numbers):
            raise ValueError("it is cut off")
        self.numbers = numbers
        self.counts = numbers[4 : 4 + folders].tolist()
        self.listed_at = 4 + folders
        self.stamps_at = 4 + 4 * folders
        self.ids_at = len(MAGIC) + 8 * end
        names_at = self.ids_at + 64 * self.files + 64
        names = os.fsdecode(data[names_at:]).split("\0")
        if len(names) != folders + self.files + 1 or sum(self.counts) != self.files:
            raise ValueError("its names and numbers do not fit")
        self.folders, self.names = names[:folders], names[folders:-1]
        self.places = dict(zip(self.folders, range(folders), strict=True))
        self.firsts = [0, *accumulate(self.counts)]

    def base_ids(self) -> tuple[str, str]:
        """Commit and tree of the base."""
        at = self.ids_at + 64 * self.files
        commit = self.data[at : at + 32]
        return "" if commit == NOTHING else commit.hex(), self.data[at + 32 : at + 64].hex()

    def names_in(self, at: int) -> list[str]:
        """Names of the files of a folder."""
        return self.names[self.firsts[at] : self.firsts[at + 1]]

    def files_in(self, at: int) -> "Iterator[tuple[str, int, int, int, int]]":
        """Name, size, mtime, ctime and inode of each file of a folder."""
        first, last = self.firsts[at], self.firsts[at + 1]
        one = iter(self.numbers[self.stamps_at + 4 * first : self.stamps_at + 4 * last].tolist())
        return zip(self.names[first:last], one, one, one, one, strict=True)

    def listed(self, at: int) -> Listed:
        """Mtime, ctime and inode of a folder when it was listed."""
        first = self.listed_at + 3 * at
        mtime, ctime, inode = self.numbers[first : first + 3]
        return mtime, ctime, inode

    def all_listed(self) -> dict[str, Listed]:
        """The same of every folder that was."""
        each = ((folder, self.listed(at)) for at, folder in enumerate(self.folders))
        return {folder: stamps for folder, stamps in each if stamps[0]}

    def stamps(self) -> "list[tuple[int, int, int, int]]":
        """Size, mtime, ctime and inode of each file."""
        one = iter(self.numbers[self.stamps_at : self.stamps_at + 4 * self.files].tolist())
        return list(zip(one, one, one, one, strict=True))

    def records(self) -> list[Record]:
        """All that is known of each file."""
        at = self.stamps_at + 4 * self.files
        one = iter(self.numbers[at : at + 2 * self.files].tolist())
        old, seen = self._ids(0), self._ids(32 * self.files)
        return [
            (mode, id, base_size, now, size if size >= 0 else -1 - size, mtime, ctime, inode)
            for (mode, base_size), id, now, (size, mtime, ctime, inode) in zip(
                zip(one, one, strict=True), old, seen, self.stamps(), strict=True
            )
        ]

    def by_folder(self, values: "list[Any]") -> "dict[str, dict[str, Any]]":
        """Something of each file, by folder and name."""
        found = {}
        first = 0
        for folder, count in zip(self.folders, self.counts, strict=True):
            last = first + count
            found[folder] = dict(zip(self.names[first:last], values[first:last], strict=True))
            first = last
        return found

    def _ids(self, offset: int) -> list[bytes]:
        start = self.ids_at + offset
        return [self.data[at : at + 32] for at in range(start, start + 32 * self.files, 32)]
