"""Rich errors: a refusal as `google.rpc.Status`, which gRPC clients of every language know how to read.

`grpc-status-details-bin` holds an ErrorInfo (our code as its reason), a BadRequest with what is wrong
with which field, and a RetryInfo with how long to wait. Three small messages are written here by
hand: a dependency would bring all of Google's. Most clients take 8 KB of metadata and the problem
document travels beside this, so it is kept below `MOST` bytes: what is too much is left out.
"""

from collections.abc import Iterator

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration

from backend.core.errors import MicelioError

DETAILS = "grpc-status-details-bin"
DOMAIN = "micelio"
MOST = 1400
_SENTENCE = 200


def status_of(error: MicelioError, number: int, request_id: str) -> bytes:
    """The encoded google.rpc.Status of a refusal; `number` is its gRPC status code."""
    reason = error.code.upper().replace(".", "_")
    info = _field(1, reason) + _field(2, DOMAIN)
    for name, value in (("code", error.code), ("request_id", request_id)):
        info += _field(3, _field(1, name) + _field(2, value))
    body = _number(1, number) + _field(2, error.sentence[:_SENTENCE]) + _detail("ErrorInfo", info)
    if (seconds := error.details.get("retry_after")) is not None:
        wait = Duration(seconds=int(seconds)).SerializeToString()
        body += _detail("RetryInfo", _field(1, wait))
    violations = b""
    for violation in _violations(error):
        if len(body) + len(violations) + len(violation) > MOST - 60:
            break
        violations += violation
    return body + _detail("BadRequest", violations) if violations else body


def _violations(error: MicelioError) -> Iterator[bytes]:
    fields = error.details.get("fields")
    for each in fields if isinstance(fields, list) else ():
        yield _field(
            1, _field(1, str(each["field"])[:_SENTENCE]) + _field(2, str(each["problem"])[:_SENTENCE])
        )


def _detail(name: str, message: bytes) -> bytes:
    packed = Any(type_url=f"type.googleapis.com/google.rpc.{name}", value=message)
    return _field(3, packed.SerializeToString())


def _field(number: int, value: str | bytes) -> bytes:
    content = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
