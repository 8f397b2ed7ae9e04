from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InviteResponse(_message.Message):
    __slots__ = ("id", "organization", "project", "invitee", "role", "invited_by", "state", "created_at", "sent_at", "expires_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    INVITEE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INVITED_BY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    organization: str
    project: str
    invitee: str
    role: str
    invited_by: str
    state: str
    created_at: str
    sent_at: str
    expires_at: str
    def __init__(self, id: _Optional[str] = ..., organization: _Optional[str] = ..., project: _Optional[str] = ..., invitee: _Optional[str] = ..., role: _Optional[str] = ..., invited_by: _Optional[str] = ..., state: _Optional[str] = ..., created_at: _Optional[str] = ..., sent_at: _Optional[str] = ..., expires_at: _Optional[str] = ...) -> None: ...

class ListInvitationsResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[InviteResponse]
    def __init__(self, items: _Optional[_Iterable[_Union[InviteResponse, _Mapping]]] = ...) -> None: ...

class MyInvitationResponse(_message.Message):
    __slots__ = ("id", "organization", "organization_name", "project", "project_name", "description", "role", "invited_by", "invited_by_name", "expires_at", "yours", "signup", "url")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INVITED_BY_FIELD_NUMBER: _ClassVar[int]
    INVITED_BY_NAME_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    YOURS_FIELD_NUMBER: _ClassVar[int]
    SIGNUP_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    organization: str
    organization_name: str
    project: str
    project_name: str
    description: str
    role: str
    invited_by: str
    invited_by_name: str
    expires_at: str
    yours: bool
    signup: bool
    url: str
    def __init__(self, id: _Optional[str] = ..., organization: _Optional[str] = ..., organization_name: _Optional[str] = ..., project: _Optional[str] = ..., project_name: _Optional[str] = ..., description: _Optional[str] = ..., role: _Optional[str] = ..., invited_by: _Optional[str] = ..., invited_by_name: _Optional[str] = ..., expires_at: _Optional[str] = ..., yours: _Optional[bool] = ..., signup: _Optional[bool] = ..., url: _Optional[str] = ...) -> None: ...

class ListMyInvitationsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListMyInvitationsResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[MyInvitationResponse]
    def __init__(self, items: _Optional[_Iterable[_Union[MyInvitationResponse, _Mapping]]] = ...) -> None: ...

class GetTeamInvitationRequest(_message.Message):
    __slots__ = ("invitation_id", "token")
    INVITATION_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    invitation_id: str
    token: str
    def __init__(self, invitation_id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class AnswerTeamInvitationRequest(_message.Message):
    __slots__ = ("invitation_id",)
    INVITATION_ID_FIELD_NUMBER: _ClassVar[int]
    invitation_id: str
    def __init__(self, invitation_id: _Optional[str] = ...) -> None: ...

class ChangeTeamInvitationRequest(_message.Message):
    __slots__ = ("invitation_id",)
    INVITATION_ID_FIELD_NUMBER: _ClassVar[int]
    invitation_id: str
    def __init__(self, invitation_id: _Optional[str] = ...) -> None: ...
