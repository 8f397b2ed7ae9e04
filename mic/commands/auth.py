"""`mic auth`: signing in and out, and access tokens."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from mic import config, credentials, git_credential, parsing, render
from mic.answers import as_dict
from mic.client import Client
from mic.errors import NotSignedIn, Usage
from mic.here import Here
from vcs.wire import auth_pb2

EXAMPLE = "example:\n  mic auth login --instance https://forge.example.org"
USUAL = "project:read,project:write,session:read,session:write,org:read"


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
    token = parsing.verb(verbs, "token", run_token_list, 'mic auth token create --name "CI" --expires 30')
    _add_token_verbs(parsing.subcommands(token))


def _add_token_verbs(verbs: Any) -> None:
    create = parsing.verb(
        verbs,
        "create",
        run_token_create,
        'mic auth token create --name "CI" --scope project:read,session:write --expires 30',
    )
    create.add_argument("--name", required=True, help="what or who uses it")
    create.add_argument(
        "--scope",
        action="append",
        metavar="SCOPES",
        help=f"what it may do, with commas; {USUAL} when left out",
    )
    create.add_argument(
        "--expires", default="90", metavar="DAYS", help="how long it lives: 1 to 366 days; 90"
    )
    create.add_argument("--agent", action="store_true", help="it is an agent's: it never approves")
    create.add_argument("--project", metavar="ORG/PROJECT", help="the only project of an agent's token")
    create.add_argument("--path", action="append", default=[], help="the only paths of an agent's token")
    parsing.verb(verbs, "list", run_token_list, "mic auth token list")
    revoke = parsing.verb(verbs, "revoke", run_token_revoke, "mic auth token revoke 3f2a91c0")
    revoke.add_argument("token", metavar="TOKEN", help="its id, or any unique beginning or end of that")


def run_login(here: Here, args: Namespace) -> None:
    """Sign in to an instance"""
    instance = here.instance()
    entry = {"token": _token(args)} if args.token is not None or args.token_stdin else _let_in(instance, args)
    if not entry["token"]:
        raise Usage(problem=f"The token is empty. Make one at {instance}/settings/tokens.")
    client = Client(instance, token=entry["token"], insecure=args.insecure)
    try:
        user = client.auth.GetCurrentUser(auth_pb2.GetCurrentUserRequest())
    finally:
        client.close()
    credentials.store(instance, handle=user.handle, **entry)
    if here.json:
        return render.as_json({"instance": instance, "user": as_dict(user)})
    render.line(f"Signed in to {instance} as {user.handle}.")


def _token(args: Namespace) -> str:
    return str(sys.stdin.readline() if args.token is None else args.token).strip()


def _let_in(instance: str, args: Namespace) -> dict[str, Any]:
    """Show a code, and wait until somebody lets this machine in at a browser."""
    from mic import signing_in

    code = signing_in.ask(instance, insecure=args.insecure)
    render.note(f"Open {code.complete}")
    render.note(f"and let mic in if the code there is {code.user_code}.")
    return signing_in.wait(instance, code, insecure=args.insecure)


def run_status(here: Here, args: Namespace) -> None:
    """Show who you are, as the instance sees it"""
    client = here.signed_in()
    user = client.auth.GetCurrentUser(auth_pb2.GetCurrentUserRequest())
    if here.json:
        return render.as_json({"instance": client.instance, "user": as_dict(user)})
    render.line(f"Signed in to {client.instance} as {user.handle}.")
    if not config.token_from_environment() and credentials.entry_for(client.instance).get("refresh_token"):
        render.line(
            "By a code you approved; it renews itself until you sign out or a week passes without use."
        )
    else:
        source = "MICELIO_TOKEN" if config.token_from_environment() else f"token {user.token!r}"
        until = f", valid until {render.date(user.token_expires_at)}" if user.token_expires_at else ""
        render.line(f"By {source}{until}.")
    if user.scopes:
        render.line(f"Scopes: {', '.join(user.scopes)}")


def run_logout(here: Here, args: Namespace) -> None:
    """Sign out of an instance"""
    instance = here.instance()
    entry = credentials.forget(instance)
    if not entry:
        raise NotSignedIn(f"You are not signed in to {instance}, so there is nothing to forget.")
    told = f"The token stays valid; revoke it at {instance}/settings/tokens."
    if entry.get("refresh_token"):
        told = ""
        from mic import signing_in

        if not signing_in.revoke(instance, entry, insecure=args.insecure):
            told = f"The forge could not be told; sign this machine out at {instance}/settings too."
    if here.json:
        return render.as_json({"instance": instance})
    render.line(f"Signed out of {instance}. {told}".strip())


def run_setup_git(here: Here, args: Namespace) -> None:
    """Let git use the kept token, so that clone, fetch and push need no typing"""
    instance = here.instance()
    if not (credentials.entry_for(instance) or config.token_from_environment()):
        raise NotSignedIn(
            f"You are not signed in to {instance}, so git would have nothing to send. "
            f"First: mic auth login --instance {instance}"
        )
    helper = git_credential.called(insecure=bool(args.insecure))
    key = f"credential.{instance}.helper"
    # An empty one first: helpers set for every address must neither answer for this one nor keep its token.
    _git_config("--replace-all", key, "")
    _git_config("--add", key, helper)
    if here.json:
        return render.as_json({"instance": instance, "key": key, "helper": helper})
    render.line(
        f"git asks mic for your token of {instance} from now on. Try: git clone {instance}/ORG/PROJECT"
    )


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


def run_token_create(here: Here, args: Namespace) -> None:
    """Make an access token, shown this once"""
    scopes = [scope.strip() for part in args.scope or [USUAL] for scope in part.split(",") if scope.strip()]
    request = auth_pb2.CreateAccessTokenRequest(
        name=args.name,
        scopes=scopes,
        kind="agent" if args.agent else "personal",
        paths=args.path,
        expires_in_days=_days(args.expires),
    )
    if args.project:
        request.project = args.project
    made = here.signed_in().auth.CreateAccessToken(request)
    if here.json:
        return render.as_json(as_dict(made))
    render.line(made.token)
    render.note(f"Keep it now: it is not shown again. It ends on {render.date(made.expires_at)}.")


def run_token_list(here: Here, args: Namespace) -> None:
    """List your access tokens"""
    tokens = _tokens(here)
    if here.json:
        return render.as_json({"items": [as_dict(token) for token in tokens]})
    if not tokens:
        return render.line("No tokens. Make one: mic auth token create --name NAME")
    for token in tokens:
        kind = "agent's, " if token.kind == "agent" else ""
        used = f"used {render.date(token.used_at)}" if token.used_at else "never used"
        render.line(f"{token.id[-8:]}  {token.name}  {kind}{used}, until {render.date(token.expires_at)}")
        render.line(f"          {', '.join(token.scopes)}")


def run_token_revoke(here: Here, args: Namespace) -> None:
    """Revoke an access token; it stops working at once"""
    given = args.token.lower()
    found = [token for token in _tokens(here) if token.id.startswith(given) or token.id.endswith(given)]
    if len(found) != 1:
        problem = f"{len(found)} tokens have ids that begin or end so" if found else "You have no such token"
        raise Usage(problem=f"{problem}. mic auth token list shows them.")
    gone = here.signed_in().auth.RevokeAccessToken(auth_pb2.RevokeAccessTokenRequest(token_id=found[0].id))
    if here.json:
        return render.as_json(as_dict(gone))
    render.line(f"Revoked {gone.name!r}. It stopped working at once.")


def _tokens(here: Here) -> list[Any]:
    return list(here.signed_in().auth.ListAccessTokens(auth_pb2.ListAccessTokensRequest()).items)


def _days(text: str) -> int:
    number = text.removesuffix("d")
    if not number.isdigit() or not 1 <= int(number) <= 366:
        raise Usage(problem=f"--expires takes 1 to 366 days, like 30, and not {text}.")
    return int(number)
