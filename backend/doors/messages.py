"""Messages: protobuf turned into what an operation takes, and schemas into protobuf, by field name.

Paths are bytes in messages and quoted text in operations; JSON objects of callers are text in
messages. Fields that hold their default count as not given, unless the proto marks them `optional`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from pydantic import BaseModel

from backend.core.errors import ValidationFailed
from backend.core.operations import Operation
from backend.doors import payload
from vcs import paths
from vcs.objects import format_time

OBJECTS = ("metadata", "body")
"""Fields that carry a JSON object as text."""

PART_ITEMS = 5000
"""Items in one part of a long list; paths as long as they may be still fit into a message."""


def payload_of(op: Operation, message: Message) -> dict[str, Any]:
    """The arguments a request message holds, under the operation's names."""
    given = _given(message)
    # Every project begins with an empty tree.
    given.pop("initialize", None)
    if "incremental" in message.DESCRIPTOR.fields_by_name:
        given["complete"] = not given.pop("incremental", False)
    named = payload.under_our_names(op, given)
    # An empty list cannot be told from none on this wire: where one is needed, it is meant.
    for field in message.DESCRIPTOR.fields:
        argument = op.arguments.model_fields.get(field.name)
        if field.is_repeated and argument is not None and argument.is_required():
            named.setdefault(field.name, [])
    return named


def message_of(kind: type[Message], result: BaseModel) -> Message:
    """The response message that says what a schema says."""
    message = kind()
    _fill(message, {name: getattr(result, name) for name in type(result).model_fields})
    return message


def parts_of(kind: type[Message], result: BaseModel) -> Iterator[Message]:
    """The same message in parts that each fit on the wire: merged in order they are it again."""
    values = {name: getattr(result, name) for name in type(result).model_fields}
    items = values["items"]
    for at in range(0, max(1, len(items)), PART_ITEMS):
        part = kind()
        _fill(part, {**(values if at == 0 else {}), "items": items[at : at + PART_ITEMS]})
        yield part


def message_class(descriptor: Descriptor) -> type[Message]:
    """The class of a message."""
    return GetMessageClass(descriptor)


def unanswered(kind: type[Message], schema: type[BaseModel]) -> list[str]:
    """Fields of a schema that its message does not carry."""
    return sorted(set(schema.model_fields) - {field.name for field in kind.DESCRIPTOR.fields})


def _given(message: Message) -> dict[str, Any]:
    return {field.name: _read(field, value) for field, value in message.ListFields()}


def _read(field: FieldDescriptor, value: Any) -> Any:
    if field.is_repeated:
        return [_read_one(field, item) for item in value]
    return _read_one(field, value)


def _read_one(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _given(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return paths.quote(value)
    if field.name in OBJECTS:
        return _object(field.name, value)
    return value


def _object(name: str, text: str) -> Any:
    try:
        # Numbers that JSON does not have would pass here and fail where events are hashed.
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ValidationFailed([{"field": name, "problem": "is not a JSON object"}]) from None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _fill(message: Message, values: Mapping[str, Any]) -> None:
    for field in message.DESCRIPTOR.fields:
        value = values.get(field.name)
        if value is None:
            continue
        if field.is_repeated:
            _extend(message, field, value)
        elif field.message_type is not None:
            _fill(getattr(message, field.name), _values(value))
        else:
            setattr(message, field.name, _scalar(field, value))


def _extend(message: Message, field: FieldDescriptor, values: Iterable[Any]) -> None:
    items = getattr(message, field.name)
    if field.message_type is None:
        items.extend(_scalar(field, value) for value in values)
        return
    for value in values:
        _fill(items.add(), _values(value))


def _values(value: BaseModel | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    return value


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return paths.unquote(value)
    convert = _CONVERSIONS.get(type(value))
    if convert is not None:
        return convert(value)
    return value.value if isinstance(value, StrEnum) else value


_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    datetime: format_time,
    dict: lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
}
