"""A file as the look's table of code: a number that is a link, a line that is a row.

Ids are `L1`, `L2`, …, so `#L10` finds line 10. A large file is shown from its beginning, and
says so with a link to the whole of it.
"""

from collections.abc import Iterator
from html import escape

from backend.projects.rendering import markup
from backend.projects.rendering.highlighting import Highlighter, lexer_of
from backend.projects.rendering.markup import Piece
from backend.projects.rendering.notebooks import is_notebook, notebook
from backend.projects.rendering.places import Place
from backend.projects.rendering.prose import MARKDOWN, Source, prose
from backend.projects.rendering.tables import is_table, table
from backend.projects.schemas import EntryType, FilePage

MOST_LINES = 5_000
MOST_CHARACTERS = 512 * 1024
LONGEST_LINE = 10_000
LARGEST_IMAGE = 10_000_000
"""Bytes of the largest picture that is loaded with the page."""
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico", ".svg")


def file(page: FilePage, place: Place) -> str:
    """A file at a ref, with what is special about it said above."""
    if page.type is EntryType.MODULE:
        return markup.notice("Another repository.", f"It stands here at <code>{page.id[:12]}</code>.")
    if page.path.lower().endswith(IMAGES) and page.type is EntryType.FILE:
        return _image(page, place)
    text = page.text
    if text is None:
        return markup.notice(
            "Not text.", f"{markup.size(page.size)} that are binary or not UTF-8. {_raw(page, place)}"
        )
    if page.type is EntryType.LINK:
        return markup.notice("A symbolic link.", f"It leads to <code>{markup.visible(text)}</code>.")
    if not text:
        return markup.notice("This file is empty.")
    return _text(page, place, text)


def is_drawn(path: str) -> bool:
    """Whether a file of this name is shown as something else than its lines."""
    return path.lower().endswith(MARKDOWN) or is_table(path) or is_notebook(path)


def drawn(page: FilePage, source: Source) -> str:
    """A file as what it means: prose, a table, a notebook. Its lines, with the reason, where it is none."""
    text = page.text
    if text is None or page.type is not EntryType.FILE:
        return file(page, source.place)
    if not is_table(page.path) and not is_notebook(page.path):
        return prose(text, source)
    shown = None
    if not page.cut and is_table(page.path):
        shown = table(text, page.path)
    elif not page.cut:
        shown = notebook(text, lambda cell: prose(cell, source, markdown=True))
    if shown is not None:
        return shown
    what = "a table" if is_table(page.path) else "a notebook"
    told = markup.notice(f"Not shown as {what}.", "It is too large, empty, or not written as one.")
    return told + file(page, source.place)


def code(text: str, path: str, *, highlighter: Highlighter | None = None) -> str:
    """The lines of a text as a table, coloured by the name of its file."""
    text = text.replace("\r\n", "\n").removesuffix("\n")
    rows = (highlighter or Highlighter()).lines(text, lexer_of(path, text))
    body = "".join(_row(number, row) for number, row in enumerate(rows, 1))
    head = '<thead class="hush"><tr><th>Line</th><th>Source</th></tr></thead>'
    return f'<div class="scroll"><table class="code">{head}<tbody>{body}</tbody></table></div>'


def shortened(pieces: list[Piece]) -> Iterator[Piece]:
    """The line, cut where it becomes too long to be read, with what was left out said."""
    left = LONGEST_LINE
    for css, text in pieces:
        if len(text) > left:
            yield css, text[:left]
            over = sum(len(text) for _, text in pieces) - LONGEST_LINE
            yield "c", f" … {over:,} more characters"
            return
        left -= len(text)
        yield css, text


def _text(page: FilePage, place: Place, text: str) -> str:
    shown, lines = _beginning(text)
    notices = []
    if markup.reorders(shown):
        notices.append(
            markup.notice(
                "Characters in this file change the order in which it is read.",
                "They are written out below.",
                "ochre",
            )
        )
    if page.cut or len(shown) < len(text):
        whole = f" of {page.lines:,}" if page.lines else ""
        notices.append(
            markup.notice(
                f"The first {lines:,}{whole} lines are shown.",
                f"The file has {markup.size(page.size)}. {_raw(page, place)}",
            )
        )
    return "".join(notices) + code(shown, page.path)


def _beginning(text: str) -> tuple[str, int]:
    """What is shown of a text, ended at a line where possible, and its number of lines."""
    shown = text
    if len(shown) > MOST_CHARACTERS:
        shown = shown[:MOST_CHARACTERS]
        shown = shown[: shown.rfind("\n") + 1] or shown
    lines = shown.split("\n", MOST_LINES)
    if len(lines) > MOST_LINES:
        shown = "\n".join(lines[:MOST_LINES]) + "\n"
    return shown, shown.count("\n") + (not shown.endswith("\n"))


def _row(number: int, pieces: list[Piece]) -> str:
    source = markup.line(list(shortened(pieces))) or " "
    return (
        f'<tr id="L{number}"><td class="ln"><a href="#L{number}">{number}</a></td>'
        f'<td class="src">{source}</td></tr>\n'
    )


def _image(page: FilePage, place: Place) -> str:
    name = markup.visible(page.path.rpartition("/")[2])
    if page.size > LARGEST_IMAGE:
        return markup.notice("Too large to be shown here.", f"{markup.size(page.size)}. {_raw(page, place)}")
    link = escape(place.image_link(page.path))
    alt = escape(page.path)
    return (
        '<figure class="stack tight" style="padding-block:var(--s4)">'
        f'<img src="{link}" alt="{alt}" loading="lazy">'
        f'<figcaption class="meta"><span>{name}</span><span>{markup.size(page.size)}</span>'
        f"{_raw(page, place)}</figcaption></figure>"
    )


def _raw(page: FilePage, place: Place) -> str:
    """A link that loads: raw bytes are no page of ours."""
    return f'<a href="{escape(place.raw_link(page.path))}" data-load>Raw file</a>'
