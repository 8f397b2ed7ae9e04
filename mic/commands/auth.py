"""`mic auth`: tokens of instances."""

import os
import sys
from argparse import ArgumentParser, Namespace

from mic import config, credentials, parsing, render
from mic.answers import as_dict
from mic.client import Client
from mic.errors import NotSignedIn, Usage
from mic.here import Here
from vcs.wire import auth_pb2

EXAMPLE = "example:\n  mic auth login --instance https://forge.example.org"


def add_arguments(parser: ArgumentParser) -> None:
    """The verbs of signing in."""
    verbs = parsing.subcommands(parser)
    login = parsing.verb(verbs, "login", run_login, "mic auth login --instance https://forge.example.org")
    how = login.add_mutually_exclusive_group()
    how.add_argument("--token", help="an access token; others on this machine may see it in the process list")
    how.add_argument("--token-stdin", action="store_true", help="read the token from standard input")
    parsing.verb(verbs, "status", run_status, "mic auth status")
    parsing.verb(verbs, "logout", run_logout, "mic auth logout --instance https://forge.example.org")
    parsing.verb(verbs, "setup-git", run_setup_git, "mic auth setup-git")


def run_login(here: Here, args: Namespace) -> None:
    """Sign in to an instance with an access token"""
    instance = here.instance()
    token = _token(instance, args)
    if not token:
        raise Usage(problem=f"The token is empty. Make one at {instance}/settings/tokens.")
    client = Client(instance, token=token, insecure=args.insecure)
    try:
        user = client.auth.GetCurrentUser(auth_pb2.GetCurrentUserRequest())
    finally:
        client.close()
    credentials.store(instance, token, user.handle)
    if here.json:
        return render.as_json({"instance": instance, "user": as_dict(user)})
    render.line(f"Signed in to {instance} as {user.handle}.")


def _token(instance: str, args: Namespace) -> str:
    if args.token is not None:
        return str(args.token).strip()
    if args.token_stdin or not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    from getpass import getpass

    render.note(f"Make a token at {instance}/settings/tokens and paste it here; it is not shown.")
    return getpass("Token: ").strip()


def run_status(here: Here, args: Namespace) -> None:
    """Show who you are, as the instance sees it"""
    client = here.client()
    client.require_token()
    user = client.auth.GetCurrentUser(auth_pb2.GetCurrentUserRequest())
    if here.json:
        return render.as_json({"instance": client.instance, "user": as_dict(user)})
    render.line(f"Signed in to {client.instance} as {user.handle}.")
    source = "MICELIO_TOKEN" if config.token_from_environment() else f"token {user.token!r}"
    until = f", valid until {render.date(user.token_expires_at)}" if user.token_expires_at else ""
    render.line(f"By {source}{until}.")
    if user.scopes:
        render.line(f"Scopes: {', '.join(user.scopes)}")


def run_logout(here: Here, args: Namespace) -> None:
    """Forget the token of an instance"""
    instance = here.instance()
    if not credentials.forget(instance):
        raise NotSignedIn(f"You are not signed in to {instance}, so there is nothing to forget.")
    if here.json:
        return render.as_json({"instance": instance})
    render.line(f"Signed out of {instance}. The token stays valid; revoke it at {instance}/settings/tokens.")


def run_setup_git(here: Here, args: Namespace) -> None:
    """Let git use the kept token, so that clone, fetch and push need no typing"""
    instance = here.instance()
    if not (credentials.token_for(instance) or config.token_from_environment()):
        raise NotSignedIn(
            f"You are not signed in to {instance}, so git would have nothing to send. "
            f"First: mic auth login --instance {instance}"
        )
    helper = _helper() + (" --insecure" if args.insecure else "")
    key = f"credential.{instance}.helper"
    # An empty one first: helpers set for every address must neither answer for this one nor keep its token.
    _git_config("--replace-all", key, "")
    _git_config("--add", key, helper)
    if here.json:
        return render.as_json({"instance": instance, "key": key, "helper": helper})
    render.line(
        f"git asks mic for your token of {instance} from now on. Try: git clone {instance}/ORG/PROJECT"
    )


def _helper() -> str:
    """How git calls us: by name where it finds us, else by our whole path."""
    import shlex
    from shutil import which

    beside = os.path.join(os.path.dirname(sys.executable), "git-credential-mic")
    if which("git-credential-mic"):
        return "mic"
    if os.access(beside, os.X_OK):
        return shlex.quote(beside)
    return f"!{shlex.quote(sys.executable)} -m mic.git_credential"


def _git_config(*words: str) -> None:
    import subprocess

    try:
        done = subprocess.run(
            ["git", "config", "--global", *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise Usage(problem="There is no git on this machine. Install it first.") from None
    if done.returncode:
        raise Usage(problem=f"git would not take it: {done.stderr.strip()}")
