"""The forge as `mic` sees it: rpcs of `vcs.wire` with a token, refusals as errors.

The gRPC address comes from `{instance}/.well-known/micelio`. A token goes out encrypted, or to
this machine, or where `--insecure` says so.
"""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import grpc

from mic import __version__, config, credentials, fetching, render
from mic.address import is_loopback
from mic.errors import NotSignedIn, Plaintext, Refused, Unreachable
from vcs.errors import Kind
from vcs.wire import (
    LARGEST_MESSAGE,
    LARGEST_PROBLEM,
    MOVED,
    MOVED_FROM,
    PROBLEM,
    PROBLEM_LIMIT,
    auth_pb2_grpc,
    invitations_pb2_grpc,
    mirrors_pb2_grpc,
    organizations_pb2_grpc,
    packing,
    projects_pb2,
    projects_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
)

CALL_SECONDS = 600

_KINDS = {
    grpc.StatusCode.INVALID_ARGUMENT: Kind.INVALID,
    grpc.StatusCode.UNAUTHENTICATED: Kind.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: Kind.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: Kind.NOT_FOUND,
    grpc.StatusCode.ABORTED: Kind.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Kind.EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE: Kind.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS: Kind.CORRUPT,
}

# How a call ends whose connection went away, or whose server did.
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)

# Done twice, these would leave something behind that nobody asked for.
_ONCE = ("StartSession",)
_PAUSES = (0.2, 1.0, 2.0, 4.0)

_OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.max_metadata_size", 2 * LARGEST_PROBLEM),
    ("grpc.absolute_max_metadata_size", 2 * LARGEST_PROBLEM),
    ("grpc.primary_user_agent", f"mic/{__version__}"),
    # A connection that died without a word is noticed, and a new one is tried soon.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 15_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    # This is also how long a connection may take to come about, which a busy machine stretches.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    # What a stream has sent and nobody has read yet is lost when this process is killed: a megabyte
    # keeps the widest usual line busy, and the window that gRPC would find for itself is many.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
    # Proxies of the environment are for the web; most of them cannot carry gRPC.
    ("grpc.enable_http_proxy", 0),
]


