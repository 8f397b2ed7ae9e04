"""`mic import`: a whole git history becomes a project."""

import os
import re
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from mic import address, parsing, render
from mic.errors import ImportFailed, NoSuchPath, Usage
from mic.here import Here
from mic.rest import Rest

EXAMPLE = (
    "examples:\n  mic import git https://github.com/org/project acme/project\n  mic import git . acme/project"
)
_URL = re.compile(r"(https?|git)://")


def add_arguments(parser: ArgumentParser) -> None:
    """What to import."""
    verbs = parsing.subcommands(parser)
    git = parsing.verb(verbs, "git", run_git, "mic import git https://github.com/org/project acme/project")
    git.add_argument(
        "source", metavar="URL|DIR|FILE.bundle", help="a repository's address, a folder, a bundle"
    )
    git.add_argument(
        "project", nargs="?", metavar="ORG/PROJECT", help="where it goes; your own when left out"
    )
    git.add_argument(
        "--visibility", choices=("public", "private"), default="private", help="of a new project"
    )
    git.add_argument("--username", default="", help="for a private source")
    git.add_argument("--token-stdin", action="store_true", help="read the source's token from standard input")
    git.add_argument("--detach", action="store_true", help="do not wait for the end")


def run_git(here: Here, args: Namespace) -> None:
    """Import a git repository with its whole history"""
    token = sys.stdin.readline().strip() if args.token_stdin else ""
    remote = _URL.match(args.source) is not None
    if (token or args.username) and not remote:
        raise Usage(problem="User and token are for addresses; a folder or bundle needs none.")
    where = address.project(args.project) if args.project else None
    client = here.signed_in(where.instance if where else "")
    rest = Rest(client, insecure=bool(args.insecure))
    if where is not None:
        organization, project = where.organization, where.project
    else:
        organization, project = str(rest.ask("GET", "/api/v1/user")["handle"]), _name_of(args.source)
    names = {"organization_handle": organization, "project_handle": project, "visibility": args.visibility}
    if remote:
        more = {"source_url": args.source, "username": args.username, "token": token}
        asked = rest.ask("POST", "/api/v1/projects/import", {**names, **more})
    else:
        asked = _uploaded(here, rest, args.source, names)
    ended = asked if args.detach else _watched(rest, asked, quiet=here.json)
    if ended["state"] not in ("done", "waiting", "running"):
        raise ImportFailed(problem=ended["problem"] or f"The import was {ended['state']}.")
    if here.json:
        return render.as_json(ended)
    if args.detach:
        return render.line(f"The import is on its way. Watch it: {ended['url']}")
    counts = (render.count(ended["positions"], "position"), render.count(ended["refs"], "ref"))
    render.line(f"Imported {counts[0]}, {counts[1]} and {render.count(ended['objects'], 'object')}.")
    render.line(ended["project_url"])


def _uploaded(here: Here, rest: Rest, source: str, names: dict[str, str]) -> Any:
    """Send a bundle, or one made of a folder's branches, tags and notes."""
    path = Path(here.folder, source)
    with ExitStack() as stack:
        if path.is_dir():
            from mic import packing

            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mic-")))
            bundle = packing.bundle_of(path, folder / "source.bundle")
        elif path.is_file():
            bundle = path
        else:
            raise NoSuchPath(f"There is no {source} here: neither a folder nor a bundle, and no address.")
        file = stack.enter_context(open(bundle, "rb"))
        query = urlencode({**names, "name": path.resolve().name}, quote_via=quote)
        return rest.upload(f"/api/v1/projects/import/bundle?{query}", file)


def _watched(rest: Rest, asked: Any, *, quiet: bool) -> Any:
    """Follow an import to its end, a line for each stage that is done."""
    shown: set[str] = set()
    last = asked
    for last in rest.events(f"/api/v1/imports/{asked['id']}/events/stream"):
        for stage in last["stages"]:
            if stage["state"] == "done" and stage["stage"] not in shown and not quiet:
                shown.add(stage["stage"])
                render.line(f"{stage['stage']}: done")
    return last


def _name_of(source: str) -> str:
    name = os.path.basename(os.path.abspath(source) if not _URL.match(source) else source.rstrip("/"))
    return re.sub(r"\.(git|bundle)$", "", name).lower()
