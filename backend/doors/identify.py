"""Identify: from a header, a cookie or a socket to an actor, the same at every door.

Nothing shown means a stranger. A token that is shown and not good is refused everywhere, public
things included: a program must learn that its token ended. A stale cookie is only a stranger,
since a browser sends it along without anybody meaning to.
"""

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
    "own_origin",
    "still_good",
]


def from_authorization(forge: Forge, header: str | None, address: str = "", user_agent: str = "") -> Actor:
    """Who sends this `Authorization` header (RFC 6750); WrongCredentials when it is not good."""
    caller = Actor(address=address, user_agent=user_agent)
    if header is None or not header.strip():
        return caller
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise WrongCredentials
    return identity.of_token(forge, token.strip(), caller)


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
