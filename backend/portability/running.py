"""An import at work: metadata, clone, validation, landing, finalization.

Everything before the landing touches nothing that anybody sees: a folder of the worker's own and
staged segments named in SQL. The landing is one record in the log, as every other; it happened
when HEAD moved, whoever dies then. A worker killed anywhere goes on in the stage it was at.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlmodel import col, delete, select

from backend.accounts.models import Account
from backend.core.context import Actor, Context, Via
from backend.core.errors import Conflict, MicelioError
from backend.core.memory import give_back
from backend.portability import fetching, names, sources
from backend.portability.models import Import, ImportFile, ImportState, Mirror, Origin, Stage
from backend.portability.secrets import unseal
from backend.portability.service import ENDED, changed
from backend.portability.sources import Reachable
from backend.portability.undoing import discard, undo
from backend.projects import access, code, creating, git, projection
from backend.projects.access import Ability
from backend.projects.models import Project
from backend.sessions import permits
from backend.sessions.landing import batcher
from vcs import faults
from vcs.errors import Kind
from vcs.git.ingest import Ingest, Ledger, Staged
from vcs.git.proving import Prover
from vcs.git.source import Source
from vcs.landing import PermitGone, fence
from vcs.lists import RefChange
from vcs.log import RecordKind, SegmentRef, segment_key
from vcs.pushes import Push
from vcs.repository import Repository
from vcs.segments import frames_of, object_chunks, read_footer
from vcs.store import Missing, from_origin

TELL_EVERY = 0.5
TRIES = 3
"""How often a landing is tried whose permit somebody else settled."""

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Somebody does not want this import any more."""


class SourceChanged(Conflict):
    """What was used for the first try is gone."""

    code = "import.start_again"
    message = "{problem} Start the import again."


class LandingInterrupted(Conflict):
    """The permit to land was gone each time, and nobody had cancelled."""

    code = "import.interrupted"
    message = (
        "The landing was interrupted {tries} times, and nothing was changed. Is the machine short of memory "
        "or time? Start the import again."
    )


def run_import(ctx: Context, id: str) -> None:
    """Run an import to its end, from wherever it is. Only one process does at a time."""
    with ctx.forge.db.try_lock(f"import:{id}") as mine:
        if not mine:
            return
        with ctx.transaction(write=False) as tx:
            row = tx.db.get(Import, id)
        if row is None or row.state in ENDED:
            return
        run = _Run(ctx, row)
        try:
            with run.proving():
                run.all()
        except Cancelled:
            if run.has_landed():
                # Too late: it is in the log.
                run.finish()
            else:
                run.end(ImportState.CANCELLED)
        except MicelioError as error:
            if run.has_landed():
                # What is left is to be tried again, by the job.
                raise
            if error.kind is Kind.CORRUPT:
                log.exception("import %s failed", id)
            run.end(ImportState.FAILED, error.sentence)
        except Exception:
            if not run.has_landed():
                run.end(ImportState.FAILED, "Something went wrong in the forge itself; its log says what.")
            raise


