"""The description of the API is valid, whole and true: generated requests never break anything."""

from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from schemathesis import checks
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks

from backend.doors import catalogue, openapi, reference, skill
from backend.doors.problems import CONTENT_TYPE
from backend.doors.routes import own_app
from tests.backend.doors.worlds import World

EXAMPLES = 8
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def described(template) -> dict:
    with template.copied(template.folder.parent / "described") as world:
        return openapi.document(world.forge.settings)


def test_the_description_is_valid_openapi(described):
    schemathesis.openapi.from_dict(described).validate()


def test_every_operation_is_described_once_with_its_scope(described):
    written = {o["operationId"]: o for methods in described["paths"].values() for o in methods.values()}

    for op in catalogue.offered("rest"):
        assert written[op.name]["summary"] == op.summary.rstrip(".")
        assert {"token": [op.scope] if op.scope else []} in written[op.name]["security"]
        assert ({} in written[op.name]["security"]) == op.anonymous


def test_every_reference_leads_somewhere(described):
    schemas, responses = described["components"]["schemas"], described["components"]["responses"]

    for ref in references(described):
        kind, name = ref.removeprefix("#/components/").split("/")
        assert name in (schemas if kind == "schemas" else responses), ref


def test_every_refusal_is_a_problem_document(described):
    for methods in described["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status.startswith("4"):
                    assert list(response["content"]) == [CONTENT_TYPE]


def test_the_reference_page_names_every_operation_and_needs_nothing_from_elsewhere(described, settings):
    page = reference.document(settings)

    for methods in described["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    assert "http://" not in page.replace(settings.public_url, "")
    assert "https://" not in page


def test_the_skill_teaches_every_tool(settings):
    text = skill.document(settings)

    for op in catalogue.offered("rest"):
        assert (f"### {op.name}\n" in text) == op.tool


@pytest.mark.parametrize("person", ["stranger", "member"])
def test_generated_requests_break_nothing(template, tmp_path, described, person):
    with template.copied(tmp_path / "world") as world:
        broken = [f"{name}: {problem}" for name, test in fuzzing(world, person) if (problem := broke(test))]

    assert broken == []


def broke(test) -> str:
    """What a test that must not fail found."""
    try:
        test()
    except (schemathesis.errors.SchemathesisError, FailureGroup) as failure:
        return str(failure)
    return ""


def fuzzing(world: World, person: str) -> Iterator[tuple]:
    """A test per described operation that ends."""
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", own_app(world.forge))
    token = world.token_of(person)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.definition.raw["operationId"].startswith("stream_"):
            continue

        def run(case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        bounded = hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        strategy = operation.as_strategy(generation_mode=GenerationMode.POSITIVE) | operation.as_strategy(
            generation_mode=GenerationMode.NEGATIVE
        )
        yield operation.label, bounded(hypothesis.given(case=strategy)(run))


def references(node) -> Iterator[str]:
    """Every `$ref` below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)
