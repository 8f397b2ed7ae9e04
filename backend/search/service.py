"""Searching: what somebody may see, found by the words it is called by and says of itself.

Every word of a question must begin a word of what is found. Best is what is called just so, then
what its handle begins with, then its name, then what has all words in its name; of equals one's
own stands first, then the newest. What the asker may not see is never counted, shown or ranked.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, false, literal, or_, true
from sqlmodel import col, func, select

from backend.accounts.models import Account
from backend.core.context import Context
from backend.core.errors import InvalidInput
from backend.core.operations import operation
from backend.organizations.models import Membership, Organization
from backend.projects import access as project_access
from backend.projects.models import Project
from backend.search import words
from backend.search.index import hits
from backend.search.models import Found, SearchEntry
from backend.search.schemas import (
    Cursor,
    FewLimit,
    JumpPage,
    Limit,
    Mark,
    Question,
    SearchCounts,
    SearchHit,
    SearchPage,
)
from backend.sessions import access as session_access
from backend.sessions.models import Status, WorkSession

MOST_COUNTED = 1000
EXCERPT = 200
RECENT = 5

_CURSOR = re.compile(r"(\d\d?)\.([0-9a-f-]{36})")
_NEEDS = {Found.PROJECT: "project:read", Found.SESSION: "session:read", Found.ORGANIZATION: "org:read"}
"""The scope a token needs to find things of a kind; people are public to everybody."""


@dataclass(frozen=True)
class _Asked:
    """A question: as a whole, and in words."""

    whole: str
    words: list[str]


@operation(scope=None, http="GET /api/v1/search", tool=True, rpc="SearchService.SearchForge", cost=3)
def search_forge(
    ctx: Context, *, q: Question, kind: Found | None = None, cursor: Cursor = "", limit: Limit = 20
) -> SearchPage:
    """Find projects, sessions (by goal), people and organizations that you may see.

    Without a `kind` the answer is of the first of these kinds in which anything was found. A token
    finds only what its scopes let it read.
    """
    asked = _asked(q)
    counts = SearchCounts(**{each.value: _count(ctx, each, asked) for each in Found})
    chosen = kind or next((each for each in Found if getattr(counts, each.value)), Found.PROJECT)
    rows = _ranked(ctx, chosen, asked, limit + 1, after=_place(cursor))
    items = [_KINDS[chosen].hit(ctx, asked, *row) for _, *row in rows[:limit]]
    further = f"{rows[limit - 1][0]}.{items[-1].id}" if len(rows) > limit else None
    return SearchPage(kind=chosen, counts=counts, items=items, next=further)


@operation(scope=None, http="GET /api/v1/jump", tool=False, rpc="SearchService.JumpTo", cost=1)
def jump_to(ctx: Context, *, q: Question = "", limit: FewLimit = 12) -> JumpPage:
    """Find the few things most likely meant by what somebody has typed so far, of every kind.

    With nothing typed: your newest open sessions and projects.
    """
    asked = _asked(q)
    if not asked.words:
        return JumpPage(items=_recent(ctx, asked, limit) if not asked.whole else [])
    found = [(rank, kind, row) for kind in Found for rank, *row in _ranked(ctx, kind, asked, limit)]
    # Stable: of equally good ones of a kind the order stays.
    found.sort(key=lambda each: each[0])
    return JumpPage(items=[_KINDS[kind].hit(ctx, asked, *row) for _, kind, row in found[:limit]])


def _asked(q: str) -> _Asked:
    return _Asked(words.plain(q), words.asked(q))


def _place(cursor: str) -> tuple[int, str] | None:
    if not cursor:
        return None
    if not (told := _CURSOR.fullmatch(cursor)):
        raise InvalidInput(problem=f"{cursor!r} is not a cursor: it is the `next` of an earlier page.")
    return int(told[1]), told[2]


def _may(ctx: Context, kind: Found) -> bool:
    """Whether the asker's token lets it read things of a kind at all."""
    scopes, needed = ctx.actor.scopes, _NEEDS.get(kind)
    return not ctx.actor.signed_in or scopes is None or needed is None or needed in scopes


