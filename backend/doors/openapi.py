"""OpenAPI 3.1: the REST door described from the registry, so that it cannot lie.

The few routes that carry bytes are described by hand at the end.
"""

import importlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from backend.core.config import Settings
from backend.core.operations import SCOPES, Operation
from backend.doors import catalogue, payload
from backend.doors.identify import COOKIE
from backend.doors.problems import CONTENT_TYPE, Problem
from backend.doors.rest import MODE_HEADER, UPLOAD
from backend.doors.sparse import FIELDS, MOST

Json = dict[str, Any]

REF = "#/components/schemas/{model}"
ABOUT = """\
Everything people do in the browser and agents do with tools, as plain HTTP.

**Who you are.** Send `Authorization: Bearer mic_…`. People make such a token under Settings; a
program gets one by OAuth device code (RFC 8628), see `/.well-known/oauth-authorization-server`.
Reads of public things need nobody; what is private and what does not exist are answered alike.

**Names.** Projects are `organization` and `project`; `project: "org/project"` says both.

**Refusals** are `application/problem+json` with a stable `type`, a `code`, a sentence in `detail`
and their own data in `details`.

**Pages.** A list with `next` goes on at `?cursor=`; the `Link` header has the whole address.

**Again.** Reads have an `ETag`; send it as `If-None-Match` and what has not changed is a 304. Every
answer has an `X-Request-Id`; send your own to find it in the logs.

**Less.** A read takes `?fields=id,goal,project.handle` and answers with those fields alone; on a list
they are its items'. A name that the schema does not have is a 422 that says so. Lists of projects, landings
and sessions take `?updated_since=2026-01-31T12:00:00Z`; ask the next time with the moment at which you began.

**Nobody's change lost.** Send that `ETag` as `If-Match` with a PATCH, PUT or DELETE of the same address, or
with a POST to a verb below it (`…/rename`, `…/abandon`): when somebody changed it since, it stays as it is
and you get a 412 with the ETag it has now. Tags are strong, of the whole answer (without `fields`); `*` is
any. Where a GET has no address, neither has If-Match.

**Once.** Send an `Idempotency-Key` of your own (a random UUID) with whatever changes something, and send
the same request with the same key when its answer got lost: it is done once and answered alike for 24 hours,
the second time with `Idempotent-Replayed: true`. While the first is being worked on, others get a 409 with
`Retry-After`; the key with another request is a 422. Refusals are repeated too, so a new attempt takes a new
key; what a wait would change (401, 429, 5xx) is not kept. A key is yours and your credential's: a token
with other scopes has keys of its own.

**Paths** of files are text: a byte that is not UTF-8 is written `\\xNN`, a backslash is doubled. In an
address they are percent-encoded bytes, slashes as they are; a slash inside a ref is `%2F`.
"""


