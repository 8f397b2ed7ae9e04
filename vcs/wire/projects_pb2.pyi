from vcs.wire import invitations_pb2 as _invitations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListCollaboratorsRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "cursor", "limit")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    cursor: str
    limit: int
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListCollaboratorsResponse(_message.Message):
    __slots__ = ("items", "next")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[CollaboratorResponse]
    next: str
    def __init__(self, items: _Optional[_Iterable[_Union[CollaboratorResponse, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class UpdateCollaboratorRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "handle", "role")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    handle: str
    role: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., handle: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class RemoveCollaboratorRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., handle: _Optional[str] = ...) -> None: ...

class CollaboratorResponse(_message.Message):
    __slots__ = ("organization", "project", "handle", "name", "role", "added_at")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ADDED_AT_FIELD_NUMBER: _ClassVar[int]
    organization: str
    project: str
    handle: str
    name: str
    role: str
    added_at: str
    def __init__(self, organization: _Optional[str] = ..., project: _Optional[str] = ..., handle: _Optional[str] = ..., name: _Optional[str] = ..., role: _Optional[str] = ..., added_at: _Optional[str] = ...) -> None: ...

class InviteCollaboratorRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "invitee", "role")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    INVITEE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    invitee: str
    role: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., invitee: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class ListCollaboratorInvitationsRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ...) -> None: ...

class CreateProjectRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "name", "description", "visibility", "initialize")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    INITIALIZE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    name: str
    description: str
    visibility: str
    initialize: bool
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., visibility: _Optional[str] = ..., initialize: _Optional[bool] = ...) -> None: ...

class ForkProjectRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "into", "handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    INTO_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    into: str
    handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., into: _Optional[str] = ..., handle: _Optional[str] = ...) -> None: ...

class ListForksRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "cursor", "limit")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    cursor: str
    limit: int
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GetProjectRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ...) -> None: ...

class UpdateProjectRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "name", "description", "website", "visibility", "archived", "protect_main_branch", "who_may_propose", "session_visibility")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    WEBSITE_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    PROTECT_MAIN_BRANCH_FIELD_NUMBER: _ClassVar[int]
    WHO_MAY_PROPOSE_FIELD_NUMBER: _ClassVar[int]
    SESSION_VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    name: str
    description: str
    website: str
    visibility: str
    archived: bool
    protect_main_branch: bool
    who_may_propose: str
    session_visibility: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., website: _Optional[str] = ..., visibility: _Optional[str] = ..., archived: _Optional[bool] = ..., protect_main_branch: _Optional[bool] = ..., who_may_propose: _Optional[str] = ..., session_visibility: _Optional[str] = ...) -> None: ...

class RenameProjectRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., handle: _Optional[str] = ...) -> None: ...

class TransferProjectRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "into", "handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    INTO_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    into: str
    handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., into: _Optional[str] = ..., handle: _Optional[str] = ...) -> None: ...

class DeleteProjectRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ...) -> None: ...

class DeletedProjectResponse(_message.Message):
    __slots__ = ("id", "organization", "handle", "name", "deleted_at", "erased_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_FIELD_NUMBER: _ClassVar[int]
    ERASED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    organization: str
    handle: str
    name: str
    deleted_at: str
    erased_at: str
    def __init__(self, id: _Optional[str] = ..., organization: _Optional[str] = ..., handle: _Optional[str] = ..., name: _Optional[str] = ..., deleted_at: _Optional[str] = ..., erased_at: _Optional[str] = ...) -> None: ...

class ListDeletedProjectsRequest(_message.Message):
    __slots__ = ("organization_handle",)
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    def __init__(self, organization_handle: _Optional[str] = ...) -> None: ...

class ListDeletedProjectsResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[DeletedProjectResponse]
    def __init__(self, items: _Optional[_Iterable[_Union[DeletedProjectResponse, _Mapping]]] = ...) -> None: ...

class RestoreProjectRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ...) -> None: ...

class ListProjectsRequest(_message.Message):
    __slots__ = ("organization_handle", "cursor", "limit", "updated_since")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    cursor: str
    limit: int
    updated_since: str
    def __init__(self, organization_handle: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ..., updated_since: _Optional[str] = ...) -> None: ...

class ListAllProjectsRequest(_message.Message):
    __slots__ = ("cursor", "limit", "updated_since")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    limit: int
    updated_since: str
    def __init__(self, cursor: _Optional[str] = ..., limit: _Optional[int] = ..., updated_since: _Optional[str] = ...) -> None: ...

