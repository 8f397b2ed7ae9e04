"""Form tokens: what a form of ours carries so that no page elsewhere can post it in somebody's name.

The Origin of a request is checked before; this holds as well where a browser sends none. A token is
made of the browser session's public id and the instance's secret, so it needs no row and ends with it.
"""

import hashlib
import hmac

from backend.core.callers import ForeignOrigin
from backend.core.config import Settings
from backend.core.context import Actor


def form_token(settings: Settings, browser_id: str | None) -> str:
    """The token of a browser session; empty for strangers, who may post nothing that needs one."""
    if not browser_id:
        return ""
    message = f"form\0{browser_id}".encode()
    return hmac.new(settings.secret_key.encode(), message, hashlib.sha256).hexdigest()


def check_form_token(settings: Settings, actor: Actor, given: str) -> None:
    """Raise ForeignOrigin unless the form was drawn for the browser that sends it."""
    wanted = form_token(settings, actor.browser_id)
    if not wanted or not hmac.compare_digest(wanted.encode(), given.encode()):
        raise ForeignOrigin
