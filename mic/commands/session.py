"""`mic session`: work with a goal, from its start to its landing."""

from argparse import ArgumentParser, Namespace
from typing import Any

from mic import address, checkout, parsing, render
from mic.answers import as_dict
from mic.errors import NoSession, OffTheTrunk, Refused, SessionOpen, Unreachable, Usage
from mic.here import Here
from mic.workspace import Workspace
from vcs.errors import Kind
from vcs.wire import sessions_pb2 as s

EXAMPLE = 'example:\n  mic session start "Explain the import order"'
STATUSES = ("active", "pending_review", "landed", "rejected", "abandoned")


def add_arguments(parser: ArgumentParser) -> None:
    """The verbs of a session."""
    verbs = parsing.subcommands(parser)
    start = parsing.verb(verbs, "start", run_start, 'mic session start "Explain the import order"')
    start.add_argument(
        "words", nargs="+", metavar="[ORG/PROJECT] GOAL", help="what you are going to do, and where"
    )
    start.add_argument("--agent", default="", help="which agent works on it")
    start.add_argument("--model", default="", help="which model the agent uses")
    _about(parsing.verb(verbs, "status", run_status, "mic session status"))
    for name, run, example in (
        ("note", run_note, 'mic session note "The parser accepts both forms"'),
        ("decide", run_decide, 'mic session decide "Keep the old form, warn about it"'),
    ):
        said = parsing.verb(verbs, name, run, example)
        said.add_argument("text", metavar="TEXT")
        said.add_argument("--role", choices=("human", "agent"), default="human", help="who says it")
        said.add_argument("--session", metavar="ID", help="another session than the one open here")
    push = parsing.verb(verbs, "push", run_push, "mic session push --watch")
    push.add_argument("--watch", action="store_true", help="push again on every save, until Ctrl-C")
    push.add_argument("--message", default="", help="say something about this state")
    land = parsing.verb(verbs, "land", run_land, 'mic session land --summary "The README explains it now."')
    _about(land)
    land.add_argument("--summary", default="", help="say what changed and why")
    land.add_argument("--require-approval", action="store_true", help="let somebody look first")
    abandon = parsing.verb(verbs, "abandon", run_abandon, 'mic session abandon --reason "Done elsewhere"')
    _about(abandon)
    abandon.add_argument("--reason", default="", help="say why")
    listing = parsing.verb(verbs, "list", run_list, "mic session list --status active")
    listing.add_argument(
        "project", nargs="?", metavar="ORG/PROJECT", help="whose sessions; here: the workspace's"
    )
    listing.add_argument("--mine", action="store_true", help="your own in every project")
    listing.add_argument("--status", choices=STATUSES, default="", help="only those that are so")
    listing.add_argument("-n", dest="limit", type=int, default=20, metavar="N", help="at most so many (20)")
    show = parsing.verb(verbs, "show", run_show, "mic session show 6e1f02ab")
    _about(show)


def _about(parser: ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="a session; the one open here when left out")


def run_start(here: Here, args: Namespace) -> None:
    """Start a session with a goal"""
    where, goal = _target(args.words)
    workspace = here.workspace if where is None else here.workspace_if_any()
    if workspace is not None and where is not None and not _is_of(here, where):
        workspace = None
    base: int | None = None
    if workspace is not None:
        where = here.project
        if (open_ := workspace.session) is not None:
            raise SessionOpen(short=open_["short_id"], goal=open_["goal"])
        if workspace.index.position < 0:
            raise OffTheTrunk
        base = workspace.index.position
    assert where is not None
    client = here.signed_in("" if workspace is not None else where.instance)
    session = client.sessions.StartSession(
        s.StartSessionRequest(
            organization_handle=where.organization,
            project_handle=where.project,
            goal=goal,
            agent=args.agent,
            model=args.model,
            base_position=base,
        )
    )
    if workspace is not None:
        keep(workspace, session)
    if here.json:
        return render.as_json(as_dict(session))
    render.line(f"Started session {session.short_id} on {where.name} at position {session.base_position}.")
    render.line(session.url)


def _target(words: list[str]) -> tuple[address.ProjectAddress | None, str]:
    if len(words) == 1:
        return None, words[0]
    if len(words) == 2:
        return address.project(words[0]), words[1]
    if len(words) == 3:
        return address.project(f"{words[0]}/{words[1]}"), words[2]
    raise Usage(
        problem='The goal is one argument: put it in quotes, as in mic session start "fix the build".'
    )


