"""The thread: the trunk, what landed on it and what grows from it, as one plain SVG.

It is drawn here from positions and times, so it needs no script and nothing moves when it
loads. Arcs rise from where a session began to where it landed; green threads have not landed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import pairwise
from math import log2

WIDTH = 1216.0
FOOT = 26.0
NEAR, FAR = 15.0, 58.0
NAMES = 200.0
RISE = 22.0
DRAWN = 40


@dataclass(frozen=True)
class Landed:
    """One circle on the trunk. `by` is ai, assisted or human; `lines` sets its size."""

    position: int
    base: int
    at: datetime
    by: str
    lines: int = 0


@dataclass(frozen=True)
class Growing:
    """One green thread: where it left the trunk, what it is called and what stands after the name."""

    base: int
    name: str
    after: str = ""


def thread_map(landed: Sequence[Landed], growing: Sequence[Growing] = (), *, numbered: bool = True) -> str:
    """The map as an SVG string; empty when there is nothing to draw. Newest landings stand right.

    The last 40 landings and the first 5 threads are drawn; the label says so to who cannot see.
    """
    shown = sorted(landed, key=lambda each: each.position)[-DRAWN:]
    threads = list(growing)[:5]
    if not shown:
        return ""
    height = max(100.0, 34.0 + RISE * len(threads) + FOOT)
    trunk = height - FOOT
    right = WIDTH - (NAMES + 60 if threads else 24)
    at = _places(shown, right)
    parts = [_arc(at, each, trunk) for each in shown]
    end = at[shown[-1].position]
    parts.append(f'<path class="trunk" d="M-8 {trunk:g}H{end:.1f}"/>')
    parts += [_thread(at, each, index, trunk, right) for index, each in enumerate(threads)]
    parts += [_circle(at, each, trunk) for each in shown]
    if numbered:
        parts += [
            _number(at, each, trunk, last=each is shown[-1]) for each in shown if _told(each, shown, at)
        ]
    label = f"The trunk: landings {shown[0].position} to {shown[-1].position}"
    if threads:
        label += f", and {len(growing)} session{'s' * (len(growing) != 1)} growing from it"
    box = f'width="{WIDTH:g}" height="{height:g}" viewBox="0 0 {WIDTH:g} {height:g}"'
    return (
        f'<svg class="thread-map" {box} role="img" aria-label="{label}"><defs><linearGradient id="half">'
        '<stop offset=".5" stop-color="var(--slate)"/><stop offset=".5" stop-color="var(--paper)"/>'
        f"</linearGradient></defs>{''.join(parts)}</svg>"
    )


def _places(shown: Sequence[Landed], right: float) -> dict[int, float]:
    """Where each position stands: gaps in time become gaps in space, within reason."""
    steps = [NEAR]
    for before, after in pairwise(shown):
        hours = max((after.at - before.at).total_seconds(), 0) / 3600
        steps.append(min(FAR, NEAR + 9 * log2(1 + hours)))
    scale = min(1.0, (right - 30) / sum(steps))
    places: dict[int, float] = {}
    x = right
    for each, step in zip(reversed(shown), reversed(steps), strict=True):
        places[each.position] = x
        x -= step * scale
    return places


def _arc(at: dict[int, float], each: Landed, trunk: float) -> str:
    end = at[each.position]
    start = at.get(each.base)
    if start is None or end - start < 8:
        start = end - 18
    top = max(trunk - 0.45 * (end - start) - 4, 30.0)
    middle = start + (end - start) * 0.52
    return (
        f'<path class="grown" d="M{start:.1f} {trunk:g}C{start + (middle - start) * 0.6:.1f} {trunk:g} '
        f"{start + (middle - start) * 0.45:.1f} {top:.1f} {middle:.1f} {top:.1f}"
        f'S{middle + (end - middle) * 0.4:.1f} {trunk:g} {end:.1f} {trunk:g}"/>'
    )


def _thread(at: dict[int, float], each: Growing, index: int, trunk: float, right: float) -> str:
    start = at.get(each.base, min(at.values()))
    tip, y = right + 50 + index % 2 * 10, 14 + RISE * index
    reach = tip - start
    after = f'<tspan fill="var(--ink-3)" dx="5">{escape(each.after)}</tspan>' if each.after else ""
    return (
        f'<path class="live" d="M{start:.1f} {trunk:g}C{start + reach * 0.35:.1f} {trunk:g} '
        f'{start + reach * 0.3:.1f} {y:g} {tip:g} {y:g}"/>'
        f'<circle class="halo" cx="{tip:g}" cy="{y:g}" r="6"/>'
        f'<circle class="tip" cx="{tip:g}" cy="{y:g}" r="3"/>'
        f'<text class="strong" x="{tip + 13:g}" y="{y + 4:g}">{escape(_short(each.name))}{after}</text>'
    )


def _circle(at: dict[int, float], each: Landed, trunk: float) -> str:
    size = 2.4 if each.lines < 20 else 3 if each.lines < 80 else 3.6 if each.lines < 300 else 4.6
    by = each.by if each.by in ("ai", "assisted") else "human"
    return f'<circle class="{by}" cx="{at[each.position]:.1f}" cy="{trunk:g}" r="{size}"/>'


def _number(at: dict[int, float], each: Landed, trunk: float, *, last: bool) -> str:
    strong = ' class="strong"' if last else ""
    x = at[each.position]
    return f'<text x="{x:.1f}" y="{trunk + 20:g}" text-anchor="middle"{strong}>#{each.position}</text>'


def _told(each: Landed, shown: Sequence[Landed], at: dict[int, float]) -> bool:
    last = shown[-1]
    return each is last or (each.position % 5 == 0 and at[last.position] - at[each.position] > 44)


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23].rstrip() + "…"
