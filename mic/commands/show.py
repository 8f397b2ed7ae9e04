"""`mic show`: a landing, a file at a ref, or the session."""

from argparse import ArgumentParser, Namespace

from mic import compare, render
from mic.answers import as_dict
from mic.commands import log, session
from mic.errors import NoSuchPath
from mic.here import Here
from vcs.wire import projects_pb2 as p

EXAMPLE = "examples:\n  mic show @3 --patch\n  mic show @3:README.md\n  mic show session"


def add_arguments(parser: ArgumentParser) -> None:
    """What to show."""
    parser.add_argument("what", metavar="REF | REF:PATH | session", help="such as @3, HEAD or a session's id")
    parser.add_argument("--patch", action="store_true", help="with changed lines")


def run(here: Here, args: Namespace) -> None:
    """Show a landing, a file at a ref, or the session"""
    if args.what == "session":
        args.id = None
        return session.run_show(here, args)
    if ":" in args.what:
        from mic.commands import cat

        args.path = args.what
        return cat.run(here, args)
    where = here.project
    client = here.client()
    names = {"organization_handle": where.organization, "project_handle": where.project}
    found = client.projects.ResolveRef(p.ResolveRefRequest(**names, ref=args.what))
    if not found.position:
        raise NoSuchPath(f"{args.what} is no landing. See what landed: mic log")
    landing = client.projects.GetLanding(p.GetLandingRequest(**names, position=found.position))
    if here.json:
        return render.as_json(as_dict(landing))
    log.header(landing)
    told = as_dict(landing)
    render.said("Conversation", "note", told["conversation"])
    render.said("Decisions", "decision", told["decisions"])
    render.line()
    if args.patch:
        older = f"@{landing.position - 1}"
        return compare.show_patch(compare.refs(here, older, f"@{landing.position}", compare.within([])))
    for change in told["changes"]:
        counts = "binary" if change["binary"] else f"+{change['additions']} -{change['deletions']}"
        render.line(f"  {render.LETTERS[change['status']]} {change['path']}  ({counts})")
