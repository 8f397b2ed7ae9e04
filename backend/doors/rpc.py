"""gRPC: every operation that names an rpc, made from the registry, and two streams of content.

A handler finds out who asks, turns the message into a payload, runs `invoke` and fills the
response by field names. A refusal becomes a status code with its sentence, and its problem
document travels in trailing metadata, beside a google.rpc.Status. Contents of blobs never become a
message of their own: they are streamed beside the operations, over the same services.
"""

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from pydantic import BaseModel

from backend.core import moved, observe
from backend.core.context import Actor, Forge
from backend.core.errors import InternalError, InvalidInput, Kind, MicelioError
from backend.core.idempotency import KEY_HEADER, answered
from backend.core.operations import Mode, Operation, invoke
from backend.doors import identify, messages, problems, rich_errors, streams
from backend.doors.catalogue import offered
from backend.doors.requests import CLOSED_BY_CALLER, address_of
from vcs.wire import (
    LARGEST_MESSAGE,
    LARGEST_PROBLEM,
    MOVED,
    MOVED_FROM,
    PROBLEM,
    PROBLEM_LIMIT,
    SMALL_PROBLEM,
    auth_pb2,
    invitations_pb2,
    mirrors_pb2,
    organizations_pb2,
    projects_pb2,
    search_pb2,
    sessions_pb2,
)

THREADS = 48
"""Calls answered at once; a clone or push takes four while it moves contents."""

READ_AHEAD = 4 << 20
"""Bytes of one call that wait in memory to be read: 40 MB/s where an answer takes a tenth of a second."""

SHORTEST_PING_SECONDS = 5
"""Callers that ask more often whether we are still there are sent away."""

GRACE_SECONDS = 3

CODES = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.CORRUPT: grpc.StatusCode.DATA_LOSS,
}

FILES = (
    sessions_pb2,
    projects_pb2,
    organizations_pb2,
    invitations_pb2,
    auth_pb2,
    search_pb2,
    mirrors_pb2,
)

logger = logging.getLogger(__name__)


def services() -> list[ServiceDescriptor]:
    """Every service of the protocol."""
    return [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]


def bound() -> dict[str, Operation]:
    """Operations by the rpc that carries them, "Service.Method"."""
    return {op.rpc: op for op in offered("rpc") if op.rpc}


def start_grpc(forge: Forge, address: str) -> tuple[grpc.Server, int]:
    """A started server and its port. InvalidInput when the address cannot be listened on."""
    server = grpc.server(
        ThreadPoolExecutor(THREADS, thread_name_prefix="rpc"),
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
            # Else callers on a fast line make the library keep as much of a blob as it believes to fit on it.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", READ_AHEAD),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", SHORTEST_PING_SECONDS * 1000),
        ],
    )
    server.add_generic_rpc_handlers([_handlers(forge, service) for service in services()])
    living = health.HealthServicer()
    for name in ("", *(service.full_name for service in services())):
        living.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(living, server)
    names = [service.full_name for service in services()]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        problem = f"{address} cannot be listened on for gRPC. Choose another GRPC_PORT, or end what uses it."
        raise InvalidInput(problem=problem) from None
    server.start()
    return server, port


def serve_grpc(forge: Forge, stop: threading.Event | None = None) -> None:
    """Serve until `stop` is set; without one, until SIGINT or SIGTERM."""
    if stop is None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
    settings = forge.settings
    bind = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    server, port = start_grpc(forge, f"{bind}:{settings.grpc_port}")
    logger.debug("gRPC answers on %s:%d", bind, port)
    stop.wait()
    server.stop(GRACE_SECONDS).wait(GRACE_SECONDS + 1)