class Client:
    """One forge. `token` is what calls prove themselves with; empty for a stranger."""

    def __init__(self, instance: str, *, token: str | None = None, insecure: bool = False) -> None:
        self.instance = instance
        self._given = config.token_from_environment() or None if token is None else token
        self._insecure = insecure
        self._channel: grpc.Channel | None = None
        self._live: set[Any] = set()
        self._moved: set[str] = set()

    @property
    def token(self) -> str:
        """What the next call proves itself with: a stored one is renewed when it is about to end."""
        if self._given is not None:
            return self._given
        return credentials.token_for(self.instance, insecure=self._insecure)

    @property
    def auth(self) -> "_Service":
        """People and tokens."""
        return _Service(self, auth_pb2_grpc.AuthServiceStub)

    @property
    def organizations(self) -> "_Service":
        """Organizations."""
        return _Service(self, organizations_pb2_grpc.OrganizationServiceStub)

    @property
    def invitations(self) -> "_Service":
        """Invitations to organizations and projects."""
        return _Service(self, invitations_pb2_grpc.InvitationServiceStub)

    @property
    def projects(self) -> "_Service":
        """Projects and their code."""
        return _Service(self, projects_pb2_grpc.ProjectServiceStub)

    @property
    def mirrors(self) -> "_Service":
        """Mirrors of projects."""
        return _Service(self, mirrors_pb2_grpc.MirrorServiceStub)

    @property
    def sessions(self) -> "_Service":
        """Sessions."""
        return _Service(self, sessions_pb2_grpc.SessionServiceStub)

    def tree(self, request: projects_pb2.GetProjectTreeRequest) -> projects_pb2.TreeResponse:
        """The tree at a ref, its parts put together."""
        whole = projects_pb2.TreeResponse()
        for part in self._streamed(self.projects.stub.GetProjectTree, request):
            whole.MergeFrom(part)
        return whole

    def download(self, project_id: str, wanted: Iterable[tuple[str, int]]) -> Iterator["Incoming"]:
        """Blobs in the order asked for: each an id and the byte to begin at. Use up the pieces of one
        before going on.
        """
        request = projects_pb2.StreamBlobsRequest(project_id=project_id, packed=True)
        for id, offset in wanted:
            request.blob_hashes.append(id)
            request.offsets.append(offset)
        parts = self._streamed(self.projects.stub.StreamBlobs, request)
        try:
            for part in parts:
                if part.WhichOneof("part") == "pack":
                    yield from _unpacked(part.pack)
                else:
                    header = part.header
                    left = header.size - header.offset
                    yield Incoming(header.id, header.size, header.offset, _pieces(parts, left))
        except ValueError as error:
            raise self.strange(str(error)) from None

    def upload(self, messages: Iterator[sessions_pb2.StageBlobsRequest]) -> list[str]:
        """Stage blobs for a session; the ids of those that are stored now."""
        stage = self.sessions.stub.StageBlobs

        def call() -> Any:
            future = stage.future(messages, metadata=self.metadata())
            with self._alive(future):
                return future.result()

        return list(self.answer(call).blobs)

    def once(self, method: Any, request: Any) -> Any:
        """An answer that may get lost on its way: asked for again under the same key, it is done once."""
        metadata = [*self.metadata(), ("idempotency-key", str(uuid4()))]

        def ask() -> Any:
            return self.answer(lambda: self.called(method, request, metadata))

        for pause in _PAUSES:
            try:
                return ask()
            except Unreachable:
                pass
            except Refused as error:
                if error.refusal != "idempotency.running":
                    raise
            time.sleep(pause)
        return ask()

    def cancel(self) -> None:
        """End every stream there is; whoever waits for one is refused."""
        for call in list(self._live):
            call.cancel()

    def require_token(self) -> None:
        """NotSignedIn unless there is a token."""
        if not self.token:
            raise NotSignedIn(instance=self.instance)

    def metadata(self) -> list[tuple[str, str]]:
        """What goes with every call."""
        told = [(PROBLEM_LIMIT, str(LARGEST_PROBLEM))]
        token = self.token
        return [*told, ("authorization", f"Bearer {token}")] if token else told

    def channel(self) -> grpc.Channel:
        """The connection, opened on first use."""
        if self._channel is None:
            parts = urlsplit(self._grpc_url())
            host, port = parts.hostname or "", parts.port
            secure = parts.scheme in ("https", "grpcs")
            if self.token and not secure and not self._insecure and not is_loopback(host):
                raise Plaintext(address=f"{host}:{port}")
            target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            if secure:
                self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), _OPTIONS)
            else:
                self._channel = grpc.insecure_channel(target, _OPTIONS)
        return self._channel

    def answer(self, call: Any) -> Any:
        """The answer of a call; Refused or Unreachable."""
        try:
            return call()
        except grpc.RpcError as error:
            raise self.refusal(error) from None

    def called(self, method: Any, request: Any, metadata: Any) -> Any:
        """Call once, and hear what comes beside the answer."""
        answer, ended = method.with_call(request, metadata=metadata, timeout=CALL_SECONDS)
        self.hear(ended.trailing_metadata())
        return answer

    def hear(self, trailing: Any) -> None:
        """Say once that something has another address now, when an answer brings the word."""
        told = dict(trailing or ())
        new = told.get(MOVED)
        if new is None or new in self._moved:
            return
        self._moved.add(new)
        render.aside(f"{told.get(MOVED_FROM, 'It')} is {new} now. The old address goes on working.")

    def refusal(self, error: Any) -> Refused | Unreachable | NotSignedIn:
        """What a failed call says."""
        trailing = dict(error.trailing_metadata() or ())
        code = error.code()
        document = trailing.get(PROBLEM)
        if document is None:
            problem = error.details() or code.name.lower()
            if code in _LOST:
                return Unreachable(instance=self.instance, problem="gRPC does not answer")
            return self.strange(problem)
        told = json.loads(document)
        kind = _KINDS.get(code, Kind.CORRUPT)
        if kind is Kind.UNAUTHENTICATED and not self.token:
            return NotSignedIn(instance=self.instance)
        return Refused(told["detail"], kind, told["code"], **told.get("details", {}))

    def strange(self, problem: str) -> Refused:
        """The error for an answer that no forge should give."""
        sentence = f"{self.instance} answered strangely: {problem}. Tell an operator."
        return Refused(sentence, Kind.CORRUPT, "mic.answer")

    def close(self) -> None:
        """End the connection."""
        if self._channel is not None:
            self._channel.close()

    def _streamed(self, call: Any, request: Any) -> Iterator[Any]:
        stream = call(request, metadata=self.metadata())
        try:
            with self._alive(stream):
                yield from stream
                self.hear(stream.trailing_metadata())
        except grpc.RpcError as error:
            raise self.refusal(error) from None

    @contextmanager
    def _alive(self, call: Any) -> Iterator[None]:
        """A call that `cancel` ends; it ends with its reader too."""
        self._live.add(call)
        try:
            yield
        finally:
            self._live.discard(call)
            call.cancel()

    def _grpc_url(self) -> str:
        """The gRPC address that the instance tells."""
        status, told = fetching.get(self.instance, "/.well-known/micelio")
        url = str(told.get("grpc_url", "")) if status == 200 else ""
        if not url:
            raise Unreachable(instance=self.instance, problem="it is no Micelio instance")
        return url


class _Service:
    """A stub whose methods are called with a request alone."""

    def __init__(self, client: Client, stub: Any) -> None:
        self._client = client
        self.stub = stub(client.channel())

    def __getattr__(self, rpc: str) -> Any:
        method = getattr(self.stub, rpc)

        def call(request: Any) -> Any:
            client = self._client
            if rpc in _ONCE:
                return client.once(method, request)
            return client.answer(lambda: client.called(method, request, client.metadata()))

        return call


class Incoming(NamedTuple):
    """A blob on its way: of all its bytes, `pieces` bring those from `offset` on."""

    id: str
    size: int
    offset: int
    pieces: Iterable[bytes]


def _unpacked(pack: projects_pb2.BlobPack) -> Iterator[Incoming]:
    data = packing.unsqueezed(pack.data) if pack.zstd else pack.data
    contents = packing.split(data, (header.size for header in pack.headers))
    for header, content in zip(pack.headers, contents, strict=True):
        yield Incoming(header.id, header.size, 0, [content])


def _pieces(parts: Iterator[projects_pb2.BlobChunk], left: int) -> Iterator[bytes]:
    while left > 0:
        part = next(parts, None)
        piece = b"" if part is None else packing.unsqueezed(part.zstd) if part.zstd else part.data
        if not piece or len(piece) > left:
            raise ValueError("a blob has other bytes than its header says")
        left -= len(piece)
        yield piece
