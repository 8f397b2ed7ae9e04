"""Refusals as google.rpc.Status, read back with the messages as Google's protos have them."""

from dataclasses import replace

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.text_format import Parse

from backend.core.config import RateLimits
from backend.core.errors import NotFound, RateLimited, ValidationFailed
from backend.core.operations import operations
from backend.doors import rich_errors
from tests.backend.doors.faces import rpc_door

GOOGLE = """
name: "google/rpc/all.proto" package: "google.rpc" syntax: "proto3"
dependency: "google/protobuf/any.proto" dependency: "google/protobuf/duration.proto"
message_type { name: "Status"
  field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "details" number: 3 type: TYPE_MESSAGE label: LABEL_REPEATED
    type_name: ".google.protobuf.Any" } }
message_type { name: "RetryInfo"
  field { name: "retry_delay" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL
    type_name: ".google.protobuf.Duration" } }
message_type { name: "ErrorInfo"
  field { name: "reason" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "domain" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "metadata" number: 3 type: TYPE_MESSAGE label: LABEL_REPEATED
    type_name: ".google.rpc.ErrorInfo.MetadataEntry" }
  nested_type { name: "MetadataEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } } }
message_type { name: "BadRequest"
  field { name: "field_violations" number: 1 type: TYPE_MESSAGE label: LABEL_REPEATED
    type_name: ".google.rpc.BadRequest.FieldViolation" }
  nested_type { name: "FieldViolation"
    field { name: "field" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "description" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } } }
"""


@pytest.fixture(scope="module")
def pool() -> DescriptorPool:
    pool = DescriptorPool()
    for known in (any_pb2, duration_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(Parse(GOOGLE, FileDescriptorProto()).SerializeToString())
    return pool


def read(pool, encoded):
    """The status, and its details by name."""
    status = GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status")).FromString(encoded)
    names = [packed.type_url.removeprefix("type.googleapis.com/") for packed in status.details]
    kinds = [GetMessageClass(pool.FindMessageTypeByName(name)) for name in names]
    details = [kind.FromString(packed.value) for kind, packed in zip(kinds, status.details, strict=True)]
    return status, dict(zip(names, details, strict=True))


def test_a_refusal_has_its_code_as_the_reason(pool):
    status, details = read(pool, rich_errors.status_of(NotFound(what="wald und wiese 🌲"), 5, "r1"))

    assert (status.code, "🌲" in status.message, list(details)) == (5, True, ["google.rpc.ErrorInfo"])
    info = details["google.rpc.ErrorInfo"]
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "NOT_FOUND",
        "micelio",
        {"code": "not_found", "request_id": "r1"},
    )


def test_a_wait_and_the_wrong_fields_are_said(pool):
    _, waiting = read(pool, rich_errors.status_of(RateLimited(retry_after=200), 8, "r1"))
    wrong = [{"field": f"f{number}", "problem": "is required"} for number in range(500)]
    encoded = rich_errors.status_of(ValidationFailed(wrong), 3, "r1")
    violations = read(pool, encoded)[1]["google.rpc.BadRequest"].field_violations

    assert waiting["google.rpc.RetryInfo"].retry_delay.seconds == 200
    assert (violations[0].field, violations[0].description) == ("f0", "is required")
    assert len(violations) > 10 and len(encoded) <= rich_errors.MOST


def test_it_travels_with_every_refused_call(pool, world):
    world.forge.settings = replace(world.forge.settings, rates=RateLimits(anonymous=1))
    payload = {"organization": "acme", "project": "open"}
    with rpc_door(world) as door:
        door.call(operations()["get_project"], payload, "")
        with pytest.raises(grpc.RpcError) as refused:
            door.call(operations()["get_project"], payload, "")

    trailing = dict(refused.value.trailing_metadata())
    status, details = read(pool, trailing[rich_errors.DETAILS])
    assert status.code == refused.value.code().value[0]
    assert details["google.rpc.ErrorInfo"].reason == "RATE_LIMITED"
    assert details["google.rpc.RetryInfo"].retry_delay.seconds > 0
