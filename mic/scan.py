"""What differs between a working tree and its base, by looking at every file's times.

Only a file whose size, times or inode differ from the index is read. A file of the base is
never ignored, so rules are asked about new names only.
"""

import os
import sys
import time

from mic.index import UNSEEN, Index, Listed, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mic.ignore import Rules

ADDED, MODIFIED, DELETED, TYPE_CHANGED = "added", "modified", "deleted", "type_changed"

REGULAR, EXECUTABLE, LINK, MODULE = 0o100644, 0o100755, 0o120000, 0o160000

# The kernel's clock for file times may stand still this long: a file read so soon after it was
# changed may change again without its times telling.
RACY_NS = 20_000_000

# Folders change less often, and some file systems count their times in pairs of seconds.
YOUNG_NS = 2_100_000_000

CHUNK = 1 << 20

WORTH_FORKING = 3000

# Of a divided scan; less than half, because this process has other things to do meanwhile.
OWN_SHARE = 0.42


class Change:
    """One path that differs: its mode and blob id in the base and here, 0 and "" where it is not."""

    __slots__ = ("id", "mode", "old_id", "old_mode", "path", "size", "status")

    def __init__(self, path: str, old: Record | None, mode: int, id: str, size: int) -> None:
        self.path = path
        self.old_mode = old[0] if old else 0
        self.old_id = old[1].hex() if old and old[0] else ""
        self.mode = mode
        self.id = id
        self.size = size
        if not self.old_mode:
            self.status = ADDED
        elif not mode:
            self.status = DELETED
        elif (mode == LINK) != (self.old_mode == LINK):
            self.status = TYPE_CHANGED
        else:
            self.status = MODIFIED


def changes(root: str, index: Index, rules: "Rules | None" = None) -> list[Change]:
    """Every path that differs from the base, in the order of paths as bytes.

    New names that the rules ignore (those of the tree itself, unless told) are left out. Brings
    the records of files that had to be read up to date; `index.changed` tells of it.
    """
    return Scan(root, index).changes(rules)


class Scan:
    """One look at a working tree.

    Asking the kernel about ten thousand files is most of what `mic status` does. A second process
    begins with it while this one still gets ready; `changes` does the rest and gathers both.
    """

    def __init__(self, root: str, index: Index) -> None:
        self._root = root
        self._index = index
        self._known = index.known
        self._folders = self._known.folders if self._known else []
        self._half = len(self._folders)
        self._child: tuple[int, int] | None = None
        # Forking is safe as long as nothing can have started a thread.
        files = self._known.files if self._known else 0
        if files >= WORTH_FORKING and "threading" not in sys.modules and hasattr(os, "fork"):
            self._begin(files)

    def _begin(self, files: int) -> None:
        assert self._known is not None
        self._half = next(at for at, first in enumerate(self._known.firsts) if first >= files * OWN_SHARE)
        receive, send = os.pipe()
        child = os.fork()
        if not child:
            try:
                with open(send, "w") as pipe:
                    pipe.write(_written(map(self._look, range(self._half, len(self._folders)))))
                os._exit(0)
            finally:
                os._exit(1)
        os.close(send)
        self._child = child, receive

    def changes(self, rules: "Rules | None" = None) -> list[Change]:
        """Every path that differs from the base, in the order of paths as bytes."""
        looks = list(map(self._look, range(self._half)))
        if self._child is not None:
            child, receive = self._child
            self._child = None
            with open(receive) as pipe:
                told = _read(pipe.read())
            if os.waitpid(child, 0)[1]:
                told = list(map(self._look, range(self._half, len(self._folders))))
            looks += told
        unquiet = []
        for folder, look in zip(self._folders, looks, strict=True):
            if look is False:
                unquiet.append(folder)
            elif look is not True:
                self._index.listed(folder, look)
        # A workspace without files has no folder yet.
        walk = _Walk(self._root, self._index, rules)
        walk.run(unquiet if self._folders else [""], set(self._folders) if unquiet else set())
        walk.found.sort(key=lambda change: os.fsencode(change.path))
        return walk.found

    def _look(self, at: int) -> "bool | Listed":
        """Whether a folder holds exactly the files of the base, untouched, and no new folder; if it had
        to be listed to know that, its stamps as they were then.
        """
        assert self._known is not None
        try:
            # Names are looked up from an open folder, which saves the kernel the way down to it.
            path = self._root + "/" + self._folders[at]
            where = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            started = time.time_ns()
            now = os.fstat(where)
            stamps = now.st_mtime_ns, now.st_ctime_ns, now.st_ino
            told: bool | Listed = True
            if self._known.listed(at) != stamps:
                if not self._is_as_named(at, where):
                    return False
                if max(stamps[:2]) + YOUNG_NS < started:
                    told = stamps
            for name, size, mtime, ctime, inode in self._known.files_in(at):
                now = os.lstat(name, dir_fd=where)
                if (
                    ctime != now.st_ctime_ns
                    or mtime != now.st_mtime_ns
                    or size != now.st_size
                    or inode != now.st_ino
                ):
                    return False
        except OSError:
            return False
        finally:
            os.close(where)
        return told

    def _is_as_named(self, at: int, where: int) -> bool:
        """Whether the names in a folder are those of the index."""
        assert self._known is not None
        folder, names = self._folders[at], set(self._known.names_in(at))
        left = len(names)
        with os.scandir(where) as entries:
            for entry in entries:
                if entry.name in names:
                    left -= 1
                elif not (entry.is_dir(follow_symlinks=False) and self._is_quiet_name(folder, entry.name)):
                    return False
        return not left

    def _is_quiet_name(self, folder: str, name: str) -> bool:
        """Whether a folder has its own verdict, or none is wanted."""
        assert self._known is not None
        return folder + name + "/" in self._known.places or name in (".mic", ".git")


