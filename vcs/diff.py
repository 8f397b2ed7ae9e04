"""Diffs: of trees entry by entry, of texts line by line, of lines word by word.

Text diffs agree with `git diff` hunk for hunk: which lines changed is `vcs.xdiff`'s
decision, hunks and the sections in their headers are formed here by git's rules. Whoever
counts changed lines takes them from here, so that all doors show the same figures.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from vcs.objects import EMPTY_TREE, Entry
from vcs.overlay import TreeReader, walk
from vcs.xdiff import changed_lines, changed_tokens

__all__ = [
    "FileDiff",
    "Hunk",
    "Line",
    "Span",
    "Status",
    "TreeChange",
    "count_lines",
    "diff_texts",
    "diff_trees",
    "is_binary",
    "status_of",
    "unified",
    "word_marks",
]


class Status(StrEnum):
    """What happened to a path. A type change is a file becoming a link, a gitlink, or back."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    TYPE_CHANGED = "type_changed"


@dataclass(frozen=True, slots=True)
class TreeChange:
    """One path that differs between two trees."""

    path: bytes
    status: Status
    old: Entry | None
    new: Entry | None


def diff_trees(reader: TreeReader, old: str, new: str) -> Iterator[TreeChange]:
    """The files, links and gitlinks that differ, in the order of git's index. Folders are told by
    what is in them; a file that became a folder is one deletion and the additions below it.
    """
    yield from _folders(reader, b"", old, new)


def _folders(reader: TreeReader, prefix: bytes, old: str, new: str) -> Iterator[TreeChange]:
    if old == new:
        return
    for key, left, right in _pairs(_entries(reader, old), _entries(reader, new)):
        if not key.endswith(b"/"):
            yield TreeChange(prefix + key, status_of(left, right), left, right)
        elif left is None or right is None:
            yield from _whole(reader, prefix + key, left, right)
        else:
            yield from _folders(reader, prefix + key, left.id, right.id)


def _entries(reader: TreeReader, id: str) -> tuple[Entry, ...]:
    return () if id == EMPTY_TREE else reader.tree(id)


_Pair = tuple[bytes, Entry | None, Entry | None]


def _pairs(before: tuple[Entry, ...], after: tuple[Entry, ...]) -> Iterable[_Pair]:
    """What differs between two folders, by the key git sorts by, in its order."""
    if len(before) == len(after):
        # Entries were changed, none came or went: the usual case needs no key for each of them.
        changed = [
            (_key(old), _key(new), old, new) for old, new in zip(before, after, strict=True) if old != new
        ]
        keys = [old for old, _, _, _ in changed]
        if keys == [new for _, new, _, _ in changed] and keys == sorted(set(keys)):
            return [(key, old, new) for key, _, old, new in changed]
    olds, news = _keyed(before), _keyed(after)
    sides = ((key, olds.get(key), news.get(key)) for key in sorted({**olds, **news}))
    return (side for side in sides if side[1] != side[2])


def _keyed(entries: tuple[Entry, ...]) -> dict[bytes, Entry]:
    return {_key(entry): entry for entry in entries}


def _key(entry: Entry) -> bytes:
    """A file and a folder of one name are two things."""
    return entry.name + b"/" if entry.is_tree else entry.name


def _whole(
    reader: TreeReader, prefix: bytes, left: Entry | None, right: Entry | None
) -> Iterator[TreeChange]:
    if left is not None:
        for path, entry in walk(reader, left.id, prefix):
            yield TreeChange(path, Status.DELETED, entry, None)
    if right is not None:
        for path, entry in walk(reader, right.id, prefix):
            yield TreeChange(path, Status.ADDED, None, entry)


def status_of(old: Entry | None, new: Entry | None) -> Status:
    """What happened to a path with these entries before and after."""
    if old is None:
        return Status.ADDED
    if new is None:
        return Status.DELETED
    if (old.is_link, old.is_gitlink) != (new.is_link, new.is_gitlink):
        return Status.TYPE_CHANGED
    return Status.MODIFIED


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk: kind ` `, `+` or `-`, its number on each side, its text without the newline."""

    kind: str
    old: int | None
    new: int | None
    text: bytes
    no_newline: bool = False


@dataclass(frozen=True, slots=True)
class Hunk:
    """Changed lines with their surroundings, numbered as in the header `@@ -a,b +c,d @@ section`."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: bytes
    lines: tuple[Line, ...]

    @property
    def header(self) -> bytes:
        """The header line, without a newline."""
        ranges = _range(self.old_start, self.old_count), _range(self.new_start, self.new_count)
        return b"@@ -%s +%s @@" % ranges + (b" " + self.section if self.section else b"")


