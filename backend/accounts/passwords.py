"""Passwords: what is good enough, and how it is kept.

Kept as argon2id with the second recommended option of RFC 9106 (64 MiB, 3 passes), over the
NFKC form, so that the same keys typed on another system give the same password. Length does
most of the work; the rules below only refuse what guessing programs try first
(NIST SP 800-63B, 5.1.1.2): common passwords, patterns, and what anybody knows about the person.
"""

import re
import unicodedata
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.core.context import Forge
from backend.core.errors import Kind, MicelioError

SHORTEST = 12
LONGEST = 1024
AT_ONCE = 4

_COMMON = Path(__file__).with_name("common_passwords.txt")
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
    "qazwsxedcrfvtgbyhnujm",
)
_BOTH_WAYS = _ROWS + tuple(row[::-1] for row in _ROWS)
_LEET = str.maketrans("013457@$!", "oieastasi")


class WeakPassword(MicelioError):
    """A password that would be guessed; each reason has its own code."""

    kind = Kind.INVALID
    code = "password.weak"
    message = "This password would be guessed. Choose another one."


class ShortPassword(WeakPassword):
    """Too few characters."""

    code = "password.short"
    message = "The password is too short. Use at least {shortest} characters; a few unrelated words are best."


class LongPassword(WeakPassword):
    """More characters than anybody types."""

    code = "password.long"
    message = "The password is too long. Use at most {longest} characters."


class PersonalPassword(WeakPassword):
    """It holds the handle, the e-mail address or the name."""

    code = "password.personal"
    message = "The password contains {known}, which others know. Leave it out."


class PatternPassword(WeakPassword):
    """It repeats itself or walks along the keyboard."""

    code = "password.pattern"
    message = "The password is a simple pattern. Use several unrelated words instead."


class CommonPassword(WeakPassword):
    """It is on the list, or is a word of it with decoration."""

    code = "password.common"
    message = "The password is one that many people use. Choose another one."


def check_password(password: str, *, about: tuple[str, ...] = ()) -> None:
    """Raise the WeakPassword that fits. `about` is what others know: handle, e-mail, name."""
    text = unicodedata.normalize("NFKC", password)
    if len(text) < SHORTEST:
        raise ShortPassword(shortest=SHORTEST)
    if len(text) > LONGEST:
        raise LongPassword(longest=LONGEST)
    lower = text.casefold()
    if known := _known_part(lower, about):
        raise PersonalPassword(known=known)
    if _repeats(lower) or _walks(lower):
        raise PatternPassword
    if lower in _common() or _decorated(lower):
        raise CommonPassword


class Passwords:
    """Hashing with one set of costs, which every hash carries along."""

    def __init__(self, time_cost: int = 3, memory_cost: int = 65536, parallelism: int = 4) -> None:
        self._hasher = PasswordHasher(time_cost, memory_cost, parallelism)
        # Each takes 64 MiB while it runs: many sign-ins at once wait instead of filling the memory.
        self._turns = BoundedSemaphore(AT_ONCE)
        self._nobody = self.hash("the password of nobody")

    def hash(self, password: str) -> str:
        """What is stored; takes tens of milliseconds, so never call it inside a transaction."""
        with self._turns:
            return self._hasher.hash(unicodedata.normalize("NFKC", password))

    def verify(self, stored: str, password: str) -> bool:
        """Whether it is the password. Without a stored one this takes as long, and is False."""
        given = unicodedata.normalize("NFKC", password[: 4 * LONGEST])
        try:
            with self._turns:
                return self._hasher.verify(stored or self._nobody, given) and bool(stored)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, stored: str) -> bool:
        """True when it was made with other costs and should be made again at the next sign-in."""
        return self._hasher.check_needs_rehash(stored)


def passwords(forge: Forge) -> Passwords:
    """The hasher of this process."""
    return forge.part(Passwords, Passwords)


def _known_part(lower: str, about: tuple[str, ...]) -> str | None:
    for known in about:
        whole = known.casefold()
        parts = [whole, whole.partition("@")[0]] if "@" in whole else [whole]
        for part in parts:
            if len(part) >= 3 and part in lower:
                return part
    return None


def _repeats(lower: str) -> bool:
    """True when a piece of at most half its length, over and over, makes all of it; or few characters do."""
    periods = range(1, len(lower) // 2 + 1)
    return len(set(lower)) < 5 or any(lower[period:] == lower[:-period] for period in periods)


def _walks(lower: str) -> bool:
    """True when it is made of pieces along an alphabet or a keyboard row, 3 characters or more on average."""
    rest, pieces = lower, 0
    while rest:
        length = max(_walk_length(rest, row) for row in _BOTH_WAYS)
        rest, pieces = rest[max(1, length) :], pieces + 1
    return pieces * 3 <= len(lower)


def _walk_length(text: str, row: str) -> int:
    length = 0
    while length < len(text) and text[: length + 1] in row:
        length += 1
    return length


def _decorated(lower: str) -> bool:
    """True for a common word with a few digits and signs around it: `p4ssw0rd!2024`."""
    core = _core(lower)
    return len(core) >= 5 and len(lower) - len(core) <= 8 and core in _common_cores()


def _core(lower: str) -> str:
    bare = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lower)
    return re.sub(r"[\W\d_]", "", bare.translate(_LEET))


@cache
def _common() -> frozenset[str]:
    lines = (line.strip() for line in _COMMON.read_text("utf-8").splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


@cache
def _common_cores() -> frozenset[str]:
    return frozenset(core for line in _common() if (core := _core(line)))
