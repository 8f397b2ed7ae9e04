"""Days on which something landed, as small drawings: bars for two weeks, circles for sixteen.

Both are plain HTML made from counts, with one sentence for who cannot see them.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape

STEPS = (1, 2, 4, 8)
"""From how many landings on a day is each of the four shades."""


def spark(counts: Sequence[int]) -> str:
    """One bar a day, oldest first; empty when nothing landed."""
    most = max(counts, default=0)
    if not most:
        return ""
    bars = "".join(f'<i data-n="{min(n, 1)}" style="--v:{n / most:.2f}"></i>' for n in counts)
    label = f"{_landings(sum(counts))} in {len(counts)} days"
    return f'<span class="spark" role="img" aria-label="{label}">{bars}</span>'


def calendar(since: date, counts: Sequence[int]) -> str:
    """One circle a day, a column a week; `since` is a Monday. Days that have not come are not drawn."""
    days = [since + timedelta(days=n) for n in range(len(counts))]
    weeks = [range(at, min(at + 7, len(counts))) for at in range(0, len(counts), 7)]
    drawn = "".join(f"<span>{''.join(_circle(days[n], counts[n]) for n in week)}</span>" for week in weeks)
    return (
        f'<div class="grown" role="img" aria-label="{escape(_told(days, counts, len(weeks)))}">{drawn}</div>'
    )


def _circle(day: date, count: int) -> str:
    shade = sum(count >= step for step in STEPS)
    return f'<i data-n="{shade}" title="{day.isoformat()}: {_landings(count)}"></i>'


def _told(days: Sequence[date], counts: Sequence[int], weeks: int) -> str:
    total = sum(counts)
    if not total:
        return f"No landings in {weeks} weeks"
    most = max(counts)
    busiest = days[len(counts) - 1 - list(reversed(counts)).index(most)]
    return f"{_landings(total)} in {weeks} weeks; most on {busiest.isoformat()}: {most}"


def _landings(count: int) -> str:
    return f"{count} landing{'s' * (count != 1)}" if count else "no landings"