def _is_of(here: Here, where: address.ProjectAddress) -> bool:
    own = here.project
    return own.name == where.name and where.instance in ("", own.instance)


def run_status(here: Here, args: Namespace) -> None:
    """Show how the session stands on the forge"""
    session = _refreshed(here, args.id)
    if here.json:
        return render.as_json(as_dict(session))
    details(session)


def run_note(here: Here, args: Namespace) -> None:
    """Say something in the session's conversation"""
    _say(here, args, "AddSessionNote", s.AddSessionNoteRequest, "conversation")


def run_decide(here: Here, args: Namespace) -> None:
    """Write down a decision"""
    _say(here, args, "AddSessionDecision", s.AddSessionDecisionRequest, "decisions")


def _say(here: Here, args: Namespace, rpc: str, request: Any, place: str) -> None:
    if not args.text.strip():
        raise Usage(problem="There is nothing to say: TEXT is empty.")
    workspace = here.workspace if args.session is None else None
    id = args.session or (workspace.require_session()["id"] if workspace else "")
    client = here.client()
    event = getattr(client.sessions, rpc)(request(session_id=id, content=args.text, role=args.role))
    if workspace is not None:
        session = workspace.require_session()
        said = {"role": args.role, "author": event.actor, "text": args.text, "at": event.time}
        session.setdefault(place, []).append(said)
        workspace.keep_session(session)
    if here.json:
        return render.as_json(as_dict(event))
    render.line("Noted." if place == "conversation" else "Decision noted.")


def run_push(here: Here, args: Namespace) -> None:
    """Send the workspace's changes to the session"""
    if args.watch:
        from mic.following import follow

        return follow(here, message=args.message)
    from mic.push import push

    with here.workspace as workspace:
        workspace.require_session()
        session = push(workspace, here.client(), message=args.message)
        keep(workspace, session)
    if here.json:
        return render.as_json(as_dict(session))
    render.line(pushed(session))


def pushed(session: s.SessionResponse) -> str:
    """One line about what a session holds now."""
    lines = f"+{session.additions} -{session.deletions}"
    return f"Pushed {render.count(session.files, 'file')} ({lines}) to session {session.short_id}."


def run_land(here: Here, args: Namespace) -> None:
    """Land the session on main"""
    own = here.workspace_if_any()
    session = own.session if own else None
    if own is None or session is None or (args.id and not _names(args.id, session["id"])):
        if args.id is None:
            raise NoSession if own else _not_here(here)
        landed = _land(here, args.id, args)
        return _tell_landed(here, landed, [])
    met: list[str] = []
    with own as workspace:
        from mic.push import push

        # Asked first: it may have landed from the browser, or the answer of an earlier try was lost.
        landed = here.client().sessions.GetSession(s.GetSessionRequest(session_id=session["id"]))
        if landed.status == "active":
            push(workspace, here.client())
        if landed.status != "landed":
            landed = _land(here, session["id"], args)
        if landed.HasField("landed_position"):
            met = checkout.advance(workspace, here.client(), landed.landed_position)
            workspace.close_session()
        else:
            keep(workspace, landed)
    _tell_landed(here, landed, met)


def _not_here(here: Here) -> Exception:
    from mic.errors import NotAWorkspace

    return NotAWorkspace(folder=here.folder)


def _names(text: str, id: str) -> bool:
    return id.startswith(text.lower()) or id.endswith(text.lower())


def _land(here: Here, id: str, args: Namespace) -> s.SessionResponse:
    from vcs.objects import new_id

    request = s.LandSessionRequest(
        session_id=id, summary=args.summary, require_approval=args.require_approval, landing=new_id()
    )
    client = here.client()
    try:
        landed: s.SessionResponse = client.sessions.LandSession(request)
    except Unreachable:
        # The same landing id again is the same landing, whatever became of the first.
        landed = client.sessions.LandSession(request)
    return landed


def _tell_landed(here: Here, session: s.SessionResponse, met: list[str]) -> None:
    if here.json:
        return render.as_json(as_dict(session))
    if not session.HasField("landed_position"):
        return render.line(f"Session {session.short_id} waits for a review: {session.url}")
    render.line(f"Landed at position {session.landed_position}.")
    for path in met:
        render.note(
            f"mic: {render.path(path)} was changed by another landing and has edits of yours here. "
            "Look at `mic diff` before you push them: they undo the other change."
        )


