"""What accounts do by the clock: forget ways in that have ended, once nobody asks about them any more."""

from datetime import timedelta

from sqlmodel import col, delete, select

from backend.accounts.models import (
    AccessToken,
    BrowserSession,
    DeviceGrant,
    KnownDevice,
    OneTimeLink,
    RefreshToken,
    TokenFamily,
)
from backend.core.context import Context
from backend.core.jobs import every

KEPT = timedelta(days=30)
"""How long what has ended can still be looked into."""
KNOWN = timedelta(days=400)
"""As long as a browser keeps the cookie it is known by."""


@every(seconds=3600)
def forget_ended_sign_ins(ctx: Context) -> None:
    """Delete links, codes, browsers and families that ended a month ago, and browsers long gone."""
    before = ctx.now() - KEPT
    over = (col(TokenFamily.revoked_at) < before) | (col(TokenFamily.expires_at) < before)
    ended = select(TokenFamily.id).where(over)
    # What refers to a family goes before it.
    ctx.db.exec(delete(RefreshToken).where(col(RefreshToken.family_id).in_(ended)))
    ctx.db.exec(delete(AccessToken).where(col(AccessToken.family_id).in_(ended)))
    ctx.db.exec(delete(TokenFamily).where(over))
    ctx.db.exec(delete(OneTimeLink).where(col(OneTimeLink.expires_at) < before))
    ctx.db.exec(delete(DeviceGrant).where(col(DeviceGrant.expires_at) < before))
    ctx.db.exec(delete(BrowserSession).where(col(BrowserSession.expires_at) < before))
    ctx.db.exec(delete(KnownDevice).where(col(KnownDevice.seen_at) < ctx.now() - KNOWN))
