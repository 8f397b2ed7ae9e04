"""Tokens: one per instance, in a file that only its owner reads."""

import json
import os
from pathlib import Path
from typing import Any

from mic import config
from mic.errors import DamagedWorkspace


def token_for(instance: str) -> str:
    """The stored token of an instance, or nothing."""
    return str(_read().get(instance, {}).get("token", ""))


def handle_for(instance: str) -> str:
    """Whose token that is."""
    return str(_read().get(instance, {}).get("handle", ""))


def instances() -> list[str]:
    """Where somebody is signed in."""
    return sorted(_read())


def store(instance: str, token: str, handle: str) -> None:
    """Keep a token that was verified."""
    _write({**_read(), instance: {"token": token, "handle": handle}})


def forget(instance: str) -> bool:
    """Drop the token of an instance; False when there was none."""
    kept = _read()
    if instance not in kept:
        return False
    del kept[instance]
    _write(kept)
    return True


def _path() -> Path:
    return config.home() / "credentials.json"


def _read() -> dict[str, dict[str, str]]:
    path = _path()
    try:
        kept: Any = json.loads(path.read_text("utf-8"))
        return {str(instance): dict(entry) for instance, entry in kept.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError):
        raise DamagedWorkspace(
            f"{path} cannot be read. Remove it and sign in again: mic auth login"
        ) from None


def _write(kept: dict[str, dict[str, str]]) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    # 0600 from its first moment on: nobody reads it in between.
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=2)
    draft.replace(path)