@dataclass
class _Run:
    """One try of one import."""

    ctx: Context
    row: Import

    def __post_init__(self) -> None:
        self.forge = self.ctx.forge
        self.id = self.row.id
        self.folder = self.forge.settings.data / "imports" / self.id
        self._told = 0.0
        self._keys: list[str] = []
        self._prover: Prover | None = None
        with self.ctx.transaction(write=False) as tx:
            project = tx.db.get(Project, self.row.project_id)
        if project is None:
            raise Conflict(problem="The project of this import is gone.")
        self.project = project

    def all(self) -> None:
        """The stages that are left."""
        work = {
            Stage.METADATA: self.metadata,
            Stage.GIT_DATA_CLONE: self.clone,
            Stage.VALIDATION: self.validate,
            Stage.LANDING: self.land,
            Stage.FINALIZATION: self.finalize,
        }
        stages = list(Stage)
        for stage in stages[stages.index(self.row.stage) :]:
            self.enter(stage)
            faults.reach(f"import.{stage.value}")
            work[stage]()

    @contextmanager
    def proving(self) -> Iterator[None]:
        """Whatever ends the run ends the process too that compares SHA-1s for it."""
        try:
            yield
        finally:
            self._prove_no_more()

    def _prove_no_more(self) -> None:
        if self._prover is not None:
            self._prover.close()
            self._prover = None

    def _begin_proof(self, ledger: Ledger) -> Prover:
        """Have what is staged compared from now on, while more is staged."""
        if self._prover is None:
            live = _nothing if self.row.begins else partial(_sha1s, self._repository())
            self._prover = Prover(ledger.path, from_origin(self.forge.store), live=live)
            for file in self._files():
                self._prover.add(SegmentRef(file.key, file.size, file.sha256))
        return self._prover

    def has_landed(self) -> bool:
        """Whether the landing is in the log, for good: an earlier swap of it can come no more."""
        if self.row.stage not in (Stage.LANDING, Stage.FINALIZATION):
            return False
        repository = self._repository()
        try:
            fence(repository)
        except Missing:
            return False
        return repository.index.record_of(self.row.landing, None, None) is not None

    def finish(self) -> None:
        """The rest, for an import that has landed."""
        projection.catch_up(self.forge, self.project.id)
        with self.ctx.transaction() as tx:
            row = tx.db.exec(select(Import).where(Import.id == self.id).with_for_update()).one()
            changed(tx, row, stage=Stage.FINALIZATION)
        self.finalize()

    def enter(self, stage: Stage) -> None:
        """Begin a stage."""
        with self.asking() as (tx, row):
            changed(tx, row, state=ImportState.RUNNING, stage=stage, doing="", done=0, total=0)

    @contextmanager
    def asking(self) -> Iterator[tuple[Context, Import]]:
        """A transaction with the import's row, while it is still wanted; Cancelled."""
        with self.ctx.transaction() as tx:
            row = tx.db.exec(select(Import).where(Import.id == self.id).with_for_update()).one()
            if row.state is ImportState.CANCELLING and row.stage is not Stage.FINALIZATION:
                raise Cancelled
            yield tx, row
            self.row = row

    def tell(self, doing: str, done: int, total: int) -> None:
        """Say how far it is, twice a second at the most; Cancelled."""
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            with self.asking() as (tx, row):
                changed(tx, row, doing=doing, done=done, total=total)

    def metadata(self) -> None:
        """Learn that the source is there and may be read, before anything long begins."""
        if self.row.origin is Origin.URL:
            self.reached = self._reach()
        elif self.row.origin is Origin.FOLDER:
            folder = git_folder(Path(self.row.source))
            if Source(folder).is_shallow:
                raise sources.BadSource(
                    problem="That repository is shallow: a part of its history is missing."
                )

    def _reach(self) -> Reachable:
        credentials = None
        with self.asking() as (tx, row):
            if row.secret is not None:
                credentials = unseal(self.forge.settings, row.secret)
                # Used once: from here on only this process knows them.
                changed(tx, row, secret=None)
        self.tell("asking the source", 0, 0)
        return sources.reach(self.row.source, credentials, private=self.forge.settings.import_private)

    def clone(self) -> None:
        """Fetch the source, and stage what the project lacks of it."""
        ledger_file = self.folder / "ledger.db"
        if not ledger_file.exists() and self._files():
            # The folder went with another machine: what it staged cannot be told from what it did not.
            undo(self.ctx, self.row, keep_project=True)
        source = self._fetched()
        if source.is_shallow:
            raise sources.BadSource(problem="The source is shallow: a part of its history is missing.")
        repository = self._repository()
        ledger = Ledger(ledger_file)
        try:
            # It takes a moment to start, so it does while git lists what there is.
            self._begin_proof(ledger)
            total = ledger.fill(source, self._tips(source), self._known_tips(source), self._live(repository))
            self.tell("reading objects", 0, total)
            Ingest(
                source,
                ledger,
                put=self.forge.store.put,
                new_key=self._new_key,
                finished=self._keep,
                live=self._live(repository),
                still_wanted=lambda: self.tell("reading objects", self.row.objects, total),
            ).run(self._tips(source), self._known_tips(source))
        finally:
            ledger.close()
            # The landing needs room of its own, in other sizes.
            give_back()

    def _fetched(self) -> Source:
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = self.folder / "source.git"
        if (self.folder / "fetched").exists():
            return Source(folder)
        source = fetching.prepare(folder, self._borrowed())
        url, protocol, config = self._address()
        limit = self.forge.settings.import_limit
        fetching.fetch(source, url, protocol=protocol, config=config, progress=self.tell, limit=limit)
        (self.folder / "fetched").touch()
        return source

    def _address(self) -> tuple[str, str, Mapping[str, str]]:
        if self.row.origin is Origin.FOLDER:
            return str(git_folder(Path(self.row.source))), "file", {}
        if self.row.origin is Origin.BUNDLE:
            return str(self._bundle()), "file", {}
        reached = getattr(self, "reached", None) or self._reach()
        return reached.url, reached.url.partition(":")[0], reached.config

    def _bundle(self) -> Path:
        """The uploaded bundle as a file here."""
        path = self.folder / "source.bundle"
        with self.ctx.transaction(write=False) as tx:
            query = select(ImportFile).where(ImportFile.import_id == self.id, col(ImportFile.bundle))
            kept = tx.db.exec(query).one()
        read = partial(from_origin(self.forge.store), kept.key)
        footer = read_footer(read, kept.size, kept.key)
        with open(path, "wb") as file:
            for piece in object_chunks(frames_of(read, footer, kept.key), footer.entries[0]):
                file.write(piece)
        return path

    def _borrowed(self) -> Path | None:
        """The project's own git repository: what it has need not be fetched."""
        if self.row.begins:
            return None
        shown = git.projection(self.forge, self.project)
        self._repository().catch_up()
        shown.catch_up()
        return shown.path

    def _tips(self, source: Source) -> list[bytes]:
        return sorted(set(source.refs().values()))

    def _known_tips(self, source: Source) -> list[bytes]:
        if self.row.begins:
            return []
        repository = self._repository()
        return sorted({repository.sha1_of(id) for id in repository.refs().values()})

    def _live(self, repository: Repository):  # type: ignore[no-untyped-def]
        return (lambda sha1s: {}) if self.row.begins else repository.index.ids_of

    def _repository(self) -> Repository:
        return code.repository(self.forge, self.project.id, self.project.pool)

    def _files(self) -> list[ImportFile]:
        with self.ctx.transaction(write=False) as tx:
            query = select(ImportFile).where(ImportFile.import_id == self.id, ~col(ImportFile.bundle))
            return list(tx.db.exec(query.order_by(col(ImportFile.number))).all())

    def _new_key(self) -> str:
        self._keys.append(segment_key(self.project.pool, self.project.id))
        return self._keys[-1]

    def _keep(self, staged: Staged) -> None:
        """Name a staged segment in SQL, so that it stays."""
        with self.asking() as (tx, row):
            query = select(ImportFile.number).where(ImportFile.import_id == self.id)
            last = max(tx.db.exec(query).all(), default=0)
            tx.db.add(
                ImportFile(
                    key=staged.ref.key,
                    import_id=self.id,
                    project_id=self.project.id,
                    number=last + 1,
                    size=staged.ref.size,
                    sha256=staged.ref.sha256,
                    objects=staged.objects,
                    staged_at=tx.now(),
                )
            )
            row.objects += staged.objects
            tx.db.add(row)
        if self._prover is not None:
            self._prover.add(staged.ref)

    def validate(self) -> None:
        """git checks the source, and all that is staged comes back as it was, SHA-1 by SHA-1."""
        ledger_file = self.folder / "ledger.db"
        if not ledger_file.exists():
            raise SourceChanged(problem="The worker's folder of this import is gone.")
        source = Source(self.folder / "source.git")
        self.tell("git fsck", 0, 0)
        source.check(borrows=not self.row.begins)
        ledger = Ledger(ledger_file)
        try:
            total = ledger.sizes()[0]
            prover = self._begin_proof(ledger)
            prover.finish(lambda count: self.tell("comparing SHA-1s", count, total))
            self._prove_no_more()
            heads, trunk = self._heads(source, ledger, self._repository())
        finally:
            ledger.close()
        with self.asking() as (tx, row):
            changed(tx, row, heads=heads, trunk=trunk)

    def _heads(
        self, source: Source, ledger: Ledger, repository: Repository
    ) -> tuple[list[list[str | None]], str]:
        """What becomes of each ref of the source, and which branch is the default one there."""
        found = source.refs()
        ids = {sha1: id.hex() for sha1, id in ledger.ids_of(sorted(set(found.values()))).items()}
        if not self.row.begins:
            ids |= repository.index.ids_of([sha1 for sha1 in found.values() if sha1 not in ids])
        wanted = {name: ids[sha1] for name, sha1 in found.items()}
        here: dict[str, str] = {}
        trunk = None
        if not self.row.begins:
            head = repository.catch_up()
            here, trunk = repository.refs(), head.trunk if head.main else None
        if self.row.mirror_id is not None:
            sha1s = {id: sha1 for sha1, id in ids.items()}

            def goes_on(name: str, old: str, new: str) -> bool:
                return source.has_ancestor(*(sha1s.get(id) or repository.sha1_of(id) for id in (old, new)))

            planned = self._mirrored(wanted, here, trunk, goes_on)
        else:
            planned = names.planned(
                wanted,
                here,
                source_trunk=source.trunk(),
                trunk=trunk,
                followed=followed(self.ctx, self.row.project_id, self.row.source),
                forward=lambda name, old: source.has_ancestor(repository.sha1_of(old), found[name]),
            )
        return [[one.there, one.here, one.old, one.new] for one in planned], source.trunk() or ""

    def _mirrored(
        self,
        wanted: Mapping[str, str],
        here: Mapping[str, str],
        trunk: str | None,
        goes_on: Callable[[str, str, str], bool],
    ) -> list[names.Planned]:
        """What the mirror does with each ref; what it leaves as it is, it says in its row."""
        left = left_by_mirror(self.ctx, self.row.project_id, self.row.source)
        with self.asking() as (tx, row):
            mirror = tx.db.get(Mirror, row.mirror_id)
            if mirror is None:
                raise Cancelled
            planned, refused = names.mirrored(
                wanted,
                here,
                trunk=trunk,
                left=left,
                overwrite=mirror.overwrite,
                prune=mirror.prune,
                forward=goes_on,
            )
            mirror.refused = [list(each) for each in refused]
            tx.db.add(mirror)
        return planned

    def land(self) -> None:
        """One record in the log. It has happened when HEAD has moved."""
        if self.row.begins:
            creating.begin_log(self.ctx, self.project.id)
            self._repository().catch_up()
            self._hand_packs_over()
        moves = [(here, old, new) for _, here, old, new in self.row.heads if old != new]
        if moves:
            self._append(moves)
        projection.catch_up(self.forge, self.project.id)

    def _hand_packs_over(self) -> None:
        """The packs git fetched are what the project's git repository is made of anyway."""
        packs = sorted((self.folder / "source.git/objects/pack").glob("*.pack"))
        if packs:
            git.projection(self.forge, self.project).adopt(packs)

    def _append(self, moves: Sequence[tuple[str, str | None, str | None]]) -> None:
        repository = self._repository()
        files = self._files()
        for file in files:
            repository.staged.keep(SegmentRef(file.key, file.size, file.sha256))
        for _ in range(TRIES):
            self._permit()
            faults.reach("import.permitted")
            if self._land_once(repository, self._push(repository, moves, files)):
                faults.reach("import.landed")
                return
        raise LandingInterrupted(tries=TRIES)

    def _land_once(self, repository: Repository, push: Push) -> bool:
        """Whether it is in the log; if not, its permit is gone: cancelled, or settled by the sweeper."""
        try:
            with permits.renewed(self.forge, push.landing):
                batcher(self.forge, self.project.id, self.project.pool).land(push)
        except PermitGone:
            # Only the log knows.
            fence(repository)
            return repository.index.record_of(push.landing, None, None) is not None
        return True

    def _push(
        self,
        repository: Repository,
        moves: Sequence[tuple[str, str | None, str | None]],
        files: Sequence[ImportFile],
    ) -> Push:
        head = repository.catch_up()
        into_nothing = head.main is None
        trunk_name = self.row.trunk if into_nothing and self.row.trunk else head.trunk
        trunk = next(((old, new) for name, old, new in moves if name == trunk_name), None)
        return Push(
            landing=self.row.landing,
            actor=self.row.requested_by,
            summary=self._summary(),
            kind=RecordKind.IMPORT,
            trunk=trunk,
            trunk_name=trunk_name if trunk and trunk_name != head.trunk else None,
            refs=[RefChange(name, old, new) for name, old, new in moves if name != trunk_name],
            staged=[file.key for file in files],
            accept_names=True,
            again=True,
        )

    def _summary(self) -> dict[str, object]:
        with self.ctx.transaction(write=False) as tx:
            author = _handle(tx, self.row.requested_by)
        # Where a folder of the server is concerns nobody who reads the log.
        of_folder = self.row.origin is Origin.FOLDER
        source = Path(self.row.source).name if of_folder else self.row.source
        return {
            "goal": f"{'Mirror' if self.row.mirror_id else 'Import'} {source}",
            "summary": "",
            "author": author,
            "source": "import",
            "import": self.id,
            "origin": source,
        }

    def _permit(self) -> None:
        """Leave to land, given to who may have it now; Cancelled."""
        with self.asking() as (tx, row):
            project = tx.db.exec(select(Project).where(Project.id == row.project_id).with_for_update()).one()
            if row.requested_by is not None:
                actor = Actor(via=Via.BROWSER, id=row.requested_by, handle="", scopes=None)
                if Ability.LAND not in access.abilities(tx.acting_as(actor), project):
                    raise Conflict(
                        problem="Whoever asked for this import may not land in the project any more."
                    )
            permits.give(tx, row.landing, project.id, row.requested_by)

    def finalize(self) -> None:
        """Let everybody see it, and clean up."""
        repository = self._repository()
        record = repository.index.record_of(self.row.landing, None, None)
        shown = git.projection(self.forge, self.project)
        shown.catch_up()
        with self.ctx.transaction() as tx:
            row = tx.db.exec(select(Import).where(Import.id == self.id).with_for_update()).one()
            creating.show(tx, row.project_id)
            kept = select(ImportFile).where(ImportFile.import_id == self.id)
            # Where nothing moved, nothing of what was staged is in the log.
            gone = [file.key for file in tx.db.exec(kept).all() if file.bundle or record is None]
            tx.db.exec(delete(ImportFile).where(col(ImportFile.import_id) == self.id))
            positions = record.last - record.first + 1 if record and record.first and record.last else 0
            changed(
                tx,
                row,
                state=ImportState.DONE,
                secret=None,
                doing="",
                positions=positions,
                sequence=record.sequence if record else None,
                ended_at=tx.now(),
            )
            tx.ring(f"project:{row.project_id}")
        # An uploaded bundle is in no log, and the collector would need a day to find it.
        discard(self.ctx, self.project, gone)
        shutil.rmtree(self.folder, ignore_errors=True)

    def end(self, state: ImportState, problem: str = "") -> None:
        """The end of an import that did not land: everything as it was."""
        with self.ctx.transaction() as tx:
            permits.withdraw(tx, self.row.landing)
        # Also what was written and not named yet.
        discard(self.ctx, self.project, self._keys)
        undo(self.ctx, self.row)
        with self.ctx.transaction() as tx:
            row = tx.db.exec(select(Import).where(Import.id == self.id).with_for_update()).one()
            changed(tx, row, state=state, problem=problem, secret=None, doing="", ended_at=tx.now())


