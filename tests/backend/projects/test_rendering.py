"""Files and differences as HTML: what a reader sees of them, whatever is in them."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.projects.models import Proposers, Visibility
from backend.projects.rendering import changes, files, markup
from backend.projects.rendering.changes import View
from backend.projects.rendering.highlighting import Highlighter, lexer_of
from backend.projects.rendering.places import Place
from backend.projects.rendering.rows import marks_of, rows_of, without_whitespace
from backend.projects.schemas import (
    ChangeStatus,
    DiffHunk,
    DiffLine,
    DiffPage,
    EntryType,
    FileDiff,
    FilePage,
    ProjectSummary,
)
from vcs.diff import diff_texts

PLACE = Place("ada", "notes", "main")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def page(path: str, text: str | None, **more) -> FilePage:
    """A file as the operation gives it."""
    project = ProjectSummary(
        id="p",
        organization="ada",
        handle="notes",
        name="notes",
        description="",
        website="",
        visibility=Visibility.PUBLIC,
        archived=False,
        protect_main_branch=False,
        who_may_propose=Proposers.ANYONE,
        session_visibility=Proposers.MEMBERS,
        default_branch="main",
        position=1,
        commit=None,
        tree="t",
        open_sessions=0,
        created_at=NOW,
        updated_at=NOW,
        url="",
        may=[],
    )
    known = {
        "type": EntryType.FILE,
        "mode": "100644",
        "id": "b" * 64,
        "binary": False,
        "lines": 1,
        "cut": False,
    }
    size = len(text or "")
    values = {"ref": "main", "commit": None, "position": 1, "size": size, **known, **more}
    return FilePage(project=project, path=path, text=text, **values)


def difference(before: str, after: str, path: str = "a.py", **more) -> FileDiff:
    """What a door says of one file that changed from one text to another."""
    compared = diff_texts(before.encode(), after.encode())
    hunks = [
        DiffHunk(
            old_start=h.old_start,
            old_count=h.old_count,
            new_start=h.new_start,
            new_count=h.new_count,
            section=h.section.decode(),
            lines=[
                DiffLine(kind=n.kind, old=n.old, new=n.new, text=n.text.decode(), no_newline=n.no_newline)
                for n in h.lines
            ],
        )
        for h in compared.hunks
    ]
    counts = {"additions": compared.additions, "deletions": compared.deletions}
    values = {
        "status": ChangeStatus.MODIFIED,
        "old_mode": "100644",
        "new_mode": "100644",
        "old": "1",
        "new": "2",
    }
    return FileDiff(path=path, hunks=hunks, **{**values, **counts, **more})


def source_of(html: str) -> list[str]:
    """The text of every cell of source, without markup."""
    cells = re.findall(r'<td class="src[^"]*">(.*?)</td>', html, re.DOTALL)
    return [unescape(re.sub(r"<[^>]*>", "", cell)) for cell in cells]


def test_a_line_has_an_id_a_link_and_colours():
    html = files.code("def f():\n\n    return 'a'\n", "x/a.py")

    assert '<tr id="L1"><td class="ln"><a href="#L1">1</a></td>' in html
    assert '<td class="src"><span class="k">def</span> <span class="nf">f</span>():</td>' in html
    assert '<tr id="L2"><td class="ln"><a href="#L2">2</a></td><td class="src"> </td></tr>' in html
    assert 'id="L4"' not in html


PRINTED = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]))


@given(
    st.lists(PRINTED.filter(lambda line: line != ""), min_size=1),
    st.sampled_from(["a.py", "a.html", "a.md", "x"]),
)
def test_colours_never_change_the_text(lines, name):
    assert source_of(files.code("\n".join(lines), name)) == lines


def test_markup_in_source_and_in_names_is_text():
    html = files.file(page("<img src=x>.png.txt", "<script>alert(1)</script>"), PLACE)
    diff = changes.page(
        DiffPage(
            old="1", new="2", additions=1, deletions=0, files=[difference("", "<b>", path='<i "onclick=x>')]
        ),
        View.UNIFIED,
        new=PLACE,
    )

    assert "<script" not in html
    assert "<i " not in diff.replace('<i style="--a', "") and "<b>" not in diff.replace('<b class="', "")


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\x1b", "\ufeff", "\U000e0041"]
)
def test_a_character_nobody_could_see_is_written_out(character):
    code = f"[U+{ord(character):04X}]"

    html = files.code(f"access = 'user{character}'", "a.py")

    assert character not in html and code in html
    assert code in markup.path(f"a{character}b") and character not in markup.path(f"a{character}b")


def test_a_file_whose_reading_order_changes_says_so():
    assert "change the order in which it is read" in files.file(page("a.py", "x = '\u202e'\n"), PLACE)
    assert "change the order" not in files.file(page("a.py", "x = 'é \u0627'\n"), PLACE)
    added = difference("x\n", "x = '\u202e'\n")
    assert "change the order in which they are read" in changes.lines(added, View.UNIFIED)


def test_a_long_file_is_shown_from_its_beginning_with_a_way_to_the_rest():
    html = files.file(page("a.txt", "x\n" * 6_000, lines=6_000), PLACE)

    assert "The first 5,000 of 6,000 lines are shown." in html
    assert 'href="/ada/notes/raw/main/a.txt" data-load' in html
    assert 'id="L5000"' in html and 'id="L5001"' not in html


def test_a_large_file_of_few_lines_is_cut_at_a_line():
    html = files.file(page("a.txt", ("x" * 8_000 + "\n") * 100, lines=100), PLACE)

    assert "The first 65 of 100 lines are shown." in html


def test_a_very_long_line_is_cut_and_says_by_how_much():
    html = files.code("y" * 1_000_000, "a.min.js")

    assert source_of(html) == ["y" * files.LONGEST_LINE + " … 990,000 more characters"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (page("a.bin", None, binary=True, size=1_234_567), "1.2 MB that are binary or not UTF-8"),
        (page("a", "../b", type=EntryType.LINK, mode="120000"), "It leads to <code>../b</code>"),
        (page("a", None, type=EntryType.MODULE, mode="160000"), "Another repository."),
        (page("a.txt", ""), "This file is empty."),
        (page("a.png", None, binary=True), '<img src="/ada/notes/raw/main/a.png"'),
        (page("a.svg", "<svg/>"), '<img src="/ada/notes/raw/main/a.svg?image=1"'),
    ],
)
def test_what_is_no_text_is_told_in_a_sentence_or_shown(given, said):
    assert said in files.file(given, PLACE)


def test_a_lexer_without_time_leaves_plain_ink():
    late = Highlighter(seconds=-1)

    assert late.lines("def f(): pass", lexer_of("a.py")) == [[("", "def f(): pass")]]


def test_unified_lines_stand_in_order_with_marks_on_what_changed():
    html = changes.lines(difference("a = 1\nb = 2\nc\n", "a = 1\nb = 3\nc\n"), View.UNIFIED)

    assert '<table class="code diff">' in html
    assert source_of(html) == ["a = 1", "b = 2", "b = 3", "c"]
    assert '<td class="src del">b <span class="o">=</span> <del><span class="mi">2</span></del></td>' in html
    assert '<td class="src add">b <span class="o">=</span> <ins><span class="mi">3</span></ins></td>' in html


def test_side_by_side_has_a_place_for_every_line_and_gaps_where_there_is_none():
    html = changes.lines(
        difference("a\nold line one\n", "a\nsomething new\nold line two\nmore\n"), View.SPLIT
    )
    rows = re.findall(r"<tr>(.*?)</tr>", html.split("<tbody>")[1], re.DOTALL)

    assert [source_of(row) for row in rows] == [
        ["a", "a"],
        ["", "something new"],
        ["old line one", "old line two"],
        ["", "more"],
    ]
    assert '<td class="ln same-left">1</td><td class="src same-left">a</td>' in rows[0]
    assert '<td class="ln none"></td><td class="src none"></td>' in rows[1]


def test_a_hunk_inside_a_long_string_has_the_colours_of_the_whole_file():
    before = '"""\n' + "is it so\n" * 9 + '"""\nx = 1\n'
    file = difference(before, before.replace("x = 1", "x = 2"))
    texts = {"1": before, "2": before.replace("x = 1", "x = 2")}.get

    alone = changes.lines(file, View.UNIFIED)
    whole = changes.lines(file, View.UNIFIED, changes.Painter(texts))

    assert '<span class="ow">is</span>' in alone
    assert '<td class="src"><span class="sd">is it so</span></td>' in whole
    assert '<ins><span class="mi">2</span></ins>' in whole


def test_texts_that_are_not_those_of_the_lines_colour_nothing_wrongly():
    file = difference("x = 1\n", "x = 2\n")

    html = changes.lines(file, View.UNIFIED, changes.Painter(lambda id: "something else\n"))

    assert source_of(html) == ["x = 1", "x = 2"]


def test_one_number_is_enough_in_a_narrow_pane():
    html = changes.lines(difference("a\nb\n", "a\nc\n"), View.NARROW)

    assert '<tr><td class="ln del">2</td><td class="src del">' in html


LINES = st.lists(st.sampled_from(["a b c", "a b d", "x", "", "  a b c", "é ü"]), max_size=12)


@given(LINES, LINES, st.sampled_from(View))
def test_every_view_shows_every_line_of_a_hunk(old, new, view):
    file = difference("\n".join(old), "\n".join(new))
    html = changes.lines(file, view)
    removed = [n.text for h in file.hunks for n in h.lines if n.kind == "-"]
    added = [n.text for h in file.hunks for n in h.lines if n.kind == "+"]
    note = "\nNo newline at the end of the file"

    def shown(kind: str) -> list[str]:
        cells = re.findall(rf'<td class="src {kind}">(.*?)</td>', html, re.DOTALL)
        return [unescape(re.sub(r"<[^>]*>", "", cell)).removesuffix(note) for cell in cells]

    assert shown("del") == [text or " " for text in removed]
    assert shown("add") == [text or " " for text in added]


@given(LINES, LINES)
def test_rows_name_every_line_once_and_in_order(old, new):
    for hunk in difference("\n".join(old), "\n".join(new)).hunks:
        rows = [row for run in rows_of(hunk.lines) for row in run]
        for side, dropped in (([r.old for r in rows], "+"), ([r.new for r in rows], "-")):
            places = [at for at in side if at is not None]
            assert places == [at for at, line in enumerate(hunk.lines) if line.kind != dropped]


def test_marks_count_characters_and_not_bytes():
    assert marks_of("größe ist klein", "größe ist groß") == ([(10, 15)], [(10, 14)])


def test_a_mark_does_not_break_a_colour():
    assert markup.line([("k", "abc"), ("", "def")], [(1, 4)]) == (
        '<span class="k">a</span><ins><span class="k">bc</span>d</ins>ef'
    )


def test_hidden_whitespace_leaves_what_else_changed():
    file = difference("if x:\n    a\n    b\n", "if x:\n  a\n  c\n")
    bare = without_whitespace(file)

    assert (bare.additions, bare.deletions) == (1, 1)
    assert source_of(changes.lines(bare, View.UNIFIED)) == ["if x:", "  a", "    b", "  c"]
    only = without_whitespace(difference("a\n", " a\n"))
    assert "Only whitespace changed." in changes.lines(only, View.UNIFIED)


def test_windows_line_ends_show_only_where_they_are_the_change():
    everywhere = changes.lines(difference("a\r\nb\r\n", "a\r\nc\r\n"), View.UNIFIED)
    somewhere = changes.lines(difference("a\nb\n", "a\nb\r\n"), View.UNIFIED)

    assert "U+000D" not in everywhere and "U+000D" in somewhere


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (difference("", "", binary=True), "Binary."),
        (difference("", "", cut=True, additions=9_000), "It adds 9,000 lines and removes 0."),
        (difference("", "", new="1", new_mode="100755"), "Only the kind of file changed."),
        (difference("", "", new="1", status=ChangeStatus.RENAMED, previous="b"), "Only the name changed."),
        (difference("", "", old=None, status=ChangeStatus.ADDED), "The file is empty."),
        (difference("a\n", "a"), "No newline at the end of the file"),
    ],
)
def test_what_has_no_lines_is_told_in_a_sentence(file, said):
    assert said in changes.lines(file, View.UNIFIED)


def test_a_page_lists_its_files_and_each_name_leads_to_its_section():
    made = [
        difference("a\n", "b\nc\n", path="src/a.py"),
        difference("", "x\n", path="b.txt", status=ChangeStatus.ADDED, old=None, old_mode=None),
        difference("x\n", "", path="c.txt", status=ChangeStatus.DELETED, new=None, new_mode=None),
        difference("x\n", "y\n", path="d.sh", new_mode="100755"),
    ]
    html = changes.page(
        DiffPage(old="1", new="2", additions=4, deletions=3, files=made), View.UNIFIED, new=PLACE
    )

    for file, letter in zip(made, "MADM", strict=True):
        anchor = markup.anchor(file.path)
        assert f'href="#{anchor}"' in html and f'<section id="{anchor}"' in html
        assert f">{letter}</span><a" in html
    assert '<span class="dir">src/</span>a.py' in html
    assert 'style="--a:0.67;--d:0.33"' in html
    assert "was a file, now an executable file" in html
    assert 'href="/ada/notes/blob/main/c.txt"' not in html and 'href="/ada/notes/blob/main/d.sh"' in html


def test_nothing_to_compare_is_said():
    assert "Nothing changed." in changes.page(
        DiffPage(old="1", new="1", additions=0, deletions=0, files=[]), View.SPLIT
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1_900, "1.9 KB"), (34_000_000, "34 MB"), (5 << 40, "5498 GB")],
)
def test_sizes_read_well(number, text):
    assert markup.size(number) == text
