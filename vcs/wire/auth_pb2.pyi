from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class GetCurrentUserRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UserResponse(_message.Message):
    __slots__ = ("id", "handle", "name", "email", "admin", "created_at", "url")
    ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    handle: str
    name: str
    email: str
    admin: bool
    created_at: str
    url: str
    def __init__(self, id: _Optional[str] = ..., handle: _Optional[str] = ..., name: _Optional[str] = ..., email: _Optional[str] = ..., admin: _Optional[bool] = ..., created_at: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...
