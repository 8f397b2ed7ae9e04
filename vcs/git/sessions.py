"""Open sessions as git shows them: other repositories, over `main.git`, each for who sees the same ones.

Protocol 2 gives out any object by its name, so hiding a ref hides nothing. What has not landed is
therefore never written into `main.git`, and what one reader sees never into another's repository. A
session's commit follows from what the session is: its base, its files, its goal and when it began; so it
has one name on every node.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from vcs import overlay
from vcs.git.copying import copy_segments
from vcs.git.packs import PackFolder, PackWriter
from vcs.git.process import run_git
from vcs.git.projection import GitProjection, Stamp, lay_out
from vcs.git.refs import write_packed
from vcs.git.translate import to_git
from vcs.objects import Commit, Kind, Object, canonical_json, encode_commit, new_id, signature
from vcs.reading import Reader
from vcs.segments import BIG_BLOB
from vcs.staging import with_sha1s
from vcs.store import Missing

__all__ = ["OpenWork", "SessionsView"]

_PACKS = 50
_READERS = 64
"""So many repositories of single readers a project keeps on a node; others are made again when asked for."""


@dataclass(frozen=True)
class OpenWork:
    """What one open session changes: paths over its base, with staged files that hold new content.

    `tip` is git's SHA-1 of the commit that was pushed for it: then that is what is shown.
    """

    base: str | None
    base_tree: str
    changes: Sequence[overlay.Change]
    staged: Sequence[str]
    author: tuple[str, str]
    began: datetime
    message: bytes
    tip: str = ""


class SessionsView:
    """`sessions.git` beside a projection's `main.git`, or `sessions-<reader>.git` for one who sees only some;
    dropped with it, and as harmless to delete.
    """

    def __init__(self, shown: GitProjection, reader: str = "") -> None:
        self.shown = shown
        self.name = f"sessions-{reader}" if reader else "sessions"

    @property
    def path(self) -> Path:
        """The repository that git serves to who may see these sessions."""
        return self.shown.folder / f"{self.name}.git"

    def show(self, versions: Mapping[str, str], load: Callable[[str], OpenWork]) -> Stamp:
        """Bring the repository to these open sessions, each known by what its version says; `load` gives
        those that are new or changed. Catch the projection up first.
        """
        with self.shown.alone():
            stamp = self.shown.stamp()
            known = self._known()
            place = [stamp.sequence, stamp.record]
            if known.get("place") != place or known.get("versions") != dict(versions):
                self._write(known, place, versions, load)
        digest = canonical_json(dict(versions)).decode()
        return replace(stamp, variant=self.name, also=digest)

    def _write(
        self,
        known: Mapping[str, object],
        place: list[object],
        versions: Mapping[str, str],
        load: Callable[[str], OpenWork],
    ) -> None:
        before: dict[str, list[str]] = known.get("tips", {})  # type: ignore[assignment]
        folder = self.path / "objects/pack"
        if len(PackFolder(folder).names()) > _PACKS:
            _remove(self.path)
        if not (self.path / "HEAD").is_file():
            shutil.rmtree(self.path, ignore_errors=True)
            self._make_room()
            lay_out(self.path, self._trunk())
            (self.path / "objects/info/alternates").write_text("../../main.git/objects\n")
            before = {}
        tips = {id: tip for id, tip in before.items() if versions.get(id) == tip[0]}
        with PackWriter(folder) as pack:
            for id in sorted(versions.keys() - tips.keys()):
                try:
                    work = load(id)
                    tip = self._pushed(work) if work.tip else self._commit(work, pack).hex()
                    tips[id] = [versions[id], tip]
                except Missing:
                    # It landed or ended just now, and what it staged is gone.
                    continue
            if len(pack):
                pack.finish()
        listed = run_git(self.shown.path, "for-each-ref", "--format=%(objectname) %(refname)").stdout
        refs = {}
        for line in listed.decode("utf-8", "surrogateescape").splitlines():
            sha1, _, name = line.partition(" ")
            refs[name] = bytes.fromhex(sha1)
        refs |= {f"refs/sessions/{id}": bytes.fromhex(tip[1]) for id, tip in tips.items()}
        write_packed(self.path, refs)
        told = {"place": place, "versions": dict(versions), "tips": tips}
        draft = self._state.with_name(f"draft-{new_id()}")
        draft.write_text(json.dumps(told))
        os.replace(draft, self._state)

    def _commit(self, work: OpenWork, pack: PackWriter) -> bytes:
        """Write what is new of a session; the SHA-1 of its commit."""
        reader = self.shown.repository.with_staged(work.staged)
        tree, made = overlay.apply(reader, work.base_tree, work.changes)
        who = signature(*work.author, work.began)
        parents = (work.base,) if work.base else ()
        commit = Object.of(
            Kind.COMMIT,
            encode_commit(
                Commit(tree=tree, parents=parents, author=who, committer=who, message=work.message)
            ),
        )
        for change in work.changes:
            if change.id is not None and not self.shown.repository.has(change.id):
                _add_blob(reader, change.id, pack)
        known: dict[str, bytes] = {}
        for object, sha1 in with_sha1s([*made, commit], reader.sha1_of):
            known[object.id] = sha1
            plain = to_git(object.kind, object.content, lambda id: known.get(id) or reader.sha1_of(id))
            pack.add(object.kind, plain, sha1)
        return known[commit.id]

    def _pushed(self, work: OpenWork) -> str:
        """Write what a push staged as it is; its tip."""
        repository = self.shown.repository
        staged = [repository.staged.get(key)[0] for key in work.staged]
        copy_segments(repository, staged, PackFolder(self.path / "objects/pack"))
        return work.tip

    def _trunk(self) -> str:
        return self.shown.repository.remembered()[0].trunk

    @property
    def _state(self) -> Path:
        return self.shown.folder / self.name

    def _make_room(self) -> None:
        """Remove the repositories of single readers that were brought up longest ago."""
        old = sorted(self.shown.folder.glob("sessions-*.git"), key=lambda path: path.stat().st_mtime)
        for path in old[: max(0, len(old) + 1 - _READERS)]:
            path.with_suffix("").unlink(missing_ok=True)
            _remove(path)

    def _known(self) -> dict[str, object]:
        try:
            said: dict[str, object] = json.loads(self._state.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return said if (self.path / "HEAD").is_file() else {}


def _remove(repository: Path) -> None:
    """Away at once for new readers, then from the disk."""
    gone = repository.with_name(f"gone-{new_id()}")
    os.replace(repository, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _add_blob(reader: Reader, id: str, pack: PackWriter) -> None:
    size, sha1 = reader.size(id), reader.sha1_of(id)
    chunks = [reader.read(id, Kind.BLOB)] if size < BIG_BLOB else reader.chunks(id)
    pack.add_chunks(Kind.BLOB, size, chunks, sha1)
