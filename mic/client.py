"""The forge as `mic` sees it: rpcs of `vcs.wire` with a token, refusals as errors.

The gRPC address comes from `{instance}/.well-known/micelio`. A token goes out encrypted, or to
this machine, or where `--insecure` says so.
"""

import http.client
import json
import ssl
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import grpc

from mic import __version__, config, credentials
from mic.address import is_loopback
from mic.errors import NotSignedIn, Plaintext, Refused, Unreachable
from vcs.errors import Kind
from vcs.wire import (
    CHUNK,
    LARGEST_MESSAGE,
    LARGEST_PROBLEM,
    PROBLEM,
    PROBLEM_LIMIT,
    auth_pb2_grpc,
    organizations_pb2_grpc,
    projects_pb2,
    projects_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
)

DISCOVERY_SECONDS = 10
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

_OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.max_metadata_size", 2 * LARGEST_PROBLEM),
    ("grpc.absolute_max_metadata_size", 2 * LARGEST_PROBLEM),
    ("grpc.primary_user_agent", f"mic/{__version__}"),
    # Proxies of the environment are for the web; most of them cannot carry gRPC.
    ("grpc.enable_http_proxy", 0),
]


class Client:
    """One forge. `token` is what calls prove themselves with; empty for a stranger."""

    def __init__(self, instance: str, *, token: str | None = None, insecure: bool = False) -> None:
        self.instance = instance
        if token is None:
            token = config.token_from_environment() or credentials.token_for(instance)
        self.token = token
        self._insecure = insecure
        self._channel: grpc.Channel | None = None

    @property
    def auth(self) -> "_Service":
        """People and tokens."""
        return _Service(self, auth_pb2_grpc.AuthServiceStub)

    @property
    def organizations(self) -> "_Service":
        """Organizations."""
        return _Service(self, organizations_pb2_grpc.OrganizationServiceStub)

    @property
    def projects(self) -> "_Service":
        """Projects and their code."""
        return _Service(self, projects_pb2_grpc.ProjectServiceStub)

    @property
    def sessions(self) -> "_Service":
        """Sessions."""
        return _Service(self, sessions_pb2_grpc.SessionServiceStub)

    def download(self, project_id: str, ids: Iterable[str]) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        """Blobs in the order asked for: id, size, pieces. Use up the pieces before going on."""
        request = projects_pb2.StreamBlobsRequest(project_id=project_id, blob_hashes=ids)
        parts = _Parts(self._streamed(self.projects.stub.StreamBlobs, request))
        while (header := parts.header()) is not None:
            yield header.id, header.size, parts.data(header.size)

    def upload(self, session: str, blobs: Iterable[tuple[str, int, bytes, Iterable[bytes]]]) -> list[str]:
        """Stage blobs for a session: id, size, path, pieces of each."""

        def parts() -> Iterator[sessions_pb2.StageBlobsRequest]:
            for id, size, path, pieces in blobs:
                header = sessions_pb2.StageHeader(session_id=session, id=id, size=size, path=path)
                yield sessions_pb2.StageBlobsRequest(header=header)
                for piece in pieces:
                    for at in range(0, len(piece), CHUNK):
                        yield sessions_pb2.StageBlobsRequest(data=piece[at : at + CHUNK])

        stage = self.sessions.stub.StageBlobs
        return list(self.answer(lambda: stage(parts(), metadata=self.metadata())).blobs)

    def require_token(self) -> None:
        """NotSignedIn unless there is a token."""
        if not self.token:
            raise NotSignedIn(instance=self.instance)

    def metadata(self) -> list[tuple[str, str]]:
        """What goes with every call."""
        told = [(PROBLEM_LIMIT, str(LARGEST_PROBLEM))]
        return [*told, ("authorization", f"Bearer {self.token}")] if self.token else told

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

    def refusal(self, error: Any) -> Refused | Unreachable | NotSignedIn:
        """What a failed call says."""
        trailing = dict(error.trailing_metadata() or ())
        code = error.code()
        document = trailing.get(PROBLEM)
        if document is None:
            problem = error.details() or code.name.lower()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return Unreachable(instance=self.instance, problem="gRPC does not answer")
            return Refused(
                f"{self.instance} answered strangely: {problem}. Tell an operator.",
                Kind.CORRUPT,
                "mic.answer",
            )
        told = json.loads(document)
        kind = _KINDS.get(code, Kind.CORRUPT)
        if kind is Kind.UNAUTHENTICATED and not self.token:
            return NotSignedIn(instance=self.instance)
        return Refused(told["detail"], kind, told["code"], **told.get("details", {}))

    def close(self) -> None:
        """End the connection."""
        if self._channel is not None:
            self._channel.close()

    def _streamed(self, call: Any, request: Any) -> Iterator[Any]:
        try:
            yield from call(request, metadata=self.metadata())
        except grpc.RpcError as error:
            raise self.refusal(error) from None

    def _grpc_url(self) -> str:
        """The gRPC address that the instance tells."""
        parts = urlsplit(self.instance)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=DISCOVERY_SECONDS)
        try:
            connection.request("GET", "/.well-known/micelio", headers={"User-Agent": f"mic/{__version__}"})
            response = connection.getresponse()
            told = json.loads(response.read(1 << 20)) if response.status == 200 else {}
            url = str(told.get("grpc_url", ""))
        except ssl.SSLError as error:
            raise Unreachable(instance=self.instance, problem=error.reason or "TLS failed") from None
        except (OSError, http.client.HTTPException) as error:
            problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(instance=self.instance, problem=problem.lower()) from None
        except (ValueError, AttributeError):
            url = ""
        finally:
            connection.close()
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
            return client.answer(lambda: method(request, metadata=client.metadata(), timeout=CALL_SECONDS))

        return call


class _Parts:
    """Splits a stream of headers and data into blobs."""

    def __init__(self, parts: Iterator[projects_pb2.BlobChunk]) -> None:
        self._parts = parts

    def header(self) -> projects_pb2.BlobHeader | None:
        part = next(self._parts, None)
        return None if part is None else part.header

    def data(self, size: int) -> Iterator[bytes]:
        left = size
        while left > 0:
            part = next(self._parts, None)
            if part is None or not part.data:
                return
            left -= len(part.data)
            yield part.data
