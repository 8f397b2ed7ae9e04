"""The index of a workspace: what it was cloned at, and what its files looked like when last read.

One small file, replaced whole, because reading ten thousand rows from a database takes longer
than a whole `mic status` may. Layout, integers little-endian:

    "mic index 1\\n" · position i64 · commit 32 bytes · tree 32 bytes · folders u32 · files u32
    one RECORD per file, folder by folder
    number of files of each folder, u32
    path of each folder, then name of each file, each ended by a zero byte

A file of the base has a mode; one that is only here has none. `seen` is the blob that the file
had when its size, times and inode were as written: while they are, nobody reads it again.
"""

import os
from struct import Struct, error, unpack_from

MAGIC = b"mic index 1\n"
HEAD = Struct("<q32s32sII")
RECORD = Struct("<I32sQ32sQqqQ")
NOTHING = bytes(32)

# Base mode, base id, base size; seen id, size, mtime and ctime in ns, inode. Ids are 32 bytes.
Record = tuple[int, bytes, int, bytes, int, int, int, int]
UNSEEN = (NOTHING, 0, 0, 0, 0)

# "" or a path that ends in "/" -> name -> record; names are as `os.fsdecode` gives them.
Folders = dict[str, dict[str, Record]]


class Index:
    """Records by folder and name. `changed` says that it is worth saving again.

    `position` is -1 when the base is a ref off the trunk.
    """

    def __init__(self, position: int = 0, commit: str = "", tree: str = "") -> None:
        self.position = position
        self.commit = commit
        self.tree = tree
        self.folders: Folders = {"": {}}
        self.changed = False

    @classmethod
    def load(cls, path: str) -> "Index":
        """Read the file; ValueError when it is damaged."""
        with open(path, "rb") as file:
            data = file.read()
        try:
            return cls._parsed(data)
        except (error, IndexError):
            raise ValueError("it is cut off") from None

    @classmethod
    def _parsed(cls, data: bytes) -> "Index":
        if not data.startswith(MAGIC):
            raise ValueError("it is no index of this version")
        position, commit, tree, folder_count, file_count = HEAD.unpack_from(data, len(MAGIC))
        start = len(MAGIC) + HEAD.size
        counts_at = start + file_count * RECORD.size
        records = list(RECORD.iter_unpack(data[start:counts_at]))
        counts = unpack_from(f"<{folder_count}I", data, counts_at)
        names = os.fsdecode(data[counts_at + 4 * folder_count :]).split("\0")
        if len(names) != folder_count + file_count + 1 or sum(counts) != file_count:
            raise ValueError("its names and records do not fit")
        index = cls(position, "" if commit == NOTHING else commit.hex(), tree.hex())
        first, name = 0, folder_count
        for folder, count in zip(names[:folder_count], counts, strict=True):
            index.folders[folder] = dict(
                zip(names[name : name + count], records[first : first + count], strict=True)
            )
            first, name = first + count, name + count
        return index

    def save(self, path: str) -> None:
        """Replace the file."""
        folders = {folder: files for folder, files in self.folders.items() if files or not folder}
        records = [record for files in folders.values() for record in files.values()]
        names = [*folders, *(name for files in folders.values() for name in files), ""]
        draft = f"{path}.{os.getpid()}"
        with open(draft, "wb") as file:
            commit = bytes.fromhex(self.commit) or NOTHING
            file.write(MAGIC)
            file.write(HEAD.pack(self.position, commit, bytes.fromhex(self.tree), len(folders), len(records)))
            file.writelines(RECORD.pack(*record) for record in records)
            file.writelines(len(files).to_bytes(4, "little") for files in folders.values())
            file.write(os.fsencode("\0".join(names)))
        os.replace(draft, path)
        self.changed = False

    def get(self, path: str) -> Record | None:
        """The record of a path, or None."""
        folder, slash, name = path.rpartition("/")
        return self.folders.get(folder + slash, {}).get(name)

    def put(self, path: str, record: Record) -> None:
        """Set the record of a path."""
        folder, slash, name = path.rpartition("/")
        self.folders.setdefault(folder + slash, {})[name] = record
        self.changed = True

    def drop(self, path: str) -> None:
        """Forget a path."""
        folder, slash, name = path.rpartition("/")
        if self.folders.get(folder + slash, {}).pop(name, None):
            self.changed = True

    def base(self) -> dict[str, Record]:
        """Records of all files of the base by path."""
        return {
            folder + name: record
            for folder, files in self.folders.items()
            for name, record in files.items()
            if record[0]
        }
