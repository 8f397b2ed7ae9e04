"""The description of the API is valid, whole and true: generated requests never break anything."""

from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from schemathesis import checks
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.specs.openapi import checks as openapi_checks

from backend.doors import catalogue, openapi, reference, skill
from backend.doors.problems import CONTENT_TYPE
from backend.doors.routes import own_app

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


@pytest.fixture(scope="module")
def requests(template) -> list[tuple[str, list[Case]]]:
    """Generated requests to each described operation that ends; everybody sends the same."""
    with template.copied(template.folder.parent / "generating") as world:
        schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", own_app(world.forge))
        found = [operation.ok() for operation in schema.get_all_operations()]
        return [
            (operation.label, generated(operation))
            for operation in found
            if not operation.definition.raw["operationId"].startswith("stream_")
        ]


@pytest.mark.parametrize("person", ["stranger", "member"])
def test_generated_requests_break_nothing(template, tmp_path, requests, person):
    with template.copied(tmp_path / "world") as world:
        app = own_app(world.forge)
        token = world.token_of(person)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent = [(name, broke(case, app=app, headers=headers)) for name, cases in requests for case in cases]

    assert len(sent) == EXAMPLES * len(requests)
    assert [f"{name}: {problem}" for name, problem in sent if problem] == []


def broke(case: Case, **how) -> str:
    """What was wrong with an answer."""
    try:
        case.call_and_validate(checks=CHECKS, **how)
    except (schemathesis.errors.SchemathesisError, FailureGroup) as failure:
        return str(failure)
    return ""


def generated(operation) -> list[Case]:
    """Cases of one operation, as it is described and otherwise."""
    cases: list[Case] = []

    def keep(case: Case) -> None:
        cases.append(case)

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
    bounded(hypothesis.given(case=strategy)(keep))()
    return cases


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
