"""Pictures: what a shared link looks like elsewhere, 1200 by 630 pixels (Open Graph), as PNG.

A picture is drawn when somebody first asks for it and kept in the store under the hash of what it
says. A subject keeps its newest picture only and a project the newest few hundred, so neither a busy
trunk nor a crawler fills the store. Drawing is one at a time in a process: who asks for the same
picture waits for it, who asks for another waits for their turn.
"""

import threading
from contextlib import suppress

import resvg_py

from backend.core.context import Actor, Forge
from backend.core.operations import charge
from backend.embedding.lettering import broken, drawn, width_of
from backend.embedding.subjects import Subject
from vcs.store import Exists, Missing

WIDTH, HEIGHT = 1200, 630
LEFT, RIGHT = 80, 1120
COST = 20
"""What a stranger pays for a picture that was not there."""

KEPT = 300
"""Pictures that a project keeps."""

PAPER, INK, SECOND, THIRD, MOSS, LINE = "#fbfaf5", "#1c1f19", "#4e5148", "#696c61", "#3f6225", "#c5c5bb"


class Pictures:
    """Draws and keeps; one in a process."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self._turn = threading.Lock()

    def of(self, subject: Subject, caller: Actor) -> bytes:
        """The picture of a subject as PNG. RateLimited when a stranger asked for too many new ones."""
        key = f"{_shelf(subject.home)}{subject.key}/{subject.tag}.png"
        with suppress(Missing):
            return self._forge.store.get(key)
        with self._turn:
            with suppress(Missing):
                return self._forge.store.get(key)
            charge(self._forge, caller, COST)
            png = draw(subject)
            with suppress(Exists):
                self._forge.store.put(key, [png])
            self._clear(subject, key)
        return png

    def _clear(self, subject: Subject, newest: str) -> None:
        store = self._forge.store
        there = sorted(store.list(_shelf(subject.home)), key=lambda listed: listed.at, reverse=True)
        own = f"{_shelf(subject.home)}{subject.key}/"
        for place, listed in enumerate(there):
            if listed.key != newest and (listed.key.startswith(own) or place >= KEPT):
                store.delete(listed.key)


def pictures(forge: Forge) -> Pictures:
    """The pictures of this process."""
    return forge.part(Pictures, lambda: Pictures(forge))


def forget_pictures(forge: Forge, home: str) -> None:
    """Delete every picture of a project or owner: what they say may have been taken back."""
    for listed in list(forge.store.list(_shelf(home))):
        forge.store.delete(listed.key)


def draw(subject: Subject) -> bytes:
    """The picture as PNG."""
    return resvg_py.svg_to_bytes(svg_string=svg_of(subject), skip_system_fonts=True)


def svg_of(subject: Subject) -> str:
    """The drawing. Every letter is an outline; a long text ends after as many lines as there is room for."""
    room = RIGHT - LEFT
    size = 60 if width_of(subject.title, 60, weight=600) <= 2 * room else 46
    y, shown = 218.0, []
    for line in broken(subject.title, size, room, most=3 if size == 60 else 4, weight=600):
        shown.append(_line(line, y, size, INK, weight=600))
        y += size * 1.28
    y += 10
    for line in broken(subject.says, 30, room, most=max(0, min(2, int((510 - y) // 42)))):
        shown.append(_line(line, y, 30, SECOND))
        y += 44
    foot = " \u00b7 ".join(part for part in (subject.author, *subject.facts) if part)
    name = width_of("Micelio", 28, weight=600)
    where = broken(f"{subject.address} \u00b7 {subject.kind}", 30, room - 76, most=1)
    shown += [_line(line, 113, 30, THIRD, left=LEFT + 76) for line in where]
    shown += [
        _line(line, 590, 28, SECOND, right=RIGHT - name - 40)
        for line in broken(foot, 28, room - name - 40, most=1)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>'
        f'<path d="M{LEFT} 540H{RIGHT}" stroke="{LINE}" stroke-width="2"/>{_MARK}'
        f"{''.join(shown)}{_line('Micelio', 590, 28, MOSS, left=RIGHT - name, weight=600)}</svg>"
    )


_MARK = (
    f'<g transform="translate({LEFT - 4} 74) scale(2.34)"><circle cx="12" cy="12" r="10.5" fill="{MOSS}"/>'
    f'<path d="M9.2 14.2C12 10.6 15 8.4 21 6.2" fill="none" stroke="{PAPER}" stroke-width="1.7"/>'
    f'<circle cx="9.2" cy="14.2" r="3" fill="{PAPER}"/></g>'
)


def _line(
    text: str, y: float, size: int, fill: str, *, left: float = LEFT, right: float = RIGHT, weight: int = 400
) -> str:
    return f'<path d="{drawn(text, size, left, y, weight=weight, right=right).path}" fill="{fill}"/>'


def _shelf(home: str) -> str:
    return f"pictures/{home}/"
