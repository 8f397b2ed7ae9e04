"""`mic log`: landings, newest first."""

import os
from argparse import ArgumentParser, Namespace

from mic import address, render
from mic.answers import as_dict
from mic.here import Here
from vcs.wire import projects_pb2 as p

EXAMPLE = "examples:\n  mic log -n 5\n  mic log -- src/main.py"


def add_arguments(parser: ArgumentParser) -> None:
    """How many, of which project, of which path."""
    parser.add_argument("-n", dest="limit", type=int, default=10, metavar="N", help="at most so many (10)")
    parser.add_argument("--project", metavar="ORG/PROJECT", help="the workspace's when left out")
    parser.add_argument("path", nargs="?", default="", metavar="PATH", help="only what changed this path")


def run(here: Here, args: Namespace) -> None:
    """Show landings, newest first"""
    where = address.project(args.project) if args.project else here.project
    path = args.path.strip("/") if args.project or not args.path else here.in_tree(args.path)
    found: list[p.LandingSummary] = []
    cursor = ""
    client = here.client(where.instance if args.project else "")
    while len(found) < args.limit:
        page = client.projects.ListLandings(
            p.ListLandingsRequest(
                organization_handle=where.organization,
                project_handle=where.project,
                cursor=cursor,
                limit=min(100, args.limit - len(found)),
                path=os.fsencode(path),
            )
        )
        found += page.items
        cursor = page.next
        if not cursor:
            break
    if here.json:
        return render.as_json({"items": [as_dict(each) for each in found]})
    if not found:
        return render.line(f"Nothing that landed changed {path}." if path else "Nothing has landed yet.")
    for number, landing in enumerate(found):
        if number:
            render.line()
        header(landing)


def header(landing: p.LandingSummary | p.LandingResponse) -> None:
    """A landing as people read it."""
    render.line(render.colour(f"Landing #{landing.position} ({landing.commit[:12]})", "bold"))
    by = f"{landing.author_name} ({landing.author})" if landing.author_name else landing.author
    render.line(f"Author: {landing.written_by or by}{f' with {landing.agent}' if landing.agent else ''}")
    render.line(f"Date: {render.date(landing.written_at or landing.landed_at)}")
    first, *more = landing.goal.splitlines() or [""]
    render.line(f"Goal: {first}")
    for text in [*more, *([""] if landing.summary else []), *landing.summary.splitlines()]:
        render.line(f"  {text}".rstrip())
    render.line()
    render.line(f"  {totals(landing.files, landing.additions, landing.deletions)}")


def totals(files: int, additions: int, deletions: int) -> str:
    """The last line of a diffstat, as git words it."""
    parts = [f"{render.count(files, 'file')} changed"]
    if additions or not deletions:
        parts.append(f"{render.count(additions, 'insertion')}(+)")
    if deletions or not additions:
        parts.append(f"{render.count(deletions, 'deletion')}(-)")
    return ", ".join(parts)
