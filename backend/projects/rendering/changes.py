"""Differences as the look's tables, unified or side by side, and the list of touched files.

A whole page is the list, then one section per file with an id made of its path. Colours come
from whole files where their texts can be had in time, else from the lines that are shown: then
the opening of a long string above a hunk cannot colour what is in it.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from html import escape

from pygments.lexer import Lexer

from backend.projects.rendering import markup
from backend.projects.rendering.files import shortened
from backend.projects.rendering.highlighting import Highlighter, lexer_of
from backend.projects.rendering.markup import Piece, Span, notice, visible
from backend.projects.rendering.places import Place
from backend.projects.rendering.rows import Row, marks_of, rows_of, without_whitespace
from backend.projects.schemas import ChangeStatus, DiffHunk, DiffLine, DiffPage, FileChange, FileDiff

Painted = dict[int, list[Piece]]
Texts = Callable[[str], str | None]
"""The text of a blob by its id; None when it is none, or too long to be worth it."""


class View(StrEnum):
    """How changed lines stand: one column of text with two numbers or one, or two columns."""

    UNIFIED = "unified"
    NARROW = "narrow"
    SPLIT = "split"


_LETTERS = {
    ChangeStatus.ADDED: ("a", "A", "Added"),
    ChangeStatus.MODIFIED: ("m", "M", "Changed"),
    ChangeStatus.DELETED: ("d", "D", "Removed"),
    ChangeStatus.RENAMED: ("m", "R", "Renamed"),
    ChangeStatus.TYPE_CHANGED: ("m", "T", "Became another kind of file"),
}
_KINDS = {"100644": "a file", "100755": "an executable file", "120000": "a link", "160000": "a submodule"}
_COLUMNS = {View.UNIFIED: 3, View.NARROW: 2, View.SPLIT: 4}
_COLGROUP = {
    View.UNIFIED: '<col class="n"><col class="n"><col>',
    View.NARROW: '<col class="n"><col>',
    View.SPLIT: '<col class="n"><col><col class="n"><col>',
}
_HEADS = {
    View.UNIFIED: "<th>Old line</th><th>New line</th><th>Source</th>",
    View.NARROW: "<th>Line</th><th>Source</th>",
    View.SPLIT: "<th>Old line</th><th>Before</th><th>New line</th><th>After</th>",
}


def no_texts(id: str) -> None:
    """Texts when there are none to be had."""


def page(
    diff: DiffPage,
    view: View,
    *,
    new: Place | None = None,
    texts: Texts = no_texts,
    whitespace: bool = True,
    listed: bool = True,
) -> str:
    """Everything that differs. `new` is where the newer side can be opened; `whitespace` False hides
    lines that differ in nothing else; `listed` puts the list of files first."""
    if not diff.files:
        return '<div class="empty"><b>Nothing changed.</b><span>Both sides have the same files.</span></div>'
    files = diff.files if whitespace else [without_whitespace(file) for file in diff.files]
    most = _most(files)
    painter = Painter(texts, Highlighter())
    sections = [_section(shown, view, most, new, painter) for shown in files]
    return (touched(files) if listed and len(files) > 1 else "") + "".join(sections)


def touched(files: Sequence[FileChange], *, current: str = "") -> str:
    """Changed files with their counts; each leads to its section, and `current` is marked."""
    if not files:
        return '<div class="empty"><b>Nothing changed yet.</b></div>'
    most = _most(files)
    items = "".join(_touched(change, most, current=change.path == current) for change in files)
    return (
        '<ul class="touched" style="padding-block:var(--s2);columns:2 24rem;column-gap:var(--s10)">'
        f"{items}</ul>"
    )


def lines(file: FileDiff, view: View, painter: "Painter | None" = None, *, whitespace: bool = True) -> str:
    """The table of one file's hunks, or a sentence when it has none to show."""
    if not whitespace:
        file = without_whitespace(file)
    if not file.hunks:
        return _without_lines(file)
    table = _Table(file, view, painter or Painter())
    css = "code diff split" if view is View.SPLIT else "code diff"
    return (
        f'{_warning(file)}<table class="{css}"><colgroup>{_COLGROUP[view]}</colgroup>'
        f'<thead class="hush"><tr>{_HEADS[view]}</tr></thead><tbody>\n'
        f"{''.join(table.rows())}</tbody></table>"
    )


