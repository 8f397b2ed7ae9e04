"""`git-credential-mic`: git asks it for the token that `mic auth login` keeps.

git's protocol (git-credential(1)): a word, `get`, `store` or `erase`, and lines `key=value` on standard
input. It never fails loudly: where it knows nothing it says nothing, and git asks elsewhere.
"""

import os
import sys

from mic import config, credentials
from mic.address import instance as instance_of
from mic.address import is_loopback

ANY_USER = "x-token"
_PREFIX = "mic_"


def main(words: list[str] | None = None) -> int:
    """Answer git; returns the exit code."""
    given = sys.argv[1:] if words is None else words
    insecure = "--insecure" in given
    actions = [word for word in given if word != "--insecure"]
    if len(actions) != 1:
        print("usage: git-credential-mic [--insecure] get|store|erase", file=sys.stderr)
        return 2
    asked = dict(line.rstrip("\n").partition("=")[::2] for line in sys.stdin if "=" in line)
    instance = _instance(asked)
    if instance is None:
        return 0
    if actions[0] == "get":
        sys.stdout.write(_get(instance, asked.get("username", ""), insecure=insecure))
    elif actions[0] == "store":
        _store(instance, asked)
    elif actions[0] == "erase":
        _erase(instance, asked.get("password", ""))
    return 0


def called(*, insecure: bool = False) -> str:
    """How git calls us, for `credential.helper`: by name where it finds us, else by our whole path."""
    import shlex
    from shutil import which

    beside = os.path.join(os.path.dirname(sys.executable), "git-credential-mic")
    if which("git-credential-mic"):
        name = "mic"
    elif os.access(beside, os.X_OK):
        name = shlex.quote(beside)
    else:
        name = f"!{shlex.quote(sys.executable)} -m mic.git_credential"
    return name + (" --insecure" if insecure else "")


def _instance(asked: dict[str, str]) -> str | None:
    if asked.get("protocol") not in ("http", "https") or not asked.get("host"):
        return None
    from mic.errors import Usage

    try:
        return instance_of(f"{asked['protocol']}://{asked['host']}")
    except Usage:
        return None


def _get(instance: str, user: str, *, insecure: bool) -> str:
    token, handle = _kept(instance, insecure=insecure)
    elsewhere = config.instance_from_environment()
    if config.token_from_environment() and elsewhere and instance_of(elsewhere) == instance:
        token, handle = config.token_from_environment(), ANY_USER
    scheme, _, host = instance.partition("://")
    # A token travels encrypted, or to this machine.
    private = scheme == "https" or is_loopback(host.rpartition(":")[0] or host)
    if not token or not (private or insecure) or user not in ("", handle, ANY_USER):
        return ""
    return f"username={user or handle}\npassword={token}\n"


def _kept(instance: str, *, insecure: bool) -> tuple[str, str]:
    from vcs.errors import MicelioError

    try:
        token = credentials.token_for(instance, insecure=insecure)
    except MicelioError as error:
        # It could not be renewed: git asks elsewhere, and whoever sits there is told why.
        print(f"mic: {error.sentence}", file=sys.stderr)
        token = ""
    return token, credentials.handle_for(instance)


def _store(instance: str, told: dict[str, str]) -> None:
    """Keep what somebody typed once it was good; what `mic auth login` verified stays."""
    user, token = told.get("username", ""), told.get("password", "")
    if token.startswith(_PREFIX) and user != ANY_USER and not credentials.entry_for(instance):
        credentials.store(instance, token, user)


def _erase(instance: str, password: str) -> None:
    """Forget a token that was refused, unless another one is kept by now. One that renews itself does."""
    entry = credentials.entry_for(instance)
    if not password or entry.get("token") != password:
        return
    if entry.get("refresh_token"):
        credentials.store(instance, **{**entry, "expires_at": 0})
    else:
        credentials.forget(instance)


if __name__ == "__main__":
    sys.exit(main())
