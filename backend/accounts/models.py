"""Tables of people and their credentials."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from backend.core.db import UtcTime, word
from backend.core.events import RECORD


class Owner(StrEnum):
    """What a handle names."""

    ACCOUNT = "account"
    ORGANIZATION = "organization"


class Handle(SQLModel, table=True):
    """One name in the space accounts and organizations share; kept lower case, never freed."""

    __tablename__: ClassVar[str] = "handles"
    __table_args__ = RECORD

    handle: str = Field(primary_key=True)
    owner: Owner = Field(sa_type=word(Owner))
    owner_id: str = Field(index=True)


class Account(SQLModel, table=True):
    """A person. `password_hash` is argon2; empty until they chose one.

    What they say about themselves is the description of their personal organization. A deleted
    account keeps id and handle, since what landed names them, and nothing else.
    """

    __tablename__: ClassVar[str] = "accounts"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    handle: str = Field(unique=True)
    name: str = ""
    email: str = Field(unique=True)
    password_hash: str = ""
    admin: bool = False
    links: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcTime)


class LinkPurpose(StrEnum):
    """What a one-time link lets its holder do."""

    FIRST_ADMIN = "first_admin"
    SIGN_IN = "sign_in"
    RESET = "reset"
    SIGN_UP = "sign_up"
    EMAIL = "email"
    INVITATION = "invitation"


class OneTimeLink(SQLModel, table=True):
    """A link that works once: only the SHA-256 of its secret is kept.

    `email` is the address it proves, where it does; `details` what its purpose needs then.
    """

    __tablename__: ClassVar[str] = "one_time_links"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    secret_hash: str = Field(unique=True)
    purpose: LinkPurpose = Field(sa_type=word(LinkPurpose))
    account_id: str | None = Field(default=None, foreign_key="accounts.id")
    email: str = Field(default="", index=True)
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcTime)


class KnownDevice(SQLModel, table=True):
    """A browser that an account signed in at before; its cookie is kept as SHA-256."""

    __tablename__: ClassVar[str] = "known_devices"
    __table_args__ = RECORD

    account_id: str = Field(primary_key=True, foreign_key="accounts.id")
    secret_hash: str = Field(primary_key=True)
    seen_at: datetime = Field(sa_type=UtcTime)


class BrowserSession(SQLModel, table=True):
    """A signed-in browser. The cookie holds id and secret; the secret is kept as SHA-256."""

    __tablename__: ClassVar[str] = "browser_sessions"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    secret_hash: str
    account_id: str = Field(foreign_key="accounts.id", index=True)
    created_at: datetime = Field(sa_type=UtcTime)
    seen_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
    address: str = ""
    user_agent: str = ""


class TokenKind(StrEnum):
    """A person's token, or one marked as an agent's."""

    PERSONAL = "personal"
    AGENT = "agent"


class TokenFamily(SQLModel, table=True):
    """A program that a person let in with a device code, and all tokens it has had since."""

    __tablename__: ClassVar[str] = "token_families"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="accounts.id", index=True)
    client: str
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcTime)
    seen_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)
    address: str = ""
    user_agent: str = ""


class RefreshToken(SQLModel, table=True):
    """What a family's next tokens are asked for with, once; `key_hash` is of the request that did."""

    __tablename__: ClassVar[str] = "refresh_tokens"
    __table_args__ = RECORD

    secret_hash: str = Field(primary_key=True)
    family_id: str = Field(foreign_key="token_families.id", index=True)
    created_at: datetime = Field(sa_type=UtcTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcTime)
    key_hash: str = ""


class GrantState(StrEnum):
    """Where a device code stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    USED = "used"


class DeviceGrant(SQLModel, table=True):
    """A program that waits to be let in. Both of its codes are kept as hashes."""

    __tablename__: ClassVar[str] = "device_grants"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    device_hash: str = Field(unique=True)
    user_hash: str = Field(unique=True)
    client: str
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    state: GrantState = Field(default=GrantState.PENDING, sa_type=word(GrantState))
    account_id: str | None = Field(default=None, foreign_key="accounts.id")
    interval: int
    polled_at: datetime | None = Field(default=None, sa_type=UtcTime)
    created_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime, index=True)
    address: str = ""
    user_agent: str = ""


class AccessToken(SQLModel, table=True):
    """A token that acts for an account; `hint` is what people recognise it by.

    Those of a family live for minutes and are listed with the family, not one by one.
    """

    __tablename__: ClassVar[str] = "access_tokens"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="accounts.id", index=True)
    family_id: str | None = Field(default=None, foreign_key="token_families.id", index=True)
    kind: TokenKind = Field(default=TokenKind.PERSONAL, sa_type=word(TokenKind))
    name: str
    secret_hash: str = Field(unique=True)
    hint: str
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    limits: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)
