"""The index: what can be found, kept in the transaction of what it is about.

Whoever changes a project, an account, an organization or a session through the session of their
transaction changes the index with it (`_follow`), so nothing is found that is not there, and what
is there is found at once. All of it can be made again from those tables: rows that are missing or
were made by older rules are written by `catch_up`, and `drop` lets go of everything.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, event, exists, func, text, true
from sqlalchemy import delete as sql_delete
from sqlalchemy import select as sql_select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import PassiveFlag, UOWTransaction, attributes
from sqlmodel import Session, col

from backend.accounts.models import Account
from backend.core.context import Context, Forge
from backend.organizations.models import Organization
from backend.projects.models import Project, ProjectState
from backend.search import words
from backend.search.models import Found, SearchEntry
from backend.sessions.access import short
from backend.sessions.models import WorkSession

PER_STATEMENT = 200
PER_TRANSACTION = 1000


@dataclass(frozen=True)
class Said:
    """What one thing is called and what it says of itself, in its own words."""

    kind: Found
    id: str
    key: str
    names: Sequence[str]
    title: str = ""
    address: str = ""
    told: Sequence[str] = ()


WATCHED: dict[type, tuple[str, ...]] = {
    Project: ("handle", "name", "description", "website", "organization_id", "state"),
    Organization: ("handle", "name", "description", "deleted_at"),
    Account: ("handle", "name", "links", "deleted_at"),
    WorkSession: ("goal", "agent"),
}
"""The columns whose change is a change of the index."""


@event.listens_for(Session, "after_flush")
def _follow(session: Session, _: UOWTransaction) -> None:
    """Write what a flush has changed into the index, in its transaction."""
    changed: dict[type, set[str]] = defaultdict(set)
    for row in session.new:
        if type(row) in WATCHED:
            changed[type(row)].add(row.id)
    for row in session.dirty:
        if type(row) in WATCHED and _differs(row):
            changed[type(row)].add(row.id)
    for row in session.deleted:
        if type(row) in WATCHED:
            changed[type(row)].add(row.id)
    # A project is found by its owner's handle too.
    renamed = [row.id for row in session.dirty if type(row) is Organization and _differs(row, "handle")]
    if renamed:
        theirs = sql_select(Project.id).where(col(Project.organization_id).in_(renamed))
        changed[Project] |= {id for (id,) in session.connection().execute(theirs)}
    if changed:
        write(session.connection(), changed)


def _differs(row: Any, *columns: str) -> bool:
    return any(
        attributes.get_history(row, name, PassiveFlag.PASSIVE_NO_INITIALIZE).has_changes()
        for name in columns or WATCHED[type(row)]
    )


def write(connection: Connection, changed: dict[type, set[str]]) -> None:
    """Make the rows of these things again; those that are not there any more lose theirs."""
    wanted = {Found.PROJECT: changed.get(Project, set()), Found.SESSION: changed.get(WorkSession, set())}
    organizations = changed.get(Organization, set())
    wanted[Found.ORGANIZATION] = organizations
    # Of a person's own organization the description is what they say about themselves.
    owners = sql_select(Account.id).join(Organization, col(Organization.handle) == col(Account.handle))
    people = (
        connection.execute(owners.where(col(Organization.id).in_(organizations))) if organizations else ()
    )
    wanted[Found.PERSON] = changed.get(Account, set()) | {id for (id,) in people}
    for kind in Found:
        for ids in _parts(sorted(wanted[kind])):
            said = list(_READERS[kind](connection, ids))
            _forget(connection, kind, set(ids) - {each.id for each in said})
            _write(connection, said)


def catch_up(ctx: Context) -> int:
    """Write up to `PER_TRANSACTION` rows that are missing or follow older rules, and let go of as many
    that are about nothing; returns how many there were, 0 when all is well.
    """
    connection = ctx.db.connection()
    count = 0
    for kind, (model, there) in _SOURCES.items():
        entry = (col(SearchEntry.kind) == kind) & (col(SearchEntry.id) == model.id)
        good = exists().where(entry, SearchEntry.rules == words.RULES)
        missing = sql_select(model.id).where(there, ~good).order_by(model.id).limit(PER_TRANSACTION)
        ids = [id for (id,) in connection.execute(missing)]
        for part in _parts(ids):
            _write(connection, list(_READERS[kind](connection, part)))
        about = exists().where(model.id == col(SearchEntry.id), there)
        orphans = sql_select(col(SearchEntry.id)).where(col(SearchEntry.kind) == kind, ~about)
        gone = {id for (id,) in connection.execute(orphans.limit(PER_TRANSACTION))}
        _forget(connection, kind, gone)
        count += len(ids) + len(gone)
    return count


def catch_up_all(ctx: Context) -> int:
    """The same until all is well, in short transactions; returns how many rows that took."""
    total = 0
    while True:
        with ctx.transaction() as tx:
            count = catch_up(tx)
        if not count:
            return total
        total += count


def drop(ctx: Context) -> None:
    """Let go of the whole index; `catch_up_all` makes it again."""
    connection = ctx.db.connection()
    connection.execute(text("DELETE FROM search_fts"))
    connection.execute(sql_delete(SearchEntry))


def hits(forge: Forge, question: Sequence[str], *, names_only: bool = False) -> ColumnElement[bool]:
    """An SQL condition over `SearchEntry`: each of the words begins a word of the entry (of its names)."""
    coded = [words.coded(word) for word in question]
    if forge.db.is_sqlite:
        match = " AND ".join(f'"{word}" *' for word in coded)
        match = f"names : ({match})" if names_only else match
        inside = "SELECT rowid FROM search_fts WHERE search_fts MATCH :{}"
    else:
        weight = "A" if names_only else ""
        match = " & ".join(f"'{word}':*{weight}" for word in coded)
        inside = "SELECT number FROM search_fts WHERE lexemes @@ CAST(:{} AS tsquery)"
    # Both may be in one statement, so their parameters have names of their own.
    name = "in_names" if names_only else "in_words"
    asked = text(inside.format(name)).bindparams(**{name: match})
    return col(SearchEntry.number).in_(asked.columns(col(SearchEntry.number)))


# Each statement is made once: a landing that begins its session waits for three of them.
_IDS = bindparam("ids", expanding=True)
_SHARED = col(Organization.personal).is_(False) & col(Organization.deleted_at).is_(None)
_ALL_PROJECTS = (
    sql_select(
        Project.id, Project.handle, Project.name, Project.description, Project.website, Organization.handle
    )
    .join(Organization, col(Organization.id) == col(Project.organization_id))
    .where(col(Project.id).in_(_IDS), col(Project.state) == ProjectState.READY)
)
_ALL_SESSIONS = (
    sql_select(
        WorkSession.id,
        WorkSession.goal,
        WorkSession.agent,
        func.coalesce(Account.handle, WorkSession.author_handle),
    )
    .outerjoin(Account, col(Account.id) == col(WorkSession.author_id))
    .where(col(WorkSession.id).in_(_IDS))
)
_ALL_PEOPLE = (
    sql_select(Account.id, Account.handle, Account.name, Account.links, Organization.description)
    .outerjoin(Organization, col(Organization.handle) == col(Account.handle))
    .where(col(Account.id).in_(_IDS), col(Account.deleted_at).is_(None))
)
_ALL_ORGANIZATIONS = sql_select(
    Organization.id, Organization.handle, Organization.name, Organization.description
).where(col(Organization.id).in_(_IDS), _SHARED)


def _projects(connection: Connection, ids: Collection[str]) -> Iterator[Said]:
    found = connection.execute(_ALL_PROJECTS, {"ids": list(ids)})
    for id, handle, name, description, website, owner in found:
        names, address = (handle, name, owner, _joined(handle)), f"{owner}/{handle}"
        yield Said(Found.PROJECT, id, handle, names, name, address, (description, website))


def _sessions(connection: Connection, ids: Collection[str]) -> Iterator[Said]:
    for id, goal, agent, author in connection.execute(_ALL_SESSIONS, {"ids": list(ids)}):
        yield Said(Found.SESSION, id, short(id), (goal,), goal, told=(short(id), agent, author))


def _people(connection: Connection, ids: Collection[str]) -> Iterator[Said]:
    for id, handle, name, links, bio in connection.execute(_ALL_PEOPLE, {"ids": list(ids)}):
        yield Said(Found.PERSON, id, handle, (handle, name), name, told=(bio or "", *links))


def _organizations(connection: Connection, ids: Collection[str]) -> Iterator[Said]:
    for id, handle, name, description in connection.execute(_ALL_ORGANIZATIONS, {"ids": list(ids)}):
        names = (handle, name, _joined(handle))
        yield Said(Found.ORGANIZATION, id, handle, names, name, told=(description,))


def _joined(handle: str) -> str:
    """A handle as people write it who forget its dashes."""
    return "".join(letter for letter in handle if letter.isalnum())


_READERS = {
    Found.PROJECT: _projects,
    Found.SESSION: _sessions,
    Found.PERSON: _people,
    Found.ORGANIZATION: _organizations,
}
_SOURCES: dict[Found, tuple[Any, Any]] = {
    Found.PROJECT: (Project, col(Project.state) == ProjectState.READY),
    Found.SESSION: (WorkSession, true()),
    Found.PERSON: (Account, col(Account.deleted_at).is_(None)),
    Found.ORGANIZATION: (Organization, _SHARED),
}


def _put(dialect: Any) -> Any:
    insert = dialect.insert(SearchEntry)
    fresh = {name: insert.excluded[name] for name in ("key", "address", "title", "rules")}
    put = insert.on_conflict_do_update(index_elements=["kind", "id"], set_=fresh)
    return put.returning(col(SearchEntry.id), col(SearchEntry.number))


_PUT = {"sqlite": _put(sqlite), "postgresql": _put(postgresql)}
_CLEAR = text("DELETE FROM search_fts WHERE rowid = :number")
_FILL = text("INSERT INTO search_fts (rowid, names, words) VALUES (:number, :names, :words)")


def _write(connection: Connection, entries: Sequence[Said]) -> None:
    if not entries:
        return
    rows = [
        {
            "kind": each.kind,
            "id": each.id,
            "key": words.plain(each.key),
            "address": words.plain(each.address),
            "title": words.plain(each.title)[:200],
            "rules": words.RULES,
        }
        for each in sorted(entries, key=lambda each: each.id)
    ]
    # The rows go beside the statement: with them inside it would be compiled again each time.
    known = dict(connection.execute(_PUT[connection.dialect.name], rows).all())
    if connection.dialect.name == "sqlite":
        texts = [
            {"number": known[each.id], "names": _coded(each.names), "words": _coded(each.told)}
            for each in entries
        ]
        connection.execute(_CLEAR, texts)
        connection.execute(_FILL, texts)
    else:
        lexemes = [{"number": known[each.id], "lexemes": _lexemes(each)} for each in entries]
        line = (
            "INSERT INTO search_fts (number, lexemes) VALUES (:number, CAST(:lexemes AS tsvector)) "
            "ON CONFLICT (number) DO UPDATE SET lexemes = excluded.lexemes"
        )
        connection.execute(text(line), lexemes)


def _forget(connection: Connection, kind: Found, ids: Collection[str]) -> None:
    for part in _parts(sorted(ids)):
        gone = (col(SearchEntry.kind) == kind) & col(SearchEntry.id).in_(part)
        deleted = connection.execute(sql_delete(SearchEntry).where(gone).returning(col(SearchEntry.number)))
        numbers = [{"number": number} for (number,) in deleted]
        column = "rowid" if connection.dialect.name == "sqlite" else "number"
        if numbers:
            connection.execute(text(f"DELETE FROM search_fts WHERE {column} = :number"), numbers)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(ids), PER_STATEMENT):
        yield ids[at : at + PER_STATEMENT]


def _coded(texts: Iterable[str]) -> str:
    return " ".join(words.coded(word.text) for each in texts for word in words.words(each))


def _lexemes(entry: Said) -> str:
    """The words as PostgreSQL writes a tsvector: those of the names have the weight A."""
    weighed = (
        (words.words(each), weight)
        for texts, weight in ((entry.names, "A"), (entry.told, "B"))
        for each in texts
    )
    return " ".join(f"'{words.coded(word.text)}':1{weight}" for found, weight in weighed for word in found)
