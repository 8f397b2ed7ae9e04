"""Sparse answers: `?fields=id,goal,project.name` leaves out of a read whatever it does not name.

The names are those of the schema, so a wrong one is refused whatever the data; on a list they are
those of its items, and what is around the items (`next`) stays.
"""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from backend.core.errors import ValidationFailed

FIELDS = "fields"
MOST = 2000


def chosen(result: type[BaseModel], text: str) -> dict[str, Any]:
    """What `model_dump_json(include=...)` takes for these names; ValidationFailed names a wrong one."""
    if len(text) > MOST:
        raise ValidationFailed([{"field": FIELDS, "problem": f"is longer than {MOST} characters"}])
    around = result.model_fields
    is_list = "items" in around
    schema = _model(around["items"].annotation) if is_list else result
    wanted: dict[str, Any] = {}
    wrong = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if not _choose(wanted, schema, name.split(".")):
            wrong.append({"field": FIELDS, "problem": f"{name[:100]} is no field of {_says(schema)}"})
    if wrong:
        raise ValidationFailed(wrong)
    if not wanted:
        raise ValidationFailed([{"field": FIELDS, "problem": "names nothing"}])
    if is_list:
        return {**{name: True for name in around if name != "items"}, "items": {"__all__": wanted}}
    return wanted


def _choose(wanted: dict[str, Any], schema: type[BaseModel] | None, names: list[str]) -> bool:
    """Add one dotted name; False when the schema has none such."""
    if schema is None or names[0] not in schema.model_fields:
        return False
    name, rest = names[0], names[1:]
    if not rest:
        wanted[name] = True
        return True
    annotation = schema.model_fields[name].annotation
    below: dict[str, Any] = {}
    before = wanted.get(name)
    if isinstance(before, dict):
        below = before.get("__all__", before)
    if not _choose(below, _model(annotation), rest):
        return False
    if before is not True:
        wanted[name] = {"__all__": below} if _is_list(annotation) else below
    return True


def _model(annotation: Any) -> type[BaseModel] | None:
    """The one schema inside an annotation, through lists and what may be null."""
    return next(
        (part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel)), None
    )


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in _parts(annotation))


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    if get_origin(annotation) in (Union, UnionType, Annotated, list):
        for part in get_args(annotation):
            yield from _parts(part)


def _says(schema: type[BaseModel] | None) -> str:
    return "this answer" if schema is None else f"{schema.__name__}: it has {', '.join(schema.model_fields)}"
