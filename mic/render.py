"""What people see: plain lines, colours on terminals, progress only while somebody watches."""

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

LETTERS = {"added": "A", "modified": "M", "deleted": "D", "renamed": "R", "type_changed": "T"}
WORDS = {"type_changed": "type changed"}
COLOURS = {
    "added": "32",
    "modified": "33",
    "deleted": "31",
    "type_changed": "35",
    "bold": "1",
    "dim": "2",
    "hunk": "36",
}


def line(text: str = "") -> None:
    """Write one line; names that are not UTF-8 come out as the bytes they are."""
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")


def aside(text: str) -> None:
    """Say something beside the answer, which programs do not read."""
    sys.stdout.flush()
    sys.stderr.write(f"mic: {text}\n")


def raw(content: bytes) -> None:
    """Write bytes as they are."""
    sys.stdout.buffer.write(content)


def as_json(value: "Any") -> None:
    """Write one JSON document."""
    import json

    line(json.dumps(value, indent=2, ensure_ascii=False))


def colour(text: str, kind: str) -> str:
    """The text in a colour, when somebody watches who likes colours."""
    return f"\x1b[{COLOURS[kind]}m{text}\x1b[0m" if coloured() else text


_coloured: bool | None = None


def coloured() -> bool:
    """Whether standard output shows colours."""
    global _coloured
    if _coloured is None:
        if sys.stdout.isatty():
            from mic import config

            _coloured = config.colours_wanted()
        else:
            _coloured = False
    return _coloured


def path(name: str) -> str:
    """A path on one line: `vcs.paths.quote`, which leaves most of them as they are."""
    if name.isprintable() and "\\" not in name:
        return name
    from vcs.paths import quote

    return quote(os.fsencode(name))


def changes(found: "Sequence[Any]") -> None:
    """The list of changed paths, as `mic status` shows it."""
    if not found:
        line("No changes.")
        return
    line(f"Changes ({count(len(found), 'file')}):")
    names = [path(change.path) for change in found]
    width = min(max(len(name) for name in names), 60)
    for change, name in zip(found, names, strict=True):
        word = WORDS.get(change.status, change.status)
        if change.status == "modified" and change.id == change.old_id:
            word = "mode changed"
        line(f"  {colour(LETTERS[change.status], change.status)} {name:<{width}}  ({word})")


def said(title: str, noun: str, notes: "Sequence[Mapping[str, Any]]") -> None:
    """Notes or decisions, one line each."""
    if not notes:
        return
    line()
    line(f"{title} ({count(len(notes), noun)}):")
    for note in notes:
        first, *more = str(note["text"]).splitlines() or [""]
        line(f"  [{note['role']}] {first}")
        for text in more:
            line(f"    {text}")


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ago(seconds: float) -> str:
    """`just now`, `5 minutes ago`, `2 days ago`."""
    for size, noun in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{count(int(seconds // size), noun)} ago"
    return "just now"


def since(stamp: str) -> str:
    """How long ago an RFC 3339 time in UTC was."""
    return ago(max(0.0, time.time() - epoch(stamp)))


def epoch(stamp: str) -> float:
    """Seconds of an RFC 3339 time in UTC."""
    # Not `datetime`: importing it costs a tenth of `mic status`.
    year, month, day = int(stamp[:4]), int(stamp[5:7]), int(stamp[8:10])
    # Days since 1970 of a date (Howard Hinnant, days_from_civil).
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return days * 86400 + int(stamp[11:13]) * 3600 + int(stamp[14:16]) * 60 + float(stamp[17:].rstrip("Z"))


def date(stamp: str) -> str:
    """`2024-01-15 10:30:00 UTC`."""
    return f"{stamp[:10]} {stamp[11:19]} UTC"


def note(text: str) -> None:
    """A sentence beside the answer, on standard error."""
    print(text, file=sys.stderr)


class Progress:
    """A bar on standard error while a terminal is there; nothing otherwise. Threads may share it."""

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        self.what = what
        self.total = total
        self.done = done
        self._shown = 0.0
        self._watched = sys.stderr.isatty() and total > 0
        if self._watched:
            # Imported by who moves contents anyway, and not by `mic status`.
            from threading import Lock

            self._lock = Lock()

    def add(self, amount: int) -> None:
        """Tell of so many more bytes; of fewer, when some must be moved again."""
        if not self._watched:
            return
        with self._lock:
            self.done += amount
            now = time.monotonic()
            if now - self._shown > 0.1:
                self._shown = now
                self._draw()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._watched and self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _draw(self) -> None:
        part = max(0.0, min(1.0, self.done / self.total))
        filled = int(part * 30)
        bar = "━" * filled + "╌" * (30 - filled)
        sys.stderr.write(f"\r\x1b[K{self.what} {bar} {part:4.0%} of {_size(self.total)}")
        sys.stderr.flush()


def _size(number: float) -> str:
    for unit in ("B", "KB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