def run_abandon(here: Here, args: Namespace) -> None:
    """Give the session up; the files here stay as they are"""
    own = here.workspace_if_any()
    session = own.session if own else None
    if args.id is None:
        session = here.workspace.require_session()
    id = args.id or (session or {})["id"]
    ended = here.client().sessions.AbandonSession(s.AbandonSessionRequest(session_id=id, reason=args.reason))
    if own is not None and session is not None and session["id"] == ended.id:
        own.close_session()
    if here.json:
        return render.as_json(as_dict(ended))
    render.line(f"Abandoned session {ended.short_id}.")


def run_list(here: Here, args: Namespace) -> None:
    """List sessions, newest first"""
    client_of = address.project(args.project) if args.project else None
    if client_of is None and not args.mine and here.workspace_if_any():
        client_of = here.project
    if client_of is not None and not args.mine:
        request: Any = s.ListSessionsRequest(
            organization_handle=client_of.organization,
            project_handle=client_of.project,
            status=args.status,
            limit=args.limit,
        )
        page = here.client(client_of.instance if args.project else "").sessions.ListSessions(request)
    else:
        client = here.signed_in()
        page = client.sessions.ListMySessions(s.ListMySessionsRequest(status=args.status, limit=args.limit))
    if here.json:
        return render.as_json(as_dict(page))
    if not page.items:
        return render.line("No sessions.")
    for item in page.items:
        where = "" if client_of else f"{item.organization}/{item.project}  "
        by = item.author + (f" with {item.agent}" if item.agent else "")
        about = f"{where}{item.goal.splitlines()[0]}  ({by}, {render.since(item.started_at)})"
        render.line(f"{item.short_id}  {item.status:<14}  {about}")


def run_show(here: Here, args: Namespace) -> None:
    """Show a session with what was said and changed"""
    run_status(here, args)


def _refreshed(here: Here, id: str | None) -> s.SessionResponse:
    own = here.workspace_if_any() if id else here.workspace
    session = own.session if own else None
    if id is None and session is None:
        raise NoSession
    request = s.GetSessionRequest(session_id=id or (session or {})["id"])
    found: s.SessionResponse = here.client().sessions.GetSession(request)
    if own is not None and session is not None and session["id"] == found.id:
        if found.status in ("active", "pending_review"):
            keep(own, found)
        elif found.status in ("rejected", "abandoned"):
            own.close_session()
    return found


def keep(workspace: Workspace, session: s.SessionResponse) -> None:
    """Write down what the forge says of the open session."""
    told = as_dict(session)
    workspace.keep_session({name: told[name] for name in _KEPT})


_KEPT = (
    "id",
    "short_id",
    "organization",
    "project",
    "goal",
    "status",
    "author",
    "agent",
    "base_position",
    "revision",
    "started_at",
    "url",
    "conversation",
    "decisions",
)


def details(session: s.SessionResponse) -> None:
    """A whole session for people."""
    told = as_dict(session)
    render.line(f"Session: {session.short_id} ({session.status.replace('_', ' ')})")
    render.line(f'Goal: "{session.goal}"')
    by = session.author + (f" with {session.agent}" if session.agent else "")
    render.line(f"By: {by}")
    render.line(f"Project: {session.organization}/{session.project}, from position {session.base_position}")
    render.line(f"Started: {render.since(session.started_at)}")
    if session.HasField("landed_position"):
        render.line(f"Landed: position {session.landed_position}")
    render.line(f"Page: {session.url}")
    render.line()
    if not session.changes:
        render.line("No changes.")
    else:
        many = render.count(len(session.changes), "file")
        render.line(f"Changes ({many}, +{session.additions} -{session.deletions}):")
        for change in told["changes"]:
            render.line(f"  {render.LETTERS[change['status']]} {change['path']}")
    render.said("Conversation", "note", told["conversation"])
    render.said("Decisions", "decision", told["decisions"])


def ended(refusal: Refused) -> bool:
    """Whether a refusal says that there is nothing more to push to."""
    return (
        refusal.refused_as in (Kind.NOT_FOUND, Kind.UNAUTHENTICATED, Kind.FORBIDDEN)
        or refusal.refusal == "session.over"
    )
