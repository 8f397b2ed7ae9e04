"""Erasing: an operator takes a secret out of a project, its history and its forks.

The log does the work and keeps the record of it (`vcs.purge`); here its rows follow, and what
cannot be reached is named. Rows are rewritten and `ObjectsErased` is stated by whichever process
catches up first, so a crash anywhere leaves nothing undone: the same command finishes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from backend.core.context import Context
from backend.core.errors import InvalidInput, NotFound
from backend.organizations.models import Organization
from backend.projects import access, code, projection
from backend.projects.models import Landing, Project
from vcs.log import HeadState
from vcs.objects import check_path
from vcs.paths import quote, unquote
from vcs.purge import PurgeReport, purge
from vcs.repository import Repository

NOT_REACHED = (
    "Clones and checkouts that people and agents made keep it; so do mirrors and pushes to elsewhere.",
    "Backups of the store and of the database keep it, old object versions of a bucket with versioning too.",
    "A CDN in front of the bucket keeps it until it is told to drop its copies below pools/.",
    "Commit messages keep a goal and summary that are erased as words; erase the files they name apart.",
    "Events and archives of sessions may quote what a file held: nothing looks into their texts.",
    "Change the secret: whoever read it has it.",
)


@dataclass(frozen=True)
class ErasedFrom:
    """What happened to one project: how many objects are gone, how many positions have new commits, and
    how many files were written anew.
    """

    address: str
    objects: int
    positions: int
    files: int


@dataclass(frozen=True)
class Erasure:
    """A purge that is done. `unreached` are addresses of forks that still hold it; `kept` counts files."""

    projects: tuple[ErasedFrom, ...]
    deleted: int
    kept: int
    unreached: tuple[str, ...]
    not_reached: tuple[str, ...] = NOT_REACHED


def erase_from_project(
    ctx: Context,
    *,
    organization: str,
    project: str,
    paths: Sequence[str] = (),
    blobs: Sequence[str] = (),
    positions: Sequence[int] = (),
    reason: str = "",
    only: bool = False,
) -> Erasure:
    """Erase all that ever stood at paths, blobs by id, and what was said about landings at positions.

    Covers every fork of the pool unless `only`. Asked again after a crash it finishes what was begun.
    Raises NotFound and InvalidInput before anything is changed.
    """
    if not (paths or blobs or positions):
        raise InvalidInput(problem="Say what to erase: a path, a blob or a landing's position.")
    raw = [unquote(path).strip(b"/") for path in paths]
    for path in raw:
        check_path(path)
    with ctx.transaction() as tx:
        row, owner = access.project(tx, organization, project)
        ids = [_id(blob) for blob in blobs] + [_summary(tx, row, position) for position in positions]
        tx.audit(
            "project.purge",
            f"{owner.handle}/{row.handle}",
            paths=[quote(path) for path in raw],
            blobs=list(blobs),
            summaries=list(positions),
            reason=reason,
            only=only,
        )
    report = purge(
        ctx.forge.store,
        row.pool,
        lambda id: code.repository(ctx.forge, id, row.pool),
        ids=ids,
        paths=raw,
        project=row.id if only else None,
        actor=ctx.actor.id,
        at=ctx.now(),
    )
    return _followed(ctx, row, report)


def _followed(ctx: Context, purged: Project, report: PurgeReport) -> Erasure:
    """Bring the rows of the pool's projects to what their logs say now, and tell it by address."""
    with ctx.transaction(write=False) as tx:
        query = select(Project, Organization).join(Organization).where(Project.pool == purged.pool)
        addresses = {
            row.id: f"{owner.handle}/{row.handle}"
            for row, owner in tx.db.exec(query.order_by(col(Project.id)))
        }
    for id in addresses:
        repository = code.repository(ctx.forge, id, purged.pool)
        if repository.catch_up().state is not HeadState.DELETED:
            projection.catch_up(ctx.forge, id)
        code.drop_copies(ctx.forge, repository)
    return Erasure(
        projects=tuple(
            ErasedFrom(addresses.get(one.project, one.project), len(one.erased), one.moved, one.files)
            for one in report.projects
        ),
        deleted=report.deleted,
        kept=len(report.kept),
        unreached=tuple(addresses.get(id, id) for id in report.unreached),
    )


def _id(text: str) -> str:
    if not code.OBJECT.fullmatch(text.lower()):
        raise InvalidInput(problem=f"{text!r} is no blob's id: those have 64 hex digits.")
    return text.lower()


def _summary(ctx: Context, project: Project, position: int) -> str:
    landing = ctx.db.get(Landing, (project.id, position)) if 0 < position < code.MOST else None
    if landing is None:
        raise NotFound(what=f"landing {position} in this project")
    repository: Repository = code.reader(ctx, project)
    recorded = code.record_at(repository, landing.sequence)
    if recorded is None or recorded[0].summary is None:
        raise NotFound(what=f"summary of landing {position}")
    return recorded[0].summary
