"""Answers of the forge as plain values: the same shapes that REST answers with."""

import json
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]

from vcs.paths import quote

_OBJECTS = ("metadata", "body")


def as_dict(message: Message) -> dict[str, Any]:
    """A message by its fields: paths quoted, what is not set None, JSON objects parsed."""
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def all_pages(ask: Callable[..., Any], request: Callable[..., Any], **given: Any) -> list[Any]:
    """Everything of a list that is answered in pages: what `ask` answers to requests with cursors."""
    page = ask(request(limit=100, **given))
    found = list(page.items)
    while page.next:
        page = ask(request(limit=100, cursor=page.next, **given))
        found += page.items
    return found


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
