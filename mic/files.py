"""Writing a working tree: only below the workspace, never through a link, never half a file."""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mic import scan
from mic.index import Index, Record
from vcs.errors import InvalidPath
from vcs.objects import check_path


class Item(NamedTuple):
    """One file of a tree as the forge lists it."""

    path: bytes
    mode: int
    id: str
    size: int


def manifest(items: Iterable[Item], position: int, commit: str, tree: str) -> Index:
    """An index of these files, none of them seen on disk. InvalidPath for a path no tree may hold."""
    index = Index(position, commit, tree)
    for item in items:
        check_path(item.path)
        index.put(os.fsdecode(item.path), (item.mode, bytes.fromhex(item.id), item.size, *_UNSEEN))
    return index


_UNSEEN = (bytes(32), 0, 0, 0, 0)


def write(root: str, path: str, mode: int, pieces: Iterable[bytes]) -> os.stat_result:
    """Put one file or link in place of another; what its stat is then.

    FileExistsError when a folder with something in it, or a file where a folder must be, is in the way.
    """
    whole = _prepared(root, path)
    draft = f"{whole}.mic-{os.getpid()}"
    try:
        if mode == scan.LINK:
            target = b"".join(pieces)
            if b"\0" in target:
                raise InvalidPath(
                    path=path, problem="the link leads to a name with a NUL, which no disk takes"
                )
            os.symlink(target, os.fsencode(draft))
        else:
            bits = 0o777 if mode == scan.EXECUTABLE else 0o666
            with open(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, bits), "wb"
            ) as file:
                for piece in pieces:
                    file.write(piece)
        if os.path.isdir(whole) and not os.path.islink(whole):
            _without_folder(whole)
        os.replace(draft, whole)
    except BaseException:
        if os.path.lexists(draft):
            os.unlink(draft)
        raise
    return os.lstat(whole)


def remove(root: str, path: str) -> None:
    """Remove one file and the folders that are empty without it."""
    if not _is_inside(root, path):
        return
    whole = os.path.join(root, path)
    if os.path.lexists(whole) and (os.path.islink(whole) or not os.path.isdir(whole)):
        os.unlink(whole)
    folder = os.path.dirname(path)
    while folder:
        try:
            os.rmdir(os.path.join(root, folder))
        except OSError:
            return
        folder = os.path.dirname(folder)


def seen(record: Record, id: str, now: os.stat_result) -> Record:
    """The record of a file that was just written."""
    stamps = (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)
    return (*record[:3], bytes.fromhex(id), *stamps)


def pieces_of(path: str, mode: int) -> Iterator[bytes]:
    """The content of a file or link on disk."""
    if mode == scan.LINK:
        yield os.readlink(os.fsencode(path))
        return
    with open(path, "rb") as file:
        while piece := file.read(scan.CHUNK):
            yield piece


def _prepared(root: str, path: str) -> str:
    """Where a path is, with the folders it needs; nobody follows a link on the way."""
    folder = root
    for name in path.split("/")[:-1]:
        folder = os.path.join(folder, name)
        if os.path.islink(folder):
            raise FileExistsError(17, "a link is where a folder must be", folder)
        if not os.path.isdir(folder):
            os.mkdir(folder)
    return os.path.join(root, path)


def _without_folder(whole: str) -> None:
    try:
        os.rmdir(whole)
    except OSError as error:
        raise FileExistsError(17, "a folder is where a file must be", whole) from error


def _is_inside(root: str, path: str) -> bool:
    folder = root
    for name in path.split("/")[:-1]:
        folder = os.path.join(folder, name)
        if os.path.islink(folder) or not os.path.isdir(folder):
            return False
    return True


def check_names(items: Iterable[Item]) -> None:
    """InvalidPath when two paths would be one file where case is ignored."""
    if os.path.normcase("A") == "A":
        return
    met: dict[str, bytes] = {}
    for item in items:
        name = os.path.normcase(os.fsdecode(item.path))
        if name in met:
            other = os.fsdecode(met[name])
            raise InvalidPath(path=os.fsdecode(item.path), problem=f"this system takes it for {other}")
        met[name] = item.path
