"""Answers of the forge as plain values: the same shapes that REST answers with."""

import json
from typing import Any

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]

from vcs.paths import quote

_OBJECTS = ("metadata", "body")


def as_dict(message: Message) -> dict[str, Any]:
    """A message by its fields: paths quoted, what is not set None, JSON objects parsed."""
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def _field(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_value(field, item) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(field, value)


def _value(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Message):
        return as_dict(value)
    if isinstance(value, bytes):
        return quote(value)
    if field.name in _OBJECTS:
        return json.loads(value or "{}")
    return value
