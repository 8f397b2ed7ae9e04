"""Shapes of organizations and their members, as every door shows them. E-mail addresses are never in them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from backend.organizations.models import Role

HandleText = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(max_length=100)]
Description = Annotated[str, Field(max_length=1000)]
Cursor = Annotated[str, Field(max_length=200)]
Limit = Annotated[int, Field(ge=1, le=100)]


class OrganizationSummary(BaseModel):
    """One organization. `role` is the asker's own, null for outsiders."""

    id: str
    handle: str
    name: str
    description: str
    personal: bool
    role: Role | None
    created_at: datetime
    url: str


class OrganizationPage(BaseModel):
    """Organizations by handle; `next` is the cursor of the following page."""

    items: list[OrganizationSummary]
    next: str | None = None


class MemberSummary(BaseModel):
    """One account in one organization."""

    organization: str
    handle: str
    name: str
    role: Role
    joined_at: datetime


class MemberPage(BaseModel):
    """Members by handle; `next` is the cursor of the following page."""

    items: list[MemberSummary]
    next: str | None = None
