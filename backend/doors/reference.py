"""The API reference: one readable page made from the OpenAPI document, without scripts."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from backend.core import plain_page
from backend.core.config import Settings
from backend.doors import openapi

Json = Mapping[str, Any]

_markdown = MarkdownIt("commonmark", {"html": False})


def document(settings: Settings) -> str:
    """The page."""
    described = openapi.document(settings)
    return plain_page.page("API", "".join(_sections(described)))


def _sections(described: Json) -> Iterable[str]:
    by_tag: dict[str, list[tuple[str, str, Json]]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append((method, path, operation))
    schemas = described["components"]["schemas"]
    yield f'<div class="prose"><h1>The API</h1>{_markdown.render(described["info"]["description"])}'
    yield '<p>For machines: <a href="/api/v1/openapi.json">openapi.json</a>, '
    yield '<a href="/skill.md">skill.md</a>.</p>'
    scopes = described["components"]["securitySchemes"]["token"]["description"]
    yield f"<h2>Tokens</h2>{_markdown.render(scopes)}</div>"
    yield '<nav aria-label="Operations" class="stack">'
    for tag, operations in by_tag.items():
        links = " · ".join(f'<a href="#{o["operationId"]}">{o["operationId"]}</a>' for _, _, o in operations)
        yield f"<p><b>{escape(tag.capitalize())}</b><br>{links}</p>"
    yield "</nav>"
    for tag in described["tags"]:
        says = escape(tag["description"].partition("\n")[0])
        yield '<section class="stack" style="--gap:var(--s10)"><header class="head">'
        yield f"<h2>{escape(tag['name'].capitalize())}</h2></header><p>{says[:1].upper()}{says[1:]}</p>"
        for method, path, operation in by_tag[tag["name"]]:
            yield _operation(method, path, operation)
        yield "</section>"
    yield '<section class="stack" style="--gap:var(--s4)"><header class="head"><h2>Shapes</h2></header>'
    for name, schema in schemas.items():
        about = f"<p>{escape(schema.get('description', ''))}</p>"
        yield f'<h3 id="shape-{name}">{name}</h3>{about}{_fields(schema)}'
    yield "</section>"


def _operation(method: str, path: str, operation: Json) -> str:
    rows = [
        (p["name"], p["in"], p["schema"], p.get("required", False)) for p in operation.get("parameters", [])
    ]
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = body.get("schema", {})
        schema = next(iter(schema.get("anyOf", [schema])))
        needed = schema.get("required", [])
        rows += [(n, "body", s, n in needed) for n, s in schema.get("properties", {}).items()]
        if kind != "application/json":
            rows.append(("(the file)", "body", {"type": kind}, True))
    given = next((r for s, r in operation["responses"].items() if s.startswith("2")), {})
    result = next(iter(given.get("content", {}).values()), {}).get("schema", {})
    return (
        f'<article class="stack" id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>'
        f'<p class="copy"><code>{method.upper()} {escape(path)}</code></p>'
        f"{_markdown.render(operation['description'])}{_table(rows)}"
        f"<p>Answers {_shape(result)}.</p></article>"
    )


def _table(rows: list[tuple[str, str, Json, bool]]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{place}</td><td>{_shape(schema)}</td>"
        f"<td>{'required' if required else _default(schema)}</td></tr>"
        for name, place, schema, required in rows
    )
    head = '<thead><tr><th scope="col">Argument</th><th scope="col">In</th><th scope="col">Shape</th>'
    head += '<th scope="col">Default</th></tr></thead>'
    return f'<div class="scroll"><table class="table">{head}<tbody>{lines}</tbody></table></div>'


def _fields(schema: Json) -> str:
    if "enum" in schema:
        return "<p>" + ", ".join(f"<code>{escape(str(v))}</code>" for v in schema["enum"]) + "</p>"
    lines = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_shape(field)}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    )
    head = '<thead><tr><th scope="col">Field</th><th scope="col">Shape</th></tr></thead>'
    return f'<div class="scroll"><table class="table">{head}<tbody>{lines}</tbody></table></div>'


def _shape(schema: Json) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#shape-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_shape(part) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum") or [schema["const"]]
        return ", ".join(f"<code>{escape(str(v))}</code>" for v in values)
    if schema.get("type") == "array":
        return f"list of {_shape(schema.get('items', {}))}"
    kind = schema.get("format") or schema.get("type") or "anything"
    limits = [f"{words} {schema[key]}" for key, words in _LIMITS.items() if key in schema]
    return escape(", ".join([str(kind), *limits]))


_LIMITS = {
    "minimum": "from",
    "maximum": "to",
    "minLength": "at least",
    "maxLength": "at most",
    "minItems": "at least",
    "maxItems": "at most",
    "pattern": "like",
}


def _default(schema: Json) -> str:
    value = schema.get("default")
    return "" if value in (None, "") else f"<code>{escape(str(value))}</code>"
