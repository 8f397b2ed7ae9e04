"""Words: texts cut into what is compared, the same for what is found and for what is asked.

Both databases get words that are cut already, in an alphabet of `a-z 0-9 _` that neither cuts
again, so they cannot differ: `_0000e9` stands for one letter beyond ASCII. That keeps beginnings:
what begins with a word before begins with it after. Cases and accents do not count (Unicode TR 15,
NFKD); scripts that put no space between words are cut into letters.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

RULES = 1
"""Goes up when this module cuts otherwise, so that rows made before are made again."""

LONGEST_WORD = 40
MOST_ASKED = 12
"""Letters of a word that count, and words of a question that do."""

_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]")
# Thai, Lao, Myanmar and Khmer; kana, CJK and its later planes.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class Word:
    """One word in the form that is compared, and where it stands in its text, in characters."""

    text: str
    start: int
    end: int


def plain(text: str) -> str:
    """A whole name in the form that is compared: no case, no accents, single spaces."""
    return " ".join(_folded(text).split())


def words(text: str) -> Iterator[Word]:
    """The words of a text in order. A word with humps (`fileFinder`) is also its parts."""
    for start, end in _runs(text):
        run = text[start:end]
        if folded := _folded(run)[:LONGEST_WORD]:
            yield Word(folded, start, end)
        humps = [0, *(match.start() for match in _HUMP.finditer(run)), len(run)]
        if len(humps) > 2:
            for left, right in pairwise(humps):
                yield Word(_folded(run[left:right])[:LONGEST_WORD], start + left, start + right)


def asked(text: str) -> list[str]:
    """The words of a question, each once: all of them must begin some word of what is found."""
    runs = (_folded(text[start:end])[:LONGEST_WORD] for start, end in _runs(text))
    return list(dict.fromkeys(filter(None, runs)))[:MOST_ASKED]


def coded(word: str) -> str:
    """A word as it is written into the databases' indexes."""
    return "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):06x}" for c in word)


def marks(text: str, question: list[str]) -> list[tuple[int, int]]:
    """Where words of a text begin as words of a question do: start and end, without overlaps."""
    found: list[tuple[int, int]] = []
    for word in words(text):
        hit = word.text.startswith(tuple(question))
        if hit and not (found and word.start < found[-1][1]):
            found.append((word.start, word.end))
    return found


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Where runs of letters, digits and their marks begin and end."""
    start = None
    for at, letter in enumerate(text):
        inside = letter.isalnum() or unicodedata.category(letter)[0] == "M"
        alone = inside and _UNSPACED.match(letter) is not None
        if start is not None and (alone or not inside):
            yield start, at
            start = None
        if alone:
            yield at, at + 1
        elif inside and start is None:
            start = at
    if start is not None:
        yield start, len(text)


def _folded(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", _ACCENTS.sub("", spread)).casefold()