def _matching(ctx: Context, kind: Found, asked: _Asked, query: Any) -> Any:
    """A query over the things of a kind, kept to what matches and may be seen."""
    how = _KINDS[kind]
    entry = (col(SearchEntry.kind) == kind) & (col(SearchEntry.id) == how.model.id)
    query = how.joined(query).join(SearchEntry, entry)
    return query.where(how.visible(ctx), hits(ctx.forge, asked.words))


def _count(ctx: Context, kind: Found, asked: _Asked) -> int:
    if not asked.words or not _may(ctx, kind):
        return 0
    model = _KINDS[kind].model
    few = _matching(ctx, kind, asked, select(literal(1)).select_from(model)).limit(MOST_COUNTED)
    return ctx.db.exec(select(func.count()).select_from(few.subquery())).one()


def _ranked(
    ctx: Context, kind: Found, asked: _Asked, limit: int, *, after: tuple[int, str] | None = None
) -> Sequence[Any]:
    """Rows of rank and the kind's own, best first."""
    if not asked.words or not _may(ctx, kind):
        return []
    how = _KINDS[kind]
    # By its name the order takes the rank that is there; written out, databases look in the index once more.
    rank = _rank(ctx, how, asked).label("rank")
    query = _matching(ctx, kind, asked, select(rank, *how.columns).select_from(how.model))
    if after is not None:
        below = (rank == after[0]) & (col(how.model.id) < after[1])
        query = query.where(or_(rank > after[0], below))
    return ctx.db.exec(query.order_by(rank, col(how.model.id).desc()).limit(limit)).all()


def _rank(ctx: Context, how: "_Kind", asked: _Asked) -> ColumnElement[int]:
    """Twice how good, plus one for what is not the asker's own."""
    whole, length = asked.whole, len(asked.whole)
    exact = or_(*(column == whole for column in (col(SearchEntry.key), col(SearchEntry.address))))
    good = case(
        (exact | (col(SearchEntry.title) == whole), 0),
        (func.substr(SearchEntry.key, 1, length) == whole, 2),
        (func.substr(SearchEntry.address, 1, length) == whole, 2),
        (func.substr(SearchEntry.title, 1, length) == whole, 4),
        (hits(ctx.forge, asked.words, names_only=True), 6),
        else_=8,
    )
    mine = how.own(ctx) if ctx.actor.signed_in else false()
    return good + case((mine, 0), else_=1)


def _recent(ctx: Context, asked: _Asked, limit: int) -> list[SearchHit]:
    if not ctx.actor.signed_in:
        return []
    items = []
    for kind, condition in (
        (Found.SESSION, col(WorkSession.status).in_([Status.ACTIVE, Status.PENDING_REVIEW])),
        (Found.PROJECT, true()),
    ):
        how = _KINDS[kind]
        if _may(ctx, kind):
            query = how.joined(select(*how.columns).select_from(how.model))
            query = query.where(how.visible(ctx), how.own(ctx), condition)
            rows = ctx.db.exec(query.order_by(col(how.model.id).desc()).limit(RECENT)).all()
            items += [how.hit(ctx, asked, *row) for row in rows]
    return items[:limit]


def _project_hit(ctx: Context, asked: _Asked, project: Project, owner: Organization) -> SearchHit:
    address = f"{owner.handle}/{project.handle}"
    shown = {"title": project.name or project.handle, "address": address, "text": project.description}
    return SearchHit(
        kind=Found.PROJECT,
        id=project.id,
        **_shown(asked, shown),
        visibility=project.visibility,
        at=project.created_at,
        url=f"{ctx.forge.settings.public_url}/{address}",
    )


