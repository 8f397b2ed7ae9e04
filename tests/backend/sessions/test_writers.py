import json
import subprocess
import sys
from pathlib import Path

import pytest

from backend.instance import doctor
from backend.projects.landings import list_landings

CHECKOUT = Path(__file__).parents[3]
WRITERS, LANDINGS = 8, {"sqlite": 50, "postgresql": 20}


@pytest.fixture
def sent(bench):
    """How many landings each process sends."""
    return LANDINGS["sqlite" if bench.forge.db.is_sqlite else "postgresql"]


@pytest.fixture
def outcomes(bench, ada, sent):
    """What became of the landings of eight processes, as they were told."""
    settings = bench.forge.settings
    environ = {
        "MICELIO_DATA": str(settings.data),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY_BASE": settings.secret_key,
    }
    subprocess.run(
        [sys.executable, "-m", "tests.backend.sessions.writers", ada.id, str(WRITERS), str(sent)],
        cwd=CHECKOUT,
        input=json.dumps(environ),
        text=True,
        check=True,
    )
    files = [settings.data / f"writer-{writer}.json" for writer in range(WRITERS)]
    return [tuple(each) for file in files for each in json.loads(file.read_text())]


def test_nothing_that_many_processes_land_is_lost_or_doubled(bench, ada, outcomes, sent):
    acknowledged = sorted((position, path, text) for path, text, position in outcomes if position)
    refused = [path for path, _, position in outcomes if position is None]
    last = {path.encode(): text.encode() for _, path, text in acknowledged}

    assert len(acknowledged) + len(refused) == len(outcomes) == WRITERS * sent
    assert [position for position, _, _ in acknowledged] == list(range(1, len(acknowledged) + 1))
    assert refused and {path.partition("/")[0] for path in refused} == {"shared"}
    assert bench.tree(ada) == last
    newest = bench.run(ada, list_landings, **bench.where, limit=1).items[0]
    assert newest.position == len(acknowledged)
    assert [finding.sentence for finding in doctor.examine(bench.forge) if finding.fault] == []
