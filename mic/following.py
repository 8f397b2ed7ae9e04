"""`mic session push --watch`: every save reaches the session, until Ctrl-C or its end."""

import os
import time

from mic import render
from mic.commands.session import ended, keep, pushed
from mic.errors import Refused, Unreachable
from mic.here import Here
from mic.push import push
from mic.scan import Change
from mic.watch import watcher
from mic.workspace import FOLDER, Workspace

RETRY_SECONDS = 2.0

Seen = list[tuple[str, int, str]]


def follow(here: Here, *, message: str = "") -> None:
    """Push, wait for a change, push again. What cannot be reached is tried again."""
    workspace = here.workspace
    session = workspace.require_session()
    watching = watcher()
    told: Seen | None = None
    lost = False
    render.note(f"Watching {workspace.root} for session {session['short_id']}. Ctrl-C ends it.")
    while True:
        try:
            told = _once(here, workspace, told, message)
            message, lost = "", False
        except Unreachable as problem:
            if not lost:
                render.note(f"mic: {problem.sentence} Trying again.")
            lost = True
            time.sleep(RETRY_SECONDS)
            continue
        except Refused as refusal:
            if ended(refusal):
                raise
            render.note(f"mic: {refusal.sentence}")
            told = _seen(workspace.changes())
        watching.wait(_folders(workspace))


def _once(here: Here, workspace: Workspace, told: Seen | None, message: str) -> Seen:
    with workspace:
        found = workspace.changes()
        seen = _seen(found)
        if seen != told or message:
            session = push(workspace, here.client(), found, message=message)
            keep(workspace, session)
            render.line(pushed(session))
            _flush()
    return seen


def _flush() -> None:
    import sys

    sys.stdout.flush()


def _seen(changes: list[Change]) -> Seen:
    return [(change.path, change.mode, change.id) for change in changes]


def _folders(workspace: Workspace) -> list[str]:
    """The folders that hold files of the base or new ones, and those above them."""
    found: set[str] = {""}
    for folder in workspace.index.folders:
        while folder not in found:
            found.add(folder)
            folder = folder[: folder.rfind("/", 0, -1) + 1]
    found |= _new_folders(workspace)
    return [os.path.join(workspace.root, folder) for folder in found]


def _new_folders(workspace: Workspace) -> set[str]:
    """Empty folders that a file may appear in next."""
    from mic.ignore import Rules

    rules, found = Rules(workspace.root), set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(os.path.join(workspace.root, folder)) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        for name in names:
            below = f"{folder}{name}/"
            if name not in (FOLDER, ".git") and not rules.ignored(folder, name, is_folder=True):
                found.add(below)
                waiting.append(below)
    return found
