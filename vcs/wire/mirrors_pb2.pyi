from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateMirrorRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "direction", "url", "username", "token", "refs", "prune", "overwrite", "interval_minutes")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MINUTES_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    direction: str
    url: str
    username: str
    token: str
    refs: str
    prune: bool
    overwrite: bool
    interval_minutes: int
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., direction: _Optional[str] = ..., url: _Optional[str] = ..., username: _Optional[str] = ..., token: _Optional[str] = ..., refs: _Optional[str] = ..., prune: _Optional[bool] = ..., overwrite: _Optional[bool] = ..., interval_minutes: _Optional[int] = ...) -> None: ...

class ListMirrorsRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ...) -> None: ...

class ListMirrorsResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[MirrorResponse]
    def __init__(self, items: _Optional[_Iterable[_Union[MirrorResponse, _Mapping]]] = ...) -> None: ...

class UpdateMirrorRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "mirror_id", "paused", "prune", "overwrite", "interval_minutes", "username", "token")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    MIRROR_ID_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MINUTES_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    mirror_id: str
    paused: bool
    prune: bool
    overwrite: bool
    interval_minutes: int
    username: str
    token: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., mirror_id: _Optional[str] = ..., paused: _Optional[bool] = ..., prune: _Optional[bool] = ..., overwrite: _Optional[bool] = ..., interval_minutes: _Optional[int] = ..., username: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class SyncMirrorRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "mirror_id")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    MIRROR_ID_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    mirror_id: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., mirror_id: _Optional[str] = ...) -> None: ...

class RemoveMirrorRequest(_message.Message):
    __slots__ = ("organization_handle", "project_handle", "mirror_id")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_HANDLE_FIELD_NUMBER: _ClassVar[int]
    MIRROR_ID_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    project_handle: str
    mirror_id: str
    def __init__(self, organization_handle: _Optional[str] = ..., project_handle: _Optional[str] = ..., mirror_id: _Optional[str] = ...) -> None: ...

class MirrorResponse(_message.Message):
    __slots__ = ("id", "organization", "project", "direction", "url", "credentials", "refs", "prune", "overwrite", "interval_minutes", "paused", "state", "result", "problem", "refused", "failures", "last_attempt_at", "last_success_at", "next_attempt_at", "created_by", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MINUTES_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    LAST_ATTEMPT_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_SUCCESS_AT_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    organization: str
    project: str
    direction: str
    url: str
    credentials: bool
    refs: str
    prune: bool
    overwrite: bool
    interval_minutes: int
    paused: bool
    state: str
    result: str
    problem: str
    refused: _containers.RepeatedCompositeFieldContainer[RefusedRefResponse]
    failures: int
    last_attempt_at: str
    last_success_at: str
    next_attempt_at: str
    created_by: str
    created_at: str
    def __init__(self, id: _Optional[str] = ..., organization: _Optional[str] = ..., project: _Optional[str] = ..., direction: _Optional[str] = ..., url: _Optional[str] = ..., credentials: _Optional[bool] = ..., refs: _Optional[str] = ..., prune: _Optional[bool] = ..., overwrite: _Optional[bool] = ..., interval_minutes: _Optional[int] = ..., paused: _Optional[bool] = ..., state: _Optional[str] = ..., result: _Optional[str] = ..., problem: _Optional[str] = ..., refused: _Optional[_Iterable[_Union[RefusedRefResponse, _Mapping]]] = ..., failures: _Optional[int] = ..., last_attempt_at: _Optional[str] = ..., last_success_at: _Optional[str] = ..., next_attempt_at: _Optional[str] = ..., created_by: _Optional[str] = ..., created_at: _Optional[str] = ...) -> None: ...

class RefusedRefResponse(_message.Message):
    __slots__ = ("ref", "reason")
    REF_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ref: str
    reason: str
    def __init__(self, ref: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
