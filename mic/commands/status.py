"""`mic status`: the session and what changed, without network."""

from mic import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from mic.here import Here

EXAMPLE = "example:\n  mic status"


def add_arguments(parser: "ArgumentParser") -> None:
    """None of its own."""


def run(here: "Here", args: "Namespace") -> None:
    """Show the session and what changed."""
    workspace = here.workspace
    scan = workspace.look()
    session = workspace.session
    found = workspace.changes(scan)
    if here.json:
        return render.as_json(_told(workspace.index.position, session, found))
    if session is None:
        line = 'No session. Start one: mic session start "what you are going to do"'
        render.line(line)
    else:
        render.line(f"Session: {session['short_id']}")
        render.line(f'Goal: "{session["goal"]}"')
        render.line(f"Started: {render.since(session['started_at'])}")
    render.line()
    render.changes(found)
    if session is not None:
        render.said("Conversation", "note", session.get("conversation", []))
        render.said("Decisions", "decision", session.get("decisions", []))


def _told(position: int, session: "dict[str, Any] | None", found: "list[Any]") -> "dict[str, Any]":
    return {
        "position": position if position >= 0 else None,
        "session": session,
        "changes": [
            {
                "path": render.path(change.path),
                "status": change.status,
                "old_mode": f"{change.old_mode:o}" if change.old_mode else None,
                "new_mode": f"{change.mode:o}" if change.mode else None,
                "old": change.old_id or None,
                "new": change.id or None,
            }
            for change in found
        ],
    }


ALONE = {"run": run}
