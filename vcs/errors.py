"""Errors: every refusal in the house says what happened and what to do.

This is the one root of them all; `backend.core.errors` draws the whole tree. An error
knows its `Kind` and a stable `code`, and keeps its details as data. It never knows how
a door shows it: REST makes a problem document of it, gRPC a status, `mic` an exit code.
"""

from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What sort of refusal this is; doors map it to their own status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    CORRUPT = "corrupt"


class MicelioError(Exception):
    """A refusal with a sentence, a stable code and its details as data."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "invalid"
    message: ClassVar[str] = "That cannot be done."

    def __init__(self, sentence: str | None = None, /, **details: Any) -> None:
        self.details = details
        self.sentence = sentence if sentence is not None else self.message.format(**details)
        super().__init__(self.sentence)


class InvalidInput(MicelioError):
    """What was given cannot be used as it is."""

    kind = Kind.INVALID
    code = "input.invalid"
    message = "{problem}"


class MalformedObject(MicelioError):
    """Bytes that are not a well-formed object of the type they claim."""

    kind = Kind.CORRUPT
    code = "object.malformed"
    message = "The {what} {name} is malformed: {problem}."


class CorruptObject(MicelioError):
    """An object is missing from the store or its bytes do not match its id."""

    kind = Kind.CORRUPT
    code = "object.corrupt"
    message = "Object {id} is damaged or missing: {problem}. Run `micelio doctor` to find out more."


class InvalidPath(MicelioError):
    """A path that no tree of ours may hold."""

    kind = Kind.INVALID
    code = "path.invalid"
    message = "The path {path} cannot be stored: {problem}."


class FileTooLarge(MicelioError):
    """A content is longer than any file may be."""

    kind = Kind.INVALID
    code = "file.too_large"
    message = "{file} has more than 5 GiB, the most a file may have. Nothing was changed."


class StoreFailed(MicelioError):
    """The store certainly refused to write or could not read; nothing was changed."""

    kind = Kind.UNAVAILABLE
    code = "store.failed"
    message = "The store could not be used: {problem}. Nothing was changed."


class DiskFull(StoreFailed):
    """There is no room for what should be written; nothing was changed."""

    code = "disk.full"
    message = "The disk that holds {what} is full. Nothing was changed; make room there, then try again."


class ReadOnly(StoreFailed):
    """What should be changed can only be read; nothing was changed."""

    code = "store.read_only"
    message = (
        "This forge can be read but not written just now: {what} does not take changes. Nothing was changed."
    )
