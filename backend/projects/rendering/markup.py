"""Markup: text on its way into HTML, and the small parts that several fragments share.

What would be invisible or would change the reading order of code is written out, so nobody
approves a line that reads differently from how it runs (CVE-2021-42574).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape

Piece = tuple[str, str]
"""A stretch of a line: its class, or none, and its text."""

Span = tuple[int, int]
"""First and one past the last character of a stretch."""

_MINUS = "\N{MINUS SIGN}"
_READING_ORDER = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_HIDDEN = re.compile(
    rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_READING_ORDER}\xad\u200b\u2060-\u2065\u206a-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_REORDERING = re.compile(f"[{_READING_ORDER}]")


def visible(text: str) -> str:
    """The text escaped, with a mark for each character that nobody could see."""
    plain = escape(text)
    return _HIDDEN.sub(_named, plain) if _HIDDEN.search(plain) else plain


def reorders(text: str) -> bool:
    """Whether the text has characters that change the order in which it is read."""
    return _REORDERING.search(text) is not None


def line(pieces: Sequence[Piece], marks: Sequence[Span] = (), tag: str = "ins") -> str:
    """One line of code; `marks` are put into elements of this tag, without breaking a colour."""
    html: list[str] = []
    marked = False
    for css, text, inside in _cut(pieces, marks):
        if inside != marked:
            html.append(f"<{tag}>" if inside else f"</{tag}>")
            marked = inside
        html.append(f'<span class="{css}">{visible(text)}</span>' if css else visible(text))
    if marked:
        html.append(f"</{tag}>")
    return "".join(html)


def path(text: str) -> str:
    """A path with its folders quieter than its name."""
    folders, slash, name = text.rpartition("/")
    lead = f'<span class="dir">{visible(folders + slash)}</span>' if slash else ""
    return f'<span class="path">{lead}{visible(name)}</span>'


def stat(additions: int, deletions: int, most: int) -> str:
    """Added and removed lines with their meter, full at `most` lines; a zero is not written."""
    plus = f"+{additions:,}" if additions else ""
    share = max(most, additions + deletions, 1)
    return (
        f'<span class="stat"><b class="plus">{plus}</b>'
        f'<b class="minus" data-n="{deletions}">{_MINUS}{deletions:,}</b>'
        f'<i style="--a:{additions / share:.2f};--d:{deletions / share:.2f}"></i></span>'
    )


def notice(bold: str, html: str = "", tone: str = "") -> str:
    """A sentence about what is shown; `bold` is text, `html` is markup."""
    rest = f" <span>{html}</span>" if html else ""
    return f'<p class="{"notice " + tone if tone else "notice"}"><b>{visible(bold)}</b>{rest}</p>'


def anchor(path: str) -> str:
    """The id of a file within a page; the same for the same path."""
    return "f-" + sha256(path.encode()).hexdigest()[:10]


def size(number: int) -> str:
    """Bytes as people read them: `812 B`, `1.9 KB`, `34 MB`."""
    if number < 1000:
        return f"{number} B"
    scaled, units = number / 1000, ["GB", "MB", "KB"]
    while scaled >= 999.5 and len(units) > 1:
        scaled /= 1000
        units.pop()
    return f"{scaled:.1f} {units[-1]}" if scaled < 9.95 else f"{scaled:.0f} {units[-1]}"


def _cut(pieces: Sequence[Piece], marks: Sequence[Span]) -> Iterator[tuple[str, str, bool]]:
    """The pieces, cut where a mark begins or ends, each with whether it is inside one."""
    if not marks:
        yield from ((css, text, False) for css, text in pieces)
        return
    edges = [edge for span in marks for edge in span]
    at = passed = 0
    for css, text in pieces:
        end = at + len(text)
        while at < end:
            while passed < len(edges) and edges[passed] <= at:
                passed += 1
            stop = min(end, edges[passed]) if passed < len(edges) else end
            yield css, text[len(text) - (end - at) : len(text) - (end - stop)], passed % 2 == 1
            at = stop


def _named(match: re.Match[str]) -> str:
    character = match[0]
    name = unicodedata.name(character, "control character").lower()
    code = f"U+{ord(character):04X}"
    return f'<span class="err" title="{name}">[{code}]</span>'
