"""Transcripts: pages of `docs/cli` whose commands are run and whose output is compared.

A ```console block holds `$ ` commands, the output of each below it, and `(exit N)` where it
does not succeed. `{name}` stands for anything on a line, and for the same thing wherever it
comes back, also in later commands; a line `...` stands for any lines. What stands on both
output streams is shown as a terminal shows it.
"""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

FORGE = "https://forge.example.org"


@dataclass
class Step:
    """One command of a page with what it must print."""

    line: int
    command: str
    expected: list[str] = field(default_factory=list)
    code: int = 0


def steps(page: str) -> list[Step]:
    """The commands of a page, in order."""
    found: list[Step] = []
    inside = False
    for number, line in enumerate(page.splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(Step(number, line[2:]))
        elif inside and (code := re.fullmatch(r"\(exit (\d+)\)", line)):
            found[-1].code = int(code[1])
        elif inside:
            found[-1].expected.append(line)
    return found


def setting(page: str) -> str:
    """What is there before the first command: `nobody`, `ada` or `workspace`."""
    found = re.search(r"<!-- begins: (\w+) -->", page)
    return found[1] if found else "nobody"


def words(command: str, known: dict[str, str]) -> list[str]:
    """The words of a `mic` command, placeholders filled in."""
    return shlex.split(filled(command, known))[1:]


def filled(text: str, known: dict[str, str]) -> str:
    """Placeholders replaced by what they stood for."""
    return re.sub(r"\{(\w+)\}", lambda m: known.get(m[1], m[0]), text)


def mismatch(step: Step, printed: str, known: dict[str, str]) -> str | None:
    """None when the output is as expected, and `known` has learned; else what was printed."""
    names: dict[str, str] = {}

    def piece(part: str) -> str:
        name = re.fullmatch(r"\{(\w+)\}", part)
        if name is None:
            return re.escape(part)
        if name[1] in known:
            return re.escape(known[name[1]])
        if name[1] in names:
            return f"(?P={name[1]})"
        names[name[1]] = name[1]
        return f"(?P<{name[1]}>.+?)"

    lines = []
    for line in step.expected:
        if line == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append("".join(piece(part) for part in re.split(r"(\{\w+\})", line)) + r" *\n")
    found = re.fullmatch("".join(lines), printed)
    if found is None:
        return printed
    known.update(found.groupdict())
    return None


def pages(folder: Path) -> list[Path]:
    """The pages of commands."""
    return sorted(path for path in folder.glob("*.md") if "```console" in path.read_text())
