"""What tests begin with on a forge - people, an organization, projects - made once and copied for each test.

A step makes one part of it and may begin with others: `arranged(forge, "acme")` gives what the step "acme"
made on this forge, and makes it if nobody has. Which steps a test begins with is known from the names of
its fixtures; the first test with the same ones, the same settings and the same time pays for them, and the
others get a copy of its rows and files. A copy is what a forge finds that has just started: nothing of it
is in memory.
"""

import pickle
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from backend.core.config import Settings, StorageBackend
from backend.core.context import Forge

STEPS: dict[str, Callable[[Forge], Any]] = {}
"""By the name of the fixture that gives what a step made."""


def step(name: str) -> Callable[[Callable[[Forge], Any]], Callable[[Forge], Any]]:
    """Register a function as what makes `name`. What it returns is copied with everything else."""

    def register(make: Callable[[Forge], Any]) -> Callable[[Forge], Any]:
        STEPS[name] = make
        return make

    return register


class Arranged(dict[str, Any]):
    """What steps have made on one forge."""


def arranged(forge: Forge, name: str) -> Any:
    """What a step made on this forge."""
    known = forge.part(Arranged, Arranged)
    if name not in known:
        known[name] = STEPS[name](forge)
    return known[name]


class Rows(Protocol):
    """A database that scenes are kept beside."""

    def keep(self, name: str) -> None:
        """Keep a copy of all rows, and leave none."""

    def bring(self, name: str) -> None:
        """Put the rows of a copy into the database, which is empty."""


class SqliteRows:
    """One SQLite file; copies are files, too."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder

    def keep(self, name: str) -> None:
        shutil.move(self._path, self._folder / f"{name}.db")

    def bring(self, name: str) -> None:
        shutil.copyfile(self._folder / f"{name}.db", self._path)


@dataclass(frozen=True)
class Scene:
    """A folder of files, beside it rows of the same name, and what the steps returned."""

    name: str
    files: Path
    returned: bytes


class Scenes:
    """The scenes of this test run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[Any, Scene] = {}

    @contextmanager
    def opened(
        self,
        settings: Settings,
        clock: Callable[[], datetime],
        rows: Rows,
        names: Collection[str],
        prepare: Callable[[Forge], None],
    ) -> Iterator[Forge]:
        """A forge that begins with what these steps make, if everything of it is in its rows and files."""
        steps = tuple(name for name in STEPS if name in names)
        scene = self._scene(settings, clock, rows, steps, prepare) if steps and _plain(settings) else None
        if scene is not None:
            shutil.copytree(scene.files, settings.data)
            rows.bring(scene.name)
        with closing(Forge.open(settings, clock=clock)) as forge:
            prepare(forge)
            if scene is not None:
                forge.part(Arranged, Arranged).update(pickle.loads(scene.returned))
            yield forge

    def _scene(
        self,
        settings: Settings,
        clock: Callable[[], datetime],
        rows: Rows,
        steps: tuple[str, ...],
        prepare: Callable[[Forge], None],
    ) -> Scene:
        nowhere = replace(settings, data=Path(), storage_path=Path(), database_url="")
        key = (settings.sqlite_path is None, repr(nowhere), settings.encryption_keys, clock(), steps)
        if key not in self._made:
            name = f"scene{len(self._made)}"
            files = self.folder / name
            elsewhere = replace(
                settings, data=files, storage_path=files / settings.storage_path.relative_to(settings.data)
            )
            with closing(Forge.open(elsewhere, clock=clock)) as forge:
                prepare(forge)
                for each in steps:
                    arranged(forge, each)
                returned = pickle.dumps(dict(forge.part(Arranged, Arranged)))
            rows.keep(name)
            self._made[key] = Scene(name, files, returned)
        return self._made[key]


def _plain(settings: Settings) -> bool:
    """Whether everything of a forge is in its database and its folder, and nothing is there yet."""
    return (
        settings.storage_backend is StorageBackend.LOCAL
        and settings.storage_path.is_relative_to(settings.data)
        and not settings.data.exists()
        and not (settings.redis_url or settings.faults)
    )
