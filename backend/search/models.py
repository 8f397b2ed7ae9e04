"""What can be found: one row for each project, person, organization and session."""

from enum import StrEnum
from typing import ClassVar

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from backend.core.db import word
from backend.core.events import PROJECTION


class Found(StrEnum):
    """What a search finds, in the order its tabs stand."""

    PROJECT = "project"
    SESSION = "session"
    PERSON = "person"
    ORGANIZATION = "organization"


class SearchEntry(SQLModel, table=True):
    """What one thing is called, as it is compared; its words are in the database's own full-text index.

    That index is `search_fts`, a table beside this one that knows rows by `number`: FTS5 on SQLite,
    a tsvector under GIN on PostgreSQL. `key`, `address` and `title` are in the form of `words.plain`;
    `rules` is the version of `backend.search.words` that made the row.
    """

    __tablename__: ClassVar[str] = "search_entries"
    __table_args__ = (UniqueConstraint("kind", "id"), PROJECTION)

    number: int | None = Field(default=None, primary_key=True)
    kind: Found = Field(sa_type=word(Found))
    id: str
    key: str = ""
    address: str = ""
    title: str = ""
    rules: int
