"""What lands: counted by day, and listed over many projects, as far as the asker may see them.

A landing counts once, however many positions it moved the trunk: an import of ten thousand commits and
a push of three are one each. What a fork inherited landed elsewhere and does not count.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, func, select

from backend.core.context import Context
from backend.core.errors import InvalidInput
from backend.instance.schemas import Days
from backend.organizations.models import Organization
from backend.projects import access, landings
from backend.projects.models import Landing, Project
from backend.projects.schemas import LandingPage, LandingSummary

MOST_COUNTED = 20_000
"""Landings that are read to count days; who has more has old days too low."""

LOOKED_UP, MOST_KEPT = 200, 4096

_CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)/([0-9a-f-]{36})/(\d{1,9})")


def own() -> ColumnElement[bool]:
    """An SQL condition over landings joined with their projects: it happened there."""
    return col(Landing.at) >= col(Project.created_at)


def days(ctx: Context, *which: Any, weeks: int) -> Days:
    """How much landed on each of the days of so many weeks, the last of them today's."""
    since = monday(ctx) - timedelta(weeks=weeks - 1)
    return _filled(ctx, since, _landed(ctx, since, *which))


def days_of_each(ctx: Context, projects: Mapping[str, int], *, count: int) -> dict[str, Days]:
    """The same of each of these projects that the asker may see, by their positions, for so many days."""
    since = ctx.now().astimezone(UTC).date() - timedelta(days=count - 1)
    counted, minute = ctx.forge.part(_Counted, _Counted), _minute(ctx)
    known = {id: counted.get((id, count), (position, minute)) for id, position in projects.items()}
    fresh = [id for id, days in known.items() if days is None]
    found: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for project, landing, at in _rows(ctx, since, col(Landing.project).in_(fresh)) if fresh else ():
        found[project].append((landing, at))
    for id in fresh:
        known[id] = counted.put((id, count), (projects[id], minute), _filled(ctx, since, found[id]))
    return {id: days for id, days in known.items() if days is not None}


def monday(ctx: Context) -> date:
    """The first day of this week (UTC)."""
    today = ctx.now().astimezone(UTC).date()
    return today - timedelta(days=today.weekday())


def page(ctx: Context, *which: Any, cursor: str = "", limit: int) -> LandingPage:
    """Landings of all projects the asker may see, newest first."""
    query = (
        select(Landing, Project, Organization)
        .join(Project, col(Project.id) == col(Landing.project))
        .join(Organization, col(Organization.id) == col(Project.organization_id))
        .where(access.visible(ctx), own(), *which)
    )
    if cursor:
        query = query.where(_below(cursor))
    order = (col(Landing.at).desc(), col(Landing.project).desc(), col(Landing.position).desc())
    rows = ctx.db.exec(query.order_by(*order).limit(limit + 1)).all()
    last = rows[limit - 1][0] if len(rows) > limit else None
    further = f"{last.at:%Y-%m-%dT%H:%M:%S.%f}/{last.project}/{last.position}" if last else None
    return LandingPage(items=[landings.summary(ctx, *row) for row in rows[:limit]], next=further)


def newest(ctx: Context, *which: Any, limit: int) -> list[LandingSummary]:
    """The first page alone."""
    return page(ctx, *which, limit=limit).items


def most_landed(ctx: Context, *, since: datetime, limit: int) -> Sequence[tuple[str, int]]:
    """Ids of projects with how much landed there since, most first."""
    counted = ctx.forge.part(_Counted, _Counted)
    # Which of them may be seen is asked each time; how many there are only when one was added.
    stamp = (ctx.db.exec(select(func.max(Landing.at))).one(), since.date(), _minute(ctx))
    ranked = counted.get("most", stamp)
    if ranked is None:
        count = func.count(func.distinct(Landing.landing))
        query = (
            select(Landing.project, count)
            .join(Project, col(Project.id) == col(Landing.project))
            .where(Landing.at >= since, own())
            .group_by(col(Landing.project))
            .order_by(count.desc(), col(Landing.project).desc())
        )
        ranked = counted.put("most", stamp, [(id, landed) for id, landed in ctx.db.exec(query)])
    most: list[tuple[str, int]] = []
    for begin in range(0, len(ranked), LOOKED_UP):
        part = ranked[begin : begin + LOOKED_UP]
        seen = col(Project.id).in_([id for id, _ in part])
        visible = set(ctx.db.exec(select(Project.id).where(seen, access.visible(ctx))))
        most += [each for each in part if each[0] in visible]
        if len(most) >= limit:
            break
    return most[:limit]


class _Counted:
    """What was counted last, by what it is of, with a stamp of what it depends on.

    Whoever asks for counts has asked before what may be seen.
    """

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Any, Any]] = {}

    def get(self, key: Any, stamp: Any) -> Any:
        """What was counted under this stamp; None when it is another by now."""
        known = self._kept.get(key)
        return known[1] if known is not None and known[0] == stamp else None

    def put(self, key: Any, stamp: Any, count: Any) -> Any:
        """Keep it, and give it back."""
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (stamp, count)
        return count


def _minute(ctx: Context) -> int:
    """Counts are made anew each minute: rows of long histories come in parts, those of others later."""
    return int(ctx.now().timestamp() // 60)


def last_landed() -> Any:
    """When something landed on a project last, as a column beside `Project`."""
    newest = select(Landing.at).where(Landing.project == Project.id).order_by(col(Landing.position).desc())
    return newest.limit(1).correlate(Project).scalar_subquery()


def _landed(ctx: Context, since: date, *which: Any) -> Iterable[tuple[str, datetime]]:
    return [(landing, at) for _, landing, at in _rows(ctx, since, *which)]


def _rows(ctx: Context, since: date, *which: Any) -> Sequence[tuple[str, str, datetime]]:
    begins = datetime(since.year, since.month, since.day, tzinfo=UTC)
    query = (
        select(Landing.project, Landing.landing, func.max(Landing.at))
        .join(Project, col(Project.id) == col(Landing.project))
        .where(Landing.at >= begins, access.visible(ctx), own(), *which)
        .group_by(col(Landing.project), col(Landing.landing))
        .order_by(func.max(Landing.at).desc())
    )
    return ctx.db.exec(query.limit(MOST_COUNTED)).all()


def _filled(ctx: Context, since: date, landed: Iterable[tuple[str, datetime]]) -> Days:
    today = ctx.now().astimezone(UTC).date()
    counts = [0] * ((today - since).days + 1)
    for _, at in landed:
        day = (at.astimezone(UTC).date() - since).days
        if 0 <= day < len(counts):
            counts[day] += 1
    return Days(since=since, counts=counts)


def _below(cursor: str) -> ColumnElement[bool]:
    told = _CURSOR.fullmatch(cursor)
    try:
        at = datetime.fromisoformat(told[1]).replace(tzinfo=UTC) if told else None
    except ValueError:
        at = None
    if told is None or at is None:
        raise InvalidInput(problem=f"{cursor!r} is not a cursor: it is the `next` of an earlier page.")
    project, position = col(Landing.project), col(Landing.position)
    here = and_(project == told[2], position < int(told[3]))
    return or_(col(Landing.at) < at, and_(col(Landing.at) == at, or_(project < told[2], here)))
