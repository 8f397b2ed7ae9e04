from vcs.wire import invitations_pb2 as _invitations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateOrganizationRequest(_message.Message):
    __slots__ = ("handle", "name", "description")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    handle: str
    name: str
    description: str
    def __init__(self, handle: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class GetOrganizationRequest(_message.Message):
    __slots__ = ("organization_handle",)
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    def __init__(self, organization_handle: _Optional[str] = ...) -> None: ...

class ListOrganizationsRequest(_message.Message):
    __slots__ = ("cursor", "limit")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    limit: int
    def __init__(self, cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListOrganizationsResponse(_message.Message):
    __slots__ = ("items", "next")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[OrganizationResponse]
    next: str
    def __init__(self, items: _Optional[_Iterable[_Union[OrganizationResponse, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class UpdateOrganizationRequest(_message.Message):
    __slots__ = ("organization_handle", "name", "description")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    name: str
    description: str
    def __init__(self, organization_handle: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class RenameOrganizationRequest(_message.Message):
    __slots__ = ("organization_handle", "handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., handle: _Optional[str] = ...) -> None: ...

class OrganizationResponse(_message.Message):
    __slots__ = ("id", "handle", "name", "description", "personal", "role", "created_at", "url")
    ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    handle: str
    name: str
    description: str
    personal: bool
    role: str
    created_at: str
    url: str
    def __init__(self, id: _Optional[str] = ..., handle: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., personal: _Optional[bool] = ..., role: _Optional[str] = ..., created_at: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ("organization_handle", "cursor", "limit")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    cursor: str
    limit: int
    def __init__(self, organization_handle: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("items", "next")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[MemberResponse]
    next: str
    def __init__(self, items: _Optional[_Iterable[_Union[MemberResponse, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class InviteMemberRequest(_message.Message):
    __slots__ = ("organization_handle", "invitee", "role")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    INVITEE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    invitee: str
    role: str
    def __init__(self, organization_handle: _Optional[str] = ..., invitee: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class ListMemberInvitationsRequest(_message.Message):
    __slots__ = ("organization_handle",)
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    def __init__(self, organization_handle: _Optional[str] = ...) -> None: ...

class UpdateMemberRequest(_message.Message):
    __slots__ = ("organization_handle", "handle", "role")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    handle: str
    role: str
    def __init__(self, organization_handle: _Optional[str] = ..., handle: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class DeleteOrganizationRequest(_message.Message):
    __slots__ = ("organization_handle", "confirm")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    confirm: str
    def __init__(self, organization_handle: _Optional[str] = ..., confirm: _Optional[str] = ...) -> None: ...

class DeleteOrganizationResponse(_message.Message):
    __slots__ = ("handle",)
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    handle: str
    def __init__(self, handle: _Optional[str] = ...) -> None: ...

class RemoveMemberRequest(_message.Message):
    __slots__ = ("organization_handle", "handle")
    ORGANIZATION_HANDLE_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    organization_handle: str
    handle: str
    def __init__(self, organization_handle: _Optional[str] = ..., handle: _Optional[str] = ...) -> None: ...

class MemberResponse(_message.Message):
    __slots__ = ("organization", "handle", "name", "role", "joined_at")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    JOINED_AT_FIELD_NUMBER: _ClassVar[int]
    organization: str
    handle: str
    name: str
    role: str
    joined_at: str
    def __init__(self, organization: _Optional[str] = ..., handle: _Optional[str] = ..., name: _Optional[str] = ..., role: _Optional[str] = ..., joined_at: _Optional[str] = ...) -> None: ...
