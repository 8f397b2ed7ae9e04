"""Handles: the one name space that accounts and organizations share.

A handle is the first segment of an address, so whatever the forge itself answers there can
never be one. Handles are case-insensitive and kept in lower case. A handle that was taken once
is never given to somebody else: links and clones of the old owner must not change their meaning. Only
whoever had it may have it again.
"""

import re

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from backend.accounts.models import Handle, Owner
from backend.core.context import Context
from backend.core.errors import Kind, MicelioError

LONGEST = 39

_SHAPE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")

_OURS = """
    .well-known 404 500 _all_routes _event _health _next _upload about abuse account accounts admin
    administrator agents anonymous api apple-touch-icon.png assets atom audit auth auth-codespace avatars
    backend badge badges billing blog cdn components.css config confirm contact css dashboard
    device devices docs download downloads
    embed error errors events explore external favicon.ico favicon.svg federation feed feed.js
    fonts forgot fragment fragment.js fragments frontend git graphql health help icon.svg icons images import
    imports inbox
    index index.html instance internal invite invites issues jobs join js landings legal license link
    links live login logout manifest.json manifest.webmanifest mark.svg mcp media metrics new none null
    notifications oauth og oidc organizations orgs password ping policy pricing privacy problems profile
    projects raw register releases reset review reviews robots.txt rpc rss search security sent session
    sessions settings shell.js sign-in sign-out sign-up signin signout signup sitemap sitemap.xml skill
    skill.md sse stars static status styles.css support system terms token tokens tokens.css topics
    trending undefined upload uploads user users verify version webfinger webhook webhooks welcome
    well-known worker www
"""
RESERVED = frozenset(_OURS.split())
"""First segments of addresses that are ours, now or soon; a test compares them with the routes."""


class BadHandle(MicelioError):
    """The text cannot be a handle."""

    kind = Kind.INVALID
    code = "handle.invalid"
    message = (
        "{handle} cannot be a handle. Use 1 to 39 lower-case letters and digits, "
        "with single dashes between them."
    )


class HandleTaken(MicelioError):
    """Somebody has it, had it, or the forge keeps it for itself."""

    kind = Kind.CONFLICT
    code = "handle.taken"
    message = "The handle {handle} is taken. Choose another one."


def check_handle(text: str) -> str:
    """The handle in lower case; BadHandle or HandleTaken when nobody may have it."""
    handle = text.strip().lower()
    if not is_handle(handle):
        raise BadHandle(handle=ascii(text[:60]) if text else "An empty text")
    if handle in RESERVED:
        raise HandleTaken(handle=handle)
    return handle


def is_handle(text: str) -> bool:
    """Whether a text has the shape of a handle."""
    return len(text) <= LONGEST and _SHAPE.match(text) is not None


def claim_handle(ctx: Context, handle: str, *, owner: Owner, owner_id: str) -> None:
    """Give a checked handle to an account or organization, for ever; HandleTaken when it is another's."""
    known = ctx.db.get(Handle, handle)
    if known is not None and (known.owner, known.owner_id) == (owner, owner_id):
        return
    if known is not None:
        raise HandleTaken(handle=handle)
    ctx.db.add(Handle(handle=handle, owner=owner, owner_id=owner_id))
    try:
        # Two people may ask at once: the primary key decides, and the loser gets the same sentence.
        ctx.db.flush()
    except IntegrityError:
        raise HandleTaken(handle=handle) from None


def owner_of(ctx: Context, handle: str, owner: Owner) -> str | None:
    """The id of the account or organization that has the handle now, or had it before."""
    known = ctx.db.get(Handle, handle.lower())
    return known.owner_id if known is not None and known.owner is owner else None


def handles_of(ctx: Context, owner_id: str) -> list[str]:
    """Every handle that an account or organization has or had, in the order of the alphabet."""
    query = select(Handle.handle).where(Handle.owner_id == owner_id).order_by(col(Handle.handle))
    return list(ctx.db.exec(query))
