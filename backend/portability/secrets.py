"""Secrets on their way to the worker: sealed with the forge's own key, opened once."""

import base64
import hashlib
import json

from cryptography.fernet import Fernet, InvalidToken

from backend.core.config import Settings
from backend.portability.sources import Credentials


def seal(settings: Settings, credentials: Credentials) -> str:
    """The text that may stand in a row."""
    told = json.dumps([credentials.username, credentials.token])
    return _box(settings).encrypt(told.encode()).decode()


def unseal(settings: Settings, sealed: str) -> Credentials | None:
    """What was sealed; None when SECRET_KEY_BASE is another one now."""
    try:
        username, token = json.loads(_box(settings).decrypt(sealed.encode()))
    except InvalidToken:
        return None
    return Credentials(username, token)


def _box(settings: Settings) -> Fernet:
    key = hashlib.sha256(b"micelio import credentials\0" + settings.secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
