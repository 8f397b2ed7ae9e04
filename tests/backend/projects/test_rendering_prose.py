"""Markdown: what it draws, where its links lead, and that nothing in it acts."""

import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.projects.rendering import prose as module
from backend.projects.rendering.places import Place
from backend.projects.rendering.prose import Source, prose
from micelio_app import routes

PLACE = Place("ada", "notes", "feature/x")
SOURCE = Source(PLACE, "docs/README.md", lambda path: path in ("docs", "docs/api"))
HARMLESS = {
    "align",
    "alt",
    "checked",
    "class",
    "colspan",
    "dir",
    "disabled",
    "height",
    "href",
    "id",
    "lang",
    "loading",
}
HARMLESS |= {"open", "rel", "rowspan", "src", "start", "style", "title", "type", "width"}
RAW = "/ada/notes/raw/feature%2Fx/"
STYLES = {"text-align:left", "text-align:center", "text-align:right"}


class Seen(HTMLParser):
    """Every tag with its attributes, as a parser of HTML sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))


def drawn(text: str) -> str:
    return prose(text, SOURCE).removeprefix('<div class="prose">').removesuffix("</div>").strip()


def assert_nothing_acts(html: str) -> None:
    for tag, attributes in Seen(html).tags:
        assert tag in module._TAGS, tag
        assert set(attributes) <= HARMLESS, (tag, attributes)
        assert attributes.get("style", "text-align:left") in STYLES, attributes
        assert attributes.get("id", "md-").startswith("md-")
        assert tag != "input" or (attributes["type"] == "checkbox" and "disabled" in attributes)
        assert tag != "a" or attributes["rel"] == "nofollow ugc"
        assert set(attributes.get("class", "src").split()) <= module._COLOURS | {"src"}
        assert attributes.get("src", RAW).startswith(RAW)
        target = attributes.get("href", "#")
        assert target.startswith(
            ("#", "/ada/notes/blob/", "/ada/notes/tree/", "https://", "http://", "mailto:")
        )


def test_nothing_of_a_hostile_readme_survives():
    text = (Path(__file__).parent / "hostile.md").read_text()
    # Alone as well: together, one line's unclosed element may hide what the next one does.
    html = drawn(text) + "".join(map(drawn, text.splitlines()))

    assert_nothing_acts(html)
    assert 'href="https://ok.example/"' in html
    for gone in ("@import", "srcdoc", "<iframe", "<svg", "<math", "<style"):
        assert gone not in html.lower()


SHARDS = [*"<>\"'=/&;#! \n`[]()ax:", "<script", "onload=", "javascript:", "<svg ", "<a href="]


@given(st.lists(st.sampled_from(SHARDS)).map("".join))
def test_nothing_of_any_text_acts(text):
    assert_nothing_acts(drawn(text))


@pytest.mark.parametrize(
    ("written", "leads"),
    [
        ("guide.md", "/ada/notes/blob/feature%2Fx/docs/guide.md"),
        ("./guide.md#install", "/ada/notes/blob/feature%2Fx/docs/guide.md#md-install"),
        ("../a.py#L10", "/ada/notes/blob/feature%2Fx/a.py#L10"),
        ("/src/a.py?plain=1", "/ada/notes/blob/feature%2Fx/src/a.py"),
        ("../../../etc/passwd", "/ada/notes/blob/feature%2Fx/etc/passwd"),
        ("api", "/ada/notes/tree/feature%2Fx/docs/api"),
        ("api/", "/ada/notes/tree/feature%2Fx/docs/api"),
        ("..", "/ada/notes/tree/feature%2Fx"),
        ("#usage", "#md-usage"),
        ("a%20b.md", "/ada/notes/blob/feature%2Fx/docs/a%20b.md"),
        ("https://example.org/x?y#z", "https://example.org/x?y#z"),
        ("//example.org/x", "https://example.org/x"),
        ("mailto:ada@example.org", "mailto:ada@example.org"),
    ],
)
def test_links_lead_to_the_same_ref(written, leads):
    assert f'href="{leads}"' in drawn(f"[x]({written})")


def test_a_backslash_does_not_hide_another_host():
    assert 'href="https://example.org"' in drawn('<a href="/\\example.org">x</a>')
    assert "src=" not in drawn('<img src="\\\\example.org/a.png">')


def test_addresses_agree_with_those_of_the_pages():
    assert PLACE.file_link("a b/ü.py") == routes.file("ada", "notes", "feature/x", "a b/ü.py")
    assert PLACE.folder_link("a b") == routes.tree("ada", "notes", "feature/x", "a b")
    assert PLACE.folder_link("") == routes.tree("ada", "notes", "feature/x")
    assert PLACE.raw_link("a b/ü.py") == routes.raw("ada", "notes", "feature/x", "a b/ü.py")


def test_images_come_from_the_project_and_an_svg_as_an_image():
    assert 'src="/ada/notes/raw/feature%2Fx/docs/a.png"' in drawn("![a](a.png)")
    assert 'src="/ada/notes/raw/feature%2Fx/logo.svg?image=1"' in drawn("<img src='/logo.svg'>")


def test_an_image_from_elsewhere_becomes_its_words():
    badge = "[![build](https://ci.example/b.svg)](https://ci.example/)"

    assert drawn("![photo](https://a.example/p.png)") == (
        '<p><a href="https://a.example/p.png" rel="nofollow ugc">photo</a></p>'
    )
    assert drawn(badge) == '<p><a href="https://ci.example/" rel="nofollow ugc">build</a></p>'


def test_the_dialect_is_githubs():
    html = drawn(
        "| a | b |\n|---|--:|\n| 1 | 2 |\n\n~~gone~~ www.example.com\n\n"
        "- [x] done\n\n> [!NOTE]\n> heed\n\nx[^1]\n\n[^1]: foot\n"
    )

    for part in (
        '<td style="text-align:right">2</td>',
        "<s>gone</s>",
        'href="http://www.example.com"',
        'type="checkbox"',
        'disabled=""',
        "<blockquote>",
        'href="#md-fn1"',
        'id="md-fn1"',
    ):
        assert part in html, part


def test_headings_have_ids_and_equal_ones_differ():
    html = drawn("# Über `x` & y\n## Same\n## Same\n")

    assert 'id="md-über-x--y"' in html
    assert 'id="md-same"' in html and 'id="md-same-1"' in html


def test_fenced_code_has_colours():
    assert drawn("```python\ndef f(): pass\n```") == (
        '<pre><code class="src"><span class="k">def</span> <span class="nf">f</span>(): '
        '<span class="k">pass</span></code></pre>'
    )


def test_a_text_that_is_not_markdown_stays_as_it_was_typed():
    html = prose("<b>*x*</b>", Source(PLACE, "README.txt"))

    assert html == '<div class="prose"><pre style="white-space:pre-wrap">&lt;b&gt;*x*&lt;/b&gt;</pre></div>'


BOMBS = {
    "brackets": "[" * 200_000,
    "images": "![a" * 60_000,
    "references": "[a]: /" + "x" * 4_000 + "\n\n" + "[a] " * 50_000,
    "headings": "# a\n" * 30_000,
    "address": "http://a.b/" + "?!.,:" * 40_000,
    "brackets in an address": "http://a.b/" + ")" * 200_000,
    "styles": "".join(f"<b id=b{n}>" for n in range(10_000)),
    "styles and paragraphs": "<b><i><u><s><em>" * 10 + "<p>" * 60_000,
    "divisions": "<div>" * 40_000,
    "quotes": ">" * 200_000,
    "table": "|" + "a|" * 20_000 + "\n|" + "-|" * 20_000 + "\n" + "|a\n" * 30_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_text_takes_long_or_grows_without_bound(bomb):
    started = time.process_time()

    html = prose(BOMBS[bomb], SOURCE)

    assert time.process_time() - started < 15  # seconds; each of these once took minutes
    assert len(html) < 12 << 20


def test_a_text_beyond_the_limit_has_a_link_to_the_file():
    html = prose("a\n" * module.LARGEST, SOURCE)

    assert "Too long to be drawn here." in html
    assert 'href="/ada/notes/blob/feature%2Fx/docs/README.md"' in html
