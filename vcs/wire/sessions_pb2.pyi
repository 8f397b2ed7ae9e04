from vcs.wire import projects_pb2 as _projects_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartSessionRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "goal", "agent", "model", "metadata", "base_position")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    BASE_POSITION_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    goal: str
    agent: str
    model: str
    metadata: str
    base_position: int
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., goal: _Optional[str] = ..., agent: _Optional[str] = ..., model: _Optional[str] = ..., metadata: _Optional[str] = ..., base_position: _Optional[int] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "status", "cursor", "limit", "updated_since")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    status: str
    cursor: str
    limit: int
    updated_since: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., status: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ..., updated_since: _Optional[str] = ...) -> None: ...

class ListMySessionsRequest(_message.Message):
    __slots__ = ("status", "cursor", "limit", "updated_since")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    status: str
    cursor: str
    limit: int
    updated_since: str
    def __init__(self, status: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ..., updated_since: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("items", "next")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[SessionSummary]
    next: str
    def __init__(self, items: _Optional[_Iterable[_Union[SessionSummary, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class SessionSummary(_message.Message):
    __slots__ = ("id", "short_id", "organization", "project", "goal", "status", "landing", "author", "author_name", "agent", "model", "base_position", "base_commit", "base_tree", "revision", "files", "additions", "deletions", "events", "summary", "landed_position", "started_at", "updated_at", "ended_at", "url")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHORT_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LANDING_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    BASE_POSITION_FIELD_NUMBER: _ClassVar[int]
    BASE_COMMIT_FIELD_NUMBER: _ClassVar[int]
    BASE_TREE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    ADDITIONS_FIELD_NUMBER: _ClassVar[int]
    DELETIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    LANDED_POSITION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    short_id: str
    organization: str
    project: str
    goal: str
    status: str
    landing: bool
    author: str
    author_name: str
    agent: str
    model: str
    base_position: int
    base_commit: str
    base_tree: str
    revision: int
    files: int
    additions: int
    deletions: int
    events: int
    summary: str
    landed_position: int
    started_at: str
    updated_at: str
    ended_at: str
    url: str
    def __init__(self, id: _Optional[str] = ..., short_id: _Optional[str] = ..., organization: _Optional[str] = ..., project: _Optional[str] = ..., goal: _Optional[str] = ..., status: _Optional[str] = ..., landing: _Optional[bool] = ..., author: _Optional[str] = ..., author_name: _Optional[str] = ..., agent: _Optional[str] = ..., model: _Optional[str] = ..., base_position: _Optional[int] = ..., base_commit: _Optional[str] = ..., base_tree: _Optional[str] = ..., revision: _Optional[int] = ..., files: _Optional[int] = ..., additions: _Optional[int] = ..., deletions: _Optional[int] = ..., events: _Optional[int] = ..., summary: _Optional[str] = ..., landed_position: _Optional[int] = ..., started_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., ended_at: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class SessionResponse(_message.Message):
    __slots__ = ("id", "short_id", "organization", "project", "goal", "status", "landing", "author", "author_name", "agent", "model", "base_position", "base_commit", "base_tree", "revision", "files", "additions", "deletions", "events", "summary", "landed_position", "started_at", "updated_at", "ended_at", "url", "metadata", "conversation", "decisions", "plan", "progress", "changes", "may", "position", "commit", "landing_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHORT_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LANDING_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    BASE_POSITION_FIELD_NUMBER: _ClassVar[int]
    BASE_COMMIT_FIELD_NUMBER: _ClassVar[int]
    BASE_TREE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    ADDITIONS_FIELD_NUMBER: _ClassVar[int]
    DELETIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    LANDED_POSITION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    MAY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    LANDING_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    short_id: str
    organization: str
    project: str
    goal: str
    status: str
    landing: bool
    author: str
    author_name: str
    agent: str
    model: str
    base_position: int
    base_commit: str
    base_tree: str
    revision: int
    files: int
    additions: int
    deletions: int
    events: int
    summary: str
    landed_position: int
    started_at: str
    updated_at: str
    ended_at: str
    url: str
    metadata: str
    conversation: _containers.RepeatedCompositeFieldContainer[_projects_pb2.Said]
    decisions: _containers.RepeatedCompositeFieldContainer[_projects_pb2.Said]
    plan: _containers.RepeatedCompositeFieldContainer[PlanStep]
    progress: str
    changes: _containers.RepeatedCompositeFieldContainer[_projects_pb2.FileChange]
    may: _containers.RepeatedScalarFieldContainer[str]
    position: int
    commit: str
    landing_id: str
    def __init__(self, id: _Optional[str] = ..., short_id: _Optional[str] = ..., organization: _Optional[str] = ..., project: _Optional[str] = ..., goal: _Optional[str] = ..., status: _Optional[str] = ..., landing: _Optional[bool] = ..., author: _Optional[str] = ..., author_name: _Optional[str] = ..., agent: _Optional[str] = ..., model: _Optional[str] = ..., base_position: _Optional[int] = ..., base_commit: _Optional[str] = ..., base_tree: _Optional[str] = ..., revision: _Optional[int] = ..., files: _Optional[int] = ..., additions: _Optional[int] = ..., deletions: _Optional[int] = ..., events: _Optional[int] = ..., summary: _Optional[str] = ..., landed_position: _Optional[int] = ..., started_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., ended_at: _Optional[str] = ..., url: _Optional[str] = ..., metadata: _Optional[str] = ..., conversation: _Optional[_Iterable[_Union[_projects_pb2.Said, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[_projects_pb2.Said, _Mapping]]] = ..., plan: _Optional[_Iterable[_Union[PlanStep, _Mapping]]] = ..., progress: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[_projects_pb2.FileChange, _Mapping]]] = ..., may: _Optional[_Iterable[str]] = ..., position: _Optional[int] = ..., commit: _Optional[str] = ..., landing_id: _Optional[str] = ...) -> None: ...

class PlanStep(_message.Message):
    __slots__ = ("text", "state")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    text: str
    state: str
    def __init__(self, text: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...

class AddSessionNoteRequest(_message.Message):
    __slots__ = ("session_id", "content", "role", "client_id")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    content: str
    role: str
    client_id: str
    def __init__(self, session_id: _Optional[str] = ..., content: _Optional[str] = ..., role: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class AddSessionDecisionRequest(_message.Message):
    __slots__ = ("session_id", "content", "role", "client_id")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    content: str
    role: str
    client_id: str
    def __init__(self, session_id: _Optional[str] = ..., content: _Optional[str] = ..., role: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class EventResponse(_message.Message):
    __slots__ = ("id", "session", "sequence", "time", "actor", "kind", "body", "parent", "client_id", "previous")
    ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    id: str
    session: str
    sequence: int
    time: str
    actor: str
    kind: str
    body: str
    parent: str
    client_id: str
    previous: str
    def __init__(self, id: _Optional[str] = ..., session: _Optional[str] = ..., sequence: _Optional[int] = ..., time: _Optional[str] = ..., actor: _Optional[str] = ..., kind: _Optional[str] = ..., body: _Optional[str] = ..., parent: _Optional[str] = ..., client_id: _Optional[str] = ..., previous: _Optional[str] = ...) -> None: ...

class EventIn(_message.Message):
    __slots__ = ("kind", "body", "parent", "client_id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    kind: str
    body: str
    parent: str
    client_id: str
    def __init__(self, kind: _Optional[str] = ..., body: _Optional[str] = ..., parent: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class AppendSessionEventsRequest(_message.Message):
    __slots__ = ("session_id", "events")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    events: _containers.RepeatedCompositeFieldContainer[EventIn]
    def __init__(self, session_id: _Optional[str] = ..., events: _Optional[_Iterable[_Union[EventIn, _Mapping]]] = ...) -> None: ...

class AppendSessionEventsResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[EventResponse]
    def __init__(self, items: _Optional[_Iterable[_Union[EventResponse, _Mapping]]] = ...) -> None: ...

class ListSessionEventsRequest(_message.Message):
    __slots__ = ("session_id", "after", "limit")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    after: int
    limit: int
    def __init__(self, session_id: _Optional[str] = ..., after: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListSessionEventsResponse(_message.Message):
    __slots__ = ("items", "next")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[EventResponse]
    next: int
    def __init__(self, items: _Optional[_Iterable[_Union[EventResponse, _Mapping]]] = ..., next: _Optional[int] = ...) -> None: ...

class GetSessionDiffRequest(_message.Message):
    __slots__ = ("session_id", "path")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    path: bytes
    def __init__(self, session_id: _Optional[str] = ..., path: _Optional[bytes] = ...) -> None: ...

class MissingBlobsRequest(_message.Message):
    __slots__ = ("session_id", "blobs")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    blobs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, session_id: _Optional[str] = ..., blobs: _Optional[_Iterable[str]] = ...) -> None: ...

class MissingBlobsResponse(_message.Message):
    __slots__ = ("blobs",)
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    blobs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, blobs: _Optional[_Iterable[str]] = ...) -> None: ...

class StageBlobsRequest(_message.Message):
    __slots__ = ("header", "data", "zstd", "pack")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ZSTD_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    header: StageHeader
    data: bytes
    zstd: bytes
    pack: StagePack
    def __init__(self, header: _Optional[_Union[StageHeader, _Mapping]] = ..., data: _Optional[bytes] = ..., zstd: _Optional[bytes] = ..., pack: _Optional[_Union[StagePack, _Mapping]] = ...) -> None: ...

class StagePack(_message.Message):
    __slots__ = ("headers", "data", "zstd")
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ZSTD_FIELD_NUMBER: _ClassVar[int]
    headers: _containers.RepeatedCompositeFieldContainer[StageHeader]
    data: bytes
    zstd: bool
    def __init__(self, headers: _Optional[_Iterable[_Union[StageHeader, _Mapping]]] = ..., data: _Optional[bytes] = ..., zstd: _Optional[bool] = ...) -> None: ...

class StageHeader(_message.Message):
    __slots__ = ("session_id", "id", "size", "path")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    id: str
    size: int
    path: bytes
    def __init__(self, session_id: _Optional[str] = ..., id: _Optional[str] = ..., size: _Optional[int] = ..., path: _Optional[bytes] = ...) -> None: ...

class StageBlobsResponse(_message.Message):
    __slots__ = ("blobs",)
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    blobs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, blobs: _Optional[_Iterable[str]] = ...) -> None: ...

class PushSessionRequest(_message.Message):
    __slots__ = ("session_id", "conversation", "decisions", "files", "message", "incremental")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    INCREMENTAL_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    conversation: _containers.RepeatedCompositeFieldContainer[NoteIn]
    decisions: _containers.RepeatedCompositeFieldContainer[NoteIn]
    files: _containers.RepeatedCompositeFieldContainer[FilePut]
    message: str
    incremental: bool
    def __init__(self, session_id: _Optional[str] = ..., conversation: _Optional[_Iterable[_Union[NoteIn, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[NoteIn, _Mapping]]] = ..., files: _Optional[_Iterable[_Union[FilePut, _Mapping]]] = ..., message: _Optional[str] = ..., incremental: _Optional[bool] = ...) -> None: ...

class NoteIn(_message.Message):
    __slots__ = ("text", "role", "client_id")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    text: str
    role: str
    client_id: str
    def __init__(self, text: _Optional[str] = ..., role: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class FilePut(_message.Message):
    __slots__ = ("path", "blob", "mode")
    PATH_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    path: bytes
    blob: str
    mode: str
    def __init__(self, path: _Optional[bytes] = ..., blob: _Optional[str] = ..., mode: _Optional[str] = ...) -> None: ...

class LandSessionRequest(_message.Message):
    __slots__ = ("session_id", "summary", "require_approval", "landing")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_APPROVAL_FIELD_NUMBER: _ClassVar[int]
    LANDING_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    summary: str
    require_approval: bool
    landing: str
    def __init__(self, session_id: _Optional[str] = ..., summary: _Optional[str] = ..., require_approval: _Optional[bool] = ..., landing: _Optional[str] = ...) -> None: ...

class AbandonSessionRequest(_message.Message):
    __slots__ = ("session_id", "reason")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    reason: str
    def __init__(self, session_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