def _section(file: FileDiff, view: View, most: int, new: Place | None, painter: "Painter") -> str:
    facts = [f"<span>{fact}</span>" for fact in _facts(file)]
    if new is not None and file.new is not None and file.new_mode != "160000":
        facts.append(f'<a href="{escape(new.file_link(file.path))}">Open file</a>')
    end = f'<span class="end meta">{"".join(facts)}</span>' if facts else ""
    stat = "" if file.binary else markup.stat(file.additions, file.deletions, most)
    return (
        f'<section id="{markup.anchor(file.path)}" aria-label="{escape(file.path)}" '
        'style="margin-block-start:var(--s4)">'
        f'<div class="filehead">{markup.path(file.path)}{stat}{end}</div>'
        f"{lines(file, view, painter)}</section>\n"
    )


def _touched(change: FileChange, most: int, *, current: bool) -> str:
    css, letter, word = _LETTERS[change.status]
    here = ' aria-current="true"' if current else ""
    stat = (
        '<span class="meta">binary</span>'
        if change.binary
        else markup.stat(change.additions, change.deletions, most)
    )
    path = escape(change.path)
    return (
        f'<li style="break-inside:avoid"{here}><span class="mode {css}" title="{word}">{letter}</span>'
        f'<a class="cut" href="#{markup.anchor(change.path)}" data-path="{path}" title="{path}">'
        f"{markup.path(change.path)}</a>{stat}</li>\n"
    )


def _facts(file: FileDiff) -> Iterator[str]:
    if file.status is ChangeStatus.ADDED:
        yield "new" if file.new_mode in (None, "100644") else f"new, {_kind(file.new_mode)}"
    elif file.status is ChangeStatus.DELETED:
        yield "removed"
    elif file.status is ChangeStatus.RENAMED:
        yield f"renamed from {visible(file.previous or '')}"
    if file.old_mode and file.new_mode and file.old_mode != file.new_mode:
        yield f"was {_kind(file.old_mode)}, now {_kind(file.new_mode)}"


def _kind(mode: str | None) -> str:
    return _KINDS.get(mode or "", mode or "nothing")


def _without_lines(file: FileDiff) -> str:
    if file.binary:
        return notice("Binary.", "There are no lines to compare.")
    if file.cut:
        count = f"It adds {file.additions:,} lines and removes {file.deletions:,}." if _counted(file) else ""
        return notice("Too large to show.", count)
    if file.old == file.new:
        moved = file.status is ChangeStatus.RENAMED
        return notice("Only the name changed." if moved else "Only the kind of file changed.")
    if file.additions or file.deletions or (file.old and file.new):
        return notice("Only whitespace changed.", "It is hidden.")
    return notice("The file is empty.")


def _counted(file: FileDiff) -> bool:
    return bool(file.additions or file.deletions)


def _warning(file: FileDiff) -> str:
    if not any(markup.reorders(line.text) for hunk in file.hunks for line in hunk.lines if line.kind == "+"):
        return ""
    return notice(
        "Added lines have characters that change the order in which they are read.",
        "They are written out below.",
        "ochre",
    )


def _most(files: Sequence[FileChange]) -> int:
    return max((file.additions + file.deletions for file in files), default=1)


class Painter:
    """Where the colours of one answer come from."""

    def __init__(self, texts: Texts = no_texts, highlighter: Highlighter | None = None) -> None:
        self.texts = texts
        self.highlighter = highlighter or Highlighter()

    def whole(self, id: str | None, lexer: type[Lexer] | None) -> list[list[Piece]]:
        """The coloured lines of a whole blob, or none of them."""
        if id is None or lexer is None or self.highlighter.hurried:
            return []
        text = self.texts(id)
        return self.highlighter.lines(text, lexer) if text is not None else []


