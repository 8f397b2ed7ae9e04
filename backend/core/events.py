"""Facts: what happened, written in the same transaction as what it happened to.

A fact is a frozen dataclass. `ctx.emit(fact)` stores it as a row; the worker relays rows to
the durable jobs that subscribed (`core.jobs`). Emitting never calls anybody, so a slice that
states a fact does not know who reacts.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from sqlalchemy import JSON, Column, Index, Text
from sqlmodel import Field, SQLModel

from backend.core.db import UtcTime

RECORD: dict[str, Any] = {"info": {"keeps": "record"}}
PROJECTION: dict[str, Any] = {"info": {"keeps": "projection"}}

FactClass = TypeVar("FactClass", bound=type)
_facts: dict[str, type] = {}


class FactRow(SQLModel, table=True):
    """One fact, kept until the worker has handed it to every subscriber."""

    __tablename__: ClassVar[str] = "facts"
    __table_args__ = (Index("facts_waiting", "relayed_at", "id"), RECORD)

    id: str = Field(primary_key=True)
    kind: str
    body: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    at: datetime = Field(sa_type=UtcTime)
    relayed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    problem: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """Which subscribers failed for good and why, a line each."""


def fact(cls: FactClass) -> FactClass:
    """Register a frozen dataclass as a kind of fact; its fields must be JSON values."""
    if cls.__name__ in _facts:
        raise ValueError(f"two facts are named {cls.__name__}")
    _facts[cls.__name__] = cls
    return cls


def fact_values(value: Any, *, id: str, at: datetime) -> dict[str, Any]:
    """The row that keeps a fact, as values of its columns."""
    return {"id": id, "kind": type(value).__name__, "body": asdict(value), "at": at}


def fact_of(row: FactRow) -> Any:
    """The fact a row keeps; KeyError when its kind is not known to this version."""
    kind: Callable[..., Any] = _facts[row.kind]
    return kind(**row.body)


def facts() -> dict[str, type]:
    """Every kind of fact by name: the catalogue that docs are made from."""
    return dict(sorted(_facts.items()))