class ProjectResponse(_message.Message):
    __slots__ = ("id", "organization", "handle", "name", "description", "website", "visibility", "archived", "protect_main_branch", "who_may_propose", "session_visibility", "default_branch", "position", "commit", "tree", "open_sessions", "created_at", "updated_at", "url", "may", "forked_from", "forks", "mirrored")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    WEBSITE_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    PROTECT_MAIN_BRANCH_FIELD_NUMBER: _ClassVar[int]
    WHO_MAY_PROPOSE_FIELD_NUMBER: _ClassVar[int]
    SESSION_VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_BRANCH_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    OPEN_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    MAY_FIELD_NUMBER: _ClassVar[int]
    FORKED_FROM_FIELD_NUMBER: _ClassVar[int]
    FORKS_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_FIELD_NUMBER: _ClassVar[int]
    id: str
    organization: str
    handle: str
    name: str
    description: str
    website: str
    visibility: str
    archived: bool
    protect_main_branch: bool
    who_may_propose: str
    session_visibility: str
    default_branch: str
    position: int
    commit: str
    tree: str
    open_sessions: int
    created_at: str
    updated_at: str
    url: str
    may: _containers.RepeatedScalarFieldContainer[str]
    forked_from: str
    forks: int
    mirrored: bool
    def __init__(self, id: _Optional[str] = ..., organization: _Optional[str] = ..., handle: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., website: _Optional[str] = ..., visibility: _Optional[str] = ..., archived: _Optional[bool] = ..., protect_main_branch: _Optional[bool] = ..., who_may_propose: _Optional[str] = ..., session_visibility: _Optional[str] = ..., default_branch: _Optional[str] = ..., position: _Optional[int] = ..., commit: _Optional[str] = ..., tree: _Optional[str] = ..., open_sessions: _Optional[int] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., url: _Optional[str] = ..., may: _Optional[_Iterable[str]] = ..., forked_from: _Optional[str] = ..., forks: _Optional[int] = ..., mirrored: _Optional[bool] = ...) -> None: ...

