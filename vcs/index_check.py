"""An index held against its log: the same tables are made once more beside it, and compared.

Where an object is may differ, because a file that compaction wrote holds it again; then the
file that the index names is asked. Everything else has to be equal, row for row.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import zip_longest
from pathlib import Path

from vcs.errors import MalformedObject
from vcs.index import Index
from vcs.repository import Repository
from vcs.segments import Footer, read_footer
from vcs.store import Missing

__all__ = ["wrong_tables"]

_EQUAL = {
    "objects": "select id, sha1, kind, length from objects order by id",
    "segments": "select key, in_tail, frames from segments order by key",
    "records": "select * from records order by sequence",
    "positions": "select * from positions order by position",
    "refs": "select * from refs order by name",
    "erased": "select * from erased order by id",
    "state": "select version, head, sequence, checkpoint from state",
}
_PLACES = (
    "select o.id, s.key, o.frame, o.offset "
    "from objects o left join segments s on s.no = o.segment order by o.id"
)


def wrong_tables(repository: Repository, path: Path) -> Iterator[str]:
    """The tables of the index at `path` that are not what the log says, or "file" when it is no database.

    HEAD must not move meanwhile: whoever asks holds the project's lock, or asks again.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, _reading(path) as found:
        fresh = Path(folder) / "fresh.db"
        index = Index(fresh, repository.index.key)
        index.catch_up(repository)
        index.close()
        with _reading(fresh) as right:
            try:
                for table, query in _EQUAL.items():
                    if _differ(found, right, query):
                        yield table
                if any(_misplaced(repository, found, right)):
                    yield "places"
            except sqlite3.DatabaseError:
                yield "file"


def _reading(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True))


def _differ(found: sqlite3.Connection, right: sqlite3.Connection, query: str) -> bool:
    return any(one != other for one, other in zip_longest(found.execute(query), right.execute(query)))


def _misplaced(
    repository: Repository, found: sqlite3.Connection, right: sqlite3.Connection
) -> Iterator[bool]:
    sizes = {ref.key: ref.size for ref in repository.live()}
    footers: dict[str, Footer] = {}
    for one, other in zip_longest(found.execute(_PLACES), right.execute(_PLACES)):
        if one == other or one is None:
            continue
        id, key, frame, offset = one
        try:
            if key not in footers:
                footers[key] = read_footer(partial(repository.read_file, key), sizes[key], key)
        except (KeyError, Missing, MalformedObject):
            yield True
            continue
        entry = footers[key].find(id.hex())
        yield entry is None or (entry.frame, entry.offset) != (frame, offset)
