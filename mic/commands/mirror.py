"""`mic mirror`: repositories elsewhere that a project follows, or that follow it."""

import sys
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from typing import Any

from mic import address, parsing, render
from mic.answers import as_dict
from mic.client import Client
from mic.errors import Usage
from mic.here import Here
from vcs.wire import mirrors_pb2 as m

EXAMPLE = (
    "examples:\n  mic mirror add push https://github.com/org/project acme/project --token-stdin"
    "\n  mic mirror list acme/project\n  mic mirror set 1f2e3d4c acme/project --minutes 60 --no-prune"
)


def add_arguments(parser: ArgumentParser) -> None:
    """The verbs of mirrors."""
    verbs = parsing.subcommands(parser)
    listing = parsing.verb(verbs, "list", run_list, "mic mirror list acme/notes")
    _project(listing)
    add = parsing.verb(verbs, "add", run_add, "mic mirror add pull https://github.com/org/project acme/notes")
    add.add_argument(
        "direction",
        choices=("pull", "push"),
        help="pull: the project follows that repository; push: it follows",
    )
    add.add_argument("url", metavar="URL", help="the address of a git repository")
    _project(add)
    add.add_argument("--username", default="", help="for a private repository")
    add.add_argument("--token-stdin", action="store_true", help="read the token from standard input")
    add.add_argument("--minutes", type=int, metavar="N", help="between two attempts; 480 when left out")
    add.add_argument("--trunk-only", action="store_true", help="push the default branch and nothing else")
    add.add_argument("--prune", action="store_true", help="delete what is deleted on the other side")
    add.add_argument("--overwrite", action="store_true", help="move refs that were changed on both sides")
    change = parsing.verb(verbs, "set", run_set, "mic mirror set 1f2e3d4c acme/notes --minutes 60 --prune")
    change.add_argument("mirror", metavar="MIRROR", help="its id, as the list shows it")
    _project(change)
    change.add_argument("--minutes", type=int, metavar="N", help="between two attempts")
    for flag, what in (
        ("--prune", "delete what is deleted on the other side"),
        ("--overwrite", "move refs that were changed on both sides"),
    ):
        change.add_argument(flag, action=BooleanOptionalAction, default=None, help=what)
    change.add_argument("--username", default="", help="goes with the token")
    kept = change.add_mutually_exclusive_group()
    kept.add_argument("--token-stdin", action="store_true", help="read another token from standard input")
    kept.add_argument("--no-token", action="store_true", help="forget the credentials")
    for name, run, example in (
        ("sync", run_sync, "mic mirror sync 1f2e3d4c acme/notes"),
        ("pause", run_pause, "mic mirror pause 1f2e3d4c acme/notes"),
        ("resume", run_resume, "mic mirror resume 1f2e3d4c acme/notes"),
        ("remove", run_remove, "mic mirror remove 1f2e3d4c acme/notes"),
    ):
        verb = parsing.verb(verbs, name, run, example)
        verb.add_argument("mirror", metavar="MIRROR", help="its id, as the list shows it")
        _project(verb)


def _project(verb: ArgumentParser) -> None:
    verb.add_argument(
        "project", nargs="?", metavar="ORG/PROJECT", help="the workspace's project when left out"
    )


def run_list(here: Here, args: Namespace) -> None:
    """List the mirrors of a project and how they are"""
    client, named = _asked(here, args)
    found = client.mirrors.ListMirrors(m.ListMirrorsRequest(**named)).items
    if here.json:
        return render.as_json({"items": [as_dict(each) for each in found]})
    if not found:
        return render.line("No mirrors.")
    for each in found:
        _show(each)