def document(settings: Settings) -> Json:
    """The whole description."""
    offered = catalogue.offered("rest")
    models: list[Any] = [(op.arguments, "validation") for op in offered]
    models += [(op.result, "serialization") for op in offered] + [(Problem, "serialization")]
    found, schemas = models_json_schema(models, ref_template=REF)
    components = dict(schemas.get("$defs", {}))
    written: dict[str, Json] = {}
    for op in offered:
        name = found[(op.arguments, "validation")]["$ref"].rpartition("/")[2]
        result = found[(op.result, "serialization")]
        _write(written, op, components.pop(name), result)
    written.update(_byte_routes(components))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Micelio",
            "version": version("micelio"),
            "summary": "A git forge that keeps the prompt, the plan and every tool call beside the change.",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": settings.url or "/"}],
        "tags": list(_tags(offered)),
        "paths": dict(sorted(written.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {"Problem": _problem("Why it was refused.")},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A personal or agent token. Its scopes:\n\n"
                    + "\n".join(f"- `{name}`: {says}" for name, says in SCOPES.items()),
                },
                "browser": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def slice_of(op: Operation) -> str:
    """The slice of the forge an operation lives in."""
    return op.function.__module__.split(".")[1]


def _write(written: dict[str, Json], op: Operation, arguments: Json, result: Json) -> None:
    described = _described(op, arguments, result)
    written.setdefault(op.path, {})[op.method.lower()] = described
    path = op.arguments.model_fields.get("path")
    if op.path.endswith("/{path}") and path is not None and not path.is_required():
        root = [p for p in described["parameters"] if p["name"] != "path"]
        short = {**described, "operationId": f"{op.name}_root", "parameters": root}
        written.setdefault(op.path.removesuffix("/{path}"), {})[op.method.lower()] = short


def _described(op: Operation, arguments: Json, result: Json) -> Json:
    properties: Json = arguments.get("properties", {})
    in_path = [n for n in properties if f"{{{n}}}" in op.path]
    rest = [n for n in properties if n not in in_path]
    required = arguments.get("required", [])
    parameters = [_parameter(n, "path", properties[n], required=True) for n in in_path]
    described: Json = {
        "operationId": op.name,
        "summary": op.summary.rstrip("."),
        "description": _with_scope(op),
        "tags": [slice_of(op)],
        "parameters": parameters,
        "responses": _responses(op, result),
        "security": _security(op),
    }
    if op.method == "GET":
        parameters.append(_FIELDS)
    else:
        parameters.append(_header("If-Match", "The ETag that what you change must still have"))
        parameters.append(_header("Idempotency-Key", "So that the same request is done once"))
    if op.name == UPLOAD:
        _describe_upload(described, properties)
    elif op.method in payload.QUERY_METHODS:
        parameters += [_parameter(n, "query", properties[n], required=n in required) for n in rest]
    elif rest:
        schema = {
            "type": "object",
            "properties": {n: properties[n] for n in rest},
            "additionalProperties": False,
        }
        if needed := [n for n in rest if n in required]:
            schema["required"] = needed
        described["requestBody"] = {
            "required": bool(needed),
            "content": {"application/json": {"schema": _also_bare(op, schema, properties)}},
        }
    return described


def _parameter(name: str, place: str, schema: Json, *, required: bool) -> Json:
    shape = {key: value for key, value in schema.items() if key not in ("title", "default")}
    if not required and schema.get("default") is not None:
        shape["default"] = schema["default"]
    if name == "path" and place == "path":
        shape["minLength"] = 1
    return {"name": name, "in": place, "required": required, "schema": shape}


_FIELDS: Json = {
    "name": FIELDS,
    "in": "query",
    "required": False,
    "description": "Names of fields, with commas between them: only those are answered",
    "schema": {"type": "string", "maxLength": MOST},
}


def _header(name: str, says: str) -> Json:
    shape = {"type": "string"}
    return {"name": name, "in": "header", "required": False, "description": says, "schema": shape}


def _also_bare(op: Operation, schema: Json, properties: Json) -> Json:
    name = payload.bare_argument(op)
    return {"anyOf": [schema, properties[name]]} if name else schema


def _describe_upload(described: Json, properties: Json) -> None:
    mode = {k: v for k, v in properties["mode"].items() if k != "title"}
    described["description"] += "\n\nThe body is the file's content, whatever its `Content-Type` says."
    described["parameters"].append(
        {"name": MODE_HEADER.title(), "in": "header", "required": False, "schema": mode}
    )
    described["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}


def _with_scope(op: Operation) -> str:
    needs = f"A token needs the scope `{op.scope}`." if op.scope else "Any token will do."
    if op.anonymous:
        needs = f"Open to everybody, for what they may see. {needs}"
    return f"{op.description}\n\n{needs}"


def _security(op: Operation) -> list[Json]:
    known: list[Json] = [{"token": [op.scope] if op.scope else []}, {"browser": []}]
    return [*known, {}] if op.anonymous else known


def _responses(op: Operation, result: Json) -> Json:
    headers: Json = {"X-Request-Id": {"schema": {"type": "string"}}}
    for name, says in _RATE.items():
        headers[name] = {"description": says, "schema": {"type": "string"}}
    if op.method == "GET":
        headers["ETag"] = {"schema": {"type": "string"}}
    if op.method != "GET":
        says = "`true` when this is the answer to an earlier request with the same key"
        headers["Idempotent-Replayed"] = {"description": says, "schema": {"type": "string"}}
    if "next" in op.result.model_fields:
        headers["Link"] = {"description": 'The next page, as `rel="next"`', "schema": {"type": "string"}}
    responses: Json = {
        str(op.status): {
            "description": HTTPStatus(op.status).phrase,
            "headers": headers,
            "content": {"application/json": {"schema": result}},
        }
    }
    if op.method == "GET":
        responses["304"] = {"description": "Nothing changed since the ETag you sent"}
    expected = {
        401: "Nobody is signed in, or the credentials are not good",
        404: "Missing, or not for you to see",
    }
    expected |= {422: "Some of what was sent cannot be used", 429: "Too many requests; see `Retry-After`"}
    if op.method != "GET":
        expected |= {412: "Not what If-Match names"}
        expected |= {403: "Seen, and not allowed", 409: "Not in this state of things"}
    responses |= {str(status): _problem(says) for status, says in sorted(expected.items())}
    responses["default"] = {"$ref": "#/components/responses/Problem"}
    return responses


_RATE = {
    "RateLimit-Policy": "How many requests (`q`) in how many seconds (`w`), as the IETF draft writes it",
    "RateLimit": "How many are left (`r`), and for how many seconds (`t`)",
    "Server-Timing": "Milliseconds in the database, the store, in drawing, and in all; 401 and 404 have none",
    "X-RateLimit-Limit": "Requests allowed in a minute",
    "X-RateLimit-Remaining": "How many of them are left",
    "X-RateLimit-Reset": "When they are whole again, in Unix seconds",
}


def _problem(says: str) -> Json:
    return {"description": says, "content": {CONTENT_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}}


def _tags(offered: Iterable[Operation]) -> Iterable[Json]:
    for name in sorted({slice_of(op) for op in offered}):
        about = (importlib.import_module(f"backend.{name}").__doc__ or "").strip()
        _, _, says = about.partition(": ")
        yield {"name": name, "description": says}


def _byte_routes(schemas: Mapping[str, Json]) -> dict[str, Json]:
    """Server-sent events and contents of files, where there are sessions."""
    if "EventOut" not in schemas:
        return {}
    session = {"name": "session", "in": "path", "required": True, "schema": {"type": "string"}}
    several = {
        "name": "session",
        "in": "query",
        "required": True,
        "schema": {"type": "array", "items": {"type": "string"}},
    }
    after = {"name": "after", "in": "query", "required": False, "schema": {"type": "string"}}
    last = {"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}}
    return {
        "/api/v1/sessions/{session}/events/stream": _stream(
            "stream_session_events",
            "Follow one session as it happens",
            "Each message's `id` is the event's sequence and its `data` an EventOut; go on after a break "
            "with `Last-Event-ID` or `?after=`. A comment comes every 15 seconds.",
            [session, after, last],
        ),
        "/api/v1/events/stream": _stream(
            "stream_events",
            "Follow several sessions over one connection",
            "As for one session; the `id` is a cursor that stands for all of them.",
            [several, after, last],
        ),
        "/api/v1/sessions/{session}/blobs": {"post": _blobs([session])},
    }


def _blobs(parameters: list[Json]) -> Json:
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    body = {"type": "object", "properties": {"file": {"type": "array", "items": file}}}
    stored = {
        "description": "Stored",
        "content": {"application/json": {"schema": {"$ref": REF.format(model="BlobList")}}},
    }
    return {
        "operationId": "store_session_blobs",
        "summary": "Send the contents of many files",
        "description": "Each part of the body is a file, at most 500 of them with 32 MiB; their ids come "
        "back in the same order. `push_session` then says where they go.",
        "tags": ["sessions"],
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}},
        "responses": {"201": stored, "default": {"$ref": "#/components/responses/Problem"}},
        "security": [{"token": ["session:write"]}, {"browser": []}],
    }


def _stream(name: str, summary: str, description: str, parameters: list[Json]) -> Json:
    stream = {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "description": description,
            "tags": ["sessions"],
            "parameters": parameters,
            "responses": {"200": stream, "default": {"$ref": "#/components/responses/Problem"}},
            "security": [{"token": ["session:read"]}, {"browser": []}, {}],
        }
    }
