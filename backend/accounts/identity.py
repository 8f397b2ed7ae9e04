"""Identity: from what somebody shows to who they are, and whether that still holds.

An actor that was identified a moment ago may have been signed out since. What matters asks again
with `still_good`, inside the transaction it matters for, and works with the answer.
"""

from backend.accounts import browsers, tokens
from backend.core.context import Actor, Context, Forge, Via
from backend.core.errors import WrongCredentials


def of_token(forge: Forge, secret: str, caller: Actor) -> Actor:
    """Who holds this token; WrongCredentials when it is not, or no longer, good."""
    with Context(forge, caller).transaction(write=False) as ctx:
        found = tokens.by_secret(ctx, secret) if secret.startswith(tokens.PREFIX) else None
    if found is None:
        raise WrongCredentials
    tokens.touch(forge, found[0])
    return tokens.token_actor(caller, *found)


def of_cookie(forge: Forge, value: str, caller: Actor) -> Actor:
    """Who is signed in at this browser; a stranger when nobody is any more."""
    if not value:
        return caller
    with Context(forge, caller).transaction(write=False) as ctx:
        found = browsers.by_cookie(ctx, value)
    if found is None:
        return caller
    browsers.touch(forge, found[0])
    return browsers.browser_actor(caller, *found)


def of_browser(forge: Forge, id: str, caller: Actor) -> Actor:
    """The same for the public id of a browser session, where the front door checked the cookie."""
    if not id:
        return caller
    with Context(forge, caller).transaction(write=False) as ctx:
        found = browsers.by_id(ctx, id)
    if found is None:
        return caller
    browsers.touch(forge, found[0])
    return browsers.browser_actor(caller, *found)


def still_good(ctx: Context, actor: Actor) -> Actor:
    """The same actor with the rights it has now; WrongCredentials when its credential has ended."""
    if actor.via in (Via.SYSTEM, Via.NOBODY):
        return actor
    if actor.token_id is not None:
        token = tokens.by_id(ctx, actor.token_id)
        if token is not None:
            return tokens.token_actor(actor, *token)
    elif actor.browser_id is not None:
        browser = browsers.by_id(ctx, actor.browser_id)
        if browser is not None:
            return browsers.browser_actor(actor, *browser)
    raise WrongCredentials
