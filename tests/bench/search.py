"""What a palette waits for: `jump_to` among a thousand projects, ten thousand sessions and a thousand people.

Rows are written by SQL and hold thirty words, so that whatever is typed fits many. Half of the projects are
private and not the asker's. One letter fits most; all that fits is ranked before any is shown.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import backend.doors.catalogue  # noqa: F401  registers every operation
from backend.accounts.people import new_account
from backend.core.context import SYSTEM, Actor, Context, Forge, Via
from backend.core.operations import invoke
from backend.organizations.service import found_organization
from backend.projects.creating import new_project
from backend.projects.models import Project, ProjectState, Visibility
from backend.search.index import catch_up_all
from backend.search.service import jump_to, search_forge
from backend.sessions.models import Status, WorkSession
from tests.bench.figures import Figure, percentile, spent
from tests.bench.stage import Stage
from vcs.objects import EMPTY_TREE, new_id

PROJECTS, SESSIONS, PEOPLE = 1000, 10_000, 1000
TIMES = 200
WORDS = """
stream retry upload parser index cursor landing merge session token mirror import archive vault lock
diff render palette search digest bundle worker queue mail event watch clone fetch push branch
""".split()  # noqa: SIM905


def measure(stage: Stage) -> Iterator[Figure]:
    """On both databases: what is typed, one letter of it, and a whole search with its counts."""
    for name in ("sqlite", "postgresql"):
        forge = stage.forge(database=name)
        asker = _filled(forge)
        chance = random.Random(1)
        typed = [chance.choice(WORDS)[: chance.randint(2, 6)] for _ in range(TIMES)]
        letters = [chance.choice("abcdefgilmnpqrstuvw") for _ in range(TIMES)]
        quick = _times(forge, asker, jump_to, typed)
        yield Figure(f"search.{name}.jump.p95", percentile(quick, 95) * 1000, "ms", at_most=150)
        letter = _times(forge, asker, jump_to, letters)
        yield Figure(f"search.{name}.one_letter.p95", percentile(letter, 95) * 1000, "ms", at_most=150)
        whole = _times(forge, asker, search_forge, typed)
        yield Figure(f"search.{name}.page.p95", percentile(whole, 95) * 1000, "ms")


def _times(forge: Forge, asker: Actor, operation: Any, questions: Sequence[str]) -> list[float]:
    times = []
    for q in questions:
        found: list[Any] = []
        times.append(spent(lambda q=q, found=found: found.append(invoke(forge, asker, operation, {"q": q}))))
        assert found[0].items or len(q) == 1
    return times


def _filled(forge: Forge) -> Actor:
    """Write it all, and who asks: somebody who sees the public half."""
    ctx, chance = Context(forge, SYSTEM), random.Random(2)
    with ctx.transaction() as tx:
        people = [
            new_account(tx, handle=f"{chance.choice(WORDS)}-{n}", email=f"{n}@example.org").id
            for n in range(PEOPLE)
        ]
        owner = found_organization(tx, handle="bench", name="Bench", owner_id=people[0])
        projects = [_project(tx, owner, chance, n) for n in range(PROJECTS)]
        tx.db.flush()
        for n in range(SESSIONS):
            tx.db.add(_session(tx, chance, projects[n % PROJECTS].id, people[n % PEOPLE]))
    # What the flushes wrote already.
    assert catch_up_all(ctx) == 0
    with ctx.transaction() as tx:
        # PostgreSQL does that by itself within a minute.
        tx.db.connection().exec_driver_sql("ANALYZE")
    return Actor(via=Via.BROWSER, id=people[-1], handle="asker", scopes=None)


def _project(tx: Context, owner: Any, chance: random.Random, n: int) -> Project:
    seen = Visibility.PRIVATE if n % 2 else Visibility.PUBLIC
    told = " ".join(chance.sample(WORDS, 8))
    row = new_project(tx, owner, f"{chance.choice(WORDS)}-{n}", name="", description=told, visibility=seen)
    row.state = ProjectState.READY
    return row


def _session(tx: Context, chance: random.Random, project: str, author: str) -> WorkSession:
    return WorkSession(
        id=new_id(),
        project_id=project,
        author_id=author,
        goal=" ".join(chance.sample(WORDS, 6)),
        status=Status.LANDED,
        base_position=0,
        base_tree=EMPTY_TREE,
        started_at=tx.now(),
        updated_at=tx.now(),
    )
