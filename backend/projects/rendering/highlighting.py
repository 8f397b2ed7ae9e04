"""Highlighting: lines of source as stretches with the look's class names.

Only classes that have a colour are kept; the rest is plain ink and costs no bytes. Source is
material from strangers: lexers get a budget in bytes and seconds, and what exceeds it, breaks
one of them or comes back changed is shown plain instead.
"""

import logging
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_by_name, find_lexer_class_for_filename
from pygments.token import STANDARD_TYPES, Token
from pygments.util import ClassNotFound

from backend.projects.rendering.markup import Piece

LARGEST = 256 * 1024
LONGEST_LINE = 4_000
SECONDS = 1.5

# Classes that assets/code.css gives a colour to.
_COLOURED = frozenset(
    """
    k kn kd kr kc ow s s1 s2 sa sb se sh sx si dl mi mf mh mo il m no nf fm nc nt nb bp kt ne na
    nd sr nl gh c c1 cm ch sd cp gp o
    """.split()  # noqa: SIM905
)
_INSTEAD = {"gu": "gh", "kp": "k", "mb": "m", "ss": "s"}
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError)

log = logging.getLogger(__name__)


class Highlighter:
    """Colours for one answer: all of its texts share one budget of seconds."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._deadline = time.monotonic() + seconds
        self._half = self._deadline - seconds / 2

    @property
    def hurried(self) -> bool:
        """Whether half of the time is gone, so that only what is shown should be looked at."""
        return time.monotonic() > self._half

    def lines(self, text: str, lexer: type[Lexer] | None) -> list[list[Piece]]:
        """The lines of a text, cut at `\\n` only, as many as `text.split("\\n")` has."""
        if lexer is None or not self._affordable(text):
            return plain(text)
        pieces = self._lexed(text, lexer)
        return plain(text) if pieces is None else _by_line(pieces)

    def _affordable(self, text: str) -> bool:
        if len(text) > LARGEST or time.monotonic() > self._deadline:
            return False
        return max(map(len, text.split("\n"))) <= LONGEST_LINE

    def _lexed(self, text: str, lexer: type[Lexer]) -> list[Piece] | None:
        # Many lexers close their last line only at a newline.
        source = text if text.endswith("\n") else text + "\n"
        pieces: list[Piece] = []
        try:
            for number, (_, token, value) in enumerate(lexer().get_tokens_unprocessed(source)):
                pieces.append((_class_of(token), value))
                if number % 256 == 0 and time.monotonic() > self._deadline:
                    return None
        except _BROKEN:
            log.warning("the lexer %s broke on a text of %d characters", lexer.__name__, len(text))
            return None
        if "".join(value for _, value in pieces) != source:
            return None
        if source is not text:
            pieces[-1] = (pieces[-1][0], pieces[-1][1][:-1])
        return pieces


def plain(text: str) -> list[list[Piece]]:
    """The lines of a text without colours."""
    return [[("", row)] if row else [] for row in text.split("\n")]


def lexer_of(path: str, text: str = "") -> type[Lexer] | None:
    """The lexer for a file of this name; the beginning of its text decides between several."""
    return _by_name(path.rpartition("/")[2], text[:1000])


def lexer_called(language: str) -> type[Lexer] | None:
    """The lexer with this name or alias."""
    try:
        found: type[Lexer] = find_lexer_class_by_name(language.strip().lower())
    except ClassNotFound:
        return None
    return found


@lru_cache(maxsize=1024)
def _by_name(name: str, beginning: str) -> type[Lexer] | None:
    found: type[Lexer] | None = find_lexer_class_for_filename(name, beginning)
    return found


@lru_cache(maxsize=1024)
def _class_of(token: Any) -> str:
    """The nearest coloured class on the way from a token's type up to the root of all."""
    while token is not None and token is not Token:
        short: str = STANDARD_TYPES.get(token, "")
        css = _INSTEAD.get(short, short)
        if css in _COLOURED:
            return css
        token = token.parent
    return ""


def _by_line(pieces: Iterable[Piece]) -> list[list[Piece]]:
    rows: list[list[Piece]] = [[]]
    for css, value in pieces:
        for number, part in enumerate(value.split("\n")):
            if number:
                rows.append([])
            row = rows[-1]
            if row and row[-1][0] == css:
                row[-1] = (css, row[-1][1] + part)
            elif part:
                row.append((css, part))
    return rows