def _range(start: int, count: int) -> bytes:
    return b"%d" % start if count == 1 else b"%d,%d" % (start, count)


@dataclass(frozen=True, slots=True)
class FileDiff:
    """How one text became another; a binary one has no hunks and counts no lines."""

    hunks: tuple[Hunk, ...] = ()
    additions: int = 0
    deletions: int = 0
    binary: bool = False


def is_binary(content: bytes) -> bool:
    """Git's rule: a zero byte among the first 8,000."""
    return b"\0" in content[:8000]


def diff_texts(old: bytes, new: bytes, context: int = 3) -> FileDiff:
    """The hunks between two texts. Equal ones have none; a file that is not there is `b""`."""
    if old == new:
        return FileDiff()
    if is_binary(old) or is_binary(new):
        return FileDiff(binary=True)
    before, after = _lines(old), _lines(new)
    marks = changed_lines(before, after)
    script = list(_changes(marks, len(before), len(after)))
    hunks: list[Hunk] = []
    section, scanned = b"", -1
    for group in _grouped(script, context):
        start = max(group[0][0] - context, 0)
        section = _section(before, start - 1, scanned, section)
        scanned = start - 1
        hunks.append(_hunk(before, after, group, context, section))
    additions = sum(last - first for _, _, first, last in script)
    deletions = sum(last - first for first, last, _, _ in script)
    return FileDiff(tuple(hunks), additions, deletions)


def count_lines(old: bytes, new: bytes) -> tuple[int, int]:
    """How many lines `diff_texts` would show as added and as removed, of texts that are not binary.

    Groups of changed lines are not moved to where they read best, which changes no number.
    """
    removed, added = changed_tokens(_numbered(old), _numbered(new))
    return added.count(1), removed.count(1)


def _numbered(text: bytes) -> list[bytes]:
    """Lines without their newlines, told apart as those of `_lines`."""
    lines = text.split(b"\n")
    if last := lines.pop():
        # It has none, so it is another line than one that has.
        lines.append(last + b"\n")
    return lines


def _lines(text: bytes) -> list[bytes]:
    """Lines with their newlines; only `\\n` ends one."""
    lines = text.split(b"\n")
    last = lines.pop()
    kept = [line + b"\n" for line in lines]
    if last:
        kept.append(last)
    return kept


# Lines [a, b) of the old text became lines [c, d) of the new one.
_Change = tuple[int, int, int, int]


def _changes(marks: tuple[bytearray, bytearray], old: int, new: int) -> Iterator[_Change]:
    row = column = 0
    while row < old or column < new:
        top, left = row, column
        while marks[0][row]:
            row += 1
        while marks[1][column]:
            column += 1
        if row > top or column > left:
            yield top, row, left, column
        else:
            row = _next_mark(marks[0], row, old)
            column += row - top
            other = _next_mark(marks[1], left, new)
            if other < column:
                row, column = top + other - left, other


def _next_mark(marks: bytearray, at: int, length: int) -> int:
    found = marks.find(1, at, length)
    return length if found < 0 else found


def _grouped(script: list[_Change], context: int) -> Iterator[list[_Change]]:
    """Changes that share a hunk because their surroundings touch."""
    group: list[_Change] = []
    for change in script:
        if group and change[0] - group[-1][1] > 2 * context:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(old: list[bytes], new: list[bytes], group: list[_Change], context: int, section: bytes) -> Hunk:
    top, left = max(group[0][0] - context, 0), max(group[0][2] - context, 0)
    after = min(context, len(old) - group[-1][1], len(new) - group[-1][3])
    lines: list[Line] = []
    row, column = top, left
    for first, last, first_new, last_new in [*group, (group[-1][1] + after, 0, 0, 0)]:
        for at in range(row, first):
            lines.append(_line(" ", at, column + at - row, old[at]))
        lines += [_line("-", at, None, old[at]) for at in range(first, last)]
        lines += [_line("+", None, at, new[at]) for at in range(first_new, last_new)]
        row, column = last, last_new
    old_count, new_count = group[-1][1] + after - top, group[-1][3] + after - left
    starts = top + (old_count > 0), left + (new_count > 0)
    return Hunk(starts[0], old_count, starts[1], new_count, section, tuple(lines))


def _line(kind: str, old: int | None, new: int | None, text: bytes) -> Line:
    numbers = None if old is None else old + 1, None if new is None else new + 1
    if text.endswith(b"\n"):
        return Line(kind, *numbers, text[:-1])
    return Line(kind, *numbers, text, no_newline=True)


