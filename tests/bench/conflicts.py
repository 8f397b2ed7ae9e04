"""The conflict check of thirty paths at a million landings: three trees compared, and who moved what.

The rows of the million are written by SQL alone; the trees are those of a project of ten thousand files.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import text

from backend.core.context import SYSTEM, Context, Forge
from backend.projects import projection
from tests.bench.figures import Figure, percentile, spent
from tests.bench.stage import Stage
from tests.bench.writing import Project
from vcs import overlay
from vcs.conflicts import Merged, merge
from vcs.objects import Entry, Kind, Object
from vcs.repository import Repository

FILES, PATHS, LANDINGS = 10_000, 30, 1_000_000
TIMES = 300

_LANDINGS = """
insert into landings (project, position, "commit", tree, sha1, landing, sequence, at, session, actor,
    author, agent, goal, summary, files, additions, deletions)
with recursive more(n) as (select 2 union all select n + 1 from more where n < :last)
select project, n, "commit", tree, sha1, 'landing ' || n, n, at, 'session ' || n, actor,
    author, agent, 'Goal ' || n, summary, 1, 1, 0
from landings, more where project = :project and position = 1
"""
_SCATTER = "update path_latest set position = 1 + abs(random() % :last) where project = :project"


def measure(stage: Stage) -> Iterator[Figure]:
    """The ninety-fifth of a hundred checks, and its two halves."""
    forge = stage.forge()
    project = Project(forge)
    paths = sorted(project.fill(FILES))[:: FILES // PATHS][:PATHS]
    _pretend(forge, project.repository.project)
    trees = _Sides(project.repository)
    base = project.repository.resolve("HEAD").tree
    head, ours = trees.changed(base, paths, b"theirs"), trees.changed(base, paths, b"ours")
    compared, looked_up, whole = [], [], []
    for _ in range(TIMES):
        found: list[Merged] = []
        compared.append(spent(lambda found=found: found.append(merge(trees, base, head, ours))))
        conflicts = [conflict.path for conflict in found[0].conflicts]
        assert conflicts == paths
        looked_up.append(spent(lambda asked=conflicts: _look_up(forge, project.repository.project, asked)))
        whole.append(compared[-1] + looked_up[-1])
    yield Figure("conflicts.trees.p95", percentile(compared, 95) * 1000, "ms")
    yield Figure("conflicts.rows.p95", percentile(looked_up, 95) * 1000, "ms")
    yield Figure("conflicts.30_paths.p95", percentile(whole, 95) * 1000, "ms", at_most=1)


def _pretend(forge: Forge, project: str) -> None:
    with forge.db.transaction(write=True) as db:
        for statement in (_LANDINGS, _SCATTER):
            db.connection().execute(text(statement), {"project": project, "last": LANDINGS})


def _look_up(forge: Forge, project: str, paths: Sequence[bytes]) -> None:
    with Context(forge, SYSTEM).transaction(write=False) as tx:
        assert len(projection.last_changes(tx, project, paths)) == PATHS


class _Sides:
    """The trees of the project, and those of two who both changed it and have not landed."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._made: dict[str, tuple[Entry, ...]] = {}

    def tree(self, id: str) -> tuple[Entry, ...]:
        """The entries of either."""
        return self._made.get(id) or self._repository.tree(id)

    def changed(self, base: str, paths: Sequence[bytes], word: bytes) -> str:
        """The tree with another content at each path."""
        blob = Object.of(Kind.BLOB, word)
        changes = [overlay.Change(path, b"100644", blob.id) for path in paths]
        tree, _ = overlay.apply(self, base, changes, self._made)
        return tree
