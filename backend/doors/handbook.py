"""The handbook: this checkout's `docs/guides`, `docs/cli` and legal page, read at `/docs` without scripts.

The texts are those that run as tests. Where they name the forge of the examples, readers see the address of
the one they are on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from backend.core import plain_page
from backend.core.config import Settings
from backend.projects.rendering.places import Place
from backend.projects.rendering.prose import Source, prose

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = "https://forge.example.org"
FIRST = ("first-hour", "work-with-an-agent", "host-it")
"""The guides that everybody begins with; the others follow by name."""
LEGAL = "legal"


@dataclass(frozen=True)
class Page:
    """One text. `path` is where it lies in the checkout, `name` what follows `/docs/`."""

    name: str
    path: str
    title: str
    text: str


@cache
def pages() -> dict[str, Page]:
    """Every page by its name, in the order of the table of contents."""
    guides = sorted(path.stem for path in (DOCS / "guides").glob("*.md"))
    guides = [*FIRST, *(stem for stem in guides if stem not in FIRST)]
    commands = sorted(path.stem for path in (DOCS / "cli").glob("*.md"))
    names = {stem: f"guides/{stem}.md" for stem in guides}
    names |= {f"cli/{stem}" if stem != "README" else "cli": f"cli/{stem}.md" for stem in commands}
    names[LEGAL] = f"{LEGAL}.md"
    return {name: _read(name, path) for name, path in names.items()}


def _read(name: str, path: str) -> Page:
    text = (DOCS / path).read_text()
    title = text.partition("\n")[0].removeprefix("# ").replace("`", "")
    return Page(name, f"docs/{path}", title, text)


def address(page: Page) -> str:
    """Where a page is read."""
    return f"/docs/{page.name}"


def document(settings: Settings, name: str) -> str | None:
    """A page as a whole document, None when there is none of this name; the empty name is the contents."""
    if not name:
        body = "".join(_shelf(title, _told(found)) for title, found in _shelves())
        return plain_page.page(
            "Docs", f'<div class="prose"><h1>Docs</h1></div><div class="stack loose">{body}</div>'
        )
    page = pages().get(name)
    if page is None:
        return None
    text = prose(page.text.replace(EXAMPLE, settings.public_url), Source(_InTheHandbook(), page.path))
    beside = "".join(_shelf(title, _named(found, page)) for title, found in _shelves())
    body = f'<div class="pair">{text}<aside class="stack loose">{beside}</aside></div>'
    return plain_page.page(page.title, body, (("Docs", "/docs"),))


_Line = tuple[str, str, str]
"""An address, its title, and a sentence about it."""


def _shelves() -> Iterator[tuple[str, list[_Line]]]:
    shelves: dict[str, list[_Line]] = {"Guides": [], "Commands": [], "This forge": []}
    for page in pages().values():
        shelf = page.path.split("/")[1]
        title = {"guides": "Guides", "cli": "Commands"}.get(shelf, "This forge")
        shelves[title].append((address(page), page.title, _beginning(page)))
    shelves["This forge"] += [
        ("/api/v1/docs", "The API", "Every operation over HTTP, for programs and agents."),
        ("/skill.md", "For agents", "What an agent needs to know to work here, in one text."),
    ]
    yield from shelves.items()


def _shelf(title: str, lines: str) -> str:
    return f'<section><header class="head"><h2>{title}</h2></header><ul class="rows">{lines}</ul></section>'


def _told(lines: list[_Line]) -> str:
    return "".join(
        f'<li class="plain"><div class="main"><a href="{where}"><b>{escape(title)}</b></a>'
        f'<p class="meta">{escape(sentence)}</p></div></li>'
        for where, title, sentence in lines
    )


def _named(lines: list[_Line], shown: Page) -> str:
    return "".join(
        f'<li class="plain"><a href="{where}"{_current(where == address(shown))}>{escape(title)}</a></li>'
        for where, title, _ in lines
    )


def _current(it_is: bool) -> str:
    return ' aria-current="page"' if it_is else ""


def _beginning(page: Page) -> str:
    """The first sentence of a page, without Markdown."""
    paragraphs = re.split(r"\n\s*\n", page.text)
    first = next(each for each in paragraphs if not each.startswith(("#", "<", "```", "|")))
    plain = (
        re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", first.replace("\n", " ")).replace("`", "").replace("**", "")
    )
    return re.split(r"(?<=[.:])\s", plain, maxsplit=1)[0].rstrip(".:") + "."


class _InTheHandbook(Place):
    """The checkout's docs, whose files are read in the handbook."""

    def __init__(self) -> None:
        super().__init__("", "", "")

    def file_link(self, path: str) -> str:
        """The page of one of the texts; the contents for what is none."""
        for page in pages().values():
            if page.path == path:
                return address(page)
        return "/docs"
