"""What real histories weigh in the store, landed and compacted, beside git's pack of them; and a fork.

Each first-parent commit of a repository lands as a session would, compaction comes every sixteen
landings and settles every 256 as its jobs do, and all that landed is given to git, which packs it.
"""

import hashlib
import os
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tests.bench.figures import Figure, spent
from tests.bench.stage import CHECKOUT, Stage
from tests.bench.writing import tree_of
from tests.vcs.gits import Git
from tests.vcs.logs import AT, World, proposal
from vcs.collection import collect
from vcs.compaction import LEAST, Compacted, compact, settle
from vcs.forks import fork_project
from vcs.git.translate import from_git, raw_parts, to_git
from vcs.live import live_segments
from vcs.local import LocalStore
from vcs.objects import Kind, Object, new_id
from vcs.repository import Repository
from vcs.segments import read_footer

MEGABYTE = 1 << 20
FILES = 10_000
SETTLED_AFTER = 256
_PACKED = {Kind.COMMIT: 1, Kind.TREE: 2, Kind.BLOB: 3, Kind.TAG: 4}


def measure(stage: Stage) -> Iterator[Figure]:
    """The checkout's own history, those that BENCH_REPOS names (`path,path`), and a fork's bytes."""
    named = [Path(path) for path in os.environ.get("BENCH_REPOS", "").split(",") if path]
    yield from _history(stage, "checkout", CHECKOUT)
    for path in named:
        yield from _history(stage, path.name, path)
    yield from _fork(stage)


def _history(stage: Stage, word: str, source: Path) -> Iterator[Figure]:
    folder, late = stage.folder(), [timedelta()]
    (folder / "store").mkdir()
    name = f"sizes.{word}"
    with closing(LocalStore(folder / "store", clock=lambda: AT + late[0])) as store:
        world = World(store, folder)
        batcher = world.batcher()
        landed = seconds = 0.0

        def rest() -> None:
            """Hours in which nobody lands."""
            _until_none(partial(settle, world.main))
            for _ in range(4):
                late[0] += timedelta(days=1)
                collect(store, world.project, world.project, named=tuple)

        for number, (tree, objects) in enumerate(_commits(source), 1):
            asked = proposal(
                world.main, world.main.head().main, {}, tree=tree, objects=objects, actor=world.project
            )
            batcher.land(asked)
            landed += world.main.head().tail[-1].size
            if number % LEAST == 0:
                seconds += spent(partial(_until_none, partial(compact, world.main)))
            if number % SETTLED_AFTER == 0:
                seconds += spent(rest)
        seconds += spent(rest)
        stored = _stored(store)
        pack = _packed_by_git(world, folder / "git")
        world.main.close()
    yield Figure(f"{name}.landed", landed / MEGABYTE, "MB")
    yield Figure(f"{name}.compacted", stored / MEGABYTE, "MB")
    yield Figure(f"{name}.pack_of_git", pack / MEGABYTE, "MB")
    yield Figure(f"{name}.to_pack", stored / pack, "x", at_most=1.1)
    yield Figure(f"{name}.compacting", seconds, "s")


def _until_none(merge: Callable[[], Compacted | None]) -> None:
    while merge():
        pass


def _stored(store: LocalStore) -> int:
    """Every byte of the store."""
    return sum(listed.size for listed in store.list(""))


def _commits(source: Path) -> Iterator[tuple[str, list[Object]]]:
    """The tree of each first-parent commit of a repository, oldest first, and the objects new in it."""
    git = ["git", "-C", str(source)]
    listed = subprocess.run(
        [*git, "rev-list", "--first-parent", "--reverse", "HEAD"], capture_output=True, check=True
    )
    with subprocess.Popen(
        [*git, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reading:
        reader = _Translator(reading)
        for commit in listed.stdout.split():
            new: list[Object] = []
            tree = reader.id_of(commit + b"^{tree}", new)
            yield tree, new
        assert reading.stdin is not None
        reading.stdin.close()


class _Translator:
    """Objects of a git repository in our form, each once."""

    def __init__(self, reading: "subprocess.Popen[bytes]") -> None:
        self._reading = reading
        self._ids: dict[bytes, str] = {}

    def id_of(self, name: bytes, new: list[Object]) -> str:
        """The id of what git calls so; it and all it names are added to `new` unless known."""
        known = self._ids.get(name)
        if known is not None:
            return known
        word, content = self._read(name)
        made = from_git(word, content, lambda sha1: self.id_of(sha1.hex().encode(), new))
        self._ids[name] = made.id
        new.append(made)
        return made.id

    def _read(self, name: bytes) -> tuple[bytes, bytes]:
        asked, answer = self._reading.stdin, self._reading.stdout
        assert asked is not None and answer is not None
        asked.write(name + b"\n")
        asked.flush()
        _, word, length = answer.readline().split()
        content = answer.read(int(length))
        answer.read(1)
        return word, content


def _packed_by_git(world: World, folder: Path) -> int:
    """The bytes of the pack that git makes of all that the trunk reaches."""
    folder.mkdir()
    git = Git(folder, "sha1")
    repository = world.main
    found = dict[str, None]()
    for ref in live_segments(world.store, repository.head()):
        for entry in read_footer(partial(world.store.get, ref.key), ref.size, ref.key).entries:
            if entry.kind in _PACKED or entry.kind is Kind.RAW:
                found[entry.id] = None
    pack = folder / "all.pack"
    with pack.open("wb") as file:
        _write_pack(file, repository, list(found))
    git.run("index-pack", str(pack))
    for half in (pack, pack.with_suffix(".idx")):
        half.rename(folder / ".git/objects/pack" / f"pack-{'0' * 40}{half.suffix}")
    main = repository.head().main
    assert main is not None
    git.run("update-ref", "refs/heads/main", repository.sha1_of(main).hex())
    git.run("repack", "-adfq", "--window=10", "--depth=50")
    (made,) = (folder / ".git/objects/pack").glob("*.pack")
    return made.stat().st_size


def _write_pack(file: BinaryIO, repository: Repository, ids: list[str]) -> None:
    """A pack as simple as can be: every object whole."""
    hasher = hashlib.sha1(usedforsecurity=False)

    def write(data: bytes) -> None:
        hasher.update(data)
        file.write(data)

    write(b"PACK" + struct.pack(">II", 2, len(ids)))
    for id in ids:
        kind, content = repository.kind(id), repository.read(id)
        plain = to_git(kind, content, repository.sha1_of)
        write(_pack_header(raw_parts(content)[0] if kind is Kind.RAW else kind, len(plain)))
        write(zlib.compress(plain, 1))
    file.write(hasher.digest())


def _pack_header(kind: Kind, size: int) -> bytes:
    first, size = _PACKED[kind] << 4 | size & 15, size >> 4
    header = bytearray()
    while size:
        header.append(first | 0x80)
        first, size = size & 127, size >> 7
    header.append(first)
    return bytes(header)


def _fork(stage: Stage) -> Iterator[Figure]:
    folder = stage.folder()
    (folder / "store").mkdir()
    with closing(LocalStore(folder / "store")) as store:
        world = World(store, folder)
        world.batcher().land(proposal(world.main, None, tree_of(FILES)))
        world.main.catch_up()
        before = _stored(store)
        seconds = spent(
            partial(fork_project, world.main, new_id(), actor=None, summary={"name": "fork"}, at=AT)
        )
        yield Figure("sizes.fork_10k", (_stored(store) - before) / 1024, "KB", at_most=64)
        yield Figure("sizes.fork_10k.seconds", seconds, "s")
        world.main.close()