def _written(looks: "Iterable[bool | Listed]") -> str:
    return "\n".join(
        " ".join(map(str, look)) if isinstance(look, tuple) else str(int(look)) for look in looks
    )


def _read(text: str) -> "list[bool | Listed]":
    looks: list[bool | Listed] = []
    for line in text.split("\n") if text else ():
        mtime, *rest = map(int, line.split())
        looks.append((mtime, rest[0], rest[1]) if rest else bool(mtime))
    return looks


class _Walk:
    """One pass over a working tree: first which folders are not quiet, then those entry by entry."""

    def __init__(self, root: str, index: Index, rules: "Rules | None") -> None:
        self.root = root
        self.index = index
        self.rules = rules
        self.found: list[Change] = []
        self.gone: set[str] = set()
        self.parents: set[str] | None = None

    def run(self, unquiet: list[str], known: set[str]) -> None:
        """Find every change in these folders, parents before what is in them.

        What they hold is looked into as well, but for known folders: each is in the list or quiet.
        """
        for folder in sorted(unquiet):
            waiting = [folder]
            while waiting:
                at = waiting.pop()
                if at not in self.gone:
                    waiting += [below for below in self._folder(at) if below not in known]

    def _folder(self, folder: str) -> list[str]:
        """Compare one folder; returns those in it."""
        known = self.index.folders.get(folder, {})
        files: set[str] = set()
        below: list[str] = []
        try:
            with os.scandir(self.root + "/" + folder) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        files.add(entry.name)
                        self._file(folder, entry, known.get(entry.name))
                    elif self._descends(folder, entry.name):
                        below.append(folder + entry.name + "/")
        except (FileNotFoundError, NotADirectoryError):
            pass
        self._gone(folder, {name: record for name, record in known.items() if name not in files})
        self._without_folders(folder, below)
        return below

    def _without_folders(self, folder: str, below: list[str]) -> None:
        """What was in folders that are no more, or are links to folders now."""
        here, length = set(below), len(folder)
        for path in list(self.index.folders):
            if len(path) > length and path.startswith(folder) and path not in self.gone:
                child = path[: path.index("/", length) + 1]
                if child not in here:
                    self.gone.add(path)
                    self._gone(path, self.index.folders[path])

    def _file(self, folder: str, entry: "os.DirEntry[str]", record: Record | None) -> None:
        if record is None:
            self._new(folder, entry)
        else:
            now = entry.stat(follow_symlinks=False)
            if not _same(record, now):
                self._known(folder + entry.name, record, now)

    def _descends(self, folder: str, name: str) -> bool:
        if name == ".mic" or name.lower() == ".git":
            return False
        if folder + name + "/" in self.index.folders:
            return True
        record = self.index.folders.get(folder, {}).get(name)
        if record is not None and record[0] == MODULE:
            return False
        return self._holds_base(folder + name + "/") or not self._ignored(folder, name, is_folder=True)

    def _ignored(self, folder: str, name: str, *, is_folder: bool) -> bool:
        if self.rules is None:
            # Imported with the first new name; most runs see none.
            from mic.ignore import Rules

            self.rules = Rules(self.root)
        return self.rules.ignored(folder, name, is_folder=is_folder)

    def _holds_base(self, folder: str) -> bool:
        """Whether files of the base are somewhere below a folder that has none of its own."""
        if self.parents is None:
            self.parents = set()
            for path in self.index.folders:
                while path:
                    path = path[: path.rfind("/", 0, -1) + 1]
                    self.parents.add(path)
        return folder in self.parents

    def _new(self, folder: str, entry: "os.DirEntry[str]") -> None:
        # A file called `.git` is how git marks a worktree; no tree of ours may hold the name.
        if entry.name.lower() == ".git" or self._ignored(folder, entry.name, is_folder=False):
            return
        now = entry.stat(follow_symlinks=False)
        if mode := _mode(now.st_mode):
            self._read(folder + entry.name, None, now, mode)

    def _known(self, path: str, record: Record, now: os.stat_result) -> None:
        mode = _mode(now.st_mode)
        if not record[0] and self._ignored(*_split(path), is_folder=False):
            self.index.drop(path)
        elif not mode:
            self._gone("", {path: record})
        elif record[4:] == (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino):
            self._tell(path, record, mode, record[3], now.st_size)
        else:
            self._read(path, record, now, mode)

    def _read(self, path: str, record: Record | None, now: os.stat_result, mode: int) -> None:
        started = time.time_ns()
        try:
            seen = bytes.fromhex(blob_id(os.path.join(self.root, path), mode, now.st_size))
        except FileNotFoundError:
            return self._gone("", {path: record} if record else {})
        stamps = (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)
        # Times are trusted when they are old enough, and tell of a mode only while it is the base's.
        other_mode = record is not None and record[0] not in (0, mode)
        if other_mode or max(now.st_mtime_ns, now.st_ctime_ns) + RACY_NS > started:
            stamps = (0, 0, 0, 0)
        base = record[:3] if record else (0, bytes(32), 0)
        record = (*base, seen, *stamps)
        self.index.put(path, record)
        self._tell(path, record, mode, seen, now.st_size)

    def _tell(self, path: str, record: Record, mode: int, seen: bytes, size: int) -> None:
        if record[0] != mode or record[1] != seen:
            self.found.append(Change(path, record, mode, seen.hex(), size))

    def _gone(self, folder: str, records: dict[str, Record]) -> None:
        for name, record in list(records.items()):
            path = folder + name
            # A submodule's folder is not ours to look into.
            if record[0] == MODULE:
                continue
            if not record[0]:
                self.index.drop(path)
                continue
            if record[3:] != UNSEEN:
                self.index.put(path, (*record[:3], *UNSEEN))
            self.found.append(Change(path, record, 0, "", 0))


