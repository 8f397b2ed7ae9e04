"""Signatures: who wrote a commit and when, as its bytes say it.

Commits come from anywhere: a name may be in any encoding, a date may be missing, odd or before
1970. What cannot be read is left out, never guessed. E-mail addresses are not shown.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from pydantic import BaseModel

from vcs.objects import Commit

_SIGNATURE = re.compile(rb"(.*?) ?<[^>]*>(?: +(-?\d+)(?: +([+-]\d{4}))?)?", re.DOTALL)


class Signature(BaseModel):
    """Who and when, as the commit says; no time when it says none that can be read."""

    name: str
    at: datetime | None


def signature_of(commit: Commit, raw: bytes) -> Signature:
    """A signature line as far as it can be read."""
    match = _SIGNATURE.match(raw)
    if match is None:
        return Signature(name=text_of(commit, raw).strip(), at=None)
    name = text_of(commit, match[1]).strip()
    return Signature(name=name, at=_time(match[2], match[3]))


def text_of(commit: Commit, raw: bytes) -> str:
    """Text in the encoding that the commit names, UTF-8 if none."""
    named = dict(commit.headers).get(b"encoding", b"utf-8").decode("ascii", "replace")
    try:
        return raw.decode(named, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _time(seconds: bytes | None, zone: bytes | None) -> datetime | None:
    if seconds is None or len(seconds) > 12:
        return None
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))
        minutes = int(zone[1:3]) * 60 + int(zone[3:5]) if zone else 0
        sign = -1 if zone and zone.startswith(b"-") else 1
        return at.astimezone(timezone(sign * timedelta(minutes=minutes)))
    except (ValueError, OverflowError):
        return None