def _session_hit(
    ctx: Context,
    asked: _Asked,
    session: WorkSession,
    project: Project,
    owner: Organization,
    author: Account | None,
) -> SearchHit:
    address = f"{owner.handle}/{project.handle}"
    return SearchHit(
        kind=Found.SESSION,
        id=session.id,
        **_shown(asked, {"title": session.goal, "address": address, "text": session.agent}),
        status=session.status,
        author=author.handle if author else session.author_handle,
        at=session.started_at,
        url=f"{ctx.forge.settings.public_url}/{address}/sessions/{session.id}",
    )


def _person_hit(ctx: Context, asked: _Asked, account: Account, own: Organization) -> SearchHit:
    shown = {"title": account.name or account.handle, "address": account.handle, "text": own.description}
    return SearchHit(
        kind=Found.PERSON,
        id=account.id,
        **_shown(asked, shown),
        at=account.created_at,
        url=f"{ctx.forge.settings.public_url}/{account.handle}",
    )


def _organization_hit(ctx: Context, asked: _Asked, found: Organization) -> SearchHit:
    shown = {"title": found.name or found.handle, "address": found.handle, "text": found.description}
    return SearchHit(
        kind=Found.ORGANIZATION,
        id=found.id,
        **_shown(asked, shown),
        at=found.created_at,
        url=f"{ctx.forge.settings.public_url}/{found.handle}",
    )


def _shown(asked: _Asked, texts: dict[str, str]) -> dict[str, Any]:
    """The texts of a hit, the long one cut around the first word asked for, and where such words stand."""
    texts = {**texts, "text": _excerpt(texts["text"], asked.words)}
    found = [
        Mark(field=field, start=start, end=end)
        for field, text in texts.items()
        for start, end in words.marks(text, asked.words)
    ]
    return {**texts, "marks": found}


def _excerpt(text: str, question: list[str]) -> str:
    text = " ".join(text.split())
    if len(text) <= EXCERPT:
        return text
    first = next(iter(words.marks(text, question)), (0, 0))[0]
    start = 0 if first < EXCERPT - 40 else text.rfind(" ", 0, first - 60) + 1
    cut = text[start : start + EXCERPT].strip()
    return ("… " if start else "") + cut + (" …" if start + EXCERPT < len(text) else "")


def _in_mine(ctx: Context, column: Any) -> ColumnElement[bool]:
    mine = select(Membership.organization_id).where(Membership.account_id == ctx.actor.id)
    return col(column).in_(mine)


@dataclass(frozen=True)
class _Kind:
    """How things of one kind are asked for and shown. `own` says of a signed-in asker what is theirs."""

    model: Any
    columns: tuple[Any, ...]
    joined: Callable[[Any], Any]
    visible: Callable[[Context], Any]
    own: Callable[[Context], Any]
    hit: Callable[..., SearchHit]


def _with_owner(query: Any) -> Any:
    return query.join(Organization, col(Organization.id) == col(Project.organization_id))


def _with_project(query: Any) -> Any:
    query = query.join(Project, col(Project.id) == col(WorkSession.project_id))
    return _with_owner(query).outerjoin(Account, col(Account.id) == col(WorkSession.author_id))


_KINDS = {
    Found.PROJECT: _Kind(
        Project,
        (Project, Organization),
        _with_owner,
        project_access.visible,
        project_access.belongs,
        _project_hit,
    ),
    Found.SESSION: _Kind(
        WorkSession,
        (WorkSession, Project, Organization, Account),
        _with_project,
        session_access.visible,
        lambda ctx: col(WorkSession.author_id) == ctx.actor.id,
        _session_hit,
    ),
    Found.PERSON: _Kind(
        Account,
        (Account, Organization),
        lambda query: query.join(Organization, col(Organization.handle) == col(Account.handle)),
        lambda ctx: col(Account.deleted_at).is_(None),
        lambda ctx: col(Account.id) == ctx.actor.id,
        _person_hit,
    ),
    Found.ORGANIZATION: _Kind(
        Organization,
        (Organization,),
        lambda query: query,
        lambda ctx: col(Organization.personal).is_(False) & col(Organization.deleted_at).is_(None),
        lambda ctx: _in_mine(ctx, Organization.id),
        _organization_hit,
    ),
}