def _handlers(forge: Forge, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
    operations_by_rpc = bound()
    methods = {}
    for method in service.methods:
        rpc = f"{service.name}.{method.name}"
        if rpc in streams.SERVED:
            methods[method.name] = _stream(forge, method, streams.SERVED[rpc])
        elif rpc in operations_by_rpc:
            methods[method.name] = _operation(forge, method, operations_by_rpc[rpc])
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _operation(forge: Forge, method: MethodDescriptor, op: Operation) -> grpc.RpcMethodHandler:
    request, response = _classes(method)

    def result(message: Message, call: Call) -> BaseModel:
        actor = call.identified()
        return invoke(forge, actor, op, messages.payload_of(op, message))

    def encode(result: BaseModel) -> bytes:
        return messages.message_of(response, result).SerializeToString()

    def answer(message: Message, context: grpc.ServicerContext) -> Message:
        with Call(forge, method, context) as call:
            key = "" if op.mode is Mode.READS else str(call.metadata.get(KEY_HEADER, ""))
            if not key:
                return messages.message_of(response, result(message, call))
            actor, given = call.identified(), messages.payload_of(op, message)
            kept = answered(forge, actor, op, given, key=key, door="rpc", encode=encode)
            if kept.repeated:
                context.send_initial_metadata((("idempotent-replayed", "true"),))
            return response.FromString(kept.body)

    def answer_in_parts(message: Message, context: grpc.ServicerContext) -> Iterator[Message]:
        with Call(forge, method, context) as call:
            yield from messages.parts_of(response, result(message, call))

    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(
            answer_in_parts, request.FromString, response.SerializeToString
        )
    return grpc.unary_unary_rpc_method_handler(answer, request.FromString, response.SerializeToString)


def _stream(forge: Forge, method: MethodDescriptor, run: Callable[..., Any]) -> grpc.RpcMethodHandler:
    request, response = _classes(method)

    def receive(parts: Iterator[Message], context: grpc.ServicerContext) -> Message:
        with Call(forge, method, context) as call:
            return run(forge, call.identified(), parts)

    def send(message: Message, context: grpc.ServicerContext) -> Iterator[Message]:
        with Call(forge, method, context) as call:
            yield from run(forge, call.identified(), message)

    if method.client_streaming:
        return grpc.stream_unary_rpc_method_handler(receive, request.FromString, response.SerializeToString)
    return grpc.unary_stream_rpc_method_handler(send, request.FromString, response.SerializeToString)


def _classes(method: MethodDescriptor) -> tuple[type[Message], type[Message]]:
    return messages.message_class(method.input_type), messages.message_class(method.output_type)


@dataclass
class Call:
    """One call: who asks; on the way out its refusal, its line in the log and its id."""

    forge: Forge
    method: MethodDescriptor
    context: grpc.ServicerContext
    actor: Actor = field(default_factory=Actor)

    def __enter__(self) -> "Call":
        self.started = time.perf_counter()
        self.metadata = {key: value for key, value in self.context.invocation_metadata()}
        self.id = observe.request_id_from(str(self.metadata.get("x-request-id", "")))
        self.before = observe.request_id.set(self.id)
        self.address = self._address()
        self.listening = moved.listening()
        self.heard = self.listening.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if isinstance(error, MicelioError):
                self._refuse(error)
            elif isinstance(error, grpc.RpcError) and not self.context.is_active():
                # The caller hung up; nobody hears an answer, and nothing is broken here.
                self._log(CLOSED_BY_CALLER)
            elif isinstance(error, Exception):
                # The edge of the process: the traceback goes to the log, the caller gets its id.
                logger.error("request %s failed", self.id, exc_info=error)
                self._refuse(InternalError(request_id=self.id))
            else:
                if self.heard:
                    last = self.heard[-1]
                    self.context.set_trailing_metadata(((MOVED, last.new), (MOVED_FROM, last.old)))
                self._log(200)
        finally:
            self.listening.__exit__(None, None, None)
            observe.request_id.reset(self.before)

    def identified(self) -> Actor:
        """Who asks; WrongCredentials when credentials came and are no good."""
        agent = str(self.metadata.get("user-agent", ""))
        self.actor = Actor(address=self.address, user_agent=agent)
        if authorization := self.metadata.get("authorization"):
            self.actor = identify.from_authorization(self.forge, str(authorization), self.address, agent)
        return self.actor

    def _address(self) -> str:
        # "ipv4:127.0.0.1:50000", "ipv6:%5B::1%5D:50000"
        peer = unquote(self.context.peer()).partition(":")[2].rpartition(":")[0].strip("[]")
        forwarded = str(self.metadata.get("x-forwarded-for", "")).encode("latin-1", "replace")
        scope = {"client": (peer, 0), "headers": [(b"x-forwarded-for", forwarded)] if forwarded else []}
        return address_of(scope, self.forge.settings)

    def _refuse(self, error: MicelioError) -> None:
        problem = problems.problem_of(error, self.forge.settings, self.id)
        self._log(problem.status)
        code = grpc.StatusCode.INTERNAL if isinstance(error, InternalError) else CODES[error.kind]
        document = _fitting(problem, self._limit())
        details = rich_errors.status_of(error, code.value[0], self.id)
        self.context.set_trailing_metadata(
            ((PROBLEM, document), (rich_errors.DETAILS, details), ("x-request-id", self.id))
        )
        self.context.abort(code, error.sentence)

    def _limit(self) -> int:
        announced = str(self.metadata.get(PROBLEM_LIMIT, ""))
        return min(int(announced), LARGEST_PROBLEM) if announced.isdigit() else SMALL_PROBLEM

    def _log(self, status: int) -> None:
        observe.log_request(
            method="RPC",
            path=f"/{self.method.containing_service.full_name}/{self.method.name}",
            status=status,
            seconds=time.perf_counter() - self.started,
            actor=self.actor.handle,
            address=self.address,
        )


def _fitting(problem: problems.Problem, limit: int) -> bytes:
    """The problem as JSON. Callers who take little metadata get the beginning of long lists."""
    document = problem.model_dump()
    body = json.dumps(document, default=str).encode()
    lists = {name: value for name, value in document["details"].items() if isinstance(value, list)}
    while len(body) > limit and any(lists.values()):
        for name, value in lists.items():
            lists[name] = value[: len(value) // 2]
        document["details"] = {**document["details"], **lists, "cut": True}
        body = json.dumps(document, default=str).encode()
    return body
