"""Lettering: a line of text in any script as outlines, and how wide it becomes.

HarfBuzz shapes runs of one font and one direction; which font has a letter, and in which order runs
stand, is decided here. Directions are the implicit levels of UAX #9: letters that embed or override
them are not drawn, so there are no others. The fonts are Noto's, from two packages.
"""

import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import manimgx_fonts
import manimgx_fonts_cjk
import uharfbuzz

FIRST = ("NotoSans[wght].ttf", "NotoSansArabic[wght].ttf", "NotoSansHebrew[wght].ttf")
LAST = ("NotoSansCJK-VF.otf.ttc", "NotoSansSymbols[wght].ttf", "NotoEmoji[wght].ttf")
LEFT_OUT = ("NotoSans-Italic[wght].ttf",)
ELLIPSIS = "\u2026"
_guard = threading.RLock()
"""HarfBuzz fonts are used by one thread at a time."""


@dataclass(frozen=True)
class Line:
    """A line as an SVG path. `width` is in the unit of the size it was made for."""

    path: str
    width: float
    right_to_left: bool


def drawn(
    text: str, size: float, x: float, y: float, *, weight: int = 400, right: float | None = None
) -> Line:
    """A line whose baseline begins at x, y. With `right` it ends there when it begins in a script that
    is written from right to left.
    """
    with _guard:
        runs = list(_runs(_plain(text)))
        shaped = [_shaped(run, weight) for run in _in_order(runs)]
        width = sum(advance for _, advance, _ in shaped) * size
        backwards = _base_level(text) == 1
        at = right - width if backwards and right is not None else x
        parts = []
        for glyphs, advance, font in shaped:
            parts += [_outline(font, id, at + dx * size, y - dy * size, size) for id, dx, dy in glyphs]
            at += advance * size
    return Line("".join(parts), width, backwards)


def width_of(text: str, size: float, *, weight: int = 400) -> float:
    """How wide a line becomes."""
    with _guard:
        return sum(_shaped(run, weight)[1] for run in _runs(_plain(text))) * size


def broken(text: str, size: float, room: float, *, most: int, weight: int = 400) -> list[str]:
    """A text in at most `most` lines of that room; what does not fit ends in an ellipsis."""
    lines: list[str] = []
    rest = _plain(text)
    while rest and len(lines) < most:
        fits = _fitting(rest, size, room, weight)
        if fits >= len(rest):
            return [*lines, rest]
        if len(lines) == most - 1:
            fits = _fitting(rest, size, room - width_of(ELLIPSIS, size, weight=weight), weight)
            return [*lines, rest[:fits].rstrip() + ELLIPSIS]
        space = rest.rfind(" ", 0, fits + 1)
        cut = space if space > 0 else max(1, fits)
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return lines


@dataclass(frozen=True)
class _Run:
    text: str
    font: int
    level: int


def _plain(text: str) -> str:
    """What can be drawn of a text: no controls, no marks of direction, single spaces."""
    kept = ("" if unicodedata.category(c) in ("Cf", "Cs", "Co") and c != "\u200d" else c for c in text)
    return " ".join("".join(c if c == "\u200d" or c.isprintable() else " " for c in kept).split())


