"""Shapes of people and their credentials. An e-mail address is shown to its owner only."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from backend.accounts.models import TokenKind
from backend.core.context import Via
from backend.core.operations import SCOPES
from backend.organizations.models import Role


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s<>\"']+", text):
        raise ValueError("this is no address of the web, like https://example.org")
    return text


HandleText = Annotated[str, Field(min_length=1, max_length=100)]
EmailText = Annotated[str, Field(min_length=3, max_length=254)]
Name = Annotated[str, Field(max_length=100)]
PasswordText = Annotated[str, Field(max_length=1024)]
TokenName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
ProjectAddress = Annotated[str, Field(max_length=201, pattern=r"^[^/]+/[^/]+$")]
PathPrefix = Annotated[str, Field(min_length=1, max_length=4096)]
Days = Annotated[int, Field(ge=1, le=366)]
RowId = Annotated[str, Field(min_length=36, max_length=36, pattern=r"^[0-9a-f-]+$")]

Bio = Annotated[str, Field(max_length=280)]
Link = Annotated[str, Field(max_length=200), AfterValidator(_address)]
Links = Annotated[list[Link], Field(max_length=5)]
LinkSecret = Annotated[str, Field(min_length=1, max_length=200)]
UserCode = Annotated[str, Field(min_length=1, max_length=40)]

LIFETIMES = (("7", "in a week"), ("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"))
USUAL = ("project:read", "project:write", "session:read", "session:write", "org:read")
OFFERED = tuple(scope for scope in SCOPES if scope != "admin")
"""What can be chosen for a token, in days and scopes; `USUAL` is what most need."""

Scope = StrEnum("Scope", {name.replace(":", "_").upper(): name for name in SCOPES})  # type: ignore[misc]


class MembershipSummary(BaseModel):
    """An organization somebody belongs to, and as what."""

    handle: str
    name: str
    personal: bool
    role: Role


class TokenLimits(BaseModel):
    """What an agent's token is bound to: one project as `organization/project`, and path prefixes."""

    project: str | None = None
    paths: list[str] = []


class CurrentUser(BaseModel):
    """Who asks, and by what. `scopes` null means all of them.

    `admin` says whether this credential may run the instance now.
    """

    id: str
    handle: str
    name: str
    bio: str
    links: list[str]
    email: str
    admin: bool
    has_password: bool
    via: Via
    scopes: list[str] | None
    token: str | None
    token_expires_at: datetime | None
    limits: TokenLimits
    organizations: list[MembershipSummary]
    created_at: datetime
    url: str


class AccountSummary(BaseModel):
    """One account as anybody may see it."""

    id: str
    handle: str
    name: str
    bio: str
    links: list[str]
    admin: bool
    created_at: datetime
    url: str
    avatar_url: str


class DeviceKind(StrEnum):
    """A browser with a cookie, or a program let in with a device code."""

    BROWSER = "browser"
    PROGRAM = "program"


class DeviceSummary(BaseModel):
    """One signed-in browser or program; `current` is the one that asks. `scopes` null means all of them."""

    id: str
    kind: DeviceKind
    name: str
    current: bool
    scopes: list[str] | None
    address: str
    user_agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class DeviceList(BaseModel):
    """Where an account is signed in, last seen first."""

    items: list[DeviceSummary]


class Told(BaseModel):
    """What happens next, as a sentence for whoever asked."""

    message: str


class DeletedAccount(BaseModel):
    """What is left of an account: its handle, which nobody else can have, and what it landed elsewhere."""

    handle: str
    kept: str


class InvitationSummary(BaseModel):
    """An invitation that nobody used yet."""

    id: str
    email: str
    invited_by: str
    created_at: datetime
    expires_at: datetime


class NewInvitation(InvitationSummary):
    """An invitation just made. `link` was mailed, and is shown this once."""

    link: str


class InvitationList(BaseModel):
    """Invitations that wait, newest first."""

    items: list[InvitationSummary]


class DeviceRequest(BaseModel):
    """A program that waits to be let in: what it calls itself, what it wants, and from where it asks."""

    user_code: str
    client: str
    name: str
    scopes: list[str]
    address: str
    user_agent: str
    created_at: datetime
    expires_at: datetime


class AccessTokenSummary(BaseModel):
    """One access token; `hint` is the start and end of its secret."""

    id: str
    name: str
    kind: TokenKind
    hint: str
    scopes: list[str]
    limits: TokenLimits
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class NewAccessToken(AccessTokenSummary):
    """A token just made. `token` is the secret, shown this once."""

    token: str


class AccessTokenList(BaseModel):
    """Tokens that were not revoked, newest first."""

    items: list[AccessTokenSummary]


class SignInLink(BaseModel):
    """A link that signs one account in once, shown this once."""

    handle: str
    link: str
    expires_at: datetime
