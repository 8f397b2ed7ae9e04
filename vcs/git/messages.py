"""Messages of commits: subject, body and the trailers that people and agents end them with."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Message", "read_message"]

_TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class Message:
    """What a commit's message says. `body` is without the trailers."""

    subject: str = ""
    body: str = ""
    trailers: Sequence[tuple[str, str]] = ()

    @property
    def prompts(self) -> list[str]:
        """What its author was asked, as `Prompt:` trailers say."""
        return self.values("Prompt")

    def values(self, name: str) -> list[str]:
        """The values of one trailer, in order."""
        return [value for key, value in self.trailers if key.lower() == name.lower() and value]


def read_message(commit: bytes) -> Message:
    """The message of a commit in git's own bytes, read as its `encoding` says, or as UTF-8."""
    head, _, raw = commit.partition(b"\n\n")
    named = re.search(rb"^encoding (.+)$", head, re.MULTILINE)
    text = _decoded(raw, named[1].decode("ascii", "replace").strip() if named else "utf-8")
    paragraphs = re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\0", "").strip())
    subject, _, more = paragraphs[0].partition("\n")
    trailers = _trailers(paragraphs[-1]) if len(paragraphs) > 1 else []
    rest = paragraphs[1:-1] if trailers else paragraphs[1:]
    return Message(subject.strip(), "\n\n".join([part for part in (more.strip(), *rest) if part]), trailers)


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        return raw.decode("utf-8", "replace")


def _trailers(paragraph: str) -> list[tuple[str, str]]:
    """The last paragraph as trailers; none when any of its lines is something else (git-interpret-trailers).

    A line that begins with a space goes on with the value before it.
    """
    found: list[tuple[str, str]] = []
    for line in paragraph.split("\n"):
        if line[:1] in (" ", "\t") and found:
            key, value = found[-1]
            found[-1] = (key, f"{value}\n{line.strip()}")
        elif match := _TRAILER.fullmatch(line):
            found.append((match[1], match[2].strip()))
        else:
            return []
    return found
