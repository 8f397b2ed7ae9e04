"""Payloads: what callers write, turned into what an operation takes.

Addresses, query strings and bodies are lenient in form (older names, a bare event for a list
of one) and never in meaning: an argument named twice with two values is refused.
"""

import math
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import from_json

from backend.core.errors import ValidationFailed
from backend.core.operations import Operation
from backend.doors.problems import MalformedBody, WrongMediaType

BODY_LIMIT = 10 * 1024 * 1024
QUERY_METHODS = ("GET", "DELETE")
_WORDS = {
    list: "a list",
    str: "a text",
    bool: "true or false",
    type(None): "null",
    int: "a number",
    float: "a number",
}


def from_query(op: Operation, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Arguments from a query string: a repeated name is a list, an empty number is none at all."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    payload: dict[str, Any] = {}
    for name, values in given.items():
        field = op.arguments.model_fields.get(name)
        if field is not None and _any_of(field.annotation, list):
            payload[name] = values
        elif len(values) > 1:
            raise ValidationFailed([{"field": name, "problem": "is given more than once"}])
        elif values[0] or field is None or _any_of(field.annotation, str):
            payload[name] = values[0]
    return payload


def from_body(op: Operation, content_type: str, body: bytes) -> dict[str, Any]:
    """Arguments from a JSON body; MalformedBody, WrongMediaType or ValidationFailed say what is wrong."""
    if not body.strip():
        return {}
    _check_media_type(content_type, body)
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedBody(problem=str(error)) from None
    if _endless(value):
        raise MalformedBody(problem="a number in it is too large")
    name = bare_argument(op)
    if name and isinstance(value, list):
        return {name: value}
    if not isinstance(value, dict):
        raise MalformedBody(problem=f"it must be an object, not {_WORDS[type(value)]}")
    if name and name not in value and set(value) & _item_fields(op, name):
        return {name: [value]}
    return value


def with_address(op: Operation, payload: Mapping[str, Any], address: Mapping[str, str]) -> dict[str, Any]:
    """The payload under our names, and with what the address says."""
    named = under_our_names(op, payload)
    if differing := sorted(n for n in address if n in named and named[n] != address[n]):
        raise ValidationFailed(
            [{"field": n, "problem": "differs from what the address says; leave it out"} for n in differing]
        )
    return {**named, **address}


def under_our_names(op: Operation, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Older names made ours: `x_handle` and `x_id` for `x`, `id` for what the operation is about,
    and `project: "org/project"` for the two."""
    arguments = op.arguments.model_fields
    named: dict[str, Any] = {}
    for name, value in payload.items():
        ours = name if name in arguments else _ours(op, name)
        named[name if ours in payload else ours] = value
    whole = named.get("project")
    if {"organization", "project"} <= set(arguments) and isinstance(whole, str) and "/" in whole:
        organization, _, project = whole.partition("/")
        if named.setdefault("organization", organization) == organization:
            named["project"] = project
    return named


def _ours(op: Operation, name: str) -> str:
    short = subject(op) if name == "id" else name.removesuffix("_handle").removesuffix("_id")
    if short not in op.arguments.model_fields and name.endswith("_handle"):
        short = "handle"
    return short if short in op.arguments.model_fields else name


def subject(op: Operation) -> str:
    """The argument that says which thing the operation is about, or the empty string."""
    named = [part[1:-1] for part in op.path.split("/") if part.startswith("{")]
    wanted = [name for name in named if name not in ("organization", "project", "path", "ref")]
    return wanted[-1] if wanted else ""


def bare_argument(op: Operation) -> str:
    """The one list an operation takes beside its address, which a body may then be; or nothing."""
    rest = [name for name in op.arguments.model_fields if f"{{{name}}}" not in op.path]
    if len(rest) == 1 and _any_of(op.arguments.model_fields[rest[0]].annotation, list):
        return rest[0]
    return ""


def _item_fields(op: Operation, name: str) -> set[str]:
    for item in get_args(op.arguments.model_fields[name].annotation):
        if isinstance(item, type) and issubclass(item, BaseModel):
            return set(item.model_fields)
    return set()


def _any_of(annotation: Any, wanted: type) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return any(_any_of(part, wanted) for part in get_args(annotation))
    if origin is Annotated:
        return _any_of(get_args(annotation)[0], wanted)
    return (origin or annotation) is wanted


def _check_media_type(content_type: str, body: bytes) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if not kind or kind == "application/json" or kind.endswith("+json"):
        return
    # `curl -d '{…}'` calls its JSON a form.
    if kind == "application/x-www-form-urlencoded" and body.lstrip()[:1] in (b"{", b"["):
        return
    raise WrongMediaType(given=kind)


def _endless(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_endless(v) for v in value.values())
    return isinstance(value, list) and any(_endless(v) for v in value)
