"""What an agent does, through REST or through gRPC, and what it is told.

Each move is safe to ask for again: events carry a client_id, files are what they are, a landing
has its id. `Again` says that no answer came, or none that decides anything.
"""

import http.client
import json
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import quote

import grpc

from vcs.objects import Kind, Object
from vcs.wire import PROBLEM, sessions_pb2_grpc
from vcs.wire import sessions_pb2 as s

ANSWER_SECONDS = 20.0
ORGANIZATION, PROJECT = "soak", "soak"
UNDECIDED = ("session.landing", "landing.unknown", "landing.permit_gone")
"""Refusals that say: ask again with the same id, the sweeper is about to settle it."""
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class Again(Exception):
    """Nobody answered, or nobody knows yet: the same may be asked once more."""


class Refused(Exception):
    """The forge said no; `code` and `detail` are its own."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['status']} {problem['code']}: {problem['detail']}")
        self.code: str = problem["code"]
        self.details: dict[str, Any] = problem.get("details", {})


class Door(Protocol):
    """The five moves of an agent."""

    def start(self, goal: str) -> str:
        """A new session's id."""

    def tell(self, session: str, client_id: str, text: str) -> int:
        """The sequence of an event that is stored."""

    def put(self, session: str, files: dict[str, bytes]) -> None:
        """Push files."""

    def land(self, session: str, landing: str) -> int:
        """The position it landed at."""

    def abandon(self, session: str) -> None:
        """Give the session up."""

    def close(self) -> None:
        """Hang up."""


def told(problem: dict[str, Any]) -> Exception:
    """What a problem document means for whoever asked."""
    undecided = problem["status"] == 503 or problem["code"] in UNDECIDED
    return Again(problem["code"]) if undecided else Refused(problem)


class RestDoor:
    """Over HTTP, one connection kept as long as it lasts."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}"}
        self._connection: http.client.HTTPConnection | None = None

    def start(self, goal: str) -> str:
        asked = {"organization": ORGANIZATION, "project": PROJECT, "goal": goal, "agent": "soak"}
        return str(self._json("POST", "/sessions", asked)["id"])

    def tell(self, session: str, client_id: str, text: str) -> int:
        event = {"kind": "progress", "body": {"text": text}, "client_id": client_id}
        answer = self._json("POST", f"/sessions/{session}/events", {"events": [event]})
        return int(answer["items"][0]["sequence"])

    def put(self, session: str, files: dict[str, bytes]) -> None:
        for path, content in files.items():
            self._ask("PUT", f"/sessions/{session}/files/{quote(path)}", content, "application/octet-stream")

    def land(self, session: str, landing: str) -> int:
        return int(self._json("POST", f"/sessions/{session}/land", {"landing": landing})["position"])

    def abandon(self, session: str) -> None:
        self._json("POST", f"/sessions/{session}/abandon", {})

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _json(self, method: str, path: str, body: Any) -> Any:
        return json.loads(self._ask(method, path, json.dumps(body).encode(), "application/json"))

    def _ask(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        headers = {**self._headers, "Content-Type": kind}
        try:
            self._connection.request(method, f"/api/v1{path}", body, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Again(type(error).__name__) from error
        if response.status < 400:
            return answer
        raise told(json.loads(answer))


class RpcDoor:
    """Over gRPC."""

    def __init__(self, port: int, token: str) -> None:
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self._stub = sessions_pb2_grpc.SessionServiceStub(self._channel)
        self._metadata = [("authorization", f"Bearer {token}")]

    def start(self, goal: str) -> str:
        asked = s.StartSessionRequest(
            organization_handle=ORGANIZATION, project_handle=PROJECT, goal=goal, agent="soak"
        )
        return str(self._ask("StartSession", asked).id)

    def tell(self, session: str, client_id: str, text: str) -> int:
        event = s.EventIn(kind="progress", body=json.dumps({"text": text}), client_id=client_id)
        asked = s.AppendSessionEventsRequest(session_id=session, events=[event])
        return int(self._ask("AppendSessionEvents", asked).items[0].sequence)

    def put(self, session: str, files: dict[str, bytes]) -> None:
        blobs = {path: Object.of(Kind.BLOB, content) for path, content in files.items()}
        self._ask("StageBlobs", (part for blob in blobs.values() for part in _staged(session, blob)))
        puts = [s.FilePut(path=path.encode(), blob=blob.id) for path, blob in blobs.items()]
        self._ask("PushSession", s.PushSessionRequest(session_id=session, files=puts, incremental=True))

    def land(self, session: str, landing: str) -> int:
        return int(
            self._ask("LandSession", s.LandSessionRequest(session_id=session, landing=landing)).position
        )

    def abandon(self, session: str) -> None:
        self._ask("AbandonSession", s.AbandonSessionRequest(session_id=session))

    def close(self) -> None:
        self._channel.close()

    def _ask(self, rpc: str, request: Any) -> Any:
        try:
            return getattr(self._stub, rpc)(request, metadata=self._metadata, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            with suppress(KeyError):
                raise told(json.loads(trailing[PROBLEM])) from error
            if error.code() in _LOST:
                raise Again(error.code().name) from error
            raise


def _staged(session: str, blob: Object) -> list[s.StageBlobsRequest]:
    header = s.StageHeader(session_id=session, id=blob.id, size=len(blob.content))
    return [s.StageBlobsRequest(header=header), s.StageBlobsRequest(data=blob.content)]
