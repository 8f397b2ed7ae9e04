"""Rows of a diff: which removed line stands beside which added one.

Both views are made of the same rows. Within a run of changes, lines that resemble each other
are paired in order, so that a line which only moved down keeps its partner and its word marks.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backend.projects.schemas import DiffHunk, DiffLine, FileDiff
from vcs.diff import word_marks
from vcs.xdiff import changed_tokens

CONTEXT = 3
_COMPARED = 2_500
_ALIKE = 0.4
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Row:
    """The places of one line in a hunk's `lines` before and after; None where it is not."""

    old: int | None
    new: int | None


def rows_of(lines: list[DiffLine]) -> Iterator[list[Row]]:
    """The rows of a hunk in order, one list per run of changes and one per unchanged line."""
    at = 0
    while at < len(lines):
        if lines[at].kind == " ":
            yield [Row(at, at)]
            at += 1
            continue
        run = at
        while at < len(lines) and lines[at].kind != " ":
            at += 1
        old = [n for n in range(run, at) if lines[n].kind == "-"]
        new = [n for n in range(run, at) if lines[n].kind == "+"]
        yield list(_paired(lines, old, new))


def marks_of(old: str, new: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Which characters of two lines differ, by whole words; none when they have little in common."""
    before, after = old.encode("utf-8", "surrogatepass"), new.encode("utf-8", "surrogatepass")
    left, right = word_marks(before, after)
    return _characters(before, left), _characters(after, right)


def without_whitespace(file: FileDiff) -> FileDiff:
    """The same file with lines that differ only in whitespace shown as unchanged (`git diff -w`)."""
    hunks = [hunk for hunk in map(_reconsidered, file.hunks) if hunk.lines]
    added = sum(line.kind == "+" for hunk in hunks for line in hunk.lines)
    removed = sum(line.kind == "-" for hunk in hunks for line in hunk.lines)
    counts = {} if file.cut else {"additions": added, "deletions": removed}
    return file.model_copy(update={"hunks": hunks, **counts})


def _paired(lines: list[DiffLine], old: list[int], new: list[int]) -> Iterator[Row]:
    top = left = 0
    for first, second in [*_partners(lines, old, new), (len(old), len(new))]:
        # Between two pairs that are alike, the rest stand beside each other as they come.
        for step in range(max(first - top, second - left)):
            yield Row(
                old[top + step] if top + step < first else None,
                new[left + step] if left + step < second else None,
            )
        if first < len(old) and second < len(new):
            yield Row(old[first], new[second])
        top, left = first + 1, second + 1


def _partners(lines: list[DiffLine], old: list[int], new: list[int]) -> list[tuple[int, int]]:
    """Pairs of places in `old` and `new`, both rising, with the greatest likeness in all."""
    if len(old) == len(new):
        return [(n, n) for n in range(len(old))]
    if not old or not new or len(old) * len(new) > _COMPARED:
        return []
    before = [_words(lines[n].text) for n in old]
    after = [_words(lines[n].text) for n in new]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    likeness = [[_likeness(a, b) for b in after] for a in before]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            together = likeness[i][j] + best[i + 1][j + 1] if likeness[i][j] >= _ALIKE else 0.0
            best[i][j] = max(together, best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(old) and j < len(new) and best[i][j] > 0:
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    return pairs


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text[:1000]))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    total = len(one) + len(other)
    return 2 * len(one & other) / total if total else 0.0


def _characters(line: bytes, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Byte spans as character spans; words never end inside a character."""
    if line.isascii():
        return list(spans)
    return [
        (len(line[:a].decode("utf-8", "replace")), len(line[:b].decode("utf-8", "replace"))) for a, b in spans
    ]


def _reconsidered(hunk: DiffHunk) -> DiffHunk:
    """A hunk whose runs of changes are compared again without whitespace; empty when nothing is left."""
    kept: list[DiffLine] = []
    run: list[DiffLine] = []
    for line in hunk.lines:
        if line.kind == " ":
            kept += _compared_again(run)
            run = []
            kept.append(line)
        else:
            run.append(line)
    kept += _compared_again(run)
    changed = [at for at, line in enumerate(kept) if line.kind != " "]
    if not changed:
        return hunk.model_copy(update={"lines": []})
    kept = kept[max(0, changed[0] - CONTEXT) : changed[-1] + CONTEXT + 1]
    old = [line.old for line in kept if line.old is not None]
    new = [line.new for line in kept if line.new is not None]
    return hunk.model_copy(
        update={
            "lines": kept,
            "old_start": old[0] if old else hunk.old_start,
            "old_count": len(old),
            "new_start": new[0] if new else hunk.new_start,
            "new_count": len(new),
        }
    )


def _compared_again(run: list[DiffLine]) -> list[DiffLine]:
    old = [line for line in run if line.kind == "-"]
    new = [line for line in run if line.kind == "+"]
    if not old or not new:
        return run
    marks = changed_tokens([_bare(line) for line in old], [_bare(line) for line in new])
    result: list[DiffLine] = []
    i = j = 0
    while i < len(old) or j < len(new):
        if i < len(old) and marks[0][i]:
            result.append(old[i])
            i += 1
        elif j < len(new) and marks[1][j]:
            result.append(new[j])
            j += 1
        else:
            result.append(new[j].model_copy(update={"kind": " ", "old": old[i].old}))
            i, j = i + 1, j + 1
    return result


def _bare(line: DiffLine) -> bytes:
    return "".join(line.text.split()).encode("utf-8", "surrogatepass")
