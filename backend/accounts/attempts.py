"""Attempts: how often somebody may try to get in.

Everything that a guess could open counts here before anything is looked up, so that a refusal
says nothing about what exists.
"""

from backend.core.context import Actor, Forge

WIDER = 10
"""How many times the limit of one account at one address holds for either of them alone."""


def limit_sign_in(forge: Forge, caller: Actor, who: str) -> None:
    """Count an attempt; RateLimited when there were too many in this minute.

    The limit is for one account at one address, so that nobody can lock somebody else out from
    elsewhere; far more is refused for an account from anywhere, and for an address at any account.
    """
    allowed = forge.settings.rates.sign_in
    who = who.strip().lower()[:200]
    forge.limit(f"sign-in:{caller.address}:{who}", allowed)
    forge.limit(f"sign-in:{caller.address}", allowed * WIDER)
    forge.limit(f"sign-in::{who}", allowed * WIDER)
