"""Diffs as doors show them: what differs between two trees, with hunks, within a budget.

Counting and cutting happen here so that every door says the same numbers. A file too large
to compare line by line is shown as changed and `cut`.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from backend.projects.schemas import ChangeStatus, DiffHunk, DiffLine, DiffPage, FileChange, FileDiff
from vcs import diff, overlay
from vcs.objects import Entry, Kind
from vcs.paths import quote


class Contents(overlay.TreeReader, Protocol):
    """What a comparison reads: trees, and blobs with their sizes."""

    def read(self, id: str, kind: Kind | None = None) -> bytes:
        """A blob's content."""
        ...

    def size(self, id: str) -> int:
        """A blob's size in bytes."""
        ...


LARGEST_FILE = 1 << 20
LINES_PER_FILE = 5_000
LINES_PER_PAGE = 50_000
MOST_COUNTS = 5_000
"""Pairs of contents whose changed lines are kept counted in a process."""


def file_changes(reader: Contents, old: str, new: str) -> list[FileChange]:
    """Changed paths between two trees in path order, with line counts."""
    return [counts_of(reader, change) for change in diff.diff_trees(reader, old, new)]


def page(reader: Contents, old: str, new: str, *, paths: Iterable[bytes] = (), context: int = 3) -> DiffPage:
    """The whole comparison with hunks; `paths` limits it to these files and folders."""
    wanted = tuple(paths)
    files: list[FileDiff] = []
    left = LINES_PER_PAGE
    for change in diff.diff_trees(reader, old, new):
        if wanted and not any(_within(change.path, path) for path in wanted):
            continue
        counts, texts = counted(reader, change, context)
        hunks = list(_hunks(texts)) if texts else []
        lines = sum(len(hunk.lines) for hunk in hunks)
        cut = (texts is None and not counts.binary and _has_content(change)) or lines > min(
            left, LINES_PER_FILE
        )
        files.append(FileDiff(**counts.model_dump(), hunks=[] if cut else hunks, cut=cut))
        left -= 0 if cut else lines
    return DiffPage(
        old=old,
        new=new,
        additions=sum(file.additions for file in files),
        deletions=sum(file.deletions for file in files),
        files=files,
    )


def file_of(reader: Contents, change: diff.TreeChange) -> FileDiff:
    """One change with its hunks."""
    counts, texts = counted(reader, change)
    hunks = list(_hunks(texts)) if texts else []
    cut = sum(len(hunk.lines) for hunk in hunks) > LINES_PER_FILE
    return FileDiff(**counts.model_dump(), hunks=[] if cut else hunks, cut=cut)


def counts_of(reader: Contents, change: diff.TreeChange) -> FileChange:
    """One change with its counts, where nobody wants to see the lines.

    A change is counted when it is pushed, when it lands and on pages; its two contents never change.
    """
    key = _content_of(change.old) + b"/" + _content_of(change.new)
    counts = _counts.get(key)
    if counts is None:
        counts = _counts[key] = _counted_anew(reader, change)
        if len(_counts) > MOST_COUNTS:
            _counts.clear()
    additions, deletions, binary = counts
    return _shape(change, additions, deletions, binary=binary)


_counts: dict[bytes, tuple[int, int, bool]] = {}


def _content_of(entry: Entry | None) -> bytes:
    # As bytes, which take a third of the memory of digits.
    return b"" if entry is None else b"gitlink " * entry.is_gitlink + bytes.fromhex(entry.id)


def _counted_anew(reader: Contents, change: diff.TreeChange) -> tuple[int, int, bool]:
    entry = change.new or change.old
    if (change.old and change.new) or entry is None or entry.is_gitlink:
        texts = _texts(reader, change.old, change.new)
        if texts is None or texts[0] == texts[1]:
            return 0, 0, False
        return (0, 0, True) if any(map(diff.is_binary, texts)) else (*diff.count_lines(*texts), False)
    # All of its lines came or went, so there is nothing to compare.
    if reader.size(entry.id) > LARGEST_FILE:
        return 0, 0, False
    content = reader.read(entry.id, Kind.BLOB)
    if diff.is_binary(content):
        return 0, 0, True
    lines = content.count(b"\n") + (bool(content) and not content.endswith(b"\n"))
    return (lines, 0, False) if change.new else (0, lines, False)


def counted(
    reader: Contents, change: diff.TreeChange, context: int = 3
) -> tuple[FileChange, diff.FileDiff | None]:
    """One change with its counts, and its text diff unless it has none or is too large."""
    texts = _texts(reader, change.old, change.new)
    if texts is None:
        return _shape(change, 0, 0, binary=False), None
    compared = diff.diff_texts(*texts, context)
    return _shape(change, compared.additions, compared.deletions, binary=compared.binary), compared


def _shape(change: diff.TreeChange, additions: int, deletions: int, *, binary: bool) -> FileChange:
    return FileChange(
        path=quote(change.path),
        status=ChangeStatus(change.status.value),
        old_mode=change.old.mode.decode() if change.old else None,
        new_mode=change.new.mode.decode() if change.new else None,
        old=change.old.id if change.old else None,
        new=change.new.id if change.new else None,
        additions=additions,
        deletions=deletions,
        binary=binary,
    )


def _texts(reader: Contents, old: Entry | None, new: Entry | None) -> tuple[bytes, bytes] | None:
    """Both sides of a change; None when one is too long to be compared."""
    contents = []
    for entry in (old, new):
        if entry is None:
            contents.append(b"")
        elif entry.is_gitlink:
            contents.append(f"Subproject commit {entry.id[:40]}\n".encode())
        elif reader.size(entry.id) > LARGEST_FILE:
            return None
        else:
            contents.append(reader.read(entry.id, Kind.BLOB))
    return contents[0], contents[1]


def _has_content(change: diff.TreeChange) -> bool:
    return (change.old.id if change.old else None) != (change.new.id if change.new else None)


def _within(path: bytes, wanted: bytes) -> bool:
    return path == wanted or path.startswith(wanted.rstrip(b"/") + b"/")


def _hunks(compared: diff.FileDiff) -> Iterator[DiffHunk]:
    for hunk in compared.hunks:
        yield DiffHunk(
            old_start=hunk.old_start,
            old_count=hunk.old_count,
            new_start=hunk.new_start,
            new_count=hunk.new_count,
            section=hunk.section.decode("utf-8", "replace"),
            lines=[
                DiffLine(
                    kind=line.kind,
                    old=line.old,
                    new=line.new,
                    text=line.text.decode("utf-8", "replace"),
                    no_newline=line.no_newline,
                )
                for line in hunk.lines
            ],
        )