_SECTION = re.compile(rb"[A-Za-z_$]")


def _section(lines: list[bytes], start: int, stop: int, inherited: bytes) -> bytes:
    """The nearest line above that begins with a letter, `_` or `$`: git takes it for the name of
    what the hunk is in. Looked for down to where the hunk before looked, else that one's holds.
    """
    for at in range(start, stop, -1):
        if 0 <= at < len(lines) and _SECTION.match(lines[at]):
            return lines[at][:80].rstrip(b" \t\r\n")
    return inherited


def unified(path: bytes, change: TreeChange, file_diff: FileDiff) -> bytes:
    """The change as `git diff` prints it and `git apply` takes it; ids are shortened to 12 digits."""
    old, new = change.old, change.new
    parts = [b"diff --git %s %s\n" % (_quoted(b"a/" + path), _quoted(b"b/" + path))]
    if old is None and new is not None:
        parts.append(b"new file mode %s\n" % new.mode)
    elif new is None and old is not None:
        parts.append(b"deleted file mode %s\n" % old.mode)
    elif old is not None and new is not None and old.mode != new.mode:
        parts.append(b"old mode %s\nnew mode %s\n" % (old.mode, new.mode))
    if old is None or new is None or old.id != new.id:
        ids = tuple((entry.id[:12] if entry else "0" * 12).encode() for entry in (old, new))
        same = old is not None and new is not None and old.mode == new.mode
        parts.append(b"index %s..%s" % ids + (b" %s\n" % old.mode if same and old else b"\n"))
    before = b"/dev/null" if old is None else _quoted(b"a/" + path)
    after = b"/dev/null" if new is None else _quoted(b"b/" + path)
    if file_diff.binary:
        parts.append(b"Binary files %s and %s differ\n" % (before, after))
    elif file_diff.hunks:
        parts.append(b"--- %s\n+++ %s\n" % (_tabbed(before), _tabbed(after)))
        parts += [_printed(hunk) for hunk in file_diff.hunks]
    return b"".join(parts)


def _printed(hunk: Hunk) -> bytes:
    parts = [hunk.header, b"\n"]
    for line in hunk.lines:
        parts += [line.kind.encode(), line.text, b"\n"]
        if line.no_newline:
            parts.append(b"\\ No newline at end of file\n")
    return b"".join(parts)


def _tabbed(name: bytes) -> bytes:
    return name + b"\t" if b" " in name else name


_ESCAPES = {
    7: b"\\a",
    8: b"\\b",
    9: b"\\t",
    10: b"\\n",
    11: b"\\v",
    12: b"\\f",
    13: b"\\r",
    34: b'\\"',
    92: b"\\\\",
}


def _quoted(name: bytes) -> bytes:
    """A name as git shows it: in quotes with escapes when it has unusual bytes."""
    if all(0x20 <= byte < 0x7F and byte not in (34, 92) for byte in name):
        return name
    shown = (
        _ESCAPES.get(byte) or (bytes((byte,)) if 0x20 <= byte < 0x7F else b"\\%03o" % byte) for byte in name
    )
    return b'"' + b"".join(shown) + b'"'


# First and one past the last byte of a stretch within a line.
Span = tuple[int, int]

_WORDS = re.compile(rb"[0-9A-Za-z_\x80-\xff]+|[ \t]+|.", re.DOTALL)
_LONGEST_MARKED = 4000
_LEAST_COMMON = 0.3


def word_marks(old_line: bytes, new_line: bytes) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Which bytes of two lines differ, by whole words. Lines that have little in common or are
    very long get no marks at all: then the whole line is what changed.
    """
    if max(len(old_line), len(new_line)) > _LONGEST_MARKED:
        return (), ()
    old, new = _WORDS.findall(old_line), _WORDS.findall(new_line)
    marks = changed_tokens(old, new)
    kept = sum(len(word) for at, word in enumerate(old) if not marks[0][at] and not word.isspace())
    longer = max(len(b"".join(old_line.split())), len(b"".join(new_line.split())))
    if kept < _LEAST_COMMON * longer:
        return (), ()
    return _spans(old, marks[0]), _spans(new, marks[1])


def _spans(words: list[bytes], marks: bytearray) -> tuple[Span, ...]:
    spans: list[Span] = []
    at = 0
    for index, word in enumerate(words):
        if marks[index]:
            if spans and spans[-1][1] == at:
                spans[-1] = (spans[-1][0], at + len(word))
            else:
                spans.append((at, at + len(word)))
        at += len(word)
    return tuple(spans)