def _fitting(text: str, size: float, room: float, weight: int) -> int:
    """How many letters of a text fit, never between a letter and its marks."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if width_of(text[:middle], size, weight=weight) <= room else (low, middle - 1)
        )
    while 0 < low < len(text) and (unicodedata.combining(text[low]) or text[low] == "\u200d"):
        low -= 1
    return low


def _runs(text: str) -> Iterator[_Run]:
    levels = _levels(text)
    fonts: list[int] = []
    for letter in text:
        neutral = letter == "\u200d" or unicodedata.combining(letter)
        keeps = bool(fonts) and neutral and ord(letter) in _unicodes(fonts[-1])
        fonts.append(fonts[-1] if keeps else _font_with(letter))
    for (font, level), group in groupby(zip(text, fonts, levels, strict=True), key=lambda each: each[1:]):
        yield _Run("".join(letter for letter, _, _ in group), font, level)


def _levels(text: str) -> list[int]:
    """The level of each letter: 0 left to right, 1 right to left, 2 numbers inside of that."""
    base = _base_level(text)
    kinds = [unicodedata.bidirectional(letter) for letter in text]
    levels: list[int | None] = []
    strong = base
    for kind in kinds:
        if kind in ("R", "AL"):
            strong = 1
            levels.append(1)
        elif kind == "L":
            strong = 0
            levels.append(2 if base else 0)
        elif kind in ("EN", "AN"):
            levels.append(2 if strong or base or kind == "AN" else 0)
        elif kind == "NSM" and levels:
            levels.append(levels[-1])
        else:
            levels.append(None)
    found: list[int] = []
    for place, level in enumerate(levels):
        if level is None:
            before = found[-1] if found else base
            after = next((each for each in levels[place:] if each is not None), base)
            # Between two of one direction what is neutral has it too.
            level = (
                1 if before and after and (before == 1 or after == 1) else before if before == after else base
            )
        found.append(level)
    return found


def _base_level(text: str) -> int:
    strong = (unicodedata.bidirectional(letter) for letter in text)
    return int(next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L")


def _in_order(runs: list[_Run]) -> list[_Run]:
    """Runs from left to right (UAX #9, rule L2)."""
    placed = list(runs)
    for level in (2, 1):
        ordered: list[_Run] = []
        for deep, group in groupby(placed, key=lambda run, level=level: run.level >= level):
            together = list(group)
            ordered += reversed(together) if deep else together
        placed = ordered
    return placed


def _shaped(run: _Run, weight: int) -> tuple[list[tuple[int, float, float]], float, tuple[int, int]]:
    """Glyphs of a run with their places, and the advance of all, in ems."""
    font = _font(run.font, weight)
    buffer = uharfbuzz.Buffer()
    buffer.add_str(run.text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if run.level == 1 else "ltr"
    uharfbuzz.shape(font, buffer)
    em = font.face.upem
    glyphs, at = [], 0.0
    for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        glyphs.append((info.codepoint, at + place.x_offset / em, place.y_offset / em))
        at += place.x_advance / em
    return glyphs, at, (run.font, weight)


def _outline(font: tuple[int, int], glyph: int, x: float, y: float, size: float) -> str:
    pen = _Pen(x, y, size / _font(*font).face.upem)
    _font(*font).draw_glyph_with_pen(glyph, pen)
    return "".join(pen.steps)


class _Pen:
    """Writes an outline as an SVG path; fonts count upwards, SVG downwards."""

    def __init__(self, x: float, y: float, scale: float) -> None:
        self.steps: list[str] = []
        self._x, self._y, self._scale = x, y, scale

    def moveTo(self, point: tuple[float, float]) -> None:
        self._step("M", point)

    def lineTo(self, point: tuple[float, float]) -> None:
        self._step("L", point)

    def qCurveTo(self, *points: tuple[float, float]) -> None:
        self._step("Q", *points)

    def curveTo(self, *points: tuple[float, float]) -> None:
        self._step("C", *points)

    def closePath(self) -> None:
        self.steps.append("Z")

    def endPath(self) -> None:
        pass

    def _step(self, letter: str, *points: tuple[float, float]) -> None:
        at = (f"{self._x + x * self._scale:.1f} {self._y - y * self._scale:.1f}" for x, y in points)
        self.steps.append(letter + " ".join(at))


@cache
def _font_with(letter: str) -> int:
    """The first font that has a letter; the first of all when none has."""
    return next((index for index in range(len(_files())) if ord(letter) in _unicodes(index)), 0)


@cache
def _files() -> tuple[Path, ...]:
    folders = (Path(package.__file__).parent for package in (manimgx_fonts, manimgx_fonts_cjk))
    found = {
        path.name: path for folder in folders for path in folder.iterdir() if path.suffix in (".ttf", ".ttc")
    }
    others = sorted(found.keys() - {*FIRST, *LAST, *LEFT_OUT})
    return tuple(found[name] for name in (*FIRST, *others, *LAST))


@cache
def _face(index: int) -> uharfbuzz.Face:
    return uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(_files()[index])))


@cache
def _unicodes(index: int) -> frozenset[int]:
    return frozenset(_face(index).unicodes)


@cache
def _font(index: int, weight: int) -> uharfbuzz.Font:
    font = uharfbuzz.Font(_face(index))
    font.set_variations({"wght": weight})
    return font