class ListProjectsResponse(_message.Message):
    __slots__ = ("items", "next")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ProjectResponse]
    next: str
    def __init__(self, items: _Optional[_Iterable[_Union[ProjectResponse, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class GetProjectTreeRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "ref")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    ref: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class TreeResponse(_message.Message):
    __slots__ = ("ref", "commit", "position", "tree", "items", "project")
    REF_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ref: str
    commit: str
    position: int
    tree: str
    items: _containers.RepeatedCompositeFieldContainer[BlobSize]
    project: ProjectResponse
    def __init__(self, ref: _Optional[str] = ..., commit: _Optional[str] = ..., position: _Optional[int] = ..., tree: _Optional[str] = ..., items: _Optional[_Iterable[_Union[BlobSize, _Mapping]]] = ..., project: _Optional[_Union[ProjectResponse, _Mapping]] = ...) -> None: ...

class BlobSize(_message.Message):
    __slots__ = ("path", "mode", "id", "size")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    path: bytes
    mode: str
    id: str
    size: int
    def __init__(self, path: _Optional[bytes] = ..., mode: _Optional[str] = ..., id: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class StreamBlobsRequest(_message.Message):
    __slots__ = ("project_id", "blob_hashes", "organization_handle", "project_handle", "offsets", "packed")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    BLOB_HASHES_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    PACKED_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    blob_hashes: _containers.RepeatedScalarFieldContainer[str]
    organization_handle: str
    project_handle: str
    offsets: _containers.RepeatedScalarFieldContainer[int]
    packed: bool
    def __init__(self, project_id: _Optional[str] = ..., blob_hashes: _Optional[_Iterable[str]] = ..., organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., offsets: _Optional[_Iterable[int]] = ..., packed: _Optional[bool] = ...) -> None: ...

class BlobChunk(_message.Message):
    __slots__ = ("header", "data", "zstd", "pack")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ZSTD_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    header: BlobHeader
    data: bytes
    zstd: bytes
    pack: BlobPack
    def __init__(self, header: _Optional[_Union[BlobHeader, _Mapping]] = ..., data: _Optional[bytes] = ..., zstd: _Optional[bytes] = ..., pack: _Optional[_Union[BlobPack, _Mapping]] = ...) -> None: ...

class BlobHeader(_message.Message):
    __slots__ = ("id", "size", "offset")
    ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    id: str
    size: int
    offset: int
    def __init__(self, id: _Optional[str] = ..., size: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class BlobPack(_message.Message):
    __slots__ = ("headers", "data", "zstd")
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ZSTD_FIELD_NUMBER: _ClassVar[int]
    headers: _containers.RepeatedCompositeFieldContainer[BlobHeader]
    data: bytes
    zstd: bool
    def __init__(self, headers: _Optional[_Iterable[_Union[BlobHeader, _Mapping]]] = ..., data: _Optional[bytes] = ..., zstd: _Optional[bool] = ...) -> None: ...

class ListLandingsRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "cursor", "limit", "path", "updated_since")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    UPDATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    cursor: str
    limit: int
    path: bytes
    updated_since: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ..., path: _Optional[bytes] = ..., updated_since: _Optional[str] = ...) -> None: ...

class ListLandingsResponse(_message.Message):
    __slots__ = ("items", "next")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[LandingSummary]
    next: str
    def __init__(self, items: _Optional[_Iterable[_Union[LandingSummary, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class LandingSummary(_message.Message):
    __slots__ = ("organization", "project", "position", "commit", "tree", "sha1", "landing", "session", "goal", "summary", "author", "author_name", "agent", "files", "additions", "deletions", "landed_at", "url", "written_by", "written_at")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    SHA1_FIELD_NUMBER: _ClassVar[int]
    LANDING_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    ADDITIONS_FIELD_NUMBER: _ClassVar[int]
    DELETIONS_FIELD_NUMBER: _ClassVar[int]
    LANDED_AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_BY_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_AT_FIELD_NUMBER: _ClassVar[int]
    organization: str
    project: str
    position: int
    commit: str
    tree: str
    sha1: str
    landing: str
    session: str
    goal: str
    summary: str
    author: str
    author_name: str
    agent: str
    files: int
    additions: int
    deletions: int
    landed_at: str
    url: str
    written_by: str
    written_at: str
    def __init__(self, organization: _Optional[str] = ..., project: _Optional[str] = ..., position: _Optional[int] = ..., commit: _Optional[str] = ..., tree: _Optional[str] = ..., sha1: _Optional[str] = ..., landing: _Optional[str] = ..., session: _Optional[str] = ..., goal: _Optional[str] = ..., summary: _Optional[str] = ..., author: _Optional[str] = ..., author_name: _Optional[str] = ..., agent: _Optional[str] = ..., files: _Optional[int] = ..., additions: _Optional[int] = ..., deletions: _Optional[int] = ..., landed_at: _Optional[str] = ..., url: _Optional[str] = ..., written_by: _Optional[str] = ..., written_at: _Optional[str] = ...) -> None: ...

class GetLandingRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "position")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    position: int
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class LandingResponse(_message.Message):
    __slots__ = ("organization", "project", "position", "commit", "tree", "sha1", "landing", "session", "goal", "summary", "author", "author_name", "agent", "files", "additions", "deletions", "landed_at", "url", "previous", "record", "sequence", "model", "started_at", "conversation", "decisions", "changes", "may", "written_by", "written_at")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    SHA1_FIELD_NUMBER: _ClassVar[int]
    LANDING_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    ADDITIONS_FIELD_NUMBER: _ClassVar[int]
    DELETIONS_FIELD_NUMBER: _ClassVar[int]
    LANDED_AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    MAY_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_BY_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_AT_FIELD_NUMBER: _ClassVar[int]
    organization: str
    project: str
    position: int
    commit: str
    tree: str
    sha1: str
    landing: str
    session: str
    goal: str
    summary: str
    author: str
    author_name: str
    agent: str
    files: int
    additions: int
    deletions: int
    landed_at: str
    url: str
    previous: str
    record: str
    sequence: int
    model: str
    started_at: str
    conversation: _containers.RepeatedCompositeFieldContainer[Said]
    decisions: _containers.RepeatedCompositeFieldContainer[Said]
    changes: _containers.RepeatedCompositeFieldContainer[FileChange]
    may: _containers.RepeatedScalarFieldContainer[str]
    written_by: str
    written_at: str
    def __init__(self, organization: _Optional[str] = ..., project: _Optional[str] = ..., position: _Optional[int] = ..., commit: _Optional[str] = ..., tree: _Optional[str] = ..., sha1: _Optional[str] = ..., landing: _Optional[str] = ..., session: _Optional[str] = ..., goal: _Optional[str] = ..., summary: _Optional[str] = ..., author: _Optional[str] = ..., author_name: _Optional[str] = ..., agent: _Optional[str] = ..., files: _Optional[int] = ..., additions: _Optional[int] = ..., deletions: _Optional[int] = ..., landed_at: _Optional[str] = ..., url: _Optional[str] = ..., previous: _Optional[str] = ..., record: _Optional[str] = ..., sequence: _Optional[int] = ..., model: _Optional[str] = ..., started_at: _Optional[str] = ..., conversation: _Optional[_Iterable[_Union[Said, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[Said, _Mapping]]] = ..., changes: _Optional[_Iterable[_Union[FileChange, _Mapping]]] = ..., may: _Optional[_Iterable[str]] = ..., written_by: _Optional[str] = ..., written_at: _Optional[str] = ...) -> None: ...

class Said(_message.Message):
    __slots__ = ("role", "author", "text", "at")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    role: str
    author: str
    text: str
    at: str
    def __init__(self, role: _Optional[str] = ..., author: _Optional[str] = ..., text: _Optional[str] = ..., at: _Optional[str] = ...) -> None: ...

class FileChange(_message.Message):
    __slots__ = ("path", "status", "previous", "old_mode", "new_mode", "old", "new", "additions", "deletions", "binary")
    PATH_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    OLD_MODE_FIELD_NUMBER: _ClassVar[int]
    NEW_MODE_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    ADDITIONS_FIELD_NUMBER: _ClassVar[int]
    DELETIONS_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    path: bytes
    status: str
    previous: bytes
    old_mode: str
    new_mode: str
    old: str
    new: str
    additions: int
    deletions: int
    binary: bool
    def __init__(self, path: _Optional[bytes] = ..., status: _Optional[str] = ..., previous: _Optional[bytes] = ..., old_mode: _Optional[str] = ..., new_mode: _Optional[str] = ..., old: _Optional[str] = ..., new: _Optional[str] = ..., additions: _Optional[int] = ..., deletions: _Optional[int] = ..., binary: _Optional[bool] = ...) -> None: ...

class CompareRefsRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "old", "new", "paths")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    old: str
    new: str
    paths: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., old: _Optional[str] = ..., new: _Optional[str] = ..., paths: _Optional[_Iterable[bytes]] = ...) -> None: ...

class DiffResponse(_message.Message):
    __slots__ = ("old", "new", "additions", "deletions", "files")
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    ADDITIONS_FIELD_NUMBER: _ClassVar[int]
    DELETIONS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    old: str
    new: str
    additions: int
    deletions: int
    files: _containers.RepeatedCompositeFieldContainer[FileDiff]
    def __init__(self, old: _Optional[str] = ..., new: _Optional[str] = ..., additions: _Optional[int] = ..., deletions: _Optional[int] = ..., files: _Optional[_Iterable[_Union[FileDiff, _Mapping]]] = ...) -> None: ...

class FileDiff(_message.Message):
    __slots__ = ("path", "status", "previous", "old_mode", "new_mode", "old", "new", "additions", "deletions", "binary", "hunks", "cut")
    PATH_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    OLD_MODE_FIELD_NUMBER: _ClassVar[int]
    NEW_MODE_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    ADDITIONS_FIELD_NUMBER: _ClassVar[int]
    DELETIONS_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    HUNKS_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    path: bytes
    status: str
    previous: bytes
    old_mode: str
    new_mode: str
    old: str
    new: str
    additions: int
    deletions: int
    binary: bool
    hunks: _containers.RepeatedCompositeFieldContainer[DiffHunk]
    cut: bool
    def __init__(self, path: _Optional[bytes] = ..., status: _Optional[str] = ..., previous: _Optional[bytes] = ..., old_mode: _Optional[str] = ..., new_mode: _Optional[str] = ..., old: _Optional[str] = ..., new: _Optional[str] = ..., additions: _Optional[int] = ..., deletions: _Optional[int] = ..., binary: _Optional[bool] = ..., hunks: _Optional[_Iterable[_Union[DiffHunk, _Mapping]]] = ..., cut: _Optional[bool] = ...) -> None: ...

class DiffHunk(_message.Message):
    __slots__ = ("old_start", "old_count", "new_start", "new_count", "section", "lines")
    OLD_START_FIELD_NUMBER: _ClassVar[int]
    OLD_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEW_START_FIELD_NUMBER: _ClassVar[int]
    NEW_COUNT_FIELD_NUMBER: _ClassVar[int]
    SECTION_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: str
    lines: _containers.RepeatedCompositeFieldContainer[DiffLine]
    def __init__(self, old_start: _Optional[int] = ..., old_count: _Optional[int] = ..., new_start: _Optional[int] = ..., new_count: _Optional[int] = ..., section: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[DiffLine, _Mapping]]] = ...) -> None: ...

class DiffLine(_message.Message):
    __slots__ = ("kind", "old", "new", "text", "no_newline")
    KIND_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NO_NEWLINE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    old: int
    new: int
    text: str
    no_newline: bool
    def __init__(self, kind: _Optional[str] = ..., old: _Optional[int] = ..., new: _Optional[int] = ..., text: _Optional[str] = ..., no_newline: _Optional[bool] = ...) -> None: ...

class ResolveRefRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "ref")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    ref: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class RefResponse(_message.Message):
    __slots__ = ("ref", "commit", "tree", "position")
    REF_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ref: str
    commit: str
    tree: str
    position: int
    def __init__(self, ref: _Optional[str] = ..., commit: _Optional[str] = ..., tree: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...