class _Table:
    """The rows of one file in one view."""

    def __init__(self, file: FileDiff, view: View, painter: Painter) -> None:
        self.file = file
        self.view = view
        self.highlighter = painter.highlighter
        texts = [line.text for hunk in file.hunks for line in hunk.lines if not line.no_newline]
        # Windows line ends everywhere say nothing; where only some lines have them they are the change.
        self.quiet_returns = bool(texts) and all(text.endswith("\r") for text in texts)
        beginning = "\n".join(line.text for line in file.hunks[0].lines[:20])
        self.lexer = lexer_of(file.path, beginning)
        self.old = painter.whole(file.old, self.lexer)
        self.new = painter.whole(file.new, self.lexer)

    def rows(self) -> Iterator[str]:
        for number, hunk in enumerate(self.file.hunks):
            if number or hunk.old_start > 1 or hunk.new_start > 1:
                yield self._head(hunk)
            painted = self._painted(hunk)
            for run in rows_of(hunk.lines):
                yield from self._run(hunk.lines, run, painted)

    def _head(self, hunk: DiffHunk) -> str:
        last = hunk.new_start + max(hunk.new_count, 1) - 1
        said = visible(hunk.section) or f"Lines {hunk.new_start:,} to {last:,}"
        return f'<tr class="hunk"><td colspan="{_COLUMNS[self.view]}">{said}</td></tr>\n'

    def _painted(self, hunk: DiffHunk) -> Painted:
        """Coloured lines by place: removed ones as part of the old text, all others of the new."""
        painted = {at: self._in_whole(line) for at, line in enumerate(hunk.lines)}
        known = {at: pieces for at, pieces in painted.items() if pieces is not None}
        return known if len(known) == len(painted) else self._by_itself(hunk)

    def _in_whole(self, line: DiffLine) -> list[Piece] | None:
        rows, number = (self.old, line.old) if line.kind == "-" else (self.new, line.new)
        if number is None or number > len(rows):
            return None
        pieces = rows[number - 1]
        if "".join(text for _, text in pieces) != line.text:
            return None
        return _without_return(pieces) if self.quiet_returns else pieces

    def _by_itself(self, hunk: DiffHunk) -> Painted:
        painted: Painted = {}
        for dropped in "+-":
            places = [at for at, line in enumerate(hunk.lines) if line.kind != dropped]
            texts = [self._text(hunk.lines[at]) for at in places]
            rows = self.highlighter.lines("\n".join(texts), self.lexer) if texts else []
            painted.update(zip(places, rows, strict=True))
        return painted

    def _text(self, line: DiffLine) -> str:
        return line.text[:-1] if self.quiet_returns and line.text.endswith("\r") else line.text

    def _run(self, lines: list[DiffLine], run: list[Row], painted: Painted) -> Iterator[str]:
        marks: dict[int, list[Span]] = {}
        for row in run:
            if row.old is not None and row.new is not None and row.old != row.new:
                old, new = self._text(lines[row.old]), self._text(lines[row.new])
                marks[row.old], marks[row.new] = marks_of(old, new)
        if self.view is View.SPLIT:
            for row in run:
                yield self._split(lines, row, painted, marks)
            return
        for at in [row.old for row in run] + [row.new for row in run if row.new != row.old]:
            if at is not None:
                yield self._unified(lines[at], _source(lines[at], painted[at], marks.get(at, [])))

    def _unified(self, line: DiffLine, source: str) -> str:
        kind = _KIND_CLASS[line.kind]
        if self.view is View.NARROW:
            number = line.old if line.new is None else line.new
            return f'<tr><td class="ln{kind}">{number}</td><td class="src{kind}">{source}</td></tr>\n'
        return (
            f'<tr><td class="ln{kind}">{line.old or ""}</td><td class="ln{kind}">{line.new or ""}</td>'
            f'<td class="src{kind}">{source}</td></tr>\n'
        )

    def _split(self, lines: list[DiffLine], row: Row, painted: Painted, marks: dict[int, list[Span]]) -> str:
        same = row.old == row.new
        left = right = '<td class="ln none"></td><td class="src none"></td>'
        if row.old is not None:
            line = lines[row.old]
            kind = " same-left" if same else " del"
            source = _source(line, painted[row.old], marks.get(row.old, []))
            left = f'<td class="ln{kind}">{line.old}</td><td class="src{kind}">{source}</td>'
        if row.new is not None:
            line = lines[row.new]
            kind = "" if same else " add"
            source = _source(line, painted[row.new], marks.get(row.new, []))
            right = f'<td class="ln{kind}">{line.new}</td><td class="src{kind}">{source}</td>'
        return f"<tr>{left}{right}</tr>\n"


def _without_return(pieces: list[Piece]) -> list[Piece]:
    if not pieces or not pieces[-1][1].endswith("\r"):
        return pieces
    css, text = pieces[-1]
    return [*pieces[:-1], (css, text[:-1])]


_KIND_CLASS = {" ": "", "+": " add", "-": " del"}


def _source(line: DiffLine, pieces: list[Piece], marks: list[Span]) -> str:
    html = markup.line(list(shortened(pieces)), marks, "del" if line.kind == "-" else "ins") or " "
    return html + ('\n<span class="c">No newline at the end of the file</span>' if line.no_newline else "")
