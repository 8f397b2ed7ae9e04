from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchForgeRequest(_message.Message):
    __slots__ = ("q", "kind", "cursor", "limit")
    Q_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    q: str
    kind: str
    cursor: str
    limit: int
    def __init__(self, q: _Optional[str] = ..., kind: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class SearchForgeResponse(_message.Message):
    __slots__ = ("kind", "counts", "items", "next")
    KIND_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    counts: SearchCounts
    items: _containers.RepeatedCompositeFieldContainer[SearchHit]
    next: str
    def __init__(self, kind: _Optional[str] = ..., counts: _Optional[_Union[SearchCounts, _Mapping]] = ..., items: _Optional[_Iterable[_Union[SearchHit, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class SearchCounts(_message.Message):
    __slots__ = ("project", "session", "person", "organization")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    project: int
    session: int
    person: int
    organization: int
    def __init__(self, project: _Optional[int] = ..., session: _Optional[int] = ..., person: _Optional[int] = ..., organization: _Optional[int] = ...) -> None: ...

class SearchHit(_message.Message):
    __slots__ = ("kind", "id", "title", "address", "text", "marks", "visibility", "status", "author", "at", "url")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    title: str
    address: str
    text: str
    marks: _containers.RepeatedCompositeFieldContainer[SearchMark]
    visibility: str
    status: str
    author: str
    at: str
    url: str
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., title: _Optional[str] = ..., address: _Optional[str] = ..., text: _Optional[str] = ..., marks: _Optional[_Iterable[_Union[SearchMark, _Mapping]]] = ..., visibility: _Optional[str] = ..., status: _Optional[str] = ..., author: _Optional[str] = ..., at: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class SearchMark(_message.Message):
    __slots__ = ("field", "start", "end")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    field: str
    start: int
    end: int
    def __init__(self, field: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class JumpToRequest(_message.Message):
    __slots__ = ("q", "limit")
    Q_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    q: str
    limit: int
    def __init__(self, q: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class JumpToResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[SearchHit]
    def __init__(self, items: _Optional[_Iterable[_Union[SearchHit, _Mapping]]] = ...) -> None: ...
