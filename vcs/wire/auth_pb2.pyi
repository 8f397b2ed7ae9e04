from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetCurrentUserRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UserResponse(_message.Message):
    __slots__ = ("id", "handle", "name", "email", "admin", "has_password", "via", "scopes", "token", "token_expires_at", "limits", "organizations", "created_at", "url", "bio", "links")
    ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    HAS_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATIONS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    BIO_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    id: str
    handle: str
    name: str
    email: str
    admin: bool
    has_password: bool
    via: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    token: str
    token_expires_at: str
    limits: TokenLimits
    organizations: _containers.RepeatedCompositeFieldContainer[MembershipSummary]
    created_at: str
    url: str
    bio: str
    links: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., handle: _Optional[str] = ..., name: _Optional[str] = ..., email: _Optional[str] = ..., admin: _Optional[bool] = ..., has_password: _Optional[bool] = ..., via: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., token: _Optional[str] = ..., token_expires_at: _Optional[str] = ..., limits: _Optional[_Union[TokenLimits, _Mapping]] = ..., organizations: _Optional[_Iterable[_Union[MembershipSummary, _Mapping]]] = ..., created_at: _Optional[str] = ..., url: _Optional[str] = ..., bio: _Optional[str] = ..., links: _Optional[_Iterable[str]] = ...) -> None: ...

class TokenLimits(_message.Message):
    __slots__ = ("project", "paths")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    project: str
    paths: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, project: _Optional[str] = ..., paths: _Optional[_Iterable[str]] = ...) -> None: ...

class MembershipSummary(_message.Message):
    __slots__ = ("handle", "name", "personal", "role")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    handle: str
    name: str
    personal: bool
    role: str
    def __init__(self, handle: _Optional[str] = ..., name: _Optional[str] = ..., personal: _Optional[bool] = ..., role: _Optional[str] = ...) -> None: ...

class CreateAccessTokenRequest(_message.Message):
    __slots__ = ("name", "scopes", "kind", "project", "paths", "expires_in_days")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_DAYS_FIELD_NUMBER: _ClassVar[int]
    name: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    kind: str
    project: str
    paths: _containers.RepeatedScalarFieldContainer[str]
    expires_in_days: int
    def __init__(self, name: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., kind: _Optional[str] = ..., project: _Optional[str] = ..., paths: _Optional[_Iterable[str]] = ..., expires_in_days: _Optional[int] = ...) -> None: ...

class ListAccessTokensRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAccessTokensResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[AccessTokenSummary]
    def __init__(self, items: _Optional[_Iterable[_Union[AccessTokenSummary, _Mapping]]] = ...) -> None: ...

class RevokeAccessTokenRequest(_message.Message):
    __slots__ = ("token_id",)
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    def __init__(self, token_id: _Optional[str] = ...) -> None: ...

class AccessTokenSummary(_message.Message):
    __slots__ = ("id", "name", "kind", "hint", "scopes", "limits", "created_at", "expires_at", "used_at", "revoked_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    USED_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    kind: str
    hint: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    limits: TokenLimits
    created_at: str
    expires_at: str
    used_at: str
    revoked_at: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., hint: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., limits: _Optional[_Union[TokenLimits, _Mapping]] = ..., created_at: _Optional[str] = ..., expires_at: _Optional[str] = ..., used_at: _Optional[str] = ..., revoked_at: _Optional[str] = ...) -> None: ...

class AccessTokenResponse(_message.Message):
    __slots__ = ("id", "name", "kind", "hint", "scopes", "limits", "created_at", "expires_at", "used_at", "revoked_at", "token")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    USED_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    kind: str
    hint: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    limits: TokenLimits
    created_at: str
    expires_at: str
    used_at: str
    revoked_at: str
    token: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., hint: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., limits: _Optional[_Union[TokenLimits, _Mapping]] = ..., created_at: _Optional[str] = ..., expires_at: _Optional[str] = ..., used_at: _Optional[str] = ..., revoked_at: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...
