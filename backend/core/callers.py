"""Callers: from which address a request really comes, and whether from our own pages.

Both questions are asked of headers that anybody can write, so the answers are kept in one place:
a forwarded address counts only as far as trusted proxies vouch for it, and a cookie counts only
when the browser says that the request began on our own origin.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from backend.core.errors import Kind, MicelioError

Address = IPv4Address | IPv6Address


class ForeignOrigin(MicelioError):
    """A browser sent a form or a cookie from a page that is not ours."""

    kind = Kind.FORBIDDEN
    code = "origin.foreign"
    message = "This request did not come from a page of this forge, so it was not carried out."


def caller_address(forwarded: str, peer: str, trusted: Sequence[str]) -> str:
    """The caller's address: `peer`, or further back in `X-Forwarded-For` through trusted proxies.

    `trusted` are networks. The first address from the right that no trusted proxy has is the
    caller; what stands left of it was written by the caller and is not looked at.
    """
    networks = _networks(tuple(trusted))
    caller = _parsed(peer)
    if caller is None:
        return peer
    hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
    while hops and any(caller in network for network in networks):
        before = _parsed(hops.pop())
        if before is None:
            break
        caller = before
    return str(caller)


def own_origin(origin: str, host: str, url: str) -> bool:
    """Whether an Origin header names this forge: its Host as the request has it, or the public URL.

    An absent or opaque (`null`) Origin is not ours.
    """
    scheme, _, where = origin.lower().partition("://")
    if scheme not in ("http", "https") or not where:
        return False
    return where == host.lower() or (bool(url) and origin.lower() == url.lower())


def _parsed(text: str) -> Address | None:
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


@lru_cache(maxsize=16)
def _networks(names: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(name, strict=False) for name in names)
