"""Outcomes: what an attempt of a mirror has to say, and what each attempt needs first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from backend.core.context import Context
from backend.core.errors import Conflict
from backend.portability.models import Mirror
from backend.portability.secrets import unseal
from backend.portability.sources import Credentials


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt: `result` says what was brought, `problem` what is in the way.

    `refused` lists the refs that stayed as they are. `through` is False when the other side was not
    reached or did not take part at all: then the next attempt comes sooner.
    """

    result: str = ""
    problem: str = ""
    refused: Sequence[tuple[str, str]] = ()
    through: bool = True
    seen: str = ""
    sequence: int = -1

    def with_seen(self, seen: str) -> "Outcome":
        """The same, with a digest of what both sides were after it."""
        return replace(self, seen=seen if self.through else "")


class CredentialsLost(Conflict):
    """They were sealed with a key that nobody has any more."""

    code = "mirror.credentials_lost"
    message = "The credentials cannot be opened: SECRET_KEY_BASE is another one now. Give them again."


def credentials_of(ctx: Context, row: Mirror) -> Credentials | None:
    """User and token of a mirror. CredentialsLost."""
    if row.secret is None:
        return None
    found = unseal(ctx.forge.settings, row.secret)
    if found is None:
        raise CredentialsLost
    return found


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 ref", "2 refs"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def staying(refused: Sequence[tuple[str, str]]) -> str:
    """The sentence about refs that stayed as they are; empty when there are none."""
    if not refused:
        return ""
    ref, reason = refused[0]
    first = f"{ref.removeprefix('refs/heads/').removeprefix('refs/')}: {reason}."
    if len(refused) == 1:
        return f"One ref stays as it is. {first}"
    return f"{len(refused)} refs stay as they are. {first}"
