"""A disk that can be filled: a small one of its own where this machine lets us mount it, else limits
that make the same calls fail. Either way the errors come from the kernel and from SQLite.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import Engine, event

from backend.core.context import Forge
from vcs import index, local

__all__ = ["Disk", "LimitedDisk", "SmallDisk", "mounted", "read_only"]

SIZE = 24 << 20
LONGEST_FILE = 1 << 20


class Disk(Protocol):
    """A folder whose disk can be full. `whole` says that not even a byte fits then."""

    folder: Path
    whole: bool

    def full(self, forge: Forge | None = None) -> object:
        """A context in which the disk is full for a forge, or for a store that is opened inside."""


class SmallDisk:
    """A file system of its own in memory."""

    whole = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self, forge: Forge | None = None) -> Iterator[None]:
        ballast = self.folder / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 12)):
                pass
        try:
            yield
        finally:
            ballast.unlink()


class LimitedDisk:
    """SQLite databases that may not grow, and a process that may not write long files."""

    whole = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self, forge: Forge | None = None) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for module in (local, index):
                patch.setattr(module, "_connect", _never_growing(module._connect, self.folder))
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            engine = self._engine(forge)
            if engine is not None:
                event.listen(engine, "connect", _never_grow)
            _let_go(forge)
            # Python ignores SIGXFSZ, so writing on is an error and not the end.
            resource.setrlimit(resource.RLIMIT_FSIZE, (LONGEST_FILE, before[1]))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
                if engine is not None:
                    event.remove(engine, "connect", _never_grow)
                _let_go(forge)

    def _engine(self, forge: Forge | None) -> Engine | None:
        """That of a database which lies here."""
        path = forge.settings.sqlite_path if forge else None
        return forge.db.engine if forge and path and path.is_relative_to(self.folder) else None


def _let_go(forge: Forge | None) -> None:
    """Close idle connections, so that the next ones are made as patched. A store alone is its user's."""
    if forge is None:
        return
    forge.store.close()
    forge.db.engine.dispose()
    for part in [
        *forge._parts.values(),
        *(part for held in forge._projects.values() for part in held.values()),
    ]:
        if hasattr(part, "index"):
            part.index.close()


def _never_grow(db, _=None) -> None:
    db.execute("pragma max_page_count = 1")  # SQLite makes it as many as there are


def _never_growing(connect, folder: Path):
    def limited(path: Path):
        db = connect(path)
        if path.is_relative_to(folder):
            _never_grow(db)
        return db

    return limited


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """An empty disk at a folder."""
    folder.mkdir()
    program = shutil.which("mount")
    command = [str(program), "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    if program is None or subprocess.run(command, capture_output=True).returncode:
        yield LimitedDisk(folder)
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write into a folder meanwhile: mounted so, or forbidden, or refused by SQLite."""
    bound = shutil.which("mount") and not any(
        subprocess.run(["mount", *words, str(folder)], capture_output=True).returncode
        for words in (("--bind", str(folder)), ("-o", "remount,bind,ro"))
    )
    if bound:
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    elif os.geteuid():
        modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
        for path, mode in modes.items():
            path.chmod(mode & 0o555)
        try:
            yield
        finally:
            for path, mode in modes.items():
                path.chmod(mode)
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(local, "_connect", _only_reading(local._connect))
            yield


def _only_reading(connect):
    def reading(path: Path):
        db = connect(path)
        db.execute("pragma query_only = on")
        return db

    return reading
