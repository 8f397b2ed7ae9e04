"""Badges: one fact about a project as a small SVG, for READMEs anywhere."""

from enum import StrEnum
from html import escape

from backend.core.context import Actor, Forge
from backend.core.errors import InvalidInput
from backend.core.operations import invoke
from backend.embedding.lettering import width_of
from backend.embedding.licences import licence_of
from backend.projects.schemas import ProjectSummary
from backend.projects.service import get_project

SIZE = 11
EDGE = 7
HEIGHT = 20


class Fact(StrEnum):
    """What a badge tells: how much landed, how many sessions are open, or the licence."""

    LANDINGS = "landings"
    SESSIONS = "sessions"
    LICENCE = "licence"


def badge_of(forge: Forge, stranger: Actor, organization: str, project: str, show: str) -> str:
    """The badge of a project that strangers see; NotFound otherwise, InvalidInput for another fact."""
    if show not in list(Fact):
        raise InvalidInput(problem=f"A badge shows {', '.join(Fact)}; {show!r} is none of them.")
    found = invoke(forge, stranger, get_project, {"organization": organization, "project": project})
    assert isinstance(found, ProjectSummary)
    if show == Fact.LANDINGS:
        return badge("landings", f"{found.position:,}")
    if show == Fact.SESSIONS:
        return badge("sessions", f"{found.open_sessions:,} open")
    return badge("licence", licence_of(forge, stranger, found.organization, found.handle) or "none")


def badge(label: str, value: str) -> str:
    """Two words side by side as SVG, 20 pixels high; either may hold anything."""
    left, right = (width_of(text, SIZE) for text in (label, value))
    middle = round(left + 2 * EDGE)
    width = middle + round(right + 2 * EDGE)
    told = escape(f"{label}: {value}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" '
        f'viewBox="0 0 {width} {HEIGHT}" role="img" aria-label="{told}"><title>{told}</title>'
        f'<clipPath id="r"><rect width="{width}" height="{HEIGHT}" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{middle}" height="{HEIGHT}" fill="#4e5148"/>'
        f'<rect x="{middle}" width="{width - middle}" height="{HEIGHT}" fill="#3f6225"/></g>'
        f'<g fill="#fdfcf9" font-family="Verdana,\'DejaVu Sans\',sans-serif" font-size="{SIZE}">'
        f"{_word(label, EDGE, left)}{_word(value, middle + EDGE, right)}</g></svg>"
    )


def _word(text: str, x: float, width: float) -> str:
    # Whatever font a reader has, the word keeps to its place.
    fits = f' textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs"' if width else ""
    return f'<text x="{x}" y="14"{fits}>{escape(text)}</text>'
