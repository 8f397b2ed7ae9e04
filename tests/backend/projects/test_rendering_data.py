"""Tables and notebooks: what is drawn of them, within which limits, and that nothing in them acts."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.projects.rendering import files, notebooks, tables
from backend.projects.rendering.places import Place
from backend.projects.rendering.prose import Source
from backend.projects.schemas import EntryType
from tests.backend.projects.test_rendering import page
from tests.backend.projects.test_rendering_prose import Seen

PLACE = Place("ada", "notes", "main")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
HOSTILE = (Path(__file__).parent / "hostile.md").read_text()


def drawn(path: str, text: str | None, **more) -> str:
    return files.drawn(page(path, text, **more), Source(PLACE, path))


def code(source: str, *outputs: dict) -> dict:
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": list(outputs)}


def notebook(*cells: dict) -> str:
    metadata = {"language_info": {"name": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)})


def shown(data: dict) -> dict:
    return {"output_type": "display_data", "data": data}


def cells_of(html: str) -> int:
    return sum(tag == "td" for tag, _ in Seen(html).tags)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.csv", 'x,y\n1,"two, ""2""\nlines"\n'),
        ("a.TSV", 'x\ty\n1\t"two, ""2""\nlines"\n'),
        ("a.csv", "x;y\n1;2\n"),
    ],
)
def test_values_are_a_table_with_heads(path, text):
    html = drawn(path, text)

    assert '<th scope="col">x</th><th scope="col">y</th>' in html
    assert '<tr><th class="ln" scope="row">1</th><td>1</td><td>' in html
    assert cells_of(html) == 2


def test_rows_of_different_lengths_are_filled_up():
    assert cells_of(drawn("a.csv", "a,b\n1\n1,2,3\n")) == 6


def test_a_table_has_limits_and_says_what_is_left_out():
    wide = ",".join(map(str, range(120)))

    html = drawn("a.csv", "\n".join([wide] * 1_200))

    assert "the first 1,000 of 1,199 rows and the first 100 of 120 columns" in html
    assert cells_of(html) == 1_000 * 100
    assert len(drawn("a.csv", "a\n" + "x" * 100_000)) < 3_000


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.csv", "a,b\n" * 200_000),
        ("a.csv", "\n\n"),
        ("a.ipynb", "{}"),
        ("a.ipynb", "[" * 100_000),
        ("a.ipynb", json.dumps({"nbformat": 3, "worksheets": []})),
        ("a.ipynb", notebook() + " " * notebooks.LARGEST),
    ],
)
def test_what_is_none_is_shown_as_its_lines_with_the_reason(path, text):
    html = drawn(path, text)

    assert html.startswith('<p class="notice"><b>Not shown as a ')
    assert '<table class="code">' in html


def test_a_notebook_is_its_prose_its_code_and_what_it_printed():
    picture = base64.b64encode(PNG).decode()
    text = notebook(
        {"cell_type": "markdown", "source": ["# Title\n", "See [it](b.md)."]},
        code("def f():\n    return 1", {"output_type": "stream", "text": ["one\n", "<two>"]}),
        code("1 / 0", {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero"}),
        code("plot()", shown({"image/png": picture, "text/plain": "<Figure>"})),
        code("2", {"output_type": "execute_result", "data": {"text/plain": "2", "text/html": "<b>2</b>"}}),
        {"cell_type": "raw", "source": "as it is"},
    )

    html = drawn("docs/a.ipynb", text)

    assert '<h1 id="md-title">Title</h1>' in html and 'href="/ada/notes/blob/main/docs/b.md"' in html
    assert '<span class="k">def</span> <span class="nf">f</span>' in html
    assert '<pre class="out">one\n&lt;two&gt;</pre>' in html
    assert "ZeroDivisionError: division by zero" in html
    assert f'<img src="data:image/png;base64,{picture}"' in html
    assert '<pre class="out">2</pre>' in html and "<b>2</b>" not in html
    assert '<pre class="out">as it is</pre>' in html


def test_nothing_of_a_notebook_acts():
    text = notebook(
        {"cell_type": "markdown", "source": HOSTILE},
        code(HOSTILE, shown({"text/html": HOSTILE}), shown({"application/javascript": "alert(1)"})),
        code("", shown({"image/svg+xml": "<svg onload=alert(1)>"}), shown({"image/png": '"><script>'})),
        code("", {"output_type": "stream", "text": HOSTILE}, shown({"<script>": "x"})),
        {"cell_type": "raw", "source": HOSTILE},
        {"cell_type": ["x"], "source": {"a": 1}, "outputs": 3},
        code("", 5, {"output_type": None, "data": {"text/plain": 3}}),
    )

    for tag, attributes in Seen(drawn("a.ipynb", text)).tags:
        assert tag not in ("script", "style", "iframe", "svg", "math", "object", "form", "button"), tag
        assert not any(name.startswith("on") for name in attributes), attributes
        assert not attributes.get("href", "").startswith(("javascript", "data", "vbscript")), attributes
        assert attributes.get("src", "/ada/notes/raw/").startswith("/ada/notes/raw/"), attributes


def test_a_notebook_has_limits():
    long = code("x", {"output_type": "stream", "text": "y" * 50_000})
    huge = shown({"image/png": base64.b64encode(PNG + bytes(600_000)).decode()})

    html = drawn("a.ipynb", notebook(long, code("z", huge), *[code("w")] * 400))

    assert "40,000 more characters" in html
    assert "A picture too large to be shown here." in html
    assert "The first 300 of 402 cells are shown." in html


def test_a_large_picture_is_not_loaded_with_the_page():
    html = drawn("a.png", None, binary=True, size=files.LARGEST_IMAGE + 1)

    assert "Too large to be shown here." in html and "<img" not in html
    assert 'href="/ada/notes/raw/main/a.png" data-load' in html


def test_a_link_with_such_a_name_is_a_link():
    assert "A symbolic link." in drawn("a.csv", "b.csv", type=EntryType.LINK, mode="120000")


@given(st.text(alphabet='",;\t\n\r<a&', max_size=60))
def test_every_text_is_a_table_or_none(text):
    html = tables.table(text, "a.csv")

    assert html is None or {tag for tag, _ in Seen(html).tags} <= {
        *("div", "table", "thead", "tbody", "tr", "th", "td", "span")
    }
