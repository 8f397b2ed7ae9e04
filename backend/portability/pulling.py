"""Pulling: what is new in the source comes in as an import of the mirror's own.

Both sides' refs are compared first, so a source that did not move costs one question. The rest is what
every import does, crash safety with it: nothing changes before the landing, and that is one record.
"""

import hashlib
import json
from collections.abc import Mapping

from sqlmodel import col, select

from backend.core.context import Context
from backend.core.errors import Conflict
from backend.portability import fetching, sources
from backend.portability.models import Import, ImportState, Mirror, Origin
from backend.portability.names import FAMILIES
from backend.portability.outcomes import Outcome, counted, credentials_of, staying
from backend.portability.running import left_by_mirror, run_import
from backend.portability.service import ENDED, ImportRunning, running
from backend.projects import access, code, git
from backend.projects.models import Project
from vcs.lists import is_derived_ref
from vcs.objects import new_id
from vcs.repository import Repository

NOTHING = "Nothing new."


def pull(ctx: Context, row: Mirror, project: Project) -> Outcome:
    """Bring what is new in the source. Raises what reaching it raises."""
    if going_on := _taken_up(ctx, row):
        return _imported(ctx, going_on)
    reached = sources.reach(row.url, credentials_of(ctx, row), private=ctx.forge.settings.import_private)
    repository = code.repository(ctx.forge, project.id, project.pool)
    head = repository.catch_up()
    shown = git.projection(ctx.forge, project)
    shown.catch_up()
    there = _mirrored(fetching.listed(shown.path, reached.url, reached.config))
    here = _sha1s(repository)
    seen = _digest(there, here)
    if seen == row.seen:
        refused = [(ref, reason) for ref, reason in row.refused]
        return Outcome(result=NOTHING, problem=staying(refused), refused=refused, seen=seen)
    differs = any(here.get(name) != sha1 for name, sha1 in there.items())
    if not differs and not (row.prune and _gone(ctx, row, repository, there, head.trunk)):
        return Outcome(result=NOTHING, seen=seen)
    outcome = _imported(ctx, _asked(ctx, row, project))
    repository.catch_up()
    return outcome.with_seen(_digest(there, _sha1s(repository)))


def _taken_up(ctx: Context, row: Mirror) -> str | None:
    """The import that an attempt before this one did not end, with the credentials it may need again."""
    with ctx.transaction() as tx:
        query = select(Import).where(Import.mirror_id == row.id, col(Import.state).not_in(ENDED))
        found = tx.db.exec(query.with_for_update()).first()
        if found is None:
            return None
        if found.state is not ImportState.CANCELLING:
            found.secret = row.secret
            tx.db.add(found)
        return found.id


def _asked(ctx: Context, row: Mirror, project: Project) -> str:
    """A new import for the mirror. ImportRunning."""
    with ctx.transaction() as tx:
        _, owner = access.by_id(tx, project.id)
        if at_it := running(tx, project.id):
            url = f"{ctx.forge.settings.public_url}/imports/{at_it.id}"
            raise ImportRunning(address=f"{owner.handle}/{project.handle}", url=url)
        mirror = tx.db.exec(select(Mirror).where(Mirror.id == row.id).with_for_update()).first()
        if mirror is None or mirror.paused:
            raise Conflict(problem="The mirror was stopped.")
        asked = Import(
            id=new_id(),
            project_id=project.id,
            organization=owner.handle,
            project=project.handle,
            begins=False,
            mirror_id=row.id,
            origin=Origin.URL,
            source=row.url,
            secret=row.secret,
            landing=new_id(),
            requested_at=tx.now(),
            updated_at=tx.now(),
        )
        mirror.import_id, mirror.refused = asked.id, []
        tx.db.add(mirror)
        tx.db.add(asked)
        return asked.id


def _imported(ctx: Context, id: str) -> Outcome:
    """Run an import to its end, and what the mirror says of it."""
    run_import(ctx, id)
    with ctx.transaction(write=False) as tx:
        ended = tx.db.get(Import, id)
        mirror = tx.db.get(Mirror, ended.mirror_id) if ended else None
    if ended is None or ended.state not in ENDED:
        raise Conflict(problem="Another worker is at it.")
    if ended.state is not ImportState.DONE:
        return Outcome(problem=ended.problem or "The mirror was stopped.", through=False)
    moved = sum(old != new for _, _, old, new in ended.heads)
    result = f"{counted(moved, 'ref')} moved, {counted(ended.positions, 'new position')}."
    refused = [(ref, reason) for ref, reason in mirror.refused] if mirror else []
    return Outcome(result=result if moved else NOTHING, problem=staying(refused), refused=refused)


def _mirrored(refs: Mapping[str, bytes]) -> dict[str, bytes]:
    return {
        name: sha1 for name, sha1 in refs.items() if name.startswith(FAMILIES) and not is_derived_ref(name)
    }


def _sha1s(repository: Repository) -> dict[str, bytes]:
    return _mirrored({name: repository.sha1_of(id) for name, id in repository.refs().items()})


def _gone(ctx: Context, row: Mirror, repository: Repository, there: Mapping[str, bytes], trunk: str) -> bool:
    """Whether the source has refs no more that the mirror left here."""
    here = repository.refs()
    left = left_by_mirror(ctx, row.project_id, row.url)
    return any(name != trunk and name not in there and here.get(name) == id for name, id in left.items())


def _digest(there: Mapping[str, bytes], here: Mapping[str, bytes]) -> str:
    """What both sides' refs are, in one word."""
    told = [sorted((name, sha1.hex()) for name, sha1 in side.items()) for side in (there, here)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
