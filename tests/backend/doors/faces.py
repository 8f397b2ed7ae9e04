"""The doors of a forge as a test calls them: one operation, one payload, one outcome.

An outcome is what every door must agree on: a code ("ok" when nothing was refused) and the
HTTP status that it means.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc
import httpx
from anyio.from_thread import BlockingPortal
from google.protobuf.message import Message

from backend.core.context import Actor
from backend.core.errors import MicelioError
from backend.core.operations import Operation, invoke
from backend.doors import identify, messages, problems, rpc
from backend.doors.rest import MODE_HEADER, UPLOAD
from backend.doors.routes import own_app
from tests.backend.doors.worlds import World
from vcs import paths
from vcs.wire import PROBLEM

ADDRESS = "192.0.2.99"


class Outcome(NamedTuple):
    """How it ended."""

    code: str
    status: int


class Rest:
    """The REST door, in this process."""

    def __init__(self, world: World, portal: BlockingPortal) -> None:
        self.world, self.portal = world, portal
        transport = httpx.ASGITransport(own_app(world.forge), client=(ADDRESS, 1))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://forge.test")

    def send(self, method: str, address: str, token: str = "", **parts: Any) -> httpx.Response:
        """One request."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **parts.pop("headers", {})}

        async def send() -> httpx.Response:
            return await self.client.request(method, address, headers=headers, **parts)

        return self.portal.call(send)

    def call(
        self, op: Operation, payload: Mapping[str, Any], token: str, content: bytes = b""
    ) -> httpx.Response:
        """An operation at its address."""
        rest = {name: value for name, value in payload.items() if f"{{{name}}}" not in op.path}
        address = address_of(op, payload)
        if op.name == UPLOAD:
            headers = {MODE_HEADER: rest["mode"]} if "mode" in rest else {}
            return self.send(op.method, address, token, content=content, headers=headers)
        if op.method in ("GET", "DELETE"):
            return self.send(op.method, address, token, params=rest)
        return self.send(op.method, address, token, json=rest)

    def outcome(self, op: Operation, payload: Mapping[str, Any], token: str, content: bytes) -> Outcome:
        """How the operation ends here."""
        return outcome_of(self.call(op, payload, token, content))


class Face:
    """What pages call: the pipeline itself."""

    def __init__(self, world: World) -> None:
        self.forge = world.forge

    def outcome(self, op: Operation, payload: Mapping[str, Any], token: str, content: bytes) -> Outcome:
        """How the operation ends here."""
        actor = Actor(address=ADDRESS)
        if token:
            actor = identify.from_authorization(self.forge, f"Bearer {token}", ADDRESS)
        try:
            invoke(self.forge, actor, op, payload)
        except MicelioError as error:
            return Outcome(error.code, problems.status_of(error))
        return Outcome("ok", op.status)


class Rpc:
    """The gRPC door, over a socket."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def outcome(
        self, op: Operation, payload: Mapping[str, Any], token: str, content: bytes
    ) -> Outcome | None:
        """How the operation ends here; None when its message cannot say this payload."""
        try:
            self.call(op, payload, token)
        except Unsayable:
            return None
        except grpc.RpcError as error:
            problem = problem_of(error)
            told = {kind.value: code for kind, code in rpc.CODES.items()}
            kinds = [kind for kind, status in problems.STATUS.items() if status == problem["status"]]
            assert error.code() in [told[kind.value] for kind in kinds], problem
            return Outcome(problem["code"], problem["status"])
        return Outcome("ok", op.status)

    def call(self, op: Operation, payload: Mapping[str, Any], token: str) -> Message:
        """The response message; raises grpc.RpcError, and Unsayable."""
        service, _, method = op.rpc.partition(".")
        described = next(s for s in rpc.services() if s.name == service)
        described_method = described.methods_by_name[method]
        request = messages.message_class(described_method.input_type)()
        response = messages.message_class(described_method.output_type)
        for name, value in payload.items():
            _say(request, name, value)
        in_parts = described_method.server_streaming
        send = (self.channel.unary_stream if in_parts else self.channel.unary_unary)(
            f"/{described.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token else []
        answer = send(request, metadata=metadata, timeout=30)
        if not in_parts:
            return answer
        whole = response()
        for part in answer:
            whole.MergeFrom(part)
        return whole


class Unsayable(Exception):
    """A message has no field for this."""


@contextmanager
def rpc_door(world: World) -> Iterator[Rpc]:
    """A gRPC server and a channel to it."""
    server, port = rpc.start_grpc(world.forge, "127.0.0.1:0")
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Rpc(channel)
    finally:
        server.stop(None).wait()


def carries(op: Operation) -> bool:
    """Whether gRPC carries an operation."""
    service, _, method = op.rpc.partition(".")
    return any(s.name == service and method in s.methods_by_name for s in rpc.services())


def address_of(op: Operation, payload: Mapping[str, Any]) -> str:
    """The REST address of an operation for a payload, without the query."""
    address = op.path
    for name, value in payload.items():
        raw = paths.unquote(value) if name == "path" else str(value).encode()
        address = address.replace(f"{{{name}}}", quote(raw, safe="/" if name == "path" else ""))
    return address.removesuffix("/{path}").replace("{ref}", "HEAD")


def outcome_of(response: httpx.Response) -> Outcome:
    """What a response says."""
    if response.is_success:
        return Outcome("ok", response.status_code)
    assert response.headers["content-type"] == problems.CONTENT_TYPE
    problem = response.json()
    assert problem["status"] == response.status_code
    return Outcome(problem["code"], response.status_code)


def problem_of(error: grpc.RpcError) -> dict[str, Any]:
    """The problem document in a call's trailing metadata."""
    return json.loads(next(value for key, value in error.trailing_metadata() if key == PROBLEM))


def _say(message: Message, name: str, value: Any) -> None:
    fields = message.DESCRIPTOR.fields_by_name
    known = next((n for n in (name, f"{name}_handle", f"{name}_id") if n in fields), None)
    if known is None and name == "handle":
        known = next((n for n in fields if n.endswith("_handle")), None)
    if known is None:
        raise Unsayable
    field = fields[known]
    if field.is_repeated and field.message_type is not None:
        for item in value:
            added = getattr(message, known).add()
            for key, part in item.items():
                _say(added, key, part)
    elif field.is_repeated:
        getattr(message, known).extend(_spoken(field, item) for item in value)
    else:
        setattr(message, known, _spoken(field, value))


def _spoken(field: Any, value: Any) -> Any:
    if field.type == field.TYPE_BYTES:
        return paths.unquote(value)
    return json.dumps(value) if isinstance(value, Mapping) else value
