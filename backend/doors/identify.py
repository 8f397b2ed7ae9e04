"""Identify: from a header, a cookie or a socket to an actor, the same at every door.

Nothing shown means a stranger. A token that is shown and not good is refused everywhere, public
things included: a program must learn that its token ended. A stale cookie is only a stranger,
since a browser sends it along without anybody meaning to.
"""

import base64

from backend.accounts import identity
from backend.accounts.browsers import COOKIE, cookie_of
from backend.accounts.identity import still_good
from backend.core.callers import caller_address, own_origin
from backend.core.context import Actor, Forge
from backend.core.errors import WrongCredentials

__all__ = [
    "COOKIE",
    "browser_id",
    "caller_address",
    "cookie_of",
    "from_authorization",
    "from_browser_id",
    "from_cookie",
    "from_git_authorization",
    "own_origin",
    "still_good",
]

ANY_USER = "x-token"
"""The user that git may give beside a token, whoever's that is."""


def from_authorization(forge: Forge, header: str | None, address: str = "", user_agent: str = "") -> Actor:
    """Who sends this `Authorization` header (RFC 6750); WrongCredentials when it is not good."""
    caller = Actor(address=address, user_agent=user_agent)
    if header is None or not header.strip():
        return caller
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise WrongCredentials
    return identity.of_token(forge, token.strip(), caller)


def from_git_authorization(
    forge: Forge, header: str | None, address: str = "", user_agent: str = ""
) -> Actor:
    """The same for git, which sends Basic credentials (RFC 7617): a handle or `x-token`, and an access
    token as the password. A token alone, in either place, is enough too.
    """
    if header is None or header.strip().partition(" ")[0].lower() != "basic":
        return from_authorization(forge, header, address, user_agent)
    try:
        plain = base64.b64decode(header.strip().partition(" ")[2].strip(), validate=True).decode()
    except ValueError:
        raise WrongCredentials from None
    user, _, password = plain.partition(":")
    actor = identity.of_token(forge, password or user, Actor(address=address, user_agent=user_agent))
    if password and user.lower() not in (actor.handle, ANY_USER, ""):
        raise WrongCredentials
    return actor


def from_cookie(forge: Forge, value: str | None, address: str = "", user_agent: str = "") -> Actor:
    """Who is signed in at the browser with this session cookie's value; else a stranger."""
    return identity.of_cookie(forge, value or "", Actor(address=address, user_agent=user_agent))


def from_browser_id(forge: Forge, id: str | None, address: str = "", user_agent: str = "") -> Actor:
    """The same for the public id that the front door put in place of the cookie.

    The id proves nothing by itself: only for headers that a caller cannot set.
    """
    return identity.of_browser(forge, id or "", Actor(address=address, user_agent=user_agent))


def browser_id(forge: Forge, cookies: str | None) -> str | None:
    """The public id of the live browser session in a whole `Cookie` header; None for strangers."""
    return identity.of_cookie(forge, cookie_of(cookies or ""), Actor()).browser_id if cookies else None
