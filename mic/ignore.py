"""What is never sent: git's ignore rules, read from `.gitignore` and `.micignore`.

Both files mean the same; where they disagree in one folder, `.micignore` has the last word.
Below them are the rules of `.git/info/exclude`. Patterns are translated to regular expressions
over bytes by the rules of gitignore(5) and git's wildmatch.c; a test compares with
`git check-ignore`.
"""

import os
import re

FILES = (".gitignore", ".micignore")


class Pattern:
    """One line of rules: what it matches, and whether it takes the path back in."""

    __slots__ = ("folders_only", "matches", "negative", "whole_path")

    def __init__(self, line: bytes) -> None:
        self.negative = line.startswith(b"!")
        line = line.removeprefix(b"!")
        self.folders_only = line.endswith(b"/")
        line = line.removesuffix(b"/")
        self.whole_path = b"/" in line
        expression = _expression(line.removeprefix(b"/"))
        self.matches = re.compile(expression, re.DOTALL).fullmatch if expression is not None else _never


class Rules:
    """The rules of one working tree, read as its folders are asked about."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._patterns: dict[str, list[Pattern]] = {}
        self._verdicts: dict[str, bool] = {"": False}

    def ignored(self, folder: str, name: str, *, is_folder: bool) -> bool:
        """Whether a new name in a folder ("" or ending in "/") is ignored, itself or with a folder above."""
        if folder not in self._verdicts:
            parent, _, last = folder[:-1].rpartition("/")
            above = parent + "/" if parent else ""
            self._verdicts[folder] = self.ignored(above, last, is_folder=True)
        return self._verdicts[folder] or self._matched(folder, name, is_folder=is_folder)

    def _matched(self, folder: str, name: str, *, is_folder: bool) -> bool:
        base = os.fsencode(name)
        at = folder
        while True:
            path = os.fsencode(folder[len(at) :]) + base
            for pattern in reversed(self._patterns_of(at)):
                if pattern.folders_only and not is_folder:
                    continue
                if pattern.matches(path if pattern.whole_path else base):
                    return not pattern.negative
            if not at:
                return False
            at = at[: at.rfind("/", 0, -1) + 1]

    def _patterns_of(self, folder: str) -> list[Pattern]:
        if folder not in self._patterns:
            names = [folder + name for name in FILES]
            if not folder:
                names.insert(0, ".git/info/exclude")
            self._patterns[folder] = [p for name in names for p in _read(os.path.join(self.root, name))]
        return self._patterns[folder]


def _read(path: str) -> list[Pattern]:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            data = file.read()
    except OSError:
        # Absent, a folder, a link or unreadable: git takes no rules from any of these either.
        return []
    lines = (line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
    kept = (_without_spaces(line) for line in lines if not line.startswith(b"#"))
    return [Pattern(line) for line in kept if line.strip(b"!/")]


def _without_spaces(line: bytes) -> bytes:
    """Spaces at the end do not count, unless a backslash stands before them."""
    end = at = 0
    while at < len(line):
        if line[at] == 0x5C:
            at += 2
            end = min(at, len(line))
        else:
            at += 1
            if line[at - 1] != 0x20:
                end = at
    return line[:end]


def _never(_: bytes) -> None:
    return None


_STARS = re.compile(rb"\*+")
_LITERAL = re.compile(rb"[^*?[\\]*")


def _expression(glob: bytes) -> bytes | None:
    """The regular expression of a glob; None when it can match nothing."""
    out: list[bytes] = []
    at = 0
    while at < len(glob):
        char = glob[at : at + 1]
        if char == b"\\":
            if at + 1 == len(glob):
                return None
            out.append(re.escape(glob[at + 1 : at + 2]))
            at += 2
        elif char == b"?":
            out.append(b"[^/]")
            at += 1
        elif stars := _STARS.match(glob, at):
            piece, at = _stars(glob, at, stars.end())
            out.append(piece)
        elif char == b"[":
            found = _class(glob, at + 1)
            if found is None:
                return None
            out.append(found[0])
            at = found[1]
        else:
            out.append(re.escape(char))
            at += 1
    return b"".join(out)


def _stars(glob: bytes, start: int, end: int) -> tuple[bytes, int]:
    """Two stars that fill a whole component cross folders; all others stay in theirs.

    Git compares what stands before the first wildcard on its own, so that stars which come
    first open a component wherever they are.
    """
    literal = _LITERAL.match(glob)
    opens = glob[start - 1 : start] in (b"", b"/") or (literal is not None and literal.end() == start)
    if end - start >= 2 and opens and end == len(glob):
        return b".*", end
    if end - start >= 2 and opens and glob[end] == 0x2F:
        return b"(?:.*/)?", end + 1
    return b"[^/]*", end


_POSIX = {
    b"alnum": b"0-9A-Za-z",
    b"alpha": b"A-Za-z",
    b"blank": b" \\t",
    b"cntrl": b"\\x00-\\x1f\\x7f",
    b"digit": b"0-9",
    b"graph": b"\\x21-\\x7e",
    b"lower": b"a-z",
    b"print": b"\\x20-\\x7e",
    b"punct": b"\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
    b"space": b" \\t-\\r",
    b"upper": b"A-Z",
    b"xdigit": b"0-9A-Fa-f",
}


def _class(glob: bytes, at: int) -> tuple[bytes, int] | None:
    """The set after a `[`, and where the glob goes on; None when it does not end or has no such class."""
    negative = glob[at : at + 1] in (b"!", b"^")
    at += negative
    parts: list[bytes] = []
    first = True
    while first or glob[at : at + 1] != b"]":
        first = False
        if glob[at : at + 2] == b"[:":
            name, closed, _ = glob[at + 2 :].partition(b":]")
            if closed and name in _POSIX:
                parts.append(_POSIX[name])
                at += len(name) + 4
                continue
            if closed and b"]" not in name:
                return None
        found = _character(glob, at)
        if found is None:
            return None
        low, at = found
        if glob[at : at + 1] == b"-" and glob[at + 1 : at + 2] not in (b"", b"]"):
            found = _character(glob, at + 1)
            if found is None:
                return None
            high, at = found
            if low <= high:
                parts.append(b"\\x%02x-\\x%02x" % (low, high))
        else:
            parts.append(b"\\x%02x" % low)
    inside = b"".join(parts)
    if negative:
        return b"[^/%s]" % inside, at + 1
    return (b"(?!/)[%s]" % inside if inside else b"(?!)"), at + 1


def _character(glob: bytes, at: int) -> tuple[int, int] | None:
    if glob[at : at + 1] == b"\\":
        at += 1
    return (glob[at], at + 1) if at < len(glob) else None
