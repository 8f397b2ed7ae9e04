"""Counting: how many lines a landing added and removed, where its row does not say so yet.

Comparing contents is most of the work of a row. A record of very many positions, which is an import or a
long push, therefore leaves it for later: its rows hold `NOT_COUNTED`, a job counts them from the newest
back, and whoever shows such a row before that counts for himself. The numbers follow from the log, so they
are the same whoever counts. A fork that was made meanwhile has a job of its own, and takes what its
parent's has counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import col, select, update

from backend.core.context import SYSTEM, Context, Forge
from backend.core.events import fact
from backend.projects import code, diffs
from backend.projects.models import Landing, Project, ProjectState
from vcs.diff import TreeChange, diff_trees
from vcs.many import changes, contents, short_contents
from vcs.objects import EMPTY_TREE, Entry, Kind, parse_commit
from vcs.repository import Repository

NOT_COUNTED = -1
AT_ONCE = 500
HELD = 24 << 20
"""Bytes of contents that are read together: each frame of them is then decoded once."""
A_JOB = 2_000
"""Landings that one job counts, so that other work gets its turn."""


@fact
@dataclass(frozen=True)
class LinesUncounted:
    """Rows of a project's landings do not say how many lines changed."""

    project: str


def lines_of(reader: diffs.Contents, changes: Iterable[TreeChange]) -> tuple[int, int]:
    """Lines added and removed by these changes together."""
    counts = [diffs.counts_of(reader, change) for change in changes]
    return sum(count.additions for count in counts), sum(count.deletions for count in counts)


class _Held:
    """A reader that has the shorter contents of many changes in memory."""

    def __init__(self, repository: Repository, changed: Iterable[Iterable[TreeChange]]) -> None:
        sides = (side for some in changed for change in some for side in (change.old, change.new))
        ids = (side.id for side in sides if side is not None and not side.is_gitlink)
        self._repository = repository
        self._held = short_contents(repository, ids, Kind.BLOB, longest=diffs.LARGEST_FILE, most=HELD)

    def read(self, id: str, kind: Kind | None = None) -> bytes:
        content = self._held.get(id)
        return self._repository.read(id, kind) if content is None else content

    def size(self, id: str) -> int:
        content = self._held.get(id)
        return self._repository.size(id) if content is None else len(content)

    def tree(self, id: str) -> tuple[Entry, ...]:
        return self._repository.tree(id)


def lines(ctx: Context, project: Project, row: Landing) -> tuple[int, int]:
    """Lines a landing added and removed, from its row or, while that does not say, from the contents."""
    if row.additions != NOT_COUNTED:
        return row.additions, row.deletions
    before = ctx.db.get(Landing, (row.project, row.position - 1))
    reader = code.reader(ctx, project)
    return lines_of(reader, list(diff_trees(reader, before.tree if before else EMPTY_TREE, row.tree)))


def count_lines(ctx: Context, project: str) -> None:
    """Count for the rows that need it, the newest first; what is left is stated as a fact again."""
    if count_some(ctx.forge, project, A_JOB) == A_JOB:
        with ctx.transaction() as tx:
            tx.emit(LinesUncounted(project))


def count_all(forge: Forge, project: str) -> None:
    """Count until every row of a project says how many lines changed."""
    while count_some(forge, project, A_JOB):
        pass


def count_some(forge: Forge, project: str, most: int) -> int:
    """Count for some rows, up to about `most`; how many they were."""
    ctx = Context(forge, SYSTEM)
    with ctx.transaction(write=False) as tx:
        row = tx.db.get(Project, project)
    if row is None or row.state is ProjectState.ERASED:
        return 0
    repository = code.repository(forge, project, row.pool)
    done = 0
    while done < most:
        with ctx.transaction(write=False) as tx:
            waiting = (Landing.project == project, Landing.additions == NOT_COUNTED)
            query = select(Landing.position, Landing.commit).where(*waiting)
            found = tx.db.exec(query.order_by(col(Landing.position).desc()).limit(AT_ONCE))
            rows = [(position, commit) for position, commit in found]
        if not rows:
            break
        known = _known(ctx, row.forked_from, dict(rows).keys()) if row.forked_from else {}
        counted = [(*each, *known[each]) for each in rows if each in known]
        counted += _counted(repository, [each for each in rows if each not in known])
        with ctx.transaction() as tx:
            for position, commit, added, removed in counted:
                # A purge may have given the position another commit meanwhile, and another count.
                same = (Landing.project == project, Landing.position == position, Landing.commit == commit)
                numbers = {"additions": added, "deletions": removed}
                tx.db.exec(update(Landing).where(*same).values(**numbers))
        done += len(rows)
    return done


def _known(ctx: Context, parent: str, positions: Iterable[int]) -> dict[tuple[int, str], tuple[int, int]]:
    """What the project that a fork was made of has counted already, by position and commit."""
    with ctx.transaction(write=False) as tx:
        query = select(Landing.position, Landing.commit, Landing.additions, Landing.deletions)
        there = (Landing.project == parent, col(Landing.position).in_(list(positions)))
        found = tx.db.exec(query.where(*there, Landing.additions != NOT_COUNTED)).all()
    return {(position, commit): (added, removed) for position, commit, added, removed in found}


def _counted(repository: Repository, rows: Sequence[tuple[int, str]]) -> list[tuple[int, str, int, int]]:
    """Position and commit of each row, with the lines that were added and removed there."""
    commits: dict[int, str] = {}
    for position, _ in rows:
        for each in (position - 1, position):
            if each and each not in commits:
                commits[each] = repository.commit_at(each) or ""
    read = contents(repository, commits.values(), Kind.COMMIT)
    trees = {0: EMPTY_TREE} | {at: parse_commit(read[id]).tree for at, id in commits.items()}
    ordered = sorted(rows)
    changed = changes(repository, [(trees[position - 1], trees[position]) for position, _ in ordered])
    held = _Held(repository, changed)
    return [(*row, *lines_of(held, some)) for row, some in zip(ordered, changed, strict=True)]
