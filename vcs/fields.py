"""Fields: reading stored JSON strictly, one named shape at a time.

A shape takes a parsed value and returns what it means, or raises ValueError with the
problem; `Fields` adds which object and which field it was. What no shape asked for is
kept, so that a newer Micelio's fields survive an older one.
"""

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from vcs.errors import MalformedObject
from vcs.objects import is_object_id, parse_canonical, parse_time
from vcs.store import check_key

__all__ = [
    "Fields",
    "UnknownFormat",
    "decode_ref",
    "each",
    "encode_ref",
    "integer",
    "nonce",
    "object_hex",
    "one_of",
    "optional",
    "pair",
    "ref_name",
    "store_key",
    "time_of",
    "triple",
    "uuid_text",
]

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)


class UnknownFormat(MalformedObject):
    """Something was stored in a format that this version does not know."""

    code = "object.unknown_format"
    message = "The {what} {name} has format {format}, which a newer Micelio wrote. Please upgrade."


class Fields:
    """The fields of one stored JSON object of format 1, taken out one by one."""

    def __init__(self, content: bytes, what: str, name: str | None = None) -> None:
        value = parse_canonical(content, what, name)
        self._what = what
        self._name = name or "without a name"
        if not isinstance(value, dict):
            raise self.refuse("it is no JSON object")
        self._left = value
        number = self.take("format", integer)
        if number != 1:
            raise UnknownFormat(what=what, name=self._name, format=number)

    def take(self, field: str, shape: Callable[[Any], T]) -> T:
        """The field as its shape reads it; MalformedObject when it is missing or another shape."""
        if field not in self._left:
            raise self.refuse(f"`{field}` is missing")
        try:
            return shape(self._left.pop(field))
        except (ValueError, MalformedObject) as error:
            raise self.refuse(f"`{field}` cannot be read: {error}") from error

    def rest(self) -> dict[str, Any]:
        """The fields that nobody took."""
        return self._left

    def refuse(self, problem: str) -> MalformedObject:
        """The error that names this object."""
        return MalformedObject(what=self._what, name=self._name, problem=problem)


def optional(shape: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """None, or this shape."""
    return lambda value: None if value is None else shape(value)


def each(shape: Callable[[Any], T], at_most: int | None = None) -> Callable[[Any], tuple[T, ...]]:
    """A list of this shape with no more items than that."""

    def read(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError("it is no list")
        if at_most is not None and len(value) > at_most:
            raise ValueError(f"{len(value)} items are more than {at_most}")
        return tuple(shape(item) for item in value)

    return read


def one_of(choices: type[Choice]) -> Callable[[Any], Choice]:
    """One of an enum's words."""
    return lambda value: choices(_text(value))


def pair(value: Any) -> tuple[Any, Any]:
    """A list of two."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("it is no list of two")
    return value[0], value[1]


def triple(value: Any) -> tuple[Any, Any, Any]:
    """A list of three."""
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("it is no list of three")
    return value[0], value[1], value[2]


def integer(value: Any) -> int:
    """A whole number from 0 up."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value


def object_hex(value: Any) -> str:
    """An object id or another SHA-256 in hex."""
    if not is_object_id(value):
        raise ValueError(f"{value!r} is no id of 64 hex digits")
    return str(value)


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_NONCE = re.compile(r"[0-9a-f]{32}\Z")


def uuid_text(value: Any) -> str:
    """A UUID in lower case with dashes."""
    if not _UUID.match(_text(value)):
        raise ValueError(f"{value!r} is no UUID")
    return str(value)


def nonce(value: Any) -> str:
    """128 bits in hex."""
    if not _NONCE.match(_text(value)):
        raise ValueError(f"{value!r} is no nonce of 32 hex digits")
    return str(value)


def store_key(value: Any) -> str:
    """A key that a store may have a file under."""
    return check_key(_text(value))


def time_of(value: Any) -> datetime:
    """A time as `format_time` writes it."""
    return parse_time(_text(value))


def ref_name(value: Any) -> str:
    """A ref's name, out of its stored spelling."""
    return decode_ref(_text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


_ENCODED = re.compile(r"(?:[!-$&-~]|%[0-9A-F]{2})+\Z")


def encode_ref(name: str) -> str:
    """A ref's name as JSON and lists spell it: percent-encoded outside `!`..`~` and for `%`.

    Names are UTF-8; bytes that are not come and go as surrogate escapes.
    """
    raw = name.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}" for byte in raw)


def decode_ref(text: str) -> str:
    """The name `encode_ref` spelled; ValueError for a spelling it would not choose."""
    if not _ENCODED.match(text):
        raise ValueError(f"{text!r} is no encoded ref name")
    raw = re.sub(rb"%(..)", lambda match: bytes.fromhex(match[1].decode()), text.encode())
    name = raw.decode("utf-8", "surrogateescape")
    if encode_ref(name) != text:
        raise ValueError(f"{text!r} is not how this ref name is spelled")
    return name
