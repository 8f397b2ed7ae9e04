"""Tokens: one per instance, in a file that only its owner reads.

Many `mic` run side by side. Whoever changes the file holds its lock and reads it again first, so
nobody loses what another one wrote, and a token that is about to end is renewed by one of them
while the others wait and then use it.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mic import config
from mic.errors import DamagedWorkspace

Entry = dict[str, Any]


def token_for(instance: str, *, insecure: bool = False) -> str:
    """The stored token of an instance, renewed when it is about to end; nothing when there is none.

    SignInEnded when it cannot be renewed any more.
    """
    entry = entry_for(instance)
    if not entry.get("refresh_token"):
        return str(entry.get("token", ""))
    from mic import signing_in

    if signing_in.stale(entry):
        with _locked():
            entry = entry_for(instance)
            if signing_in.stale(entry):
                entry = signing_in.renewed(
                    instance, entry, lambda fresh: _keep(instance, fresh), insecure=insecure
                )
    return str(entry.get("token", ""))


def entry_for(instance: str) -> Entry:
    """Everything stored for an instance, as it is."""
    return _read().get(instance, {})


def instances() -> list[str]:
    """Where somebody is signed in."""
    return sorted(_read())


def handle_for(instance: str) -> str:
    """Whose token that is."""
    return str(entry_for(instance).get("handle", ""))


def store(instance: str, token: str, handle: str, **renewing: Any) -> None:
    """Keep a token that was verified, with whose it is and what renews it."""
    with _locked():
        _keep(instance, {**renewing, "token": token, "handle": handle})


def forget(instance: str) -> Entry:
    """Drop what is stored for an instance; what that was, empty when nothing."""
    with _locked():
        kept = _read()
        gone = kept.pop(instance, {})
        if gone:
            _write(kept)
        return gone


def _keep(instance: str, entry: Entry) -> None:
    _write({**_read(), instance: entry})


@contextmanager
def _locked() -> Iterator[None]:
    """Nobody else changes the credentials meanwhile; waits for whoever does."""
    path = config.home() / "credentials.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _path() -> Path:
    return config.home() / "credentials.json"


def _read() -> dict[str, Entry]:
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


def _write(kept: dict[str, Entry]) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    # 0600 from its first moment on: nobody reads it in between.
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=2)
    draft.replace(path)
