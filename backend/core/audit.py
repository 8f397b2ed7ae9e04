"""Audit rows: sign-ins, tokens, membership, visibility, landings; written with what they record."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from backend.core.db import UtcTime
from backend.core.events import RECORD


class AuditRow(SQLModel, table=True):
    """One thing somebody did. Never updated, never names a secret."""

    __tablename__: ClassVar[str] = "audit"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcTime, index=True)
    actor_id: str | None = None
    actor: str = ""
    via: str = ""
    address: str = ""
    action: str = Field(index=True)
    subject: str = ""
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