def run_add(here: Here, args: Namespace) -> None:
    """Mirror a repository into a project, or the project to a repository"""
    token = sys.stdin.readline().strip() if args.token_stdin else ""
    if args.username and not token:
        raise Usage(problem="A user needs a token: add --token-stdin.")
    client, named = _asked(here, args)
    made = client.mirrors.CreateMirror(
        m.CreateMirrorRequest(
            **named,
            direction=args.direction,
            url=args.url,
            username=args.username,
            token=token,
            refs="trunk" if args.trunk_only else None,
            prune=args.prune,
            overwrite=args.overwrite,
            interval_minutes=args.minutes,
        )
    )
    if here.json:
        return render.as_json(as_dict(made))
    render.line(f"Added {_short(made)}: {_way(made)}. See how it goes: mic mirror list {_of(made)}")


def run_set(here: Here, args: Namespace) -> None:
    """Change how often, what it deletes and overwrites, or its credentials; what is not named stays"""
    if args.username and not args.token_stdin:
        raise Usage(problem="A user needs a token: add --token-stdin.")
    changes = {"interval_minutes": args.minutes, "prune": args.prune, "overwrite": args.overwrite}
    if args.token_stdin:
        token = sys.stdin.readline().strip()
        if not token:
            raise Usage(problem="Standard input holds no token. To forget the credentials: --no-token.")
        changes |= {"username": args.username, "token": token}
    if args.no_token:
        changes["token"] = ""
    if all(value is None for value in changes.values()):
        raise Usage(problem="Name what is to change: --minutes, --prune, --overwrite or --token-stdin.")
    _told(here, _updated(here, args, **changes), "Changed")


def run_sync(here: Here, args: Namespace) -> None:
    """Mirror now"""
    client, named = _asked(here, args)
    told = client.mirrors.SyncMirror(m.SyncMirrorRequest(mirror_id=args.mirror, **named))
    _told(here, told, f"On its way. See how it goes: mic mirror list {_of(told)}")


def run_pause(here: Here, args: Namespace) -> None:
    """Make no attempts until it is resumed"""
    _told(here, _updated(here, args, paused=True), "Paused")


def run_resume(here: Here, args: Namespace) -> None:
    """Make attempts again, the first one now"""
    _told(here, _updated(here, args, paused=False), "Resumed")


def run_remove(here: Here, args: Namespace) -> None:
    """End a mirror; what it brought stays on both sides"""
    client, named = _asked(here, args)
    gone = client.mirrors.RemoveMirror(m.RemoveMirrorRequest(mirror_id=args.mirror, **named))
    _told(here, gone, "Removed")


def _asked(here: Here, args: Namespace) -> tuple[Client, dict[str, Any]]:
    where = address.project(args.project) if args.project else here.project
    client = here.signed_in(where.instance if args.project else "")
    return client, {"organization_handle": where.organization, "project_handle": where.project}


def _updated(here: Here, args: Namespace, **changes: Any) -> m.MirrorResponse:
    client, named = _asked(here, args)
    request = m.UpdateMirrorRequest(mirror_id=args.mirror, **changes, **named)
    changed: m.MirrorResponse = client.mirrors.UpdateMirror(request)
    return changed


def _show(mirror: m.MirrorResponse) -> None:
    state = "paused" if mirror.paused else mirror.state
    ended = mirror.last_success_at or mirror.last_attempt_at
    render.line(f"{_short(mirror)}  {mirror.direction}  {state:<7}  {mirror.url}  {ended[:16]}".rstrip())
    if mirror.problem or mirror.result:
        render.line(f"  {mirror.problem or mirror.result}")
    for each in mirror.refused[1:]:
        render.line(f"  {each.ref}: {each.reason}")


def _told(here: Here, mirror: m.MirrorResponse, did: str) -> None:
    if here.json:
        return render.as_json(as_dict(mirror))
    render.line(did if did.startswith("On") else f"{did} {_short(mirror)}: {_way(mirror)}.")


def _way(mirror: m.MirrorResponse) -> str:
    if mirror.direction == "pull":
        return f"{_of(mirror)} follows {mirror.url}"
    return f"{mirror.url} follows {_of(mirror)}"


def _of(mirror: m.MirrorResponse) -> str:
    return f"{mirror.organization}/{mirror.project}"


def _short(mirror: m.MirrorResponse) -> str:
    return str(mirror.id[-8:])