def followed(ctx: Context, project: str, source: str) -> dict[str, tuple[str, str]]:
    """Where the last imports of a source left its refs: by name there, the name here and the id."""
    with ctx.transaction(write=False) as tx:
        query = select(Import).where(
            Import.project_id == project, Import.source == source, Import.state == ImportState.DONE
        )
        found: dict[str, tuple[str, str]] = {}
        for earlier in tx.db.exec(query.order_by(col(Import.id))).all():
            found |= {there: (here, new) for there, here, _, new in earlier.heads}
        return found


def left_by_mirror(ctx: Context, project: str, source: str) -> dict[str, str]:
    """Where a mirror and imports of its source before it left the refs that keep their names."""
    found = followed(ctx, project, source).items()
    return {there: id for there, (here, id) in found if here == there and id is not None}


def _handle(ctx: Context, account: str | None) -> str:
    """The handle of an account; the instance's own name for none."""
    found = ctx.db.get(Account, account) if account else None
    return found.handle if found else "micelio"


def git_folder(path: Path) -> Path:
    """The repository of a folder on this server: itself, the `.git` of a checkout, or what a linked
    worktree belongs to. BadSource.
    """
    dot = path / ".git"
    if dot.is_file():
        linked = Path(path, dot.read_text().partition("gitdir: ")[2].strip())
        common = linked / "commondir"
        path = Path(linked, common.read_text().strip()).resolve() if common.is_file() else linked
    elif dot.is_dir():
        path = dot
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        return path
    raise sources.BadSource(problem=f"There is no git repository in {path}.")


def _nothing(ids: Sequence[str]) -> dict[str, bytes]:
    """What a project has that only begins."""
    return {}


def _sha1s(repository: Repository, ids: Sequence[str]) -> dict[str, bytes]:
    found = {}
    for id in ids:
        sha1 = repository.index.sha1_of(id)
        if sha1 is not None:
            found[id] = sha1
    return found
