"""Errors every slice may raise; a slice adds its own beside the rule it states.

MicelioError                     a sentence, a stable code, details as data (`vcs.errors`)
├── InvalidInput                 INVALID          input.invalid
├── FileTooLarge                 INVALID          file.too_large, over HTTP 413
├── ValidationFailed             INVALID          input.validation, one entry per field
├── Unauthenticated              UNAUTHENTICATED  auth.required, or auth.wrong for bad credentials
├── Forbidden                    FORBIDDEN        auth.forbidden
├── NotFound                     NOT_FOUND        not_found: private and missing are the same
├── Conflict                     CONFLICT         conflict
├── RateLimited                  EXHAUSTED        rate.limited
├── Unavailable                  UNAVAILABLE      unavailable
├── IndexFilling                 UNAVAILABLE      index.filling: a node makes its index anew (`vcs.filling`)
├── StoreFailed                  UNAVAILABLE      store.failed: nothing was changed (`vcs.errors`)
│   ├── DiskFull                 UNAVAILABLE      disk.full: names what lies on that disk
│   └── ReadOnly                 UNAVAILABLE      store.read_only: reads go on
└── InternalError                (a bug)          internal: only doors make it, from a traceback they logged
"""

from collections.abc import Iterator
from typing import Any

from vcs.errors import (
    CorruptObject,
    DiskFull,
    FileTooLarge,
    InvalidInput,
    InvalidPath,
    Kind,
    MicelioError,
    ReadOnly,
    StoreFailed,
)

__all__ = [
    "Conflict",
    "CorruptObject",
    "DiskFull",
    "FileTooLarge",
    "Forbidden",
    "InternalError",
    "InvalidInput",
    "InvalidPath",
    "Kind",
    "MicelioError",
    "NotFound",
    "RateLimited",
    "ReadOnly",
    "StoreFailed",
    "Unauthenticated",
    "Unavailable",
    "ValidationFailed",
    "WrongCredentials",
    "known",
]


def known() -> dict[str, type[MicelioError]]:
    """Every kind of refusal there is, by code."""
    return {error.code: error for error in sorted(_below(MicelioError), key=lambda e: e.code)}


def _below(root: type[MicelioError]) -> Iterator[type[MicelioError]]:
    for child in root.__subclasses__():
        yield child
        yield from _below(child)


class ValidationFailed(MicelioError):
    """Some arguments do not have the shape the operation takes; `fields` lists them."""

    kind = Kind.INVALID
    code = "input.validation"

    def __init__(self, fields: list[dict[str, str]]) -> None:
        first = "; ".join(f"{f['field']}: {f['problem']}" for f in fields[:3])
        more = f" and {len(fields) - 3} more" if len(fields) > 3 else ""
        super().__init__(f"Some of what was sent cannot be used: {first}{more}.", fields=fields)


class Unauthenticated(MicelioError):
    """Nobody is signed in and this needs somebody."""

    kind = Kind.UNAUTHENTICATED
    code = "auth.required"
    message = "Sign in first, or send an access token as `Authorization: Bearer mic_…`."


class WrongCredentials(MicelioError):
    """Credentials were sent and they are not (or no longer) good."""

    kind = Kind.UNAUTHENTICATED
    code = "auth.wrong"
    message = "These credentials are not valid. They may have expired or been revoked; sign in again."


class Forbidden(MicelioError):
    """Known, visible, and still not allowed."""

    kind = Kind.FORBIDDEN
    code = "auth.forbidden"
    message = "{problem}"


class NotFound(MicelioError):
    """Missing, or not for these eyes: nobody can tell which."""

    kind = Kind.NOT_FOUND
    code = "not_found"
    message = "There is no such {what}, or you may not see it."


class Conflict(MicelioError):
    """The state of things does not allow this now."""

    kind = Kind.CONFLICT
    code = "conflict"
    message = "{problem}"


class RateLimited(MicelioError):
    """Too many calls; `retry_after` is in whole seconds."""

    kind = Kind.EXHAUSTED
    code = "rate.limited"
    message = "Too many requests. Try again in {retry_after} s."


class Unavailable(MicelioError):
    """Something this depends on does not answer now; trying again is right."""

    kind = Kind.UNAVAILABLE
    code = "unavailable"
    message = "{problem}"


class InternalError(MicelioError):
    """A bug, as a door tells it: never raised by services."""

    kind = Kind.UNAVAILABLE
    code = "internal"
    message = "That broke on our side and nothing you did was lost. Tell an operator {request_id}."

    def __init__(self, **details: Any) -> None:
        super().__init__(**details)