def _same(record: Record, now: os.stat_result) -> bool:
    stamps = (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)
    return record[4:] == stamps and record[3] == record[1] and record[0] == _mode(now.st_mode)


def blob_id(path: str, mode: int, size: int) -> str:
    """The id of a file's or link's content, read in pieces; the same as `vcs.objects.object_id`.

    A file that grows or shrinks meanwhile is read again as it then is.
    """
    # Not `vcs.objects`: importing it costs more than all of `mic status`.
    from hashlib import sha256

    if mode == LINK:
        target = os.readlink(os.fsencode(path))
        return sha256(b"blob %d\0" % len(target) + target).hexdigest()
    with open(path, "rb") as file:
        while True:
            size = os.fstat(file.fileno()).st_size
            digest = sha256(b"blob %d\0" % size)
            left = size
            file.seek(0)
            while left and (piece := file.read(min(left, CHUNK))):
                digest.update(piece)
                left -= len(piece)
            if not left and not file.read(1):
                return digest.hexdigest()


def _mode(bits: int) -> int:
    """Git's mode of a file; 0 for what no tree can hold (sockets, devices)."""
    kind = bits & 0o170000
    if kind == 0o100000:
        return EXECUTABLE if bits & 0o100 else REGULAR
    return LINK if kind == 0o120000 else 0


def _split(path: str) -> tuple[str, str]:
    folder, slash, name = path.rpartition("/")
    return folder + slash, name
